"""Poll the resources of one type: deliver each read to the waits that need it. No I/O here.

`poll_schedule` decides what to read and when, `evidence` what a read proves, and the `Poller`
sends the requests. A list row is a hint and a GET confirms it; only where confirming GETs would
come too late, and the policy allows it, a row settles a wait, and the history says so.

Where a write is followed by an operation (or task), it is read before the resource; where there
are many, see `operation_reads`.
"""

import math
from collections.abc import Sequence
from typing import Any

from di_async.core.errors import (
    DIError,
    NotFoundError,
    RateLimitError,
    defect,
    is_refusal,
)
from di_async.core.pagination import Page
from di_async.core.waiting.durations import DurationEstimator
from di_async.core.waiting.evidence import Pending
from di_async.core.waiting.observation import (
    Action,
    DurationKey,
    Read,
    ReadFailed,
    ReadFound,
    ReadMissing,
)
from di_async.core.waiting.pacing import PollQuota
from di_async.core.waiting.page_index import NO_ROW, RowKey
from di_async.core.waiting.poll_policy import PollPolicy
from di_async.core.waiting.poll_schedule import PollEntry, PollSchedule, ReadOne, ReadPage
from di_async.core.waiting.resource_adapter import CallRecord, ResourceAdapter
from di_async.core.waiting.resume_token import ResourceRef
from di_async.engine.clock import Clock
from di_async.engine.log import Log
from di_async.engine.waiting.duration_recorder import DurationRecorder, Entry
from di_async.engine.waiting.operation_reads import FEW_OPERATIONS, OperationReads
from di_async.engine.waiting.tracker import ChangeTracker

__all__ = ["ResourcePoller"]

logger = Log("di_async.poller")

# A wait that begins this soon after its create reads first after one interval: nothing is done yet.
_JUST_CREATED_S = 1.0
# Light rows settle waits only after GETs have confirmed this many rows and refuted none.
_ROWS_TO_CONFIRM = 20
# How many resources that are no longer watched are remembered before old ones are dropped.
_REMEMBERED = 1000
# The one read of a wait whose deadline has passed may be this late, to keep the pace.
_SOON_S = 5.0
# After this many list failures in a row, or a refusal, waits send GETs for so many seconds. Then
# one more page is tried, and the first failure starts the next pause.
_MAX_LIST_FAILURES, _LIST_PAUSE_S, _REFUSED_LIST_PAUSE_S = 3, 300.0, 3600.0


