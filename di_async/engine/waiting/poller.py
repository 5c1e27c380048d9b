"""One poller a client: the one place where it is decided what is asked, and when.

Waits register here; two for one id cost one read, and many are read a list page at a time. What is
asked next is `core.waiting.planner`'s word, how often `core.waiting.pacing`'s, what an answer
means `engine.waiting.desk`'s; this file does the asking. Its task lives only while somebody
waits, belongs to the client, and runs
everybody's polls.
"""

import asyncio
import contextvars
import math
import random
from collections import deque
from collections.abc import Awaitable
from functools import partial
from typing import Any

from di_async.core.errors import ClientClosedError, NotFoundError, RateLimitError
from di_async.core.http import Priority
from di_async.core.pagination import Page
from di_async.core.protocols import CallRecord, Source
from di_async.core.rate_limit import RequestBudget
from di_async.core.waiting.evidence import Expired, Pending
from di_async.core.waiting.laws import Laws
from di_async.core.waiting.pacing import PollQuota
from di_async.core.waiting.planner import ReadOne, ReadPage
from di_async.core.waiting.poll_policy import PollPolicy
from di_async.engine.clock import Clock
from di_async.engine.waiting.deadlines import Deadlines
from di_async.engine.waiting.desk import Desk, Watch
from di_async.engine.waiting.stats import Stats
from di_async.engine.waiting.steps import Steps
from di_async.engine.waiting.tracker import ChangeTracker, Waiter

__all__ = ["Poller"]

