"""Cancel every operation at its n-th suspension, for all n, and look for what is lost.

Two ways for each n: `waiting` cancels while the awaited future is pending; `arriving` cancels in
the moment in which it becomes done, so that an answer has arrived and is never seen. Writes are
played twice: with their answer, and with the answer lost after the write was carried out, so that
the reads that settle it are cancelled, too.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterator
from functools import partial
from itertools import product
from typing import Any, Literal

from attrs import frozen

from benchmarks.settle.virtual import run_virtual
from di_async import TransportError
from di_async.core.http import Request
from tests.fake_network import Answer, Delayed
from tests.faults.operations import NEW, OPERATIONS, Operation
from tests.faults.scene import Alter, Scene, leftover_tasks, scene

__all__ = ["MODES", "Cancellation", "cancel_everywhere", "sweep"]

Mode = Literal["waiting", "arriving"]
MODES: tuple[Mode, ...] = ("waiting", "arriving")
NAMED = {"create", "unnamed", "token", "update", "set", "delete", "revoke"}
"""The writes that a cancellation in flight must name."""
# Waits suspend a few times only; more would be a loop without progress.
_MOST_SUSPENSIONS = 200


@frozen
class Cancellation:
    """One cancelled call, and what it broke."""

    operation: Operation
    at: int
    mode: Mode
    lost: bool
    """The first answer to a write was lost."""
    ended: bool
    """The call ended before it suspended that often."""
    problems: tuple[str, ...]

    def __str__(self) -> str:
        lost = ", answer lost" if self.lost else ""
        return f"{self.operation} cancelled at await {self.at} ({self.mode}{lost})"


class _CancelAt(Awaitable[Any]):
    """Awaits a coroutine, and cancels the task at its n-th suspension."""

    def __init__(self, work: Awaitable[Any], at: int, mode: Mode) -> None:
        self._work = work
        self._at = at
        self._mode = mode
        self.suspensions = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._work.__await__()
        sent: Any = None
        while True:
            try:
                future = steps.send(sent)
            except StopIteration as stop:
                return stop.value
            self.suspensions += 1
            if self.suspensions == self._at:
                self._cancel(future)
            try:
                sent = yield future
            except BaseException as error:
                try:
                    future = steps.throw(error)
                except StopIteration as stop:
                    return stop.value
                sent = yield future

    def _cancel(self, future: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self._mode == "arriving" and future is not None:
            future.add_done_callback(lambda _: task.cancel())
        else:
            asyncio.get_running_loop().call_soon(task.cancel)


def cancel_everywhere(operation: Operation) -> Iterator[Cancellation]:
    """Yield what happens when an operation is cancelled at its first, second, ... suspension."""
    for mode, lost in product(MODES, (False, True) if operation.writes else (False,)):
        for at in range(1, _MOST_SUSPENSIONS):
            result = run_virtual(partial(_play, operation, at, mode, lost))
            if result.ended:
                break
            yield result
        else:
            raise AssertionError(f"{operation} suspends without end")


def sweep(select: Callable[[Operation], bool] = lambda _: True) -> Iterator[Cancellation]:
    """Yield every cancellation of the selected operations."""
    for operation in filter(select, OPERATIONS):
        yield from cancel_everywhere(operation)


async def _play(operation: Operation, at: int, mode: Mode, lost: bool) -> Cancellation:
    async with scene(operation.cloud) as stage:
        if operation.prepare is not None:
            await operation.prepare(stage)
        before, sent_before = len(stage.network.writes), _sent_writes(stage)
        stage.records.texts.clear()
        if lost:
            stage.network.alter = _losing_the_first_write()
        driver = _CancelAt(_run(operation, stage), at, mode)
        task = asyncio.ensure_future(_await(driver))
        await asyncio.wait([task])
        if driver.suspensions < at:
            _notes(task)  # retrieves its error
            return Cancellation(operation, at, mode, lost, True, ())
        stage.network.alter = None
        sent = _sent_writes(stage) > sent_before
        problems = [*_of_task(task)]
        await stage.calm()
        written = len(stage.network.writes) - before
        problems += _of_writes(operation, stage, task, written, sent)
        problems += [f"left a task: {left}" for left in leftover_tasks()]
        problems += await _of_client(stage)
    problems += [f"left a task after close: {left}" for left in leftover_tasks()]
    return Cancellation(operation, at, mode, lost, False, tuple(problems))


def _losing_the_first_write() -> Alter:
    lost = False

    def alter(request: Request, execute: Callable[[], Answer]) -> Answer:
        nonlocal lost
        answer = execute()
        if lost or request.method == "GET":
            return answer
        lost = True
        return Delayed(0.1, TransportError("the connection was reset"))

    return alter


def _sent_writes(stage: Scene) -> int:
    """Return how many writes were sent; those in flight may be carried out all the same."""
    return sum(one.request.method != "GET" for one in stage.network.sent)


async def _run(operation: Operation, stage: Scene) -> Any:
    return await operation.run(stage)


async def _await(driver: _CancelAt) -> Any:
    return await driver


def _of_task(task: asyncio.Task[Any]) -> Iterator[str]:
    if not task.cancelled() and task.exception() is not None:
        yield f"raised {task.exception()!r} and not CancelledError"
    elif not task.cancelled():
        yield "swallowed the cancellation"


def _of_writes(
    operation: Operation, stage: Scene, task: asyncio.Task[Any], written: int, sent: bool
) -> Iterator[str]:
    """Check that a write was carried out once at most, and is named where a user can find it."""
    if written > 1 and operation.group in {"create", "unnamed", "token"}:
        yield f"the world carried out {written} writes"
    if operation.group not in NAMED or not sent:
        return
    notes = _notes(task)
    texts = " ".join((*notes, *stage.records.texts))
    name = NEW if operation.group in {"create", "unnamed"} else stage.placed
    known = {name, *filter(_is_text, stage.extra.values()), *_SMALL}
    if not any(word in texts for word in known):
        yield f"was sent, and neither a note nor a log names it: {texts!r}"


_SMALL = ("new/model", "first-key", "second-key", "second key", "on first ", "on second ")
"""The names of keys, secrets and models in `operations.py`."""


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _notes(task: asyncio.Task[Any]) -> list[str]:
    try:
        task.result()
    except BaseException as error:
        return list(getattr(error, "__notes__", ()))
    return []


async def _of_client(stage: Scene) -> list[str]:
    """Check that the client still works."""
    try:
        await stage.api.get(stage.placed)
        await stage.api.list().collect()
    except Exception as error:
        if type(error).__name__ != "NotFoundError":
            return [f"the client is not usable afterwards: {error!r}"]
    return []
