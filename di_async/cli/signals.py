"""Signals that end a command: Ctrl-C, SIGTERM and SIGHUP cancel its work.

They take effect between two steps of the event loop, so that a step that prints what a write made
is not cut short. A write that has been sent is finished first, for some seconds, because only its
answer holds the id and the access token.
"""

import asyncio
import contextlib
import math
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from attrs import define

__all__ = ["INTERRUPTED", "Stop", "finish_write", "stop_on_signals"]

T = TypeVar("T")
INTERRUPTED = 130
FINISH_S = 5.0
"""How long an answer to a write is awaited after a signal."""
_SAME_S = 1.0
"""A second SIGINT within these seconds is the same Ctrl-C: programs such as `uv run` pass it on."""


@define
class Stop:
    """The signal that ended the command, if one did."""

    signal_number: int | None = None

    @property
    def exit_code(self) -> int:
        """128 and the number of the signal."""
        return INTERRUPTED if self.signal_number is None else 128 + self.signal_number


@contextmanager
def stop_on_signals(stop: Stop) -> Iterator[None]:
    """Cancel the current task on SIGINT, SIGTERM and SIGHUP, unless they are ignored (`nohup`).

    Another Ctrl-C, a second later, ends the command without waiting: it raises KeyboardInterrupt.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    stopped_at = math.inf

    def cancel(number: int) -> None:
        nonlocal stopped_at
        if stop.signal_number is None and task is not None:
            stop.signal_number, stopped_at = number, loop.time()
            task.cancel()
        elif number == signal.SIGINT and loop.time() - stopped_at > _SAME_S:
            raise KeyboardInterrupt

    added = []
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is None or not _is_ours(number):
            continue
        # Windows and other threads than the main one cannot handle signals in a loop.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, cancel, number)
            added.append(number)
    try:
        yield
    finally:
        for number in added:
            loop.remove_signal_handler(number)


def _is_ours(number: int) -> bool:
    """Return whether neither the caller of this process nor a program around it handles a signal.

    Python and asyncio's runner handle SIGINT by default.
    """
    handler = signal.getsignal(number)
    if number != signal.SIGINT:
        return handler is signal.SIG_DFL
    of_runner = isinstance(handler, partial) and isinstance(
        getattr(handler.func, "__self__", None), asyncio.Runner
    )
    return of_runner or handler is signal.default_int_handler


async def finish_write(write: Awaitable[T], announce: Callable[[], None]) -> T:
    """Return the result of a write; a cancellation meanwhile takes effect after its answer.

    Without an answer within `FINISH_S` seconds, the write is cancelled. `announce` is called if the
    cancellation has to wait. Further cancellations, as of a second signal, change nothing.
    """
    sending = asyncio.ensure_future(write)
    try:
        return await asyncio.shield(sending)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if sending.cancelled() or task is None or not task.cancelling():
            raise
        announce()
        await _wait_through(sending, FINISH_S)
        if not sending.done():
            sending.cancel()
            await _wait_through(sending, math.inf)
        result = sending.result()
        task.cancel()  # takes effect at the next await
        return result


async def _wait_through(sending: "asyncio.Future[Any]", seconds: float) -> None:
    """Wait until the future is done, for so many seconds at most; ignore cancellations."""
    now = asyncio.get_running_loop().time
    end = now() + seconds
    while not sending.done() and (left := end - now()) > 0:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({sending}, timeout=None if math.isinf(left) else left)
