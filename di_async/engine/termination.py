"""SIGTERM while temporary deployments exist: cancel their tasks, so that they are deleted.

By default the signal ends the process at once, without any clean-up. A handler of the program's
own is left alone. SIGINT needs nothing: asyncio's runner cancels the main task.
"""

import asyncio
import os
import signal
import threading
from collections import Counter
from weakref import WeakKeyDictionary

from attrs import define, field

from di_async.engine.log import Log

__all__ = ["EXIT_CODE", "enter", "leave"]

logger = Log("di_async")

EXIT_CODE = 128 + signal.SIGTERM


@define(eq=False)
class _Guard:
    """The tasks of one loop that own temporary deployments."""

    loop: asyncio.AbstractEventLoop
    owners: Counter[asyncio.Task[object]] = field(factory=Counter)
    received: bool = False
    installed: bool = False

    def install(self) -> None:
        main = threading.current_thread() is threading.main_thread()
        if self.installed or not main or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
            return
        try:
            self.loop.add_signal_handler(signal.SIGTERM, self.on_signal)
        except (NotImplementedError, RuntimeError, ValueError):
            return  # Windows, or a loop that has no signals
        self.installed = True

    def remove(self) -> None:
        if self.installed:
            self.loop.remove_signal_handler(signal.SIGTERM)
            self.installed = False

    def on_signal(self) -> None:
        self.received = True
        running = [task for task in self.owners if not task.done()]
        count = sum(self.owners[task] for task in running)
        noun = "temporary deployment" if count == 1 else "temporary deployments"
        logger.warning("SIGTERM: deleting %d %s", count, noun)
        for task in running:
            task.cancel()
        if not running:  # they were entered by tasks that have ended
            self.remove()
            os.kill(os.getpid(), signal.SIGTERM)


_guards: "WeakKeyDictionary[asyncio.AbstractEventLoop, _Guard]" = WeakKeyDictionary()


# -- forks ---------------------------------------------------------------------------------------

# SIGTERM for a forked child would not end it, and would reach the parent's loop: both have the same
# wakeup descriptor. So the child forgets the handler, and gets no signal before it has done so.
_masks = threading.local()


def _before_fork() -> None:
    if any(guard.installed for guard in _guards.values()):
        _masks.unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _after_fork() -> None:
    if hasattr(_masks, "unblocked"):
        signal.pthread_sigmask(signal.SIG_SETMASK, _masks.unblocked)
        del _masks.unblocked


def _after_fork_in_child() -> None:
    """Forget the blocks of the parent process, which deletes what they made."""
    if any(guard.installed for guard in _guards.values()):
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _guards.clear()
    _after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child
    )

# -- blocks --------------------------------------------------------------------------------------


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
