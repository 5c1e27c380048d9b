"""What is awaited of one kind of resource, and what its answers mean for those who wait. No I/O.

The poller brings answers here: a GET's, or a list page's, each row of which is a look at somebody.
A row is a candidate, one GET the proof; only where proofs would come too late to be worth it, and
the policy agrees, may a row settle a wait, and the history says so.
"""

import logging
import math
from typing import Any

from di_async.core.errors import APIError, DIError, NotFoundError, ServerError
from di_async.core.http import Priority
from di_async.core.pagination import Page, RawPage
from di_async.core.protocols import CallRecord, Source
from di_async.core.waiting.durations import Key
from di_async.core.waiting.evidence import (
    Action,
    Pending,
    Read,
    ReadFailed,
    ReadFound,
    ReadMissing,
    Settled,
)
from di_async.core.waiting.items import PollEntry
from di_async.core.waiting.laws import Laws
from di_async.core.waiting.planner import PollSchedule, ReadOne, ReadPage
from di_async.core.waiting.poll_policy import PollPolicy
from di_async.core.waiting.resume_token import ResourceRef
from di_async.engine.clock import Clock
from di_async.engine.waiting.tracker import ChangeTracker

__all__ = ["Desk", "Watch"]

logger = logging.getLogger("di_async.poller")

# Whoever is younger than this was made by this very process: its first look can wait its turn.
_JUST_MADE_S = 1.0
# Light rows are taken at their word only after GETs have borne out so many of them, and none not.
_HONEST_ROWS = 20
# Stamps come in whole seconds.
_STAMP_S = 1.0
# A settle seen after a long silence is placed within this last share of its age.
_BLUR = 0.2
# So many that were left are remembered before those of long ago are forgotten.
_REMEMBERED = 1000
# Ages of what is pending are told this coarsely.
_AGE_S = 10.0
_WRITES = frozenset({Action.CREATE, Action.UPDATE, Action.DELETE})
_NEVER = -math.inf


class Watch(PollEntry, kw_only=True):
    """One resource that is read over and over, for all who wait for it."""

    stage: ResourceRef
    joined_at: float = 0.0
    """When the last of its trackers came: a row read before says nothing to that one."""
    trackers: tuple[ChangeTracker[Any], ...] = ()
    ready_at: float | None = None
    """The first look that found it otherwise."""
    confirming: bool = False
    doubt_stamp: int = 0
    doubt_pause: float = 0.0
    doubt_until: float = _NEVER
    """A GET did not confirm what its row says: believe that row no more until then."""


