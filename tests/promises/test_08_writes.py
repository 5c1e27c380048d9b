"""Promise 8: writes are not repeated blindly; one create never makes two deployments.

GET and DELETE are retried. So is a write that was surely not processed (never sent, or 429). A
create with a lost response is looked up by name, more than once, before it is retried. Only an
instance with the spec sent, created since the call began (less 120 s), is adopted; any other raises
`ConflictError`. After a lost PATCH answer the instance is read: this update is adopted, otherwise
it is retried, and a version conflict raises `ConflictError`. A lost token create is not retried.
"""

import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from di_async import (
    ConflictError,
    ConnectError,
    OutcomeUnknownError,
    RateLimitError,
    RequestTimeoutError,
    RetryPolicy,
    ServerError,
    TransportError,
)
from tests.builders.digitalocean import (
    DIALECTS,
    GONE,
    ID,
    VPC_ID,
    a_spec,
    acceptance,
    an_instance,
    creation,
    refusal,
    shown_spec,
)
from tests.fake_network import EmulatorNetwork, answer, virtual_client
from tests.promises.support import (
    DELETE,
    LIST,
    ONE,
    PATCH,
    POST,
    VIRTUAL,
    Step,
    client_on,
    created,
    fake_api,
    now,
    scaled,
    world,
)

pytestmark = VIRTUAL

TOKENS = "POST /v2/dedicated-inferences/{id}/tokens"
NOBODY = answer(200, {"dedicated_inferences": [], "links": {}, "meta": {"total": 0}})
LOST: dict[str, dict[str, Any]] = {
    "reset": {"kind": "reset"},
    "500": {"kind": "status", "status": 500},
    "504": {"kind": "status", "status": 504},
    "HTML 502": {"kind": "html"},
    "HTML 202": {"kind": "html", "status": 202},
    "cut": {"kind": "cut"},
}
each_loss = pytest.mark.parametrize("loss", LOST)
both_dialects = pytest.mark.parametrize("dialect", DIALECTS)
either_way = pytest.mark.parametrize("processed", [False, True])


def count(net: EmulatorNetwork, operation: str) -> int:
    """Count the requests of an operation that the world received."""
    return net.world.stats.by_operation.get(operation, 0)


# --- retries ---------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["reset", "500", "HTML 502"])
async def test_get_is_retried(loss: str) -> None:
    """A GET is retried after resets and 5xx."""
    async with virtual_client() as (client, net):
        id = net.world.add_instance(now=net.now()).id
        net.world.fault(on=ONE, times=3, **LOST[loss])
        assert (await client.dedicated_inferences.get(id)).id == id
        assert count(net, ONE) == 4


@either_way
@pytest.mark.parametrize("loss", ["reset", "500", "HTML 502"])
async def test_delete_is_retried(loss: str, processed: bool) -> None:
    """A DELETE is retried after resets and 5xx; its change is not `.already_gone`."""
    async with virtual_client() as (client, net):
        id = net.world.add_instance(now=net.now()).id
        net.world.fault(on=DELETE, times=2, after_commit=processed, **LOST[loss])
        change = await client.dedicated_inferences.delete(id)
        await change.wait()
        assert (count(net, DELETE), change.already_gone) == (3, False)


async def test_delete_done_by_its_lost_first_send() -> None:
    """A 404 to a retried DELETE is settled, not `.already_gone`: the first one did it."""
    async with client_on(fake_api(GONE, delete=[TransportError("reset"), GONE])) as client:
        change = await client.dedicated_inferences.delete(ID)
    assert (change.outcome, change.already_gone) == ("settled", False)


async def test_delete_of_a_missing_instance(caplog: pytest.LogCaptureFixture) -> None:
    """A 404 to the first DELETE is a settled change with `.already_gone`, and a warning."""
    async with client_on(fake_api(GONE, delete=[GONE])) as client:
        change = await client.dedicated_inferences.delete(ID)
        await change.wait()
    assert (change.outcome, change.already_gone) == ("settled", True)
    assert "nothing was deleted" in caplog.text


