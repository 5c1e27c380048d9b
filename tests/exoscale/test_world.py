"""Against the emulator on a virtual clock: lifecycles, failures and zones."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from di_async import (
    APIError,
    Change,
    ConflictError,
    DeploymentFailedError,
    InvalidInputError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    WaitTimeoutError,
    scan,
    wait_all,
)
from di_async.emulator import World
from di_async.exoscale import Exoscale
from tests.exoscale.helpers import VIRTUAL
from tests.fake_network import TEN_MINUTES, EmulatorNetwork

pytestmark = VIRTUAL
MODEL = "openai/gpt-oss-20b"
POST = "POST /v2/ai/deployment"
WRITES = POST, "POST /v2/ai/deployment/{id}/scale", "DELETE /v2/ai/deployment/{id}"
VIENNA = "at-vie-1"
SPEC = {"name": "web", "model": {"name": MODEL}, "gpu-type": "gpua5000"}


@asynccontextmanager
async def emulated(**options: Any) -> AsyncIterator[tuple[Exoscale, World]]:
    """Yield a client and a world where a create takes ten minutes, with a model in Geneva."""
    world = World(seed=0, lifecycle=TEN_MINUTES)
    # As the emulator has it: every zone under a prefix, which is signed with the rest.
    given = {"base_url": "http://127.0.0.1/zones/{zone}", **options}
    key, secret = world.exoscale.api_key, given.pop("secret", world.exoscale.api_secret)
    transport = EmulatorNetwork(world)
    async with Exoscale(key, secret, transport=transport, **given) as client:
        world.add_exoscale_model(name=MODEL)
        yield client, world


def now() -> float:
    """Return the loop's virtual time."""
    return asyncio.get_running_loop().time()


async def test_whole_lifecycle() -> None:
    """Every write of a whole lifecycle settles."""
    async with emulated() as (client, world):
        model = await (await client.models.create("openai/gpt-oss-120b", "hf_token123")).wait()
        spec = {**SPEC, "model": {"id": model.id}, "replicas": 2, "gpu-count": 4}
        found = await (await client.deployments.create(spec)).wait()
        assert (found.state, found.replicas, found.gpu_count) == ("ready", 2, 4)
        version, arguments = found.inference_engine_version, ["--dtype", "float16"]
        updating = await client.deployments.update(
            found.id, name="new", inference_engine_parameters=arguments
        )
        found = await updating.wait()
        assert (found.name, found.inference_engine_version) == ("new", version)
        assert found.inference_engine_parameters == ("--dtype", "float16")
        cleared = await client.deployments.update(found.id, inference_engine_parameters=[])
        assert not (await cleared.wait()).inference_engine_parameters
        for replicas in (0, 1):
            change = await client.deployments.scale(found.id, replicas)
            assert (await change.wait()).replicas == replicas
            assert world.truth(found.id).settled
        assert (await client.deployments.reveal_api_key(found.id)).reveal()
        assert await client.deployments.logs(found.id, tail=1)
        await (await client.deployments.delete(found.id)).wait()
        await (await client.models.delete(model.id)).wait()
        assert not world.truth(model.id).exists


async def test_scale_to_the_same_number_settles() -> None:
    """A write without a visible effect settles by agreeing reads or the timestamp."""
    async with emulated() as (client, world):
        id = world.add_exoscale_deployment(replicas=3, created=1_700_000_000).id
        found = await (await client.deployments.scale(id, 3)).wait()
        assert found.replicas == 3
        assert world.truth(id).settled


@pytest.mark.parametrize(
    ("kind", "word"), [("operation_failed", "failure"), ("operation_timeout", "timeout")]
)
@pytest.mark.parametrize("on", WRITES)
async def test_failed_operation(kind: str, word: str, on: str) -> None:
    """A failed operation reports reason and message for every write."""
    async with emulated() as (client, world):
        id = world.add_exoscale_deployment(model_name=MODEL).id
        world.fault(kind, on=on, message="the rack is on fire", reason="fault")
        api = client.deployments
        change: Change[Any]
        match on:
            case "DELETE /v2/ai/deployment/{id}":
                change = await api.delete(id)
            case "POST /v2/ai/deployment/{id}/scale":
                change = await api.scale(id, 2)
            case _:
                change = await api.create(SPEC)
        with pytest.raises(DeploymentFailedError) as caught:
            await change.wait()
        assert f"ended in {word}: fault: the rack is on fire" in str(caught.value)


async def test_operation_that_never_ends() -> None:
    """A wait ends at its timeout, and its token can be resumed."""
    async with emulated() as (client, world):
        world.fault("operation_stuck", on=POST)
        change = await client.deployments.create(SPEC)
        with pytest.raises(WaitTimeoutError) as caught:
            await change.wait(timeout=900)
        assert "operation pending" in str(caught.value)
        assert caught.value.resume_token


async def test_create_without_a_reference() -> None:
    """While the operation runs, a match is a candidate and not adopted."""
    async with emulated() as (client, world):
        world.fault("no_reference", on=POST)
        with pytest.raises(OutcomeUnknownError) as caught:
            await client.deployments.create(SPEC)
        (found,) = caught.value.candidates
        assert (await client.deployments.wait_until_active(found.id)).name == "web"
        assert (world.truth(found.id).settled, world.created["web"]) == (True, 1)


