"""Waits of several stages: what is read once the resource, or a step before it, has been looked at.

A step (an operation, a task) has no list. A few are each read to their end before the resource is
looked at. Of a crowd the resources are swept instead (`Tracker.ahead`), and a step is read when its
resource looks over, now and then besides, and never twice in a short while. Nothing here does I/O:
reads are queued with the poller.
"""

import heapq
from collections.abc import Callable, Iterable
from typing import Any

from di_async.core.protocols import Source
from di_async.core.waiting.poll_policy import PollPolicy
from di_async.engine.clock import Clock
from di_async.engine.waiting.desk import Desk, Watch
from di_async.engine.waiting.tracker import ChangeTracker

__all__ = ["Steps"]

Seat = tuple[Desk, Watch]

# So many steps are followed each by itself; of more, their resources are.
_HANDFUL = 8
# A step that nothing hints at is read this seldom, for so much of the quota at most: one that
# failed may leave no other trace.
_REMIND_S = 300.0
_REMIND_SHARE = 0.2


class Steps:
    """Knows where a wait is to be watched, and when its steps are to be read."""

    def __init__(
        self,
        policy: PollPolicy,
        clock: Clock,
        desk_of: Callable[[Source[Any]], Desk],
        queue: Callable[[Desk, Watch], None],
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._desk_of = desk_of
        self._queue = queue

    def seat(self, tracker: ChangeTracker[Any]) -> Seat:
        """Put a tracker where its next stage is read; where it sits already, if that is there."""
        found: Seat | None = tracker.seat
        if found is not None:
            if found[1].stage == tracker.next_resource:
                return found
            self.leave(tracker)
        step = tracker.operation
        if step is not None and tracker.source.list_page is not None and not tracker.resource_first:
            tracker.resource_first = len(self._desk_of(step.source).planner) >= _HANDFUL
        source = tracker.source if step is None or tracker.resource_first else step.source
        desk = self._desk_of(source)
        tracker.seat = found = desk, desk.watch(tracker)
        return found

    def leave(self, tracker: ChangeTracker[Any]) -> None:
        """Nobody waits for it any more, or it moves."""
        desk, watch = tracker.seat
        tracker.seat = None
        desk.leave(tracker, watch)

    def prove(self, desk: Desk, watch: Watch) -> None:
        """A row looks settled: GET it; but first what may still be under way for it."""
        owing = [tracker for tracker in watch.trackers if tracker.operation is not None]
        for tracker in owing:
            self._ask(tracker, hinted=True)
        watch.confirming = len(owing) < len(watch.trackers)
        if watch.confirming:
            self._queue(desk, watch)

    def go_on(self, tracker: ChangeTracker[Any], read: Watch) -> None:
        """What follows for a pending wait from a GET of this watch."""
        desk, seat = tracker.seat
        if seat is read:
            if tracker.next_resource != read.stage:
                self.seat(tracker)
            elif tracker.looks_settled and not self._ask(tracker, hinted=True):
                tracker.lapse()
        elif tracker.operation is None:
            tracker.resource_first = False
            if tracker.confirm_requested and not seat.confirming:
                seat.confirming = True
                self._queue(desk, seat)
        elif tracker.operation.resource != read.stage:
            self._ask(tracker, hinted=tracker.confirm_requested)

    def remind(self, desks: Iterable[Desk], per_second: float, seconds: float) -> None:
        """Read the steps of a crowd that nothing has hinted at for long, within these requests."""
        now = self._clock.now()
        due = [
            (tracker.operation.sent_at, tracker)
            for desk in desks
            if desk.source.operations
            for watch in desk.planner
            for tracker in watch.trackers
            if tracker.operation is not None and tracker.resource_first
            if now - max(tracker.operation.sent_at, tracker.started_at) >= _REMIND_S
        ]
        most = max(1, int(min(per_second * _REMIND_SHARE * seconds, len(due))))
        for _, tracker in heapq.nsmallest(most, due, key=lambda one: one[0]):
            self._ask(tracker, hinted=False)

    def _ask(self, tracker: ChangeTracker[Any], *, hinted: bool) -> bool:
        """See that the first step of one of a crowd is read; False if it was, just now."""
        step, now = tracker.operation, self._clock.now()
        if step is None:
            return False
        tracker.confirm_requested = tracker.confirm_requested or hinted
        if step.aside is not None and step.aside.confirming:
            return True
        if now < step.sent_at + step.pause:
            return False
        step.pause = min(max(2 * step.pause, self._policy.target_lag), self._policy.max_interval)
        step.sent_at, tracker.confirm_requested = now, hinted
        desk = self._desk_of(step.source)
        step.aside = desk.aside(tracker, step.resource)
        self._queue(desk, step.aside)
        return True
