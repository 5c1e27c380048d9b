"""Writes whose response was lost or lacks the id are recovered by reading."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from di_async import (
    ClientClosedError,
    ConflictError,
    ConnectError,
    DeploymentFailedError,
    GatewayError,
    OutcomeUnknownError,
    RequestBudget,
    TransportError,
)
from di_async.core.http import Response
from tests.builders.exoscale import (
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
from tests.exoscale.helpers import DEPLOYMENTS, ONE, VIRTUAL, scripted, sent
from tests.fake_network import FakeNetwork, Step, answer

pytestmark = VIRTUAL
CREATE, LIST = f"POST {DEPLOYMENTS}", f"GET {DEPLOYMENTS}"
RESET = TransportError("the answer broke off")
LOST: list[Step] = [RESET, problem(502), answer(200, "cut")]
YOUNG, OLD = "2099-01-01T00:00:00Z", "2020-01-01T00:00:00Z"
EARLIER = "a minute before the create"
READY = answer(200, a_deployment())
BARE = answer(200, operation(reference=None))
OVER = answer(200, operation("success", reference=None))


def ago(seconds: float) -> str:
    """Return a timestamp this long before now."""
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


def writes(network: FakeNetwork) -> list[str]:
    """Return the requests that are not a GET."""
    return [request for request in sent(network) if not request.startswith("GET")]


# --- create -----------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", LOST, ids=["reset", "5xx", "garbled"])
async def test_lost_create_is_not_sent_again(lost: Step) -> None:
    """The create is not sent again; candidates have its name and age."""
    rows = (
        a_row(created_at=YOUNG),
        a_row(id="old", created_at=OLD),
        a_row(id="c", name="other", created_at=YOUNG),
    )
    async with scripted(lost, *[listed(*rows)] * 3) as (client, network):
        with pytest.raises(OutcomeUnknownError, match="nothing was adopted") as caught:
            await client.deployments.create(a_spec())
    assert [found.id for found in caught.value.candidates] == [ID]
    assert sent(network) == [CREATE, *[LIST] * 3]


async def test_lost_create_and_failing_list() -> None:
    """If the list fails too, the outcome is unknown, without candidates."""
    async with scripted(RESET, *[problem(500)] * 12) as (client, network):
        with pytest.raises(OutcomeUnknownError, match="could not be read either") as caught:
            await client.deployments.create(a_spec())
    assert caught.value.candidates == ()
    assert writes(network) == [CREATE]


async def test_create_that_was_never_sent() -> None:
    """A create without a connection is sent again, then raises `ConnectError`."""
    async with scripted(*[ConnectError("no connection")] * 4) as (client, network):
        with pytest.raises(ConnectError):
            await client.deployments.create(a_spec())
    assert writes(network) == [CREATE] * 4


async def test_cancelled_create_notes_what_may_exist(caplog: pytest.LogCaptureFixture) -> None:
    """Log and error of a cancelled create name the deployment and the zone."""
    async with scripted(answer(200, operation())) as (client, _):
        create = asyncio.ensure_future(client.deployments.create(a_spec()))
        await asyncio.sleep(0.001)
        create.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await create
    note = "".join(caught.value.__notes__)
    assert "ch-gva-2" in note
    assert "find_all('web')" in note
    assert note in caplog.text


async def test_reference_comes_later() -> None:
    """The operation is read until it names its resource."""
    async with scripted(BARE, BARE, listed(), answer(200, operation())) as (client, network):
        change = await client.deployments.create(a_spec())
    assert (change.id, change.adopted) == (ID, False)
    assert writes(network) == [CREATE]


async def test_reference_is_read_again_after_an_error() -> None:
    """A failed read of the operation is repeated."""
    failing = [problem(500)] * 4
    async with scripted(BARE, *failing, listed(), answer(200, operation())) as (client, network):
        assert (await client.deployments.create(a_spec())).id == ID
    assert network.left == []


@pytest.mark.parametrize("first", [BARE, OVER], ids=["pending", "over"])
async def test_reference_never_comes(first: Step) -> None:
    """After a successful operation, the only deployment created since is adopted."""
    rows = a_row(id="old", created_at=OLD), a_row(created_at=ago(-1))
    async with scripted(first, OVER, listed(*rows)) as (client, network):
        change = await client.deployments.create(a_spec())
        assert (change.id, change.adopted) == (ID, True)
        assert change.latest is not None
        assert change.latest.name == "web"
    assert network.left == []


@pytest.mark.parametrize(
    ("operation_now", "rows"),
    [
        (OVER, [a_row(created_at=YOUNG), a_row(id="b", created_at=YOUNG)]),
        (OVER, [a_row(created_at=YOUNG), a_row(id="b", created_at=EARLIER)]),
        (OVER, [a_row(created_at=YOUNG), a_row(id="b", created_at=None)]),
        (OVER, [a_row(created_at=EARLIER)]),
        (OVER, [a_row(created_at=None)]),
        (OVER, [a_row(id=None, created_at=YOUNG)]),
        (BARE, [a_row(created_at=YOUNG)]),
        (answer(200, operation("paused", reference=None)), [a_row(created_at=YOUNG)]),
    ],
    ids=[
        *("two", "one is older", "one has no age", "too old", "no age", "no id"),
        *("not over", "odd state"),
    ],
)
async def test_reference_never_comes_and_matches_are_in_doubt(
    operation_now: Response, rows: list[dict[str, Any]]
) -> None:
    """In doubt nothing is adopted; all possible matches are candidates."""
    stamps = {EARLIER: ago(60)}
    rows = [row | {"created-at": stamps.get(row["created-at"], row["created-at"])} for row in rows]
    async with scripted(BARE, *[operation_now, listed(*rows)] * 3) as (client, network):
        with pytest.raises(OutcomeUnknownError, match="does not show the id") as caught:
            await client.deployments.create(a_spec())
    ids = [row["id"] or "" for row in rows]
    assert [found.id for found in caught.value.candidates] == ids
    assert all(part in str(caught.value) for part in (OPERATION, *ids))
    assert (writes(network), network.left) == ([CREATE], [])


async def test_match_created_before_the_request_was_sent() -> None:
    """A deployment created before the request was sent is not adopted."""
    budget = RequestBudget(per_minute=4, reserve=0.0)
    rows = listed(a_row(created_at=ago(-50)))
    steps: list[Step] = [*[READY] * 4, OVER, *[OVER, rows] * 3]
    async with scripted(*steps, budget=budget) as (client, network):
        for _ in range(4):
            await client.deployments.get(ID)
        await asyncio.sleep(40)  # the budget has room again after 60
        with pytest.raises(OutcomeUnknownError):
            await client.deployments.create(a_spec())
    assert LIST in sent(network)


async def test_operation_without_an_id() -> None:
    """Without an operation id nothing is adopted."""
    async with scripted(answer(200, {}), *[listed(a_row(created_at=YOUNG))] * 3) as (client, net):
        with pytest.raises(OutcomeUnknownError):
            await client.deployments.create(a_spec())
    assert sent(net) == [CREATE, *[LIST] * 3]


@pytest.mark.parametrize("reads", [[], [BARE], [BARE, BARE, listed(), BARE, listed()]])
async def test_create_that_fails_without_a_reference(reads: list[Step]) -> None:
    """A failed operation without a reference raises at once, and says where to look."""
    secret = "planted-parameter"
    failed = operation("failure", reference=None, reason="unavailable", message=f"no {secret}")
    async with scripted(*reads, answer(200, failed)) as (client, _):
        with pytest.raises(DeploymentFailedError, match=r"unavailable: no \*+\.") as caught:
            await client.deployments.create(a_spec(inference_engine_parameters=[secret]))
    assert "bill. Check `find_all('web')` in ch-gva-2." in str(caught.value)
    assert secret not in str(caught.value)


@pytest.mark.parametrize("first", [[], [BARE]], ids=["at once", "later"])
async def test_create_that_fails_with_a_reference(first: list[Step]) -> None:
    """The deployment of an operation that has failed already is known, and so can be deleted."""
    failed = answer(200, operation("failure", reason="unavailable"))
    logs = answer(200, {"logs": []})
    async with scripted(*first, failed, failed, logs) as (client, _):
        change = await client.deployments.create(a_spec())
        assert (change.id, change.outcome) == (ID, None)
        with pytest.raises(DeploymentFailedError, match="unavailable") as caught:
            await change.wait()
    assert (caught.value.id, bool(caught.value.resume_token)) == (ID, True)
    assert "delete(id)" in str(caught.value)


async def test_create_elsewhere_after_an_operation_that_has_failed() -> None:
    """`create_first_available` deletes what a failed operation names; without a name it ends."""
    failed = answer(200, operation("failure", reason="no capacity"))
    gone = [answer(200, operation()), answer(200, operation("success")), problem(404)]
    nameless = answer(200, operation("failure", reference=None, reason="no capacity"))
    logs = answer(200, {"logs": []})
    steps: list[Step] = [failed, failed, logs, *gone, nameless]
    async with scripted(*steps) as (client, network):
        with pytest.raises(DeploymentFailedError, match="find_all"):
            await client.deployments.create_first_available(
                a_spec(), accelerators=["gpua5000", "gpu3080ti", "gpua30"]
            )
    assert writes(network) == [CREATE, f"DELETE {ONE}", CREATE]


# --- scale, update ----------------------------------------------------------------------------


@pytest.mark.parametrize("lost", LOST, ids=["reset", "5xx", "garbled"])
@pytest.mark.parametrize(
    "seen", [a_deployment("scaling"), a_deployment(replicas=2)], ids=["under way", "done"]
)
async def test_lost_scale_that_was_accepted(lost: Step, seen: dict[str, Any]) -> None:
    """A read shows that the scale was accepted; the wait continues without its operation."""
    after = answer(200, a_deployment(replicas=2, updated_at=LATE))
    async with scripted(READY, lost, answer(200, seen), after) as (client, network):
        change = await client.deployments.scale(ID, 2)
        assert change.adopted
        assert (await change.wait()).replicas == 2
    assert writes(network) == [f"POST {ONE}/scale"]


async def test_lost_scale_without_effect_is_sent_again() -> None:
    """A scale is sent again if nothing has changed."""
    steps: list[Step] = [READY, RESET, READY, answer(200, operation("success"))]
    after = answer(200, a_deployment(replicas=2, updated_at=LATE))
    async with scripted(*steps, after) as (client, network):
        change = await client.deployments.scale(ID, 2)
        assert (change.adopted, (await change.wait()).replicas) == (False, 2)
    assert writes(network) == [f"POST {ONE}/scale"] * 2


async def test_lost_scale_to_the_same_number_is_sent_again() -> None:
    """A value that was shown before does not prove that the scale was accepted."""
    async with scripted(READY, RESET, READY, answer(200, operation())) as (client, network):
        assert (await client.deployments.scale(ID, 1)).adopted is False
    assert writes(network) == [f"POST {ONE}/scale"] * 2


async def test_lost_scale_whose_repeat_conflicts() -> None:
    """A 409 to the second request shows that the first was accepted."""
    after = answer(200, a_deployment(replicas=2, updated_at=LATE))
    busy = [problem(409)] * 4
    async with scripted(READY, RESET, READY, *busy, after) as (client, network):
        change = await client.deployments.scale(ID, 2)
        assert (change.adopted, (await change.wait()).replicas) == (True, 2)
    assert network.left == []


async def test_lost_scale_of_a_deployment_that_was_busy_before() -> None:
    """A 409 proves nothing where another operation was under way before the first request."""
    scaling = answer(200, a_deployment("scaling"))
    busy = [problem(409)] * 4
    async with scripted(scaling, RESET, scaling, *busy, scaling) as (client, network):
        with pytest.raises(OutcomeUnknownError, match="read it before writing"):
            await client.deployments.scale(ID, 2)
    assert network.left == []


@pytest.mark.parametrize(
    "steps",
    [
        [answer(200, a_deployment(updated_at=LATE))],
        [READY, problem(412), READY],
        [problem(404)] * 3,
        [*[READY, RESET] * 3, READY],
        [problem(500)] * 12,
    ],
    ids=["changed", "refused", "gone", "lost again", "unreadable"],
)
async def test_lost_scale_that_cannot_be_settled(steps: list[Step]) -> None:
    """The outcome is unknown, and another client's change is not overwritten."""
    async with scripted(READY, RESET, *steps) as (client, network):
        with pytest.raises(OutcomeUnknownError) as caught:
            await client.deployments.scale(ID, 2)
    assert [found.replicas for found in caught.value.candidates] == [1]
    assert network.left == []


