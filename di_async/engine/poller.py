"""One poller a client: the one place that decides what is asked, and when.

Waits register here; two for one id cost one read. The poller's task lives only while somebody
waits, belongs to the client, and runs in the context captured when the client was entered, so that
no caller's trace span collects everybody's polls.
"""

import asyncio
import contextvars
import heapq
import itertools
import logging
import math
from typing import Any

import anyio
import attrs

from di_async.core.budget import RequestBudget
from di_async.core.errors import (
    APIError,
    ClientClosedError,
    DIError,
    NotFoundError,
    RateLimitError,
    ServerError,
)
from di_async.core.ports import Source, Trip
from di_async.core.schedule import PollPolicy, poll_interval
from di_async.core.stages import Stage
from di_async.core.waiter import Expired, Missing, Read, Seen, Trouble, Verdict
from di_async.engine.clock import Clock
from di_async.engine.observe import Tracker, Waiter

__all__ = ["Poller"]

logger = logging.getLogger("di_async.poller")

# A read that is in flight when the time is up may still win for this long.
_IN_FLIGHT_GRACE_S = 5.0
# `timeout=0` promises one look, which a provider that does not answer cannot draw out for longer.
_ONE_LOOK_S = 60.0
# ... nor one whose next turn, by a slow policy or a small budget, is far away.
_SOON_S = 5.0
# The quota left is spread over this time, always anew: polling slows as it shrinks, never stops.
_HORIZON_S = 1800.0


@attrs.define(eq=False)
class _Watch:
    """One thing that is read over and over, for all who wait for it."""

    stage: Stage
    source: Source[Any]
    trackers: set[Tracker[Any]] = attrs.field(factory=set)
    next_at: float = 0.0
    asked_at: float = -math.inf
    asking: bool = False
    failures: int = 0


