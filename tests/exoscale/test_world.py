"""Against the emulated API, by virtual time: whole lives, its ways to fail, and its zones."""

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
async def living(**options: Any) -> AsyncIterator[tuple[Exoscale, World]]:
    """A client in a world where a create takes ten minutes, with a model in Geneva."""
    world = World(seed=0, lifecycle=TEN_MINUTES)
    # As the emulator has it: every zone under a prefix, which is signed with the rest.
    given = {"base_url": "http://127.0.0.1/zones/{zone}", **options}
    key, secret = world.exoscale.api_key, given.pop("secret", world.exoscale.api_secret)
    transport = EmulatorNetwork(world)
    async with Exoscale(key, secret, transport=transport, **given) as client:
        world.add_exoscale_model(name=MODEL)
        yield client, world


def now() -> float:
    """The loop's (virtual) time."""
    return asyncio.get_running_loop().time()


async def test_whole_life() -> None:
    """Fetched, created, updated, scaled to nothing and back, deleted: each proven."""
    async with living() as (client, world):
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


async def test_scale_to_what_it_is_settles_too() -> None:
    """Nothing shows that anything happened but time: agreeing reads do, or the stamp."""
    async with living() as (client, world):
        id = world.add_exoscale_deployment(replicas=3, created=1_700_000_000).id
        found = await (await client.deployments.scale(id, 3)).wait()
        assert found.replicas == 3
        assert world.truth(id).settled


@pytest.mark.parametrize(
    ("kind", "word"), [("operation_failed", "failure"), ("operation_timeout", "timeout")]
)
@pytest.mark.parametrize("on", WRITES)
async def test_failed_operation(kind: str, word: str, on: str) -> None:
    """Told with reason and message, whatever the write was."""
    async with living() as (client, world):
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
    """The caller's timeout is the end of it, and the token goes on."""
    async with living() as (client, world):
        world.fault("operation_stuck", on=POST)
        change = await client.deployments.create(SPEC)
        with pytest.raises(WaitTimeoutError) as caught:
            await change.wait(timeout=900)
        assert "operation pending" in str(caught.value)
        assert caught.value.resume_token


async def test_create_without_a_reference() -> None:
    """While its operation goes on nothing proves which one it made: it is shown, and not taken."""
    async with living() as (client, world):
        world.fault("no_reference", on=POST)
        with pytest.raises(OutcomeUnknownError) as caught:
            await client.deployments.create(SPEC)
        (found,) = caught.value.candidates
        assert (await client.deployments.wait_until_active(found.id)).name == "web"
        assert (world.truth(found.id).settled, world.created["web"]) == (True, 1)


async def test_no_capacity() -> None:
    """412, at once, and nothing was made."""
    async with living() as (client, world):
        world.fault("no_capacity", on=POST)
        with pytest.raises(APIError, match="too few free GPUs") as caught:
            await client.deployments.create(SPEC)
        assert (caught.value.status, world.created["web"]) == (412, 0)


async def test_model_that_is_not_ready() -> None:
    """The API's own word about it."""
    async with living() as (client, world):
        world.add_exoscale_model(name="slow/model", state="downloading", settles_in=math.inf)
        with pytest.raises(APIError, match="is not ready"):
            await client.deployments.create({**SPEC, "model": {"name": "slow/model"}})


async def test_gated_model_without_a_token() -> None:
    """Its fetching fails, later."""
    async with living() as (client, _):
        with pytest.raises(DeploymentFailedError, match="state error"):
            await (await client.models.create("meta-llama/Llama-3-8B")).wait()


async def test_model_in_use() -> None:
    """Its users are named."""
    async with living() as (client, world):
        deployment = world.add_exoscale_deployment(model_name=MODEL)
        (model,) = await client.models.find_all(MODEL)
        with pytest.raises(APIError, match=deployment.id):
            await client.models.delete(model.id)


async def test_old_names() -> None:
    """Answers that say `status` are read as well."""
    async with living() as (client, world):
        world.fault("old_names", times=1000)
        found = await (await client.deployments.create(SPEC)).wait()
        assert found.state == "ready"


async def test_two_at_once_on_one_deployment() -> None:
    """The second is told that it is busy, or waits for its turn if told to."""
    async with living() as (client, world):
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
    """Model, deployment and operation of Vienna are not to be found in Geneva."""
    async with living() as (client, world):
        world.add_exoscale_model(name=MODEL, zone=VIENNA)
        vienna = client.in_zone(VIENNA)
        change = await vienna.deployments.create(SPEC)
        assert await vienna.deployments.find_all("web")
        for read in (client.deployments.get(change.id), client.operations.get(change.initial.id)):
            with pytest.raises(NotFoundError, match="zone-local"):
                await read
        assert (await change.wait()).state == "ready"


async def test_waits_in_two_zones_at_once() -> None:
    """One poller, one budget; neither is asked for where the other is."""
    async with living() as (client, world):
        world.add_exoscale_model(name=MODEL, zone=VIENNA)
        zones = client, client.in_zone(VIENNA)
        changes = [await zone.deployments.create(SPEC) for zone in zones for _ in range(12)]
        report = await wait_all(changes, timeout=3600)
        assert len(report.succeeded) == 24
        assert all(world.truth(change.id).settled for change in changes)
        assert 600 <= now() < 640


async def test_delete_in_the_wrong_zone(caplog: pytest.LogCaptureFixture) -> None:
    """It finds nothing, and the log says what that may mean."""
    async with living() as (client, world):
        id = world.add_exoscale_deployment(zone=VIENNA).id
        assert (await client.deployments.delete(id)).already_gone
        assert "it still bills" in caplog.text
        assert world.truth(id).exists


async def test_scan() -> None:
    """All zones; what the vendor runs for all is left out."""
    async with living() as (client, world):
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
    """What there is to choose from."""
    async with living() as (client, _):
        assert "gpua5000" in {family.family for family in await client.instance_types()}
        assert {zone.name for zone in await client.zones()} >= {"ch-gva-2", VIENNA}
        assert await client.inference_engine_help()


# --- who may ----------------------------------------------------------------------------------


async def test_wrong_secret() -> None:
    """Signs what nobody believes."""
    async with living(secret="n0t-the-secret") as (client, _):
        with pytest.raises(PermissionDeniedError, match="secret is wrong"):
            await client.deployments.find_all("web")


async def test_wrong_zone_name() -> None:
    """A zone that there is not: the answer's 404 hints at it."""
    async with living(zone="xx-nowhere-9") as (client, _):
        with pytest.raises(NotFoundError, match="xx-nowhere-9"):
            await client.deployments.find_all("web")
