"""v3: reads, writes, and when a change has settled."""

from datetime import UTC, datetime
from typing import Any

import pytest

from di_async import (
    DecodeError,
    DeploymentFailedError,
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
    ResourceVanishedError,
    WaitTimeoutError,
)
from di_async.gcore import Accepted, InferenceDeploymentSpec
from tests.builders.gcore import (
    HIDDEN,
    NAME,
    PROJECT,
    TASK,
    a_container,
    a_deployment,
    a_spec,
    a_task,
    accepted,
    no_such,
    read_deployment,
)
from tests.fake_network import FakeNetwork, Step, answer
from tests.gcore.helpers import ONE, TASK_PATH, V3, routed, scripted, sent
from tests.support import VIRTUAL

pytestmark = VIRTUAL

GET, TASKS = f"GET {ONE}", f"GET {TASK_PATH}"
POST, PATCH, DELETE = f"POST {V3}", f"PATCH {ONE}", f"DELETE {ONE}"


def reads(*statuses: str, **fields: Any) -> list[Step]:
    """Return one response to GET for each status."""
    return [answer(200, a_deployment(status, **fields)) for status in statuses]


def tasks(*states: str, **fields: Any) -> list[Step]:
    """Return one response about the task for each state."""
    return [answer(200, a_task(state, **fields)) for state in states]


def routes_of(network: FakeNetwork) -> list[str]:
    """Return the requests in order, without repetitions."""
    routes = [f"{request.method} {request.path}" for request in network.requests]
    return [one for i, one in enumerate(routes) if i == 0 or routes[i - 1] != one]


# --- reading ---------------------------------------------------------------------------------


async def test_list() -> None:
    """A listing reads all pages and returns each row once."""
    rows = [a_deployment(name=f"web-{i}") for i in range(3)]

    def page(request: Any) -> Any:
        params = dict(request.params)
        start, limit = int(params["offset"]), int(params["limit"])
        return answer(200, {"count": 3, "results": rows[start : start + limit]})

    async with routed({f"GET {V3}": page}) as (client, network):
        listing = client.inference_deployments.list(page_size=2)
        found = [one.name async for one in listing]
    assert found == ["web-0", "web-1", "web-2"]
    assert (listing.total, listing.drifted) == (3, False)
    assert [dict(r.params)["offset"] for r in network.requests] == ["0", "2"]


async def test_get() -> None:
    """`get` returns a deployment, or raises an error that names the project."""
    async with scripted(answer(200, a_deployment()), no_such()) as (client, _):
        assert await client.inference_deployments.get(NAME) == read_deployment(a_deployment())
        with pytest.raises(NotFoundError, match=f"project {PROJECT}"):
            await client.inference_deployments.get("other")


async def test_logs() -> None:
    """`logs` sends its filters and returns decoded lines."""
    line = {"message": "up", "pod": "p-1", "region_id": 7, "time": "2025-01-01T00:00:00"}
    body = answer(200, {"count": 1, "results": [line]})
    async with routed({f"GET {ONE}/logs": body}) as (client, network):
        (found,) = await client.inference_deployments.logs(NAME, limit=5, region_id=7)
    assert (found.message, found.pod, found.region_id) == ("up", "p-1", 7)
    assert found.time is not None
    assert found.time.utcoffset() is not None
    assert dict(network.requests[0].params) == {
        "limit": "5",
        "offset": "0",
        "order_by": "time.desc",
        "region_id": "7",
    }


# --- create ----------------------------------------------------------------------------------


async def test_create() -> None:
    """A create follows its task to FINISHED, then the deployment to ACTIVE."""
    routes = {
        POST: accepted(),
        TASKS: tasks("NEW", "RUNNING", "FINISHED"),
        GET: reads("DEPLOYING", "PARTIALLYDEPLOYED", "ACTIVE"),
    }
    async with routed(routes) as (client, network):
        change = await client.inference_deployments.create(a_spec())
        found = await change.wait()
    assert (change.id, change.action, change.initial) == (NAME, "create", Accepted((TASK,)))
    assert found.status == "ACTIVE"
    assert routes_of(network) == [POST, TASKS, GET]
    assert sent(network.requests[0]) == a_spec()