async def test_no_capacity() -> None:
    """A 412 is raised at once, and nothing is created."""
    async with emulated() as (client, world):
        world.fault("no_capacity", on=POST)
        with pytest.raises(APIError, match="too few free GPUs") as caught:
            await client.deployments.create(SPEC)
        assert (caught.value.status, world.created["web"]) == (412, 0)


async def test_model_that_is_not_ready() -> None:
    """A create with a model that is not ready raises the API's error."""
    async with emulated() as (client, world):
        world.add_exoscale_model(name="slow/model", state="downloading", settles_in=math.inf)
        with pytest.raises(APIError, match="is not ready"):
            await client.deployments.create({**SPEC, "model": {"name": "slow/model"}})


async def test_gated_model_without_a_token() -> None:
    """A gated model without a token fails while it is downloaded."""
    async with emulated() as (client, _):
        with pytest.raises(DeploymentFailedError, match="state error"):
            await (await client.models.create("meta-llama/Llama-3-8B")).wait()


async def test_model_in_use() -> None:
    """The error names the deployments that use the model."""
    async with emulated() as (client, world):
        deployment = world.add_exoscale_deployment(model_name=MODEL)
        (model,) = await client.models.find_all(MODEL)
        with pytest.raises(APIError, match=deployment.id):
            await client.models.delete(model.id)


async def test_old_field_names() -> None:
    """Responses with `status` instead of `state` are accepted."""
    async with emulated() as (client, world):
        world.fault("old_names", times=1000)
        found = await (await client.deployments.create(SPEC)).wait()
        assert found.state == "ready"


async def test_concurrent_writes_to_one_deployment() -> None:
    """The second write raises `ConflictError`, or waits up to `ready_timeout`."""
    async with emulated() as (client, world):
        id = world.add_exoscale_deployment(model_name=MODEL).id
        await client.deployments.scale(id, 2)
        with pytest.raises(ConflictError, match="under way"):
            await client.deployments.update(id, name="new")
        change = await client.deployments.update(id, name="new", ready_timeout=600)
        found = await change.wait()
        assert (found.name, found.replicas) == ("new", 2)
        assert world.truth(id).settled


# --- zones ------------------------------------------------------------------------------------


async def test_everything_is_zone_local() -> None:
    """Resources and operations of Vienna are not found in Geneva."""
    async with emulated() as (client, world):
        world.add_exoscale_model(name=MODEL, zone=VIENNA)
        vienna = client.in_zone(VIENNA)
        change = await vienna.deployments.create(SPEC)
        assert await vienna.deployments.find_all("web")
        for read in (client.deployments.get(change.id), client.operations.get(change.initial.id)):
            with pytest.raises(NotFoundError, match="zone-local"):
                await read
        assert (await change.wait()).state == "ready"


async def test_waits_in_two_zones_at_once() -> None:
    """Two zones share poller and budget, and each is read from its own host."""
    async with emulated() as (client, world):
        world.add_exoscale_model(name=MODEL, zone=VIENNA)
        zones = client, client.in_zone(VIENNA)
        changes = [await zone.deployments.create(SPEC) for zone in zones for _ in range(12)]
        report = await wait_all(changes, timeout=3600)
        assert len(report.succeeded) == 24
        assert all(world.truth(change.id).settled for change in changes)
        assert 600 <= now() < 640


async def test_delete_in_the_wrong_zone(caplog: pytest.LogCaptureFixture) -> None:
    """A delete in the wrong zone is `already_gone`, and the log names the zone."""
    async with emulated() as (client, world):
        id = world.add_exoscale_deployment(zone=VIENNA).id
        assert (await client.deployments.delete(id)).already_gone
        assert "it still bills" in caplog.text
        assert world.truth(id).exists


async def test_scan() -> None:
    """A scan covers all zones and leaves public deployments out."""
    async with emulated() as (client, world):
        for zone in ("ch-gva-2", VIENNA):
            world.add_exoscale_deployment(name=zone, zone=zone, replicas=2, gpu_count=4)
        world.add_exoscale_deployment(name="theirs", visibility="public")
        inventory = await scan(client, details=True)
        assert {(row.name, row.region) for row in inventory} == {
            (z, z) for z in ("ch-gva-2", VIENNA)
        }
        assert {row.accelerators for row in inventory} == {(("gpua5000", 8),)}
        assert inventory.errors == ()


async def test_small_reads() -> None:
    """Zones, GPU families and engine arguments are returned."""
    async with emulated() as (client, _):
        assert "gpua5000" in {family.family for family in await client.instance_types()}
        assert {zone.name for zone in await client.zones()} >= {"ch-gva-2", VIENNA}
        assert await client.inference_engine_help()


# --- access -------------------------------------------------------------------------------------


async def test_wrong_secret() -> None:
    """A wrong secret raises an error that names the cause."""
    async with emulated(secret="n0t-the-secret") as (client, _):
        with pytest.raises(PermissionDeniedError, match="secret is wrong"):
            await client.deployments.find_all("web")


async def test_wrong_zone_name() -> None:
    """An unknown zone raises an error with a hint."""
    async with emulated(zone="xx-nowhere-9") as (client, _):
        with pytest.raises(NotFoundError, match="xx-nowhere-9"):
            await client.deployments.find_all("web")


async def test_url_of_a_deployment() -> None:
    """`.url` is the endpoint's; without one it says so."""
    async with emulated() as (client, _):
        change = await client.deployments.create(SPEC)
        with pytest.raises(InvalidInputError, match="no URL yet"):
            _ = (await client.deployments.get(change.id)).url
        assert (await change.wait()).url.startswith("https://")
