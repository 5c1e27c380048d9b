"""Run several calls concurrently; an error is raised as itself and not in a group."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

import anyio

from di_async.core.errors import PACED_BY_CLIENT, RateLimitError
from di_async.core.http_time import LONGEST_HOLD_S

__all__ = ["both", "cancellation_behind", "first_error", "for_each", "in_chunks", "with_budget"]

S = TypeVar("S")
T = TypeVar("T")
# Items that are processed before other tasks get their turn.
_CHUNK = 500


async def for_each(
    items: Iterable[T],
    work: Callable[[T], Coroutine[Any, Any, None]],
    *,
    concurrency: int | None = None,
) -> None:
    """Run `work` for every item, `concurrency` at a time; the first error ends the others."""
    queue = iter(items)
    cut_off: list[asyncio.CancelledError] = []

    async def one(item: T) -> None:
        try:
            await work(item)
        except asyncio.CancelledError as error:
            cut_off.append(error)
            raise

    async def some() -> None:
        for item in queue:
            await one(item)

    try:
        async with anyio.create_task_group() as tasks:
            if concurrency is None:
                for item in queue:
                    tasks.start_soon(one, item)
            else:
                for _ in range(concurrency):
                    tasks.start_soon(some)
    except BaseExceptionGroup as errors:
        error = first_error(errors)
        raise error from error.__cause__
    if cut_off:  # one task alone was cancelled, which the group does not report
        raise cut_off[0]


async def both(
    first: Callable[[], Awaitable[S]], second: Callable[[], Awaitable[T]]
) -> tuple[S, T]:
    """Return the results of two calls; unlike `asyncio.gather`, an error of one ends the other."""
    calls, results = (first, second), dict[int, Any]()

    async def call(number: int) -> None:
        results[number] = await calls[number]()

    await for_each((0, 1), call)
    return results[0], results[1]


def first_error(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error in a group, at any depth."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def cancellation_behind(timeout: TimeoutError) -> BaseException | None:
    """Return the cancellation that an expired `asyncio.timeout` has turned into its error."""
    return timeout.__cause__ or timeout.__context__  # Python 3.11.2 sets the context alone


async def in_chunks(items: Sequence[S], work: Callable[[S], T]) -> list[T]:
    """Return `work(item)` for each, and let other tasks run in between."""
    results: list[T] = []
    for start in range(0, len(items), _CHUNK):
        if start:
            await asyncio.sleep(0)
        results += map(work, items[start : start + _CHUNK])
    return results


async def with_budget(call: Callable[[], Awaitable[T]]) -> T:
    """Return the result of a call that may be repeated, waiting for the request budget.

    After 429 answers that took an hour, the longest window of any quota, the error is raised.
    """
    waited = 0.0
    while True:
        try:
            return await call()
        except RateLimitError as error:
            if not error.retry_after or waited >= LONGEST_HOLD_S:
                raise
            if error.code != PACED_BY_CLIENT:
                waited += error.retry_after
            await asyncio.sleep(error.retry_after)