async def test_create_scaled_to_zero() -> None:
    """PENDING counts as settled, and the history explains it."""
    routes = {POST: accepted(), TASKS: tasks("FINISHED"), GET: reads("PENDING")}
    async with routed(routes) as (client, _):
        change = await client.inference_deployments.create(a_spec())
        assert (await change.wait()).status == "PENDING"
    assert any("scaled to zero" in (event.note or "") for event in change.history)


async def test_create_by_spec() -> None:
    """A spec object sends the same body as its mapping."""
    routes = {POST: accepted(), TASKS: tasks("FINISHED"), GET: reads("ACTIVE")}
    async with routed(routes) as (client, network):
        await client.inference_deployments.create(InferenceDeploymentSpec.from_dict(a_spec()))
    assert sent(network.requests[0]) == a_spec()


@pytest.mark.parametrize("spec", [a_spec(name="abc"), a_spec(containers=[]), {}])
async def test_bad_spec(spec: dict[str, Any]) -> None:
    """An invalid spec is rejected before anything is sent."""
    async with routed({}) as (client, network):
        with pytest.raises(InvalidInputError) as caught:
            await client.inference_deployments.create(spec)
    assert caught.value.problems
    assert network.requests == []


async def test_failed_task() -> None:
    """A failed task fails the create with its error; the deployment is not read."""
    routes = {POST: accepted(), TASKS: tasks("RUNNING", "ERROR", error="no GPU left")}
    async with routed(routes) as (client, _):
        change = await client.inference_deployments.create(a_spec())
        with pytest.raises(DeploymentFailedError, match="no GPU left"):
            await change.wait()


async def test_lasting_error_message() -> None:
    """PARTIALLYDEPLOYED with an error message fails after ten minutes."""
    broken = [a_container(error_message="ImagePullBackOff")]
    routes = {
        POST: accepted(),
        TASKS: tasks("FINISHED"),
        GET: reads("PARTIALLYDEPLOYED", containers=broken),
    }
    async with routed(routes) as (client, _):
        change = await client.inference_deployments.create(a_spec())
        with pytest.raises(DeploymentFailedError, match="ImagePullBackOff") as caught:
            await change.wait()
    assert 600 <= caught.value.elapsed < 800


async def test_passing_error_message() -> None:
    """An image pull that succeeds in the end is not a failure."""
    broken = [a_container(error_message="ImagePullBackOff")]
    routes = {
        POST: accepted(),
        TASKS: tasks("FINISHED"),
        GET: [*reads("PARTIALLYDEPLOYED", containers=broken) * 3, *reads("ACTIVE")],
    }
    async with routed(routes) as (client, _):
        change = await client.inference_deployments.create(a_spec())
        assert (await change.wait()).status == "ACTIVE"


async def test_no_capacity() -> None:
    """The error of a refused create explains `ForbiddenError`."""
    refused = answer(403, {"exception_class": "ForbiddenError", "message": "Forbidden"})
    async with scripted(refused) as (client, network):
        with pytest.raises(PermissionDeniedError, match="no capacity left") as caught:
            await client.inference_deployments.create(a_spec())
    assert caught.value.code == "ForbiddenError"
    assert len(network.requests) == 1


async def test_locked_create_is_repeated() -> None:
    """A create that another task blocks (409) is sent again."""
    locked = answer(409, {"exception_class": "ConflictError", "message": "locked by a task"})
    async with scripted(locked, locked, accepted()) as (client, network):
        change = await client.inference_deployments.create(a_spec())
    assert (change.adopted, len(network.requests)) == (False, 3)


async def test_default_timeout() -> None:
    """The default timeout is two hours, as in the vendor's client."""
    routes = {POST: accepted(), TASKS: tasks("FINISHED"), GET: reads("DEPLOYING")}
    async with routed(routes) as (client, _):
        change = await client.inference_deployments.create(a_spec())
        with pytest.raises(WaitTimeoutError) as caught:
            await change.wait()
    assert 7200 <= caught.value.elapsed < 7300


