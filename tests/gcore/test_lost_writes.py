"""Answers that were lost: looked up, then settled, and never a second create in the dark."""

import asyncio
import logging
from typing import Any

import pytest

from di_async import (
    BadRequestError,
    ClientClosedError,
    ConflictError,
    ConnectError,
    NotFoundError,
    OutcomeUnknownError,
    RequestTimeoutError,
    RetryPolicy,
    TransportError,
)
from di_async.core.http import Response
from tests.gcore.helpers import (
    HIDDEN,
    ID,
    NAME,
    ONE,
    TASK_PATH,
    V2,
    V3,
    a_spec,
    a_task,
    accepted,
    an_instance,
    no_such,
    routed,
    sample,
    sent,
    shown,
)
from tests.support import Step, answer

pytestmark = pytest.mark.looptime(noop_cycles=1)

POST, GET, PATCH, TASKS = f"POST {V3}", f"GET {ONE}", f"PATCH {ONE}", f"GET {TASK_PATH}"
POST_V2, LIST_V2 = f"POST {V2}", f"GET {V2}"
GET_V2, PUT = f"GET {V2}/{ID}", f"PUT {V2}/{ID}"
DONE = answer(200, a_task())
TAKEN = answer(400, {"exception_class": "ValidationError", "message": "name already exists"})
LOST: list[Step] = [
    TransportError("reset"),
    RequestTimeoutError("late"),
    answer(500, {"exception_class": "InternalError", "message": "oops"}),
    answer(200, {"surprise": 1}),
]


def ours(status: str = "ACTIVE", **fields: Any) -> Any:
    """What our create made: just now."""
    return answer(200, shown(status, **{"created_at": None, "envs": None, **fields}))


# --- v3: the name decides --------------------------------------------------------------------


@pytest.mark.parametrize("lost", LOST)
async def test_create_that_worked(lost: Step) -> None:
    """Found under its name it is adopted; there is no task to follow, only the deployment."""
    routes = {POST: lost, GET: [no_such(), ours("DEPLOYING"), ours()]}
    async with routed(routes) as (client, network):
        change = await client.inference_deployments.create(a_spec())
        assert (await change.wait()).status == "ACTIVE"
    assert (change.adopted, len(network.asked("POST"))) == (True, 1)


@pytest.mark.parametrize("lost", LOST)
async def test_create_that_did_not(lost: Step) -> None:
    """Looked for in vain more than once, it is sent again."""
    routes = {POST: [lost, accepted()], GET: [no_such(), no_such(), no_such(), ours()], TASKS: DONE}
    async with routed(routes) as (client, network):
        change = await client.inference_deployments.create(a_spec())
        await change.wait()
    assert (change.adopted, len(network.asked("POST"))) == (False, 2)


async def test_create_refused_because_the_first_try_worked() -> None:
    """Reads that lag hide it; the refusal of the second try makes us look again."""
    routes = {POST: [LOST[0], TAKEN], GET: [no_such(), no_such(), no_such(), ours()]}
    async with routed(routes) as (client, _):
        assert (await client.inference_deployments.create(a_spec())).adopted


async def test_create_refused_and_nothing_found() -> None:
    """Then nobody knows."""
    async with routed({POST: [LOST[0], TAKEN], GET: no_such()}) as (client, _):
        with pytest.raises(OutcomeUnknownError, match="may exist and bill") as caught:
            await client.inference_deployments.create(a_spec())
    assert isinstance(caught.value.__cause__, BadRequestError)


@pytest.mark.parametrize(
    "fields", [{"image": "other:1"}, {"created_at": "2020-01-01T00:00:00"}, {"timeout": 7}]
)
async def test_name_of_somebody_else(fields: dict[str, Any]) -> None:
    """What is older, or is not what was sent, stays theirs."""
    async with routed({POST: LOST[0], GET: ours(**fields)}) as (client, network):
        with pytest.raises(ConflictError, match="did not make"):
            await client.inference_deployments.create(a_spec(timeout=120))
    assert len(network.asked("POST")) == 1


async def test_name_taken_at_once() -> None:
    """Without a lost answer a refusal is just that."""
    async with routed({POST: TAKEN}) as (client, network):
        with pytest.raises(BadRequestError, match="already exists"):
            await client.inference_deployments.create(a_spec())
    assert len(network.requests) == 1


