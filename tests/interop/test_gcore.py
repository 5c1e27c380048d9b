"""gcore, the vendor's generated SDK, against the emulator.

Its models are built leniently, so each is validated once more, strictly, where the vendor's own
types allow it: `command` is a string there and a list in the vendor's reference.
"""

import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any, get_args

import gcore
import httpx
import pytest
from gcore import AsyncGcore, Gcore
from gcore.types.cloud import InferenceRegionCapacityList, Task
from gcore.types.cloud.inference import InferenceAPIKey, InferenceDeployment, InferenceFlavor

from di_async.emulator import Emulator, Lifecycle, threaded
from tests.support import SteppingClock

FLAVOR = "inference-16vcpu-232gib-1xh100-80gb"
WORDS = get_args(InferenceDeployment.model_fields["status"].annotation)
STATES = get_args(Task.model_fields["state"].annotation)
PROBE = {"enabled": True, "probe": {"http_get": {"port": 80, "path": "/healthz"}}}
ASKED: dict[str, Any] = {
    "name": "my-instance",
    "image": "nginx:latest",
    "listening_port": 80,
    "flavor_name": FLAVOR,
    "containers": [
        {
            "region_id": 7,
            "scale": {"min": 1, "max": 3, "triggers": {"http": {"rate": 5, "window": 60}}},
        }
    ],
    "description": "My first instance",
    "envs": {"DEBUG_MODE": "False"},
    "probes": {"readiness_probe": PROBE},
    "ingress_opts": {"disable_response_buffering": True},
    "logging": {"enabled": True, "topic_name": "logs", "destination_region_id": 7},
    "api_timeout": 60,
}


both_dialects = pytest.mark.parametrize("dialect", ["documented", "observed"])


@pytest.fixture
def dialect() -> str:
    """Return the dialect of tests that do not depend on it."""
    return "observed"


@pytest.fixture
def emulator(dialect: Any) -> Iterator[Emulator]:
    """Run a fast emulator: a create takes 1 ms, its task a tenth of that."""
    lifecycle = Lifecycle(create=10, update=5, delete=3)
    with threaded(dialect=dialect, time_scale=10_000.0, seed=0, lifecycle=lifecycle) as emu:
        yield emu


def options_of(emu: Emulator) -> dict[str, Any]:
    """Return the options of both clients; without retries, so that errors are raised at once."""
    return {
        "api_key": emu.gcore_api_key,
        "cloud_project_id": emu.gcore_project_id,
        "base_url": emu.url,
        "polling_interval_seconds": 1,
        "polling_timeout_seconds": 10,
        "max_retries": 0,
    }


@pytest.fixture
def sdk(emulator: Emulator) -> Iterator[Gcore]:
    """Return the synchronous SDK."""
    with Gcore(**options_of(emulator)) as client:
        yield client


@pytest.fixture
async def async_sdk(emulator: Emulator) -> AsyncIterator[AsyncGcore]:
    """Return the asynchronous SDK."""
    async with AsyncGcore(**options_of(emulator)) as client:
        yield client


def check_deployment(it: InferenceDeployment, emu: Emulator) -> None:
    """Check that every requested field is present, in the SDK's own types."""
    if it.command is None or isinstance(it.command, str):
        InferenceDeployment.model_validate(it.to_dict(), strict=True)
    assert it.status in WORDS
    assert it.project_id == emu.gcore_project_id
    assert (it.name, it.image, it.listening_port) == ("my-instance", "nginx:latest", 80)
    assert (it.flavor_name, it.timeout, it.envs) == (FLAVOR, 60, {"DEBUG_MODE": "False"})
    assert (it.credentials_name, it.object_references) == ("", [])
    assert it.created_at is not None
    assert datetime.fromisoformat(it.created_at)
    (container,) = it.containers
    scale = container.scale
    assert (container.region_id, scale.min, scale.max) == (7, 1, 3)
    assert scale.triggers.http is not None
    assert (scale.triggers.http.rate, scale.triggers.http.window) == (5, 60)
    assert scale.triggers.cpu is None
    assert it.ingress_opts is not None
    assert it.ingress_opts.disable_response_buffering is True
    assert it.logging is not None
    assert (it.logging.enabled, it.logging.topic_name) == (True, "logs")
    assert it.probes is not None
    assert it.probes.liveness_probe is None
    assert it.probes.readiness_probe is not None
    probe = it.probes.readiness_probe.probe
    assert probe is not None
    assert probe.http_get is not None
    assert (probe.http_get.path, probe.http_get.schema_) == ("/healthz", "HTTP")


async def settled(client: AsyncGcore, name: str = "my-instance") -> InferenceDeployment:
    """Return a deployment once it serves: `*_and_poll` does not wait for that."""
    while True:
        it = await client.cloud.inference.deployments.get(name)
        if it.status in ("ACTIVE", "PENDING"):
            return it