class Poller:
    """Reads what is awaited, as often as policy and budget allow, and nothing else."""

    def __init__(
        self,
        policy: PollPolicy,
        budget: RequestBudget | None,
        clock: Clock,
        context: contextvars.Context,
    ) -> None:
        self._policy = policy
        self._budget = budget
        self._clock = clock
        self._context = context
        self._watches: dict[Stage, _Watch] = {}
        self._due: list[tuple[float, int, _Watch]] = []
        self._turn = itertools.count()
        self._wake = asyncio.Event()
        self._awaited = 0
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def follow(
        self, tracker: Tracker[Any], *, timeout: float | None, any_news: bool = False
    ) -> Verdict:
        """The verdict on a change: final, or `Expired` after `timeout` seconds (None: never).

        With `any_news` it also comes back, `Pending`, as soon as the history grew. Cancelling
        stops the asking if nobody else waits, and leaves the resource alone.
        """
        if self._closed:
            raise ClientClosedError("this client is closed: enter a new one with `async with`")
        loop = asyncio.get_running_loop()
        now = self._clock.now()
        deadline = None if timeout is None else now + timeout
        waiter = Waiter(loop.create_future(), deadline, any_news)
        watch = self._register(tracker, waiter)
        timer = None
        if deadline is not None:
            grace = _ONE_LOOK_S if timeout == 0 else _IN_FLIGHT_GRACE_S
            looks = tracker.ledger.looks if timeout == 0 else -1
            timer = loop.call_at(deadline, self._on_deadline, watch, tracker, waiter, looks, grace)
        try:
            return await waiter.future
        finally:
            if timer is not None:
                timer.cancel()
            tracker.waiters.discard(waiter)
            if not tracker.waiters:
                self._unregister(tracker, watch)

    async def close(self) -> None:
        """Stop asking; every open wait ends with `ClientClosedError`."""
        self._closed = True
        for watch in self._watches.values():
            for tracker in watch.trackers:
                tracker.abort(ClientClosedError("the client was closed while this wait was open"))
        task = self._task
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def _on_deadline(
        self, watch: _Watch, tracker: Tracker[Any], waiter: Waiter, looks: int, grace: float
    ) -> None:
        one_look_owed = tracker.ledger.looks == looks
        if watch.asking or one_look_owed:
            asyncio.get_running_loop().call_later(grace, waiter.resolve, Expired())
        else:
            waiter.resolve(Expired())

    # -- who waits for what -------------------------------------------------------------------

    def _register(self, tracker: Tracker[Any], waiter: Waiter) -> _Watch:
        watch = self._watches.get(tracker.stage)
        if watch is None:
            watch = self._watches[tracker.stage] = _Watch(tracker.stage, tracker.source)
            self._plan(watch, self._clock.now())
        elif waiter.deadline is not None and waiter.deadline <= self._clock.now():
            self._hasten(watch)
        self._awaited += not watch.trackers
        watch.trackers.add(tracker)
        tracker.waiters.add(waiter)
        self._wake.set()
        if self._task is None:
            self._start()
        return watch

    def _unregister(self, tracker: Tracker[Any], watch: _Watch) -> None:
        watch.trackers.discard(tracker)
        if not watch.trackers:
            self._awaited -= 1
            self._wake.set()

    def _hasten(self, watch: _Watch) -> None:
        """One look is owed now: do not let it wait for a turn that is far away."""
        soon = max(self._clock.now(), watch.asked_at + min(self._policy.target_lag, _SOON_S))
        if not watch.asking and soon < watch.next_at:
            self._plan(watch, soon)

    def _plan(self, watch: _Watch, at: float) -> None:
        watch.next_at = at
        heapq.heappush(self._due, (at, next(self._turn), watch))

    # -- the task -----------------------------------------------------------------------------

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._run(), name="di_async poller", context=self._context)
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._task = None
        error = None if task.cancelled() else task.exception()
        if error is not None:  # a defect of ours, which must not leave anybody waiting for ever
            for watch in self._watches.values():
                for tracker in watch.trackers:
                    tracker.abort(error)
        elif self._awaited and not self._closed:
            self._start()

    async def _run(self) -> None:
        async with anyio.create_task_group() as readers:
            while self._awaited:
                self._wake.clear()
                pause = self._ask_what_is_due(readers)
                with anyio.move_on_after(pause):
                    await self._wake.wait()
            readers.cancel_scope.cancel()

    def _ask_what_is_due(self, readers: anyio.abc.TaskGroup) -> float:
        """Start the reads whose time has come; seconds until the next."""
        now = self._clock.now()
        while self._due and self._due[0][0] <= now:
            at, _, watch = heapq.heappop(self._due)
            if at != watch.next_at or watch.asking:
                continue  # it was planned anew since
            if watch.trackers:
                watch.asking = True
                watch.asked_at = now
                readers.start_soon(self._ask, watch)
            else:
                del self._watches[watch.stage]
        return self._due[0][0] - now if self._due else math.inf

    async def _ask(self, watch: _Watch) -> None:
        trip = Trip()
        pause = 0.0
        try:
            answer = await self._fetch(watch, trip)
            pause = self._pause_after(watch, answer)
            for tracker in tuple(watch.trackers):
                self._deliver(tracker, answer, trip)
        except Exception as error:
            for tracker in tuple(watch.trackers):
                tracker.abort(error)
        finally:
            watch.asking = False
            started = min(trip.started_at, self._clock.now())
            self._plan(watch, max(started + pause, self._clock.now()))
            self._wake.set()

    async def _fetch(self, watch: _Watch, trip: Trip) -> Any:
        """The resource, or the error of ours that stood for it."""
        try:
            return await watch.source.fetch(watch.stage, trip)
        except ClientClosedError:
            raise
        except DIError as error:
            return error

    def _deliver(self, tracker: Tracker[Any], answer: Any, trip: Trip) -> None:
        try:
            tracker.absorb(self._as_read(tracker, answer, trip), trip.sends)
        except Exception as error:
            tracker.abort(error)

    def _as_read(self, tracker: Tracker[Any], answer: Any, trip: Trip) -> Read:
        started_at, at = trip.started_at, self._clock.now()
        match answer:
            case NotFoundError(transient=False):
                return Missing(started_at=started_at, at=at, error=answer)
            case DIError():
                refused = isinstance(answer, APIError) and not isinstance(answer, ServerError)
                final = refused and not answer.transient
                return Trouble(started_at=started_at, at=at, error=answer, final=final)
            case _:
                sight = tracker.source.sight(answer, tracker.case)
                return Seen(started_at=started_at, at=at, sight=sight, resource=answer)

    def _pause_after(self, watch: _Watch, answer: Any) -> float:
        limited = isinstance(answer, RateLimitError)
        broken = isinstance(answer, DIError) and not isinstance(
            answer, RateLimitError | NotFoundError
        )
        watch.failures = watch.failures + 1 if broken else 0
        rate = math.inf
        if self._budget is not None:
            rate = self._budget.rate(self._clock.now(), _HORIZON_S)
        pause = poll_interval(
            self._policy, watched=self._awaited, rate=rate, failures=watch.failures
        )
        return max(pause, answer.retry_after or 0.0) if limited else pause
