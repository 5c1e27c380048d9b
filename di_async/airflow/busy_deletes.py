"""Deletes that have to be accepted, whatever else is under way."""

import asyncio
from typing import Any

from di_async.core.errors import ConflictError, NotFoundError
from di_async.engine.deployments.deployable import Deployable

__all__ = ["delete_accepted"]

_BUSY_S = 600.0
"""Seconds to go on while another operation holds the deployment."""


async def delete_accepted(target: Deployable[Any], id: str) -> None:
    """Return once a delete is accepted, or nothing is left to delete.

    Raises:
        DIError: it is refused, or another operation holds the deployment for ten minutes.
    """
    engine = target.engine
    until = engine.clock.now() + _BUSY_S
    while True:
        try:
            await target.delete(id)
        except NotFoundError:
            return
        except ConflictError:
            if engine.clock.now() >= until:
                raise
        else:
            return
        await asyncio.sleep(engine.polling.target_lag)
