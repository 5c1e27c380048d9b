"""Deployments: what each call sends, and when its change settles."""

import base64
from typing import Any

import pytest

from di_async import (
    APIError,
    ConflictError,
    DecodeError,
    DeploymentFailedError,
    GatewayError,
    InvalidInputError,
    NotFoundError,
    SupersededError,
)
from di_async.exoscale import Operation
from tests.builders.exoscale import (
    EARLY,
    FULL,
    ID,
    LATE,
    OPERATION,
    a_deployment,
    a_row,
    a_spec,
    listed,
    operation,
    problem,
)
from tests.exoscale.helpers import DEPLOYMENTS, ONE, VIRTUAL, body, scripted, sent
from tests.fake_network import answer

pytestmark = VIRTUAL
GET, OP = f"GET {ONE}", f"GET /v2/operation/{OPERATION}"
SUCCESS = answer(200, operation("success"))
PENDING = answer(200, operation())
READY = answer(200, a_deployment())


# --- reading ----------------------------------------------------------------------------------


async def test_list() -> None:
    """One request returns all rows."""
    async with scripted(listed(a_row(), a_row(id="b"))) as (client, network):
        rows = [row async for row in client.deployments.list()]
    assert [row.id for row in rows] == [ID, "b"]
    assert sent(network) == [f"GET {DEPLOYMENTS}"]
    assert network.requests[0].params == ()


async def test_list_by_visibility() -> None:
    """The filter is sent and applied to the rows; rows without a visibility are kept."""
    rows = a_row(), a_row(id="b", visibility="public"), {"id": "c"}
    async with scripted(listed(*rows)) as (client, network):
        found = [row.id async for row in client.deployments.list(visibility="private")]
    assert found == [ID, "c"]
    assert network.requests[0].params == (("visibility", "private"),)


async def test_find_all() -> None:
    """All deployments of the name are returned, except public ones."""
    rows = (
        a_row(),
        a_row(id="b"),
        a_row(id="c", name="other"),
        a_row(id="d", visibility="public"),
    )
    async with scripted(listed(*rows)) as (client, _):
        assert [row.id for row in await client.deployments.find_all("web")] == [ID, "b"]


async def test_get_fills_the_id_in() -> None:
    """A missing id is filled in from the request."""
    async with scripted(answer(200, a_deployment(id=None))) as (client, network):
        assert (await client.deployments.get(ID)).id == ID
    assert sent(network) == [GET]


@pytest.mark.parametrize("id", ["", " ", ".", ".."])
async def test_ids_that_address_another_path(id: str) -> None:
    """Invalid ids are rejected before a request is sent."""
    async with scripted() as (client, network):
        with pytest.raises(InvalidInputError):
            await client.deployments.get(id)
        with pytest.raises(InvalidInputError):
            await client.deployments.delete(id)
    assert network.requests == []


async def test_reveal_api_key() -> None:
    """The key is a `Secret`, masked until it is revealed."""
    async with scripted(answer(200, {"api-key": "k3y"})) as (client, network):
        key = await client.deployments.reveal_api_key(ID)
    assert (key.reveal(), "k3y" in repr(key)) == ("k3y", False)
    assert sent(network) == [f"{GET}/api-key"]


async def test_response_without_a_key() -> None:
    """A response without a key raises `DecodeError`."""
    async with scripted(*[answer(200, {})] * 4) as (client, _):
        with pytest.raises(DecodeError, match="api-key"):
            await client.deployments.reveal_api_key(ID)


@pytest.mark.parametrize(("tail", "params"), [(None, ()), (50, (("tail", "50"),))])
async def test_logs(tail: int | None, params: tuple[tuple[str, str], ...]) -> None:
    """Log lines have time and node; `tail` limits their number."""
    line = {"time": EARLY, "node": "n1", "message": "up"}
    async with scripted(answer(200, {"logs": [line]})) as (client, network):
        lines = await client.deployments.logs(ID, tail=tail)
    assert [(one.node, one.message) for one in lines] == [("n1", "up")]
    assert (sent(network), network.requests[0].params) == ([f"{GET}/logs"], params)


# --- create -----------------------------------------------------------------------------------


async def test_create() -> None:
    """The operation must end, then the deployment must be `ready`; its id is the reference's."""
    steps = PENDING, PENDING, SUCCESS, answer(200, a_deployment("deploying")), READY
    async with scripted(*steps) as (client, network):
        change = await client.deployments.create(a_spec())
        assert (change.id, change.action) == (ID, "create")
        assert isinstance(change.initial, Operation)
        found = await change.wait()
    assert (found.state, found.replicas) == ("ready", 1)
    assert sent(network) == [f"POST {DEPLOYMENTS}", OP, OP, GET, GET]
    assert body(network.requests[0]) == a_spec().to_dict()


async def test_create_from_a_mapping() -> None:
    """A mapping of the documented shape is accepted."""
    raw = a_spec(replicas=3).to_dict()
    async with scripted(PENDING) as (client, network):
        await client.deployments.create(raw)
    assert body(network.requests[0]) == raw


