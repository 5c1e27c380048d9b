"""Helpers of the fleet's tests."""

import asyncio
from typing import Any

from di_async import Change, DigitalOcean
from di_async.emulator import World
from tests.builders.digitalocean import a_spec


async def creates(client: DigitalOcean, count: int) -> list[Change[Any]]:
    """Start this many creates and return their changes."""
    api = client.dedicated_inferences
    return [await api.create(a_spec(f"web-{n}")) for n in range(count)]


def break_one(world: World, change: Change[Any]) -> None:
    """Make this change fail immediately."""
    world.fault("error", id=change.id)


def others() -> set[asyncio.Task[Any]]:
    """Return the tasks of the loop except this one."""
    return asyncio.all_tasks() - {asyncio.current_task()}
