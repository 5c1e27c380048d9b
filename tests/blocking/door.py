"""Blocking clients behind an async interface, so that the async clients' tests run on them.

Each call is made in a thread of its own, as a program without async would make it. The loop of
the blocking clients is that of the test, so that time is virtual; it stands still while a thread
computes. Cancelling a call interrupts its thread, as Ctrl-C interrupts the main thread.
"""

import asyncio
import contextvars
import inspect
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Self

import pytest
from anyio.from_thread import BlockingPortal
from attrs import evolve, fields, has

from di_async import PollPolicy
from di_async.blocking import DigitalOcean, Exoscale, Gcore, portal
from di_async.blocking.derive import CARRIERS, RENAMED, Blocking
from di_async.emulator import World
from tests.clouds.support import Cloud

CLIENTS: dict[str, Any] = {one.__name__: one for one in (DigitalOcean, Exoscale, Gcore)}
_END = object()
_thread = threading.local()


class Interrupted(threading.Event):
    """Set to interrupt the thread that waits for a call.

    `held` is whether the time stands still until the thread has cancelled its call.
    """

    held = False


def interruptible_wait(call: portal.Call) -> None:
    """Wait as `Call.wait` does, and raise KeyboardInterrupt when the thread is interrupted."""
    interrupted: Interrupted = _thread.interrupted
    while not call._ended.wait(0.001):  # noqa: SLF001 - stands for its own method
        if interrupted.is_set():
            interrupted.clear()
            raise KeyboardInterrupt


class Door:
    """The portal on the test's loop, and the threads that make calls.

    Attributes:
        busy: threads that compute; while there are any, the virtual time stands still.
        calls: how many calls were made.
    """

    def __init__(self, inner: BlockingPortal) -> None:
        self.inner = inner
        self.loop = asyncio.get_running_loop()
        self.busy = self.calls = 0
        self._held = False

    # -- in place of anyio's provider ----------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Keep the loop: it is the test's."""

    def start_task_soon(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run on the loop; the calling thread waits meanwhile."""
        interrupted: Interrupted = _thread.interrupted

        async def run() -> None:
            self._count(-1)
            try:
                found = function(*args)
                if inspect.iscoroutine(found):
                    await found
                else:  # a cancellation
                    self._release(interrupted)
            finally:
                self._count(1)

        return self.inner.start_task_soon(run)

    def _count(self, change: int) -> None:
        self.busy += change
        if self.busy and not self._held:
            self._held = True
            self.loop.call_soon(self._hold)

    def _release(self, interrupted: Interrupted) -> None:
        if interrupted.held:
            interrupted.held = False
            self._count(-1)

    def _hold(self) -> None:
        """Keep the loop from advancing its time."""
        self._held = self.busy > 0
        if self._held:
            time.sleep(0.0001)  # lets the threads run
            self.loop.call_soon(self._hold)

    # -- calls ---------------------------------------------------------------------------------

    async def call(self, function: Callable[[], Any]) -> Any:
        """Return the result of a blocking call that is made in a thread."""
        interrupted, context = Interrupted(), contextvars.copy_context()
        done: Future[Any] = Future()

        def work() -> None:
            _thread.interrupted = interrupted
            try:
                done.set_result(context.run(function))
            except BaseException as error:
                done.set_exception(error)

        self.calls += 1
        self._count(1)
        ended = asyncio.wrap_future(done)
        ended.add_done_callback(lambda _: self._count(-1))
        threading.Thread(target=work, daemon=True).start()
        try:
            return await asyncio.shield(ended)
        except asyncio.CancelledError as cancelled:
            while not ended.done():
                self._count(not interrupted.held)
                interrupted.held = True
                interrupted.set()
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([ended])
            self._release(interrupted)
            for note in getattr(ended.exception(), "__notes__", ()):
                cancelled.add_note(note)
            raise

    def view(self, value: Any) -> Any:
        """Return an async view of what a blocking call returned."""
        if isinstance(value, Blocking):
            return View(self, value)
        kind = type(value)
        if kind in (list, tuple):
            return kind(map(self.view, value))
        if kind not in CARRIERS:
            return value
        if not has(kind):
            return kind(*map(self.view, value))
        names = [one.name for one in fields(kind)]
        return evolve(value, **{name: self.view(getattr(value, name)) for name in names})

    def function(self, blocking: Callable[..., Any], *, is_async: bool = True) -> Any:
        """Return an async view of a blocking function."""

        def bound(args: Any, kwargs: Any) -> Callable[[], Any]:
            return partial(blocking, *map(_blocking, args), **_blocking(kwargs))

        async def call(*args: Any, **kwargs: Any) -> Any:
            return self.view(await self.call(bound(args, kwargs)))

        def plain(*args: Any, **kwargs: Any) -> Any:
            return self.view(bound(args, kwargs)())

        return call if is_async else plain

    @asynccontextmanager
    async def client(self, cloud: Cloud, world: World, **options: Any) -> AsyncIterator[Any]:
        """Stand for `Cloud.client`: yield a blocking client, opened and closed in threads."""
        cloud.prepare(world)
        made = cloud.make(world, **{"polling": PollPolicy(), **options})
        client = CLIENTS[type(made).__name__].of(made)
        await self.call(client.__enter__)
        try:
            yield View(self, client)
        finally:
            await self.call(client.close)


def _blocking(value: Any) -> Any:
    if isinstance(value, View):
        return value._target  # noqa: SLF001
    if isinstance(value, list | tuple | set):
        return type(value)(map(_blocking, value))
    return {k: _blocking(v) for k, v in value.items()} if type(value) is dict else value


class View:
    """A blocking object with the interface of the async one."""

    def __init__(self, door: Door, target: Any) -> None:
        self._door = door
        self._target = target

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, RENAMED.get(name, name))
        member = inspect.getattr_static(self._target.async_class, name, None)
        if not inspect.isfunction(member):
            return self._door.view(found)
        return self._door.function(found, is_async=inspect.iscoroutinefunction(member))

    def __repr__(self) -> str:
        return repr(self._target)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, View) and bool(self._target == other._target)

    def __hash__(self) -> int:
        return hash(self._target)

    def __await__(self) -> Generator[Any, None, Any]:
        whole = "collect" if hasattr(self._target, "collect") else "wait"
        return getattr(self, whole)().__await__()  # type: ignore[no-any-return]

    def __aiter__(self) -> "View":
        return self

    async def __anext__(self) -> Any:
        found = await self._door.call(partial(next, self._target, _END))
        if found is _END:
            raise StopAsyncIteration
        return self._door.view(found)

    async def __aenter__(self) -> Any:
        return self._door.view(await self._door.call(self._target.__enter__))

    async def __aexit__(self, *error: object) -> None:
        await self._door.call(partial(self._target.__exit__, *error))


@asynccontextmanager
async def opened(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Door]:
    """Make the clients of `tests.clouds` blocking ones, on the test's loop."""
    failed: BaseException | None = None
    async with BlockingPortal() as inner:
        door, portals = Door(inner), portal.Portals()
        monkeypatch.setattr(portals, "_provider", door)
        monkeypatch.setattr("di_async.blocking.derive.portals", portals)
        monkeypatch.setattr("di_async.blocking.written.portals", portals)
        monkeypatch.setattr(portal.Call, "wait", interruptible_wait)
        monkeypatch.setattr(
            Cloud, "client", lambda self, world, **more: door.client(self, world, **more)
        )
        try:
            yield door
        except BaseException as error:
            failed = error
        else:
            assert not portals.open
    if failed is not None:
        raise failed