async def test_delete_of_a_missing_instance_after_a_429() -> None:
    """A 404 after a 429 to a DELETE is still `.already_gone`: the 429 did nothing."""
    network = fake_api(GONE, delete=[refusal(429, retry_after="1"), GONE])
    async with client_on(network) as client:
        assert (await client.dedicated_inferences.delete(ID)).already_gone


UNPROCESSED: list[Step] = [ConnectError("no connection"), refusal(429, retry_after="2")]


@pytest.mark.parametrize("failure", UNPROCESSED)
async def test_write_that_was_not_processed(failure: Step) -> None:
    """A POST or PATCH that was never sent, or answered 429, is resent without a lookup."""
    network = fake_api(an_instance(), post=[failure, creation()], patch=[failure, acceptance()])
    async with client_on(network) as client:
        assert not (await created(client)).adopted
        assert not (await scaled(client)).adopted
    assert [network.count(method) for method in ("POST", "PATCH", "GET")] == [2, 2, 1]


@pytest.mark.parametrize("kind", [ConnectError, RateLimitError])
async def test_write_that_is_never_processed(kind: type[Exception]) -> None:
    """A write that is never processed raises its last error unchanged after all attempts."""
    failure: Step = ConnectError("no connection") if kind is ConnectError else refusal(429)
    network = fake_api(an_instance(), post=[failure])
    async with client_on(network, retry=RetryPolicy(attempts=2)) as client:
        with pytest.raises(kind):
            await created(client)
    assert (network.count("POST"), network.count("GET")) == (2, 0)


# --- creates whose response was lost -----------------------------------------------------------


@either_way
@each_loss
@both_dialects
async def test_create_whose_answer_is_lost(dialect: str, loss: str, processed: bool) -> None:
    """A create with a lost response, processed or not, makes one instance, and its wait settles."""
    async with virtual_client(world(dialect)) as (client, net):
        net.world.fault(on=POST, after_commit=processed, **LOST[loss])
        change = await client.dedicated_inferences.create(a_spec())
        assert (await change.wait()).name == "web"
        assert net.world.created["web"] == 1
        assert change.adopted is (processed or loss == "cut")


async def test_create_that_timed_out() -> None:
    """A request timeout counts as a lost response."""
    found = an_instance("observed", "new", created_at=datetime.now(UTC).isoformat())
    listing = answer(200, {"dedicated_inferences": [found], "links": {}, "meta": {"total": 1}})
    network = fake_api(listing, found, post=[RequestTimeoutError("no answer in time")])
    async with client_on(network) as client:
        assert (await created(client)).adopted
    assert network.count("POST") == 1


@both_dialects
async def test_create_that_the_list_does_not_show_yet(dialect: str) -> None:
    """A lost create is looked up more than once: a stale list makes no second deployment."""
    async with virtual_client(world(dialect)) as (client, net):
        net.world.fault("reset", on=POST, after_commit=True)
        net.world.fault("list_lag", on=POST, seconds=4)
        change = await client.dedicated_inferences.create(a_spec())
        assert (change.adopted, net.world.created["web"], count(net, POST)) == (True, 1, 1)
        assert count(net, LIST) == 3


async def test_create_that_the_list_hides() -> None:
    """A 409 to the retried create, while the list hides the first one, adopts the first one."""
    async with virtual_client() as (client, net):
        net.world.fault("reset", on=POST, after_commit=True)
        net.world.fault("list_lag", on=POST, seconds=12)
        change = await client.dedicated_inferences.create(a_spec())
        assert (change.adopted, net.world.created["web"], count(net, POST)) == (True, 1, 2)


async def test_create_whose_answers_are_all_lost() -> None:
    """A create that loses all answers is looked up each time, then raises `OutcomeUnknownError`."""
    async with virtual_client() as (client, net):
        net.world.fault("reset", on=POST, times=None)
        with pytest.raises(OutcomeUnknownError, match="may exist and bill"):
            await client.dedicated_inferences.create(a_spec())
        assert (count(net, POST), count(net, LIST)) == (4, 12)


