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

from di_async.core.durations import Key
from di_async.core.errors import APIError
from di_async.core.events import StatusChange
from di_async.core.ports import Source
from di_async.core.stages import Stage
from di_async.core.waiter import (
    Action,
    Case,
    Expired,
    Failed,
    Ledger,
    Missing,
    Pending,
    Read,
    Refused,
    Seen,
    Settled,
    Sight,
    Superseded,
    Trouble,
    Vanished,
    Verdict,
    absorb,
    judge,
    lapse,
)
from di_async.engine.clock import Clock

__all__ = ["Step", "Tracker", "Waiter"]

logger = logging.getLogger("di_async.poller")

# Enough for any story; a provider that flaps for days must not eat the memory.
_MAX_HISTORY = 1000

R = TypeVar("R")


class Step(Struct, eq=False):
    """Something that has to end before the resource can be judged."""

    source: Source[Any]
    stage: Stage
    case: Case
    ledger: Ledger = field(default_factory=Ledger)
    asked_at: float = -math.inf
    aside: Any = None
    """The poller's read of it while the resource is looked at."""
    pause: float = 0.0
    """While the resource is looked at instead: seconds before it is asked again."""


class Waiter(Struct, eq=False):
    """Somebody who waits: for the verdict, or (`any_news`) for the next thing learned."""

    future: asyncio.Future[Verdict]
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

    def resolve(self, verdict: Verdict) -> None:
        """Let it go on with this verdict."""
        if not self.future.done():
            self.future.set_result(verdict)


