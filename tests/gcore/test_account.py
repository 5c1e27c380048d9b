"""API keys, secrets, tasks, flavors, capacity, prices and quotas, against the emulated Gcore."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import orjson
import pytest

from di_async import (
    ConflictError,
    DIError,
    HourlyPrice,
    InvalidInputError,
    NotFoundError,
    OutcomeUnknownError,
    PriceLimitError,
    Secret,
)
from di_async.core.http import Response
from di_async.emulator import World
from di_async.gcore import Gcore
from tests.builders.gcore import HIDDEN, a_spec
from tests.fake_network import Delayed, EmulatorNetwork, answer
from tests.gcore.helpers import V3, routed
from tests.gcore.test_world import a_world, client_of
from tests.support import VIRTUAL

pytestmark = VIRTUAL

KEYS = "POST /cloud/v3/inference/{project_id}/api_keys"
UNPRICED = "inference-1vcpu-1gib"


def in_regions(*regions: int, least: int = 1, most: int = 1) -> list[dict[str, Any]]:
    """Return containers in these regions."""
    return [{"region_id": region, "scale": {"min": least, "max": most}} for region in regions]


async def test_api_key() -> None:
    """A key shows its secret once, may be listed, changed and deleted, and opens an endpoint."""
    async with client_of(a_world()) as client:
        made = await client.api_keys.create("ci-key", description="for CI", expires_at="2030-01-01")
        assert made.secret is not None
        assert made.secret.reveal() not in repr(made)
        assert (await client.api_keys.get("ci-key")).secret is None
        changed = await client.api_keys.update("ci-key", description=None)
        assert (changed.name, changed.description) == ("ci-key", None)
        change = await client.inference_deployments.create(a_spec(api_keys=["ci-key"]))
        await change.wait()
        (listed,) = await client.api_keys.list().collect()
        assert listed.deployment_names == (change.id,)
        with pytest.raises(ConflictError):
            await client.api_keys.delete("ci-key")
        await (await client.inference_deployments.delete(change.id)).wait()
        await client.api_keys.delete("ci-key")
        with pytest.raises(NotFoundError):
            await client.api_keys.get("ci-key")


async def test_lost_api_key() -> None:
    """A key whose response was lost has lost its secret: it is named, and not made twice."""
    world = a_world()
    world.fault("reset", on=KEYS, after_commit=True)
    async with client_of(world) as client:
        with pytest.raises(OutcomeUnknownError, match="its value is lost") as unknown:
            await client.api_keys.create("ci-key")
        assert [key.name for key in unknown.value.candidates] == ["ci-key"]
        assert len(await client.api_keys.list().collect()) == 1


async def test_secrets() -> None:
    """Stored credentials are masked, listed, replaced and deleted."""
    async with client_of(a_world()) as client:
        made = await client.secrets.create(
            "aws-one", aws_access_key_id="AKIA1", aws_secret_access_key=Secret(HIDDEN)
        )
        assert HIDDEN not in repr(made)
        other = await client.secrets.replace(
            "aws-one", aws_access_key_id="AKIA2", aws_secret_access_key="other"
        )
        assert other.data is not None
        assert other.data.aws_access_key_id == "AKIA2"
        assert await client.secrets.list().collect() == [other]
        assert await client.secrets.get("aws-one") == other
        await client.secrets.delete("aws-one")
        with pytest.raises(NotFoundError):
            await client.secrets.delete("aws-one")


async def test_tasks() -> None:
    """Tasks are listed by state, the newest first, and acknowledged one by one or all at once."""
    async with client_of(a_world()) as client:
        for name in ("first", "second"):
            await (await client.inference_deployments.create(a_spec(name=name))).wait()
        rows = await client.tasks.list(state="FINISHED").collect()
        assert [row.task_type for row in rows] == ["create_inference_instance"] * 2
        assert await client.tasks.get(rows[0].id) == rows[0]
        assert (await client.tasks.acknowledge(rows[0].id)).acknowledged_at is not None
        assert len(await client.tasks.list(is_acknowledged=False).collect()) == 1
        await client.tasks.acknowledge_all()
        assert await client.tasks.list(is_acknowledged=False).collect() == []
        assert await client.tasks.list(task_type="delete_inference_instance").collect() == []


async def test_catalog() -> None:
    """Flavors and the capacity of each region can be read."""
    async with client_of(a_world()) as client:
        flavors = await client.flavors()
        one = await client.flavor(flavors[0].name)
        assert one == flavors[0]
        assert (one.gpu_model, one.gpu_memory) == ("H100", 80.0)
        capacity = await client.capacity()
        assert [region.region_id for region in capacity] == [1, 7, 26]
        assert {row.flavor_name for row in capacity[0].capacity} == {f.name for f in flavors}
        with pytest.raises(NotFoundError):
            await client.flavor("no-such-flavor")


async def test_project_is_needed() -> None:
    """Keys and secrets belong to a project; without one, nothing is sent."""
    async with Gcore("12$34", transport=EmulatorNetwork(a_world())) as client:
        with pytest.raises(InvalidInputError, match="GCORE_CLOUD_PROJECT_ID"):
            await client.api_keys.create("ci-key")
        with pytest.raises(InvalidInputError, match="GCORE_CLOUD_PROJECT_ID"):
            client.secrets.list()


async def test_hourly_price() -> None:
    """The price counts all replicas at maximum scale in all regions."""
    async with client_of(a_world()) as client:
        api = client.inference_deployments
        spec = a_spec(containers=[*in_regions(1, most=2), *in_regions(7)])
        assert await api.hourly_price(spec) == HourlyPrice(Decimal("11.25"), "EUR")
        assert await api.hourly_price(a_spec(flavor_name=UNPRICED)) is None


async def test_max_hourly() -> None:
    """A create that is too expensive, or of unknown price, is not sent."""
    world = a_world()
    async with client_of(world) as client:
        api = client.inference_deployments
        for spec, problem in (
            (a_spec(), "more than the limit of 1 "),
            (a_spec(flavor_name=UNPRICED), "known"),
        ):
            with pytest.raises(PriceLimitError, match=problem):
                await api.create(spec, max_hourly=1)
        with pytest.raises(InvalidInputError, match="expected a number"):
            await api.create(a_spec(), max_hourly="cheap")
        assert world.created == {}
        await api.create(a_spec(name="first"), max_hourly={"EUR": 100})
        await api.create(
            a_spec(name="second", flavor_name=UNPRICED), max_hourly=1, allow_unknown_price=True
        )
        assert set(world.created) == {"first", "second"}


async def test_check_limits() -> None:
    """The quota check shows the limit, the use and the demand of each quota."""
    world = a_world()
    world.gcore.quota["inference_gpu_h100_count"] = 1
    async with client_of(world) as client:
        limits = await client.inference_deployments.check_limits(
            a_spec(containers=in_regions(1, most=2))
        )
    gpus = limits["inference_gpu_h100_count"]
    assert (gpus.limit, gpus.usage, gpus.requested, gpus.exceeded) == (1, 0, 2, True)
    assert not limits["inference_instance_count"].exceeded


async def test_quota_in_text() -> None:
    """Numbers may come as text: a quota that is left out would count as free."""
    shown = {f"inference_instance_count_{part}": "1" for part in ("limit", "usage", "requested")}
    routes = {f"POST {V3}/check_limits": answer(200, {**shown, "other_limit": None, "note": "x"})}
    async with routed(routes) as (client, _):
        limits = await client.inference_deployments.check_limits(a_spec())
    assert set(limits) == {"inference_instance_count"}
    assert limits["inference_instance_count"].exceeded


async def test_find_capacity() -> None:
    """Capacity is searched in all regions, and a place's spec can be created as it is."""
    async with client_of(a_world()) as client:
        api = client.inference_deployments
        spec = a_spec(flavor_name="inference-16vcpu-232gib-1xl40s")
        places = await api.find_capacity(spec)
        assert [(place.region, place.free) for place in places] == [("1", 64), ("7", 64)]
        assert {place.price for place in places} == {HourlyPrice(Decimal("3.3"), "EUR")}
        (full,) = (await api.find_capacity(spec, include_full=True))[2:]
        assert (full.region, full.reason) == (
            "26",
            "room for 0 of 1 replicas of inference-16vcpu-232gib-1xl40s",
        )
        change = await api.create(places[1].spec)
        assert [one.region_id for one in (await change.wait()).containers] == [7]


