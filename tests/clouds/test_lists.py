"""Tests of lists that fail, on every cloud: they prove nothing, and no wait hangs."""

import asyncio

import orjson
import pytest
from attrs import evolve

from di_async import PollPolicy, wait_all
from di_async.core.http import Request, Response
from di_async.emulator import Lifecycle
from tests.clouds.support import CREATE_S, VIRTUAL, Cloud, a_world, everywhere, now
from tests.fake_network import Answer, Delayed, EmulatorNetwork, Intercept, answer

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


@pytest.mark.half
@pytest.mark.parametrize(("status", "count"), [(401, 2), (403, 2), (403, 20), (404, 2), (405, 2)])
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


SLOW = PollPolicy(target_lag=30, confirm="never")


@pytest.mark.parametrize(("status", "pause"), [(503, 300.0), (403, 3600.0)])
async def test_list_is_used_again_after_a_pause_by_the_waits_that_are_there(
    cloud: Cloud, networks: list[EmulatorNetwork], status: int, pause: float
) -> None:
    """A list that failed is read again after a pause, for waits that began before the failure."""
    lifecycle = Lifecycle(create=3 * pause, update=1, delete=1)
    world = a_world(rate_limits=False, lifecycle=lifecycle)
    async with cloud.client(world, budget=None, polling=SLOW) as client:
        changes = [await cloud.create(client, f"web-{n:03}") for n in range(4)]
        networks[0].intercept = lists_with(answer(status, REFUSED))
        waits = [asyncio.ensure_future(change.wait(timeout=None)) for change in changes]
        await asyncio.sleep(pause / 2)
        networks[0].intercept = None
        assert client.stats().lists <= 3
        await asyncio.sleep(pause)
        before = client.stats()
        await asyncio.sleep(300)
        after = client.stats()
        assert after.lists > before.lists
        assert after.gets == before.gets
        await asyncio.gather(*waits)


async def test_list_that_fails_again_is_paused_after_one_page(
    cloud: Cloud, networks: list[EmulatorNetwork]
) -> None:
    """While a list fails, each pause costs one page, and no wait is held up by more."""
    world = a_world(rate_limits=False, lifecycle=Lifecycle(create=1800, update=1, delete=1))
    async with cloud.client(world, budget=None, polling=SLOW) as client:
        changes = [await cloud.create(client, f"web-{n:03}") for n in range(4)]
        networks[0].intercept = lists_with(answer(503, REFUSED))
        report = await wait_all(changes, timeout=3600)
        assert len(report.succeeded) == 4
        assert 3 + 3 <= client.stats().lists <= 3 + 6
        assert now() < 1800 + 240


@pytest.mark.parametrize("total", ["5", None])
async def test_odd_totals_hide_no_row(
    cloud: Cloud, networks: list[EmulatorNetwork], total: str | None
) -> None:
    """All pages are read where the total is text, or missing, and there are no links."""

    def intercept(request: Request, answer: Answer) -> Answer:
        assert isinstance(answer, Delayed)
        assert isinstance(answer.answer, Response)
        body = orjson.loads(answer.answer.body)
        body |= {"meta": {"total": total}, "count": total, "links": {}}
        return Delayed(answer.after_s, evolve(answer.answer, body=orjson.dumps(body)))

    pages = {} if cloud.name == "exoscale" else {"page_size": 1}
    async with cloud.client(a_world(rate_limits=False), budget=None) as client:
        names = {f"web-{n}" for n in range(5)}
        for name in names:
            await cloud.create(client, name)
        networks[0].intercept = intercept
        listing, before = cloud.api(client).list(**pages), len(networks[0].requests)
        assert {row.name for row in await listing} == names
        assert not listing.drifted
        sent = len(networks[0].requests) - before
    assert sent == (1 if not pages else 5 if total else 6)
