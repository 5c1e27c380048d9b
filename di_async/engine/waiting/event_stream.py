"""Streams of status changes: `Change.events` returns the one of a change."""

import math
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Generic, TypeVar

from di_async.core.waiting.events import StatusChange
from di_async.core.waiting.evidence import Decision, Pending
from di_async.engine.client_bound import ClientBound
from di_async.engine.waiting.tracker import ChangeTracker
from di_async.engine.waiting.wait_span import BeginSpan, WaitSpan, no_span

__all__ = ["EventStream", "StatusStream"]

R = TypeVar("R", covariant=True)


class StatusStream(ClientBound, AsyncIterator[StatusChange]):
    """An async iterator over status changes. Requests are sent only while a step is awaited."""

    @abstractmethod
    async def __anext__(self) -> StatusChange:
        """Return the next step."""

    @abstractmethod
    async def aclose(self) -> None:
        """End the stream, and a step under way: it has no further steps.

        Closing twice does nothing. Leaving a loop needs no call: nothing runs between two steps.
        The resource is left alone.
        """


class EventStream(StatusStream, Generic[R]):
    """The iterator that `events()` returns: each item is a `StatusChange`.

    It raises what `Change.wait` raises. Requests are sent only while a step is awaited. A step that
    was cancelled may be awaited again.
    """

    _span: WaitSpan | None = None
    """Of the first step until the end; set here for `__del__`, as `__init__` may have failed."""

    def __init__(
        self,
        tracker: ChangeTracker[Any],
        follow: Callable[[float | None], Awaitable[Decision]],
        result: Callable[[Decision, float | None], Awaitable[R]],
        seconds: Callable[[], float | None],
        begin_span: BeginSpan = no_span,
    ) -> None:
        self._tracker = tracker
        self._follow = follow
        self._result = result
        self._seconds = seconds
        self._until: float | None = None
        self._next = 0
        self._decision: Decision = Pending()
        self._begin_span = begin_span
        self._closed = False

    def __aiter__(self) -> "EventStream[R]":
        return self

    async def __anext__(self) -> StatusChange:
        if self._closed:
            raise StopAsyncIteration
        try:
            return await self._step()
        except StopAsyncIteration:
            self._end()
            raise
        except Exception as error:
            self._end(error)
            raise

    async def aclose(self) -> None:
        """End the stream, and a step under way: it has no further steps.

        Closing twice does nothing. Leaving a loop needs no call: nothing runs between two steps.
        The resource is left alone.
        """
        self._closed = True
        self._end(outcome="abandoned")
        self._tracker.waiters.notify()

    def __del__(self) -> None:
        # A loop that was left early drops its iterator, and a step that is cancelled may be
        # followed by another.
        self._end(outcome="abandoned")

    def _end(self, error: BaseException | None = None, outcome: str | None = None) -> None:
        span, self._span = self._span, None
        if span is not None:
            span.end(error, outcome)

    async def _step(self) -> StatusChange:
        tracker = self._tracker
        while self._next >= tracker.history.count:
            if isinstance(self._decision, Pending):
                self._decision = tracker.decision
            if not isinstance(self._decision, Pending):
                await self._result(self._decision, self._until)
                raise StopAsyncIteration
            if self._span is None:
                self._span = self._begin_span(tracker, "events")
            self._decision = await self._follow(self._left())
            if self._closed:  # meanwhile
                raise StopAsyncIteration
        step, self._next = tracker.history.from_position(self._next)
        return step

    def _left(self) -> float | None:
        """Return the seconds left: the timeout is one for the whole stream."""
        now = self._tracker.clock.now()
        if self._until is None:
            seconds = self._seconds()
            self._until = math.inf if seconds is None else now + seconds
        return None if self._until == math.inf else max(0.0, self._until - now)
