"""Tests of what a delete by this client means for the other waits of the resource."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from di_async import DeploymentFailedError, ResourceVanishedError, SupersededError
from di_async.emulator import Lifecycle, World
from tests.clouds.support import VIRTUAL, Cloud, a_world, everywhere, now, on, requests_of
from tests.clouds.test_resumed_grace import unknown_until
from tests.fake_network import EmulatorNetwork

pytestmark = VIRTUAL

FOREVER = 1e9
NOTHING_LEFT = "Nothing is left to delete."


def a_quick_world() -> World:
    """Return a world in which a create takes two seconds: all clouds refuse no delete then."""
    lifecycle = Lifecycle(create=2, update=2, delete=60)
    return a_world(rate_limits=False, lifecycle=lifecycle)


@asynccontextmanager
async def never_shown(
    cloud: Cloud, networks: list[EmulatorNetwork]
) -> AsyncIterator[tuple[Any, Any, World]]:
    """Yield a client, its create of a resource that every read answers with 404, and the world."""
    world = a_quick_world()
    async with cloud.client(world, budget=None) as client:
        created = await cloud.create(client, "web-1")
        networks[0].intercept = unknown_until(created.id, FOREVER)
        yield client, created, world


@everywhere
async def test_wait_for_what_this_client_is_deleting(cloud: Cloud) -> None:
    """The error says who deletes it, and that it bills until it is gone."""
    world = a_quick_world()
    async with cloud.client(world, budget=None) as client:
        created = await cloud.create(client, "web-1")
        await asyncio.sleep(10)
        deleted = await cloud.delete(client, created.id)
        with pytest.raises(SupersededError, match="this client is deleting it") as caught:
            await created.wait()
        text = str(caught.value)
        assert "left alone" not in text
        assert "bills until it is gone; `wait_until_deleted(id)` returns once" in text
        await deleted
        with pytest.raises(SupersededError):
            await created.wait()


@on("digitalocean", "gcore-v2", "gcore-v3")  # Exoscale shows no deletion
async def test_wait_for_what_somebody_else_is_deleting(cloud: Cloud) -> None:
    """The error says that its deletion is under way."""
    world = a_quick_world()
    async with cloud.client(world, budget=None) as client, cloud.client(world) as other:
        created = await cloud.create(client, "web-1")
        await asyncio.sleep(10)
        await cloud.delete(other, created.id)
        with pytest.raises(SupersededError, match="superseded: it is being deleted") as caught:
            await created.wait()
        assert "Its deletion is under way" in caught.value.advice


@everywhere
async def test_proven_delete_ends_the_wait_of_a_create_that_was_never_seen(
    cloud: Cloud, networks: list[EmulatorNetwork]
) -> None:
    """The create's wait ends together with the delete's, not after the grace of a create."""
    async with never_shown(cloud, networks) as (client, created, _world):
        waiting = asyncio.ensure_future(created.wait())
        await asyncio.sleep(10)
        deleted = await cloud.delete(client, created.id)
        await deleted
        proven_at = now()
        with pytest.raises(ResourceVanishedError, match="was deleted by this client") as caught:
            await waiting
        assert now() - proven_at < 0.01
        assert caught.value.advice == NOTHING_LEFT
        assert "never seen" not in str(caught.value)


@everywhere
async def test_wait_that_begins_after_a_proven_delete(
    cloud: Cloud, networks: list[EmulatorNetwork]
) -> None:
    """It raises at once, and sends nothing."""
    async with never_shown(cloud, networks) as (client, created, world):
        await asyncio.sleep(10)
        await (await cloud.delete(client, created.id))
        sent = len(world.requests)
        with pytest.raises(ResourceVanishedError, match="was deleted by this client"):
            await created.wait()
        with pytest.raises(ResourceVanishedError, match="was deleted by this client"):
            [step async for step in created.events()]
        assert len(world.requests) == sent


@everywhere
async def test_accepted_delete_shortens_the_grace_of_all_waits(
    cloud: Cloud, networks: list[EmulatorNetwork]
) -> None:
    """Nobody awaits the delete: 30 s later a 404 ends the wait of the create, and a new one."""
    async with never_shown(cloud, networks) as (client, created, _world):
        waiting = asyncio.ensure_future(created.wait())
        await asyncio.sleep(10)
        await cloud.delete(client, created.id)
        deleted_at = now()
        later = cloud.api(client).begin_wait(created.id, deleted=True)
        await later
        assert 30 <= now() - deleted_at < 37
        with pytest.raises(ResourceVanishedError, match="was deleted by this client") as caught:
            await waiting
        assert 30 <= now() - deleted_at < 37
        assert caught.value.advice == NOTHING_LEFT


@everywhere
async def test_reads_after_a_delete_are_paced(
    cloud: Cloud, networks: list[EmulatorNetwork]
) -> None:
    """While a 404 of a new resource proves nothing, reads are `target_lag` apart as always."""
    async with never_shown(cloud, networks) as (client, created, world):
        await asyncio.sleep(10)
        await (await cloud.delete(client, created.id))
        of_resource = [at for at, path in requests_of(world) if path.endswith(created.id)]
        assert len(of_resource) <= 8
        gaps = [after - at for at, after in itertools.pairwise(of_resource)]
        assert all(gap >= 5 for gap in gaps)


@everywhere
async def test_create_that_never_appears_may_still_bill(
    cloud: Cloud, networks: list[EmulatorNetwork]
) -> None:
    """Without a delete, 404s are no proof: the error says to look for it."""
    async with never_shown(cloud, networks) as (_client, created, _world):
        with pytest.raises(ResourceVanishedError, match="never appeared") as caught:
            await created.wait()
        assert "may still appear, and would bill then" in caught.value.advice
        assert ".resume_token" in caught.value.advice


@on("gcore-v3")  # elsewhere ids are unique
async def test_name_that_is_used_again(cloud: Cloud, networks: list[EmulatorNetwork]) -> None:
    """Late proof of a delete does not end the wait of a later create of the same id."""
    world = a_world(rate_limits=False, lifecycle=Lifecycle(create=40, update=2, delete=2))
    async with cloud.client(world, budget=None) as client:
        await cloud.settled(client, "web-1")
        deleted = await cloud.delete(client, "web-1")
        await asyncio.sleep(10)
        created = await cloud.create(client, "web-1")
        networks[0].intercept = unknown_until("web-1", now() + 20)
        waiting = asyncio.ensure_future(created.wait())
        await deleted
        assert (await waiting).name == "web-1"


@everywhere
async def test_timeout_while_it_is_deleted(cloud: Cloud) -> None:
    """The wait of a delete that times out does not claim that the resource was left alone."""
    world = a_quick_world()
    async with cloud.client(world, budget=None) as client:
        id = await cloud.settled(client, "web-1")
        deleted = await cloud.delete(client, id)
        with pytest.raises(TimeoutError) as caught:
            await deleted.wait(timeout=10)
        assert "left alone" not in str(caught.value)
        assert "bills until it is gone; `.resume_token` continues the wait." in str(caught.value)


@on("gcore-v3", "exoscale")  # the others report no failure of a delete
async def test_delete_that_fails_is_forgotten(cloud: Cloud) -> None:
    """After a delete whose operation has failed, the wait of the create settles as before."""
    world = a_quick_world()
    async with cloud.client(world, budget=None) as client:
        created = await cloud.create(client, "web-1")
        await asyncio.sleep(10)
        world.fault("error", on=cloud.DELETE)
        deleted = await cloud.delete(client, created.id)
        with pytest.raises(DeploymentFailedError) as caught:
            await deleted
        assert "deletion is under way" not in str(caught.value)
        assert (await created).name == "web-1"


@on("digitalocean", "gcore-v2", "exoscale")  # the answer of v3 is a task's id
async def test_last_status_is_that_of_the_answer(cloud: Cloud) -> None:
    """Where no read succeeded, the error shows the status in the answer to the create."""
    world = a_quick_world()
    async with cloud.client(world, budget=None) as client:
        created = await cloud.create(client, "web-1")
        for path in (cloud.GET, *cloud.STEPS):
            world.fault("status", status=500, on=path, times=20)
        with pytest.raises(TimeoutError) as caught:
            await created.wait(timeout=10)
        assert "never seen" not in str(caught.value)
        answered = created.initial
        assert f"{answered.state if cloud.name == 'exoscale' else answered.status};" in str(
            caught.value
        )
