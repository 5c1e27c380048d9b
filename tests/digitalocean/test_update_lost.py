"""Updates: bounded retries of 403, and recovery of lost responses by reading the instance."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from di_async import (
    APIError,
    ConflictError,
    ConnectError,
    DigitalOcean,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    TransportError,
)
from di_async.digitalocean import DedicatedInferences
from di_async.emulator import World
from tests.builders.digitalocean import ID, VPC_ID, a_deployment, one
from tests.digitalocean.helpers import an_instance, scripted_client
from tests.fake_network import (
    TEN_MINUTES,
    EmulatorNetwork,
    Step,
    answer,
    losing_first,
    virtual_client,
)
from tests.support import VIRTUAL

pytestmark = VIRTUAL
PATCH = "PATCH /v2/dedicated-inferences/{id}"
GET = "GET /v2/dedicated-inferences/{id}"
LOST = TransportError("reset")


@asynccontextmanager
async def an_api(
    dialect: Any = "documented",
) -> AsyncIterator[tuple[DedicatedInferences, Any, str]]:
    """Return a client's API, its network, and the id of an active instance on one GPU."""
    world = World(dialect, seed=0, lifecycle=TEN_MINUTES)
    async with virtual_client(world) as (client, network):
        instance = world.add_instance(now=network.now(), name="web", vpc_uuid=VPC_ID)
        yield client.dedicated_inferences, network, instance.id


@pytest.mark.parametrize("dialect", ["documented", "observed"])
@pytest.mark.parametrize("kind", ["reset", "status", "html", "cut"])
async def test_lost_after_commit(kind: str, dialect: Any) -> None:
    """The live instance shows the change: it is adopted and sent once."""
    async with an_api(dialect) as (instances, network, id):
        network.world.fault(kind, now=0, on=PATCH, after_commit=True)
        change = await instances.scale(id, 3)
        di = await change.wait()
    assert (change.adopted, len(network.requests_of("PATCH"))) == (True, 1)
    assert di.spec is not None
    assert di.spec.model_deployments[0].accelerators[0].scale == 3


@pytest.mark.parametrize("kind", ["reset", "status", "html"])
async def test_lost_before_commit(kind: str) -> None:
    """The live instance does not show the change: the same body is sent again, once."""
    async with an_api() as (instances, network, id):
        network.world.fault(kind, now=0, on=PATCH)
        change = await instances.scale(id, 3)
        await change.wait()
        version = network.world.truth(id, network.now()).version
    first, second = network.requests_of("PATCH")
    assert (change.adopted, first.body == second.body, version) == (False, True, 2)


async def test_another_update_came_first() -> None:
    """A lost update followed by another one is a conflict."""
    theirs = an_instance(
        pending_deployment_spec={"id": "s-4", "version": 4, "model_deployments": []}
    )
    steps: list[Step] = [answer(200, one(an_instance())), LOST, answer(200, one(theirs))]
    async with scripted_client(*steps) as (client, network):
        with pytest.raises(ConflictError, match="another update came first"):
            await client.dedicated_inferences.scale(ID, 3)
    assert len(network.requests_of("PATCH")) == 1


async def test_version_conflict() -> None:
    """A 409 without a lost response raises ConflictError."""
    conflict = answer(409, {"id": "conflict", "message": "version"})
    async with scripted_client(answer(200, one(an_instance())), conflict) as (client, network):
        with pytest.raises(ConflictError):
            await client.dedicated_inferences.scale(ID, 3)
    assert [r.method for r in network.requests] == ["GET", "PATCH"]


def ours() -> dict[str, Any]:
    """Return the instance with our scale to 3 in progress."""
    (deployment,) = an_instance()["spec"]["model_deployments"]
    accelerators = [{**deployment["accelerators"][0], "scale": 3}]
    pending: dict[str, Any] = {"id": "s-4", "version": 4}
    pending["model_deployments"] = [a_deployment(accelerators=accelerators)]
    return an_instance(status="updating", pending_deployment_spec=pending)


@pytest.mark.parametrize("status", [403, 409])
async def test_refused_because_of_our_first_attempt(status: int) -> None:
    """Lost, not visible yet, sent again and refused: our first attempt is adopted."""
    live, refusal = answer(200, one(an_instance())), answer(status, {"id": "x", "message": "m"})
    steps: list[Step] = [live, LOST, live, refusal, answer(200, one(ours()))]
    async with scripted_client(*steps) as (client, _):
        change = await client.dedicated_inferences.scale(ID, 3)
    assert change.adopted


@pytest.mark.parametrize("status", [403, 409])
async def test_refused_after_a_loss_and_never_visible(status: int) -> None:
    """If the update never becomes visible, the outcome is unknown."""
    live, refusal = answer(200, one(an_instance())), answer(status, {"id": "x", "message": "m"})
    async with scripted_client(live, LOST, live, refusal, *[live] * 9) as (client, _):
        with pytest.raises(OutcomeUnknownError):
            await client.dedicated_inferences.scale(ID, 3)


