"""One poller for each client: the task that sends all reads for waits and account watches.

Waits register here. `ResourcePoller` decides which read is due and what an answer means, and
`ReadSender` sends it; this module owns the task, the share of the request budget, and deadlines.
The task lives only while someone waits. It runs in the context that was captured when the client
was entered, so that the polls do not end up in one caller's trace span.
"""

import asyncio
import contextvars
import math
import random
from collections.abc import Callable
from functools import partial
from typing import Any

from di_async.core.errors import ClientClosedError, defect
from di_async.core.http import Priority
from di_async.core.rate_limit import RequestBudget
from di_async.core.waiting.durations import DurationEstimator
from di_async.core.waiting.evidence import Expired
from di_async.core.waiting.pacing import PollQuota
from di_async.core.waiting.poll_policy import PollPolicy
from di_async.core.waiting.poll_schedule import ReadPage
from di_async.core.waiting.resource_adapter import ResourceAdapter
from di_async.engine.clock import Clock
from di_async.engine.concurrency import first_error
from di_async.engine.log import Log
from di_async.engine.waiting.account_watch import AccountSweep, SweepRead
from di_async.engine.waiting.read_sender import PollerRead, ReadSender
from di_async.engine.waiting.resource_poller import ResourcePoller
from di_async.engine.waiting.stats import Stats
from di_async.engine.waiting.tracker import ChangeTracker
from di_async.engine.waiting.waiters import WaitClosedError, Waiter

__all__ = ["Poller"]

logger = Log("di_async.poller")

# A read that is in flight at the deadline may still settle the wait for this long.
_IN_FLIGHT_GRACE_S = 5.0
# `timeout=0` promises one read; a provider that does not answer cannot prolong it further.
_ONE_READ_S = 60.0
# How often the duration model is checked against what is pending.
_REVIEW_S = 20.0
_MAX_IN_FLIGHT = 32
# A list page in flight takes as much memory as this many resources.
_PAGE_WEIGHT = 2
# A pause shorter than the clock's resolution would never end.
_TICK_S = 0.001
_JITTER = 0.05
# Scheduled reads plan with this share of the burst limit; the rest absorbs jitter.
_BURST_SHARE = 0.95
_UNLIMITED = PollQuota(burst=1e9, remaining=1e9)


