"""The event loop behind the blocking clients: one thread for the process, and calls into it.

The loop runs while a client is open or a call is under way. A call runs in a task of its own with
the caller's context variables. An exception that a signal handler raises in the waiting thread,
such as KeyboardInterrupt, cancels the task; it is raised once the task has ended.
"""

import asyncio
import inspect
import os
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from selectors import DefaultSelector
from typing import Any

from anyio.from_thread import BlockingPortal, BlockingPortalProvider

from di_async.core.errors import ClientClosedError

__all__ = ["Call", "Portals", "portals"]

# Windows does not interrupt a wait for a lock, so that it has to end now and then.
_STEP_S = 0.2 if sys.platform == "win32" else None


class Call:
    """One call that runs on the loop. Its repr shows no arguments."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function: Callable[[], Any] | None = function
        self._task: asyncio.Task[Any] | None = None
        self._ended = threading.Event()
        self._result: Any = None
        self._error: BaseException | None = None

    @property
    def ended(self) -> bool:
        """Whether the call has a result or an error."""
        return self._ended.is_set()

    async def run(self) -> None:
        """Make the call, on the loop. A second run does nothing."""
        if self._function is None:
            return
        try:
            self._task = asyncio.current_task()
            found = self.make()
            self._result = await found if inspect.iscoroutine(found) else found
        except BaseException as error:  # raised in the caller's thread
            self._error = error
        finally:
            self._ended.set()

    def make(self) -> Any:
        """Call the function here, and forget it: its arguments may hold secrets."""
        function, self._function = self._function, None
        assert function is not None  # noqa: S101 - a call is made once
        try:
            return function()
        finally:
            del function

    def cancel(self) -> None:
        """Cancel the call, on the loop."""
        if self._task is not None and not self.ended:
            self._task.cancel()

    def wait(self) -> None:
        """Block until the call has ended."""
        while not self._ended.wait(_STEP_S):
            pass

    def outcome(self) -> Any:
        """Return the result, or raise the error."""
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
            return self._result
        finally:
            del error  # it refers to this frame


class Portals:
    """The loop's thread, and who needs it."""

    _provider: BlockingPortalProvider
    _lock: threading.Lock
    _leases: int
    _loop: asyncio.AbstractEventLoop | None

    def __init__(self) -> None:
        self._kept: list[BlockingPortalProvider] = []
        self.forget()

    def forget(self) -> None:
        """Start over, as after a fork, which does not copy the loop's thread."""
        self._provider, self._lock = BlockingPortalProvider(), threading.Lock()
        self._kept.append(self._provider)  # without its thread, it could not be finalized
        self._leases, self._loop = 0, None

    def leave_to_parent(self) -> None:
        """Start over in a forked child, and let nothing that it drops affect the parent."""
        loop: Any = self._loop
        if loop is not None:
            # It reports connections that nobody closes in this process.
            loop.set_exception_handler(lambda *_: None)
            if hasattr(loop, "_selector"):
                # The copy shares the parent's epoll instance: the parent would no longer hear from
                # a connection that this process drops.
                loop._selector = DefaultSelector()  # noqa: SLF001 - of asyncio
        self.forget()

    @property
    def open(self) -> bool:
        """Whether the loop runs."""
        return self._leases > 0

    def on_loop(self) -> bool:
        """Return whether this is the loop's own thread, where nothing may block."""
        with suppress(RuntimeError):
            return asyncio.get_running_loop() is self._loop
        return False

    def lease(self) -> BlockingPortal:
        """Start the loop if it does not run, and keep it running until `release`."""
        portal = self._provider.__enter__()
        with self._lock:
            self._leases += 1
        return portal

    def release(self) -> None:
        """Give a lease back; the last one ends the loop and its thread."""
        with self._lock:
            self._leases -= 1
        self._provider.__exit__(None, None, None)

    @contextmanager
    def leased(self) -> Iterator[BlockingPortal]:
        """Keep the loop running during the block."""
        portal = self.lease()
        try:
            yield portal
        finally:
            self.release()

    def call(self, call: Call) -> Any:
        """Return the result of a call, or of the coroutine that it returns, on the loop.

        Raises:
            ClientClosedError: this is the loop's own thread.
        """
        if self.on_loop():
            raise ClientClosedError(
                "A blocking call was made on the thread of di_async's event loop, for example in "
                "a predicate or a progress function. Make it in another thread."
            )
        with self.leased() as portal:
            interrupt = self._finish(call, portal)
        if interrupt is None:
            return call.outcome()
        try:
            result = call.outcome()
        except BaseException as error:
            raise _explained(interrupt, error) from error
        if result is not None:
            interrupt.add_note(f"The call had ended, with {result!r:.200}")
        raise interrupt

    def _finish(self, call: Call, portal: BlockingPortal) -> BaseException | None:
        """Run a call to its end; return what interrupted it.

        A call that is interrupted before it began is begun, and cancelled: a deletion that
        ignores its cancellation must not be skipped.
        """
        interrupt, cancel = None, False
        while not call.ended:
            try:
                self._start(portal, self._run, call)
                if cancel:
                    cancel = False
                    self._start(portal, call.cancel)
                call.wait()
            except _NotRunningError:
                raise
            except BaseException as error:  # of a signal handler
                interrupt, cancel = error, True
        return interrupt

    @staticmethod
    def _start(portal: BlockingPortal, function: Callable[..., object], *args: object) -> None:
        try:
            portal.start_task_soon(function, *args)
        except RuntimeError as error:
            raise _NotRunningError(str(error)) from None

    async def _run(self, call: Call) -> None:
        self._loop = asyncio.get_running_loop()
        await call.run()

    def read(self, call: Call) -> Any:
        """Return the result of a call of a plain function, on the loop if that runs already."""
        return call.make() if self.on_loop() or not self.open else self.call(call)

    def start_soon(self, function: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Run a coroutine function on the loop, if that still runs. Does not block."""
        loop = self._loop
        if loop is not None and self.open:
            with suppress(RuntimeError):  # the loop was closed
                loop.call_soon_threadsafe(_start, loop, function)


class _NotRunningError(ClientClosedError):
    """The loop has ended although a call or a client needs it."""


_running: set[asyncio.Task[object]] = set()


def _start(
    loop: asyncio.AbstractEventLoop, function: Callable[[], Coroutine[Any, Any, object]]
) -> None:
    task = loop.create_task(function())
    _running.add(task)
    task.add_done_callback(_running.discard)


def _explained(interrupt: BaseException, error: BaseException) -> BaseException:
    """Return an interrupt with what the cancelled call reports about itself."""
    for note in getattr(error, "__notes__", ()):
        interrupt.add_note(note)
    if hasattr(error, "write_result"):
        interrupt.write_result = error.write_result  # type: ignore[attr-defined]
    return interrupt


portals = Portals()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=portals.leave_to_parent)
