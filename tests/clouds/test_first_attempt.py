"""Tests of `create(..., first_attempt_at=)`: a create that another call may have sent already."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from di_async import ConflictError, InvalidInputError, OutcomeUnknownError
from di_async.emulator import Lifecycle, World
from di_async.engine.clock import Clock
from tests.clouds.support import CLOUDS, DELETE_S, VIRTUAL, Cloud, a_world, everywhere, now
from tests.clouds.support import requests_of as sent

pytestmark = VIRTUAL
UNIQUE = {"digitalocean", "gcore-v3"}
unique = pytest.mark.parametrize(
    "cloud", [cloud for cloud in CLOUDS if cloud.name in UNIQUE], ids=lambda cloud: cloud.name
)
elsewhere = pytest.mark.parametrize(
    "cloud", [cloud for cloud in CLOUDS if cloud.name not in UNIQUE], ids=lambda cloud: cloud.name
)
RETRY_AFTER_S = 300.0


def creates(world: World) -> int:
    """Return how many creates were sent."""
    return len(sent(world, "POST"))


def wall() -> Clock:
    """Return a clock whose wall-clock time follows the virtual time from now on."""
    return Clock(asyncio.get_running_loop())


@unique
async def test_retry_adopts_what_the_first_attempt_made(cloud: Cloud) -> None:
    """A retry minutes later, in another client, adopts the deployment and sends no create."""
    world, clock = a_world(), wall()
    began = clock.datetime()
    async with cloud.client(world) as client, cloud.make(world) as later:
        first = await cloud.create(client, "web-1")
        await client.aclose()
        await asyncio.sleep(RETRY_AFTER_S)
        change = await cloud.create(later, "web-1", first_attempt_at=began)
        assert change.adopted
        assert change.id == first.id
        await change.wait()
    assert creates(world) == 1


@elsewhere
async def test_retry_names_the_candidates(cloud: Cloud) -> None:
    """Where names are not unique, the retry names what may be it, and sends no create."""
    world, clock = a_world(), wall()
    began = clock.datetime()
    async with cloud.client(world) as client, cloud.make(world) as later:
        first = await cloud.create(client, "web-1")
        made = (await first.wait()).id
        await client.aclose()
        await asyncio.sleep(RETRY_AFTER_S)
        with pytest.raises(OutcomeUnknownError, match=made) as caught:
            await cloud.create(later, "web-1", first_attempt_at=began)
    assert [one.id for one in caught.value.candidates] == [made]
    assert creates(world) == 1


@everywhere
async def test_retry_creates_what_was_never_made(cloud: Cloud) -> None:
    """If nothing has the name, the create is sent; at once where the API refuses a second one."""
    world, clock = a_world(), wall()
    began, start = clock.datetime(), now()
    async with cloud.client(world) as client:
        change = await cloud.create(client, "web-1", first_attempt_at=began)
        assert not change.adopted
        waited = now() - start
        assert waited < 10 if cloud.name in UNIQUE else 120 <= waited < 130
        await change.wait()
    assert creates(world) == 1


@unique
async def test_stranger_from_before_the_first_attempt(cloud: Cloud) -> None:
    """What was made before the first attempt is a stranger: the conflict names it."""
    world, clock = a_world(), wall()
    async with cloud.client(world) as client:
        stranger = await cloud.settled(client, "web-1")
        began = clock.datetime()
        await asyncio.sleep(RETRY_AFTER_S)
        with pytest.raises(ConflictError, match=f"taken by {stranger}, which no attempt"):
            await cloud.create(client, "web-1", first_attempt_at=began)
    assert creates(world) == 1


async def test_older_namesake_is_no_candidate() -> None:
    """Where names are not unique, an older deployment of the name does not stop the create."""
    cloud = CLOUDS[-1]
    world, clock = a_world(), wall()
    async with cloud.client(world) as client:
        stranger = await cloud.settled(client, "web-1")
        began = clock.datetime()
        await asyncio.sleep(RETRY_AFTER_S)
        change = await cloud.create(client, "web-1", first_attempt_at=began)
        assert (await change.wait()).id != stranger
    assert creates(world) == 2


@unique
async def test_first_attempt_that_no_read_shows_yet(cloud: Cloud) -> None:
    """A create refused because of a first attempt that reads do not show yet leads to a lookup."""
    world, clock = a_world(), wall()
    began = clock.datetime()
    async with cloud.client(world) as client:
        world.fault("not_found", on=cloud.POST, seconds=4)
        world.fault("list_lag", on=cloud.POST, seconds=4)
        first = await cloud.create(client, "web-1")
        change = await cloud.create(client, "web-1", first_attempt_at=began)
        assert change.adopted
        assert change.id == first.id
    assert creates(world) == 2


@unique
async def test_first_attempt_that_was_deleted_again(cloud: Cloud) -> None:
    """What is being deleted is not adopted; with `name_timeout` its name is waited for."""
    lifecycle = Lifecycle(create=60, delete=DELETE_S, name_lag=30)
    world, clock = a_world(lifecycle=lifecycle), wall()
    began = clock.datetime()
    async with cloud.client(world) as client:
        first = await cloud.settled(client, "web-1")
        await asyncio.sleep(RETRY_AFTER_S)
        await cloud.delete(client, first)
        with pytest.raises(ConflictError, match="is being deleted"):
            await cloud.create(client, "web-1", first_attempt_at=began)
        change = await cloud.create(client, "web-1", first_attempt_at=began, name_timeout=600)
        assert not change.adopted
        await change.wait()


@everywhere
@pytest.mark.parametrize("at", [datetime(2026, 5, 1), 1_767_225_600.0, "now"])  # noqa: DTZ001
async def test_time_must_be_an_aware_datetime(cloud: Cloud, at: Any) -> None:
    """A time without a zone is refused, and nothing is sent."""
    world = a_world()
    async with cloud.client(world) as client:
        with pytest.raises(InvalidInputError, match="first_attempt_at"):
            await cloud.create(client, "web-1", first_attempt_at=at)
    assert creates(world) == 0


@everywhere
async def test_time_in_the_future_is_now(cloud: Cloud) -> None:
    """A machine whose clock is ahead has made its first attempt at the latest just now."""
    world = a_world()
    async with cloud.client(world) as client:
        change = await cloud.create(
            client, "web-1", first_attempt_at=datetime(2100, 1, 1, tzinfo=UTC)
        )
        await change.wait()
    assert creates(world) == 1
