"""Callbacks that callers pass to a client. None can harm a wait: errors are logged and dropped.

They run in the event loop, mostly in the polling task, and before the waiters are woken.
"""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from di_async.core.errors import InvalidInputError
from di_async.core.waiting.events import StatusChange
from di_async.engine.log import Log

__all__ = ["EventCallback", "Guarded", "checked_callback", "is_async"]

logger = Log("di_async.poller")

EventCallback = Callable[[StatusChange], object]
"""`on_event` of a client: a plain function, called with each step of each of its waits."""


class Guarded:
    """A callback of the caller's; what it raises is logged once and dropped.

    A callback that returns a coroutine counts as failed: nothing would await it. A task or future
    that it returns goes on by itself.
    """

    def __init__(self, option: str, function: Callable[..., object]) -> None:
        self.option = option
        """The option that it was passed as."""
        self.function = function
        self.failed = False

    def __call__(self, *arguments: Any) -> Any:
        """Call it, and return its result; None if it raised."""
        return self.run(self.function, *arguments)

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call another function of the caller's, guarded in the same way."""
        try:
            result = function(*arguments)
            if inspect.isawaitable(result) and not asyncio.isfuture(result):
                if inspect.iscoroutine(result):
                    result.close()
                raise InvalidInputError(_PLAIN)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._log(error)
            return None
        return result

    def _log(self, error: BaseException) -> None:
        if self.failed:
            return
        self.failed = True
        logger.defect(
            f"{self.option}: {callback_name(self.function)} raised {type(error).__name__}; "
            "the wait goes on, and later errors of this callback are not logged",
            error,
        )


_PLAIN = "expected a plain function, not an async one; start a task in it instead"


def checked_callback(option: str, function: Any) -> Guarded | None:
    """Return a caller's callback, guarded; None for None.

    Raises:
        InvalidInputError: it cannot be called, or it is a coroutine function.
    """
    if function is None:
        return None
    if not callable(function):
        raise InvalidInputError(f"{option}: expected a function, not {type(function).__name__}")
    if is_async(function):
        raise InvalidInputError(f"{option}: {_PLAIN}")
    return Guarded(option, function)


def is_async(function: Any) -> bool:
    """Return whether this is a coroutine function, or an object that is called like one."""
    call = getattr(function, "__call__", None)  # noqa: B004
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def callback_name(function: Any) -> str:
    """Return a function's name, with its module, for messages."""
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"{getattr(function, '__module__', None) or type(function).__module__}.{name}"
