"""What a write returns: a handle on something that the provider accepted and has yet to do."""

import asyncio
import functools
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from di_async.core.errors import (
    DeploymentFailedError,
    InvalidInputError,
    ResourceVanishedError,
    SupersededError,
    WaitError,
    WaitRefusedError,
    WaitTimeoutError,
)
from di_async.core.waiting.events import StatusChange
from di_async.core.waiting.evidence import (
    Action,
    Decision,
    Expired,
    Failed,
    Pending,
    Refused,
    Settled,
    Superseded,
    Vanished,
)
from di_async.core.waiting.resume_token import ResumeToken, pack_expectation
from di_async.engine.waiting.tracker import ChangeTracker

if TYPE_CHECKING:
    from di_async.engine.waiting.poller import Poller

__all__ = ["DEFAULT", "Change", "Default", "EventStream"]

R = TypeVar("R")


class Default(Enum):
    """Stands for a timeout that was not given."""

    DEFAULT = "the provider's default"


DEFAULT = Default.DEFAULT
Timeout = float | None | Default


class Change(Generic[R]):
    """A write that was accepted. Nothing polls unless somebody awaits `wait` or `events`.

    Attributes:
        id: what it is about.
        access_token: the one-time token of a create; its value is shown by the API only once.
        adopted: the write's answer was lost and its doing found by looking.
        already_gone: a delete found nothing to delete (or nothing in this team).
    """

    def __init__(
        self,
        tracker: ChangeTracker[Any],
        poller: "Callable[[], Poller]",
        *,
        initial: Any = None,
        access_token: Any = None,
        adopted: bool = False,
        already_gone: bool = False,
        settled_by: str | None = None,
        shown_at_once: bool | None = None,
        resumed_until: float | None = None,
    ) -> None:
        self._tracker = tracker
        self._poller = poller
        self._resumed_until = self._deadline_at = resumed_until
        tracker.initial = initial
        self._shown_at_once = (
            not tracker.source.operations if shown_at_once is None else shown_at_once
        )
        self.access_token = access_token
        self.adopted = adopted
        self.already_gone = already_gone
        if settled_by is not None:
            tracker.decision = Settled(settled_by)

    def __repr__(self) -> str:
        told = self.outcome or "not known to be settled"
        return f"<Change {self.action} {self.id}: {told}>"

    @property
    def id(self) -> str:
        """The id of what is being changed."""
        return self._tracker.target.id

    @property
    def action(self) -> str:
        """`create`, `update`, `delete`, ..."""
        return self._tracker.expectation.action.value

    @property
    def initial(self) -> Any:
        """The write's own answer, structured; None after `resume`."""
        return self._tracker.initial

    @property
    def latest(self) -> R | None:
        """As last seen: by a read, or in the write's answer where that shows it."""
        seen = self._tracker.latest
        return cast("R | None", self.initial if seen is None and self._shown_at_once else seen)

    @property
    def outcome(self) -> str | None:
        """`settled`, `failed`, `vanished` or `superseded`; None while nothing is proven."""
        decision = self._tracker.decision
        return None if isinstance(decision, Pending) else type(decision).__name__.lower()

    @property
    def history(self) -> tuple[StatusChange, ...]:
        """All that was learned so far, oldest first."""
        return tuple(self._tracker.history)

    @property
    def requests(self) -> int:
        """Requests that this wait has cost on the wire so far."""
        return self._tracker.requests

    @property
    def elapsed(self) -> float:
        """Seconds since the write was accepted, or since the wait began."""
        return self._tracker.elapsed

    @property
    def resume_token(self) -> str:
        """Text from which `resume` makes this change again, in any process. Holds no secret."""
        tracker, source = self._tracker, self._tracker.source
        return ResumeToken(
            provider=source.provider,
            base_url=source.base_url,
            scope=source.scope,
            resource=tracker.target,
            steps=tracker.operations,
            action=self.action,
            baseline=pack_expectation(tracker.expectation),
            started_at=tracker.clock.wall_at(tracker.started_at),
            deadline_at=None if self._deadline_at == math.inf else self._deadline_at,
            endless=self._deadline_at == math.inf,
        ).encode()

    async def wait(self, *, timeout: Timeout = DEFAULT) -> R:
        """The resource, proven settled (None after a delete). Any number may wait, any often.

        Args:
            timeout: seconds for the whole wait; None waits for ever, 0 takes one look. Not given:
                what a resumed token has left, else the provider's default.

        Raises:
            WaitTimeoutError: not settled in time. DeploymentFailedError: the provider says so.
            ResourceVanishedError, SupersededError, WaitRefusedError: see their own words.
            ClientClosedError: the client was closed meanwhile.

        A timeout, an error or a cancellation leaves the resource alone: it exists, and bills,
        until it is deleted.
        """
        seconds = self._seconds(timeout)
        decision = self._tracker.decision
        if isinstance(decision, Pending):
            # As in `_next_news`, but not through it: a wait is one frame, not two.
            poller = self._poller()
            waiter = poller.join(self._tracker, timeout=seconds)
            try:
                decision = await waiter.future
            except asyncio.CancelledError as cancelled:
                cancelled.add_note(self._left_alone())
                raise
            finally:
                poller.leave(waiter)
        return self._result(decision)

    def events(self, *, timeout: Timeout = DEFAULT) -> "EventStream[R]":
        """An async iterator over the history, past and to come; it drives the polling.

        It ends when the change is settled and raises, as `wait` does, when it is not. Leaving the
        loop early leaves nothing running here, and the resource alone.
        """
        seconds = functools.partial(self._seconds, timeout)
        return EventStream(self._tracker, self._next_news, self._result, seconds)

    async def _next_news(self, seconds: float | None) -> Decision:
        poller = self._poller()
        waiter = poller.join(self._tracker, timeout=seconds, any_news=True)
        try:
            return await waiter.future
        except asyncio.CancelledError as cancelled:
            cancelled.add_note(self._left_alone())
            raise
        finally:
            poller.leave(waiter)

    # -- how it ends --------------------------------------------------------------------------

    def _seconds(self, timeout: Timeout) -> float | None:
        clock = self._tracker.clock
        if isinstance(timeout, Default):
            left = (self._resumed_until or 0.0) - clock.wall()
            timeout = left if left > 0 else self._tracker.source.default_timeout
            timeout = None if timeout == math.inf else timeout
        elif timeout is not None and timeout < 0:
            raise InvalidInputError("timeout is in seconds: 0 or more, or None for no end")
        self._deadline_at = math.inf if timeout is None else clock.wall() + timeout
        return timeout

    def _result(self, decision: Decision) -> R:
        if isinstance(decision, Settled):
            gone = self._tracker.expectation.action is Action.DELETE
            return cast("R", None if gone else self._tracker.latest)
        never_there = isinstance(decision, Vanished) and decision.never_seen
        missing = self._tracker.evidence.last_error
        if (
            never_there
            and self._tracker.expectation.action is Action.ACTIVE
            and missing is not None
        ):
            raise missing
        raise self._failure(decision)

    def _failure(self, decision: Decision) -> WaitError:
        tracker = self._tracker
        kind, story = _story(decision, self._goal)
        error = kind(
            f"{tracker.source.noun} {self._name()} {story}. Last status: {tracker.status}; "
            f"{tracker.elapsed:.1f} s, {tracker.requests} requests.",
            advice=self._left_alone(),
            id=self.id,
            resource=self.latest,
            initial=self.initial,
            history=self.history,
            elapsed=tracker.elapsed,
            requests=tracker.requests,
            last_error=tracker.last_error,
            resume_token=self.resume_token if self._resumable else None,
        )
        if isinstance(decision, Refused | Vanished):
            error.__cause__ = tracker.last_error
        return error

    @property
    def _goal(self) -> str:
        action = self._tracker.expectation.action
        return {Action.DELETE: "gone", Action.PREDICATE: "as the predicate wants it"}.get(
            action, "active"
        )

    def _name(self) -> str:
        name = getattr(self.latest, "name", None)
        return f"{name} ({self.id})" if name else self.id

    @property
    def _resumable(self) -> bool:
        return self._tracker.expectation.action is not Action.PREDICATE

    def _left_alone(self) -> str:
        resume = "`.resume_token` goes on waiting, " if self._resumable else ""
        return (
            "It was left alone and bills for as long as it exists; "
            f"{resume}`delete(id)` ends the cost."
        )