async def test_resume() -> None:
    """Another process resumes the change at its task."""
    routes: dict[str, Any] = {
        POST: accepted(),
        TASKS: tasks("RUNNING"),
        GET: reads("ACTIVE"),
    }
    async with routed(routes) as (client, _):
        change = await client.inference_deployments.create(a_spec(envs={"K": HIDDEN}))
        token = change.resume_token
    routes[TASKS] = tasks("RUNNING", "FINISHED")
    async with routed(routes) as (client, network):
        resumed = client.inference_deployments.resume(token)
        assert (await resumed.wait()).status == "ACTIVE"
    assert routes_of(network) == [TASKS, GET]


async def test_resume_in_another_project() -> None:
    """A token is only valid for its project."""
    async with scripted(accepted()) as (client, _):
        token = (await client.inference_deployments.create(a_spec())).resume_token
    async with scripted(project_id=43) as (client, _):
        with pytest.raises(InvalidInputError):
            client.inference_deployments.resume(token)


@pytest.mark.parametrize("body", [{"tasks": [7]}, {"tasks": [""]}, {"tasks": {}}])
async def test_odd_tasks(body: Any) -> None:
    """An unreadable answer counts as lost, so the name is looked up."""
    just_now = datetime.now(UTC).isoformat()
    routes = {
        POST: answer(200, body),
        GET: answer(200, a_deployment(created_at=just_now, envs=None)),
    }
    async with routed(routes) as (client, _):
        assert (await client.inference_deployments.create(a_spec())).adopted


# --- update ----------------------------------------------------------------------------------


async def test_update() -> None:
    """An update follows its task, then the deployment; it sends only given fields."""
    routes = {
        PATCH: accepted(),
        TASKS: tasks("RUNNING", "FINISHED"),
        GET: [*reads("ACTIVE"), *reads("ACTIVE", image="nginx:2")],
    }
    async with routed(routes) as (client, network):
        change = await client.inference_deployments.update(NAME, image="nginx:2")
        found = await change.wait()
    assert found.image == "nginx:2"
    assert sent(network.requests_of("PATCH")[0]) == {"image": "nginx:2"}
    assert "shows what was sent" in (change.history[-1].note or "")


async def test_stale_reads_do_not_settle_an_update() -> None:
    """ACTIVE with the old image never settles the update."""
    routes = {
        PATCH: accepted(),
        TASKS: tasks("FINISHED"),
        GET: [*reads("ACTIVE") * 20, *reads("ACTIVE", image="nginx:2")],
    }
    async with routed(routes) as (client, _):
        change = await client.inference_deployments.update(NAME, {"image": "nginx:2"})
        assert (await change.wait()).image == "nginx:2"


async def test_update_that_changes_nothing() -> None:
    """An update that changes nothing settles after agreeing reads over 30 s."""
    routes = {PATCH: accepted(), TASKS: tasks("FINISHED"), GET: reads("ACTIVE")}
    async with routed(routes) as (client, _):
        change = await client.inference_deployments.update(NAME, image="nginx:latest")
        await change.wait()
    assert change.elapsed >= 30
    assert "repeated" in (change.history[-1].note or "")


async def test_update_without_tasks() -> None:
    """An empty list of tasks is accepted."""
    routes = {
        PATCH: answer(200, {"tasks": []}),
        GET: [*reads("ACTIVE"), *reads("ACTIVE", timeout=5)],
    }
    async with routed(routes) as (client, _):
        change = await client.inference_deployments.update(NAME, timeout=5)
        assert (await change.wait()).timeout == 5


async def test_update_with_several_tasks() -> None:
    """All tasks are followed before the deployment."""
    other = f"GET /cloud/v1/tasks/{TASK[::-1]}"
    routes = {
        PATCH: answer(200, {"tasks": [TASK, TASK[::-1]]}),
        TASKS: tasks("RUNNING", "FINISHED"),
        other: tasks("RUNNING", "FINISHED", id=TASK[::-1]),
        GET: [*reads("ACTIVE"), *reads("ACTIVE", timeout=5)],
    }
    async with routed(routes) as (client, network):
        await (await client.inference_deployments.update(NAME, timeout=5)).wait()
    assert routes_of(network) == [GET, PATCH, TASKS, other, GET]


