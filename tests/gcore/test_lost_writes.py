"""Lost answers: the resource is read before anything is sent again."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import orjson
import pytest

from di_async import (
    BadRequestError,
    ClientClosedError,
    ConflictError,
    ConnectError,
    GatewayError,
    OutcomeUnknownError,
    PollPolicy,
    RequestTimeoutError,
    RetryPolicy,
    TransportError,
    WaitTimeoutError,
    wait_all,
)
from di_async.core.http import Response
from tests.builders.gcore import (
    HIDDEN,
    ID,
    NAME,
    a_deployment,
    a_spec,
    a_task,
    accepted,
    an_instance,
    no_such,
    sample,
)
from tests.fake_network import Delayed, Step, answer
from tests.gcore.helpers import ONE, TASK_PATH, V2, V3, routed, sent
from tests.support import VIRTUAL

pytestmark = VIRTUAL

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


def just_now() -> str:
    """Return the present time, as the API shows when something was created."""
    return datetime.now(UTC).isoformat()


def ours(status: str = "ACTIVE", **fields: Any) -> Any:
    """Return the deployment that our create made just now."""
    return answer(200, a_deployment(status, **{"created_at": just_now(), "envs": None, **fields}))


# --- v3: names are unique --------------------------------------------------------------------


@pytest.mark.parametrize("lost", LOST)
async def test_lost_create_that_was_accepted(lost: Step) -> None:
    """The deployment is found by name and adopted; its task stays unknown."""
    routes = {POST: lost, GET: [no_such(), ours("DEPLOYING"), ours()]}
    async with routed(routes) as (client, network):
        change = await client.inference_deployments.create(a_spec())
        assert (await change.wait()).status == "ACTIVE"
    assert (change.adopted, len(network.requests_of("POST"))) == (True, 1)


@pytest.mark.parametrize("lost", LOST)
async def test_lost_create_that_was_not_accepted(lost: Step) -> None:
    """If several reads find nothing, the create is sent again."""
    routes = {POST: [lost, accepted()], GET: [no_such(), no_such(), no_such(), ours()], TASKS: DONE}
    async with routed(routes) as (client, network):
        change = await client.inference_deployments.create(a_spec())
        await change.wait()
    assert (change.adopted, len(network.requests_of("POST"))) == (False, 2)


async def test_name_taken_by_the_first_attempt() -> None:
    """If reads lag, the refusal of the second attempt leads to another lookup."""
    routes = {POST: [LOST[0], TAKEN], GET: [no_such(), no_such(), no_such(), ours()]}
    async with routed(routes) as (client, _):
        assert (await client.inference_deployments.create(a_spec())).adopted


async def test_name_taken_and_nothing_found() -> None:
    """A refusal after a lost response, without a match, is an unknown outcome."""
    async with routed({POST: [LOST[0], TAKEN], GET: no_such()}) as (client, _):
        with pytest.raises(OutcomeUnknownError, match="may exist and bill") as caught:
            await client.inference_deployments.create(a_spec())
    assert isinstance(caught.value.__cause__, BadRequestError)


@pytest.mark.parametrize(
    "fields", [{"image": "other:1"}, {"created_at": "2020-01-01T00:00:00"}, {"timeout": 7}]
)
async def test_name_taken_by_another_deployment(fields: dict[str, Any]) -> None:
    """An older or different deployment is not adopted."""
    async with routed({POST: LOST[0], GET: ours(**fields)}) as (client, network):
        with pytest.raises(ConflictError, match="did not make"):
            await client.inference_deployments.create(a_spec(timeout=120))
    assert len(network.requests_of("POST")) == 1


async def test_name_taken_at_once() -> None:
    """A refusal without a lost response is raised as it is."""
    async with routed({POST: TAKEN}) as (client, network):
        with pytest.raises(BadRequestError, match="already exists"):
            await client.inference_deployments.create(a_spec())
    assert len(network.requests) == 1


async def test_lookup_fails() -> None:
    """Nothing is sent again if no lookup succeeds."""
    async with routed({POST: LOST[0], GET: answer(503)}) as (client, network):
        with pytest.raises(OutcomeUnknownError):
            await client.inference_deployments.create(a_spec())
    assert len(network.requests_of("POST")) == 1


async def test_always_lost() -> None:
    """A create is sent as often as the retry policy allows."""
    async with routed({POST: LOST[0], GET: no_such()}, retry=RetryPolicy(attempts=2)) as (
        client,
        network,
    ):
        with pytest.raises(OutcomeUnknownError):
            await client.inference_deployments.create(a_spec())
    assert len(network.requests_of("POST")) == 2


async def test_never_sent() -> None:
    """A create that was never sent raises without a lookup."""
    async with routed({POST: ConnectError("refused")}) as (client, network):
        with pytest.raises(ConnectError):
            await client.inference_deployments.create(a_spec())
    assert network.requests_of("GET") == []


async def test_closed_during_the_lookup() -> None:
    """Closing the client ends the lookup."""
    async with routed({POST: LOST[0], GET: no_such()}) as (client, _):
        task = asyncio.create_task(client.inference_deployments.create(a_spec()))
        await asyncio.sleep(1)
    with pytest.raises(ClientClosedError):
        await task


async def test_write_never_sent() -> None:
    """An update that was never sent raises without another read."""
    async with routed({PATCH: ConnectError("refused"), GET: ours()}) as (client, network):
        with pytest.raises(ConnectError):
            await client.inference_deployments.update(NAME, image="nginx:2")
    assert len(network.requests_of("GET")) == 1


@pytest.mark.parametrize("verb", ["update", "create_v2"])
async def test_closed_during_other_lookups(verb: str) -> None:
    """The same holds for an update and for v2."""
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


@pytest.mark.parametrize("body", [b"<html>not found</html>", b"", b'{"message": "no route"}'])
async def test_delete_answered_by_a_gateway(body: bytes) -> None:
    """A gateway's 404 does not prove that the deployment is gone."""
    async with routed({"DELETE": Response(404, {}, body), "GET": Response(404, {}, body)}) as (
        client,
        _,
    ):
        with pytest.raises(GatewayError):
            await client.inference_deployments.delete(NAME)