async def test_operation_that_ended_at_once_is_not_read() -> None:
    """An operation that succeeded at once is not read again."""
    async with scripted(SUCCESS, READY) as (client, network):
        await (await client.deployments.create(a_spec())).wait()
    assert sent(network) == [f"POST {DEPLOYMENTS}", GET]


@pytest.mark.parametrize("state", ["failure", "timeout"])
async def test_operation_that_fails(state: str) -> None:
    """`failure` and `timeout` fail the change, with reason, message and id."""
    failed = answer(200, operation(state, reason="unavailable", message="no GPU left"))
    async with scripted(PENDING, failed) as (client, _):
        change = await client.deployments.create(a_spec())
        with pytest.raises(DeploymentFailedError) as caught:
            await change.wait()
    assert f"ended in {state}: unavailable: no GPU left" in str(caught.value)
    assert (caught.value.id, change.outcome) == (ID, "failed")


async def test_deployment_that_fails() -> None:
    """A deployment in `error` fails the change, even if its operation succeeded."""
    failed = answer(200, a_deployment("error", state_details="CUDA out of memory"))
    async with scripted(SUCCESS, failed) as (client, _):
        with pytest.raises(DeploymentFailedError, match="CUDA out of memory"):
            await (await client.deployments.create(a_spec())).wait()


async def test_no_gpus() -> None:
    """A 412 is final and is not sent again."""
    async with scripted(problem(412)) as (client, network):
        with pytest.raises(APIError, match="too few free GPUs") as caught:
            await client.deployments.create(a_spec())
    assert (caught.value.status, len(network.requests)) == (412, 1)


@pytest.mark.parametrize("spec", [{"name": "web"}, a_spec(replicas=0)])
async def test_invalid_spec_is_not_sent(spec: Any) -> None:
    """An invalid spec is rejected before a request is sent; a create needs a replica."""
    async with scripted() as (client, network):
        with pytest.raises(InvalidInputError):
            await client.deployments.create(spec)
    assert network.requests == []


# --- scale ------------------------------------------------------------------------------------


@pytest.mark.parametrize("replicas", [0, 3])
async def test_scale(replicas: int) -> None:
    """A read that newly shows the requested number settles the change."""
    after = answer(200, a_deployment(replicas=replicas, updated_at=LATE))
    async with scripted(READY, PENDING, SUCCESS, READY, after) as (client, network):
        change = await client.deployments.scale(ID, replicas)
        assert (await change.wait()).replicas == replicas
    assert sent(network)[:2] == [GET, f"POST {ONE}/scale"]
    assert body(network.requests[1]) == {"replicas": replicas}
    assert "shows what was sent" in str(change.history[-1].note)


async def test_ready_with_the_old_number_is_not_settled() -> None:
    """A deployment that is ready with the old number does not settle the change."""
    steps = READY, SUCCESS, *[READY] * 6, answer(200, a_deployment(replicas=2, updated_at=LATE))
    async with scripted(*steps) as (client, network):
        assert (await (await client.deployments.scale(ID, 2)).wait()).replicas == 2
    assert network.left == []


async def test_scale_overridden_by_another_client() -> None:
    """A deployment that is ready with other values raises `SupersededError`."""
    other = answer(200, a_deployment(replicas=5, updated_at=LATE))
    async with scripted(READY, SUCCESS, *[other] * 20) as (client, _):
        with pytest.raises(SupersededError):
            await (await client.deployments.scale(ID, 2)).wait()


@pytest.mark.parametrize("replicas", [-1, 1.5, True, "2", None])
async def test_invalid_number_of_replicas(replicas: int) -> None:
    """An invalid number is rejected before a request is sent."""
    async with scripted() as (client, network):
        with pytest.raises(InvalidInputError, match="replicas"):
            await client.deployments.scale(ID, replicas)
    assert network.requests == []


# --- update -----------------------------------------------------------------------------------


async def test_update_sends_the_running_version() -> None:
    """The running version is sent, because the API may reset an omitted one."""
    renamed = answer(200, a_deployment(name="new", updated_at=LATE))
    async with scripted(READY, PENDING, SUCCESS, renamed) as (client, network):
        found = await (await client.deployments.update(ID, name="new")).wait()
    assert found.name == "new"
    assert (network.requests[1].method, network.requests[1].path) == ("PATCH", ONE)
    assert body(network.requests[1]) == {"name": "new", "inference-engine-version": "0.19.0"}


async def test_update_without_the_version() -> None:
    """`keep_version=False` omits the version."""
    async with scripted(READY, PENDING) as (client, network):
        await client.deployments.update(ID, name="new", keep_version=False)
    assert body(network.requests[1]) == {"name": "new"}


async def test_update_to_another_version() -> None:
    """A version that is passed replaces the running one."""
    async with scripted(READY, PENDING) as (client, network):
        await client.deployments.update(ID, inference_engine_version="0.28.0")
    assert body(network.requests[1]) == {"inference-engine-version": "0.28.0"}