class ResourcePoller:
    """The watched resources of one adapter."""

    def __init__(
        self,
        adapter: ResourceAdapter[Any],
        policy: PollPolicy,
        durations: DurationEstimator,
        clock: Clock,
    ) -> None:
        self.adapter = adapter
        self.schedule: PollSchedule[ChangeTracker[Any]] = PollSchedule(
            policy, durations.distribution, by_region=adapter.by_region
        )
        self._policy = policy
        self._durations = durations
        self._recorder = DurationRecorder(durations, clock)
        self._clock = clock
        self._list_again_at = -math.inf if adapter.has_list else math.inf
        self._list_failures = 0
        self._list_paused = False
        self._entries: dict[ChangeTracker[Any], Entry] = {}
        self._operations = OperationReads(self.schedule, policy, clock)
        self._operations_watched = 0
        self._rows_confirmed = 0
        self._row_was_refuted = False
        self._last_reads: dict[ResourceRef, float] = {}
        self._last_reads_limit = _REMEMBERED

    def __len__(self) -> int:
        return len(self.schedule)

    # -- waits --------------------------------------------------------------------------------

    def watch(self, tracker: ChangeTracker[Any]) -> None:
        """Read what a tracker has to see next; soon, if one of its deadlines is near."""
        entry = self._place(tracker)
        now, lag = self._clock.now(), self._policy.target_lag
        for waiter in tracker.waiters:
            if waiter.deadline is not None and waiter.deadline <= now + lag:
                pause = min(lag, _SOON_S) if waiter.deadline <= now else lag
                self.schedule.request_by(entry, max(now, entry.read_at + pause))

    def unwatch(self, tracker: ChangeTracker[Any]) -> None:
        """Stop reading for a tracker without waiters."""
        entry = self._entries.pop(tracker, None)
        self._operations.remove(tracker)
        if entry is not None:
            self._remove_watcher(tracker, entry)

    def abort(self, error: BaseException) -> None:
        """End every wait with this error."""
        for tracker in tuple(self._entries):
            tracker.waiters.abort(error)

    def get_in_flight(self, tracker: ChangeTracker[Any]) -> bool:
        """Return whether a GET that may settle the wait is queued or was sent."""
        entry = self._entries.get(tracker)
        return entry is not None and (entry.in_flight or entry.confirm_requested)

    def page_in_flight(self, tracker: ChangeTracker[Any]) -> bool:
        """Return whether a list page that may settle the wait was sent."""
        entry = self._entries.get(tracker)
        return entry is not None and self.schedule.page_in_flight(entry)

    def watchers(self, id: str) -> tuple[ChangeTracker[Any], ...]:
        """Return the trackers whose waits read this resource."""
        entry = self.schedule.find(ResourceRef(self.adapter.kind, id))
        return () if entry is None else tuple(entry.watchers)

    def is_wanted(self, entry: Entry) -> bool:
        """Return whether anyone awaits the entry."""
        return any(tracker.waiters for tracker in entry.watchers)

    @property
    def _light_rows_are_reliable(self) -> bool:
        """Whether GETs have confirmed enough rows, and refuted none."""
        return self._rows_confirmed >= _ROWS_TO_CONFIRM and not self._row_was_refuted

    @property
    def _use_list(self) -> bool:
        return self._clock.now() >= self._list_again_at

    def _place(self, tracker: ChangeTracker[Any]) -> Entry:
        ref = self._next_ref(tracker)
        entry = self._entries.get(tracker)
        if entry is not None:
            if entry.ref == ref:
                return entry
            self._remove_watcher(tracker, entry)
        is_target = ref == tracker.target
        listed = self._use_list and self._may_use_rows(tracker, ref)
        entry = self.schedule.find(ref)
        if entry is None:
            entry = self._new_entry(tracker, ref, listed=listed)
            self.schedule.add(entry)
            self._operations_watched += not is_target
        elif not listed:
            self.schedule.read_by_get(entry)
        entry.add_watcher(tracker, self._clock.now())
        self.schedule.mark_dirty(entry)
        self._entries[tracker] = entry
        return entry

    @staticmethod
    def _may_use_rows(tracker: ChangeTracker[Any], ref: ResourceRef) -> bool:
        """Return whether list rows may serve a tracker that reads this."""
        return ref == tracker.target and tracker.expectation.action is not Action.PREDICATE

    def resume_list(self) -> None:
        """Read by list pages again once the pause after failures is over."""
        if not (self._list_paused and self._use_list):
            return
        self._list_paused, self._list_failures = False, _MAX_LIST_FAILURES - 1
        for entry in tuple(self.schedule):
            if all(self._may_use_rows(tracker, entry.ref) for tracker in entry.watchers):
                self.schedule.read_by_list(entry)

    def _next_ref(self, tracker: ChangeTracker[Any]) -> ResourceRef:
        """Return what is read for a tracker: its first operation or its resource."""
        operation = tracker.operation
        if operation is None or tracker in self._operations:
            return tracker.target
        entry = self._entries.get(tracker)
        reads_it = entry is not None and entry.ref == operation
        if self._use_list and not reads_it and self._operations_watched >= FEW_OPERATIONS:
            self._operations.add(tracker, operation)
            return tracker.target
        return operation

    def _new_entry(self, tracker: ChangeTracker[Any], ref: ResourceRef, *, listed: bool) -> Entry:
        now, action = self._clock.now(), tracker.expectation.action
        just_created = action is Action.CREATE and now - tracker.started_at < _JUST_CREATED_S
        last_read = self._last_reads.pop(ref, -math.inf)
        return PollEntry(
            ref=ref,
            started_at=tracker.started_at,
            duration_key=self._recorder.key(action.value),
            listed=listed,
            paced_from=now if just_created else last_read,
            read_at=last_read,
            last_pending_at=now if just_created else None,
        )

    def _remove_watcher(self, tracker: ChangeTracker[Any], entry: Entry) -> None:
        entry.remove_watcher(tracker)
        if not entry.watchers:
            self.schedule.remove(entry)
            self._operations_watched -= entry.ref != tracker.target
            self._remember(entry)

    def _remember(self, entry: Entry) -> None:
        """Keep when a resource was read: the next wait for it must not read it sooner."""
        if len(self._last_reads) >= self._last_reads_limit:
            recent = self._clock.now() - self._policy.target_lag
            self._last_reads = {ref: at for ref, at in self._last_reads.items() if at > recent}
            self._last_reads_limit = max(_REMEMBERED, 2 * len(self._last_reads))
        self._last_reads[entry.ref] = max(entry.read_at, entry.sent_at)

    # -- GETs ---------------------------------------------------------------------------------

    def get_done(self, read: ReadOne[ChangeTracker[Any]], answer: Any, call: CallRecord) -> None:
        """Deliver a GET's answer: a resource, an operation, or the error in its place."""
        entry, now, watchers = read.entry, self._clock.now(), read.entry.watchers
        is_resource = entry.ref.kind == self.adapter.kind
        found = not isinstance(answer, Exception)
        if found and is_resource:
            self._learn_key(entry, answer)
        for tracker in watchers:
            self._deliver(tracker, answer, call, entry.ref)
            self._recorder.record(tracker, entry, now)
        pending = any(isinstance(tracker.decision, Pending) for tracker in watchers)
        confirms = read.confirms and found and is_resource
        if confirms and not entry.row_is_partial:  # else the row claimed nothing
            self._rows_confirmed += not pending
            self._row_was_refuted |= pending
        refuted = confirms and pending
        self.schedule.get_finished(entry, now, pending=found and pending, refuted=refuted)
        for tracker in watchers:
            if tracker.waiters and isinstance(tracker.decision, Pending):
                self._plan_next_read(tracker, entry)

    def _deliver(
        self, tracker: ChangeTracker[Any], answer: Any, call: CallRecord, ref: ResourceRef
    ) -> None:
        try:
            tracker.record_read(self._as_read(tracker, answer, call, ref), call.requests, ref)
        except Exception as error:  # it ends this wait, and no other
            tracker.waiters.abort(defect(error))

    def _as_read(
        self, tracker: ChangeTracker[Any], answer: Any, call: CallRecord, ref: ResourceRef
    ) -> Read:
        started_at, at = call.started_at, self._clock.now()
        match answer:
            case NotFoundError():
                return ReadMissing(started_at=started_at, at=at, error=answer)
            case DIError():
                refused = is_refusal(answer)
                return ReadFailed(started_at=started_at, at=at, error=answer, refused=refused)
            case Exception():
                raise answer
            case _:
                seen = self.adapter.observe(answer, tracker.expectation_of(ref))
                return ReadFound(started_at=started_at, at=at, observation=seen, resource=answer)

    # -- list pages ---------------------------------------------------------------------------

    def row_key(self, row: Any) -> RowKey:
        """Return a row's id and fingerprint; `NO_ROW` for a row that cannot be read."""
        try:
            return self.adapter.row_key(row)
        except Exception as error:
            logger.debug("a row of the list of every %s is skipped: %r", self.adapter.noun, error)
            return NO_ROW

    def page_done(
        self,
        read: ReadPage,
        page: Page,
        keys: Sequence[RowKey],
        call: CallRecord,
        *,
        trust_rows: bool,
    ) -> None:
        """Deliver a list page; rows that look settled are queued for a confirming GET.

        `keys` are those of its rows, see `row_key`.
        """
        now = self._clock.now()
        rows = self.schedule.page_finished(read, keys, page.total, now)
        for entry in rows.unchanged:
            for tracker in entry.watchers:
                tracker.record_unchanged_row(call.requests, call.started_at)
        for position, entry in rows.changed:
            fingerprint = keys[position][1]
            if self._examine(entry, page, position, fingerprint, call, trust_rows=trust_rows):
                self._confirm(entry)
        self._list_failures = 0

    def page_failed(self, read: ReadPage, error: Exception, call: CallRecord) -> None:
        """Record a page that could not be read.

        After a refusal, or repeated failures, the list is not read for a while.
        """
        now = self._clock.now()
        for entry in self.schedule.entries_on(read):
            for tracker in entry.watchers:
                failed = ReadFailed(started_at=call.started_at, at=now, error=defect(error))
                tracker.record_read(failed, call.requests, entry.ref)
        self.schedule.page_failed(read, now)
        if isinstance(error, RateLimitError):
            return  # says nothing about the list; the budget waits
        self._list_failures += 1
        refused = is_refusal(error)
        if refused or self._list_failures >= _MAX_LIST_FAILURES:
            logger.warning(
                "cannot list every %s (%s): each wait sends its own GETs", self.adapter.noun, error
            )
            self._list_failures, self._list_paused = 0, True
            self._list_again_at = now + (_REFUSED_LIST_PAUSE_S if refused else _LIST_PAUSE_S)
            for entry in tuple(self.schedule):
                self.schedule.read_by_get(entry)

    def _examine(
        self,
        entry: Entry,
        page: Page,
        position: int,
        fingerprint: int,
        call: CallRecord,
        *,
        trust_rows: bool,
    ) -> bool:
        """Deliver a changed row; return True if a GET should confirm it."""
        now = self._clock.now()
        try:
            row = page.full_row(position)
            resource = self.adapter.decode_row(row)
        except Exception as error:  # only this row's waits are concerned
            self.schedule.mark_dirty(entry)
            for tracker in entry.watchers:
                self._deliver(tracker, defect(error), call, entry.ref)
            return False
        self._learn_key(entry, resource)
        trust_rows = trust_rows and not entry.confirm_pause  # a GET has refuted this one before
        settled, in_progress, partial = False, True, False
        for tracker in entry.watchers:
            try:
                seen = self.adapter.observe_row(resource, row, tracker.expectation)
                partial |= seen.partial
                trusted = trust_rows and (seen.has_spec or self._light_rows_are_reliable)
                found = ReadFound(
                    started_at=call.started_at,
                    at=now,
                    observation=seen,
                    resource=resource,
                    source="list",
                )
                needs_confirm = tracker.record_row(found, call.requests, trusted=trusted)
            except Exception as error:  # it ends this wait, and no other
                tracker.waiters.abort(defect(error))
                continue
            settled, in_progress = settled or needs_confirm, in_progress and seen.in_progress
            self._recorder.record(tracker, entry, now)
        again = not in_progress or call.started_at < entry.joined_at
        return self.schedule.row_examined(
            entry, fingerprint, now, settled=settled, again=again, partial=partial
        )

    def _confirm(self, entry: Entry) -> None:
        """Queue a GET for a row that looks settled; pending operations are read first."""
        waiting = [tracker for tracker in entry.watchers if tracker.operation is not None]
        for tracker in waiting:
            self._operations.read(tracker, looks_settled=True)
        if len(waiting) < len(entry.watchers):
            self.schedule.request_confirm(entry)

    def read_overdue(self, quota: PollQuota, seconds: float) -> None:
        """Read operations that were not read for long, and resources whose rows do not change."""
        self._operations.read_overdue(quota, seconds)
        self.schedule.check_unchanged(self._clock.now())

    # -- operations ---------------------------------------------------------------------------

    def _plan_next_read(self, tracker: ChangeTracker[Any], entry_read: Entry) -> None:
        """Decide what a pending wait reads after a GET of this entry."""
        entry, operation = self._entries[tracker], tracker.operation
        if entry is entry_read:
            if self._next_ref(tracker) != entry_read.ref:
                self.watch(tracker)
            elif tracker.resource_looks_settled and not self._operations.read(
                tracker, looks_settled=True
            ):
                tracker.waiters.wake(Pending(), self._clock.now(), news=False)
        elif operation is None:
            if self._operations.remove(tracker):
                self.schedule.request_confirm(entry)
        elif operation != entry_read.ref:
            self._operations.advance(tracker, operation)

    # -- durations ----------------------------------------------------------------------------

    def pending_ages(self) -> dict[DurationKey, dict[float, float]]:
        """Return by kind how many changes are pending at about which age in seconds."""
        return self._recorder.pending_ages(self.schedule)

    def eta(self, tracker: ChangeTracker[Any]) -> float | None:
        """Return the median of the seconds until a change settles; None if it is not known."""
        resource, action = tracker.resource, tracker.expectation.action.value
        place = tracker.place if resource is None else self.adapter.duration_key(resource)
        if place is None or not isinstance(tracker.decision, Pending):
            return None
        key = self._recorder.key(action, *place)
        distribution = self._durations.distribution(key)
        return None if distribution is None else distribution.remaining(tracker.elapsed)

    def _learn_key(self, entry: Entry, resource: Any) -> None:
        """Take region and accelerator from a read where they are not known yet."""
        action, _, accelerator = entry.duration_key
        if not accelerator:
            shown = self._recorder.key(action, *self.adapter.duration_key(resource))
            if shown != entry.duration_key:
                self.schedule.set_duration_key(entry, shown)