async def test_cancelled_in_flight(caplog: pytest.LogCaptureFixture) -> None:
    """A note on the error and a warning name the deployment that may bill."""
    async with routed({POST: accepted()}) as (client, _):
        task = asyncio.create_task(client.inference_deployments.create(a_spec()))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
    assert NAME in caught.value.__notes__[0]
    assert f"get('{NAME}')" in caplog.text


async def test_lost_patch_that_was_accepted() -> None:
    """A deployment that shows the fields sent is adopted."""
    new = ours("DEPLOYING", image="nginx:2")
    routes = {PATCH: LOST[0], GET: [ours(), new, new, ours(image="nginx:2")]}
    async with routed(routes) as (client, network):
        change = await client.inference_deployments.update(NAME, image="nginx:2")
        assert (await change.wait()).image == "nginx:2"
    assert (change.adopted, len(network.requests_of("PATCH"))) == (True, 1)


async def test_lost_patch_that_was_not_accepted() -> None:
    """If nothing shows the fields sent, the PATCH is sent again."""
    routes = {
        PATCH: [LOST[1], accepted()],
        GET: [ours()] * 4 + [ours(image="nginx:2")],
        TASKS: DONE,
    }
    async with routed(routes) as (client, network):
        change = await client.inference_deployments.update(NAME, image="nginx:2")
        await change.wait()
    assert (change.adopted, len(network.requests_of("PATCH"))) == (False, 2)


async def test_lost_patch_then_locked() -> None:
    """The lock may be our first attempt's, so a read decides."""
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
    assert len(network.requests_of("PATCH")) == 5  # the lost one, and four that met the lock
    assert caught.value.candidates[0].name == NAME