class Desk:
    """Everything awaited of one source."""

    def __init__(self, source: Source[Any], policy: PollPolicy, laws: Laws, clock: Clock) -> None:
        self.source = source
        self.planner: PollSchedule[Watch] = PollSchedule(policy, laws.law, regional=source.regional)
        self._policy = policy
        self._laws = laws
        self._listed = source.list_page is not None
        self._rows_proven = 0.0
        self._kinds: dict[Key, Key] = {}
        self._looked_at: dict[str, float] = {}
        self._remembered = _REMEMBERED
        self._clock = clock

    # -- who waits ----------------------------------------------------------------------------

    def watch(self, tracker: ChangeTracker[Any]) -> Watch:
        """The watch that serves a tracker, with the tracker on it."""
        now = self._clock.now()
        listed = self._listed and tracker.expectation.action is not Action.PREDICATE
        watch = self.planner.find(tracker.next_resource.id)
        if watch is None:
            watch = self._new(tracker, now, listed=listed)
            self.planner.add(watch)
        elif not listed:
            self._unlist(watch)
        if tracker not in watch.trackers:
            watch.trackers += (tracker,)
            tracker.spent -= watch.sends
            watch.joined_at = now
            self.planner.mark_dirty(watch)
        return watch

    def _new(self, tracker: ChangeTracker[Any], now: float, *, listed: bool) -> Watch:
        just_made = (
            tracker.expectation.action is Action.CREATE and now - tracker.started_at < _JUST_MADE_S
        )
        looked_at = self._looked_at.pop(tracker.next_resource.id, _NEVER)
        return Watch(
            id=tracker.next_resource.id,
            stage=tracker.next_resource,
            started_at=tracker.started_at,
            kind=tracker.duration_key,
            listed=listed,
            read_at=now if just_made else looked_at,
            looked_at=looked_at,
            unsettled_at=now if just_made else None,
        )

    def aside(self, tracker: ChangeTracker[Any], stage: ResourceRef) -> Watch:
        """A watch for one read of a step; the tracker is watched elsewhere."""
        return Watch(id=stage.id, stage=stage, listed=False, trackers=(tracker,), confirming=True)

    def leave(self, tracker: ChangeTracker[Any], watch: Watch) -> None:
        """Nobody waits for this tracker any more."""
        if tracker in watch.trackers:
            watch.trackers = tuple(one for one in watch.trackers if one is not tracker)
            tracker.spent += watch.sends
            if not watch.trackers:
                self.planner.drop(watch)
                self._remember(watch)

    def _remember(self, watch: Watch) -> None:
        """Whoever waits for it next must not read it sooner than the policy allows."""
        if len(self._looked_at) >= self._remembered:
            recent = self._clock.now() - self._policy.target_lag
            self._looked_at = {id: at for id, at in self._looked_at.items() if at > recent}
            self._remembered = max(_REMEMBERED, 2 * len(self._looked_at))
        self._looked_at[watch.id] = max(watch.looked_at, watch.sent_at)

    # -- what came back -----------------------------------------------------------------------

    def take(self, watch: Watch, answer: Any, call: CallRecord, priority: Priority) -> None:
        """A GET's answer: a resource, or the error of ours that stood for it."""
        now = self._clock.now()
        watch.confirming = False
        watch.catch_up()
        self.planner.item_read(watch, now)
        if not isinstance(answer, Exception):
            self._place(watch, answer)
        for tracker in watch.trackers:
            self._deliver(tracker, answer, call, watch.stage)
            self._learn(tracker, watch, now)
        watch.unsettled_at = now
        if priority is Priority.CONFIRM and not isinstance(answer, Exception):
            self._weigh_rows(watch)
            longest = self._policy.max_interval
            watch.doubt_pause = min(max(2 * watch.doubt_pause, self._policy.target_lag), longest)
            watch.doubt_until = now + watch.doubt_pause

    def _weigh_rows(self, watch: Watch) -> None:
        """A GET has just proven or refuted what a row said."""
        refuted = any(isinstance(tracker.decision, Pending) for tracker in watch.trackers)
        self._rows_proven = -math.inf if refuted else self._rows_proven + 1

    def forget(self, ask: ReadOne[Watch] | ReadPage) -> None:
        """It was broken off: nothing was learned, and it may be asked again."""
        match ask:
            case ReadOne(entry=watch):
                watch.confirming = False
                self.planner.read_cancelled(watch)
            case ReadPage():
                self.planner.page_broken_off(ask)

    def read(self, ask: ReadPage, page: Page | RawPage, call: CallRecord) -> Page | None:
        """A page that came back; None where it is just as it was. Raises `DecodeError`."""
        unchanged = self.planner.unchanged(ask, page, self._clock.now(), call.sends)
        return None if unchanged else page.read()

    def take_page(
        self, ask: ReadPage, page: Page | Exception | None, call: CallRecord, *, trusting: bool
    ) -> list[Watch]:
        """What `read` gave or raised; gives those who may be settled and want a GET for proof."""
        now = self._clock.now()
        if isinstance(page, Exception):
            self._take_failed_page(ask, page, call, now)
            return []
        if page is None:
            return []
        news = self.planner.sift(ask, page, now, call.sends)
        found: dict[int, Watch] = {}
        candidates, quiet = [], True
        find, glance, rows = self.planner.find, self.source.row_key, page.rows
        for place in news:
            id, stamp = glance(rows[place])
            awaited = find(id)
            if awaited is None:
                continue
            found[place] = awaited
            if stamp == awaited.stamp:
                awaited.unsettled_at = now
                awaited.sent += call.sends
            else:
                quiet = False
                if self._look(awaited, page, place, stamp, call, trusting=trusting):
                    candidates.append(awaited)
        self.planner.page_read(ask, page, news, found, now, quiet=quiet)
        return candidates

    def _take_failed_page(
        self, ask: ReadPage, error: Exception, call: CallRecord, now: float
    ) -> None:
        """A list that does not answer proves nothing of anybody; a refused one is given up."""
        for watch in self.planner.on_page(ask):
            for tracker in watch.trackers:
                if isinstance(error, DIError):
                    told = ReadFailed(started_at=call.started_at, at=now, error=error)
                    tracker.record_read(told, call.sends, watch.stage)
                else:
                    tracker.abort(error)
        self.planner.page_failed(ask.page, now, ask.region)
        if self._listed and _is_refusal(error):
            logger.warning(
                "the list of every %s is refused (%s): each wait is followed by a GET of its own",
                self.source.noun,
                error,
            )
            self._listed = False
            for watch in tuple(self.planner):
                self._unlist(watch)

    def _unlist(self, watch: Watch) -> None:
        """Follow it by its own GETs from now on."""
        if watch.listed:
            self.planner.drop(watch)
            watch.listed = False
            self.planner.add(watch)

    def _look(
        self, watch: Watch, page: Page, place: int, stamp: int, call: CallRecord, *, trusting: bool
    ) -> bool:
        """A row that changed, or that may settle something; True if a GET is wanted."""
        now, candidate, idle = self._clock.now(), False, True
        watch.catch_up()
        try:
            resource = self.source.decode_row(page.full_row(place))
        except DIError as error:
            for tracker in watch.trackers:
                self._deliver(tracker, error, call, watch.stage)
            return False
        self._place(watch, resource)
        trusting = trusting and not watch.doubt_pause  # a GET has refuted this one before
        for tracker in watch.trackers:
            observation = self.source.observe(resource, tracker.expectation)
            read = ReadFound(
                started_at=call.started_at,
                at=now,
                observation=observation,
                resource=resource,
                source="list",
            )
            trusted = trusting and (observation.has_spec or self._rows_proven >= _HONEST_ROWS)
            wants_proof = tracker.record_row(read, call.sends, trusting=trusted)
            candidate, idle = candidate or wants_proof, idle and observation.in_progress
            self._learn(tracker, watch, now)
        if not candidate:
            watch.unsettled_at = now
            watch.stamp = stamp if idle and call.started_at >= watch.joined_at else 0
            return False
        watch.ready_at = watch.ready_at or now
        if watch.confirming or (now < watch.doubt_until and stamp == watch.doubt_stamp):
            return False
        watch.confirming, watch.doubt_stamp = True, stamp
        return True

    def _deliver(
        self, tracker: ChangeTracker[Any], answer: Any, call: CallRecord, stage: ResourceRef
    ) -> None:
        try:
            if isinstance(answer, Exception) and not isinstance(answer, DIError):
                raise answer
            tracker.record_read(self._as_read(tracker, answer, call, stage), call.sends, stage)
        except Exception as error:  # not ours, or a predicate's: theirs to see
            tracker.abort(error)

    def _as_read(
        self, tracker: ChangeTracker[Any], answer: Any, call: CallRecord, stage: ResourceRef
    ) -> Read:
        started_at, at = call.started_at, self._clock.now()
        match answer:
            case NotFoundError(transient=False):
                return ReadMissing(started_at=started_at, at=at, error=answer)
            case DIError():
                final = _is_refusal(answer)
                return ReadFailed(started_at=started_at, at=at, error=answer, refused=final)
            case _:
                observation = self.source.observe(answer, tracker.case_of(stage))
                return ReadFound(
                    started_at=started_at, at=at, observation=observation, resource=answer
                )

    # -- what is learned ----------------------------------------------------------------------

    def _place(self, watch: Watch, resource: Any) -> None:
        """The first look tells region and accelerator where the write's answer did not."""
        action, region, accelerator = watch.kind
        if not accelerator:
            shown = self.source.duration_key(resource)
            if shown != (region, accelerator):
                kind = (action, *shown)
                watch.kind = self._kinds.setdefault(kind, kind)
                self.planner.kind_told()

    def _learn(self, tracker: ChangeTracker[Any], watch: Watch, now: float) -> None:
        settled = isinstance(tracker.decision, Settled) and tracker.expectation.action in _WRITES
        if settled and not tracker.duration_recorded and watch.unsettled_at is not None:
            tracker.duration_recorded = True
            at = self._settled_at(tracker, watch.unsettled_at, watch.ready_at or now)
            self._laws.settled(watch.kind, max(at - watch.started_at, 0.1))

    def _settled_at(self, tracker: ChangeTracker[Any], after: float, before: float) -> float:
        """When it settled: by its own stamp if that is plausible, else within what was seen."""
        observation = tracker.evidence.observation
        stamp = observation.version.updated_at if observation is not None else None
        if stamp is not None and tracker.expectation.action is not Action.DELETE:
            told = self._clock.loop_at(stamp.timestamp())
            if after - _STAMP_S <= told <= before:
                return told
        return (max(after, before - _BLUR * (before - tracker.started_at)) + before) / 2

    def pending(self) -> dict[Key, dict[float, float]]:
        """By kind: how many are pending at about which age."""
        told: dict[Key, dict[float, float]] = {}
        last, ages = None, dict[float, float]()
        for watch in self.planner:
            if watch.kind is not last:
                last, ages = watch.kind, told.setdefault(watch.kind, {})
            seen_at = watch.last_unsettled_at
            age = 0.0 if seen_at is None else (seen_at - watch.started_at) // _AGE_S
            ages[age] = ages.get(age, 0.0) + 1.0
        return {
            kind: {(age + 0.5) * _AGE_S: count for age, count in ages.items()}
            for kind, ages in told.items()
        }


def _is_refusal(error: Exception) -> bool:
    """Asking again would not help."""
    if isinstance(error, ServerError) or not isinstance(error, APIError):
        return False
    return not error.transient
