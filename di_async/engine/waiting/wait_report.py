"""What a wait reports of itself: nothing, unless the client has an observer (`engine.observer`)."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from di_async.engine.waiting.tracker import ChangeTracker

__all__ = ["ReportWait", "WaitReport", "no_report"]


class WaitReport:
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


_NO_REPORT = WaitReport()
ReportWait = Callable[[ChangeTracker[Any], str], WaitReport]
"""Begins to observe a wait; the text is `wait`, `events` or `connect`."""


def no_report(tracker: ChangeTracker[Any], call: str) -> WaitReport:
    """Return the observation of a wait of a client without an observer."""
    return _NO_REPORT
