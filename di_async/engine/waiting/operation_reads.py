"""Read operations whose resources are read by list pages.

Up to `FEW_OPERATIONS` operations are each read to their end before their resource. Where there are
more, list pages show the resources. An operation is then read when its resource looks settled, and
every few minutes as well: an operation that failed may not change its resource.
"""

import heapq
import math
from typing import Any

from msgspec import Struct

from di_async.core.waiting.pacing import PollQuota
from di_async.core.waiting.poll_policy import PollPolicy
from di_async.core.waiting.poll_schedule import PollEntry, PollSchedule
from di_async.core.waiting.resume_token import ResourceRef
from di_async.engine.clock import Clock
from di_async.engine.waiting.duration_recorder import Entry
from di_async.engine.waiting.tracker import ChangeTracker

__all__ = ["FEW_OPERATIONS", "OperationReads"]

FEW_OPERATIONS = 8
"""Up to this many operations are each read by GET."""
# An operation is read at least this often, within this share of the quota.
_REMIND_S = 300.0
_REMIND_SHARE = 0.2
_HOUR_S = 3600.0


class _OperationRead(Struct, eq=False):
    """The reads of one tracker's first operation."""

    ref: ResourceRef
    sent_at: float = -math.inf
    pause: float = 0.0
    """Seconds before the operation may be read again."""
    entry: Entry | None = None
    resource_looks_settled: bool = False


class OperationReads:
    """The trackers that are watched by their resource although an operation is pending."""

    def __init__(
        self, schedule: PollSchedule[ChangeTracker[Any]], policy: PollPolicy, clock: Clock
    ) -> None:
        self._schedule = schedule
        self._policy = policy
        self._clock = clock
        self._reads: dict[ChangeTracker[Any], _OperationRead] = {}

    def __contains__(self, tracker: ChangeTracker[Any]) -> bool:
        return tracker in self._reads

    def add(self, tracker: ChangeTracker[Any], operation: ResourceRef) -> None:
        """Read this operation now and then; the tracker's resource is watched."""
        self._reads[tracker] = _OperationRead(operation)

    def remove(self, tracker: ChangeTracker[Any]) -> bool:
        """Read no operation of a tracker; return whether its resource looked settled."""
        read = self._reads.pop(tracker, None)
        return read is not None and read.resource_looks_settled

    def advance(self, tracker: ChangeTracker[Any], operation: ResourceRef) -> None:
        """Read the next operation of a tracker, whose last one has ended."""
        if tracker in self._reads:
            looks_settled = self.remove(tracker)
            self.add(tracker, operation)
            self.read(tracker, looks_settled=looks_settled)

    def read(self, tracker: ChangeTracker[Any], *, looks_settled: bool) -> bool:
        """Queue a read of a tracker's first operation; return False if it was read just now.

        `looks_settled`: because its resource looks settled.
        """
        read, now = self._reads.get(tracker), self._clock.now()
        if read is None:
            return False
        read.resource_looks_settled |= looks_settled
        if read.entry is not None and read.entry.confirm_requested:
            return True
        if now < read.sent_at + read.pause:
            return False
        pause = max(2 * read.pause, self._policy.target_lag)
        read.pause = min(pause, self._policy.max_interval)
        read.sent_at, read.resource_looks_settled = now, looks_settled
        read.entry = PollEntry(ref=read.ref, listed=False, watchers=(tracker,))
        self._schedule.request_confirm(read.entry)
        return True

    def read_overdue(self, quota: PollQuota, seconds: float) -> None:
        """Read the operations that were not read for long, as a share of the quota allows.

        `seconds`: until this is called again.
        """
        now = self._clock.now()
        due = [
            (read.sent_at, tracker)
            for tracker, read in self._reads.items()
            if now - max(read.sent_at, tracker.started_at) >= _REMIND_S
        ]
        allowed = quota.remaining / _HOUR_S * _REMIND_SHARE * seconds
        most = max(1, int(min(allowed, len(due))))
        for _, tracker in heapq.nsmallest(most, due, key=lambda one: one[0]):
            self.read(tracker, looks_settled=False)
