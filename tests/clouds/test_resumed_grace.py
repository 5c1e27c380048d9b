"""Tests that a resumed wait keeps the time in which a 404 of a new resource proves nothing."""

import asyncio
import time

import pytest

from di_async.core.http import Request
from di_async.emulator import Lifecycle
from tests.clouds.support import VIRTUAL, Cloud, a_world, everywhere, now
from tests.fake_network import Answer, EmulatorNetwork, Intercept, answer

pytestmark = [everywhere, VIRTUAL]

# The error form of every API: `id` of DigitalOcean, `exception_class` of Gcore, else Exoscale.
MISSING = answer(
    404, dict.fromkeys(("id", "message", "exception_class", "title", "detail"), "not_found")
)


def unknown_until(id: str, until: float) -> Intercept:
    """Return an intercept by which reads do not know a resource until this loop time."""

    def intercept(request: Request, answer: Answer) -> Answer:
        reads_it = request.method == "GET" and request.path.endswith(f"/{id}")
        return MISSING if reads_it and now() < until else answer

    return intercept


async def test_resumed_wait_for_a_deletion_believes_no_404_of_a_new_resource(
    cloud: Cloud, networks: list[EmulatorNetwork]
) -> None:
    """In another process, too, a 404 settles a deletion only after the grace."""
    world = a_world(rate_limits=False)
    async with cloud.client(world, budget=None) as client:
        created = await cloud.create(client, "web-1")
        networks[0].intercept = unknown_until(created.id, now() + 60)
        change = cloud.api(client).begin_wait(created.id, deleted=True)
        token = change.resume_token
    async with cloud.client(world, budget=None) as client:
        networks[1].intercept = unknown_until(created.id, now() + 60)
        waiting = asyncio.ensure_future(cloud.api(client).resume(token).wait())
        await asyncio.sleep(100)
        assert not waiting.done()
        await asyncio.sleep(600)
        await cloud.delete(client, created.id)
        await waiting


async def test_delete_after_a_resumed_create_believes_no_404(
    cloud: Cloud, networks: list[EmulatorNetwork]
) -> None:
    """A client that resumes a new create knows that the resource is new."""
    world = a_world(rate_limits=False, lifecycle=Lifecycle(create=5, update=5, delete=120))
    async with cloud.client(world, budget=None) as client:
        created = await cloud.create(client, "web-1")
        await asyncio.sleep(10)
        token = created.resume_token
    async with cloud.client(world, budget=None) as client:
        network = networks[1]
        network.intercept = unknown_until(created.id, now() + 20)
        world.fault("status", status=404, on=cloud.DELETE, times=3)
        cloud.api(client).resume(token)
        change = await cloud.delete(client, created.id)
        assert not change.already_gone
        await change.wait()
        assert network.count("DELETE") == 4


@pytest.mark.parametrize("ahead", [-3600.0, 3600.0])
async def test_grace_ends_whatever_the_clock_shows(
    cloud: Cloud, networks: list[EmulatorNetwork], ahead: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine with another clock the grace is over after two minutes at the latest."""
    world = a_world(rate_limits=False)
    async with cloud.client(world, budget=None) as client:
        created = await cloud.create(client, "web-1")
        token = cloud.api(client).begin_wait(created.id, deleted=True).resume_token
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + ahead)
    async with cloud.client(world, budget=None) as client:
        networks[1].intercept = unknown_until(created.id, now() + 9999)
        began = now()
        await cloud.api(client).resume(token).wait(timeout=None)
        assert now() - began < 180


@pytest.mark.parametrize("ahead", [-500.0, 500.0])
async def test_resumed_wait_ends_whatever_the_clock_shows(
    cloud: Cloud, ahead: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that is behind makes the wait no longer than it was; a passed deadline is none."""
    world = a_world(rate_limits=False)
    world.fault("stuck", on=cloud.POST)
    async with cloud.client(world, budget=None) as client:
        change = await cloud.create(client, "web-1")
        with pytest.raises(TimeoutError):
            await change.wait(timeout=100)
        token = change.resume_token
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + ahead)
    async with cloud.client(world, budget=None) as client:
        api, began = cloud.api(client), now()
        with pytest.raises(TimeoutError):
            await api.resume(token).wait()
        longest = 110 if ahead < 0 else 7300
        assert now() - began < longest