@both_dialects
def test_synchronous_lifecycle(emulator: Emulator, sdk: Gcore) -> None:
    """Create, update and delete, each polled by the SDK itself."""
    deployments = sdk.cloud.inference.deployments
    made = deployments.create_and_poll(**ASKED)
    check_deployment(made, emulator)
    assert made.description == "My first instance"
    changed = deployments.update_and_poll("my-instance", description="second")
    assert changed.description == "second"
    check_deployment(changed, emulator)
    deployments.delete_and_poll("my-instance")
    with pytest.raises(gcore.NotFoundError):
        deployments.get("my-instance")
    assert emulator.truth("my-instance").status == "DELETED"


@both_dialects
async def test_asynchronous_lifecycle(emulator: Emulator, async_sdk: AsyncGcore) -> None:
    """The same without blocking; a serving deployment has an address and ready replicas."""
    deployments = async_sdk.cloud.inference.deployments
    check_deployment(await deployments.create_and_poll(**ASKED), emulator)
    served = await settled(async_sdk)
    check_deployment(served, emulator)
    assert served.status == "ACTIVE"
    assert served.address == f"{emulator.dataplane_url}/gcore/my-instance"
    (container,) = served.containers
    assert (container.deploy_status.ready, container.deploy_status.total) == (1, 1)
    assert container.error_message is None
    changed = await deployments.update_and_poll("my-instance", image="nginx:2")
    assert changed.image == "nginx:2"
    await settled(async_sdk)
    await deployments.delete_and_poll("my-instance")
    with pytest.raises(gcore.NotFoundError):
        await deployments.get("my-instance")


@both_dialects
async def test_command_in_both_dialects(emulator: Emulator, async_sdk: AsyncGcore) -> None:
    """The SDK sends a list and declares a string; the reference shows a list."""
    spec = {**ASKED, "command": ["nginx", "-g", "daemon off;"]}
    made = await async_sdk.cloud.inference.deployments.create_and_poll(**spec)
    found: Any = made.command
    documented = emulator.world.settings.dialect == "documented"
    assert found == (spec["command"] if documented else "nginx -g daemon off;")
    check_deployment(made, emulator)


@both_dialects
async def test_stop_and_start(async_sdk: AsyncGcore) -> None:
    """Neither has a task; DISABLED, then ACTIVE again."""
    deployments = async_sdk.cloud.inference.deployments
    await deployments.create_and_poll(**ASKED)
    await settled(async_sdk)
    await deployments.stop("my-instance")
    while (await deployments.get("my-instance")).status != "DISABLED":
        pass
    await deployments.start("my-instance")
    assert (await settled(async_sdk)).status == "ACTIVE"
    assert (await async_sdk.cloud.tasks.list()).count == 1


async def test_scaled_to_zero_is_pending(async_sdk: AsyncGcore) -> None:
    """PENDING is the SDK's word for it, too."""
    asleep = {"region_id": 7, "scale": {"min": 0, "max": 1}}
    await async_sdk.cloud.inference.deployments.create_and_poll(**ASKED | {"containers": [asleep]})
    assert (await settled(async_sdk)).status == "PENDING"


@both_dialects
def test_list_follows_the_pages(emulator: Emulator, sdk: Gcore) -> None:
    """By limit and offset, each deployment once."""
    for _ in range(5):
        emulator.add_gcore_deployment()
    deployments = sdk.cloud.inference.deployments
    assert deployments.list(limit=2).count == 5
    names = [it.name for it in deployments.list(limit=2)]
    assert names == [f"placed-{number}" for number in range(5)]
    for it in deployments.list():
        InferenceDeployment.model_validate(it.to_dict(), strict=True)


def test_status_words_equal_the_sdks(emulator: Emulator, sdk: Gcore) -> None:
    """The emulator's status words are those of the SDK's enumeration."""
    for word in ("DEPLOYING", "PARTIALLYDEPLOYED", "ACTIVE", "DISABLED", "DELETING"):
        emulator.add_gcore_deployment(name=word, status=word, settles_in=1e6)
    emulator.add_gcore_deployment(name="PENDING", scale_min=0)
    rows = list(sdk.cloud.inference.deployments.list())
    assert sorted(it.status for it in rows) == sorted(WORDS)
    for it in rows:
        assert it.status == it.name
        InferenceDeployment.model_validate(it.to_dict(), strict=True)


def test_error_message_of_a_failure(emulator: Emulator, sdk: Gcore) -> None:
    """It is PARTIALLYDEPLOYED, and the container has the error message."""
    emulator.add_gcore_deployment(name="mine", status="FAILED", message="no such image")
    it = sdk.cloud.inference.deployments.get("mine")
    assert it.status == "PARTIALLYDEPLOYED"
    assert it.containers[0].error_message == "no such image"


