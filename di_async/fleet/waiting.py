"""Many waits at once, each of which may end in its own way: `wait_all` and `as_completed`.

A wait is one task, the change's own coroutine and nothing around it; whom it reads for, and how
seldom, is the poller's business.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Any, Generic, Literal, NamedTuple, Self, TypeVar

import anyio
from attrs import define, field, frozen

from di_async.core.errors import InvalidInputError, WaitTimeoutError
from di_async.engine.waiting.change import DEFAULT, Change, Timeout

__all__ = ["Completions", "Failure", "ReturnWhen", "WaitReport", "as_completed", "wait_all"]

R = TypeVar("R")
ReturnWhen = Literal["ALL_COMPLETED", "FIRST_COMPLETED", "FIRST_EXCEPTION"]
_RETURN_WHEN = (asyncio.ALL_COMPLETED, asyncio.FIRST_COMPLETED, asyncio.FIRST_EXCEPTION)
# How many a report's text tells one by one.
_TOLD = 10


class Failure(NamedTuple):
    """A change whose wait ended with an error."""

    change: Change[Any]
    error: Exception


@frozen
class WaitReport(Generic[R]):
    """How many waits came out; each change is in one of the three, in the order given.

    Attributes:
        succeeded: proven settled; `resources` are what their waits gave.
        failed: pairs of a change and the error that ended its wait.
        pending: not settled in the time given. They were left alone, and bill.
    """

    succeeded: tuple[Change[R], ...] = ()
    failed: tuple[Failure, ...] = ()
    pending: tuple[Change[R], ...] = ()

    @property
    def resources(self) -> tuple[R | None, ...]:
        """What the waits of `succeeded` gave, in its order (None for what was deleted)."""
        return tuple(None if c.action == "delete" else c.latest for c in self.succeeded)

    @property
    def ok(self) -> bool:
        """All of them are proven settled."""
        return not self.failed and not self.pending

    def __str__(self) -> str:
        lists = {"succeeded": self.succeeded, "failed": self.failed, "pending": self.pending}
        told = [", ".join(f"{len(found)} {name}" for name, found in lists.items())]
        told += [f"  failed: {_name(f.change)}: {f.error}" for f in self.failed[:_TOLD]]
        told += [f"  pending: {_name(change)}" for change in self.pending[:_TOLD]]
        left_out = max(len(self.failed) - _TOLD, 0) + max(len(self.pending) - _TOLD, 0)
        return "\n".join([*told, *([f"  ... and {left_out} more"] if left_out else [])])


async def wait_all(
    changes: Iterable[Change[R]],
    *,
    timeout: Timeout = DEFAULT,
    return_when: ReturnWhen = "ALL_COMPLETED",
) -> WaitReport[R]:
    """How all of them came out; one that fails does not end the others, and nothing is raised.

    Args:
        changes: of any clients on this loop; one given twice is waited for once.
        timeout: seconds for all of them together; None waits for ever, 0 takes one look. Not
            given: for each what `Change.wait` would take.
        return_when: also "FIRST_COMPLETED" or "FIRST_EXCEPTION", as `asyncio.wait` has them.

    Raises:
        InvalidInputError: a negative timeout, or an unknown `return_when`.

    Cancelling ends all these waits and leaves nothing running here; the resources are left alone.
    """
    if return_when not in _RETURN_WHEN:
        raise InvalidInputError(f"return_when is one of {', '.join(_RETURN_WHEN)}")
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
    """An async iterator over the changes in the order in which their waits end.

    Each comes exactly once and raises nothing: look at its `outcome`, or `await change.wait()`,
    which is answered at once, or raises, where `outcome` is told. `outcome` is None for those
    that were not settled in the time given (they come last) or could not be looked at.

    Leaving the loop, or an exception in it, ends the other waits. To be sure of the moment write
    `async with as_completed(changes) as ended: async for change in ended: ...`.
    """
    return Completions(changes, timeout)


@define(eq=False)
class _Ended:
    """Tasks that have ended and nobody has looked at; apart, so that tasks keep no iterator."""

    tasks: deque[asyncio.Task[Any]] = field(factory=deque)
    news: asyncio.Event = field(factory=asyncio.Event)

    def add(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled():
            task.exception()  # seen: asyncio need not complain that nobody asked
        self.tasks.append(task)
        self.news.set()


class Completions(AsyncIterator[Change[R]], Generic[R]):
    """What `as_completed` gives."""

    def __init__(self, changes: Iterable[Change[R]], timeout: Timeout) -> None:
        self._waits: dict[asyncio.Task[Any], Change[R]] | None = None
        _check(timeout)
        self._changes = tuple(dict.fromkeys(changes))
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
        if not self._waits:
            raise StopAsyncIteration
        while not self._ended.tasks:
            self._ended.news.clear()
            try:
                await self._ended.news.wait()
            except BaseException:
                await self.aclose()
                raise
        return self._waits.pop(self._ended.tasks.popleft())

    async def aclose(self) -> None:
        """End the waits that are still open. Twice does nothing."""
        waits, self._waits = self._waits or {}, {}
        self._ended = _Ended()
        await _end(waits)

    def __del__(self) -> None:
        # A loop that is left drops its iterator: its waits must not go on for nobody.
        for task in self._waits or {}:
            if not task.done() and not task.get_loop().is_closed():
                task.cancel()


def _check(timeout: Timeout) -> None:
    if isinstance(timeout, int | float) and not timeout >= 0:
        raise InvalidInputError("timeout is in seconds: 0 or more, or None for no end")


def _start(changes: Iterable[Change[R]], timeout: Timeout) -> dict[Change[R], asyncio.Task[Any]]:
    """A wait for each, all of them begun now, so that their deadline is one."""
    _check(timeout)
    loop = asyncio.get_running_loop()
    return {
        change: loop.create_task(change.wait(timeout=timeout)) for change in dict.fromkeys(changes)
    }


async def _end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    open_tasks = [task for task in tasks if not task.done()]
    for task in open_tasks:
        task.cancel()
    if open_tasks:
        # A cancelled wait ends within a turn of the loop, so that shielding holds nobody up.
        with anyio.CancelScope(shield=True):
            await asyncio.wait(open_tasks)


async def _ending(change: Change[Any], task: asyncio.Task[Any]) -> BaseException | None:
    """The error a wait ended with, or None; a verdict that came while it was ended counts."""
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
