"""Reads before and after a write. They may lag behind it, and a failed one decides nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from di_async.core.errors import ClientClosedError, DecodeError, DIError, NotFoundError
from di_async.core.http import Request
from di_async.core.server_clock import CLOCK_SKEW_S
from di_async.core.waiting.evidence import CREATE_GRACE_S
from di_async.core.waiting.resource_adapter import ResourceAdapter
from di_async.engine.engine import Engine
from di_async.engine.log import Log

__all__ = ["LOOKUP_DELAYS_S", "read_after", "read_listed"]

logger = Log("di_async")

R = TypeVar("R")

LOOKUP_DELAYS_S = (0.5, 2.0, 5.0)
"""Seconds before each read after a lost response: reads lag behind writes."""


async def read_after(seconds: float, what: str, read: Callable[[], Awaitable[R]]) -> R | DIError:
    """Return what a read shows after a pause; if it fails, log that, and return its error.

    `what` begins the log's message, such as "looking up web".

    Raises:
        ClientClosedError: the client was closed.
    """
    await asyncio.sleep(seconds)
    try:
        return await read()
    except ClientClosedError:
        raise
    except DIError as error:
        logger.info("%s failed: %s", what, error)
        return error


async def read_listed(
    engine: Engine,
    adapter: ResourceAdapter[Any],
    request: Request,
    row: R,
    get: Callable[[str], Awaitable[R]],
) -> R | None:
    """Return the resource of a list row as GET shows it; None if it was deleted since.

    GET may not know a new resource yet. It is then read again, and in the end the row is returned.

    Args:
        engine: the client's engine.
        adapter: of the resource's type.
        request: the request of the list, which shows whose clock stamped the row.
        row: the list row, with `id` and `created_at`.
        get: returns a resource.

    Raises:
        DecodeError: (transient) the row shows no id, so the resource cannot be read.
    """
    id: str = getattr(row, "id", "")
    if not id:
        raise DecodeError(
            f"a row of the list of every {adapter.noun} has no id, so it cannot be read @ $.id",
            transient=True,
        )
    for pause in (0.0, *LOOKUP_DELAYS_S):
        await asyncio.sleep(pause)
        try:
            return await get(id)
        except NotFoundError:
            if not _is_new(engine, adapter, request, row):
                return None
    logger.info("%s is listed, but GET does not find it yet", id)
    return row


def _is_new(engine: Engine, adapter: ResourceAdapter[Any], request: Request, row: Any) -> bool:
    """Return whether a 404 proves nothing about a listed resource, as it is new."""
    if engine.clock.now() < engine.creation_grace(adapter, row.id):
        return True
    if row.created_at is None:
        return False
    window = engine.call_window(request, engine.clock.moment())
    age: float = window.now - row.created_at.timestamp()
    return -CLOCK_SKEW_S < age < CREATE_GRACE_S
