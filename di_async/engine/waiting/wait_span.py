"""The span of one wait, for observers: `engine.observer` has the one that reports."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from di_async.engine.waiting.tracker import ChangeTracker

__all__ = ["BeginSpan", "WaitSpan", "no_span"]


class WaitSpan:
    """One wait, from entering this context to leaving it. This class reports nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end(error)

    def settled(self) -> None:
        """Record that the change has settled; the call may go on, as `connect` does."""

    def end(self, error: BaseException | None = None, outcome: str | None = None) -> None:
        """Report the end of the wait, once."""


_NO_SPAN = WaitSpan()
BeginSpan = Callable[[ChangeTracker[Any], str], WaitSpan]
"""Begins the span of a wait; the text is `wait`, `events` or `connect`."""


def no_span(tracker: ChangeTracker[Any], call: str) -> WaitSpan:
    """Return the span of a wait of a client without an observer."""
    return _NO_SPAN