class Poller:
    """Sends the reads that waits need, as often as policy and budget allow, and no others."""

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
        self._durations = DurationEstimator(policy.durations)
        self._resources: dict[tuple[str, str | None], ResourcePoller] = {}
        self._sweeps: list[AccountSweep] = []
        self._timers: dict[Waiter, asyncio.TimerHandle] = {}
        self._overdue_for_page: dict[Waiter, ChangeTracker[Any]] = {}
        self._reads: set[asyncio.Task[None]] = set()
        self._in_flight = 0
        self._sender = ReadSender(policy, budget, clock, self._trusts_rows)
        self._reviewed_at = clock.now()
        self._wake = asyncio.Event()
        self._next_at = -math.inf
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    # -- waits and watches --------------------------------------------------------------------

    def join(
        self, tracker: ChangeTracker[Any], *, timeout: float | None, any_news: bool = False
    ) -> Waiter:
        """Start a wait; the caller awaits `future` and must then call `leave`.

        The future's result is the decision on the change: final, or `Expired` after `timeout`
        seconds (None: never). With `any_news` it is also resolved, as `Pending`, when the history
        has grown. Raises `ClientClosedError` after `close`.
        """
        self._check_open()
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else self._clock.now() + timeout
        reads = tracker.reads if timeout == 0 else None
        waiter = Waiter(loop.create_future(), deadline, any_news, reads)
        tracker.waiters.append(waiter)
        self._resource_poller(tracker.adapter).watch(tracker)
        if deadline is not None:
            timer = loop.call_at(deadline, self._on_deadline, tracker, waiter)
            self._timers[waiter] = timer
        self._start()
        return waiter

    def leave(self, tracker: ChangeTracker[Any], waiter: Waiter) -> None:
        """End a wait. Polling stops if it was the last one; the resource is left alone."""
        tracker.waiters.remove(waiter)
        timer = self._timers.pop(waiter, None)
        if timer is not None:
            timer.cancel()
        self._overdue_for_page.pop(waiter, None)
        if not tracker.waiters:
            self._resource_poller(tracker.adapter).unwatch(tracker)
            if not (self._watching or self._sweeps):
                self._wake.set()

    def watchers(self, adapter: ResourceAdapter[Any], id: str) -> tuple[ChangeTracker[Any], ...]:
        """Return the trackers whose waits read this resource."""
        return self._resource_poller(adapter).watchers(id)

    def eta(self, tracker: ChangeTracker[Any]) -> float | None:
        """Return the seconds until a change is expected to settle; None if nothing is known."""
        return self._resource_poller(tracker.adapter).eta(tracker)

    def sweep(self, adapter: ResourceAdapter[Any], region: str | None) -> AccountSweep:
        """Return a sweep over an account; it is read while it is subscribed and awaited."""
        return AccountSweep(adapter, region, self._policy, self._budget, self._clock)

    def subscribe(self, sweep: AccountSweep) -> None:
        """Read a sweep's pages from now on."""
        self._check_open()
        self._sweeps.append(sweep)
        self._start()

    def unsubscribe(self, sweep: AccountSweep) -> None:
        """Stop reading a sweep's pages; the task ends at once if it was the last reason to poll."""
        self._sweeps.remove(sweep)
        if not (self._watching or self._sweeps):
            self._wake.set()

    def stats(self) -> Stats:
        """Return the state of the polling, without the session's counters."""
        schedules = [poller.schedule for poller in self._resources.values()]
        counts = [one.page_count for one in schedules if one.page_count is not None]
        return Stats(
            awaited=self._watching,
            pages=sum(counts) if counts else None,
            gets=self._sender.gets,
            lists=self._sender.lists,
            confirms=sum(schedule.confirms for schedule in schedules),
            period=max((schedule.pace.interval for schedule in schedules), default=None),
            distributions=self._durations.known(),
        )

    async def close(self) -> None:
        """Stop polling; every open wait ends with `ClientClosedError`."""
        self._closed = True
        self._abort(ClientClosedError("the client was closed while this wait was open"))
        task = self._task
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosedError("The client is closed; create a new one.")

    def _resource_poller(self, adapter: ResourceAdapter[Any]) -> ResourcePoller:
        key = adapter.kind, adapter.scope
        found = self._resources.get(key)
        if found is None:
            found = ResourcePoller(adapter, self._policy, self._durations, self._clock)
            self._resources[key] = found
        return found

    @property
    def _watching(self) -> int:
        return sum(len(poller) for poller in self._resources.values())

    def _abort(self, error: Exception) -> None:
        of_wait = error
        if isinstance(error, ClientClosedError):
            of_wait = WaitClosedError(error.message)
        for poller in self._resources.values():
            poller.abort(of_wait)
        for sweep in self._sweeps:
            sweep.abort(error)

    # -- deadlines ----------------------------------------------------------------------------

    def _on_deadline(self, tracker: ChangeTracker[Any], waiter: Waiter) -> None:
        """End a wait at its deadline, or give a read that may settle it a short grace."""
        if waiter not in self._timers:
            return  # it has left
        poller = self._resource_poller(tracker.adapter)
        by_page = poller.page_in_flight(tracker)
        first_read_due = waiter.reads_at_start == tracker.reads
        if not (poller.get_in_flight(tracker) or by_page or first_read_due):
            waiter.resolve(Expired())
            return
        one_read = waiter.reads_at_start is not None
        grace = _ONE_READ_S if one_read else _IN_FLIGHT_GRACE_S
        loop = asyncio.get_running_loop()
        self._timers[waiter] = loop.call_later(grace, waiter.resolve, Expired())
        if by_page and not one_read:
            self._overdue_for_page[waiter] = tracker

    def _release_overdue(self) -> None:
        """End overdue waits whose page was read and did not settle them."""
        overdue, self._overdue_for_page = self._overdue_for_page, {}
        for waiter, tracker in overdue.items():
            if waiter.future.done():
                continue
            poller = self._resource_poller(tracker.adapter)
            if poller.get_in_flight(tracker) or poller.page_in_flight(tracker):
                self._overdue_for_page[waiter] = tracker
            else:
                waiter.resolve(Expired())

    # -- the task -----------------------------------------------------------------------------

    def _start(self) -> None:
        self._wake.set()
        if self._task is None:
            loop = asyncio.get_running_loop()
            name = "di_async poller"
            self._task = loop.create_task(self._run(), name=name, context=self._context)
            self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._task = None
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):  # a defect of ours must not leave waits open for ever
            cause = first_error(error) if isinstance(error, ExceptionGroup) else error
            if not isinstance(cause, ClientClosedError):  # the caller closed their session
                logger.defect("the poller stopped, and every wait ends", cause)
            self._abort(defect(cause))
        elif (self._watching or self._sweeps) and not self._closed:
            self._start()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            while self._watching or self._sweeps:
                self._wake.clear()
                pause = self._send_due_reads(group)
                self._next_at = self._clock.now() + pause
                alarm = loop.call_later(min(max(pause, _TICK_S), _REVIEW_S), self._wake.set)
                try:
                    await self._wake.wait()
                finally:
                    alarm.cancel()
            for read in self._reads:
                read.cancel()

    def _send_due_reads(self, group: asyncio.TaskGroup) -> float:
        """Start the reads that are due; return the seconds until the next one."""
        now = self._clock.now()
        if now < self._sender.paused_until:
            return self._sender.paused_until - now
        if now - self._reviewed_at >= _REVIEW_S:
            self._review(now)
        pause = self._send_confirms(group, now)
        for poller in self._resources.values():
            if len(poller):
                scheduled = partial(poller.schedule.next_read, now, partial(self._quota, now))
                pause = min(pause, self._send_while_due(scheduled, poller, group, now))
        for sweep in self._sweeps:
            poller, due = self._resource_poller(sweep.adapter), partial(sweep.next_read, now)
            pause = min(pause, self._send_while_due(due, poller, group, now))
        return pause

    def _send_confirms(self, group: asyncio.TaskGroup, now: float) -> float:
        """Start confirming GETs; they go before all scheduled reads."""
        for poller in self._resources.values():
            while poller.schedule.confirms:
                hold = self._budget_delay(now, Priority.CONFIRM)
                if hold > 0:
                    return hold
                read = poller.schedule.next_confirm(now, poller.is_wanted)
                if read is not None:
                    self._begin(group, poller, read)
        return math.inf

    def _send_while_due(
        self,
        next_read: Callable[[], PollerRead | float],
        poller: ResourcePoller,
        group: asyncio.TaskGroup,
        now: float,
    ) -> float:
        """Start reads until one is not due, or may not be sent; return the seconds until then."""
        while self._in_flight < _MAX_IN_FLIGHT:
            hold = self._budget_delay(now, Priority.SCHEDULED)
            if hold > 0:
                return hold
            read = next_read()
            if isinstance(read, int | float):
                return read
            self._begin(group, poller, read)
        return math.inf

    def _begin(self, group: asyncio.TaskGroup, poller: ResourcePoller, read: PollerRead) -> None:
        # Counted here and not when the task runs: the next decision comes before that.
        self._in_flight += _weight(read)
        task = group.create_task(self._sender.send(poller, read))
        self._reads.add(task)
        task.add_done_callback(partial(self._read_over, poller, read))

    def _read_over(
        self, poller: ResourcePoller, read: PollerRead, task: asyncio.Task[None]
    ) -> None:
        """Free the read's place, and wake the task if something may be due earlier."""
        if task.cancelled() or task.exception() is not None:
            if isinstance(read, SweepRead):
                read.sweep.cancelled()
            else:
                poller.schedule.read_cancelled(read)
        if self._overdue_for_page:
            self._release_overdue()
        full = self._in_flight >= _MAX_IN_FLIGHT
        self._reads.discard(task)
        self._in_flight -= _weight(read)
        earlier = self._next_at - _TICK_S
        schedules = [one.schedule for one in self._resources.values()]
        due = any(one.confirms or one.due_at < earlier for one in schedules)
        if full or due or self._sweeps:
            self._wake.set()

    # -- the budget ---------------------------------------------------------------------------

    def _budget_delay(self, now: float, priority: Priority) -> float:
        """Return the seconds until the budget allows a request of this priority."""
        if self._budget is None:
            return 0.0
        return self._budget.delay(now, priority, ahead=self._budget.ahead(priority))

    def _quota(self, now: float) -> PollQuota:
        """Return what scheduled reads may plan with."""
        if self._budget is None:
            return _UNLIMITED
        confirms = 0 if self._policy.confirm == "never" else self._watching
        # Other processes on the same token plan alike; jitter keeps them out of step.
        share = 1 - _JITTER * random.random() if self._budget.foreign else 1.0  # noqa: S311
        burst, remaining = self._budget.burst(now) * _BURST_SHARE, self._budget.remaining(now)
        steady = self._budget.steady(now)
        return PollQuota(burst * share, remaining * share, confirms, steady_calls=steady)

    def _trusts_rows(self) -> bool:
        """Return whether list rows may settle waits: GETs would come too late, or cost too much."""
        if self._policy.confirm != "auto" or self._budget is None:
            return self._policy.confirm == "never"
        schedules = [poller.schedule for poller in self._resources.values()]
        if not all(schedule.pace.confirms_fit for schedule in schedules):
            return True
        now, queued = self._clock.now(), sum(schedule.confirms for schedule in schedules)
        return self._budget.delay(now, Priority.CONFIRM, ahead=queued) > self._policy.target_lag

    def _review(self, now: float) -> None:
        """Check the duration model, read what is overdue, and resume lists after failures."""
        self._reviewed_at = now
        quota = self._quota(now)
        for poller in self._resources.values():
            poller.resume_list()
            poller.read_overdue(quota, _REVIEW_S)
            if self._durations.review(poller.pending_ages()):
                poller.schedule.distributions_changed()


def _weight(read: PollerRead) -> int:
    """Return how much of `_MAX_IN_FLIGHT` a read takes."""
    is_page = isinstance(read, ReadPage) or (isinstance(read, SweepRead) and read.page is not None)
    return _PAGE_WEIGHT if is_page else 1
