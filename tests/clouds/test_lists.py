"""Tests of lists that fail, on every cloud: they prove nothing, and no wait hangs."""

import asyncio

import pytest

from di_async import wait_all
from di_async.core.http import Request, Response
from tests.clouds.support import CREATE_S, VIRTUAL, Cloud, a_world, everywhere, now
from tests.fake_network import Answer, EmulatorNetwork, Intercept, answer

pytestmark = [everywhere, VIRTUAL]


# The error shape of every API: `id` of DigitalOcean, `exception_class` of Gcore, else Exoscale.
REFUSED = dict.fromkeys(("id", "message", "exception_class", "title", "detail"), "refused")


def lists_with(response: Response) -> Intercept:
    """Return an intercept that answers every list with this response."""

    def intercept(request: Request, answer: Answer) -> Answer:
        collection = request.path.rsplit("/", 1)[-1]
        listing = request.method == "GET" and collection in {
            "dedicated-inferences",
            "deployments",
            "deployment",
        }
        return response if listing else answer

    return intercept


async def test_404_of_a_list_settles_no_delete(
    cloud: Cloud, networks: list[EmulatorNetwork]
) -> None:
    """A list that answers 404 settles no delete."""
    world = a_world(rate_limits=False)
    async with cloud.client(world, budget=None) as client:
        changes = [await cloud.create(client, f"web-{n:03}") for n in range(20)]
        await wait_all(changes, timeout=7200)
        api = cloud.api(client)
        waits = [asyncio.ensure_future(api.wait_until_deleted(c.id)) for c in changes]
        await asyncio.sleep(60)
        networks[0].intercept = lists_with(
            answer(404, {"id": "not_found", "message": "no such route"})
        )
        await asyncio.sleep(120)
        assert not any(wait.done() for wait in waits)
        for wait in waits:
            wait.cancel()
        await asyncio.wait(waits)


@pytest.mark.parametrize("count", [2, 20])
@pytest.mark.parametrize("status", [401, 403, 404, 405])
async def test_refused_list_is_replaced_by_gets(
    cloud: Cloud, networks: list[EmulatorNetwork], status: int, count: int
) -> None:
    """A list that answers 403 is replaced by GETs for each wait."""
    world = a_world(rate_limits=False)
    async with cloud.client(world, budget=None) as client:
        changes = [await cloud.create(client, f"web-{n:03}") for n in range(count)]
        networks[0].intercept = lists_with(answer(status, REFUSED))
        report = await wait_all(changes, timeout=3600)
        assert len(report.succeeded) == count
        assert now() < CREATE_S + 120
