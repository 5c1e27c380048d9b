"""Several calls at once, of which an error comes out as itself and not in a group."""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

import anyio

__all__ = ["each", "first_of"]

T = TypeVar("T")


async def each(
    items: Iterable[T],
    work: Callable[[T], Coroutine[Any, Any, None]],
    *,
    at_once: int | None = None,
) -> None:
    """`work` done on all of these, `at_once` at a time; the first error ends the others."""
    queue = iter(items)

    async def some() -> None:
        for item in queue:
            await work(item)

    try:
        async with anyio.create_task_group() as tasks:
            if at_once is None:
                for item in queue:
                    tasks.start_soon(work, item)
            else:
                for _ in range(at_once):
                    tasks.start_soon(some)
    except BaseExceptionGroup as errors:
        error = first_of(errors)
        raise error from error.__cause__


def first_of(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error in a group, however deep."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
