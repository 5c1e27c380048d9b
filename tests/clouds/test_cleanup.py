"""Deletions of what is temporary: what is not proven deleted is reported, since it may bill."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from di_async import CleanupError, DIError
from di_async.airflow.deployments import delete_accepted
from di_async.engine.deployments.cleanup import delete_named, delete_proven, finish
from di_async.engine.deployments.deployable import Deployable
from tests.clouds.support import DELETE_S, VIRTUAL, Cloud, a_world, now, on, requests_of
from tests.clouds.test_clocks import dated, network_of
from tests.clouds.test_temporary import everywhere, names, spec_of

pytestmark = VIRTUAL
NAME = "web-1"


def with_dates(client: Any) -> None:
    """Give all answers to a client a `Date`."""
    network = network_of(client)
    network.intercept = lambda _, answer: dated(network, answer)


# --- how often a deletion is tried --------------------------------------------------------------


@everywhere
async def test_busy_is_not_a_failure(cloud: Cloud) -> None:
    """A deployment that is busy with another change is deleted afterwards, however long it is."""
    world = a_world()
    async with cloud.client(world) as client:
        async with cloud.api(client).temporary(spec_of(cloud)):
            world.fault("status", on=cloud.DELETE, status=409, times=20)
        assert await names(cloud.api(client)) == []


@everywhere
async def test_failures_end_the_deletion_early(cloud: Cloud) -> None:
    """After some failures the error is raised, long before the time for the deletion ends."""
    world = a_world()
    async with cloud.client(world) as client:
        block = cloud.api(client).temporary(spec_of(cloud), cleanup_timeout=100_000)
        await block.__aenter__()
        world.fault("status", on=cloud.DELETE, status=500, times=None)
        began = now()
        with pytest.raises(CleanupError):
            await block.__aexit__(None, None, None)
        assert now() - began < 1000


@on("gcore-v3", "exoscale")
async def test_delete_that_was_not_carried_out(cloud: Cloud) -> None:
    """It is sent again when its task or operation has failed."""
    world = a_world()
    async with cloud.client(world) as client:
        async with cloud.api(client).temporary(spec_of(cloud)):
            world.fault("operation_failed", on=cloud.DELETE)
        assert len(requests_of(world, "DELETE")) == 2
        assert await names(cloud.api(client)) == []


# --- names that others use again ----------------------------------------------------------------


async def proven(target: Deployable[Any]) -> None:
    """Delete as `temporary`, `create_first_available` and `prune` do."""
    await delete_proven(target, NAME, now() + 900)


async def accepted(target: Deployable[Any]) -> None:
    """Delete as the operators for Airflow do."""
    await delete_accepted(target, NAME)


@on("gcore-v3")
@pytest.mark.parametrize("delete", [proven, accepted])
async def test_a_name_that_others_use_again_while_a_deletion_is_tried(
    cloud: Cloud, delete: Callable[[Deployable[Any]], Awaitable[None]]
) -> None:
    """While others delete it, ours is refused. What they create next with the name is kept."""
    world = a_world()
    async with cloud.client(world) as client, cloud.client(world) as others:
        with_dates(client)
        await cloud.settled(others, NAME)
        await cloud.delete(others, NAME)
        deleting = asyncio.ensure_future(delete(cloud.api(client).deployable()))
        await asyncio.sleep(DELETE_S)
        await (await cloud.create(others, NAME, name_timeout=600)).wait()
        await deleting
        assert NAME in await names(cloud.api(others))


@on("gcore-v3")
async def test_a_name_that_others_used_again_since_the_list(cloud: Cloud) -> None:
    """`prune` may delete hours after the list was read: what others created since is kept."""
    world = a_world()
    async with cloud.client(world) as client:
        target = cloud.api(client).deployable()
        await cloud.settled(client, NAME)
        (row,) = await target.list_named()
        await (await cloud.delete(client, NAME)).wait()
        await cloud.settled(client, NAME)
        error = await delete_named(target, row)
        assert "others have created it again" in str(error)
        (row,) = await target.list_named()
        assert await delete_named(target, row) is None
        assert await names(cloud.api(client)) == []


# --- creates whose outcome is not known ---------------------------------------------------------


@everywhere
async def test_lost_create_that_lists_show_late(cloud: Cloud) -> None:
    """What the create made is found and deleted, though lists lag behind it by ten seconds."""
    world = a_world()
    async with cloud.client(world) as client:
        world.fault("list_lag", on=cloud.POST, seconds=10)
        world.fault("reset", on=cloud.POST, after_commit=True)
        with suppress(DIError):
            async with cloud.api(client).temporary(spec_of(cloud)):
                pass
        await asyncio.sleep(1000)
        assert await names(cloud.api(client)) == []


@everywhere
async def test_lost_create_that_cannot_be_looked_up(cloud: Cloud) -> None:
    """It may exist, and the error says so."""
    world = a_world()
    async with cloud.client(world) as client:
        world.fault("reset", on=cloud.POST, after_commit=True)
        for reads in (cloud.LIST, cloud.GET):
            world.fault("status", on=reads, status=500, times=None)
        with pytest.raises(CleanupError, match="may still exist, and bill"):
            async with cloud.api(client).temporary(spec_of(cloud)):
                pass


# --- a loop that is shut down -------------------------------------------------------------------


async def test_work_is_begun_again_when_every_task_is_cancelled() -> None:
    """The end of `asyncio.run` cancels the deletion, too; the caller's cancellation is kept."""
    begun = []

    async def work() -> str:
        begun.append(now())
        await asyncio.sleep(10)
        return "deleted"

    ending = asyncio.ensure_future(finish(work))
    await asyncio.sleep(1)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    done, cancelled = await ending
    assert done.result() == "deleted"
    assert isinstance(cancelled, asyncio.CancelledError)
    assert begun == [0, 1]
