"""Tests that an answer counts only with what makes it the API's: a key's value, a resource's id."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest
from attrs import evolve

from di_async import DecodeError, OutcomeUnknownError, scan
from di_async.core.http import Request, Response
from tests.clouds.support import CLOUDS, VIRTUAL, Cloud, a_world
from tests.fake_network import Answer, Delayed, EmulatorNetwork, answer

pytestmark = VIRTUAL
DIGITALOCEAN, _, GCORE, EXOSCALE = CLOUDS


async def digitalocean_token(client: Any) -> Any:
    """Create an endpoint token."""
    id = await DIGITALOCEAN.settled(client, "web-1")
    return await client.dedicated_inferences.create_token(id, "ci")


KEYS: list[tuple[Cloud, Callable[[Any], Awaitable[Any]]]] = [
    (DIGITALOCEAN, digitalocean_token),
    (GCORE, lambda client: client.api_keys.create("ci-key")),
    (EXOSCALE, lambda client: client.api_keys.create("ci")),
]


def without(response: Response, names: set[str]) -> Response:
    """Return a JSON answer without these fields, at any depth."""

    def cut(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: cut(item) for key, item in value.items() if key not in names}
        return value

    return evolve(response, body=orjson.dumps(cut(orjson.loads(response.body))))


@pytest.mark.parametrize(("cloud", "create"), KEYS, ids=lambda one: getattr(one, "name", ""))
async def test_key_without_its_value_is_not_returned(
    cloud: Cloud,
    create: Callable[[Any], Awaitable[Any]],
    networks: list[EmulatorNetwork],
) -> None:
    """An answer that lacks the value counts as lost: the error names what may exist."""
    async with cloud.client(a_world(rate_limits=False), budget=None) as client:

        def intercept(request: Request, given: Answer) -> Answer:
            inner = given.answer if isinstance(given, Delayed) else given
            is_key = request.path.endswith(("/tokens", "/api_keys", "/api-key"))
            if request.method == "POST" and is_key and isinstance(inner, Response):
                return without(inner, {"value", "secret"})
            return given

        networks[0].intercept = intercept
        with pytest.raises(OutcomeUnknownError, match="its value is lost") as unknown:
            await create(client)
        assert len(unknown.value.candidates) == 1


GATEWAY = answer(200, {"name": "gateway", "status": "error", "message": "maintenance"})


async def test_status_page_of_a_gateway_is_no_deployment(networks: list[EmulatorNetwork]) -> None:
    """A body with a name and a status, as gateways send it, is neither read nor a failure."""
    async with EXOSCALE.client(a_world(rate_limits=False), budget=None) as client:
        change = await EXOSCALE.create(client, "web-1")
        network = networks[0]
        network.intercept = lambda request, given: GATEWAY if request.method == "GET" else given
        with pytest.raises(DecodeError, match="'id'"):
            await EXOSCALE.api(client).get(change.id)
        waiting = asyncio.ensure_future(change.wait())
        await asyncio.sleep(300)
        assert not waiting.done()
        network.intercept = None
        assert (await waiting).name == "web-1"


@pytest.mark.parametrize("depth", [500, 2_000, 100_000])
async def test_scan_survives_a_row_that_is_nested_too_deeply(
    networks: list[EmulatorNetwork], depth: int
) -> None:
    """It is an error of the list, and no RecursionError leaves the scan."""
    async with DIGITALOCEAN.client(a_world(rate_limits=False), budget=None) as client:
        await DIGITALOCEAN.settled(client, "web-1")
        deep = b"[" * depth + b"]" * depth

        def intercept(request: Request, given: Answer) -> Answer:
            if request.path != "/v2/dedicated-inferences" or not isinstance(given, Response):
                return given
            return evolve(given, body=given.body.replace(b'"id":', b'"odd":' + deep + b',"id":', 1))

        networks[0].intercept = intercept
        found = await scan(client)
        assert found.errors or len(found.rows) == 1
