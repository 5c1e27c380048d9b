"""Follows one change: folds each read into its ledger, keeps its history, wakes who waits.

No I/O here; the poller feeds `absorb`. Idle waits cost a future each: a read that decides nothing
wakes nobody but those who stream events.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from di_async.core.errors import APIError
from di_async.core.protocols import Source
from di_async.core.waiting.durations import Key
from di_async.core.waiting.events import StatusChange
from di_async.core.waiting.evidence import (
    Action,
    Decision,
    Evidence,
    Expectation,
    Expired,
    Failed,
    Observation,
    Pending,
    Read,
    ReadFailed,
    ReadFound,
    ReadMissing,
    Refused,
    Settled,
    Superseded,
    Vanished,
    check_deadline,
    fold,
    judge,
)
from di_async.core.waiting.resume_token import ResourceRef
from di_async.engine.clock import Clock

__all__ = ["ChangeTracker", "PendingOperation", "Waiter"]

logger = logging.getLogger("di_async.poller")

# Enough for any story; a provider that flaps for days must not eat the memory.
_MAX_HISTORY = 1000

R = TypeVar("R")


class PendingOperation(Struct, eq=False):
    """Something that has to end before the resource can be judged."""

    source: Source[Any]
    resource: ResourceRef
    expectation: Expectation
    evidence: Evidence = field(default_factory=Evidence)
    sent_at: float = -math.inf
    aside: Any = None
    """The poller's read of it while the resource is looked at."""
    pause: float = 0.0
    """While the resource is looked at instead: seconds before it is asked again."""


class Waiter(Struct, eq=False):
    """Somebody who waits: for the verdict, or (`any_news`) for the next thing learned."""

    future: asyncio.Future[Decision]
    deadline: float | None = None
    any_news: bool = False
    tracker: Any = None
    looks: int | None = None
    """With `timeout=0`: how many looks there were before the one that is owed."""
    due: bool = False
    """Its deadline has passed, or does not matter any more."""
    grace: asyncio.TimerHandle | None = None
    """Ends what it was given beyond its deadline."""

    @property
    def until(self) -> float:
        """The deadline; infinite where there is none."""
        return math.inf if self.deadline is None else self.deadline

    def __lt__(self, other: "Waiter") -> bool:
        return self.until < other.until

    def resolve(self, decision: Decision) -> None:
        """Let it go on with this verdict."""
        if not self.future.done():
            self.future.set_result(decision)


