"""`scan`: accounts and regions at once, and what fails is told beside the rest."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from di_async import DigitalOcean, NotFoundError, RequestBudget, ServerError, scan
from di_async.emulator import World
from di_async.fleet.scanning import ScanProgress
from tests.fake_network import virtual_client

pytestmark = pytest.mark.looptime
LIST = "GET /v2/dedicated-inferences"


def a_world(count: int = 6, dialect: Any = "documented", **settings: Any) -> World:
    """So many instances over three regions."""
    world = World(dialect, seed=0)
    for n in range(count):
        region = ("atl1", "nyc2", "tor1")[n % 3]
        world.add_instance(now=0.0, name=f"web-{n}", region=region, **settings)
    return world


async def test_one_list_covers_all_regions() -> None:
    """Without regions named: one list and one look at the prices."""
    async with virtual_client(a_world()) as (client, transport):
        found = await scan(client)
    assert [row.name for row in found] == [f"web-{n}" for n in range(6)]
    assert sorted(request.path for request in transport.requests) == [
        "/v2/dedicated-inferences",
        "/v2/dedicated-inferences/sizes",
    ]


async def test_named_regions_are_listed_at_once() -> None:
    """One list each, however often named, and no longer than one."""
    async with virtual_client(a_world()) as (client, transport):
        began = asyncio.get_running_loop().time()
        found = await scan(client, regions=["tor1", "atl1", "tor1"])
        assert asyncio.get_running_loop().time() - began < 3 * transport.latency_s
    assert found.by_region == {"tor1": 2, "atl1": 2}
    assert len(transport.requests) == 3


async def test_clients_are_scanned_at_once_and_told_apart() -> None:
    """Several accounts of one provider are numbered in the order given."""
    async with (
        virtual_client(a_world(1)) as (one, transport),
        virtual_client(a_world(2)) as (two, _),
    ):
        began = asyncio.get_running_loop().time()
        found = await scan(one, two)
        assert asyncio.get_running_loop().time() - began < 3 * transport.latency_s
    assert [row.client for row in found] == ["digitalocean-1", *["digitalocean-2"] * 2]


async def test_a_region_that_fails_is_told_beside_the_others() -> None:
    """Its rows are missing, and the error says which they are."""
    async with virtual_client(a_world()) as (client, transport):
        transport.world.fault("status", status=404, on=LIST, times=1)
        found = await scan(client, regions=["atl1", "nyc2", "tor1"])
    (error,) = found.errors
    assert (error.what, isinstance(error.error, NotFoundError)) == ("list", True)
    assert len(found.by_region) == 2
    assert error.region not in found.by_region


async def test_an_account_that_fails_is_told_beside_the_others() -> None:
    """A wrong token does not hide what another shows."""
    async with (
        virtual_client(a_world(2)) as (good, transport),
        DigitalOcean("dop_v1_wrong", transport=transport) as bad,
    ):
        found = await scan(bad, good)
    assert len(found) == 2
    assert {(e.client, e.what) for e in found.errors} == {
        ("digitalocean-1", "list"),
        ("digitalocean-1", "prices"),
    }


async def test_cost_is_told_by_the_published_prices() -> None:
    """Exact, by currency; accelerators are counted, not instances."""
    async with virtual_client(a_world(3, scale=2)) as (client, _):
        found = await scan(client)
    assert found.hourly_cost == {"USD": 6 * Decimal("2.59")}
    assert found.by_accelerator == {"gpu-mi300x1-192gb": 6}
    assert found.unknown_cost == 0


async def test_prices_that_cannot_be_had_leave_costs_unknown() -> None:
    """All else is there."""
    async with virtual_client(a_world(2)) as (client, transport):
        transport.world.fault("status", status=500, on=f"{LIST}/sizes", times=None)
        found = await scan(client)
    assert (len(found), found.unknown_cost, found.hourly_cost) == (2, 2, {})
    assert [(e.what, type(e.error)) for e in found.errors] == [("prices", ServerError)]


async def test_light_rows_have_no_price_until_details_are_asked_for() -> None:
    """A listing without specs does not tell GPUs; a GET of each does."""
    async with virtual_client(a_world(3, "observed")) as (client, _):
        light = await scan(client)
        full = await scan(client, details=True)
    assert (light.unknown_cost, light.by_accelerator) == (3, {"unknown": 3})
    assert (full.unknown_cost, len(full)) == (0, 3)


async def test_details_are_announced_before_they_are_asked_for() -> None:
    """How many requests it will take is known before the first of them."""
    told: list[ScanProgress] = []
    async with virtual_client(a_world(3)) as (client, transport):

        def tell(news: ScanProgress) -> None:
            told.append(news)
            if news.what == "details" and news.done == 0:
                assert len(transport.requests) == 2

        await scan(client, details=True, on_progress=tell)
    details = [news for news in told if news.what == "details"]
    assert [(news.done, news.total) for news in details] == [(0, 3), (1, 3), (2, 3), (3, 3)]


async def test_details_wait_for_the_budget() -> None:
    """More of them than a minute takes: slow, and complete."""
    budget = RequestBudget(per_minute=20, per_hour=1000)
    async with virtual_client(a_world(50), budget=budget) as (client, _):
        found = await scan(client, details=True)
    assert (len(found), found.errors) == (50, ())


async def test_who_goes_between_list_and_details_is_left_out() -> None:
    """It is gone: no row, no error."""
    async with virtual_client(a_world(3)) as (client, transport):
        transport.world.fault("not_found", on=f"{LIST}/{{id}}", times=1, seconds=60)
        gone = next(iter(transport.world.instances))
        transport.world.fault("status", status=404, on=f"{LIST}/{{id}}", id=gone)
        found = await scan(client, details=True)
    assert len(found) == 2
    assert found.errors == ()


async def test_an_instance_that_cannot_be_read_keeps_its_light_row() -> None:
    """And the error names it."""
    async with virtual_client(a_world(3)) as (client, transport):
        odd = next(iter(transport.world.instances))
        transport.world.fault("status", status=403, on=f"{LIST}/{{id}}", id=odd, times=None)
        found = await scan(client, details=True)
    assert (len(found), [(e.what, e.id) for e in found.errors]) == (3, [("details", odd)])


async def test_accelerators_are_listed_for_each() -> None:
    """What runs, with its id."""
    async with virtual_client(a_world(2, scale=2)) as (client, _):
        plain = await scan(client)
        found = await scan(client, accelerators=True)
    assert [row.gpus for row in plain] == [None, None]
    assert [len(row.gpus or ()) for row in found] == [2, 2]


async def test_a_client_that_was_never_entered_is_the_caller_s_mistake() -> None:
    """That is raised as it is, and not told as an account's failure."""
    with pytest.raises(RuntimeError, match="Enter the client first"):
        await scan(DigitalOcean("dop_v1_x"))