async def test_lost_patch_without_a_read() -> None:
    """If no read succeeds, the outcome is unknown."""
    routes = {PATCH: LOST[0], GET: [ours(), answer(503)]}
    async with routed(routes) as (client, _):
        with pytest.raises(OutcomeUnknownError, match="PATCH"):
            await client.inference_deployments.update(NAME, image="nginx:2")


async def test_patch_always_lost() -> None:
    """A PATCH is sent as often as the retry policy allows."""
    async with routed({PATCH: LOST[0], GET: ours()}) as (client, network):
        with pytest.raises(OutcomeUnknownError):
            await client.inference_deployments.update(NAME, image="nginx:2")
    assert len(network.requests_of("PATCH")) == 4


@pytest.mark.parametrize(("verb", "end"), [("start", "ACTIVE"), ("stop", "DISABLED")])
async def test_lost_switch(verb: str, end: str) -> None:
    """A start or stop that shows its effect is adopted."""
    begin = {"ACTIVE": "DISABLED", "DISABLED": "ACTIVE"}[end]
    routes = {f"POST {ONE}/{verb}": LOST[0], GET: [ours(begin), ours(end)]}
    async with routed(routes) as (client, network):
        change = await getattr(client.inference_deployments, verb)(NAME)
        assert (await change.wait()).status == end
    assert (change.adopted, len(network.requests_of("POST"))) == (True, 1)


async def test_lost_delete() -> None:
    """A 404 to the repeated DELETE is the success of the first one."""
    async with routed({f"DELETE {ONE}": [LOST[0], no_such()], GET: no_such()}) as (client, _):
        change = await client.inference_deployments.delete(NAME)
        await change.wait()
    assert not change.already_gone


@pytest.mark.parametrize("lost", LOST[:3])
async def test_lost_delete_is_repeated_after_a_read(lost: Step) -> None:
    """A GET comes before the second DELETE: the deployment is the one from before the first."""
    routes = {f"DELETE {ONE}": [lost, accepted()], GET: answer(200, a_deployment())}
    async with routed(routes) as (client, network):
        await client.inference_deployments.delete(NAME)
    assert [request.method for request in network.requests] == ["DELETE", "GET", "DELETE"]


def created(seconds: float) -> Step:
    """Return a deployment that was created so long after now, by the server's clock."""

    def answered(_: Any) -> Response:
        date = datetime.now(UTC)
        found = a_deployment(created_at=(date + timedelta(seconds=seconds)).isoformat())
        headers = {"date": format_datetime(date, usegmt=True)}
        return Response(200, headers, orjson.dumps(found))

    return answered


@pytest.mark.parametrize("first", [LOST[0], no_such()])
async def test_deployment_that_was_created_again_is_left_alone(
    first: Step, caplog: pytest.LogCaptureFixture
) -> None:
    """If the name was taken again since the DELETE, the old deployment is gone."""
    async with routed({f"DELETE {ONE}": first, GET: created(9)}) as (client, network):
        change = await client.inference_deployments.delete(NAME)
        await change.wait()
    assert len(network.requests_of("DELETE")) == 1
    assert change.already_gone is (first is not LOST[0])
    assert "created again after this DELETE, and left alone" in caplog.text


LOCKED = answer(409, {"exception_class": "ConflictError", "message": "locked by another task"})


ACCEPTED_AT = "2026-06-01T12:00:00+00:00"


def at(seconds: float, step: Any) -> Response:
    """Return a response with the server's time, so long after the DELETE was accepted."""
    date = datetime.fromisoformat(ACCEPTED_AT) + timedelta(seconds=seconds)
    headers = {"date": format_datetime(date, usegmt=True)}
    return Response(200, headers, orjson.dumps(step))


def deployment(seconds: float, status: str = "ACTIVE") -> Any:
    """Return a deployment that was created so long after the DELETE was accepted."""
    stamp = datetime.fromisoformat(ACCEPTED_AT) + timedelta(seconds=seconds)
    return a_deployment(status, created_at=stamp.isoformat())


DELETED = {"tasks": [a_task()["id"]]}


