"""Wait for many changes concurrently: `wait_all` and `as_completed`.

Each wait is one task that runs `Change.wait`; the poller shares the reads among them.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Any, Generic, Literal, NamedTuple, Self, TypeVar

import anyio
from attrs import define, field, frozen

from di_async.core.errors import InvalidInputError, WaitTimeoutError
from di_async.core.printable import printable
from di_async.engine.arguments import checked_changes
from di_async.engine.client_bound import ClientBound
from di_async.engine.frames import clears_frames
from di_async.engine.waiting.change import DEFAULT, Change, Timeout, check_timeout

__all__ = ["Completions", "Failure", "ReturnWhen", "WaitReport", "as_completed", "wait_all"]

R = TypeVar("R")
ReturnWhen = Literal["ALL_COMPLETED", "FIRST_COMPLETED", "FIRST_EXCEPTION"]
_RETURN_WHEN = (asyncio.ALL_COMPLETED, asyncio.FIRST_COMPLETED, asyncio.FIRST_EXCEPTION)
# How many changes a report's text lists.
_LISTED = 10


class Failure(NamedTuple):
    """A change whose wait ended with an error."""

    change: Change[Any]
    error: Exception


@frozen
class WaitReport(Generic[R]):
    """The outcome of many waits; each change is in one of three groups, in the order given.

    Attributes:
        succeeded: proven settled; `resources` are the results of their waits.
        failed: pairs of a change and the error that ended its wait.
        pending: not settled within the timeout. They were left alone, and bill.
    """

    succeeded: tuple[Change[R], ...] = ()
    failed: tuple[Failure, ...] = ()
    pending: tuple[Change[R], ...] = ()

    @property
    def resources(self) -> tuple[R | None, ...]:
        """The results of the waits in `succeeded` (None for deletes)."""
        return tuple(None if c.action == "delete" else c.latest for c in self.succeeded)

    @property
    def ok(self) -> bool:
        """Whether every change is proven settled."""
        return not self.failed and not self.pending

    def __str__(self) -> str:
        lists = {"succeeded": self.succeeded, "failed": self.failed, "pending": self.pending}
        lines = [", ".join(f"{len(found)} {name}" for name, found in lists.items())]
        lines += [f"  failed: {_name(f.change)}: {f.error}" for f in self.failed[:_LISTED]]
        lines += [f"  pending: {_name(change)}" for change in self.pending[:_LISTED]]
        left_out = max(len(self.failed) - _LISTED, 0) + max(len(self.pending) - _LISTED, 0)
        lines += [f"  ... and {left_out} more"] if left_out else []
        return "\n".join(map(printable, lines))


@clears_frames
async def wait_all(
    changes: Iterable[Change[R]],
    *,
    timeout: Timeout = DEFAULT,
    return_when: ReturnWhen = "ALL_COMPLETED",
) -> WaitReport[R]:
    """Wait for all changes and report the outcome; one failure does not end the others.

    Args:
        changes: of any clients on this loop; duplicates are waited for once.
        timeout: seconds for all of them together; None waits for ever, 0 sends one read. Default:
            for each, the default of `Change.wait`.
        return_when: also "FIRST_COMPLETED" or "FIRST_EXCEPTION", as in `asyncio.wait`.

    Raises:
        InvalidInputError: something else than a change, a negative timeout, or an unknown
            `return_when`.

    Cancelling ends all these waits and leaves nothing running here; the resources are left alone.
    """
    changes = checked_changes("wait_all", changes)
    if return_when not in _RETURN_WHEN:
        raise InvalidInputError(f"return_when: expected one of {', '.join(_RETURN_WHEN)}")
    tasks = _start(changes, timeout)
    try:
        if tasks:
            await asyncio.wait(tasks.values(), return_when=return_when)
    finally:
        await _end(tasks.values())
    succeeded, failed, pending = [], [], []
    for change, task in tasks.items():
        match await _ending(change, task):
            case None:
                succeeded.append(change)
            case WaitTimeoutError() | asyncio.CancelledError():
                pending.append(change)
            case Exception() as error:
                failed.append(Failure(change, error))
    return WaitReport(tuple(succeeded), tuple(failed), tuple(pending))


def as_completed(changes: Iterable[Change[R]], *, timeout: Timeout = DEFAULT) -> "Completions[R]":
    """Return an async iterator over the changes in the order in which their waits end.

    Each change comes exactly once, and nothing is raised: check its `outcome`, or `await` it, which
    returns or raises immediately once `outcome` is set. `outcome` is None for changes that did not
    settle within the timeout (they come last) or could not be read.

    Leaving the loop, or an exception in it, ends the other waits, once nothing refers to the
    iterator. To end them immediately, write
    `async with as_completed(changes) as ended: async for change in ended: ...`.

    Several tasks may share the iterator: each change comes to one of them. A step that is
    cancelled, such as `asyncio.wait_for(anext(ended), 30)`, loses no change and ends no wait.
    """
    return Completions(changes, timeout)


@define(eq=False)
class _Ended:
    """Finished tasks that were not returned yet; separate, so that tasks hold no iterator."""

    tasks: deque[asyncio.Task[Any]] = field(factory=deque)
    added: asyncio.Event = field(factory=asyncio.Event)

    def add(self, task: asyncio.Task[Any]) -> None:
        self.tasks.append(task)
        self.added.set()


class Completions(ClientBound, AsyncIterator[Change[R]], Generic[R]):
    """The iterator that `as_completed` returns."""

    _waits: dict[asyncio.Task[Any], Change[R]] | None = None
    """None before the first step; set here for `__del__`, as `__init__` may have failed."""

    def __init__(self, changes: Iterable[Change[R]], timeout: Timeout) -> None:
        self._changes = checked_changes("as_completed", changes)
        check_timeout(timeout)
        self._timeout = timeout
        self._ended = _Ended()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> "Completions[R]":
        return self

    async def __anext__(self) -> Change[R]:
        if self._waits is None:
            started = _start(self._changes, self._timeout)
            self._waits = {task: change for change, task in started.items()}
            for task in self._waits:
                task.add_done_callback(self._ended.add)
        while not self._ended.tasks:
            if not self._waits:
                raise StopAsyncIteration
            added = self._ended.added
            added.clear()
            await added.wait()
        return self._waits.pop(self._ended.tasks.popleft())

    async def aclose(self) -> None:
        """End the waits that are still open. Closing twice does nothing."""
        waits, self._waits = self._waits or {}, {}
        ended, self._ended = self._ended, _Ended()
        ended.added.set()  # steps under way end, too
        await _end(waits)

    def __del__(self) -> None:
        # A loop that was left early drops its iterator; its waits must end, too.
        if self._waits:
            _cancel_from_any_thread(self._waits)


def _start(changes: Iterable[Change[R]], timeout: Timeout) -> dict[Change[R], asyncio.Task[Any]]:
    """Start a wait for each, all different, now, so that they share one deadline."""
    check_timeout(timeout)
    loop = asyncio.get_running_loop()
    tasks = {change: loop.create_task(change.wait(timeout=timeout)) for change in changes}
    for task in tasks.values():
        task.add_done_callback(_mark_retrieved)
    return tasks


def _mark_retrieved(task: asyncio.Task[Any]) -> None:
    """Keep asyncio from logging the error of a wait that nobody asks for, as after a timeout."""
    if not task.cancelled():
        task.exception()


def _cancel_from_any_thread(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks; the garbage collector runs in any thread, whatever dropped its objects."""
    try:
        here: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
    except RuntimeError:
        here = None
    for task in tasks:
        loop = task.get_loop()
        if loop is here:
            task.cancel()
        else:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(task.cancel)


async def _end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    open_tasks = [task for task in tasks if not task.done()]
    for task in open_tasks:
        task.cancel()
    if open_tasks:
        # A cancelled wait ends within one loop iteration, so shielding delays no one.
        with anyio.CancelScope(shield=True):
            await asyncio.wait(open_tasks)


async def _ending(change: Change[Any], task: asyncio.Task[Any]) -> BaseException | None:
    """Return the error of a wait, or None; a decision made while it was cancelled counts."""
    if not task.cancelled():
        return task.exception()
    if change.outcome is None:
        return asyncio.CancelledError()
    try:
        await change.wait()
    except Exception as error:
        return error
    return None


def _name(change: Change[Any]) -> str:
    name = getattr(change.latest, "name", None)
    return f"{change.action} {name or change.id}"
