"""`watch()` of a whole account or a region: one stream, on a virtual clock."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from di_async import (
    AuthenticationError,
    ClientClosedError,
    InvalidInputError,
    RequestBudget,
    StatusChange,
)
from tests.fake_network import virtual_client
from tests.fleet.support import others

pytestmark = pytest.mark.looptime
LIST = "GET /v2/dedicated-inferences"


async def take(stream: AsyncIterator[StatusChange], count: int) -> list[StatusChange]:
    """The next events."""
    return [await anext(stream) for _ in range(count)]


async def test_it_begins_with_how_everything_is() -> None:
    """One event each, without a previous status, in one sweep."""
    async with virtual_client() as (client, transport):
        ids = [transport.world.add_instance(now=transport.now()).id for _ in range(3)]
        events = await take(client.dedicated_inferences.watch(), 3)
        assert len(transport.requests) == 1
    assert [(e.id, e.previous, e.status) for e in events] == [(id, None, "active") for id in ids]


async def test_then_it_tells_what_happens() -> None:
    """Changes, new ones, and (by a 404) those that are gone."""
    async with virtual_client() as (client, transport):
        old = transport.world.add_instance(now=transport.now(), name="old")
        stream = client.dedicated_inferences.watch()
        await anext(stream)
        await client.dedicated_inferences.delete(old.id)
        new = transport.world.add_instance(now=transport.now(), name="new")
        events = await take(stream, 3)
    told = {(e.id, e.previous, e.status, e.source) for e in events}
    assert told == {
        (old.id, "active", "deleting", "list"),
        (new.id, None, "active", "list"),
        (old.id, "deleting", None, "get"),
    }
    assert events[-1].note == "gone: GET answered 404"


async def test_absence_from_a_list_is_no_end() -> None:
    """Pages drift: an id that a GET still finds is not told as gone."""
    async with virtual_client() as (client, transport):
        placed = transport.world.add_instance(now=transport.now())
        stream = client.dedicated_inferences.watch(region="atl1")
        await anext(stream)
        transport.world.fault("list_lag", id=placed.id, seconds=60)
        step = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(120)
        assert not step.done()
        step.cancel()


async def test_a_region_is_all_that_is_told_of() -> None:
    """And all that is asked for."""
    async with virtual_client() as (client, transport):
        for region in ("atl1", "tor1"):
            transport.world.add_instance(now=transport.now(), region=region)
        event = await anext(client.dedicated_inferences.watch(region="tor1"))
        assert ("region", "tor1") in transport.requests[0].params
    assert event.resource.region == "tor1"


async def test_nothing_is_asked_while_nobody_asks() -> None:
    """Between two steps, and after leaving: no request, no task."""
    async with virtual_client() as (client, transport):
        transport.world.add_instance(now=transport.now())
        async for _event in client.dedicated_inferences.watch():
            asked = len(transport.requests)
            await asyncio.sleep(3600)
            assert len(transport.requests) == asked
            break
        assert others() == set()


async def test_a_slow_reader_gets_the_latest_state_of_each() -> None:
    """What was not taken in time is replaced, not queued: no more events than instances."""
    async with virtual_client() as (client, transport):
        now = transport.now()
        first = transport.world.add_instance(now=now, name="first")
        slow = transport.world.add_instance(now=now, status="provisioning", settles_in=60)
        stream = client.dedicated_inferences.watch()
        assert (await anext(stream)).id == first.id
        await asyncio.sleep(120)
        event = await anext(stream)
    assert (event.id, event.previous, event.status) == (slow.id, None, "active")


async def test_the_pace_leaves_most_of_the_budget_to_others() -> None:
    """At most half of what sweeps may spend, though the policy would like to look more often."""
    async with virtual_client(budget=RequestBudget(per_hour=400)) as (client, transport):
        step = asyncio.ensure_future(anext(client.dedicated_inferences.watch()))
        await asyncio.sleep(3600)
        step.cancel()
        assert 100 < len(transport.requests) < 200


async def test_a_stumble_is_survived() -> None:
    """An error of the server's is no end; the next sweep tells."""
    async with virtual_client() as (client, transport):
        transport.world.add_instance(now=transport.now())
        transport.world.fault("status", status=500, on=LIST, times=3)
        assert (await anext(client.dedicated_inferences.watch())).status == "active"


async def test_a_refusal_is_told() -> None:
    """Nobody waits for a token to become right."""
    async with virtual_client() as (client, transport):
        transport.world.fault("status", status=401, on=LIST, times=None)
        with pytest.raises(AuthenticationError):
            await anext(client.dedicated_inferences.watch())


async def test_closing_the_client_ends_it() -> None:
    """With the error that says so."""
    async with virtual_client() as (client, _):
        step = asyncio.ensure_future(anext(client.dedicated_inferences.watch()))
        await asyncio.sleep(10)
    with pytest.raises(ClientClosedError):
        await step


async def test_one_instance_or_a_region() -> None:
    """Both together mean nothing."""
    async with virtual_client() as (client, _):
        with pytest.raises(InvalidInputError, match="not both"):
            client.dedicated_inferences.watch("x", region="atl1")


async def test_stats_tell_what_waits_cost() -> None:
    """Awaited, pages, reads by kind, pace and budget: one value, no request."""
    async with virtual_client() as (client, transport):
        before = client.stats()
        changes = [
            client.dedicated_inferences.wait_until_deleted(
                transport.world.add_instance(now=transport.now()).id
            )
            for _ in range(5)
        ]
        waits = [asyncio.ensure_future(change) for change in changes]
        await asyncio.sleep(100)
        stats = client.stats()
        for wait in waits:
            wait.cancel()
    assert (before.awaited, before.pages, before.hour) == (0, None, 0)
    assert (stats.awaited, stats.pages, stats.refused, stats.confirms) == (5, 1, 0, 0)
    assert stats.gets + stats.lists == stats.hour == len(transport.requests)
    assert "5 awaited every 5 s" in str(stats)
