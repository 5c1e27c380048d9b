"""What the fleet's tests share."""

import asyncio
from typing import Any

from di_async import Change, DigitalOcean
from di_async.emulator import World
from tests.builders.digitalocean import a_spec


async def creates(client: DigitalOcean, count: int) -> list[Change[Any]]:
    """So many changes under way."""
    api = client.dedicated_inferences
    return [await api.create(a_spec(f"web-{n}")) for n in range(count)]


def break_one(world: World, change: Change[Any]) -> None:
    """This change will fail at once."""
    world.fault("error", id=change.id)


def others() -> set[asyncio.Task[Any]]:
    """Tasks beside the one that asks."""
    return asyncio.all_tasks() - {asyncio.current_task()}
