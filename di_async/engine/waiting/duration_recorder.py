"""Record how long changes took, by kind, for the duration model that plans the reads."""

from collections.abc import Iterable
from typing import Any

from di_async.core.waiting.durations import DurationEstimator
from di_async.core.waiting.evidence import Settled
from di_async.core.waiting.observation import Action, DurationKey
from di_async.core.waiting.poll_schedule import PollEntry
from di_async.engine.clock import Clock
from di_async.engine.waiting.tracker import ChangeTracker

__all__ = ["DurationRecorder", "Entry"]

Entry = PollEntry[ChangeTracker[Any]]

# Time stamps come in whole seconds.
_STAMP_S = 1.0
# A change that was not read for long before it was found settled: it counts as settled within this
# last share of its age.
_MIDPOINT_SHARE = 0.2
# Longer names of regions and accelerators are cut.
_MAX_NAME = 100
# Ages of pending changes are grouped in bins of this many seconds.
_AGE_BIN_S = 10.0
_WRITES = frozenset({Action.CREATE, Action.UPDATE, Action.DELETE})


class DurationRecorder:
    """Records the durations of one resource type's changes."""

    def __init__(self, durations: DurationEstimator, clock: Clock) -> None:
        self._durations = durations
        self._clock = clock

    @staticmethod
    def key(action: str, region: str = "", accelerator: str = "") -> DurationKey:
        """Return the kind of a change."""
        return action, region[:_MAX_NAME], accelerator[:_MAX_NAME]

    def pending_ages(self, entries: Iterable[Entry]) -> dict[DurationKey, dict[float, float]]:
        """Return by kind how many changes are pending at about which age in seconds."""
        bins: dict[DurationKey, dict[float, float]] = {}
        for entry in entries:
            seen_at = entry.last_pending_at
            age = 0.0 if seen_at is None else (seen_at - entry.started_at) // _AGE_BIN_S
            ages = bins.setdefault(entry.duration_key, {})
            ages[age] = ages.get(age, 0.0) + 1.0
        return {
            key: {(age + 0.5) * _AGE_BIN_S: count for age, count in ages.items()}
            for key, ages in bins.items()
        }

    def record(self, tracker: ChangeTracker[Any], entry: Entry, now: float) -> None:
        """Record the duration of a change that a read of this entry has settled, once."""
        if not isinstance(tracker.decision, Settled) or entry.last_pending_at is None:
            return
        if tracker.expectation.action in _WRITES and tracker.take_duration_due():
            latest = now if entry.first_ready_at is None else entry.first_ready_at
            at = self._settled_at(tracker, entry.last_pending_at, latest)
            self._durations.record(entry.duration_key, max(at - entry.started_at, 0.1))

    def _settled_at(self, tracker: ChangeTracker[Any], after: float, before: float) -> float:
        """Return when a change settled: its own stamp if plausible, else an estimate."""
        observation = tracker.evidence.observation
        stamp = observation.version.updated_at if observation is not None else None
        if stamp is not None and tracker.expectation.action is not Action.DELETE:
            at = self._clock.loop_at(stamp.timestamp())
            if after - _STAMP_S <= at <= before:
                return at
        earliest = max(after, before - _MIDPOINT_SHARE * (before - tracker.started_at))
        return (earliest + before) / 2
