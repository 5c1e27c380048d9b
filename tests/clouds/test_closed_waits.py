"""Tests of waits whose client is closed, and of clients that are not open."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from di_async import ClientClosedError, DIError, HourlyPrice, InvalidInputError
from di_async.emulator import Lifecycle
from tests.clouds.support import REAL, VIRTUAL, Cloud, a_world, everywhere, on

pytestmark = VIRTUAL


async def follow(change: object) -> None:
    """Read all steps of a change."""
    async for _ in change.events():  # type: ignore[attr-defined]
        pass


@pytest.mark.parametrize("way", ["wait", "events"])
@everywhere
async def test_wait_of_a_client_that_is_closed(cloud: Cloud, way: str) -> None:
    """The error names the resource, says that it bills, and its token continues the wait."""
    world = a_world()
    async with cloud.client(world) as client:
        change = await cloud.create(client, "web-1")
        wait = change.wait() if way == "wait" else follow(change)
        waiting = asyncio.ensure_future(wait)
        await asyncio.sleep(20)
    with pytest.raises(ClientClosedError, match="closed while this wait was open") as caught:
        await waiting
    error = caught.value
    assert type(error) is ClientClosedError
    assert error.id == change.id
    assert change.id in str(error)
    assert "bills as long as it exists; `.resume_token` continues the wait" in str(error)
    async with cloud.client(world) as client:
        assert (await cloud.api(client).resume(error.resume_token).wait()).name == "web-1"


@pytest.mark.parametrize("way", ["wait", "connect", "events"])
@everywhere
async def test_wait_that_begins_after_the_client_was_closed(cloud: Cloud, way: str) -> None:
    """It raises the same as one that was open: what bills, and how to go on."""
    async with cloud.client(a_world()) as client:
        change = await cloud.create(client, "web-1")
    waits: dict[str, Any] = {
        "wait": change.wait(),
        "connect": change.connect(access_token="key"),
        "events": follow(change),
    }
    for other in waits.keys() - {way}:
        waits[other].close()
    with pytest.raises(ClientClosedError) as caught:
        await waits[way]
    assert (caught.value.id, caught.value.resume_token) == (change.id, change.resume_token)
    assert f"{change.id}" in str(caught.value)
    assert "bills as long as it exists" in str(caught.value)


@everywhere
async def test_wait_for_a_predicate_has_no_token(cloud: Cloud) -> None:
    """What cannot be resumed has no token, and the message names none."""
    async with cloud.client(a_world()) as client:
        change = await cloud.create(client, "web-1")
        wait = cloud.api(client).wait_until(change.id, lambda _: False)
        waiting = asyncio.ensure_future(wait)
        await asyncio.sleep(20)
    with pytest.raises(ClientClosedError) as caught:
        await waiting
    assert caught.value.resume_token is None
    assert "resume_token" not in str(caught.value)


@everywhere
async def test_error_of_a_predicate_stays_its_own(cloud: Cloud) -> None:
    """A `ClientClosedError` that a predicate raises is not taken for that of the client."""

    def predicate(_: object) -> bool:
        raise ClientClosedError("another client")

    async with cloud.client(a_world()) as client:
        id = await cloud.settled(client, "web-1")
        with pytest.raises(ClientClosedError, match=r"^another client$"):
            await cloud.api(client).wait_until(id, predicate)


@everywhere
async def test_client_that_is_not_open(cloud: Cloud) -> None:
    """Not entered, entered twice and closed all raise a `DIError` that is a `RuntimeError`."""
    world = a_world()
    client = cloud.make(world)
    with pytest.raises(ClientClosedError, match="Enter the client first"):
        await cloud.create(client, "web-1")
    async with client:
        with pytest.raises(ClientClosedError, match="entered once"):
            await client.__aenter__()
    with pytest.raises(ClientClosedError, match="closed") as caught:
        await cloud.create(client, "web-1")
    assert isinstance(caught.value, DIError)
    assert isinstance(caught.value, RuntimeError)


@everywhere
@REAL
async def test_client_of_another_loop(cloud: Cloud) -> None:
    """A client that is used on another event loop raises the same."""
    async with cloud.client(a_world()) as client:

        def use() -> None:
            with pytest.raises(ClientClosedError, match="belongs to the event loop"):
                asyncio.run(cloud.create(client, "web-1"))

        await asyncio.to_thread(use)


@everywhere
async def test_deadline_of_a_token(cloud: Cloud) -> None:
    """None before the first wait; one that has passed counts as none."""
    world = a_world(lifecycle=Lifecycle(create=90, update=5, delete=5))
    async with cloud.client(world) as client:
        change = await cloud.create(client, "web-1")
        early = change.resume_token
        with pytest.raises(TimeoutError):
            await change.wait(timeout=30)
        late = change.resume_token
        await asyncio.sleep(10)
    for token in (early, late):
        async with cloud.client(world) as client:
            assert (await cloud.api(client).resume(token)).name == "web-1"
    async with cloud.client(world) as client:
        change = cloud.api(client).begin_wait(await cloud.settled(client, "web-2"), deleted=True)
        with pytest.raises(TimeoutError):
            await change.wait(timeout=50)
        ahead = asyncio.ensure_future(change.wait(timeout=50))
        await asyncio.sleep(20)
        token = change.resume_token
        ahead.cancel()
        began = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            await cloud.api(client).resume(token)
        assert asyncio.get_running_loop().time() - began == pytest.approx(30, abs=2)


@on("digitalocean", "gcore-v3", "exoscale")  # API v2 of Gcore has no prices
async def test_max_hourly_names_its_forms(cloud: Cloud) -> None:
    """Text such as 10USD, which only the command takes, gets the forms that are accepted."""
    async with cloud.client(a_world()) as client:
        with pytest.raises(InvalidInputError, match=r"number .* such as 10, .*\{'EUR': 10\}"):
            await cloud.create(client, "web-1", max_hourly="10USD")


@on("digitalocean", "gcore-v3", "exoscale")
async def test_limit_without_an_amount_creates_nothing(cloud: Cloud) -> None:
    """A computed limit that is not a number is an input error before anything is sent."""
    world = a_world()
    async with cloud.client(world) as client:
        limit = HourlyPrice(Decimal("NaN"), "EUR")
        with pytest.raises(InvalidInputError, match="max_hourly"):
            await cloud.create(client, "web-1", max_hourly=limit)
        assert not world.created["web-1"]
