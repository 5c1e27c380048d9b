"""The client: credentials, zones, small reads, and many waits."""

from collections import Counter
from typing import Any

import pytest

from di_async import (
    AuthenticationError,
    InvalidInputError,
    PermissionDeniedError,
    RequestBudget,
    Secret,
    wait_all,
)
from di_async.core.http import Request, Response
from di_async.exoscale import Exoscale, ExoscaleZone
from tests.builders.exoscale import (
    ID,
    OPERATION,
    a_deployment,
    a_row,
    a_spec,
    listed,
    operation,
    problem,
)
from tests.exoscale.helpers import DEPLOYMENTS, KEY, SECRET, VIRTUAL, scripted, sent
from tests.fake_network import answer

pytestmark = VIRTUAL
GVA, VIE = (f"https://api-{zone}.exoscale.com" for zone in ("ch-gva-2", "at-vie-1"))


# --- construction -----------------------------------------------------------------------------


def test_credentials_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials come from the vendor's own environment variables."""
    monkeypatch.setenv("EXOSCALE_API_KEY", KEY)
    monkeypatch.setenv("EXOSCALE_API_SECRET", SECRET)
    assert Exoscale().base_url == GVA


@pytest.mark.parametrize("missing", ["EXOSCALE_API_KEY", "EXOSCALE_API_SECRET"])
def test_missing_credential(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """The error names the variable that is missing."""
    for name in ("EXOSCALE_API_KEY", "EXOSCALE_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
        if name != missing:
            monkeypatch.setenv(name, "EXOsomething")
    with pytest.raises(InvalidInputError, match=missing):
        Exoscale()


@pytest.mark.parametrize("zone", ["", "CH-GVA-2", "ch gva", "x.evil.com/", "ch/../x", "{zone}", 5])
def test_invalid_zone(zone: Any) -> None:
    """An invalid zone is rejected: it would become part of a host name."""
    with pytest.raises(InvalidInputError, match="Invalid zone"):
        Exoscale(KEY, SECRET, zone)


def test_unencrypted_base_url_is_rejected() -> None:
    """Plain http is rejected: responses contain endpoint keys."""
    with pytest.raises(InvalidInputError, match="unencrypted"):
        Exoscale(KEY, SECRET, base_url="http://api-{zone}.exoscale.com")


def test_no_secret_shows() -> None:
    """The repr of a client and of a zone shows no secret."""
    client = Exoscale(KEY, Secret(SECRET))
    assert repr(client) == f"<Exoscale {GVA}>"
    assert SECRET not in repr(client.in_zone("at-vie-1")) + repr(vars(client))


def test_budget() -> None:
    """The default budget is low, because no limit is documented."""
    given = RequestBudget()
    assert Exoscale(KEY, SECRET)._engine.budget is not None  # noqa: SLF001 - shown nowhere else
    assert Exoscale(KEY, SECRET, budget=None)._engine.budget is None  # noqa: SLF001
    assert Exoscale(KEY, SECRET, budget=given)._engine.budget is given  # noqa: SLF001


# --- zones ------------------------------------------------------------------------------------


async def test_in_zone_shares_the_session() -> None:
    """Another zone has another host and the same transport, poller and budget."""
    steps = answer(200, a_deployment()), answer(200, a_deployment()), answer(200, a_deployment())
    async with scripted(*steps) as (client, network):
        vienna = client.in_zone("at-vie-1")
        for zone in (client, vienna, vienna.in_zone("ch-gva-2")):
            await zone.deployments.get(ID)
    assert isinstance(vienna, ExoscaleZone)
    assert vienna.zone == "at-vie-1"
    assert [request.base for request in network.requests] == [GVA, VIE, GVA]


async def test_waits_are_local_to_their_zone() -> None:
    """The same id in two zones means two deployments."""

    def reply(request: Request) -> Response:
        state = "ready" if request.base == VIE else "error"
        return answer(200, a_deployment(state))

    async with scripted(*[reply] * 2) as (client, network):
        vienna = client.in_zone("at-vie-1")
        assert (await vienna.deployments.wait_until_active(ID)).state == "ready"
        with pytest.raises(Exception, match="state error"):
            await client.deployments.wait_until_active(ID)
    assert [request.base for request in network.requests] == [VIE, GVA, GVA]  # the log, too


async def test_operation_is_read_in_the_zone_of_the_write() -> None:
    """An operation is read from its own zone."""
    steps = answer(200, operation()), answer(200, operation("success")), answer(200, a_deployment())
    async with scripted(*steps) as (client, network):
        await (await client.in_zone("at-vie-1").deployments.create(a_spec())).wait()
    assert {request.base for request in network.requests} == {VIE}


async def test_base_url_may_contain_the_zone() -> None:
    """The zone may be in the path or in the host of the base URL."""
    base = "http://127.0.0.1:8080/zones/{zone}/"
    async with scripted(answer(200, a_deployment()), base_url=base) as (client, network):
        assert client.base_url == "http://127.0.0.1:8080/zones/ch-gva-2"
        await client.in_zone("at-vie-1").deployments.get(ID)
    assert network.requests[0].base == "http://127.0.0.1:8080/zones/at-vie-1"


async def test_base_url_of_one_zone() -> None:
    """Another zone is rejected if the base URL has no `{zone}`."""
    client = Exoscale(KEY, SECRET, base_url="https://proxy.example")
    assert client.in_zone("ch-gva-2").zone == "ch-gva-2"
    with pytest.raises(InvalidInputError, match="the URL of one zone"):
        client.in_zone("at-vie-1")


async def test_resume_in_another_zone_is_rejected() -> None:
    """A token is resumed only in its own zone, where its operation is read first."""
    steps = answer(200, operation()), answer(200, operation("success")), answer(200, a_deployment())
    async with scripted(*steps) as (client, network):
        token = (await client.deployments.create(a_spec())).resume_token
        with pytest.raises(InvalidInputError, match="resume token"):
            client.in_zone("at-vie-1").deployments.resume(token)
        change = client.deployments.resume(token)
        assert (await change.wait()).id == ID
    assert sent(network)[1:] == [f"GET /v2/operation/{OPERATION}", f"GET {DEPLOYMENTS}/{ID}"]


async def test_watch_of_another_region_is_rejected() -> None:
    """Watching another zone is rejected."""
    async with scripted() as (client, _):
        with pytest.raises(InvalidInputError, match="in_zone"):
            client.deployments.watch(region="at-vie-1")


async def test_watch_of_the_zone() -> None:
    """A watch reports the organisation's own deployments, not public ones."""
    rows = listed(a_row(id="p", visibility="public"), a_row())
    async with scripted(rows) as (client, _):
        event = await anext(client.deployments.watch())
    assert (event.id, event.status, event.previous) == (ID, "ready", None)


# --- small reads ------------------------------------------------------------------------------


async def test_zones() -> None:
    """Zones are returned with names and endpoints."""
    zones = [{"name": "ch-gva-2", "api-endpoint": f"{GVA}/v2"}, {"name": "at-vie-1"}]
    async with scripted(listed(*zones, key="zones")) as (client, network):
        assert [zone.name for zone in await client.zones()] == ["ch-gva-2", "at-vie-1"]
    assert sent(network) == ["GET /v2/zone"]


async def test_instance_types() -> None:
    """GPU families are returned with their authorization."""
    rows = {"family": "gpua5000", "authorized": True}, {"family": "gpu3", "authorized": False}
    async with scripted(listed(*rows, key="instance-types")) as (client, network):
        found = await client.instance_types()
    assert [(one.family, one.authorized) for one in found] == [("gpua5000", True), ("gpu3", False)]
    assert sent(network) == ["GET /v2/ai/instance-type"]


@pytest.mark.parametrize(("version", "params"), [(None, ()), ("0.19.0", (("version", "0.19.0"),))])
async def test_inference_engine_help(
    version: str | None, params: tuple[tuple[str, str], ...]
) -> None:
    """Engine arguments are returned for a version or for the default."""
    async with scripted(listed({"name": "dtype"}, key="parameters")) as (client, network):
        assert [a.name for a in await client.inference_engine_help(version)] == ["dtype"]
    assert network.requests[0].path == "/v2/ai/help/inference-engine-parameters"
    assert network.requests[0].params == params


async def test_operation() -> None:
    """An operation is read by its id."""
    async with scripted(answer(200, operation("success"))) as (client, network):
        assert (await client.operations.get(OPERATION)).state == "success"
    assert sent(network) == [f"GET /v2/operation/{OPERATION}"]


async def test_any_other_endpoint() -> None:
    """Any other endpoint is sent through the same session, signed."""
    async with scripted(answer(200, {"quota-uom-per-minute": None})) as (client, _):
        assert await client.request("GET", "/v2/ai/quota") == {"quota-uom-per-minute": None}


@pytest.mark.parametrize(
    ("status", "kind"), [(401, AuthenticationError), (403, PermissionDeniedError)]
)
async def test_bad_credentials(status: int, kind: type[Exception]) -> None:
    """A 401 or 403 reports its likely causes and is not sent again."""
    async with scripted(answer(status, {"error": "invalid signature"})) as (client, network):
        with pytest.raises(kind, match="the API key or its secret is wrong"):
            await client.deployments.get(ID)
    assert len(network.requests) == 1


# --- many waits -------------------------------------------------------------------------------


async def test_many_waits_list_and_read_each_operation_at_its_end() -> None:
    """Forty waits send far fewer requests than forty waits polled one by one."""
    ids = [f"id-{n}" for n in range(40)]
    created = iter(ids)
    lists = 0

    def reply(request: Request) -> Response:
        nonlocal lists
        last = request.path.rpartition("/")[2]
        if request.method == "POST":
            id = next(created)
            return answer(200, {**operation(reference=id), "id": f"op-{id}"})
        if request.path == DEPLOYMENTS:
            lists += 1
            state = "ready" if lists > 20 else "deploying"
            return listed(*(a_row(state, id=id) for id in ids))
        if "/operation/" in request.path:
            return answer(200, {**operation("success" if lists > 20 else "pending"), "id": last})
        return answer(200, a_deployment("ready" if lists > 20 else "deploying", id=last))

    async with scripted(*[reply] * 2000) as (client, network):
        changes = [await client.deployments.create(a_spec()) for _ in ids]
        report = await wait_all(changes, timeout=3600)
    assert len(report.succeeded) == 40
    reads = Counter(request for request in sent(network) if "/operation/" in request)
    assert len(reads) == 40
    # A handful may be followed by their operations.
    assert sum(count <= 2 for count in reads.values()) >= 30
    assert len(network.requests) < 40 * 8


async def test_list_row_without_id() -> None:
    """A list row without an id is returned with an empty id."""
    rows = listed({"name": "x", "state": "ready"}, a_row())
    async with scripted(rows, problem(404)) as (client, _):
        assert [row.id async for row in client.deployments.list()] == ["", ID]
