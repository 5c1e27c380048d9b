"""Tests of `watch()` of an account or a region: one stream, on a virtual clock."""

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
    """Return the next events."""
    return [await anext(stream) for _ in range(count)]


async def test_first_events_are_the_current_states() -> None:
    """The first events are the current states, from one list read."""
    async with virtual_client() as (client, transport):
        ids = [transport.world.add_instance(now=transport.now()).id for _ in range(3)]
        events = await take(client.dedicated_inferences.watch(), 3)
        assert len(transport.requests) == 1
    assert [(e.id, e.previous, e.status) for e in events] == [(id, None, "active") for id in ids]


async def test_later_events_are_changes() -> None:
    """Later events are changed, new and (by a 404) deleted instances."""
    async with virtual_client() as (client, transport):
        old = transport.world.add_instance(now=transport.now(), name="old")
        stream = client.dedicated_inferences.watch()
        await anext(stream)
        await client.dedicated_inferences.delete(old.id)
        new = transport.world.add_instance(now=transport.now(), name="new")
        events = await take(stream, 3)
    seen = {(e.id, e.previous, e.status, e.source) for e in events}
    assert seen == {
        (old.id, "active", "deleting", "list"),
        (new.id, None, "active", "list"),
        (old.id, "deleting", None, "get"),
    }
    assert events[-1].note == "gone: GET answered 404"


async def test_row_missing_from_a_list_is_not_an_event() -> None:
    """An id missing from a list but found by a GET has no event."""
    async with virtual_client() as (client, transport):
        placed = transport.world.add_instance(now=transport.now())
        stream = client.dedicated_inferences.watch(region="atl1")
        await anext(stream)
        transport.world.fault("list_lag", id=placed.id, seconds=60)
        step = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(120)
        assert not step.done()
        step.cancel()


async def test_watch_of_a_region() -> None:
    """A region's watch reads and reports only that region."""
    async with virtual_client() as (client, transport):
        for region in ("atl1", "tor1"):
            transport.world.add_instance(now=transport.now(), region=region)
        event = await anext(client.dedicated_inferences.watch(region="tor1"))
        assert ("region", "tor1") in transport.requests[0].params
    assert event.resource.region == "tor1"


async def test_no_requests_between_steps() -> None:
    """No request is sent between two steps or after leaving, and no task is left."""
    async with virtual_client() as (client, transport):
        transport.world.add_instance(now=transport.now())
        async for _event in client.dedicated_inferences.watch():
            requests = len(transport.requests)
            await asyncio.sleep(3600)
            assert len(transport.requests) == requests
            break
        assert others() == set()


async def test_slow_consumer_gets_the_latest_states() -> None:
    """A slow consumer gets only the latest state of each instance."""
    async with virtual_client() as (client, transport):
        now = transport.now()
        first = transport.world.add_instance(now=now, name="first")
        slow = transport.world.add_instance(now=now, status="provisioning", settles_in=60)
        stream = client.dedicated_inferences.watch()
        assert (await anext(stream)).id == first.id
        await asyncio.sleep(120)
        event = await anext(stream)
    assert (event.id, event.previous, event.status) == (slow.id, None, "active")


async def test_watch_uses_half_of_the_polling_quota() -> None:
    """A watch uses at most half of the polling quota, whatever the policy."""
    async with virtual_client(budget=RequestBudget(per_hour=400)) as (client, transport):
        step = asyncio.ensure_future(anext(client.dedicated_inferences.watch()))
        await asyncio.sleep(3600)
        step.cancel()
        assert 100 < len(transport.requests) < 200


async def test_server_error_does_not_end_a_watch() -> None:
    """A server error does not end a watch."""
    async with virtual_client() as (client, transport):
        transport.world.add_instance(now=transport.now())
        transport.world.fault("status", status=500, on=LIST, times=3)
        assert (await anext(client.dedicated_inferences.watch())).status == "active"


async def test_refusal_ends_a_watch() -> None:
    """A refusal ends a watch with the API's error."""
    async with virtual_client() as (client, transport):
        transport.world.fault("status", status=401, on=LIST, times=None)
        with pytest.raises(AuthenticationError):
            await anext(client.dedicated_inferences.watch())


async def test_closing_the_client_ends_a_watch() -> None:
    """Closing the client ends a watch with `ClientClosedError`."""
    async with virtual_client() as (client, _):
        step = asyncio.ensure_future(anext(client.dedicated_inferences.watch()))
        await asyncio.sleep(10)
    with pytest.raises(ClientClosedError):
        await step


async def test_one_instance_or_a_region() -> None:
    """Passing an id and a region raises an error."""
    async with virtual_client() as (client, _):
        with pytest.raises(InvalidInputError, match="not both"):
            client.dedicated_inferences.watch("x", region="atl1")


async def test_stats() -> None:
    """Stats show waits, pages, reads by kind, pace and budget without a request."""
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
