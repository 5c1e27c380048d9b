"""Tests of `scan`: accounts and regions concurrently, with errors beside the results."""

import asyncio
import itertools
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import orjson
import pytest
from attrs import evolve

from di_async import (
    ClientClosedError,
    DigitalOcean,
    NotFoundError,
    RateLimitError,
    RequestBudget,
    ServerError,
    reap,
    scan,
)
from di_async.core.http import Request, Response
from di_async.emulator import World
from di_async.fleet.scanning import ScanProgress
from tests.fake_network import Answer, Delayed, Intercept, plain, virtual_client
from tests.support import VIRTUAL

pytestmark = VIRTUAL
LIST = "GET /v2/dedicated-inferences"


def a_world(count: int = 6, dialect: Any = "documented", **settings: Any) -> World:
    """Return a world with this many instances over three regions."""
    world = World(dialect, seed=0)
    for n in range(count):
        region = ("atl1", "nyc2", "tor1")[n % 3]
        world.add_instance(now=0.0, name=f"web-{n}", region=region, **settings)
    return world


async def test_one_list_covers_all_regions() -> None:
    """A scan without regions sends one list and one price request."""
    async with virtual_client(a_world()) as (client, transport):
        found = await scan(client)
    assert [row.name for row in found] == [f"web-{n}" for n in range(6)]
    assert sorted(request.path for request in transport.requests) == [
        "/v2/dedicated-inferences",
        "/v2/dedicated-inferences/sizes",
    ]


async def test_named_regions_are_listed_concurrently() -> None:
    """Named regions are listed once each, concurrently."""
    async with virtual_client(a_world()) as (client, transport):
        began = asyncio.get_running_loop().time()
        found = await scan(client, regions=["tor1", "atl1", "tor1"])
        assert asyncio.get_running_loop().time() - began < 3 * transport.latency_s
    assert found.by_region == {"tor1": 2, "atl1": 2}
    assert len(transport.requests) == 3


async def test_clients_are_scanned_concurrently_and_numbered() -> None:
    """Several clients of one provider are numbered in their order."""
    async with (
        virtual_client(a_world(1)) as (one, transport),
        virtual_client(a_world(2)) as (two, _),
    ):
        began = asyncio.get_running_loop().time()
        found = await scan(one, two)
        assert asyncio.get_running_loop().time() - began < 3 * transport.latency_s
    assert [row.client for row in found] == ["digitalocean-1", *["digitalocean-2"] * 2]


async def test_region_that_fails() -> None:
    """A region that fails is an error beside the other regions' rows."""
    async with virtual_client(a_world()) as (client, transport):
        transport.world.fault("status", status=404, on=LIST, times=1)
        found = await scan(client, regions=["atl1", "nyc2", "tor1"])
    (error,) = found.errors
    assert (error.what, isinstance(error.error, NotFoundError)) == ("list", True)
    assert len(found.by_region) == 2
    assert error.region not in found.by_region


async def test_account_that_fails() -> None:
    """An account that fails is an error beside the other accounts' rows."""
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


async def test_costs_use_published_prices() -> None:
    """Costs are exact, by currency, from published prices and counted accelerators."""
    async with virtual_client(a_world(3, scale=2)) as (client, _):
        found = await scan(client)
    assert found.hourly_cost == {"USD": 6 * Decimal("2.59")}
    assert found.by_accelerator == {"gpu-mi300x1-192gb": 6}
    assert found.unknown_cost == 0


async def test_missing_prices_leave_costs_unknown() -> None:
    """A scan without prices leaves costs unknown and returns all else."""
    async with virtual_client(a_world(2)) as (client, transport):
        transport.world.fault("status", status=500, on=f"{LIST}/sizes", times=None)
        found = await scan(client)
    assert (len(found), found.unknown_cost, found.hourly_cost) == (2, 2, {})
    assert [(e.what, type(e.error)) for e in found.errors] == [("prices", ServerError)]


async def test_light_rows_have_no_price_without_details() -> None:
    """Light rows have no price; with `details` each instance is read and has one."""
    async with virtual_client(a_world(3, "observed")) as (client, _):
        light = await scan(client)
        full = await scan(client, details=True)
    assert (light.unknown_cost, light.by_accelerator) == (3, {"unknown": 3})
    assert (full.unknown_cost, len(full)) == (0, 3)


async def test_progress_before_the_first_details() -> None:
    """`on_progress` is called with the number of details before the first of them."""
    calls: list[ScanProgress] = []
    async with virtual_client(a_world(3)) as (client, transport):

        def record(progress: ScanProgress) -> None:
            calls.append(progress)
            if progress.what == "details" and progress.done == 0:
                assert len(transport.requests) == 2

        await scan(client, details=True, on_progress=record)
    details = [progress for progress in calls if progress.what == "details"]
    assert [(progress.done, progress.total) for progress in details] == [
        (0, 3),
        (1, 3),
        (2, 3),
        (3, 3),
    ]


@pytest.mark.parametrize("what", ["list", "details", "accelerators"])
async def test_cancellation_of_one_read_is_raised(what: str) -> None:
    """A part that alone is cancelled, as by a callback, is not left out silently."""

    def cancel(progress: ScanProgress) -> None:
        if progress.what == what and progress.done:
            raise asyncio.CancelledError

    async with virtual_client(a_world()) as (client, _):
        with pytest.raises(asyncio.CancelledError):
            await scan(client, details=True, accelerators=True, on_progress=cancel)