def _story(decision: Decision, goal: str) -> tuple[type[WaitError], str]:
    match decision:
        case Expired():
            return WaitTimeoutError, f"is not {goal} in the time given"
        case Failed(reason=why):
            return DeploymentFailedError, f"failed: {why}"
        case Superseded(reason=why):
            return SupersededError, f"was overtaken: {why}"
        case Refused(error=error):
            return WaitRefusedError, f"cannot be watched: {error}"
        case Vanished(never_seen=True):
            return ResourceVanishedError, "never appeared: GET answers 404"
        case Vanished():
            return ResourceVanishedError, "vanished: GET answers 404"
        case Settled() | Pending():  # pragma: no cover - these are no failures
            raise AssertionError(decision)


class EventStream(AsyncIterator[StatusChange], Generic[R]):
    """What `events()` gives. Between two steps nobody awaits, so nothing is asked."""

    def __init__(
        self,
        tracker: ChangeTracker[Any],
        follow: Callable[[float | None], Awaitable[Decision]],
        result: Callable[[Decision], R],
        seconds: Callable[[], float | None],
    ) -> None:
        self._tracker = tracker
        self._follow = follow
        self._result = result
        self._seconds = seconds
        self._until: float | None = None
        self._next = 0
        self._verdict: Decision = Pending()

    def __aiter__(self) -> "EventStream[R]":
        return self

    async def __anext__(self) -> StatusChange:
        tracker = self._tracker
        while self._next >= len(tracker.history):
            if isinstance(self._verdict, Pending):
                self._verdict = tracker.decision
            if not isinstance(self._verdict, Pending):
                self._result(self._verdict)
                raise StopAsyncIteration
            self._verdict = await self._follow(self._left())
        self._next += 1
        return tracker.history[self._next - 1]

    def _left(self) -> float | None:
        """What remains of the time given: the limit is one for the whole stream."""
        now = self._tracker.clock.now()
        if self._until is None:
            seconds = self._seconds()
            self._until = math.inf if seconds is None else now + seconds
        return None if self._until == math.inf else max(0.0, self._until - now)