async def test_create_whose_name_cannot_be_looked_up() -> None:
    """A create whose lookups fail is not retried: `OutcomeUnknownError`."""
    async with virtual_client() as (client, net):
        net.world.fault("reset", on=POST, after_commit=True)
        net.world.fault("status", on=LIST, times=None, status=500)
        with pytest.raises(OutcomeUnknownError) as caught:
            await client.dedicated_inferences.create(a_spec())
        assert (count(net, POST), net.world.created["web"]) == (1, 1)
        assert isinstance(caught.value.__cause__, TransportError)


@pytest.mark.parametrize("status", [401, 403, 429])
async def test_create_whose_lookup_is_refused(status: int) -> None:
    """A create whose lookup is refused raises `OutcomeUnknownError`."""
    network = fake_api(refusal(status, retry_after="3000"), post=[TransportError("reset")])
    async with client_on(network) as client:
        with pytest.raises(OutcomeUnknownError):
            await created(client)


@pytest.mark.parametrize("status", [401, 403, 422, 429])
async def test_create_whose_second_try_is_refused(status: int) -> None:
    """A refused second try raises `OutcomeUnknownError`: the first one may have succeeded."""
    second = refusal(status, retry_after="3000")
    async with client_on(fake_api(NOBODY, post=[TransportError("reset"), second])) as client:
        with pytest.raises(OutcomeUnknownError):
            await created(client)


async def test_adopted_create(caplog: pytest.LogCaptureFixture) -> None:
    """An adopted create logs a WARNING: its one-time token was lost with the answer."""
    async with virtual_client() as (client, net):
        net.world.fault("reset", on=POST, after_commit=True)
        change = await client.dedicated_inferences.create(a_spec())
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert change.access_token is None
    assert any("one-time token is lost" in text for text in warnings)


# --- adopted or foreign ----------------------------------------------------------------------


@pytest.mark.parametrize(("age_s", "ours"), [(30, True), (100, True), (130, False), (9e6, False)])
async def test_age_of_the_instance_with_the_name(age_s: float, ours: bool) -> None:
    """Only an instance created up to 120 s before the call, or later, is adopted."""
    async with virtual_client() as (client, net):
        net.world.add_instance(now=net.now(), name="web", created=int(net.now() - age_s))
        net.world.fault("reset", on=POST)
        if ours:
            assert (await client.dedicated_inferences.create(a_spec())).adopted
        else:
            with pytest.raises(ConflictError):
                await client.dedicated_inferences.create(a_spec())
        assert net.world.created["web"] == 1


@pytest.mark.parametrize(
    "other",
    [
        {"scale": 2},
        {"model_slug": "openai/gpt-oss-20b"},
        {"accelerator_slug": "gpu-mi300x8-1536gb"},
        {"region": "nyc2"},
        {"public": False},
        {"vpc_uuid": "00000000-0000-4000-8000-000000000000"},
    ],
)
@both_dialects
async def test_other_spec_under_the_name(dialect: str, other: dict[str, Any]) -> None:
    """An instance with the name but another spec raises `ConflictError`."""
    async with virtual_client(world(dialect)) as (client, net):
        net.world.add_instance(now=net.now(), name="web", **{"vpc_uuid": VPC_ID, **other})
        net.world.fault("reset", on=POST)
        with pytest.raises(ConflictError):
            await client.dedicated_inferences.create(a_spec(vpc=VPC_ID))
        assert net.world.created["web"] == 1


async def test_name_that_is_taken() -> None:
    """A 409 without a lost response adopts nothing: `ConflictError` after one request."""
    async with virtual_client() as (client, net):
        net.world.add_instance(now=net.now(), name="web")
        with pytest.raises(ConflictError):
            await client.dedicated_inferences.create(a_spec())
        assert (count(net, POST), count(net, LIST)) == (1, 0)


# --- updates whose response was lost -----------------------------------------------------------