async def test_a_name_that_others_use_again_ends_the_wait() -> None:
    """What was created after the DELETE was accepted proves that the old deployment is gone."""
    routes = {
        f"DELETE {ONE}": at(0, DELETED),
        TASKS: [at(30, a_task())],
        GET: at(40, deployment(35, "DEPLOYING")),
    }
    async with routed(routes) as (client, network):
        change = await client.inference_deployments.delete(NAME)
        await change.wait(timeout=600)
    assert len(network.requests_of("DELETE")) == 1
    assert change.history[-1].note == "settled: what has its name was created after the delete"


async def test_a_lost_delete_ends_when_others_use_the_name_again() -> None:
    """The same holds where the answer was lost and a read showed the deletion."""
    seen = [at(1, deployment(-600, "DELETING")), at(40, deployment(35, "DEPLOYING"))]
    async with routed({f"DELETE {ONE}": LOST[0], GET: seen}) as (client, network):
        change = await client.inference_deployments.delete(NAME)
        await change.wait(timeout=600)
    assert len(network.requests_of("DELETE")) == 1


async def test_a_replica_that_still_shows_the_deletion_of_others() -> None:
    """What others have created since the call began ends the wait, though a read lags behind it."""
    seen = [
        Delayed(30.0, at(30, deployment(-600, "DELETING"))),
        at(31, deployment(10, "DEPLOYING")),
    ]
    async with routed({f"DELETE {ONE}": no_such(), GET: seen}) as (client, _):
        change = await client.inference_deployments.delete(NAME)
        await change.wait(timeout=600)
        assert change.history[-1].note == "settled: what has its name was created after the delete"


async def test_a_resumed_wait_ends_when_others_use_the_name_again() -> None:
    """The resume token holds when the delete was accepted."""
    routes = {f"DELETE {ONE}": at(0, DELETED), TASKS: at(30, a_task()), GET: at(40, deployment(35))}
    async with routed(routes) as (client, _):
        token = (await client.inference_deployments.delete(NAME)).resume_token
    async with routed(routes) as (client, _):
        await client.inference_deployments.resume(token).wait(timeout=600)


@pytest.mark.parametrize(
    "seen",
    [
        deployment(-3600),
        deployment(1),  # of about the same time: it may be the old one
        deployment(35, "DELETING"),
        {**deployment(0), "created_at": None},
    ],
)
async def test_what_may_be_the_old_deployment_does_not_end_the_wait(seen: Any) -> None:
    """Without proof that it is another one, a delete is not reported as done."""
    routes = {f"DELETE {ONE}": at(0, DELETED), TASKS: at(30, a_task()), GET: at(40, seen)}
    async with routed(routes) as (client, _):
        change = await client.inference_deployments.delete(NAME)
        with pytest.raises(WaitTimeoutError):
            await change.wait(timeout=600)


async def test_many_deletes_whose_names_are_used_again() -> None:
    """Rows of a list are hints here, too: a GET confirms each."""
    count, listed = 12, V3
    names = [f"web-{n}" for n in range(count)]
    rows = [{**deployment(35), "name": name} for name in names]
    routes: dict[str, Any] = {f"GET {listed}": at(40, {"count": count, "results": rows})}
    for row in rows:
        routes[f"DELETE {V3}/{row['name']}"] = at(0, {"tasks": []})
        routes[f"GET {V3}/{row['name']}"] = at(40, row)
    polling = PollPolicy(confirm="never")
    async with routed(routes, polling=polling) as (client, network):
        changes = [await client.inference_deployments.delete(name) for name in names]
        report = await wait_all(changes, timeout=600)
        assert len(report.succeeded) == count
        gets = [r.path.rpartition("/")[2] for r in network.requests_of("GET")]
        assert set(names) <= set(gets)
        assert not any("list evidence" in (c.history[-1].note or "") for c in changes)


