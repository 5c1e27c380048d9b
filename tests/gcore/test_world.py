"""The client against the emulated Gcore, without sockets and in virtual time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from di_async import (
    AuthenticationError,
    BadRequestError,
    DeploymentFailedError,
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
    SupersededError,
    wait_all,
)
from di_async.emulator import World
from di_async.gcore import Gcore, InferenceDeployments
from tests.builders.gcore import HIDDEN, PROJECT, a_spec, sample
from tests.fake_network import TEN_MINUTES, EmulatorNetwork
from tests.support import VIRTUAL

pytestmark = VIRTUAL

ONE = "/cloud/v3/inference/{project}/deployments/{id}"
POST = "POST /cloud/v3/inference/{project}/deployments"


def a_world() -> World:
    """Return a world where creates take ten minutes."""
    return World("documented", seed=0, lifecycle=TEN_MINUTES)


@asynccontextmanager
async def client_of(world: World, **options: Any) -> AsyncIterator[Gcore]:
    """Yield a client with the world's credentials, unless others are given."""
    options = {"api_key": world.gcore.api_key, "project_id": world.gcore.project_id, **options}
    async with Gcore(transport=EmulatorNetwork(world), **options) as client:
        yield client


async def settled(world: World, api: InferenceDeployments, **fields: Any) -> str:
    """Create a deployment, wait for it and return its name."""
    change = await api.create(a_spec(**fields))
    await change.wait()
    assert world.truth(change.id).settled
    return change.id


async def test_v3_lifecycle() -> None:
    """Every kind of write settles, and not before the emulated resource has."""
    world = a_world()
    async with client_of(world) as client:
        api = client.inference_deployments
        name = await settled(world, api, envs={"KEY": HIDDEN}, command=["serve", "--port 80"])
        changes: list[tuple[str, dict[str, Any]]] = [
            ("ACTIVE", {"envs": {"KEY": "other"}, "image": "nginx:2"}),
            ("DISABLED", {}),
            ("DISABLED", {"timeout": 7}),
            ("ACTIVE", {}),
        ]
        writes = [api.update, api.stop, api.update, api.start]
        for write, (end, fields) in zip(writes, changes, strict=True):
            change = await write(name, **fields)
            found = await change.wait()
            assert found.status == end
            assert world.truth(name).settled
        assert (found.image, found.timeout, found.envs) == ("nginx:2", 7, {"KEY": "other"})
        await (await api.delete(name)).wait()
        assert not world.truth(name).exists


async def test_scaled_to_zero() -> None:
    """A deployment that scales to zero settles at PENDING, with a note."""
    world = a_world()
    async with client_of(world) as client:
        containers = [{"region_id": 7, "scale": {"min": 0, "max": 1}}]
        change = await client.inference_deployments.create(a_spec(containers=containers))
        found = await change.wait()
        assert found.status == "PENDING"
        assert world.truth(change.id).settled
    assert any("scaled to zero" in (event.note or "") for event in change.history)


async def test_v2_lifecycle() -> None:
    """All fields of the vendor's example are stored, and kept by an update of one."""
    world = a_world()
    async with client_of(world) as client:
        api = client.inference_instances
        bare = {k: v for k, v in sample("update_request").items() if k != "project_id"}
        del bare["api_key_ids"]
        change = await api.create(bare)
        before = await change.wait()
        after = await (await api.update(change.id, image="nginx:2")).wait()
        assert after.image == "nginx:2"
        for name in bare.keys() - {"image", "containers"}:
            assert getattr(after, name) == getattr(before, name), name
        assert after.containers[0].scale == before.containers[0].scale
        await (await api.delete(change.id)).wait()
        assert not world.truth(change.id).exists


@pytest.mark.parametrize("kind", ["operation_failed", "operation_timeout", "error"])
async def test_failures(kind: str) -> None:
    """A task's error and a container's message fail the wait with their text."""
    world = a_world()
    world.fault(kind, on=POST, message="out of memory")
    async with client_of(world) as client:
        change = await client.inference_deployments.create(a_spec())
        with pytest.raises(DeploymentFailedError, match="out of memory"):
            await change.wait()