class Tracker(Generic[R]):
    """What is known about one change, and who waits for it."""

    def __init__(
        self,
        source: Source[R],
        id: str,
        case: Case,
        clock: Clock,
        *,
        started_at: float | None = None,
        predicate: Callable[[R], object] | None = None,
        steps: Sequence[Stage] = (),
    ) -> None:
        started = case.accepted_at if started_at is None else started_at
        self.source = source
        self.goal = Stage(source.kind, id)
        self._steps = tuple(
            # The write has made it, so a young one may not be seen everywhere yet.
            Step(source.step(stage), stage, Case(action=Action.CREATE, accepted_at=started))
            for stage in steps
        )
        self.seat: Any = None
        """Where the poller has put it while somebody waits."""
        self.hinted = False
        """Its step was asked for because the resource looked over."""
        self.ahead = False
        """The resource is looked at although steps have not been seen to end: one of a crowd."""
        self.case = case
        self.clock = clock
        self.started_at = started
        self.initial: Any = None
        """What the write's answer showed."""
        self.latest: R | None = None
        self.ledger = Ledger()
        self.history: list[StatusChange] = []
        self.spent = 0
        """Requests, without those that its watch counts for all who are on it."""
        self.verdict: Verdict = Pending()
        self.waiters: list[Waiter] = []
        self.kind: Key = (case.action.value, "", "")
        self.taught = False
        """The duration model knows of it."""
        self._step_looks = 0
        self.seems_over = False
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
    def step(self) -> Step | None:
        """The first of the steps that have not been seen to end; None: the resource decides."""
        return self._steps[0] if self._steps else None

    @property
    def steps(self) -> tuple[Stage, ...]:
        """Those steps."""
        return tuple(step.stage for step in self._steps)

    @property
    def stage(self) -> Stage:
        """What is to be read next."""
        return self._steps[0].stage if self._steps and not self.ahead else self.goal

    @property
    def status(self) -> str:
        """The last word known: the resource's, or while it was not looked at, its step's."""
        if self.ledger.sight is None and self.step is not None:
            seen = self.step.ledger.sight
            return f"{self.step.source.noun} {seen.word if seen else 'never seen'}"
        return self.ledger.sight.word if self.ledger.sight else "never seen"

    @property
    def trouble(self) -> Any:
        """The last read's error, if it told nothing."""
        of_step = self.step.ledger.trouble if self.step else None
        return of_step or self.ledger.trouble

    @property
    def looks(self) -> int:
        """Reads that told something, of whatever stage."""
        return self._step_looks + self.ledger.looks

    def case_of(self, stage: Stage) -> Case:
        """What a read of this stage is held against."""
        return self.case if stage == self.goal or not self._steps else self._steps[0].case

    def absorb(self, read: Read, sends: int, stage: Stage) -> None:
        """Learn from one more read that cost `sends` requests, and wake those whom it concerns."""
        self.spent += sends
        if not isinstance(self.verdict, Pending):
            return
        if stage == self.goal:
            ledger = absorb(self.case, self.ledger, read)
            self._advance(read, ledger, self._judged(ledger))
        elif self._steps and stage == self._steps[0].stage:
            self._absorb_step(self._steps[0], read)

    def _judged(self, ledger: Ledger) -> Verdict:
        """What the reads prove; nothing but a refusal while a step may still be going on."""
        verdict = judge(self.case, ledger)
        self.seems_over = bool(self._steps) and not isinstance(verdict, Pending | Refused)
        return Pending() if self.seems_over else verdict

    def _absorb_step(self, step: Step, read: Read) -> None:
        step.ledger = absorb(step.case, step.ledger, read)
        self._step_looks += 1
        verdict, noun = judge(step.case, step.ledger), step.source.noun
        told = len(self.history)
        match read:
            case Seen(sight=sight):
                self._add(f"{noun} {sight.word}", self._status)
                self._warn_unknown(sight)
            case Missing():
                self._add(f"{noun}: GET answered 404", self._status)
            case Trouble(error=error):
                self._add(f"{noun}: {_trouble(error)}", self._status)
        if isinstance(verdict, Settled | Vanished):
            # One that its provider has forgotten tells nothing: the resource has to.
            self._steps = self._steps[1:]
            self._begin_anew(read.started_at)
            return  # nobody is woken: the next stage is read at once
        if isinstance(verdict, Failed):
            verdict = Failed(f"{noun}: {verdict.why}")
            self._conclude(verdict, "get")
        elif not isinstance(verdict, Refused):
            verdict = Pending()
        self._wake(verdict, news=len(self.history) > told)

    def _begin_anew(self, at: float) -> None:
        """A step has ended: what was seen of the resource before proves nothing."""
        before = self.ledger
        self.case = replace(self.case, accepted_at=max(self.case.accepted_at, at))
        self.ledger = Ledger(looks=before.looks, newest=before.newest, ever_seen=before.ever_seen)
        self.seems_over = False

    def lapse(self) -> None:
        """Let go of those whose time is over."""
        self._wake(Pending(), news=False)

    def glance(self, read: Seen, sends: int, *, trusting: bool) -> bool:
        """Learn from a list row; True if it may be over, which a GET must prove.

        With `trusting` its word is taken, if it shows its spec or this wait saw it unsettled.
        """
        self.spent += sends
        if not isinstance(self.verdict, Pending):
            return False
        ledger = absorb(self.case, self.ledger, read)
        verdict = judge(self.case, ledger)
        trusted = trusting and not self._steps and (read.sight.full or self.ledger.unsettled)
        if not isinstance(verdict, Pending) and not trusted:
            return ledger is not self.ledger
        self._advance(read, ledger, verdict)
        return False

    def _advance(self, read: Read, ledger: Ledger, verdict: Verdict) -> None:
        """Take the next ledger on, tell what is new in it, and wake whom it concerns."""
        before, told = self.ledger, len(self.history)
        if ledger is before:
            return
        self.ledger = ledger
        stale = ledger.sight is before.sight
        self._tell(read, stale=stale)
        if self._predicate is not None and isinstance(read, Seen) and not stale:
            verdict = Settled("the predicate holds") if self._predicate(read.resource) else verdict
        if not isinstance(verdict, Pending | Refused):
            self._conclude(verdict, read.source if isinstance(read, Seen) else "get")
        if not self.seems_over:  # else its step is read first
            self._wake(verdict, news=len(self.history) > told)

    def _conclude(self, verdict: Verdict, source: str) -> None:
        self.verdict = verdict
        ending = _ending(verdict) + (" (list evidence)" if source == "list" else "")
        self._add(ending, self._status, source=source)
        logger.info("%s %s: %s", *self._who, ending)

    def abort(self, error: BaseException) -> None:
        """End every wait with this error."""
        for waiter in self.waiters:
            if not waiter.future.done():
                waiter.future.set_exception(error)

    def _wake(self, verdict: Verdict, *, news: bool) -> None:
        now = self.clock.now()
        for waiter in tuple(self.waiters):
            mine = lapse(verdict, now=now, deadline=waiter.deadline)
            if not isinstance(mine, Pending) or (news and waiter.any_news):
                waiter.resolve(mine)

    # -- the story ----------------------------------------------------------------------------

    def _tell(self, read: Read, *, stale: bool) -> None:
        match read:
            case Seen(sight=sight) if stale:
                self._add(f"stale read: {sight.word!r} is older than what is known", self._status)
            case Seen(sight=sight):
                self.latest = read.resource
                self._add(sight.why, sight.word, source=read.source)
                self._warn_unknown(sight)
                self._status = sight.word
            case Missing():
                self._add("GET answered 404", self._status)
            case Trouble(error=error):
                self._add(_trouble(error), self._status)

    def _warn_unknown(self, sight: Sight) -> None:
        if not sight.known and sight.word not in self._unknown_told:
            self._unknown_told.add(sight.word)
            logger.warning("%s %s: unknown status %r counts as pending", *self._who, sight.word)

    def _add(self, note: str | None, status: str | None, source: str = "get") -> None:
        last = self.history[-1] if self.history else None
        if last is not None and (last.status, last.note) == (status, note):
            self.history[-1] = replace(last, times=last.times + 1)
        elif len(self.history) < _MAX_HISTORY or not isinstance(self.verdict, Pending):
            self.history.append(
                StatusChange(
                    id=self.goal.id,
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
        return self.source.noun, self.goal.id


def _trouble(error: Any) -> str:
    """An error's story without its request id, so that equal ones count up instead of piling up."""
    if isinstance(error, APIError):
        return f"{type(error).__name__}: {error.status} {error.code or ''} {error.message}"
    return f"{type(error).__name__}: {error}"


def _ending(verdict: Verdict) -> str:
    match verdict:
        case Settled(evidence=evidence):
            return f"settled: {evidence}"
        case Failed(why=why):
            return f"failed: {why}"
        case Superseded(why=why):
            return f"superseded: {why}"
        case Vanished():
            return "vanished: GET answers 404"
        case Refused(error=error):
            return f"refused: {error}"
        case Expired():
            return "the time given is over"
        case Pending():
            return "pending"