# --- delete -----------------------------------------------------------------------------------


async def test_lost_delete_is_sent_again() -> None:
    """A lost delete is sent again; a 404 then means that the first succeeded."""
    async with scripted(RESET, problem(404), problem(404)) as (client, network):
        change = await client.deployments.delete(ID)
        await change.wait(timeout=0)
    assert change.already_gone is False
    assert writes(network) == [f"DELETE {ONE}"] * 2


async def test_lost_delete_that_is_under_way() -> None:
    """A busy deployment whose state shows no work is being deleted."""
    steps: list[Step] = [RESET, *[problem(409)] * 3, READY, READY, problem(404)]
    async with scripted(*steps) as (client, network):
        change = await client.deployments.delete(ID)
        await change.wait()
    assert (change.outcome, network.left) == ("settled", [])


async def test_lost_delete_of_a_deployment_that_is_gone() -> None:
    """A 404 after a lost delete settles it."""
    async with scripted(RESET, *[problem(409)] * 3, problem(404), problem(404)) as (client, _):
        await (await client.deployments.delete(ID)).wait()


async def test_lost_delete_of_a_deployment_that_is_scaling() -> None:
    """A deployment that is scaling is not taken as being deleted."""
    busy = answer(200, a_deployment("scaling"))
    async with scripted(RESET, *[problem(409)] * 3, busy) as (client, _):
        with pytest.raises(ConflictError):
            await client.deployments.delete(ID)


async def test_lost_delete_and_a_gateway_404() -> None:
    """A gateway's 404, however often, does not show that a delete was accepted."""
    page = answer(404, "not found")
    async with scripted(RESET, *[problem(409)] * 3, *[page] * 20) as (client, _):
        with pytest.raises(GatewayError):
            await client.deployments.delete(ID)


@pytest.mark.parametrize(
    ("verb", "steps", "after_s"),
    [
        ("create", [RESET, RESET], 0.515),
        ("create", [answer(200, operation(reference=None))], 0.1),
        ("scale", [READY, RESET], 0.1),
    ],
    ids=["listing", "asking the operation", "reading"],
)
async def test_client_closed_during_recovery(verb: str, steps: list[Step], after_s: float) -> None:
    """Closing the client during a recovery raises `ClientClosedError`."""
    async with scripted(*steps) as (client, network):
        api = client.deployments
        call = api.create(a_spec()) if verb == "create" else api.scale(ID, 2)
        looking = asyncio.ensure_future(call)
        await asyncio.sleep(after_s)
    with pytest.raises(ClientClosedError):
        await looking
    assert len(writes(network)) == 1
