"""Tests of `watch()` of an account or a region: one stream, on a virtual clock."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest
from attrs import evolve

from di_async import (
    AuthenticationError,
    ClientClosedError,
    DecodeError,
    InvalidInputError,
    RequestBudget,
    StatusChange,
)
from di_async.core.http import Request, Response
from tests.fake_network import Answer, Delayed, answer, virtual_client
from tests.fleet.support import others
from tests.support import VIRTUAL

pytestmark = VIRTUAL
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


async def test_tasks_share_a_stream() -> None:
    """Each event comes to one of two tasks that wait for the next one; neither waits for ever."""
    async with virtual_client() as (client, transport):
        ids = {transport.world.add_instance(now=transport.now()).id for _ in range(4)}
        stream = client.dedicated_inferences.watch()
        got = await asyncio.wait_for(asyncio.gather(take(stream, 2), take(stream, 2)), 600)
    assert {event.id for events in got for event in events} == ids


async def test_closing_ends_the_steps_under_way() -> None:
    """Closing a stream ends the steps of all tasks that wait for an event, and its reads."""
    async with virtual_client() as (client, transport):
        transport.world.add_instance(now=transport.now())
        stream = client.dedicated_inferences.watch()
        await anext(stream)
        steps = [asyncio.ensure_future(take(stream, 1)) for _ in range(3)]
        await asyncio.sleep(60)
        await stream.aclose()
        await asyncio.wait(steps, timeout=1)
        assert [type(step.exception()) for step in steps] == [StopAsyncIteration] * 3
        assert others() == set()


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


class _Rows:
    """An intercept that replaces what a list page shows."""

    def __init__(self, change: Callable[[dict[str, Any], int], None]) -> None:
        self.change = change

    def __call__(self, request: Request, answer: Answer) -> Answer:
        if request.path != "/v2/dedicated-inferences" or request.method != "GET":
            return answer
        assert isinstance(answer, Delayed)
        assert isinstance(answer.answer, Response)
        body = orjson.loads(answer.answer.body)
        self.change(body, int(dict(request.params)["page"]))
        return Delayed(answer.after_s, evolve(answer.answer, body=orjson.dumps(body)))


async def test_watch_follows_next_links_without_a_total() -> None:
    """A watch reads all pages where the list shows neither a total nor its last page."""
    async with virtual_client() as (client, transport):
        placed = [transport.world.add_instance(now=transport.now()) for _ in range(3)]
        rows: list[Any] = []

        def one_row_a_page(body: dict[str, Any], page: int) -> None:
            rows[:] = body["dedicated_inferences"] or rows
            body["dedicated_inferences"] = rows[page - 1 : page]
            body["links"] = {"pages": {"next": f"?page={page + 1}"}} if page < 3 else {}
            del body["meta"]

        transport.intercept = _Rows(one_row_a_page)
        events = await take(client.dedicated_inferences.watch(), 3)
    assert [event.id for event in events] == [one.id for one in placed]


async def test_row_without_a_readable_id_is_skipped() -> None:
    """A watch skips rows whose id cannot be read, and reports the others."""

    def add_odd(body: dict[str, Any], _: int) -> None:
        odd = [{"id": [1]}, {"id": {"x": 1}}, {"id": ""}, {}, None, "text", 7]
        body["dedicated_inferences"][:0] = odd

    async with virtual_client() as (client, transport):
        placed = transport.world.add_instance(now=transport.now())
        transport.intercept = _Rows(add_odd)
        assert (await anext(client.dedicated_inferences.watch())).id == placed.id


async def test_list_without_any_readable_id_is_an_error() -> None:
    """A watch that can read no row at all ends with `DecodeError`."""

    def all_odd(body: dict[str, Any], _: int) -> None:
        body["dedicated_inferences"] = [{"id": {"x": 1}}]

    async with virtual_client() as (client, transport):
        transport.intercept = _Rows(all_odd)
        with pytest.raises(DecodeError, match="id"):
            await anext(client.dedicated_inferences.watch())


async def test_resource_that_cannot_be_read_concerns_no_other() -> None:
    """A GET that is refused for one instance hides no event of another."""
    async with virtual_client() as (client, transport):
        bad, old = (transport.world.add_instance(now=transport.now()) for _ in range(2))
        stream = client.dedicated_inferences.watch()
        await take(stream, 2)

        def refuse(request: Request, shown: Answer) -> Answer:
            return (
                answer(403, {"id": "forbidden", "message": "no"})
                if bad.id in request.path
                else shown
            )

        transport.intercept = refuse
        transport.world.fault("list_lag", id=bad.id, seconds=6000)
        await client.dedicated_inferences.delete(old.id)
        events = await take(stream, 2)
    assert [(event.id, event.status) for event in events] == [(old.id, "deleting"), (old.id, None)]