@either_way
@each_loss
@both_dialects
async def test_update_whose_answer_is_lost(dialect: str, loss: str, processed: bool) -> None:
    """An update with a lost response, processed or not, happens once, and its wait settles."""
    async with virtual_client(world(dialect)) as (client, net):
        id = net.world.add_instance(now=net.now(), name="web").id
        net.world.fault(on=PATCH, after_commit=processed, **LOST[loss])
        change = await client.dedicated_inferences.scale(id, 2)
        found = await change.wait()
        done = processed or loss == "cut"
        assert (change.adopted, count(net, PATCH)) == (done, 1 if done else 2)
        assert (net.world.truth(id, net.now()).version, found.status) == (2, "active")


async def test_update_done_before_the_read() -> None:
    """An update is adopted if the version has advanced to the spec sent."""
    network = fake_api(
        an_instance(), an_instance(version=2, scale=2), patch=[TransportError("reset")]
    )
    async with client_on(network) as client:
        change = await scaled(client)
    assert (change.adopted, network.count("PATCH")) == (True, 1)


async def test_foreign_update_after_a_lost_answer() -> None:
    """A version that advanced to another spec raises `ConflictError`; nothing is merged again."""
    network = fake_api(
        an_instance(), an_instance(version=2, scale=7), patch=[TransportError("reset")]
    )
    async with client_on(network) as client:
        with pytest.raises(ConflictError):
            await scaled(client)
    assert network.count("PATCH") == 1


async def test_pending_foreign_update_after_a_lost_answer() -> None:
    """A pending spec that is not the one sent raises `ConflictError`."""
    theirs = an_instance(status="updating", pending_deployment_spec=shown_spec("documented", 2, 7))
    network = fake_api(an_instance(), theirs, patch=[TransportError("reset")])
    async with client_on(network) as client:
        with pytest.raises(ConflictError):
            await scaled(client)
    assert network.count("PATCH") == 1


async def test_version_conflict() -> None:
    """A 409 to a PATCH raises `ConflictError` after one request; nothing is merged silently."""
    network = fake_api(an_instance(), patch=[refusal(409)])
    async with client_on(network) as client:
        with pytest.raises(ConflictError):
            await scaled(client)
    assert (network.count("GET"), network.count("PATCH")) == (1, 1)


@pytest.mark.parametrize("status", [403, 409])
async def test_retried_update_refused_because_of_its_first_send(status: int) -> None:
    """A 403 or 409 to a retried PATCH adopts the first one, which is in progress."""
    ours = an_instance(status="updating", pending_deployment_spec=shown_spec("documented", 2, 2))
    sends: list[Step] = [TransportError("reset"), refusal(status)]
    network = fake_api(an_instance(), an_instance(), ours, patch=sends)
    async with client_on(network) as client:
        assert (await scaled(client)).adopted
    assert network.count("PATCH") == 2


async def test_update_whose_answers_are_all_lost() -> None:
    """An update that loses all answers reads after each, then raises `OutcomeUnknownError`."""
    network = fake_api(an_instance(), patch=[ServerError("500", status=500)])
    async with client_on(network) as client:
        with pytest.raises(OutcomeUnknownError):
            await scaled(client)
    assert (network.count("PATCH"), network.count("GET")) == (4, 5)


@pytest.mark.parametrize("status", [403, 429, 503])
async def test_update_that_cannot_be_read_again(status: int) -> None:
    """An update whose read after a lost response fails raises `OutcomeUnknownError`."""
    network = fake_api(an_instance(), refusal(status), patch=[TransportError("reset")])
    async with client_on(network) as client:
        with pytest.raises(OutcomeUnknownError):
            await scaled(client)


# --- token creates ---------------------------------------------------------------------------


@either_way
@pytest.mark.parametrize("loss", ["reset", "500", "HTML 502"])
async def test_token_create_whose_answer_is_lost(loss: str, processed: bool) -> None:
    """A token create with a lost response is sent once; the error lists its namesakes."""
    async with virtual_client() as (client, net):
        id = net.world.add_instance(now=net.now()).id
        net.world.fault(on=TOKENS, after_commit=processed, **LOST[loss])
        with pytest.raises(OutcomeUnknownError) as caught:
            await client.dedicated_inferences.create_token(id, "ci")
        assert count(net, TOKENS) == 1
        assert [token.name for token in caught.value.candidates] == ["ci"] * processed
    assert now() < 60
