"""Scanning and watching a Gcore account."""

from decimal import Decimal
from typing import Any

import pytest

from di_async import scan
from di_async.core.http import Request, Response
from di_async.core.inventory import Prices
from di_async.gcore.scanning import row_of
from tests.builders.gcore import (
    a_container,
    a_deployment,
    an_instance,
    no_such,
    read_deployment,
    read_instance,
)
from tests.fake_network import answer
from tests.gcore.helpers import V2, V3, routed, sent
from tests.support import VIRTUAL

pytestmark = VIRTUAL

PRICE = "POST /cloud/v2/pricing/inference/deployments"
FLAVOR = "inference-16vcpu-232gib-1xh100-80gb"
BUSY = [a_container(deploy_status={"ready": 1, "total": 2}), a_container(region_id=12)]


def page(*rows: Any) -> Any:
    """Return a list response."""
    return answer(200, {"count": len(rows), "results": list(rows)})


def test_deployment_row() -> None:
    """A row has the name as its id, and shown replicas, else the minimum."""
    row = row_of(read_deployment(a_deployment("DEPLOYING", containers=BUSY)), "gcore", Prices())
    assert (row.client, row.id, row.name, row.region) == (
        "gcore",
        "my-instance",
        "my-instance",
        "7,12",
    )
    assert (row.status, row.pending, row.models) == ("DEPLOYING", True, ("nginx:latest",))
    assert row.accelerators == ((FLAVOR, 3),)
    assert row.hourly_cost is None


def test_instance_row() -> None:
    """v2 rows have ids, and flavors by UUID."""
    row = row_of(read_instance(an_instance()), "gcore", Prices())
    assert (row.id, row.name, row.region) == (an_instance()["id"], "my-instance", "7")
    assert row.accelerators == ((an_instance()["flavor_id"], 3),)


@pytest.mark.parametrize(
    ("status", "message", "reason"),
    [
        ("ERROR", None, "the API gives no reason"),
        ("FAILED", "no GPU", "region 7: no GPU"),
        ("PARTIALLYDEPLOYED", "no GPU", "region 7: no GPU"),
        ("PARTIALLYDEPLOYED", None, None),
        ("DISABLED", None, None),
        ("ACTIVE", "an old one", None),
    ],
)
def test_failure_reason(status: str, message: str | None, reason: str | None) -> None:
    """A stopped resource has not failed, nor has one whose containers show no error."""
    containers = [a_container(error_message=message)]
    for found in (
        read_deployment(a_deployment(status, containers=containers)),
        read_instance(an_instance(status, containers=containers)),
    ):
        assert row_of(found, "gcore", Prices()).failure_reason == reason


def a_price(request: Request) -> Response:
    """Answer with 2.50 USD, or with 3 USD in region 9, for one replica."""
    (container,) = sent(request)["containers"]
    assert container["scale"]["max"] == 1
    amount = 3.0 if container["region_id"] == 9 else 2.5
    return answer(200, {"price_per_hour": amount, "currency_code": "USD", "price_status": "show"})


async def test_prices_are_read_once_for_each_flavor_and_region() -> None:
    """Rows cost their current replicas; two regions of different prices are not known."""
    alike = [a_container(), a_container(region_id=12)]
    unlike = [a_container(), a_container(region_id=9)]
    rows = page(
        *(a_deployment(name=f"one-{n}") for n in range(50)),
        a_deployment(name="two", containers=BUSY),
        a_deployment(name="alike", containers=alike),
        a_deployment(name="unlike", containers=unlike),
    )
    async with routed({f"GET {V3}": rows, PRICE: a_price}) as (client, network):
        found = await scan(client)
        requests = [request.method for request in network.requests]
    costs = {row.name: row.hourly_cost for row in found}
    assert costs["one-0"] == costs["one-49"] == Decimal("2.5")
    assert (costs["two"], costs["unlike"]) == (Decimal("7.5"), None)
    assert (found.unknown_cost, found.errors) == (1, ())
    assert requests.count("POST") == 3