class ChangeTracker(Generic[R]):
    """What is known about one change, and who waits for it."""

    def __init__(
        self,
        source: Source[R],
        id: str,
        expectation: Expectation,
        clock: Clock,
        *,
        started_at: float | None = None,
        predicate: Callable[[R], object] | None = None,
        steps: Sequence[ResourceRef] = (),
    ) -> None:
        started = expectation.accepted_at if started_at is None else started_at
        self.source = source
        self.target = ResourceRef(source.kind, id)
        self._steps = tuple(
            # The write has made it, so a young one may not be seen everywhere yet.
            PendingOperation(
                source.operation(stage),
                stage,
                Expectation(action=Action.CREATE, accepted_at=started),
            )
            for stage in steps
        )
        self.seat: Any = None
        """Where the poller has put it while somebody waits."""
        self.confirm_requested = False
        """Its step was asked for because the resource looked over."""
        self.resource_first = False
        """The resource is looked at although steps have not been seen to end: one of a crowd."""
        self.expectation = expectation
        self.clock = clock
        self.started_at = started
        self.initial: Any = None
        """What the write's answer showed."""
        self.latest: R | None = None
        self.evidence = Evidence()
        self.history: list[StatusChange] = []
        self.spent = 0
        """Requests, without those that its watch counts for all who are on it."""
        self.decision: Decision = Pending()
        self.waiters: list[Waiter] = []
        self.duration_key: Key = (expectation.action.value, "", "")
        self.duration_recorded = False
        """The duration model knows of it."""
        self._step_looks = 0
        self.looks_settled = False
        """So the resource says, while a step may still be going on."""
        self._predicate = predicate
        self._status: str | None = None
        self._unknown_told: set[str] = set()

    @property
    def requests(self) -> int:
        """What it has cost on the wire so far."""
        return self.spent if self.seat is None else self.spent + int(self.seat[1].sends)

    @property
    def known(self) -> Any:
        """As last seen, or as the write's answer showed it."""
        return self.initial if self.latest is None else self.latest

    @property
    def elapsed(self) -> float:
        """Seconds since the write was accepted, or since the wait began."""
        return self.clock.now() - self.started_at

    @property
    def operation(self) -> PendingOperation | None:
        """The first of the steps that have not been seen to end; None: the resource decides."""
        return self._steps[0] if self._steps else None

    @property
    def operations(self) -> tuple[ResourceRef, ...]:
        """Those steps."""
        return tuple(step.resource for step in self._steps)

    @property
    def next_resource(self) -> ResourceRef:
        """What is to be read next."""
        return self._steps[0].resource if self._steps and not self.resource_first else self.target

    @property
    def status(self) -> str:
        """The last word known: the resource's, or while it was not looked at, its step's."""
        if self.evidence.observation is None and self.operation is not None:
            seen = self.operation.evidence.observation
            return f"{self.operation.source.noun} {seen.status if seen else 'never seen'}"
        return self.evidence.observation.status if self.evidence.observation else "never seen"

    @property
    def last_error(self) -> Any:
        """The last read's error, if it told nothing."""
        of_step = self.operation.evidence.last_error if self.operation else None
        return of_step or self.evidence.last_error

    @property
    def reads(self) -> int:
        """Reads that told something, of whatever stage."""
        return self._step_looks + self.evidence.reads

    def case_of(self, stage: ResourceRef) -> Expectation:
        """What a read of this stage is held against."""
        return (
            self.expectation
            if stage == self.target or not self._steps
            else self._steps[0].expectation
        )

    def record_read(self, read: Read, sends: int, stage: ResourceRef) -> None:
        """Learn from one more read that cost `sends` requests, and wake those whom it concerns."""
        self.spent += sends
        if not isinstance(self.decision, Pending):
            return
        if stage == self.target:
            evidence = fold(self.expectation, self.evidence, read)
            self._advance(read, evidence, self._judged(evidence))
        elif self._steps and stage == self._steps[0].resource:
            self._absorb_step(self._steps[0], read)

    def _judged(self, evidence: Evidence) -> Decision:
        """What the reads prove; nothing but a refusal while a step may still be going on."""
        decision = judge(self.expectation, evidence)
        self.looks_settled = bool(self._steps) and not isinstance(decision, Pending | Refused)
        return Pending() if self.looks_settled else decision

    def _absorb_step(self, step: PendingOperation, read: Read) -> None:
        step.evidence = fold(step.expectation, step.evidence, read)
        self._step_looks += 1
        decision, noun = judge(step.expectation, step.evidence), step.source.noun
        told = len(self.history)
        match read:
            case ReadFound(observation=observation):
                self._add(f"{noun} {observation.status}", self._status)
                self._warn_unknown(observation)
            case ReadMissing():
                self._add(f"{noun}: GET answered 404", self._status)
            case ReadFailed(error=error):
                self._add(f"{noun}: {_trouble(error)}", self._status)
        if isinstance(decision, Settled | Vanished):
            # One that its provider has forgotten tells nothing: the resource has to.
            self._steps = self._steps[1:]
            self._begin_anew(read.started_at)
            return  # nobody is woken: the next stage is read at once
        if isinstance(decision, Failed):
            decision = Failed(f"{noun}: {decision.reason}")
            self._conclude(decision, "get")
        elif not isinstance(decision, Refused):
            decision = Pending()
        self._wake(decision, news=len(self.history) > told)

    def _begin_anew(self, at: float) -> None:
        """A step has ended: what was seen of the resource before proves nothing."""
        before = self.evidence
        self.expectation = replace(
            self.expectation, accepted_at=max(self.expectation.accepted_at, at)
        )
        self.evidence = Evidence(
            reads=before.reads, newest_version=before.newest_version, ever_seen=before.ever_seen
        )
        self.looks_settled = False

    def lapse(self) -> None:
        """Let go of those whose time is over."""
        self._wake(Pending(), news=False)

    def record_row(self, read: ReadFound, sends: int, *, trusting: bool) -> bool:
        """Learn from a list row; True if it may be over, which a GET must prove.

        With `trusting` its word is taken, if it shows its spec or this wait saw it unsettled.
        """
        self.spent += sends
        if not isinstance(self.decision, Pending):
            return False
        evidence = fold(self.expectation, self.evidence, read)
        decision = judge(self.expectation, evidence)
        trusted = (
            trusting
            and not self._steps
            and (read.observation.has_spec or self.evidence.seen_in_progress)
        )
        if not isinstance(decision, Pending) and not trusted:
            return evidence is not self.evidence
        self._advance(read, evidence, decision)
        return False

    def _advance(self, read: Read, evidence: Evidence, decision: Decision) -> None:
        """Take the next ledger on, tell what is new in it, and wake whom it concerns."""
        before, told = self.evidence, len(self.history)
        if evidence is before:
            return
        self.evidence = evidence
        stale = evidence.observation is before.observation
        self._tell(read, stale=stale)
        if self._predicate is not None and isinstance(read, ReadFound) and not stale:
            decision = (
                Settled("the predicate holds") if self._predicate(read.resource) else decision
            )
        if not isinstance(decision, Pending | Refused):
            self._conclude(decision, read.source if isinstance(read, ReadFound) else "get")
        if not self.looks_settled:  # else its step is read first
            self._wake(decision, news=len(self.history) > told)

    def _conclude(self, decision: Decision, source: str) -> None:
        self.decision = decision
        ending = _ending(decision) + (" (list evidence)" if source == "list" else "")
        self._add(ending, self._status, source=source)
        logger.info("%s %s: %s", *self._who, ending)

    def abort(self, error: BaseException) -> None:
        """End every wait with this error."""
        for waiter in self.waiters:
            if not waiter.future.done():
                waiter.future.set_exception(error)

    def _wake(self, decision: Decision, *, news: bool) -> None:
        now = self.clock.now()
        for waiter in tuple(self.waiters):
            mine = check_deadline(decision, now=now, deadline=waiter.deadline)
            if not isinstance(mine, Pending) or (news and waiter.any_news):
                waiter.resolve(mine)

    # -- the story ----------------------------------------------------------------------------

    def _tell(self, read: Read, *, stale: bool) -> None:
        match read:
            case ReadFound(observation=observation) if stale:
                self._add(
                    f"stale read: {observation.status!r} is older than what is known", self._status
                )
            case ReadFound(observation=observation):
                self.latest = read.resource
                self._add(observation.reason, observation.status, source=read.source)
                self._warn_unknown(observation)
                self._status = observation.status
            case ReadMissing():
                self._add("GET answered 404", self._status)
            case ReadFailed(error=error):
                self._add(_trouble(error), self._status)

    def _warn_unknown(self, observation: Observation) -> None:
        if not observation.documented and observation.status not in self._unknown_told:
            self._unknown_told.add(observation.status)
            logger.warning(
                "%s %s: unknown status %r counts as pending", *self._who, observation.status
            )

    def _add(self, note: str | None, status: str | None, source: str = "get") -> None:
        last = self.history[-1] if self.history else None
        if last is not None and (last.status, last.note) == (status, note):
            self.history[-1] = replace(last, times=last.times + 1)
        elif len(self.history) < _MAX_HISTORY or not isinstance(self.decision, Pending):
            self.history.append(
                StatusChange(
                    id=self.target.id,
                    status=status,
                    previous=self._status if self._status != status else None,
                    at=self.clock.datetime(),
                    elapsed=self.elapsed,
                    requests=self.requests,
                    source=source,
                    note=note,
                    resource=self.latest,
                )
            )

    @property
    def _who(self) -> tuple[str, str]:
        return self.source.noun, self.target.id


def _trouble(error: Any) -> str:
    """An error's story without its request id, so that equal ones count up instead of piling up."""
    if isinstance(error, APIError):
        return f"{type(error).__name__}: {error.status} {error.code or ''} {error.message}"
    return f"{type(error).__name__}: {error}"


def _ending(decision: Decision) -> str:
    match decision:
        case Settled(evidence=evidence):
            return f"settled: {evidence}"
        case Failed(reason=why):
            return f"failed: {why}"
        case Superseded(reason=why):
            return f"superseded: {why}"
        case Vanished():
            return "vanished: GET answers 404"
        case Refused(error=error):
            return f"refused: {error}"
        case Expired():
            return "the time given is over"
        case Pending():
            return "pending"
