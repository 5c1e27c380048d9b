"""Clear the local variables of calls that failed: specs, bodies and answers may hold secrets.

Tracebacks with local variables (rich, Sentry, `pytest -l`) would show them. Files and lines stay.
"""

import functools
import inspect
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

__all__ = ["ClearsFrames", "clears_constructor", "clears_frames"]

P = ParamSpec("P")
T = TypeVar("T")

_PACKAGE = str(Path(__file__).parent.parent)
# Their errors may come from the poller, whose frames are still in use.
_WAITS = ("wait", "watch", "resume", "connect")


def clears_frames(
    method: Callable[P, Coroutine[Any, Any, T]],
) -> Callable[P, Coroutine[Any, Any, T]]:
    """Return a method whose errors carry no local variables of this package."""

    @functools.wraps(method)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        running = method(*args, **kwargs)
        del args, kwargs
        try:
            return await running
        except BaseException as error:
            _clear(error)
            raise

    return call


def clears_constructor(constructor: Callable[P, None]) -> Callable[P, None]:
    """Return a constructor whose errors carry no local variables of this package."""

    @functools.wraps(constructor)
    def construct(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            constructor(*args, **kwargs)
        except BaseException as error:
            del args, kwargs
            _clear(error)
            raise

    return construct


class ClearsFrames:
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
        trace = one.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename.startswith(_PACKAGE):
                with suppress(RuntimeError):  # it is still running: ours, or the caller's own
                    trace.tb_frame.clear()
            trace = trace.tb_next