async def test_price_that_cannot_be_read() -> None:
    """The rows are complete, and one error stands for all that are alike."""
    rows = page(a_deployment(), a_deployment(name="other", containers=BUSY))
    async with routed({f"GET {V3}": rows, PRICE: answer(403, {"message": "no"})}) as (client, _):
        found = await scan(client)
    assert (len(found), found.unknown_cost) == (2, 2)
    assert [error.what for error in found.errors] == ["prices"]


async def test_scan() -> None:
    """A scan lists the project's deployments, or without a project v2 instances."""
    rows = page(a_deployment(), a_deployment(name="other", containers=BUSY))
    async with routed({f"GET {V3}": rows, PRICE: a_price}) as (client, _):
        assert sorted(row.id for row in await scan(client)) == ["my-instance", "other"]
    async with routed({f"GET {V2}": page(an_instance())}, project_id=None) as (client, _):
        assert [row.id for row in await scan(client)] == [an_instance()["id"]]


@pytest.mark.parametrize(("region", "names"), [("7", ["a", "b"]), ("12", ["b"]), ("9", [])])
async def test_scan_of_a_region(region: str, names: list[str]) -> None:
    """Rows are filtered by region, as the API has no such filter."""
    rows = page(a_deployment(name="a"), a_deployment(name="b", containers=BUSY))
    async with routed({f"GET {V3}": rows}) as (client, _):
        scanner = client.scanner("gcore", Prices())
        found = await scanner.list(region, lambda *_: None)
    assert [row.id for row in found.rows] == names


@pytest.mark.parametrize("regions", [[12], ["12"], 12, "12"])
async def test_region_may_be_a_number(regions: Any) -> None:
    """A region is the same as a number and as text, in a scan and in a watch."""
    rows = page(a_deployment(name="a"), a_deployment(name="b", containers=BUSY))
    async with routed({f"GET {V3}": rows, PRICE: a_price}) as (client, _):
        assert [row.id for row in await scan(client, regions=regions)] == ["b"]
        region = regions[0] if isinstance(regions, list) else regions
        event = await anext(aiter(client.inference_deployments.watch(region=region)))
    assert event.id == "b"


async def test_scan_in_full() -> None:
    """One row is read by GET; there are no single GPUs and no prices."""
    async with routed({f"GET {V3}/a": answer(200, a_deployment(name="a"))}) as (client, _):
        scanner = client.scanner("gcore", Prices())
        await scanner.fill_prices()
        assert await scanner.regions() == (None,)
        assert (await scanner.get("a")).id == "a"
        assert await scanner.gpus("a") == ()


async def test_watch() -> None:
    """A watch reports present states, new resources and deletions."""
    routes = {
        f"GET {V3}": [
            page(a_deployment(name="a"), a_deployment("DEPLOYING", name="b")),
            page(a_deployment(name="b")),
        ],
        f"GET {V3}/a": no_such(),
    }
    seen: list[tuple[str, str | None]] = []
    async with routed(routes) as (client, _):
        async for event in client.inference_deployments.watch():
            seen.append((event.id, event.status))
            if len(seen) == 4:
                break
    assert seen[:2] == [("a", "ACTIVE"), ("b", "DEPLOYING")]
    assert sorted(seen[2:], key=str) == [("a", None), ("b", "ACTIVE")]


async def test_watch_of_a_region() -> None:
    """A watch of a region reports only resources with a container there."""
    rows = page(a_deployment(name="a"), a_deployment(name="b", containers=BUSY))
    async with routed({f"GET {V3}": rows}) as (client, _):
        event = await anext(aiter(client.inference_deployments.watch(region="12")))
    assert event.id == "b"


async def test_watch_of_instances_in_a_region() -> None:
    """The same holds for v2."""
    rows = page(an_instance(), an_instance(id="b", containers=BUSY))
    async with routed({f"GET {V2}": rows}) as (client, _):
        event = await anext(aiter(client.inference_instances.watch(region="12")))
    assert event.id == "b"