@pytest.mark.parametrize("broken", [answer(503), TransportError("gone"), answer(403)])
async def test_reading_again_is_impossible(broken: Any) -> None:
    """If the instance cannot be read, the outcome is unknown and nothing is sent again."""
    live = answer(200, one(an_instance()))
    async with scripted_client(live, LOST, *[broken] * 20) as (client, network):
        with pytest.raises(OutcomeUnknownError, match=ID):
            await client.dedicated_inferences.scale(ID, 3)
    assert len(network.requests_of("PATCH")) == 1


async def test_lost_again_and_again() -> None:
    """If every response is lost the outcome is unknown, and the instance is a candidate."""
    async with an_api() as (instances, network, id):
        network.world.fault("reset", now=0, on=PATCH, times=None)
        with pytest.raises(OutcomeUnknownError) as caught:
            await instances.scale(id, 3)
    assert len(network.requests_of("PATCH")) == 4
    assert [di.id for di in caught.value.candidates] == [id]


async def test_never_connected_is_simply_sent_again() -> None:
    """A request that never connected is sent again without a read."""
    steps: list[Step] = [
        answer(200, one(an_instance())),
        ConnectError("no"),
        answer(202, one(ours())),
    ]
    async with scripted_client(*steps) as (client, network):
        change = await client.dedicated_inferences.scale(ID, 3)
    assert (change.adopted, [r.method for r in network.requests]) == (
        False,
        ["GET", "PATCH", "PATCH"],
    )


async def test_lost_rename_beside_another_rename() -> None:
    """Another rename is not mistaken for ours."""
    theirs = {**an_instance()["spec"], "version": 4, "name": "theirs"}
    live = answer(200, one(an_instance()))
    async with scripted_client(live, LOST, answer(200, one(an_instance(spec=theirs)))) as (c, _):
        with pytest.raises(ConflictError):
            await c.dedicated_inferences.update(ID, spec={"name": "ours"})


async def test_lost_token_update_is_sent_again() -> None:
    """An update of a provider token alone is sent again: it is idempotent."""
    live = answer(200, one(an_instance()))
    accepted = answer(202, one(an_instance(status="updating")))
    async with scripted_client(live, LOST, live, accepted) as (client, network):
        await client.dedicated_inferences.update(ID, access_tokens={"hugging_face_token": "hf_new"})
    for request in network.requests_of("PATCH"):
        assert orjson.loads(request.body or b"") == {
            "access_tokens": {"hugging_face_token": "hf_new"}
        }


# --- 403: not yet -----------------------------------------------------------------------------


async def test_403_without_ready_timeout() -> None:
    """By default a 403 is raised without a retry."""
    async with an_api() as (instances, network, id):
        network.world.add_instance(now=network.now(), name="busy", status="updating")
        busy = await anext(instances.list(name="busy"))
        with pytest.raises(PermissionDeniedError):
            await instances.scale(busy.id, 3)
    assert len(network.requests_of("PATCH")) == 1, id


async def test_403_until_ready() -> None:
    """With `ready_timeout` the update is sent again until the earlier change has settled."""
    async with an_api() as (instances, network, id):
        await instances.scale(id, 2)
        change = await instances.scale(id, 3, ready_timeout=600)
        await change.wait()
        assert network.world.truth(id, network.now()).version == 3
    sent = [orjson.loads(r.body or b"")["spec"]["version"] for r in network.requests_of("PATCH")]
    assert (sent[0], sent[-1]) == (1, 2)


async def test_403_for_longer_than_ready_timeout() -> None:
    """After `ready_timeout` the API's refusal is raised."""
    async with an_api() as (instances, network, id):
        network.world.fault("status", now=0, on=PATCH, status=403, times=None)
        began = asyncio.get_running_loop().time()
        with pytest.raises(PermissionDeniedError):
            await instances.scale(id, 3, ready_timeout=60)
        assert 50 <= asyncio.get_running_loop().time() - began <= 65


@pytest.mark.parametrize("status", [400, 401, 422])
async def test_other_refusals_are_final(status: int) -> None:
    """Only a 403 is retried."""
    async with an_api() as (instances, network, id):
        network.world.fault("status", now=0, on=PATCH, status=status)
        with pytest.raises(APIError) as caught:
            await instances.scale(id, 3, ready_timeout=600)
    assert (caught.value.status, len(network.requests_of("PATCH"))) == (status, 1)


async def test_update_of_what_is_not_there() -> None:
    """If the instance does not exist, no PATCH is sent."""
    async with an_api() as (instances, network, _):
        with pytest.raises(NotFoundError):
            await instances.scale(ID, 3)
    assert network.requests_of("PATCH") == []


async def test_lost_through_the_transport() -> None:
    """An answer lost in the transport is recovered as well."""
    world = World("documented", seed=0, lifecycle=TEN_MINUTES)
    network = EmulatorNetwork(world)
    network.intercept = losing_first("PATCH", LOST)
    async with DigitalOcean(world.token, transport=network) as client:
        id = world.add_instance(now=network.now(), name="web").id
        change = await client.dedicated_inferences.update(id, spec={"name": "new"})
        assert (await change.wait()).name == "new"
    assert change.adopted
