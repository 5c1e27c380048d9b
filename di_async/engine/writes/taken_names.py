"""Create under a name that a resource being deleted still holds.

The name stays taken until some time after GET has answered 404. Until then the API refuses a create
of that name as a conflict.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from di_async.core.errors import ConflictError, DIError
from di_async.core.seconds import checked_seconds
from di_async.engine.engine import Engine
from di_async.engine.log import Log
from di_async.engine.reading import read_after

__all__ = ["create_when_free"]

logger = Log("di_async")

# Seconds between two reads grow by this factor, up to this many.
_GROWTH, _LONGEST_S = 1.5, 30.0
# One read may be stale and show a resource that is being deleted as it was before.
_ALIVE_READS = 2

R = TypeVar("R")
T = TypeVar("T")


async def create_when_free(
    engine: Engine,
    name: str,
    name_timeout: float,
    *,
    create: Callable[[], Awaitable[T]],
    find: Callable[[], Awaitable[Sequence[R]]],
    is_leaving: Callable[[R], bool],
) -> T:
    """Return what `create` returns, trying again while what holds the name is deleted.

    Args:
        engine: the client's engine.
        name: the name, for the log.
        name_timeout: seconds to keep trying; 0 tries once.
        create: sends the create.
        find: returns everything of that name.
        is_leaving: whether one of these is being deleted.

    Raises:
        ConflictError: the name belongs to a resource that stays, or is still taken.
        InvalidInputError: `name_timeout` is not a number of seconds; nothing was sent.
    """
    checked_seconds(name_timeout, "name_timeout")
    give_up_at = engine.clock.now() + name_timeout
    pause, alive = engine.polling.target_lag, 0
    taken: ConflictError | None = None
    while True:
        if taken is None:
            try:
                return await create()
            except ConflictError as error:
                taken = error
        left = give_up_at - engine.clock.now()
        if left <= 0:
            raise taken
        read = await read_after(0, f"looking up {name}", find)
        found = () if isinstance(read, DIError) else read
        alive = alive + 1 if any(not is_leaving(one) for one in found) else 0
        if alive >= _ALIVE_READS:
            raise taken
        logger.info("the name %s is still taken; %.0f s left to wait for it", name, left)
        await asyncio.sleep(min(pause, left))
        pause = min(pause * _GROWTH, max(_LONGEST_S, engine.polling.target_lag))
        if not found or engine.clock.now() >= give_up_at:
            taken = None  # nothing holds it visibly, or this is the last try
