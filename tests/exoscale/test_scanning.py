"""Scans: one list per zone, read concurrently."""

import asyncio
from datetime import UTC, datetime

import pytest

from di_async import scan
from di_async.core.http import Request, Response
from di_async.core.inventory import InventoryRow, Prices
from di_async.exoscale.scanning import row_of
from di_async.fleet.scanning import ScanProgress
from tests.builders.exoscale import ID, MODEL, a_deployment, a_row, listed, problem, read
from tests.exoscale.helpers import VIRTUAL, scripted
from tests.fake_network import answer

pytestmark = VIRTUAL
ZONES = ("ch-gva-2", "at-vie-1", "de-fra-1")
THEN = datetime(2026, 1, 1, tzinfo=UTC)


def zone_of(request: Request) -> str:
    """Return the zone that a request was sent to."""
    return (request.base or "").removeprefix("https://api-").removesuffix(".exoscale.com")


def fleet(request: Request) -> Response:
    """Answer with one deployment per zone and a public one; Frankfurt has no inference."""
    if request.path == "/v2/zone":
        return listed(*({"name": zone} for zone in ZONES), key="zones")
    zone = zone_of(request)
    if zone == "de-fra-1":
        return problem(403)
    if request.path.endswith("/deployment"):
        return listed(a_row(id=zone), a_row(id="p", visibility="public"))
    return answer(200, a_deployment("scaling", id=zone))


def test_row() -> None:
    """A row shows the GPUs of all replicas."""
    row = row_of(read(a_row("scaling", replicas=3)), "ch-gva-2", "mine", Prices())
    assert row == InventoryRow(
        "mine",
        ID,
        "web",
        "ch-gva-2",
        "scaling",
        (MODEL,),
        (("gpua5000", 6),),
        True,
        THEN,
        THEN,
    )


def test_row_with_missing_fields() -> None:
    """Unknown GPU counts are None."""
    row = row_of(read({"id": ID}), "ch-gva-2", "mine", Prices())
    assert (row.accelerators, row.models, row.hourly_cost) == (None, (), None)


async def test_scan_of_all_zones() -> None:
    """All zones are scanned; a zone that fails is reported beside the others."""
    async with scripted(*[fleet] * 10) as (client, network):
        inventory = await scan(client)
    assert [(row.id, row.region) for row in inventory] == [(z, z) for z in ZONES[:2]]
    assert [(error.region, error.what) for error in inventory.errors] == [("de-fra-1", "list")]
    assert len(network.requests) == 4


async def test_zones_are_listed_concurrently() -> None:
    """Three zones take the time of one list."""
    async with scripted(*[fleet] * 10) as (client, network):
        network.latency_s = 10.0
        begun = asyncio.get_running_loop().time()
        await scan(client, regions=ZONES)
        assert asyncio.get_running_loop().time() - begun < 15


async def test_details_come_from_the_zone_that_listed() -> None:
    """A deployment is read from the zone that listed it."""
    async with scripted(*[fleet] * 10) as (client, network):
        inventory = await scan(client, regions=ZONES[:2], details=True, accelerators=True)
    assert {row.region: row.status for row in inventory} == dict.fromkeys(ZONES[:2], "scaling")
    assert [row.gpus for row in inventory] == [(), ()]
    gets = [r for r in network.requests if not r.path.endswith("/deployment")]
    assert {(zone_of(r), r.path.rpartition("/")[2]) for r in gets} == {(z, z) for z in ZONES[:2]}


async def test_rows_without_an_id_are_counted() -> None:
    """Rows without an id are counted, but not read in full."""
    rows = [a_row(id=None, name=f"web-{n}") for n in range(3)]
    steps = listed(*rows, a_row(), a_row()), answer(200, a_deployment("scaling"))
    async with scripted(*steps) as (client, network):
        reports: list[ScanProgress] = []
        found = await scan(client, regions=ZONES[:1], details=True, on_progress=reports.append)
    assert [row.name for row in found] == ["web-0", "web-1", "web-2", "web"]
    assert [row.status for row in found] == [*["ready"] * 3, "scaling"]
    assert (found.errors, len(network.requests)) == ((), 2)
    assert {report.total for report in reports if report.what == "details"} == {1}


@pytest.mark.parametrize("zone", ["", "X"])
async def test_invalid_region(zone: str) -> None:
    """A failure is reported in the result, not raised."""
    async with scripted(*[fleet] * 3) as (client, _):
        inventory = await scan(client, regions=[zone or "Y"])
    assert len(inventory.errors) == 1
