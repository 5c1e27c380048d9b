"""What a wait reports of itself: nothing, unless the client has an observer (`engine.observer`)."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from di_async.engine.waiting.tracker import ChangeTracker

__all__ = ["Observe", "WaitObservation", "not_observed"]


class WaitObservation:
    """One wait, from entering this context to leaving it; this one reports nothing."""

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


_NOT_OBSERVED = WaitObservation()
Observe = Callable[[ChangeTracker[Any], str], WaitObservation]
"""Begins to observe a wait; the text is `wait`, `events` or `connect`."""


def not_observed(tracker: ChangeTracker[Any], call: str) -> WaitObservation:
    """Return the observation of a wait of a client without an observer."""
    return _NOT_OBSERVED