@pytest.mark.parametrize("ready_timeout", [0, 60])
@pytest.mark.parametrize("gone_first", [False, True])
async def test_a_refused_delete_is_not_repeated_on_what_others_created(
    gone_first: bool, ready_timeout: float
) -> None:
    """Between two tries of a busy delete the deployment is read: a new one is left alone."""
    routes = {
        f"DELETE {ONE}": [LOCKED, accepted()],
        GET: no_such() if gone_first else created(60),
    }
    async with routed(routes) as (client, network):
        change = await client.inference_deployments.delete(NAME, ready_timeout=ready_timeout)
        await change.wait()
    assert len(network.requests_of("DELETE")) == 1
    assert change.already_gone


async def test_a_refused_delete_is_repeated_while_it_is_the_same() -> None:
    """A read that shows the old deployment, or that fails, does not end the tries."""
    failed = answer(500, {"exception_class": "InternalError", "message": "oops"})
    routes = {
        f"DELETE {ONE}": [*[LOCKED] * 2, accepted()],
        GET: [answer(200, a_deployment()), *[failed] * 4, answer(200, a_deployment()), no_such()],
        TASKS: DONE,
    }
    async with routed(routes) as (client, network):
        await (await client.inference_deployments.delete(NAME, ready_timeout=600)).wait()
    assert len(network.requests_of("DELETE")) == 3


async def test_a_lock_of_some_seconds_does_not_fail_a_delete() -> None:
    """Without `ready_timeout` it is sent as often as the retry policy allows."""
    locked = [LOCKED] * (RetryPolicy().attempts - 1)
    routes = {f"DELETE {ONE}": [*locked, accepted()], GET: answer(200, a_deployment())}
    async with routed(routes) as (client, _):
        change = await client.inference_deployments.delete(NAME)
    assert not change.already_gone


@pytest.mark.parametrize("seen", [ours("DELETING"), no_such()])
async def test_lost_delete_then_locked(seen: Step) -> None:
    """A lock counts as our own if the deployment is being deleted."""
    routes = {f"DELETE {ONE}": [LOST[0], LOCKED], GET: [seen, no_such()]}
    async with routed(routes) as (client, _):
        change = await client.inference_deployments.delete(NAME)
        await change.wait()
    assert not change.already_gone


@pytest.mark.parametrize(("first", "status"), [(LOST[0], "DEPLOYING"), (LOCKED, "DELETING")])
async def test_locked_delete(first: Step, status: str) -> None:
    """Another task's lock is an error: no read shows our delete, or none was sent."""
    routes = {f"DELETE {ONE}": [first, LOCKED], GET: answer(200, a_deployment(status))}
    async with routed(routes) as (client, _):
        with pytest.raises(ConflictError, match="locked"):
            await client.inference_deployments.delete(NAME)


@pytest.mark.parametrize("body", [{"surprise": 1}, [1]])
async def test_delete_with_an_odd_answer(body: Any) -> None:
    """An unreadable answer to a delete is ignored, as only a 404 settles it."""
    routes = {f"DELETE {ONE}": answer(200, body), GET: [ours("DELETING"), no_such()]}
    async with routed(routes) as (client, _):
        await (await client.inference_deployments.delete(NAME)).wait()


# --- v2: names may repeat --------------------------------------------------------------------


def listed(*rows: Any) -> Any:
    """Return a list page."""
    return answer(200, {"count": len(rows), "results": list(rows)})


@pytest.mark.parametrize("lost", LOST)
async def test_lost_v2_create(lost: Step) -> None:
    """Nothing is adopted or sent again; the error lists candidates."""
    mine = an_instance("NEW", created_at=None)
    old = an_instance(id="old")
    other = an_instance(id="other", created_at=None, image="other:1")
    routes = {POST_V2: lost, LIST_V2: [listed(), listed(mine, old, other)]}
    async with routed(routes) as (client, network):
        with pytest.raises(OutcomeUnknownError, match="1 that may be it") as caught:
            await client.inference_instances.create(sample("update_request"))
    assert [one.id for one in caught.value.candidates] == [ID]
    assert len(network.requests_of("POST")) == 1