async def test_failed_task_is_raised_with_its_error(
    emulator: Emulator, async_sdk: AsyncGcore
) -> None:
    """The SDK's poller raises the task's own message."""
    emulator.fault("operation_failed", message="out of nodes")
    with pytest.raises(ValueError, match="out of nodes"):
        await async_sdk.cloud.inference.deployments.create_and_poll(**ASKED)


def test_responses_with_no_task_or_several(emulator: Emulator, sdk: Gcore) -> None:
    """An update polls the first task, if any, and reads; a create insists on exactly one."""
    deployments = sdk.cloud.inference.deployments
    emulator.add_gcore_deployment(name="mine")
    emulator.fault("no_reference", id="mine")
    assert deployments.update_and_poll("mine", description="new").description == "new"
    emulator.fault("many_tasks", id="my-instance")
    with pytest.raises(ValueError, match="exactly one task"):
        deployments.create_and_poll(**ASKED)


def test_task_is_polled_through_new_and_running() -> None:
    """The SDK polls a task once a second, and parses all of its states."""
    lifecycle = Lifecycle(create=12, operation_share=0.5)
    passing = SteppingClock(1.0)
    with (
        threaded(seed=0, lifecycle=lifecycle, clock=passing.read) as emu,
        Gcore(**options_of(emu)) as client,
    ):
        id = client.cloud.inference.deployments.create(**ASKED).tasks[0]
        first = client.cloud.tasks.get(id)
        done = client.cloud.tasks.poll(id)
    assert (first.state, done.state) == ("NEW", "FINISHED")
    assert done.created_resources is not None
    assert done.created_resources.inference_instances == ["my-instance"]


@both_dialects
def test_tasks(emulator: Emulator, sdk: Gcore) -> None:
    """Get, list with filters, acknowledge: the SDK's strict model accepts them."""
    id = sdk.cloud.inference.deployments.create(**ASKED).tasks[0]
    sdk.cloud.tasks.poll(id)
    rows = list(sdk.cloud.tasks.list(state=["FINISHED", "ERROR"], limit=1))
    assert [task.id for task in rows] == [id]
    found = sdk.cloud.tasks.acknowledge_one(id)
    assert found.acknowledged_at is not None
    for task in (*rows, found):
        Task.model_validate(task.to_dict(), strict=True)
        assert task.state in STATES
        assert task.task_type == "create_inference_instance"
        assert task.project_id == emulator.gcore_project_id


@both_dialects
async def test_logs(async_sdk: AsyncGcore) -> None:
    """Log times are parsed as times, in either order."""
    deployments = async_sdk.cloud.inference.deployments
    await deployments.create_and_poll(**ASKED)
    await settled(async_sdk)
    lines = [line async for line in deployments.logs.list("my-instance", limit=1)]
    assert len(lines) == 2
    assert {(line.region_id, line.pod) for line in lines} == {(7, "my-instance-0-0")}
    assert all(isinstance(line.time, datetime) for line in lines)
    newest = await deployments.logs.list("my-instance", order_by="time.desc")
    assert newest.results[0].message == "Listening on port 80"


@both_dialects
def test_flavors_and_capacities(sdk: Gcore) -> None:
    """Every flavor can be read by name, and regions have capacities."""
    inference = sdk.cloud.inference
    flavors = list(inference.flavors.list())
    for flavor in flavors:
        InferenceFlavor.model_validate(flavor.to_dict(), strict=True)
        assert inference.flavors.get(flavor.name) == flavor
    found = inference.get_capacity_by_region()
    InferenceRegionCapacityList.model_validate(found.to_dict(), strict=True)
    assert found.count == len(found.results) > 1
    names = {row.flavor_name for region in found.results for row in region.capacity}
    assert names == {flavor.name for flavor in flavors}


@both_dialects
def test_api_keys(sdk: Gcore) -> None:
    """The secret is shown once; keys protect deployments, and `[]` removes the protection."""
    keys, deployments = sdk.cloud.inference.api_keys, sdk.cloud.inference.deployments
    made = keys.create(name="mine", description="d")
    assert made.secret
    found = keys.get("mine")
    InferenceAPIKey.model_validate(found.to_dict(), strict=True)
    assert "secret" not in found.to_dict()
    assert deployments.create_and_poll(**ASKED, api_keys=["mine"]).auth_enabled is True
    assert [key.deployment_names for key in keys.list()] == [["my-instance"]]
    assert keys.update("mine", description="new").description == "new"
    opened = deployments.update_and_poll("my-instance", api_keys=[])
    assert (opened.auth_enabled, opened.api_keys) == (False, [])
    keys.delete("mine")
    with pytest.raises(gcore.NotFoundError):
        keys.get("mine")


