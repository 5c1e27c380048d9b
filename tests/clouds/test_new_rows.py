"""Tests that a new resource which a list shows is not lost because GET does not know it yet."""

import asyncio
from typing import Any

import orjson
import pytest

from di_async import OutcomeUnknownError, TransportError
from di_async.core.http import Request, Response
from di_async.emulator import Lifecycle
from tests.clouds.support import CLOUDS, VIRTUAL, Cloud, a_world, everywhere, now
from tests.fake_network import Answer, Delayed, EmulatorNetwork, answer

pytestmark = VIRTUAL
MISSING = answer(
    404, dict.fromkeys(("id", "message", "exception_class", "title", "detail"), "not_found")
)
DIGITALOCEAN, EXOSCALE = CLOUDS[0], CLOUDS[-1]


def unknown_to_get(network: EmulatorNetwork, cloud: Cloud, until: float) -> None:
    """Let GETs of single resources answer 404 until this loop time."""
    collection = cloud.LIST.rsplit("/", 1)[-1]

    def intercept(request: Request, answer: Answer) -> Answer:
        parent = request.path.rsplit("/", 2)[-2]
        one = request.method == "GET" and parent == collection
        return MISSING if one and now() < until else answer

    network.intercept = intercept


@pytest.mark.parametrize("seconds", [1.0, 60.0])
async def test_find_returns_a_new_instance(networks: list[EmulatorNetwork], seconds: float) -> None:
    """`find` reads it again, and returns the list row in the end."""
    world = a_world(rate_limits=False)
    async with DIGITALOCEAN.client(world, budget=None) as other:
        created = await DIGITALOCEAN.create(other, "web-1")
    async with DIGITALOCEAN.client(world, budget=None) as client:
        unknown_to_get(networks[1], DIGITALOCEAN, now() + seconds)
        found = await DIGITALOCEAN.api(client).find("web-1")
        assert found is not None
        assert found.id == created.id


async def test_find_returns_no_old_instance(networks: list[EmulatorNetwork]) -> None:
    """What is older than two minutes, and GET does not find, was deleted."""
    world = a_world(rate_limits=False)
    async with DIGITALOCEAN.client(world, budget=None) as client:
        await DIGITALOCEAN.settled(client, "web-1")
        unknown_to_get(networks[0], DIGITALOCEAN, now() + 60)
        began = now()
        assert await DIGITALOCEAN.api(client).find("web-1") is None
        assert now() - began < 1


@pytest.mark.parametrize("with_spec", [True, False])
async def test_lost_create_that_get_does_not_know_is_not_refused(
    networks: list[EmulatorNetwork], with_spec: bool
) -> None:
    """A lost create whose instance only the list shows is adopted by its spec, or a candidate."""
    world = a_world(rate_limits=False)
    async with DIGITALOCEAN.client(world, budget=None) as client:
        unknown_to_get(networks[0], DIGITALOCEAN, now() + 600)
        spared = networks[0].intercept
        assert spared is not None

        def lose(request: Request, answer: Answer) -> Answer:
            if request.method == "POST":
                return TransportError("reset")
            listed = request.path == "/v2/dedicated-inferences" and not with_spec
            return without_specs(answer) if listed else spared(request, answer)

        networks[0].intercept = lose
        if with_spec:
            assert (await DIGITALOCEAN.create(client, "web-1")).adopted
        else:
            with pytest.raises(OutcomeUnknownError) as caught:
                await DIGITALOCEAN.create(client, "web-1")
            assert len(caught.value.candidates) == 1
    assert world.created["web-1"] == 1


def without_specs(found: Answer) -> Answer:
    """Return a list page whose rows lack the spec."""
    inner = found.answer if isinstance(found, Delayed) else found
    assert isinstance(inner, Response)
    body = orjson.loads(inner.body)
    rows = body["dedicated_inferences"]
    light = [{**row, "spec": None, "pending_deployment_spec": None} for row in rows]
    return answer(200, {**body, "dedicated_inferences": light})


async def test_ensure_counts_a_new_deployment(networks: list[EmulatorNetwork]) -> None:
    """Where names are not unique, `ensure` makes no second one while GET does not know the first.

    It is known to GET some seconds later.
    """
    world = a_world(rate_limits=False, lifecycle=Lifecycle(create=5, update=5, delete=5))
    spec = {"name": "web-1", "model": {"name": "openai/gpt-oss-20b"}, "gpu-type": "gpua5000"}
    async with EXOSCALE.client(world, budget=None) as other:
        await EXOSCALE.create(other, "web-1")
    async with EXOSCALE.client(world, budget=None) as client:
        unknown_to_get(networks[1], EXOSCALE, now() + 2)
        ensured = await EXOSCALE.api(client).ensure(spec)
        assert ensured.action == "unchanged"
    assert world.created["web-1"] == 1


def without_rows(response: Response) -> Response:
    """Return an empty list in the form of the answer."""
    body: dict[str, Any] = orjson.loads(response.body)
    empty = {key: [] if isinstance(value, list) else value for key, value in body.items()}
    return answer(200, {**empty, "meta": {"total": 0}, "count": 0})


@everywhere
async def test_watch_reports_no_new_resource_as_gone(
    cloud: Cloud, networks: list[EmulatorNetwork]
) -> None:
    """A new resource that a stale replica does not know is not reported as gone."""
    world = a_world(rate_limits=False)
    async with cloud.client(world, budget=None) as client:
        events = []

        async def watch() -> None:
            async for event in cloud.api(client).watch():
                events.append(event)  # noqa: PERF401 - they are needed while the watch goes on

        watching = asyncio.ensure_future(watch())
        await asyncio.sleep(30)
        created = await cloud.create(client, "web-1")
        await asyncio.sleep(15)
        assert [event.id for event in events] == [created.id]
        unknown_to_get(networks[0], cloud, now() + 30)
        spared, until = networks[0].intercept, now() + 30
        assert spared is not None

        def stale(request: Request, answer: Answer) -> Answer:
            inner = answer.answer if isinstance(answer, Delayed) else answer
            lists = request.method == "GET" and request.path.endswith(cloud.LIST.split("/")[-1])
            if lists and now() < until and isinstance(inner, Response):
                return without_rows(inner)
            return spared(request, answer)

        networks[0].intercept = stale
        await asyncio.sleep(60)
        watching.cancel()
        await asyncio.wait([watching])
        assert [event.status for event in events if event.status is None] == []
