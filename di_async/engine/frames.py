"""Clear the local variables of calls that failed: specs, bodies and answers may hold secrets.

Tracebacks with local variables (rich, Sentry, `pytest -l`) would show them. Files and lines stay.
"""

import functools
import inspect
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

from di_async.engine.client_bound import ClientBound

__all__ = ["ClearsFrames", "clears_frames"]

F = TypeVar("F", bound=Callable[..., Any])

_PACKAGE = str(Path(__file__).parent.parent)
# The frames that hold our arguments: our own, those of generated `__init__` methods, and those
# that bind arguments to a signature.
_CLEARED = (_PACKAGE, "<attrs generated", inspect.__file__)
_MARK = "clears_frames"
# Their errors may come from the poller, whose frames are still in use.
_WAITS = ("wait", "watch", "resume", "connect")


def clears_frames(function: F) -> F:
    """Return a function, or coroutine function, whose errors carry no local variables of ours."""
    if _MARK in vars(function):
        return function
    make = _coroutine_function if inspect.iscoroutinefunction(function) else _plain_function
    call = functools.wraps(function)(make(function))
    vars(call)[_MARK] = True
    return cast("F", call)


def _coroutine_function(function: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return await function(*args, **kwargs)
        except BaseException as error:
            del args, kwargs
            _clear(error)
            raise

    return call


def _plain_function(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            del args, kwargs
            _clear(error)
            raise

    return call


class ClearsFrames(ClientBound):
    """A base class: the public coroutines of subclasses clear their frames, except waits."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, method in list(vars(cls).items()):
            if inspect.iscoroutinefunction(method) and not name.startswith(("_", *_WAITS)):
                setattr(cls, name, clears_frames(method))


def _clear(error: BaseException) -> None:
    """Clear the frames of a call that has ended, in the tracebacks of its error and the causes."""
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        one = pending.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        pending += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            pending += one.exceptions
        trace = one.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename.startswith(_CLEARED):
                with suppress(RuntimeError):  # it is still running: ours, or the caller's own
                    trace.tb_frame.clear()
            trace = trace.tb_next