async def test_update_of_a_stopped_deployment() -> None:
    """An updated deployment may stay stopped."""
    routes = {
        PATCH: accepted(),
        TASKS: tasks("FINISHED"),
        GET: [*reads("DISABLED"), *reads("DISABLED", timeout=5)],
    }
    async with routed(routes) as (client, _):
        change = await client.inference_deployments.update(NAME, timeout=5)
        assert (await change.wait()).status == "DISABLED"


async def test_update_by_a_whole_spec() -> None:
    """The name in a spec is not sent in a PATCH."""
    routes = {PATCH: accepted(), GET: reads("ACTIVE")}
    async with routed(routes) as (client, network):
        await client.inference_deployments.update(NAME, InferenceDeploymentSpec(**a_spec()))
    assert sent(network.requests_of("PATCH")[0]) == {
        k: v for k, v in a_spec().items() if k != "name"
    }


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "nothing to update"),
        ({"status": "ACTIVE"}, "nothing to update"),
        ({"name": "renamed"}, "cannot change"),
        ({"image": None}, "may be omitted"),
        ({"listening_port": 0}, "1 to 65535"),
        ({"api_keys": ["a"], "auth_enabled": True}, "deprecated"),
        ({"project_id": 43}, "no such field"),
    ],
)
async def test_bad_update(fields: dict[str, Any], problem: str) -> None:
    """An invalid update is rejected before anything is sent or read."""
    async with routed({}) as (client, network):
        with pytest.raises(InvalidInputError, match=problem):
            await client.inference_deployments.update(NAME, **fields)
    assert network.requests == []


@pytest.mark.parametrize("fields", [{"api_keys": []}, {"api_keys": None}, {"auth_enabled": False}])
async def test_update_that_opens(fields: dict[str, Any]) -> None:
    """An update that opens a closed endpoint is rejected after it was read, and not sent."""
    async with routed({GET: reads("ACTIVE", auth_enabled=True)}) as (client, network):
        with pytest.raises(InvalidInputError, match="open_to_world"):
            await client.inference_deployments.update(NAME, **fields)
    assert [request.method for request in network.requests] == ["GET"]


async def test_update_of_an_open_endpoint() -> None:
    """`auth_enabled=False` for an endpoint that is open already opens nothing, and is sent."""
    routes = {PATCH: accepted(), GET: reads("ACTIVE", auth_enabled=False)}
    async with routed(routes) as (client, network):
        await client.inference_deployments.update(NAME, auth_enabled=False)
    assert sent(network.requests_of("PATCH")[0]) == {"auth_enabled": False}


async def test_open_to_world() -> None:
    """Open access needs `open_to_world=True` in creates and updates."""
    routes = {POST: accepted(), PATCH: accepted(), GET: reads("ACTIVE")}
    async with routed(routes) as (client, network):
        api = client.inference_deployments
        with pytest.raises(InvalidInputError, match="open_to_world"):
            await api.create(a_spec(api_keys=[]))
        await api.create(a_spec(api_keys=[]), open_to_world=True)
        await api.update(NAME, api_keys=[], open_to_world=True)
    assert sent(network.requests_of("POST")[0])["api_keys"] == []
    assert sent(network.requests_of("PATCH")[0]) == {"api_keys": []}


async def test_spec_for_another_project() -> None:
    """A project in the spec must be the client's."""
    async with routed({POST: accepted()}) as (client, network):
        with pytest.raises(InvalidInputError, match="the client's is 42"):
            await client.inference_deployments.create(a_spec(project_id=43))
        await client.inference_deployments.create(a_spec(project_id=PROJECT))
    assert sent(network.requests[0]) == a_spec()


# --- start, stop, delete ---------------------------------------------------------------------


