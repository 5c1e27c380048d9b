"""Follows one change: folds each read into its ledger, keeps its history, wakes who waits.

No I/O here; the poller feeds `absorb`. Idle waits cost a future each: a read that decides nothing
wakes nobody but those who stream events.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import attrs

from di_async.core.durations import Key
from di_async.core.errors import APIError
from di_async.core.events import StatusChange
from di_async.core.ports import Source
from di_async.core.stages import Stage
from di_async.core.waiter import (
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
    Superseded,
    Trouble,
    Vanished,
    Verdict,
    absorb,
    decide,
    judge,
)
from di_async.engine.clock import Clock

__all__ = ["Tracker", "Waiter"]

logger = logging.getLogger("di_async.poller")

# Enough for any story; a provider that flaps for days must not eat the memory.
_MAX_HISTORY = 1000

R = TypeVar("R")


@attrs.define(eq=False)
class Waiter:
    """Somebody who waits: for the verdict, or (`any_news`) for the next thing learned."""

    future: asyncio.Future[Verdict]
    deadline: float | None = None
    any_news: bool = False

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
    ) -> None:
        self.source = source
        self.stage = Stage(source.kind, id)
        self.case = case
        self.clock = clock
        self.started_at = case.accepted_at if started_at is None else started_at
        self.latest: R | None = None
        self.ledger = Ledger()
        self.history: list[StatusChange] = []
        self.requests = 0
        self.verdict: Verdict = Pending()
        self.waiters: list[Waiter] = []
        self.kind: Key = (case.action.value, "", "")
        self.taught = False
        """The duration model knows of it."""
        self._predicate = predicate
        self._status: str | None = None
        self._unknown_told: set[str] = set()

    @property
    def elapsed(self) -> float:
        """Seconds since the write was accepted, or since the wait began."""
        return self.clock.now() - self.started_at

    def absorb(self, read: Read, sends: int) -> None:
        """Learn from one more read that cost `sends` requests, and wake those whom it concerns."""
        self.requests += sends
        if isinstance(self.verdict, Pending):
            ledger = absorb(self.case, self.ledger, read)
            self._advance(read, ledger, judge(self.case, ledger))

    def glance(self, read: Seen, sends: int, *, trusting: bool) -> bool:
        """Learn from a list row; True if it may be over, which a GET must prove.

        With `trusting` its word is taken, if it shows its spec or this wait saw it unsettled.
        """
        self.requests += sends
        if not isinstance(self.verdict, Pending):
            return False
        ledger = absorb(self.case, self.ledger, read)
        verdict = judge(self.case, ledger)
        trusted = trusting and (read.sight.full or self.ledger.unsettled)
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
            self.verdict = verdict
            listed = isinstance(read, Seen) and read.source == "list"
            ending = _ending(verdict) + (" (list evidence)" if listed else "")
            self._add(ending, self._status, source="list" if listed else "get")
            logger.info("%s %s: %s", *self._who, ending)
        self._wake(verdict, news=len(self.history) > told)

    def abort(self, error: BaseException) -> None:
        """End every wait with this error."""
        for waiter in self.waiters:
            if not waiter.future.done():
                waiter.future.set_exception(error)

    def _wake(self, verdict: Verdict, *, news: bool) -> None:
        now = self.clock.now()
        for waiter in tuple(self.waiters):
            mine = verdict
            if isinstance(verdict, Pending):
                mine = decide(self.case, self.ledger, now=now, deadline=waiter.deadline)
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
                if not sight.known and sight.word not in self._unknown_told:
                    self._unknown_told.add(sight.word)
                    logger.warning(
                        "%s %s: unknown status %r counts as pending", *self._who, sight.word
                    )
                self._status = sight.word
            case Missing():
                self._add("GET answered 404", self._status)
            case Trouble(error=error):
                self._add(_trouble(error), self._status)

    def _add(self, note: str | None, status: str | None, source: str = "get") -> None:
        last = self.history[-1] if self.history else None
        if last is not None and (last.status, last.note) == (status, note):
            self.history[-1] = attrs.evolve(last, times=last.times + 1)
        elif len(self.history) < _MAX_HISTORY or not isinstance(self.verdict, Pending):
            self.history.append(
                StatusChange(
                    id=self.stage.id,
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
        return self.source.noun, self.stage.id


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