async def test_cancellation_of_the_prices_is_raised() -> None:
    """Prices are not shown as unknown when their read alone was cancelled."""
    async with virtual_client(a_world()) as (client, transport):

        def intercept(request: Request, answer: Answer) -> Answer:
            return asyncio.CancelledError() if request.path.endswith("/sizes") else answer

        transport.intercept = intercept
        with pytest.raises(asyncio.CancelledError):
            await scan(client)


async def test_details_wait_for_the_budget() -> None:
    """Details beyond the minute's budget are delayed and complete."""
    budget = RequestBudget(per_minute=20, per_hour=1000)
    async with virtual_client(a_world(50), budget=budget) as (client, _):
        found = await scan(client, details=True)
    assert (len(found), found.errors) == (50, ())


async def test_details_that_are_refused_for_hours() -> None:
    """A scan ends although every read of a detail is answered 429, and reports them."""
    async with virtual_client(a_world(3)) as (client, transport):
        transport.world.fault("status", status=429, on=f"{LIST}/{{id}}", times=None)
        found = await scan(client, details=True)
        assert asyncio.get_running_loop().time() < 2.5 * 3600
    assert len(found) == 3
    assert {(e.what, type(e.error)) for e in found.errors} == {("details", RateLimitError)}


async def test_instance_deleted_before_its_details() -> None:
    """An instance deleted between list and details is left out without an error."""
    async with virtual_client(a_world(3)) as (client, transport):
        gone = next(iter(transport.world.instances))
        transport.world.fault("status", status=404, on=f"{LIST}/{{id}}", id=gone)
        found = await scan(client, details=True)
    assert len(found) == 2
    assert found.errors == ()


async def test_instance_whose_details_fail() -> None:
    """An instance whose details fail keeps its light row, and the error names it."""
    async with virtual_client(a_world(3)) as (client, transport):
        odd = next(iter(transport.world.instances))
        transport.world.fault("status", status=403, on=f"{LIST}/{{id}}", id=odd, times=None)
        found = await scan(client, details=True)
    assert (len(found), [(e.what, e.id) for e in found.errors]) == (3, [("details", odd)])


async def test_accelerators_are_listed_for_each() -> None:
    """`accelerators` lists each instance's accelerators with their ids."""
    async with virtual_client(a_world(2, scale=2)) as (client, _):
        plain = await scan(client)
        found = await scan(client, accelerators=True)
    assert [row.gpus for row in plain] == [None, None]
    assert [len(row.gpus or ()) for row in found] == [2, 2]


async def test_client_that_was_not_entered() -> None:
    """A client that was never entered is the caller's mistake: it is raised, not reported."""
    with pytest.raises(ClientClosedError, match="Enter the client first"):
        await scan(DigitalOcean("dop_v1_x"))
    with pytest.raises(ClientClosedError, match="Enter the client first"):
        await reap(DigitalOcean("dop_v1_x"))


async def test_instance_whose_details_meet_a_gateway() -> None:
    """A gateway's 404 page hides no instance: its light row stays, and the error names it."""
    async with virtual_client(a_world(3)) as (client, transport):
        odd = next(iter(transport.world.instances))

        def gateway(request: Request, shown: Answer) -> Answer:
            page = plain(404, "<html>no backend</html>", content_type="text/html")
            return page if request.path.endswith(odd) else shown

        transport.intercept = gateway
        found = await scan(client, details=True)
    assert (len(found), [(e.what, e.id) for e in found.errors]) == (3, [("details", odd)])


def _edited(edit: Callable[[dict[str, Any]], None]) -> Intercept:
    """Return an intercept that changes the body of every list page."""

    def intercept(request: Request, shown: Answer) -> Answer:
        if request.path != "/v2/dedicated-inferences" or not isinstance(shown, Delayed):
            return shown
        assert isinstance(shown.answer, Response)
        body = orjson.loads(shown.answer.body)
        edit(body)
        return Delayed(shown.after_s, evolve(shown.answer, body=orjson.dumps(body)))

    return intercept


async def test_unreadable_row_hides_no_other_row() -> None:
    """A row that cannot be read is an error beside the other rows."""

    def add_odd(body: dict[str, Any]) -> None:
        body["dedicated_inferences"][1:1] = [{"id": {"x": 1}}, {"name": "no id"}, "text"]

    async with virtual_client(a_world(3)) as (client, transport):
        transport.intercept = _edited(add_odd)
        found = await scan(client)
    assert len(found) == 3
    (error,) = found.errors
    assert (error.what, "3 rows cannot be read" in str(error)) == ("list", True)


async def test_list_that_keeps_changing_is_incomplete() -> None:
    """A list that kept changing while it was read is an error, and nothing counts as removed."""
    totals = itertools.count(500)

    def drift(body: dict[str, Any]) -> None:
        del body["dedicated_inferences"][:1]
        body["meta"] = {"total": next(totals)}
        body["links"] = {"pages": {"next": "?page=2", "last": "?page=2"}}

    async with virtual_client(a_world(3)) as (client, transport):
        before = await scan(client)
        transport.intercept = _edited(drift)
        after = await scan(client)
    assert (len(before), len(after)) == (3, 2)
    assert "rows may be missing" in str(after.errors[0])
    assert not after.diff(before)