async def test_no_quota() -> None:
    """Without quota there is no place, and the reason names the quota."""
    world: World = a_world()
    world.gcore.quota["inference_instance_count"] = 0
    async with client_of(world) as client:
        api = client.inference_deployments
        assert await api.find_capacity(a_spec()) == []
        place = (await api.find_capacity(a_spec(), include_full=True))[0]
    assert place.reason == "the account's quota is used up: inference_instance_count"


FOREIGN = [{"message": "ok"}, {}, {"name": "another", "id": "another"}, []]


@pytest.mark.parametrize("body", FOREIGN)
async def test_foreign_answers_about_the_account(body: Any) -> None:
    """A success that is not about the object requested is neither returned nor believed."""
    world = a_world()
    network = EmulatorNetwork(world)
    network.intercept = lambda request, _: Response(200, {}, orjson.dumps(body))
    calls: tuple[Callable[[Gcore], Awaitable[Any]], ...] = (
        lambda client: client.api_keys.get("ci"),
        lambda client: client.api_keys.update("ci", description="x"),
        lambda client: client.api_keys.delete("ci"),
        lambda client: client.secrets.get("ci"),
        lambda client: client.secrets.create(
            "ci", aws_access_key_id="AKIA", aws_secret_access_key="s"
        ),
        lambda client: client.secrets.delete("ci"),
        lambda client: client.tasks.get("ci"),
        lambda client: client.tasks.acknowledge("ci"),
        lambda client: client.tasks.acknowledge_all(),
    )
    key, project = world.gcore.api_key, world.gcore.project_id
    async with Gcore(key, project, transport=network) as client:
        for call in calls:
            with pytest.raises(DIError):
                await call(client)