async def test_stop() -> None:
    """A stop has no task and settles at DISABLED."""
    routes = {f"POST {ONE}/stop": answer(204), GET: [*reads("ACTIVE") * 5, *reads("DISABLED")]}
    async with routed(routes) as (client, network):
        change = await client.inference_deployments.stop(NAME)
        assert (await change.wait()).status == "DISABLED"
    assert (change.action, change.initial) == ("update", Accepted())
    assert network.requests_of("POST")[0].body is None


@pytest.mark.parametrize("end", ["ACTIVE", "PENDING"])
async def test_start(end: str) -> None:
    """A start has no task and settles at ACTIVE or PENDING."""
    routes = {
        f"POST {ONE}/start": answer(204),
        GET: [*reads("DISABLED") * 5, *reads("DEPLOYING", end)],
    }
    async with routed(routes) as (client, _):
        change = await client.inference_deployments.start(NAME)
        assert (await change.wait()).status == end


async def test_start_without_effect() -> None:
    """A start fails after ten minutes of DISABLED."""
    routes = {f"POST {ONE}/start": answer(204), GET: reads("DISABLED")}
    async with routed(routes) as (client, _):
        change = await client.inference_deployments.start(NAME)
        with pytest.raises(DeploymentFailedError, match="is stopped"):
            await change.wait()


async def test_stop_of_a_stopped_deployment() -> None:
    """A stop that changes nothing settles after agreeing reads over 30 s."""
    routes = {f"POST {ONE}/stop": answer(204), GET: reads("DISABLED")}
    async with routed(routes) as (client, _):
        change = await client.inference_deployments.stop(NAME)
        await change.wait()
    assert change.elapsed >= 30


async def test_delete() -> None:
    """A delete follows its task, then waits for 404 on GET."""
    routes = {
        DELETE: accepted(),
        TASKS: tasks("RUNNING", "FINISHED"),
        GET: [*reads("DELETING"), no_such()],
    }
    async with routed(routes) as (client, network):
        change = await client.inference_deployments.delete(NAME)
        await change.wait()
    assert change.outcome == "settled"
    assert routes_of(network) == [DELETE, TASKS, GET]


async def test_delete_of_a_missing_deployment(caplog: pytest.LogCaptureFixture) -> None:
    """The change is settled, and a warning names the project."""
    async with scripted(no_such(), no_such()) as (client, network):
        change = await client.inference_deployments.delete(NAME)
        await change.wait()
    assert (change.already_gone, len(network.requests)) == (True, 2)
    assert f"project {PROJECT}" in caplog.text


async def test_delete_with_a_failed_task() -> None:
    """A failed task fails the delete."""
    routes = {DELETE: accepted(), TASKS: tasks("ERROR", error="in use"), GET: reads("ACTIVE")}
    async with routed(routes) as (client, _):
        change = await client.inference_deployments.delete(NAME)
        with pytest.raises(DeploymentFailedError, match="in use"):
            await change.wait()


# --- waiting without a write -----------------------------------------------------------------


async def test_wait_until_active() -> None:
    """A wait for an active deployment ends at PENDING, too."""
    async with routed({GET: reads("DEPLOYING", "PENDING")}) as (client, _):
        found = await client.inference_deployments.wait_until_active(NAME)
    assert found.status == "PENDING"


async def test_vanished() -> None:
    """Two 404s in a row after a successful read end the wait."""
    async with routed({GET: [*reads("DEPLOYING"), no_such()]}) as (client, _):
        with pytest.raises(ResourceVanishedError):
            await client.inference_deployments.wait_until_active(NAME)


async def test_capabilities() -> None:
    """Each API lists what it promises."""
    async with routed({}) as (client, _):
        v2, v3 = client.inference_instances, client.inference_deployments
        assert (v3.capabilities.unique_names, v2.capabilities.unique_names) == (True, False)
        assert (v3.capabilities.operations, v2.capabilities.operations) == (("task",), ())


async def test_unexpected_body() -> None:
    """A GET with another body raises a DecodeError that names what it lacks."""
    async with scripted(*[answer(200, {"count": 0})] * 4) as (client, _):
        with pytest.raises(DecodeError, match="name"):
            await client.inference_deployments.get(NAME)