async def test_passing_error() -> None:
    """An error message for five minutes is not a failure."""
    world = a_world()
    world.fault("error", on=POST, seconds=300)
    async with client_of(world) as client:
        change = await client.inference_deployments.create(a_spec())
        assert (await change.wait()).status == "ACTIVE"
    assert any(event.note for event in change.history if event.status == "PARTIALLYDEPLOYED")


@pytest.mark.parametrize("kind", ["many_tasks", "no_reference"])
async def test_any_number_of_tasks(kind: str) -> None:
    """A create with two tasks or none settles no sooner than the emulated resource."""
    world = a_world()
    world.fault(kind, on=POST)
    async with client_of(world) as client:
        change = await client.inference_deployments.create(a_spec())
        assert len(change.initial.tasks) == {"many_tasks": 2, "no_reference": 0}[kind]
        await change.wait()
        assert world.truth(change.id).settled


async def test_wrong_key() -> None:
    """The first call raises, with a hint about the missing `$`."""
    async with client_of(a_world(), api_key="1234") as client:
        with pytest.raises(AuthenticationError, match="single quotes"):
            await client.inference_deployments.get("web-llm")


async def test_wrong_project() -> None:
    """The error names the project that was searched."""
    world = a_world()
    async with client_of(world) as right, client_of(world, project_id=PROJECT) as wrong:
        name = await settled(world, right.inference_deployments)
        with pytest.raises(NotFoundError, match=f"project {PROJECT}"):
            await wrong.inference_deployments.get(name)


async def test_no_capacity() -> None:
    """Missing capacity is a PermissionDeniedError with a hint."""
    world = a_world()
    world.fault("no_capacity", on=POST)
    async with client_of(world) as client:
        with pytest.raises(PermissionDeniedError, match="no capacity left in the region") as caught:
            await client.inference_deployments.create(a_spec())
    assert caught.value.code == "ForbiddenError"


async def test_quota() -> None:
    """The error shows the limit of the quota."""
    world = a_world()
    world.gcore.quota["inference_gpu_h100_count"] = 0
    async with client_of(world) as client:
        with pytest.raises(BadRequestError, match="limit 0") as caught:
            await client.inference_deployments.create(a_spec())
    assert caught.value.code == "QuotaLimitExceed"


async def test_fields_refused_by_the_server() -> None:
    """The error names the fields that only the server can check."""
    world = a_world()
    async with client_of(world) as client:
        with pytest.raises(BadRequestError, match="api_keys") as caught:
            await client.inference_deployments.create(a_spec(api_keys=["missing-key"]))
    assert caught.value.code == "ValidationError"


async def test_many_waits() -> None:
    """Sixty waits share the list, and each task is read at most three times."""
    world = a_world()
    names = [f"web-{number:03}" for number in range(60)]
    async with client_of(world) as client:
        api = client.inference_deployments
        changes = [await api.create(a_spec(name=name)) for name in names]
        report = await wait_all(changes)
        assert len(report.succeeded) == len(names)
        assert all(world.truth(name).settled for name in names)
    paths = [path for _, verb, path, _ in world.requests if verb == "GET"]
    tasks = [path for path in paths if "/tasks/" in path]
    assert len(tasks) <= 3 * len(names)
    assert any("offset=" in path or path.endswith("/deployments") for path in paths)


async def test_url_of_a_deployment() -> None:
    """`.url` is the endpoint's; without one it says so."""
    world = a_world()
    async with client_of(world) as client:
        change = await client.inference_deployments.create(a_spec())
        with pytest.raises(InvalidInputError, match="no address yet"):
            _ = (await client.inference_deployments.get(change.id)).url
        assert (await change.wait()).url.startswith("https://")


async def test_an_update_during_a_rollout_that_others_replace() -> None:
    """The wait says so within minutes, though the deployment was in progress before the update."""
    world = a_world()
    async with client_of(world) as client, client_of(world) as others:
        name = await settled(world, client.inference_deployments)
        await others.inference_deployments.update(name, image="nginx:2")
        await asyncio.sleep(60)  # its task is over; the rollout goes on
        change = await client.inference_deployments.update(name, image="nginx:3")
        await asyncio.sleep(60)
        await others.inference_deployments.update(name, image="nginx:4")
        with pytest.raises(SupersededError, match="another spec"):
            await change.wait(timeout=600)
