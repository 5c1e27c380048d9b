"""Tests that `watch()` believes neither a list that lags behind nor a replica that does."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from itertools import count
from typing import Any

import pytest

from di_async import DecodeError
from di_async.core.http import Request
from tests.clouds.support import CLOUDS, VIRTUAL, Cloud, a_world, everywhere, now
from tests.fake_network import Answer, EmulatorNetwork, answer

pytestmark = VIRTUAL
DATED = [cloud for cloud in CLOUDS if cloud.name in {"digitalocean", "exoscale"}]


def is_list(cloud: Cloud, request: Request) -> bool:
    """Return whether a request is for the list."""
    return request.method == "GET" and request.path.endswith(cloud.LIST.rsplit("/", 1)[-1])


async def collect(api: Any, events: list[tuple[str | None, str | None]]) -> None:
    """Add status and note of each event."""
    async with aclosing(api.watch()) as stream:
        async for event in stream:
            events.append((event.status, event.note))  # noqa: PERF401 - needed meanwhile


def replay_first_list(cloud: Cloud, network: EmulatorNetwork, when: Callable[[], bool]) -> None:
    """Answer lists with the first answer from now on, while this is true."""
    first: list[Answer] = []

    def intercept(request: Request, given: Answer) -> Answer:
        if not is_list(cloud, request):
            return given
        first.append(given)
        return first[0] if when() else given

    network.intercept = intercept


@everywhere
async def test_deleted_resource_that_a_list_still_shows_stays_deleted(
    cloud: Cloud, networks: list[EmulatorNetwork]
) -> None:
    """After a GET with 404, only another GET brings a resource back: a list may lag behind."""
    world = a_world(rate_limits=False)
    async with cloud.client(world, budget=None) as client:
        id = await cloud.settled(client, "web-1")
        events: list[tuple[str | None, str | None]] = []
        watching = asyncio.ensure_future(collect(cloud.api(client), events))
        lag = [0.0, 0.0]
        replay_first_list(cloud, networks[0], lambda: lag[0] <= now() < lag[1])
        await asyncio.sleep(60)
        await cloud.delete(client, id)
        await asyncio.sleep(150)
        assert events[-1][0] is None
        lag[:] = now(), now() + 60
        await asyncio.sleep(300)
        watching.cancel()
        assert events[-1][0] is None
        assert [status for status, _ in events].count(None) == 1


@pytest.mark.parametrize("cloud", DATED, ids=lambda cloud: cloud.name)
async def test_replicas_that_alternate_report_no_status_twice(
    cloud: Cloud, networks: list[EmulatorNetwork]
) -> None:
    """Rows that are older than what was reported are no news."""
    world = a_world(rate_limits=False)
    async with cloud.client(world, budget=None) as client:
        change = await cloud.create(client, "web-1")
        events: list[tuple[str | None, str | None]] = []
        watching = asyncio.ensure_future(collect(cloud.api(client), events))
        await asyncio.sleep(60)
        turns = count()
        replay_first_list(cloud, networks[0], lambda: next(turns) % 2 == 0)
        await change.wait()
        await asyncio.sleep(300)
        watching.cancel()
        shown = [status for status, _ in events]
        assert shown == list(dict.fromkeys(shown))


@everywhere
async def test_one_unusable_first_page_ends_no_watch(
    cloud: Cloud, networks: list[EmulatorNetwork]
) -> None:
    """A first page whose rows have no ids is read again; the third in a row is an error."""
    world = a_world(rate_limits=False)
    async with cloud.client(world, budget=None) as client:
        await cloud.settled(client, "web-1")
        key = {"digitalocean": "dedicated_inferences", "exoscale": "deployments"}
        rows = key.get(cloud.name, "results")
        bad = 2

        def intercept(request: Request, given: Answer) -> Answer:
            nonlocal bad
            if not is_list(cloud, request) or not bad:
                return given
            bad -= 1
            return answer(200, {rows: [{"id": ""}], "count": 1, "links": {}, "meta": {}})

        networks[0].intercept = intercept
        async with aclosing(cloud.api(client).watch()) as stream:
            assert (await anext(stream)).previous is None
        bad = 100
        async with aclosing(cloud.api(client).watch()) as stream:
            with pytest.raises(DecodeError, match="has an id"):
                await anext(stream)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