async def test_lost_v2_create_without_a_lookup() -> None:
    """If the list fails, there are no candidates."""
    async with routed({POST_V2: LOST[0], LIST_V2: answer(503)}) as (client, _):
        with pytest.raises(OutcomeUnknownError) as caught:
            await client.inference_instances.create(sample("update_request"))
    assert caught.value.candidates == ()


async def test_v2_never_sent() -> None:
    """A create that was never sent raises without a lookup."""
    async with routed({POST_V2: ConnectError("refused")}) as (client, network):
        with pytest.raises(ConnectError):
            await client.inference_instances.create(sample("update_request"))
    assert network.requests_of("GET") == []


async def test_lost_put_is_repeated() -> None:
    """A PUT is idempotent, so it is repeated."""
    new = answer(200, an_instance("DEPLOYING", image="nginx:2"))
    routes = {GET_V2: answer(200, an_instance()), PUT: [LOST[0], LOST[2], new]}
    async with routed(routes) as (client, network):
        change = await client.inference_instances.update(ID, image="nginx:2")
    assert (change.adopted, len(network.requests_of("PUT"))) == (False, 3)


async def test_lost_put_then_locked() -> None:
    """A lock counts as our own if the instance shows the fields sent."""
    old, new = answer(200, an_instance()), answer(200, an_instance("DEPLOYING", image="nginx:2"))
    async with routed({GET_V2: [old, old, new], PUT: [LOST[0], LOCKED]}) as (client, _):
        assert (await client.inference_instances.update(ID, image="nginx:2")).adopted


async def test_locked_put_is_planned_again() -> None:
    """A repeated PUT keeps what the other task has changed."""
    old, theirs = answer(200, an_instance()), answer(200, an_instance(timeout=7))
    done = answer(200, an_instance("DEPLOYING", timeout=7, image="nginx:2"))
    async with routed({GET_V2: [old, theirs], PUT: [LOCKED, done]}) as (client, network):
        await client.inference_instances.update(ID, image="nginx:2")
    assert [sent(put)["timeout"] for put in network.requests_of("PUT")] == [120, 7]


@pytest.mark.parametrize("ready_timeout", [0, 60])
async def test_lasting_lock(ready_timeout: float) -> None:
    """A lock is an error after some attempts, or after `ready_timeout`."""
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
    assert len(network.requests_of("PUT")) >= 4
    assert len(network.requests_of("PATCH")) >= 4


async def test_conflict_over_a_name_is_not_a_lock() -> None:
    """A conflict over a name is not retried."""
    taken = answer(409, {"exception_class": "ConflictError", "message": "already exists"})
    async with routed({GET_V2: answer(200, an_instance()), PUT: taken}) as (client, network):
        with pytest.raises(ConflictError, match="exists"):
            await client.inference_instances.update(ID, name="other", ready_timeout=60)
    assert len(network.requests_of("PUT")) == 1


async def test_put_always_lost() -> None:
    """After the last attempt the instance is read, and adopted if it shows the fields sent."""
    old, new = answer(200, an_instance()), answer(200, an_instance("DEPLOYING", image="nginx:2"))
    async with routed({GET_V2: [old, new], PUT: LOST[0]}) as (client, _):
        assert (await client.inference_instances.update(ID, image="nginx:2")).adopted
    async with routed({GET_V2: old, PUT: LOST[0]}) as (client, _):
        with pytest.raises(OutcomeUnknownError):
            await client.inference_instances.update(ID, image="nginx:2")


async def test_no_secret_in_errors_and_logs(caplog: pytest.LogCaptureFixture) -> None:
    """Environment variables appear in no error or log."""
    caplog.set_level(logging.DEBUG)
    spec = {**sample("update_request"), "envs": {"KEY": HIDDEN}}
    mine = an_instance(created_at=None, envs={"KEY": HIDDEN})
    async with routed({POST_V2: LOST[0], LIST_V2: listed(mine)}) as (client, _):
        with pytest.raises(OutcomeUnknownError) as caught:
            await client.inference_instances.create(spec)
    assert caught.value.candidates
    assert HIDDEN not in f"{caught.value} {vars(caught.value)} {caplog.text}"