# A read that is in flight when the time is up may still win for this long.
_IN_FLIGHT_GRACE_S = 5.0
# `timeout=0` promises one look; a provider that does not answer cannot draw it out for longer,
_ONE_LOOK_S = 60.0
# and a turn that is far away, by a slow policy or a small budget, is brought forward to this.
_SOON_S = 5.0
# How often the laws are held against what is pending.
_REVIEW_S = 20.0
_HOUR_S = 3600.0
_MAX_IN_FLIGHT = 32
# A page on its way takes the memory of many resources.
_PAGE_WEIGHT = 2
# A pause that is shorter than a clock can tell would never end.
_TICK_S = 0.001
_JITTER = 0.1
# Of the burst limit, what sweeps plan with: the rest is for jitter.
_BURST_SHARE = 0.95
# After so many failures in a row the provider is left alone for a while.
_FAILURES = 3
_UNLIMITED = PollQuota(burst=1e9, remaining=1e9)


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
        self._laws = Laws(policy.durations)
        self._desks: dict[tuple[str, str | None], Desk] = {}
        self._confirms: deque[tuple[Desk, Watch]] = deque()
        self._deadlines = Deadlines(self._on_deadline)
        self._steps = Steps(policy, clock, self._desk, self._queue)
        self._reads: set[asyncio.Task[None]] = set()
        self._late: list[Waiter] = []
        self._in_flight = 0
        self._gets = self._lists = 0
        self._failures = 0
        self._calm_until = -math.inf
        self._reviewed_at = clock.now()
        self._wake = asyncio.Event()
        self._next_at = -math.inf
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def join(
        self, tracker: ChangeTracker[Any], *, timeout: float | None, any_news: bool = False
    ) -> Waiter:
        """Somebody more who waits; the caller awaits its `future`, and then must let it `leave`.

        What comes of it is the verdict on a change: final, or `Expired` after `timeout` seconds
        (None: never). With `any_news` it also comes, `Pending`, as soon as the history grew.
        """
        if self._closed:
            raise ClientClosedError("this client is closed: enter a new one with `async with`")
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else self._clock.now() + timeout
        looks = tracker.reads if timeout == 0 else None
        waiter = Waiter(loop.create_future(), deadline, any_news, tracker, looks)
        self._register(tracker, waiter)
        self._deadlines.add(waiter)
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """It waits no longer. The asking stops if nobody else does; the resource is left alone."""
        self._deadlines.leave(waiter)
        if waiter.grace is not None:
            waiter.grace.cancel()
        tracker = waiter.tracker
        tracker.waiters.remove(waiter)
        if not tracker.waiters:
            self._steps.leave(tracker)
            if not self._awaited:
                self._wake.set()

    def stats(self) -> Stats:
        """How it stands. The budget's part and the refusals are the session's to tell."""
        planners = [desk.planner for desk in self._desks.values()]
        known = [planner.pages for planner in planners if planner.pages is not None]
        return Stats(
            awaited=self._awaited,
            pages=sum(known) if known else None,
            gets=self._gets,
            lists=self._lists,
            confirms=len(self._confirms),
            period=max((planner.pace.interval for planner in planners), default=None),
            laws=self._laws.believed(),
        )

    async def close(self) -> None:
        """Stop asking; every open wait ends with `ClientClosedError`."""
        self._closed = True
        self._abort(ClientClosedError("the client was closed while this wait was open"))
        task = self._task
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def _register(self, tracker: ChangeTracker[Any], waiter: Waiter) -> None:
        tracker.waiters.append(waiter)
        self._seat(tracker)
        self._wake.set()
        if self._task is None:
            self._start()

    def _seat(self, tracker: ChangeTracker[Any]) -> None:
        """Give a tracker its place, and those in a hurry the front of it."""
        desk, watch = self._steps.seat(tracker)
        now, lag = self._clock.now(), self._policy.target_lag
        for waiter in tracker.waiters:
            if waiter.deadline is not None and waiter.deadline <= now + lag:
                soon = min(lag, _SOON_S) if waiter.deadline <= now else lag
                watch.catch_up()
                desk.planner.due_by(watch, max(now, watch.looked_at + soon))

    def _queue(self, desk: Desk, watch: Watch) -> None:
        """A GET wanted before all sweeps."""
        self._confirms.append((desk, watch))

    def _desk(self, source: Source[Any]) -> Desk:
        key = source.kind, source.scope
        if key not in self._desks:
            self._desks[key] = Desk(source, self._policy, self._laws, self._clock)
        return self._desks[key]

    def _on_deadline(self, waiter: Waiter) -> None:
        (desk, watch), looks = waiter.tracker.seat, waiter.looks
        owed = looks is not None and waiter.tracker.reads == looks
        by_page = desk.planner.page_under_way(watch)
        if watch.in_flight or watch.confirming or owed or by_page:
            grace = _IN_FLIGHT_GRACE_S if looks is None else _ONE_LOOK_S
            loop = asyncio.get_running_loop()
            waiter.grace = loop.call_later(grace, waiter.resolve, Expired())
            if by_page and looks is None:
                self._late.append(waiter)
        else:
            waiter.resolve(Expired())

    def _let_go(self) -> None:
        """A read is over: those who hoped for a page that did not show them settled may go."""
        late, self._late = self._late, []
        for waiter in late:
            if waiter.future.done():
                continue
            desk, watch = waiter.tracker.seat
            if watch.in_flight or watch.confirming or desk.planner.page_under_way(watch):
                self._late.append(waiter)
            else:
                waiter.resolve(Expired())

    @property
    def _awaited(self) -> int:
        return sum(len(desk.planner) for desk in self._desks.values())

    def _abort(self, error: BaseException) -> None:
        for desk in self._desks.values():
            for watch in desk.planner:
                for tracker in watch.trackers:
                    tracker.abort(error)

    # -- the task -----------------------------------------------------------------------------

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._run(), name="di_async poller", context=self._context)
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._task = None
        error = None if task.cancelled() else task.exception()
        if error is not None:  # a defect of ours, which must not leave anybody waiting for ever
            self._abort(error)
        elif self._awaited and not self._closed:
            self._start()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            while self._awaited:
                self._wake.clear()
                pause = self._ask_what_is_due(group)
                self._next_at = self._clock.now() + pause
                alarm = loop.call_later(min(max(pause, _TICK_S), _REVIEW_S), self._wake.set)
                try:
                    await self._wake.wait()
                finally:
                    alarm.cancel()
            for read in self._reads:
                read.cancel()

    def _ask_what_is_due(self, readers: asyncio.TaskGroup) -> float:
        """Start the reads whose time has come; seconds until the next."""
        now = self._clock.now()
        if now < self._calm_until:
            return self._calm_until - now
        if now - self._reviewed_at >= _REVIEW_S:
            self._review(now)
        pause = self._confirm(readers, now)
        for desk in self._desks.values():
            pause = min(pause, self._sweep(desk, readers, now))
        return pause

    def _confirm(self, readers: asyncio.TaskGroup, now: float) -> float:
        """GETs for those whose rows look settled: before all sweeps."""
        while self._confirms:
            hold = self._hold(now, Priority.CONFIRM)
            if hold > 0:
                return hold
            desk, watch = self._confirms.popleft()
            if not watch.in_flight and any(tracker.waiters for tracker in watch.trackers):
                watch.in_flight = True
                self._begin(readers, desk, ReadOne(watch), Priority.CONFIRM)
            else:
                watch.confirming = False
        return math.inf

    def _sweep(self, desk: Desk, readers: asyncio.TaskGroup, now: float) -> float:
        while self._in_flight < _MAX_IN_FLIGHT and len(desk.planner):
            hold = self._hold(now, Priority.SWEEP)
            if hold > 0:
                return hold
            ask = desk.planner.next_read(now, lambda: self._quota(now))
            if isinstance(ask, int | float):
                return ask
            self._begin(readers, desk, ask, Priority.SWEEP)
        return math.inf

    def _begin(
        self,
        readers: asyncio.TaskGroup,
        desk: Desk,
        ask: ReadOne[Watch] | ReadPage,
        priority: Priority,
    ) -> None:
        # Counted when decided, not when the task gets to run: the next decision is made before.
        if isinstance(ask, ReadPage):
            task = readers.create_task(self._list(desk, ask))
        else:
            task = readers.create_task(self._get(desk, ask.entry, priority))
        self._reads.add(task)
        self._in_flight += _weight(ask)
        task.add_done_callback(partial(self._read_over, desk, ask))

    def _read_over(
        self, desk: Desk, ask: ReadOne[Watch] | ReadPage, task: asyncio.Task[None]
    ) -> None:
        """Look again, if there may be something to ask before it was time to."""
        if task.cancelled() or task.exception() is not None:
            desk.forget(ask)
        if self._late:
            self._let_go()
        full = self._in_flight >= _MAX_IN_FLIGHT
        self._reads.discard(task)
        self._in_flight -= _weight(ask)
        sooner = self._next_at - _TICK_S
        if full or self._confirms or any(d.planner.due_at < sooner for d in self._desks.values()):
            self._wake.set()

    async def _get(self, desk: Desk, watch: Watch, priority: Priority) -> None:
        call = CallRecord()
        answer = await self._answer(desk.source.get(watch.stage, priority, call))
        self._gets += call.sends
        trackers = tuple(watch.trackers)
        desk.take(watch, answer, call, priority)
        for tracker in trackers:
            if tracker.waiters and isinstance(tracker.decision, Pending):
                before = tracker.seat
                self._steps.go_on(tracker, watch)
                if tracker.seat is not before:
                    self._seat(tracker)

    async def _list(self, desk: Desk, ask: ReadPage) -> None:
        sweep = desk.source.list_page
        assert sweep is not None  # noqa: S101 - else nothing would be listed
        call = CallRecord()
        where = () if ask.region is None else (ask.region,)

        async def read() -> Page | None:
            return desk.read(ask, await sweep(ask.page, call, *where), call)

        page = await self._answer(read())
        self._lists += call.sends
        trusting = self._trusts_lists(self._clock.now())
        for watch in desk.take_page(ask, page, call, trusting=trusting):
            self._steps.prove(desk, watch)

    async def _answer(self, reading: Awaitable[Any]) -> Any:
        """What was read, or the error that stood for it."""
        try:
            answer = await reading
        except ClientClosedError:
            raise
        except Exception as error:
            answer = error
        broken = isinstance(answer, Exception) and not isinstance(
            answer, NotFoundError | RateLimitError
        )
        self._failures = self._failures + 1 if broken else 0
        now = self._clock.now()
        if self._failures >= _FAILURES:
            pause = self._policy.target_lag * 2.0 ** min(self._failures - _FAILURES, 30)
            self._calm_until = now + min(pause, self._policy.max_interval)
        if isinstance(answer, RateLimitError) and answer.retry_after and self._budget is None:
            self._calm_until = max(self._calm_until, now + answer.retry_after)
        return answer

    # -- what may be spent --------------------------------------------------------------------

    def _hold(self, now: float, priority: Priority) -> float:
        if self._budget is None:
            return 0.0
        return self._budget.delay(now, priority, ahead=self._budget.ahead(priority))

    def _quota(self, now: float) -> PollQuota:
        """What sweeps may plan with, and the GETs that will prove what they find."""
        if self._budget is None:
            return _UNLIMITED
        proofs = 0 if self._policy.confirm == "never" else self._awaited
        # Others on the same token plan as we do: a little chance keeps us from doing it in step.
        room = 1 - _JITTER * random.random() if self._budget.foreign else 1.0  # noqa: S311
        burst, left = self._budget.burst * _BURST_SHARE, self._budget.remaining(now)
        return PollQuota(burst * room, left * room, proofs, steady_writes=self._budget.steady(now))

    def _trusts_lists(self, now: float) -> bool:
        """Whether a list row may settle a wait: proofs would come too late, or eat the hour."""
        if self._policy.confirm != "auto" or self._budget is None:
            return self._policy.confirm == "never"
        if not all(desk.planner.pace.confirms_fit for desk in self._desks.values()):
            return True
        queue = len(self._confirms)
        return self._budget.delay(now, Priority.CONFIRM, ahead=queue) > self._policy.target_lag

    def _review(self, now: float) -> None:
        self._reviewed_at = now
        per_second = self._quota(now).remaining / _HOUR_S
        self._steps.remind(self._desks.values(), per_second, _REVIEW_S)
        for desk in self._desks.values():
            if self._laws.review(desk.pending()):
                desk.planner.kind_told()


def _weight(ask: ReadOne[Watch] | ReadPage) -> int:
    return _PAGE_WEIGHT if isinstance(ask, ReadPage) else 1