async def test_looking_fails() -> None:
    """Nothing is sent again where nothing could be seen."""
    async with routed({POST: LOST[0], GET: answer(503)}) as (client, network):
        with pytest.raises(OutcomeUnknownError):
            await client.inference_deployments.create(a_spec())
    assert len(network.asked("POST")) == 1


async def test_always_lost() -> None:
    """As often as the policy allows, and no more."""
    async with routed({POST: LOST[0], GET: no_such()}, retry=RetryPolicy(attempts=2)) as (
        client,
        network,
    ):
        with pytest.raises(OutcomeUnknownError):
            await client.inference_deployments.create(a_spec())
    assert len(network.asked("POST")) == 2


async def test_never_sent() -> None:
    """What surely never left is just an error; nothing is looked up."""
    async with routed({POST: ConnectError("refused")}) as (client, network):
        with pytest.raises(ConnectError):
            await client.inference_deployments.create(a_spec())
    assert network.asked("GET") == []


async def test_closed_while_looking() -> None:
    """Closing the client ends it all."""
    async with routed({POST: LOST[0], GET: no_such()}) as (client, _):
        task = asyncio.create_task(client.inference_deployments.create(a_spec()))
        await asyncio.sleep(1)
    with pytest.raises(ClientClosedError):
        await task


async def test_write_never_sent() -> None:
    """An update that surely never left is just an error; nothing is read again."""
    async with routed({PATCH: ConnectError("refused"), GET: ours()}) as (client, network):
        with pytest.raises(ConnectError):
            await client.inference_deployments.update(NAME, image="nginx:2")
    assert len(network.asked("GET")) == 1


@pytest.mark.parametrize("verb", ["update", "create_v2"])
async def test_closed_while_looking_for_other_writes(verb: str) -> None:
    """The same for an update, and for v2."""
    routes = {PATCH: LOST[0], GET: ours(), POST_V2: LOST[0], LIST_V2: listed()}
    async with routed(routes) as (client, _):
        if verb == "update":
            write = client.inference_deployments.update(NAME, image="nginx:2")
        else:
            write = client.inference_instances.create(sample("update_request"))  # type: ignore[assignment]
        task = asyncio.create_task(write)
        await asyncio.sleep(1)
    with pytest.raises(ClientClosedError):
        await task


async def test_delete_answered_by_a_gateway() -> None:
    """A 404 page for people is no proof that it is gone."""
    page = Response(404, {}, b"<html>not found</html>")
    async with routed({f"DELETE {ONE}": page}) as (client, _):
        with pytest.raises(NotFoundError):
            await client.inference_deployments.delete(NAME)


async def test_cancelled_in_flight(caplog: pytest.LogCaptureFixture) -> None:
    """It may exist and bill: a note on the error and a warning say so, and how to find it."""
    async with routed({POST: accepted()}) as (client, _):
        task = asyncio.create_task(client.inference_deployments.create(a_spec()))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
    assert NAME in caught.value.__notes__[0]
    assert f"get('{NAME}')" in caplog.text


async def test_lost_patch_that_worked() -> None:
    """The deployment shows what was sent: adopted, and proven by what comes then."""
    new = ours("DEPLOYING", image="nginx:2")
    routes = {PATCH: LOST[0], GET: [ours(), new, new, ours(image="nginx:2")]}
    async with routed(routes) as (client, network):
        change = await client.inference_deployments.update(NAME, image="nginx:2")
        assert (await change.wait()).image == "nginx:2"
    assert (change.adopted, len(network.asked("PATCH"))) == (True, 1)


async def test_lost_patch_that_did_not() -> None:
    """It is sent again."""
    routes = {
        PATCH: [LOST[1], accepted()],
        GET: [ours()] * 4 + [ours(image="nginx:2")],
        TASKS: DONE,
    }
    async with routed(routes) as (client, network):
        change = await client.inference_deployments.update(NAME, image="nginx:2")
        await change.wait()
    assert (change.adopted, len(network.asked("PATCH"))) == (False, 2)


async def test_lost_patch_then_locked() -> None:
    """The lock may be our own first try's: what is there decides."""
    locked = answer(409, {"exception_class": "ConflictError", "message": "locked"})
    routes = {
        PATCH: [LOST[0], locked],
        GET: [ours(), ours(), ours("DEPLOYING", image="nginx:2")],
    }
    async with routed(routes) as (client, _):
        assert (await client.inference_deployments.update(NAME, image="nginx:2")).adopted
    async with routed({PATCH: [LOST[0], locked], GET: ours()}) as (client, network):
        with pytest.raises(OutcomeUnknownError) as caught:
            await client.inference_deployments.update(NAME, image="nginx:2")
    assert len(network.asked("PATCH")) == 5  # the lost one, and four that met the lock
    assert caught.value.candidates[0].name == NAME


