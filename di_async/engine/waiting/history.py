"""The steps of one change, bounded in number, and the text of a step."""

from collections.abc import Callable
from typing import Any

from attrs import evolve

from di_async.core.errors import APIError
from di_async.core.waiting.events import StatusChange
from di_async.core.waiting.evidence import Ending, Failed, Settled, Superseded, Vanished

__all__ = ["History", "Listener", "ending_text", "error_text"]

# Bound the memory of a wait on a resource that flaps for days: of more steps, the oldest go.
_MAX_STEPS, _FORGOTTEN_AT_ONCE = 1000, 100

Listener = Callable[[StatusChange], None]
"""A function that is called with each new step of a change; it must not raise."""


class History:
    """The latest steps of a change, oldest first, and who is called with each new one."""

    __slots__ = ("_listeners", "forgotten", "steps")  # there is one for each change

    def __init__(self, listeners: tuple[Listener, ...] = ()) -> None:
        self.steps: list[StatusChange] = []
        self.forgotten = 0
        """How many older steps there were."""
        self._listeners = listeners

    @property
    def count(self) -> int:
        """How many steps there have been."""
        return self.forgotten + len(self.steps)

    @property
    def last(self) -> StatusChange | None:
        """The newest step."""
        return self.steps[-1] if self.steps else None

    def from_position(self, position: int) -> tuple[StatusChange, int]:
        """Return the step at this position, or the oldest kept one, and the next position.

        Positions count all steps that there have been.
        """
        index = max(position - self.forgotten, 0)
        return self.steps[index], self.forgotten + index + 1

    def append(self, step: StatusChange) -> None:
        """Add a step and call the listeners; a repetition of the last one is only counted."""
        last = self.last
        if last is not None and (last.status, last.note) == (step.status, step.note):
            self.steps[-1] = evolve(last, times=last.times + 1)
            return
        if len(self.steps) >= _MAX_STEPS:
            del self.steps[:_FORGOTTEN_AT_ONCE]
            self.forgotten += _FORGOTTEN_AT_ONCE
        self.steps.append(step)
        for listener in self._listeners:
            listener(step)

    def add_listener(self, listener: Listener) -> None:
        """Call this with each new step from now on, before the waiters are woken."""
        self._listeners = (*self._listeners, listener)

    def remove_listener(self, listener: Listener) -> None:
        """Stop calling this."""
        self._listeners = tuple(one for one in self._listeners if one != listener)


def error_text(error: Any) -> str:
    """Return an error's text without its request id, so that equal errors are counted."""
    if isinstance(error, APIError):
        return f"{type(error).__name__}: {error.status} {error.code or ''} {error.message}"
    return f"{type(error).__name__}: {error}"


def ending_text(decision: Ending) -> str:
    """Return how a change ended, as its last step says it."""
    match decision:
        case Settled(evidence=evidence):
            return f"settled: {evidence}"
        case Failed(reason=reason):
            return f"failed: {reason}"
        case Superseded(reason=reason):
            return f"superseded: {reason}"
        case Vanished(own_delete=True):
            return "vanished: this client deleted it"
        case Vanished():
            return "vanished: GET answered 404"
