"""Undocumented fields do not keep our own write from settling."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from di_async import SupersededError, TransportError
from di_async.core.http import Request, Response
from tests.builders.gcore import (
    ID,
    NAME,
    a_container,
    a_deployment,
    a_spec,
    a_task,
    accepted,
    an_instance,
)
from tests.fake_network import answer
from tests.gcore.helpers import ONE, TASK_PATH, V2, V3, routed, sent
from tests.support import VIRTUAL

pytestmark = VIRTUAL

ROLLOUT_S = 60.0
FLAVOR = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"


def scaled(high: int = 3) -> list[dict[str, Any]]:
    """Return a container with an undocumented trigger."""
    queue = {"queue_depth": {"threshold": 3}}
    return [a_container(scale={"min": 1, "max": high, "triggers": queue})]


GRPC = {"grpc": {"port": 1}, "period_seconds": 3}


class Server:
    """One resource that shows new fields at once and is ready after a minute."""

    def __init__(self, live: dict[str, Any]) -> None:
        self.live = live
        self.ready_at = 0.0

    def show(self, _: Request) -> Response:
        over = asyncio.get_running_loop().time() >= self.ready_at
        return answer(200, {**self.live, "status": "ACTIVE" if over else "DEPLOYING"})

    def apply(self, request: Request) -> None:
        self.live |= sent(request)
        self.ready_at = asyncio.get_running_loop().time() + ROLLOUT_S

    def patch(self, request: Request) -> Response:
        self.apply(request)
        return accepted()

    def put(self, request: Request) -> Response:
        """Show UUIDs in lower case, as the vendor does."""
        self.apply(request)
        self.live["flavor_id"] = self.live["flavor_id"].lower()
        return self.show(request)

    def routes(self) -> dict[str, Any]:
        """Return the routes of both API versions."""
        return {
            f"GET {ONE}": self.show,
            f"PATCH {ONE}": self.patch,
            f"GET {TASK_PATH}": answer(200, a_task()),
            f"GET {V2}/{ID}": self.show,
            f"PUT {V2}/{ID}": self.put,
        }


@pytest.mark.parametrize(
    "fields",
    [
        {"containers": scaled(5)},
        {"containers": scaled(3)},
        {"ingress_opts": {"disable_response_buffering": True, "sticky": True}},
        {"logging": {"enabled": True, "topic_name": "t", "format": "json"}},
        {"probes": {"liveness_probe": {"enabled": True, "probe": GRPC}}},
    ],
    ids=["trigger and scale", "trigger", "ingress", "logging", "probe"],
)
async def test_v3_update_with_an_unknown_key_settles(fields: dict[str, Any]) -> None:
    """The update settles when its rollout ends."""
    async with routed(Server(a_deployment()).routes()) as (client, _):
        change = await client.inference_deployments.update(NAME, **fields)
        assert (await change.wait()).status == "ACTIVE"
    assert change.elapsed >= ROLLOUT_S


async def test_v2_update_beside_an_unknown_key_settles() -> None:
    """The PUT keeps the unknown key, and the update settles."""
    server = Server(an_instance(containers=scaled()))
    async with routed(server.routes()) as (client, _):
        change = await client.inference_instances.update(ID, image="nginx:2")
        assert (await change.wait()).image == "nginx:2"
    assert server.live["containers"] == scaled()


async def test_update_with_a_uuid_in_capitals_settles() -> None:
    """A UUID matches in lower and upper case."""
    async with routed(Server(an_instance()).routes()) as (client, _):
        change = await client.inference_instances.update(ID, flavor_id=FLAVOR.upper())
        assert (await change.wait()).flavor_id == FLAVOR


async def test_known_fields_beside_an_unknown_key_are_compared() -> None:
    """A different value of a known field means that the update was superseded."""
    server = Server(a_deployment())
    routes = server.routes()

    def patch(request: Request) -> Response:
        server.apply(request)
        server.live["containers"] = scaled(9)
        return accepted()

    async with routed({**routes, f"PATCH {ONE}": patch}) as (client, _):
        change = await client.inference_deployments.update(NAME, containers=scaled(5))
        with pytest.raises(SupersededError):
            await change.wait()


async def test_lost_create_with_an_unknown_key_is_adopted() -> None:
    """A deployment that shows the fields sent is adopted."""
    spec = a_spec(containers=scaled())
    live = {**a_deployment("DEPLOYING"), **spec, "created_at": datetime.now(UTC).isoformat()}
    routes = {f"POST {V3}": TransportError("reset"), f"GET {ONE}": answer(200, live)}
    async with routed(routes) as (client, network):
        assert (await client.inference_deployments.create(spec)).adopted
    assert len(network.requests_of("POST")) == 1
