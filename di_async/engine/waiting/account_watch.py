"""Watch a whole account, or one region of it: `watch()` without an id.

An `AccountSweep` subscribes to the client's poller, which reads its list pages only while someone
awaits the next event. Events wait in a buffer of one per id: a newer one replaces it, so a slow
reader gets the latest state and the memory stays bounded.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import evolve
from msgspec import Struct, field
from msgspec.structs import replace

from di_async.core.errors import (
    AuthenticationError,
    ClientClosedError,
    DecodeError,
    DIError,
    NotFoundError,
    defect,
    is_refusal,
    own_copy,
)
from di_async.core.pagination import Page, PageWalk
from di_async.core.rate_limit import RequestBudget
from di_async.core.redaction import masked_reason
from di_async.core.waiting.events import StatusChange
from di_async.core.waiting.evidence import CREATE_GRACE_S, OVERRULING_SPAN_S
from di_async.core.waiting.observation import (
    NO_EXPECTATION,
    NO_VERSION,
    Action,
    Observation,
    ResourceVersion,
)
from di_async.core.waiting.page_index import RowKey
from di_async.core.waiting.poll_policy import PollPolicy
from di_async.core.waiting.poll_schedule import PAGE_SIZE
from di_async.core.waiting.resource_adapter import CallRecord, ResourceAdapter
from di_async.engine.clock import Clock
from di_async.engine.concurrency import in_chunks
from di_async.engine.log import Log
from di_async.engine.waiting.event_stream import StatusStream

if TYPE_CHECKING:
    from di_async.engine.waiting.poller import Poller

__all__ = ["AccountSweep", "AccountWatch", "SweepRead"]

logger = Log("di_async.poller")

_MAX_IN_FLIGHT = 8
# One sweep takes at most this share of what polling may spend in an hour.
_QUOTA_SHARE = 0.5
# So many first pages without a usable row are a defect; fewer may come from a gateway.
_UNUSABLE_PAGES = 3


class SweepRead(Struct, frozen=True):
    """A read for a sweep: a list page, or the GET of an id that no page showed."""

    sweep: "AccountSweep"
    page: int | None = None
    id: str | None = None


class _Known(Struct, frozen=True):
    """What was reported last about one resource."""

    fingerprint: int
    status: str | None
    note: str | None
    new_until: float
    """Loop time until which a 404 proves nothing, as it appeared while the watch went on."""
    version: ResourceVersion = NO_VERSION
    stale_since: float | None = None
    """Loop time of the first of the reads in a row that showed an older state."""


class _Round(Struct, eq=False):
    """One pass over all list pages, with the GETs that follow it."""

    to_read: deque[SweepRead] = field(default_factory=deque)
    in_flight: int = 0
    failed: bool = False
    """A page was not read, so absence from the others says nothing."""
    walk: PageWalk = field(default_factory=partial(PageWalk, PAGE_SIZE))
    batch: dict[int, Page] = field(default_factory=dict)
    """The pages read so far that the walk has not recorded yet."""
    page_count: int = 0
    seen: set[str] = field(default_factory=set)
    listed_gone: set[str] = field(default_factory=set)
    """Ids on its pages that a GET did not find lately."""

    @property
    def is_over(self) -> bool:
        """Whether all of its reads are answered."""
        return not self.in_flight and not self.to_read


class AccountSweep:
    """Rounds over all list pages, and a GET for each known id that they did not show."""

    def __init__(
        self,
        adapter: ResourceAdapter[Any],
        region: str | None,
        policy: PollPolicy,
        budget: RequestBudget | None,
        clock: Clock,
    ) -> None:
        self.adapter = adapter
        self.region = region
        self.started_at = clock.now()
        self._policy = policy
        self._budget = budget
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._gone: dict[str, float] = {}
        """Ids that a GET did not find, with the loop time until which lists may show them."""
        self._buffer: dict[str, StatusChange] = {}
        self._reader: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        self._requests = 0
        self._failures = 0
        self._rounds = 0
        self._round: _Round | None = None
        self._next_at = -math.inf

    # -- the reader ---------------------------------------------------------------------------

    def wait(self) -> asyncio.Future[None]:
        """Return a future that is done when `take` has an event or an error."""
        self._reader = asyncio.get_running_loop().create_future()
        return self._reader

    def stop_waiting(self) -> None:
        """Send no more requests until `wait` is called again."""
        self._reader = None

    def take(self) -> StatusChange | None:
        """Return the next event; None if a round has to end first, or nothing happened.

        Raises the error that ended the sweep.
        """
        if self._error is not None:
            error, self._error = self._error, None
            raise own_copy(error)
        if self._buffer and self._round is None and self._clock.now() < self._next_at:
            return self._buffer.pop(next(iter(self._buffer)))
        return None

    def abort(self, error: Exception) -> None:
        """End the watch with this error."""
        self._error = error
        self._wake()

    def _wake(self) -> None:
        ready = (self._buffer and self._round is None) or self._error is not None
        if ready and self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    # -- rounds -------------------------------------------------------------------------------

    def next_read(self, now: float) -> SweepRead | float:
        """Return what the caller must read now, or the seconds until the next call."""
        if self._reader is None:
            return math.inf
        current = self._round
        if current is None:
            if now < self._next_at:
                return self._next_at - now
            self._gone = {id: until for id, until in self._gone.items() if until > now}
            current = self._round = _Round()
            current.to_read.extend(SweepRead(self, page=n) for n in current.walk.next_batch())
        if not current.to_read or current.in_flight >= _MAX_IN_FLIGHT:
            return math.inf
        current.in_flight += 1
        return current.to_read.popleft()

    @property
    def _current(self) -> _Round:
        """The round that the reads in flight belong to."""
        assert self._round is not None  # noqa: S101 - it ends with its last read
        return self._round

    async def page_done(
        self, read: SweepRead, page: Page, keys: Sequence[RowKey], call: CallRecord
    ) -> None:
        """Record a list page, whose rows have these keys; other tasks run in between."""
        if page.rows and not self._known and not any(id for id, _ in keys):
            error = DecodeError(f"no row of the list of every {self.adapter.noun} has an id")
            if self._failures + 1 >= _UNUSABLE_PAGES:
                self.abort(error)
            self.failed(read, error, call)
            return
        self._requests += call.requests
        current = self._current
        decode = partial(self._row_read, current, page, keys)
        await in_chunks(range(len(page.rows)), decode)
        current.batch[read.page or 1] = page
        current.in_flight -= 1
        if current.is_over and not current.failed:
            self._queue_next_pages(current)
        self._finish_round()

    def _row_read(self, current: _Round, page: Page, keys: Sequence[RowKey], position: int) -> None:
        id, fingerprint = keys[position]
        if not id:
            return
        current.seen.add(id)
        known = self._known.get(id)
        if known is None and id in self._gone:
            current.listed_gone.add(id)
        elif known is None or known.fingerprint != fingerprint:
            self._decode(id, page, position, fingerprint)
        elif known.stale_since is not None:
            self._known[id] = replace(known, stale_since=None)

    def _queue_next_pages(self, current: _Round) -> None:
        """Queue the pages after those read; after the last one, the ids that no page showed."""
        current.walk.record([current.batch[number] for number in sorted(current.batch)])
        current.page_count += len(current.batch)
        current.batch.clear()
        try:
            numbers = current.walk.next_batch()
        except DecodeError as error:
            self.abort(error)
            return
        current.to_read.extend(SweepRead(self, page=number) for number in numbers)
        if not numbers:
            missing = [id for id in self._known if id not in current.seen]
            unclear = (*missing, *sorted(current.listed_gone))
            current.to_read.extend(SweepRead(self, id=id) for id in unclear)

    def get_done(self, read: SweepRead, answer: Any, call: CallRecord) -> None:
        """Record the GET of an id that no page showed, or that is listed although it is gone.

        A list may lag behind, so only the GET decides.
        """
        self._requests += call.requests
        id = str(read.id)
        if isinstance(answer, NotFoundError):
            self._missing(id)
        elif isinstance(answer, Exception):
            logger.info("watch: %s; trying again with the next round", answer)
        else:
            seen = self.adapter.observe(answer, NO_EXPECTATION)
            self._learn(id, answer, seen, 0, "get")
        self._current.in_flight -= 1
        self._finish_round()

    def _missing(self, id: str) -> None:
        known, now = self._known.get(id), self._clock.now()
        if known is None:
            logger.info("watch: %s is still listed, and GET does not find it", id)
        elif now < known.new_until:
            logger.info("watch: %s is new, and GET does not find it yet", id)
        else:
            del self._known[id]
            self._gone[id] = now + CREATE_GRACE_S
            self._report(id, None, known.status, "gone: GET answered 404", None, "get")

    def failed(self, read: SweepRead, error: Exception, call: CallRecord) -> None:
        """Record a read that failed: without a page, the next round comes later.

        A resource that cannot be read does not affect the others.
        """
        self._requests += call.requests
        if read.page is not None:
            self._give_up(self._current)
        if not isinstance(error, DIError) or _is_final(error, about_one=read.page is None):
            self.abort(defect(error))
        else:
            logger.info("watch: %s; trying again with the next round", error)
        self._current.in_flight -= 1
        self._finish_round()

    def cancelled(self) -> None:
        """Record a read that was cancelled."""
        self._give_up(self._current)
        self._current.in_flight -= 1
        self._finish_round()

    @staticmethod
    def _give_up(current: _Round) -> None:
        """Send no further reads of this round."""
        current.failed = True
        current.to_read.clear()

    def _finish_round(self) -> None:
        current = self._round
        if current is not None and current.is_over:
            self._round = None
            self._failures = self._failures + 1 if current.failed else 0
            self._rounds += not current.failed
            self._next_at = self._clock.now() + self._pause(current.page_count)
        self._wake()

    def _pause(self, page_count: int) -> float:
        """Return the seconds until the next round, as policy and quota allow."""
        pause = self._policy.target_lag * 2.0 ** min(self._failures, 30)
        if self._failures:
            pause = min(pause, self._policy.max_interval)
        if self._budget is not None:
            remaining = self._budget.remaining(self._clock.now())
            pause = max(pause, max(page_count, 1) * 3600.0 / (_QUOTA_SHARE * remaining))
        return pause

    # -- events -------------------------------------------------------------------------------

    def _decode(self, id: str, page: Page, position: int, fingerprint: int) -> None:
        try:
            row = page.full_row(position)
            resource = self.adapter.decode_row(row)
        except DIError as error:
            logger.warning("watch: a list row is left out: %s", error)
        else:
            seen = self.adapter.observe_row(resource, row, NO_EXPECTATION)
            self._learn(id, resource, seen, fingerprint, "list")

    def _learn(
        self, id: str, resource: Any, seen: Observation, fingerprint: int, source: str
    ) -> None:
        before, now = self._known.get(id), self._clock.now()
        if before is not None and seen.version.is_older_than(before.version):
            since = before.stale_since if before.stale_since is not None else now
            if now - since < OVERRULING_SPAN_S:
                self._known[id] = replace(before, stale_since=since)
                return
        self._gone.pop(id, None)
        appeared = before is None and self._rounds > 0
        new_until = now + CREATE_GRACE_S if appeared else -math.inf
        if before is not None and source == "list":
            new_until = before.new_until
        note = seen.reason
        if self.adapter.reasons_may_quote:
            note = masked_reason(resource, note)
        self._known[id] = _Known(fingerprint, seen.status, note, new_until, seen.version)
        if before is None or (before.status, before.note) != (seen.status, note):
            last = before.status if before else None
            self._report(id, seen.status, last, note, resource, source)

    def _report(
        self,
        id: str,
        status: str | None,
        previous: str | None,
        note: str | None,
        resource: Any,
        source: str,
    ) -> None:
        event = StatusChange(
            id=id,
            status=status,
            previous=previous if previous != status else None,
            at=self._clock.datetime(),
            elapsed=self._clock.now() - self.started_at,
            requests=self._requests,
            source=source,
            note=note,
            resource=resource,
            provider=self.adapter.provider,
            kind=self.adapter.kind,
            action=Action.PREDICATE.value,
            name=getattr(resource, "name", None),
            region=self.region if resource is None else self.adapter.duration_key(resource)[0],
        )
        waiting = self._buffer.get(id)
        if waiting is not None:  # the latest event counts, from the status reported last
            event = evolve(event, previous=waiting.previous)
        self._buffer[id] = event


class AccountWatch(StatusStream):
    """An async iterator over status changes: first the current state, then what happens.

    New resources come with `previous` None; deleted ones, confirmed by a 404, with `status` None.
    It has no end. No requests are sent between two steps, and leaving it leaves nothing running.
    Several tasks may share it: each event comes to one of them.
    """

    def __init__(
        self, adapter: ResourceAdapter[Any], region: str | None, poller: "Callable[[], Poller]"
    ) -> None:
        self._adapter = adapter
        self._region = region
        self._poller = poller
        self._sweep: AccountSweep | None = None
        self._one_at_a_time = asyncio.Lock()
        """Held by the step that the sweep wakes."""
        self._closed = False

    def __aiter__(self) -> "AccountWatch":
        return self

    async def aclose(self) -> None:
        """End the stream, and a step under way: it has no further steps.

        Closing twice does nothing.
        """
        sweep, self._sweep, self._closed = self._sweep, None, True
        if sweep is not None:
            sweep.abort(StopAsyncIteration())

    async def __anext__(self) -> StatusChange:
        async with self._one_at_a_time:
            return await self._step()

    async def _step(self) -> StatusChange:
        if self._closed:
            raise StopAsyncIteration
        poller = self._poller()
        if self._sweep is None:
            self._sweep = poller.sweep(self._adapter, self._region)
        sweep = self._sweep
        while (event := sweep.take()) is None:
            news = sweep.wait()
            poller.subscribe(sweep)
            try:
                await news
            finally:
                sweep.stop_waiting()
                poller.unsubscribe(sweep)
        return event


def _is_final(error: DIError, *, about_one: bool) -> bool:
    """Return whether trying again would not help; `about_one`: the read was of one resource."""
    if about_one and not isinstance(error, AuthenticationError | ClientClosedError):
        return False
    return isinstance(error, ClientClosedError) or is_refusal(error)
