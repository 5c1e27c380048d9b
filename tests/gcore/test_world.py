"""The client against the emulated Gcore: what only a whole life shows. No sockets, virtual time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from di_async import (
    AuthenticationError,
    BadRequestError,
    DeploymentFailedError,
    NotFoundError,
    PermissionDeniedError,
    wait_all,
)
from di_async.emulator import World
from di_async.gcore import Gcore, InferenceDeployments
from tests.builders.gcore import HIDDEN, PROJECT, a_spec, sample
from tests.fake_network import TEN_MINUTES, EmulatorNetwork

pytestmark = pytest.mark.looptime(noop_cycles=1)

ONE = "/cloud/v3/inference/{project}/deployments/{id}"
POST = "POST /cloud/v3/inference/{project}/deployments"


def a_world() -> World:
    """A world in which creates take ten minutes."""
    return World("documented", seed=0, lifecycle=TEN_MINUTES)


@asynccontextmanager
async def client_of(world: World, **options: Any) -> AsyncIterator[Gcore]:
    """A client with the world's own credentials, unless others are given."""
    options = {"api_key": world.gcore.api_key, "project_id": world.gcore.project_id, **options}
    async with Gcore(transport=EmulatorNetwork(world), **options) as client:
        yield client


async def made(world: World, api: InferenceDeployments, **fields: Any) -> str:
    """The name of a new deployment that has settled."""
    change = await api.create(a_spec(**fields))
    await change.wait()
    assert world.truth(change.id).settled
    return change.id


async def test_a_whole_life() -> None:
    """Created, changed, stopped, changed while stopped, started, deleted: each settles in truth."""
    world = a_world()
    async with client_of(world) as client:
        api = client.inference_deployments
        name = await made(world, api, envs={"KEY": HIDDEN}, command=["serve", "--port 80"])
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
    """A deployment that may sleep settles as PENDING or ACTIVE, and says which."""
    world = a_world()
    async with client_of(world) as client:
        asleep = [{"region_id": 7, "scale": {"min": 0, "max": 1}}]
        change = await client.inference_deployments.create(a_spec(containers=asleep))
        found = await change.wait()
        assert found.status == "PENDING"
        assert world.truth(change.id).settled
    assert any("scaled to zero" in (event.note or "") for event in change.history)


async def test_a_whole_life_in_v2() -> None:
    """Every documented field of the vendor's example arrives, and stays when others change."""
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
    """A task's error, or a container's message: both end the wait with the story."""
    world = a_world()
    world.fault(kind, on=POST, message="the story")
    async with client_of(world) as client:
        change = await client.inference_deployments.create(a_spec())
        with pytest.raises(DeploymentFailedError, match="the story"):
            await change.wait()


async def test_error_that_passes() -> None:
    """An error message for five minutes is no failure."""
    world = a_world()
    world.fault("error", on=POST, seconds=300)
    async with client_of(world) as client:
        change = await client.inference_deployments.create(a_spec())
        assert (await change.wait()).status == "ACTIVE"
    assert any(event.note for event in change.history if event.status == "PARTIALLYDEPLOYED")


@pytest.mark.parametrize("kind", ["many_tasks", "no_reference"])
async def test_any_number_of_tasks(kind: str) -> None:
    """Two tasks, or none at all: the deployment settles no sooner than in truth."""
    world = a_world()
    world.fault(kind, on=POST)
    async with client_of(world) as client:
        change = await client.inference_deployments.create(a_spec())
        assert len(change.initial.tasks) == {"many_tasks": 2, "no_reference": 0}[kind]
        await change.wait()
        assert world.truth(change.id).settled


async def test_wrong_key() -> None:
    """Told at the first call, with the hint about the dollar sign."""
    async with client_of(a_world(), api_key="1234") as client:
        with pytest.raises(AuthenticationError, match="single quotes"):
            await client.inference_deployments.get("web-llm")


async def test_wrong_project() -> None:
    """Not found, with the project in which it was looked for."""
    world = a_world()
    async with client_of(world) as right, client_of(world, project_id=PROJECT) as wrong:
        name = await made(world, right.inference_deployments)
        with pytest.raises(NotFoundError, match=f"project {PROJECT}"):
            await wrong.inference_deployments.get(name)


async def test_no_capacity() -> None:
    """A flavour that is sold out."""
    world = a_world()
    world.fault("no_capacity", on=POST)
    async with client_of(world) as client:
        with pytest.raises(PermissionDeniedError, match="no capacity left in the region") as caught:
            await client.inference_deployments.create(a_spec())
    assert caught.value.code == "ForbiddenError"


async def test_quota() -> None:
    """What is used, what was asked, and what is allowed."""
    world = a_world()
    world.gcore.quota["inference_gpu_h100_count"] = 0
    async with client_of(world) as client:
        with pytest.raises(BadRequestError, match="limit 0") as caught:
            await client.inference_deployments.create(a_spec())
    assert caught.value.code == "QuotaLimitExceed"


async def test_server_that_refuses_what_we_let_through() -> None:
    """Its fields are in the message."""
    world = a_world()
    async with client_of(world) as client:
        with pytest.raises(BadRequestError, match="api_keys") as caught:
            await client.inference_deployments.create(a_spec(api_keys=["nobody-made-it"]))
    assert caught.value.code == "ValidationError"


async def test_crowd() -> None:
    """Sixty waits share the list; each settles in truth, and a task is read once or twice."""
    world = a_world()
    names = [f"crowd-{number}" for number in range(60)]
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
