"""Tests of `create(..., name_timeout=seconds)`: names that are on their way out."""

import asyncio
from typing import Any

import pytest

from di_async import ConflictError, InvalidInputError
from di_async.emulator import Lifecycle, World
from tests.clouds.support import (
    CLOUDS,
    CREATE_S,
    DELETE_S,
    VIRTUAL,
    Cloud,
    a_world,
    everywhere,
    now,
    requests_of,
)

pytestmark = VIRTUAL
LAG_S = 60.0
unique = pytest.mark.parametrize(
    "cloud", [cloud for cloud in CLOUDS if cloud.name != "exoscale"], ids=lambda cloud: cloud.name
)


def lagging_world() -> World:
    """Return a world where a name stays taken after GET answers 404."""
    return a_world(lifecycle=Lifecycle(create=CREATE_S, delete=DELETE_S, name_lag=LAG_S))


def creates(world: World) -> int:
    """Return how many creates were sent."""
    return len(requests_of(world, "POST"))


@unique
async def test_name_of_a_resource_being_deleted(cloud: Cloud) -> None:
    """The create waits for the deletion and for the name, reads rarely, and creates one."""
    world = lagging_world()
    async with cloud.client(world) as client:
        first = await cloud.settled(client, "again")
        await cloud.delete(client, first)
        began, sent = now(), len(world.requests)
        change = await cloud.create(client, "again", name_timeout=600)
        assert DELETE_S + LAG_S <= now() - began <= DELETE_S + LAG_S + 31
        assert len(world.requests) - sent <= 30
        assert (await change.wait()).name == "again"


@unique
async def test_name_that_is_not_free_in_time(cloud: Cloud) -> None:
    """After `name_timeout` seconds the conflict is raised; without it, at once."""
    async with cloud.client(lagging_world()) as client:
        await cloud.delete(client, await cloud.settled(client, "again"))
        for seconds in (0.0, 50.0):
            began = now()
            with pytest.raises(ConflictError):
                await cloud.create(client, "again", name_timeout=seconds)
            assert seconds <= now() - began <= seconds + 5


@unique
async def test_name_of_a_resource_that_stays(cloud: Cloud) -> None:
    """A name that belongs to a resource that stays is not waited for."""
    world = lagging_world()
    async with cloud.client(world) as client:
        await cloud.settled(client, "taken")
        began, before = now(), creates(world)
        with pytest.raises(ConflictError):
            await cloud.create(client, "taken", name_timeout=600)
        assert now() - began <= 10
        assert creates(world) - before == 1


@unique
async def test_cancelled_while_the_name_is_awaited(cloud: Cloud) -> None:
    """Cancelling while the name is taken creates nothing."""
    world = lagging_world()
    async with cloud.client(world) as client:
        await cloud.delete(client, await cloud.settled(client, "again"))
        task = asyncio.ensure_future(cloud.create(client, "again", name_timeout=600))
        await asyncio.sleep(20)
        before = creates(world)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(600)
        assert creates(world) == before


@everywhere
@pytest.mark.parametrize("seconds", [-1, "soon", True])
async def test_name_timeout_is_checked(cloud: Cloud, seconds: Any) -> None:
    """A `name_timeout` that is not a number of seconds is refused, and nothing is sent."""
    world = a_world()
    async with cloud.client(world) as client:
        with pytest.raises(InvalidInputError, match="name_timeout"):
            await cloud.create(client, "again", name_timeout=seconds)
    assert creates(world) == 0
