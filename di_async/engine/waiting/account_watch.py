"""What happens in a whole account, or in a region of it, as a stream: `watch()` without an id.

Lists are swept only while somebody asks for the next event, at a pace that leaves most of the
budget to others. What was found and not yet taken waits in a buffer of one event an id: a newer
one takes its place, so that a slow reader sees the latest state and the memory stays bounded.
"""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from di_async.core.errors import APIError, ClientClosedError, DIError, NotFoundError, ServerError
from di_async.core.http import Priority
from di_async.core.pagination import Page, RawPage, page_count
from di_async.core.protocols import CallRecord, Source
from di_async.core.rate_limit import RequestBudget
from di_async.core.waiting.events import StatusChange
from di_async.core.waiting.evidence import Action, Expectation
from di_async.core.waiting.planner import PAGE_SIZE
from di_async.core.waiting.poll_policy import PollPolicy
from di_async.core.waiting.resume_token import ResourceRef
from di_async.engine.clock import Clock
from di_async.engine.concurrency import for_each

__all__ = ["AccountWatch"]

logger = logging.getLogger("di_async.poller")

_IN_FLIGHT = 8
# Of what sweeps may spend in an hour, what one stream takes at the most.
_SHARE = 0.5

Sweep = Callable[[int, CallRecord], Awaitable[Page | RawPage]]


class _Known(Struct, eq=False):
    """What was told last of one resource."""

    stamp: int
    status: str | None
    note: str | None


class AccountWatch(AsyncIterator[StatusChange]):
    """An async iterator over status changes: first how everything is, then what happens.

    What is new comes with `previous` None; what is gone, which a GET has proven, with `status`
    None. It has no end. Nothing is asked between two steps, and leaving it leaves nothing running.
    """

    def __init__(
        self,
        source: Source[Any],
        sweep: Sweep,
        policy: PollPolicy,
        budget: RequestBudget | None,
        clock: Callable[[], Clock],
    ) -> None:
        self._source = source
        self._sweep = sweep
        self._policy = policy
        self._budget = budget
        self._clock_of = clock
        self._case = Expectation(action=Action.PREDICATE, accepted_at=0.0)
        self._known: dict[str, _Known] = {}
        self._buffer: dict[str, StatusChange] = {}
        self._failures = 0
        self._requests = 0
        self._began: float | None = None
        self._next_at = -math.inf

    def __aiter__(self) -> "AccountWatch":
        return self

    async def __anext__(self) -> StatusChange:
        clock = self._clock_of()
        if self._began is None:
            self._began = clock.now()
        while True:
            if clock.now() >= self._next_at:
                await self._look(clock)
            if self._buffer:
                return self._buffer.pop(next(iter(self._buffer)))
            await asyncio.sleep(max(0.0, self._next_at - clock.now()))
            self._clock_of()  # raises if the client was closed meanwhile

    # -- looking ------------------------------------------------------------------------------

    async def _look(self, clock: Clock) -> None:
        """One sweep over all pages, and a GET for each id that it did not show."""
        seen: set[str] = set()
        pages = 1
        try:
            first = await self._page(1, seen, clock)
            pages = page_count(first, PAGE_SIZE) or 1
            rest = range(2, pages + 1)
            await for_each(
                rest, lambda number: self._rows(number, seen, clock), concurrency=_IN_FLIGHT
            )
            missing = [id for id in self._known if id not in seen]
            await for_each(missing, lambda one: self._find(one, clock), concurrency=_IN_FLIGHT)
        except DIError as error:
            if _final(error):
                raise
            self._failures += 1
            logger.info("watch: %s; the next sweep will tell", error)
        else:
            self._failures = 0
        self._next_at = clock.now() + self._pause(pages, clock.now())

    async def _rows(self, number: int, seen: set[str], clock: Clock) -> None:
        await self._page(number, seen, clock)

    async def _page(self, number: int, seen: set[str], clock: Clock) -> Page:
        call = CallRecord()
        try:
            page = (await self._sweep(number, call)).read()
        finally:
            self._requests += call.sends
        for place, row in enumerate(page.rows):
            id, stamp = self._source.row_key(row)
            seen.add(id)
            known = self._known.get(id)
            if known is None or known.stamp != stamp:
                self._read(id, page, place, stamp, clock)
        return page

    def _read(self, id: str, page: Page, place: int, stamp: int, clock: Clock) -> None:
        try:
            resource = self._source.decode_row(page.full_row(place))
        except DIError as error:
            logger.warning("watch: a list row is left out: %s", error)
        else:
            self._learn(id, resource, stamp, "list", clock)

    async def _find(self, id: str, clock: Clock) -> None:
        """Absence from a list is no proof: pages drift. A 404 is."""
        call = CallRecord()
        try:
            stage = ResourceRef(self._source.kind, id)
            resource = await self._source.get(stage, Priority.CONFIRM, call)
        except NotFoundError:
            last = self._known.pop(id).status
            self._tell(id, None, last, "gone: GET answered 404", None, "get", clock)
        else:
            self._learn(id, resource, 0, "get", clock)
        finally:
            self._requests += call.sends

    def _pause(self, pages: int, now: float) -> float:
        """Seconds until the next sweep: as the policy wants, and as the hour's quota allows."""
        pause = self._policy.target_lag * 2.0 ** min(self._failures, 30)
        if self._failures:
            pause = min(pause, self._policy.max_interval)
        if self._budget is not None:
            pause = max(pause, pages * 3600.0 / (_SHARE * self._budget.remaining(now)))
        return pause

    # -- telling ------------------------------------------------------------------------------

    def _learn(self, id: str, resource: Any, stamp: int, source: str, clock: Clock) -> None:
        observation = self._source.observe(resource, self._case)
        before = self._known.get(id)
        self._known[id] = _Known(stamp, observation.status, observation.reason)
        if before is None or (before.status, before.note) != (
            observation.status,
            observation.reason,
        ):
            last = before.status if before else None
            self._tell(id, observation.status, last, observation.reason, resource, source, clock)

    def _tell(
        self,
        id: str,
        status: str | None,
        previous: str | None,
        note: str | None,
        resource: Any,
        source: str,
        clock: Clock,
    ) -> None:
        event = StatusChange(
            id=id,
            status=status,
            previous=previous if previous != status else None,
            at=clock.datetime(),
            elapsed=clock.now() - (self._began or 0.0),
            requests=self._requests,
            source=source,
            note=note,
            resource=resource,
        )
        waiting = self._buffer.get(id)
        if waiting is not None:  # the latest wins, and tells the way from what was taken last
            event = replace(event, previous=waiting.previous)
        self._buffer[id] = event


def _final(error: DIError) -> bool:
    """Asking again would not help."""
    refused = isinstance(error, APIError) and not isinstance(error, ServerError)
    return isinstance(error, ClientClosedError) or (refused and not error.transient)