async def test_resume_token_contains_no_arguments() -> None:
    """Resume tokens contain a digest of the arguments, which may hold keys."""
    planted = "planted-PLANTED-99"
    parameters = ["--api-key", planted]
    async with scripted(READY, PENDING) as (client, network):
        change = await client.deployments.update(ID, inference_engine_parameters=parameters)
        token = change.resume_token
    assert body(network.requests[-1])["inference-engine-parameters"] == parameters
    padded = token + "=" * (-len(token) % 4)
    assert planted not in base64.urlsafe_b64decode(padded).decode()


async def test_update_that_clears_the_parameters() -> None:
    """An empty list is sent, and settled by a response without arguments."""
    cleared = answer(200, {**a_deployment(updated_at=LATE), "inference-engine-parameters": []})
    async with scripted(READY, SUCCESS, cleared) as (client, network):
        change = await client.deployments.update(ID, inference_engine_parameters=[])
        assert (await change.wait()).inference_engine_parameters == ()
    expected = {**FULL, "inference-engine-parameters": []}
    assert body(network.requests[1]) == expected


async def test_nothing_to_update() -> None:
    """An update without values is rejected."""
    async with scripted() as (client, network):
        with pytest.raises(InvalidInputError, match="nothing to update"):
            await client.deployments.update(ID)
    assert network.requests == []


async def test_update_of_a_missing_deployment() -> None:
    """The read before the write raises `NotFoundError`; nothing is written."""
    async with scripted(problem(404)) as (client, network):
        with pytest.raises(NotFoundError, match="zone-local"):
            await client.deployments.update(ID, name="new")
    assert sent(network) == [GET]


# --- busy -------------------------------------------------------------------------------------


async def test_busy_write_is_sent_again() -> None:
    """A 409 was not processed, so a write is sent again a few times."""
    async with scripted(READY, problem(409), problem(409), PENDING) as (client, network):
        await client.deployments.scale(ID, 2)
    assert sent(network) == [GET, *[f"POST {ONE}/scale"] * 3]


async def test_busy_for_too_long() -> None:
    """Without `ready_timeout`, `ConflictError` is raised after a few attempts."""
    async with scripted(READY, *[problem(409)] * 4) as (client, network):
        with pytest.raises(ConflictError, match="under way"):
            await client.deployments.scale(ID, 2)
    assert network.left == []


async def test_busy_until_ready_timeout() -> None:
    """The write is prepared from a new read and sent again for `ready_timeout` seconds."""
    busy = [problem(409)] * 4
    async with scripted(READY, *busy, READY, *busy, READY, PENDING) as (client, network):
        await client.deployments.scale(ID, 2, ready_timeout=60)
    assert sent(network)[-2:] == [GET, f"POST {ONE}/scale"]
    assert network.left == []


# --- delete -----------------------------------------------------------------------------------


async def test_delete() -> None:
    """Only a GET that returns 404 settles a delete."""
    steps = PENDING, SUCCESS, READY, problem(404)
    async with scripted(*steps) as (client, network):
        change = await client.deployments.delete(ID)
        await change.wait()
    assert sent(network) == [f"DELETE {ONE}", OP, GET, GET]
    assert (change.outcome, change.already_gone) == ("settled", False)
    assert isinstance(change.initial, Operation)


async def test_delete_of_a_missing_deployment(caplog: pytest.LogCaptureFixture) -> None:
    """A 404 settles the change, and the log names the zone."""
    async with scripted(problem(404), problem(404)) as (client, _):
        change = await client.deployments.delete(ID)
        await change.wait(timeout=0)
    assert change.already_gone
    assert "in another zone than ch-gva-2" in caplog.text


async def test_delete_with_a_gateway_404() -> None:
    """A gateway's 404 does not settle a delete."""
    page = answer(404, "not found")
    async with scripted(*[page] * 5) as (client, _):
        with pytest.raises(GatewayError):
            await client.deployments.delete(ID)


async def test_delete_whose_operation_fails() -> None:
    """A failed delete is reported, because the deployment still bills."""
    failed = answer(200, operation("failure", reason="conflict"))
    async with scripted(PENDING, failed) as (client, _):
        with pytest.raises(DeploymentFailedError, match="bills"):
            await (await client.deployments.delete(ID)).wait()


async def test_delete_of_a_busy_deployment() -> None:
    """A 409 without a lost response before it raises `ConflictError`."""
    async with scripted(*[problem(409)] * 4, READY) as (client, _):
        with pytest.raises(ConflictError):
            await client.deployments.delete(ID)


async def test_ensure_with_a_row_without_an_id() -> None:
    """It creates no second one, and the error blames the list, not the caller's input."""
    row = listed(a_row(id=None))
    async with scripted(row) as (client, network):
        with pytest.raises(DecodeError, match="has no id"):
            await client.deployments.ensure(a_spec())
    assert network.left == []