@pytest.mark.parametrize("header", ["X-Api-Key", "Authorization"])
def test_address_is_where_it_serves(emulator: Emulator, sdk: Gcore, header: str) -> None:
    """The address serves over TLS, with the key's secret in either documented header."""
    secret = sdk.cloud.inference.api_keys.create(name="mine").secret
    sdk.cloud.inference.deployments.create_and_poll(**ASKED, api_keys=["mine"])
    while (address := sdk.cloud.inference.deployments.get("my-instance").address) is None:
        pass
    trusting = ssl.create_default_context(cadata=emulator.ca_pem)
    sent = {header: secret if header == "X-Api-Key" else f"Bearer {secret}"}
    with httpx.Client(verify=trusting) as client:
        found = client.get(f"{address}/v1/models", headers=sent)
        refused = client.get(f"{address}/v1/models")
    assert found.json()["data"][0]["id"] == "nginx"
    assert refused.status_code == 401


def test_errors_are_the_sdks(emulator: Emulator, sdk: Gcore) -> None:
    """Each status raises the SDK's own class, with the vendor's body."""
    deployments = sdk.cloud.inference.deployments
    with pytest.raises(gcore.NotFoundError) as missing:
        deployments.get("nobody")
    assert isinstance(missing.value.body, dict)
    assert missing.value.body["exception_class"] == "NotFoundError"
    with pytest.raises(gcore.NotFoundError):
        deployments.get("my-instance", project_id=emulator.gcore_project_id + 1)
    with pytest.raises(gcore.BadRequestError) as bad:
        deployments.create(**ASKED | {"name": "abc"})
    assert isinstance(bad.value.body, dict)
    assert bad.value.body["invalid_fields"].keys() == {"name"}
    emulator.fault("no_capacity", region="7")
    with pytest.raises(gcore.PermissionDeniedError, match="ForbiddenError"):
        deployments.create(**ASKED)
    emulator.fault("rate_limit")
    with pytest.raises(gcore.RateLimitError):
        deployments.list()
    emulator.fault("status", status=503)
    with pytest.raises(gcore.InternalServerError):
        deployments.list()
    with pytest.raises(gcore.AuthenticationError, match="Bad permanent token"):
        sdk.with_options(api_key="1234").cloud.inference.deployments.list()


def test_sdk_retries_after_a_reset(emulator: Emulator, sdk: Gcore) -> None:
    """The SDK retries by itself."""
    emulator.fault("reset")
    patient = sdk.with_options(max_retries=1)
    assert patient.cloud.inference.deployments.list().count == 0


@both_dialects
def test_account_with_strict_validation(emulator: Emulator) -> None:
    """Keys, secrets, tasks, projects, regions, flavors and capacity pass the SDK's own checks."""
    with Gcore(**options_of(emulator), _strict_response_validation=True) as sdk:
        inference = sdk.cloud.inference
        made = inference.api_keys.create(name="ci-key")
        assert made.secret
        assert inference.api_keys.update("ci-key", description="x").description == "x"
        assert [key.name for key in inference.api_keys.list()] == ["ci-key"]
        assert inference.api_keys.get("ci-key").description == "x"
        inference.api_keys.delete("ci-key")
        data = {"aws_access_key_id": "AKIA1", "aws_secret_access_key": "one"}
        inference.secrets.create(name="aws-one", type="aws-iam", data=data)  # type: ignore[arg-type]
        changed = {**data, "aws_access_key_id": "AKIA2"}
        inference.secrets.replace("aws-one", type="aws-iam", data=changed)  # type: ignore[arg-type]
        assert inference.secrets.get("aws-one").data.aws_access_key_id == "AKIA2"
        assert [secret.name for secret in inference.secrets.list()] == ["aws-one"]
        inference.secrets.delete("aws-one")
        assert {flavor.name for flavor in inference.flavors.list()} >= {FLAVOR}
        assert inference.flavors.get(FLAVOR).gpu_model == "H100"
        assert {row.region_id for row in inference.get_capacity_by_region().results} == {1, 7, 26}
        assert [project.id for project in sdk.cloud.projects.list()] == [emulator.gcore_project_id]
        assert sdk.cloud.projects.get().is_default
        assert [region.id for region in sdk.cloud.regions.list()] == [1, 7, 26]
        assert sdk.cloud.regions.get(region_id=7).id == 7
        inference.deployments.create_and_poll(**ASKED)
        (task,) = sdk.cloud.tasks.list().results
        assert sdk.cloud.tasks.acknowledge_one(task.id).acknowledged_at
        sdk.cloud.tasks.acknowledge_all()
        assert sdk.cloud.tasks.list(is_acknowledged=False).count == 0