async def test_lost_patch_and_no_look() -> None:
    """What cannot be read cannot be settled."""
    routes = {PATCH: LOST[0], GET: [ours(), answer(503)]}
    async with routed(routes) as (client, _):
        with pytest.raises(OutcomeUnknownError, match="PATCH"):
            await client.inference_deployments.update(NAME, image="nginx:2")


async def test_patch_always_lost() -> None:
    """As often as the policy allows."""
    async with routed({PATCH: LOST[0], GET: ours()}) as (client, network):
        with pytest.raises(OutcomeUnknownError):
            await client.inference_deployments.update(NAME, image="nginx:2")
    assert len(network.asked("PATCH")) == 4


@pytest.mark.parametrize(("verb", "end"), [("start", "ACTIVE"), ("stop", "DISABLED")])
async def test_lost_switch(verb: str, end: str) -> None:
    """Where it shows what was asked for, that is enough."""
    begin = {"ACTIVE": "DISABLED", "DISABLED": "ACTIVE"}[end]
    routes = {f"POST {ONE}/{verb}": LOST[0], GET: [ours(begin), ours(end)]}
    async with routed(routes) as (client, network):
        change = await getattr(client.inference_deployments, verb)(NAME)
        assert (await change.wait()).status == end
    assert (change.adopted, len(network.asked("POST"))) == (True, 1)


async def test_lost_delete() -> None:
    """Sent again it finds nothing: that was us, not somebody before."""
    async with routed({f"DELETE {ONE}": [LOST[0], no_such()]}) as (client, _):
        change = await client.inference_deployments.delete(NAME)
        await change.wait()
    assert not change.already_gone


LOCKED = answer(409, {"exception_class": "ConflictError", "message": "locked by another task"})


@pytest.mark.parametrize("seen", [ours("DELETING"), no_such()])
async def test_lost_delete_then_locked(seen: Step) -> None:
    """The lock is our own first try's: it is going already."""
    routes = {f"DELETE {ONE}": [LOST[0], LOCKED], GET: [seen, no_such()]}
    async with routed(routes) as (client, _):
        change = await client.inference_deployments.delete(NAME)
        await change.wait()
    assert not change.already_gone


@pytest.mark.parametrize(("first", "status"), [(LOST[0], "DEPLOYING"), (LOCKED, "DELETING")])
async def test_delete_of_what_is_locked(first: Step, status: str) -> None:
    """A lock of somebody else's: nothing shows our delete, or none of ours went out."""
    routes = {f"DELETE {ONE}": [first, LOCKED], GET: ours(status)}
    async with routed(routes) as (client, _):
        with pytest.raises(ConflictError, match="locked"):
            await client.inference_deployments.delete(NAME)


@pytest.mark.parametrize("body", [{"surprise": 1}, [1]])
async def test_delete_with_an_odd_answer(body: Any) -> None:
    """Only the 404 counts."""
    routes = {f"DELETE {ONE}": answer(200, body), GET: [ours("DELETING"), no_such()]}
    async with routed(routes) as (client, _):
        await (await client.inference_deployments.delete(NAME)).wait()


# --- v2: names may repeat --------------------------------------------------------------------


def listed(*rows: Any) -> Any:
    """A list page."""
    return answer(200, {"count": len(rows), "results": list(rows)})


@pytest.mark.parametrize("lost", LOST)
async def test_v2_create(lost: Step) -> None:
    """Nothing is adopted, nothing sent again; what may be it is listed."""
    mine = an_instance("NEW", created_at=None)
    old = an_instance(id="old")
    other = an_instance(id="other", created_at=None, image="other:1")
    routes = {POST_V2: lost, LIST_V2: [listed(), listed(mine, old, other)]}
    async with routed(routes) as (client, network):
        with pytest.raises(OutcomeUnknownError, match="1 that may be it") as caught:
            await client.inference_instances.create(sample("update_request"))
    assert [one.id for one in caught.value.candidates] == [ID]
    assert len(network.asked("POST")) == 1


