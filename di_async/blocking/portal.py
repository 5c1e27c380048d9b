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
        self.succeeded = False
        """Whether the call has returned."""

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
            self.succeeded = True
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

    def add_outcome(self, interrupt: BaseException) -> None:
        """Add to what interrupted the caller how the call has ended, unless it was raised.

        `.write_result` of the interrupt is what the call would have returned.
        """
        (error, self._error), (result, self._result) = (self._error, None), (self._result, None)
        if error is not None:
            for note in getattr(error, "__notes__", ()):
                interrupt.add_note(note)
            interrupt.__cause__ = error
            result = getattr(error, "write_result", None)
        elif result is not None:
            token = getattr(result, "resume_token", None)
            resume = f", resume token {token}" if isinstance(token, str) else ""
            interrupt.add_note(f"The call had ended, with {result!r:.200}{resume}")
        if result is not None:
            with suppress(AttributeError, TypeError):  # an exception with slots
                interrupt.write_result = result  # type: ignore[attr-defined]


class Portals:
    """The loop's thread, and who needs it."""

    _provider: BlockingPortalProvider
    _holders: set[object]
    _loop: asyncio.AbstractEventLoop | None
    _thread: int | None

    def __init__(self) -> None:
        self._kept: list[BlockingPortalProvider] = []
        self.forget()

    def forget(self) -> None:
        """Start over, as after a fork, which does not copy the loop's thread."""
        self._provider = BlockingPortalProvider()
        self._kept.append(self._provider)  # without its thread, it could not be finalized
        self._holders, self._loop, self._thread = set(), None, None

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
        return bool(self._holders)

    def on_loop(self) -> bool:
        """Return whether this is the loop's own thread, where nothing may block."""
        # Both are compared: an identity may be used again, and the greenlets of gevent, which have
        # identities of their own, all see the running loop of their thread.
        with suppress(RuntimeError):
            loop = asyncio.get_running_loop()
            return loop is self._loop and threading.get_ident() == self._thread
        return False

    def lease(self, holder: object) -> BlockingPortal:
        """Start the loop if it does not run, and keep it running until `release`.

        The caller must `release` the holder even if this is interrupted.
        """
        portal = self._provider.__enter__()
        self._holders.add(holder)
        return portal

    def release(self, holder: object) -> None:
        """End the lease of a holder, if it has one; the last one ends the loop and its thread."""
        try:
            self._holders.remove(holder)
        except KeyError:
            return
        self._provider.__exit__(None, None, None)

    @contextmanager
    def leased(self) -> Iterator[BlockingPortal]:
        """Keep the loop running during the block."""
        holder = object()
        try:
            yield self.lease(holder)
        finally:
            self.release(holder)

    def call(self, call: Call) -> Any:
        """Return the result of a call, or of the coroutine that it returns, on the loop.

        Raises:
            ClientClosedError: this is the loop's own thread, or all threads were stopped.
            BaseException: what a signal handler raised; `Call.add_outcome` adds how the call ended.
        """
        if self.on_loop():
            raise ClientClosedError(
                "A blocking call was made on the thread of di_async's event loop, for example in "
                "a predicate or a progress function. Make it in another thread."
            )
        if sys.is_finalizing():
            raise ClientClosedError(
                "A blocking call was made after the end of the program, for example in a generator "
                "or a __del__ method that Python ran then. Close clients and generators before."
            )
        with self.leased() as portal:
            interrupt = self._finish(call, portal)
        if interrupt is not None:
            raise interrupt
        return call.outcome()

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
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
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


portals = Portals()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=portals.leave_to_parent)