@pytest.mark.parametrize("kind", ["create", "replace", "delete", "delete key", "update key"])
async def test_account_writes_that_are_cut_off(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """A write that is cancelled in flight is named, in a note and in the log."""
    key: dict[str, Any] = {"aws_access_key_id": "AKIA", "aws_secret_access_key": "s"}
    calls: dict[str, Callable[[Gcore], Awaitable[Any]]] = {
        "create": lambda client: client.secrets.create("ci", **key),
        "replace": lambda client: client.secrets.replace("ci", **key),
        "delete": lambda client: client.secrets.delete("ci"),
        "delete key": lambda client: client.api_keys.delete("ci"),
        "update key": lambda client: client.api_keys.update("ci", description="x"),
    }
    world = a_world()
    network = EmulatorNetwork(world)
    network.intercept = lambda _, answer: Delayed(10.0, Response(204, {}, b""))
    project = world.gcore.project_id
    async with Gcore(world.gcore.api_key, project, transport=network) as client:
        with pytest.raises(TimeoutError) as caught:
            await asyncio.wait_for(calls[kind](client), 5)
    cancelled = caught.value.__cause__
    assert "on ci was cut off" in " ".join(getattr(cancelled, "__notes__", ()))
    assert "on ci was cut off" in caplog.text


@pytest.mark.parametrize("gone", [True, False])
@pytest.mark.parametrize("kind", ["api_keys", "secrets"])
async def test_delete_whose_answer_was_lost(kind: str, gone: bool) -> None:
    """It is sent again only after a GET, since others may have taken the name."""
    world = a_world()
    one = f"/cloud/v3/inference/{{project_id}}/{kind}/"
    one += "{api_key_name}" if kind == "api_keys" else "{secret_name}"
    async with client_of(world) as client:
        secret = {"aws_access_key_id": "AKIA", "aws_secret_access_key": "hush"}
        api = getattr(client, kind)
        await api.create("ci-one", **({} if kind == "api_keys" else secret))
        world.fault("reset", on=f"DELETE {one}", after_commit=gone)
        await api.delete("ci-one")
        assert await api.list().collect() == []
    sent = [method for _, method, _, _ in world.requests]
    assert sent == ["POST", "DELETE", "GET", *([] if gone else ["DELETE"]), "GET"]


@pytest.mark.parametrize("kind", ["api_keys", "secrets"])
async def test_404_to_a_repeated_delete(kind: str) -> None:
    """It counts only if a GET answers 404, too."""
    world = a_world()
    one = f"/cloud/v3/inference/{{project_id}}/{kind}/"
    one += "{api_key_name}" if kind == "api_keys" else "{secret_name}"
    async with client_of(world) as client:
        secret = {"aws_access_key_id": "AKIA", "aws_secret_access_key": "hush"}
        api = getattr(client, kind)
        await api.create("ci-one", **({} if kind == "api_keys" else secret))
        world.fault("reset", on=f"DELETE {one}", times=1)
        world.fault("status", status=404, on=f"DELETE {one}", times=1)
        with pytest.raises(OutcomeUnknownError, match="ci-one"):
            await api.delete("ci-one")