async def test_v2_create_and_no_look() -> None:
    """Without a list there are no candidates; it stays unknown."""
    async with routed({POST_V2: LOST[0], LIST_V2: answer(503)}) as (client, _):
        with pytest.raises(OutcomeUnknownError) as caught:
            await client.inference_instances.create(sample("update_request"))
    assert caught.value.candidates == ()


async def test_v2_never_sent() -> None:
    """That is known."""
    async with routed({POST_V2: ConnectError("refused")}) as (client, network):
        with pytest.raises(ConnectError):
            await client.inference_instances.create(sample("update_request"))
    assert network.asked("GET") == []


async def test_lost_put_is_repeated() -> None:
    """A PUT does no more when it is sent twice."""
    new = answer(200, an_instance("DEPLOYING", image="nginx:2"))
    routes = {GET_V2: answer(200, an_instance()), PUT: [LOST[0], LOST[2], new]}
    async with routed(routes) as (client, network):
        change = await client.inference_instances.update(ID, image="nginx:2")
    assert (change.adopted, len(network.asked("PUT"))) == (False, 3)


async def test_lost_put_then_locked() -> None:
    """The lock is our own first try's: the instance shows what was sent."""
    old, new = answer(200, an_instance()), answer(200, an_instance("DEPLOYING", image="nginx:2"))
    async with routed({GET_V2: [old, old, new], PUT: [LOST[0], LOCKED]}) as (client, _):
        assert (await client.inference_instances.update(ID, image="nginx:2")).adopted


async def test_locked_put_is_made_anew() -> None:
    """What the other task changed meanwhile is not put back."""
    old, theirs = answer(200, an_instance()), answer(200, an_instance(timeout=7))
    done = answer(200, an_instance("DEPLOYING", timeout=7, image="nginx:2"))
    async with routed({GET_V2: [old, theirs], PUT: [LOCKED, done]}) as (client, network):
        await client.inference_instances.update(ID, image="nginx:2")
    assert [sent(put)["timeout"] for put in network.asked("PUT")] == [120, 7]


@pytest.mark.parametrize("ready_timeout", [0, 60])
async def test_lock_for_as_long_as_wanted(ready_timeout: float) -> None:
    """Some tries, or as long as was asked for; then it is an error."""
    routes = {GET_V2: answer(200, an_instance()), PUT: LOCKED, GET: ours(), PATCH: LOCKED}
    async with routed(routes) as (client, network):
        for api, id in (
            (client.inference_instances, ID),
            (client.inference_deployments, NAME),
        ):
            began = asyncio.get_running_loop().time()
            with pytest.raises(ConflictError):
                await api.update(id, image="nginx:2", ready_timeout=ready_timeout)
            took = asyncio.get_running_loop().time() - began
            assert ready_timeout <= took < ready_timeout + 10
    assert len(network.asked("PUT")) >= 4
    assert len(network.asked("PATCH")) >= 4


async def test_name_taken_is_no_lock() -> None:
    """Waiting would not help."""
    taken = answer(409, {"exception_class": "ConflictError", "message": "already exists"})
    async with routed({GET_V2: answer(200, an_instance()), PUT: taken}) as (client, network):
        with pytest.raises(ConflictError, match="exists"):
            await client.inference_instances.update(ID, name="other", ready_timeout=60)
    assert len(network.asked("PUT")) == 1


async def test_put_always_lost() -> None:
    """In the end it is read: adopted where it shows what was sent, else unknown."""
    old, new = answer(200, an_instance()), answer(200, an_instance("DEPLOYING", image="nginx:2"))
    async with routed({GET_V2: [old, new], PUT: LOST[0]}) as (client, _):
        assert (await client.inference_instances.update(ID, image="nginx:2")).adopted
    async with routed({GET_V2: old, PUT: LOST[0]}) as (client, _):
        with pytest.raises(OutcomeUnknownError):
            await client.inference_instances.update(ID, image="nginx:2")


async def test_nothing_secret_in_what_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Neither in the error nor in the log."""
    caplog.set_level(logging.DEBUG)
    spec = {**sample("update_request"), "envs": {"KEY": HIDDEN}}
    mine = an_instance(created_at=None, envs={"KEY": HIDDEN})
    async with routed({POST_V2: LOST[0], LIST_V2: listed(mine)}) as (client, _):
        with pytest.raises(OutcomeUnknownError) as caught:
            await client.inference_instances.create(spec)
    assert caught.value.candidates
    assert HIDDEN not in f"{caught.value} {vars(caught.value)} {caplog.text}"
