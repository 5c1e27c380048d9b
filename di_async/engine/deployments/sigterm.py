"""SIGTERM while temporary deployments exist: cancel their tasks, so that they are deleted.

By default the signal ends the process at once, without any clean-up. A handler of the program's
own is left alone, also one that it installs while such deployments exist. SIGINT needs nothing:
asyncio's runner cancels the main task.
"""

import asyncio
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from weakref import WeakKeyDictionary

from msgspec import Struct, field

from di_async.engine.log import Log

__all__ = ["EXIT_CODE", "enter", "forget_in_forks", "is_unhandled", "leave"]

logger = Log("di_async")

EXIT_CODE = 128 + signal.SIGTERM


class _Guard(Struct, eq=False):
    """The tasks of one loop that own temporary deployments."""

    loop: asyncio.AbstractEventLoop
    owners: Counter[asyncio.Task[object]] = field(default_factory=Counter)
    received: bool = False

    @property
    def is_installed(self) -> bool:
        return signal.getsignal(signal.SIGTERM) == self.on_signal

    def install(self) -> None:
        # Not the loop's: a handler that the program adds to the loop would replace it unseen.
        if _in_main_thread() and is_unhandled():
            signal.signal(signal.SIGTERM, self.on_signal)

    def remove(self) -> None:
        if self.is_installed and _in_main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def on_signal(self, *_: object) -> None:
        """Leave it to the loop, as this may interrupt any line of the main thread."""
        if self.loop.is_closed():
            self.end_process()
        else:
            self.loop.call_soon_threadsafe(self.cancel_owners)

    def cancel_owners(self) -> None:
        self.received = True
        running = [task for task in self.owners if not task.done()]
        count = sum(self.owners[task] for task in running)
        noun = "temporary deployment" if count == 1 else "temporary deployments"
        logger.warning("SIGTERM: deleting %d %s", count, noun)
        for task in running:
            task.cancel()
        if not running:  # they were entered by tasks that have ended
            self.end_process()

    def end_process(self) -> None:
        self.remove()
        os.kill(os.getpid(), signal.SIGTERM)


def is_unhandled() -> bool:
    """Return whether the program does not handle SIGTERM; a guard whose loop is closed does not."""
    handler = signal.getsignal(signal.SIGTERM)
    guard = getattr(handler, "__self__", None)
    return handler == signal.SIG_DFL or (isinstance(guard, _Guard) and guard.loop.is_closed())


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


_guards: "WeakKeyDictionary[asyncio.AbstractEventLoop, _Guard]" = WeakKeyDictionary()


def forget_in_forks(is_guarded: Callable[[], bool], forget: Callable[[], object]) -> None:
    """Let forked children forget the handler of their parent, which deletes what its blocks made.

    Until then SIGTERM is held back, as the parent's handler would keep it from ending the child.

    Args:
        is_guarded: whether this process has a handler of SIGTERM.
        forget: forgets it, in the child.
    """
    masks = threading.local()

    def hold() -> None:
        if is_guarded():
            masks.unheld = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def release() -> None:
        if hasattr(masks, "unheld"):
            signal.pthread_sigmask(signal.SIG_SETMASK, masks.unheld)
            del masks.unheld

    def start_over() -> None:
        forget()
        release()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=hold, after_in_parent=release, after_in_child=start_over)


def _is_guarded() -> bool:
    return any(guard.is_installed for guard in _guards.values())


def _forget() -> None:
    if _is_guarded():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _guards.clear()


forget_in_forks(_is_guarded, _forget)


def enter() -> asyncio.Task[object]:
    """Count the running task as an owner and return it."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # noqa: S101 - coroutines run in tasks
    guard = _guards.setdefault(loop, _Guard(loop))
    guard.owners[task] += 1
    guard.install()
    return task


def leave(task: asyncio.Task[object]) -> bool:
    """Stop counting an owner; return whether it was the last one, and SIGTERM has arrived."""
    loop = task.get_loop()  # a block may be left on another loop
    guard = _guards.get(loop)
    if guard is None:  # the block was left before
        return False
    guard.owners[task] -= 1
    guard.owners += Counter()  # drops what is 0
    if guard.owners:
        return False
    guard.remove()
    del _guards[loop]
    return guard.received
