"""A create whose response was lost is looked up by name; it is never created twice."""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from di_async import (
    ConflictError,
    ConnectError,
    DIError,
    DigitalOcean,
    OutcomeUnknownError,
    RequestTimeoutError,
    RetryPolicy,
    TransportError,
)
from di_async.digitalocean import DedicatedInferences
from di_async.emulator import World
from tests.builders.digitalocean import a_spec, one
from tests.digitalocean.helpers import TOKEN, an_instance, scripted_client
from tests.fake_network import (
    TEN_MINUTES,
    EmulatorNetwork,
    answer,
    losing_first,
    plain,
    virtual_client,
)
from tests.support import VIRTUAL

pytestmark = VIRTUAL
POST = "POST /v2/dedicated-inferences"
LIST = "GET /v2/dedicated-inferences"

SPOILED: list[tuple[str, dict[str, Any]]] = [
    ("reset", {}),
    ("status", {"status": 500}),
    ("status", {"status": 503}),
    ("html", {"status": 502}),
]


def a_world(dialect: Any = "documented") -> World:
    """A world in which creates take ten minutes."""
    return World(dialect, seed=0, lifecycle=TEN_MINUTES)


@asynccontextmanager
async def losing(error: DIError) -> AsyncIterator[tuple[DedicatedInferences, EmulatorNetwork]]:
    """Return a client whose first create is accepted, but its response is lost."""
    network = EmulatorNetwork(a_world())
    network.intercept = losing_first("POST", error)
    async with DigitalOcean(network.world.token, transport=network) as client:
        yield client.dedicated_inferences, network


@pytest.mark.parametrize("dialect", ["documented", "observed"])
@pytest.mark.parametrize(("kind", "settings"), SPOILED)
async def test_lost_after_commit(kind: str, settings: dict[str, Any], dialect: Any) -> None:
    """The instance of a lost create is found and adopted, not created again."""
    async with virtual_client(a_world(dialect)) as (client, network):
        network.world.fault(kind, now=0, on=POST, after_commit=True, **settings)
        change = await client.dedicated_inferences.create(a_spec())
        assert (await change.wait()).status == "active"
    assert (change.adopted, network.world.created["web"]) == (True, 1)
    assert len(network.requests_of("POST")) == 1


@pytest.mark.parametrize(("kind", "settings"), SPOILED)
async def test_lost_before_commit(kind: str, settings: dict[str, Any]) -> None:
    """A create that was lost before it was processed is sent again; nothing is adopted."""
    async with virtual_client(a_world()) as (client, network):
        network.world.fault(kind, now=0, on=POST, **settings)
        change = await client.dedicated_inferences.create(a_spec())
        assert (await change.wait()).status == "active"
    assert (change.adopted, network.world.created["web"]) == (False, 1)
    assert len(network.requests_of("POST")) == 2


async def test_answer_cut_short() -> None:
    """A truncated answer counts as lost."""
    async with virtual_client(a_world()) as (client, network):
        network.world.fault("cut", now=0, on=POST)
        change = await client.dedicated_inferences.create(a_spec())
    assert (change.adopted, network.world.created["web"]) == (True, 1)


@pytest.mark.parametrize(
    "error", [RequestTimeoutError("no answer in time"), TransportError("reset")]
)
async def test_timeout_after_commit(error: DIError) -> None:
    """A timeout counts as a lost response."""
    async with losing(error) as (instances, network):
        change = await instances.create(a_spec())
    assert (change.adopted, network.world.created["web"]) == (True, 1)


@pytest.mark.parametrize("body", ['{"dedicated_inf', "<html>ok</html>", "{}", "[]", '{"token":{}}'])
async def test_accepted_with_an_unexpected_body(body: str) -> None:
    """A 202 without an id is looked up as well."""
    rows = answer(200, {"dedicated_inferences": [an_instance()]})
    got = answer(200, one(an_instance(created_at=datetime.now(UTC).isoformat())))
    async with scripted_client(plain(202, body), rows, got) as (client, _):
        change = await client.dedicated_inferences.create(a_spec(scale=2))
    assert change.adopted


async def test_adopted_change_says_what_was_lost(caplog: pytest.LogCaptureFixture) -> None:
    """The one-time token is None, and a warning explains how to create another."""
    async with losing(TransportError("reset")) as (instances, _):
        change = await instances.create(a_spec())
    assert change.access_token is None
    (message,) = [r.getMessage() for r in caplog.records if "adopted" in r.getMessage()]
    assert "create_token" in message


async def test_never_connected_is_no_lost_answer() -> None:
    """A request that never connected is sent again without a lookup."""
    refused = ConnectError("no connection")
    accepted = answer(202, one(an_instance()))
    async with scripted_client(refused, refused, accepted) as (client, network):
        change = await client.dedicated_inferences.create(a_spec())
    assert (change.adopted, len(network.requests)) == (False, 3)


async def test_rate_limited_create_is_sent_again() -> None:
    """A 429 was not processed: it is sent again without a lookup."""
    async with virtual_client(a_world()) as (client, network):
        network.world.fault("rate_limit", now=0, on=POST, retry_after=3)
        change = await client.dedicated_inferences.create(a_spec())
    assert (change.adopted, network.world.created["web"]) == (False, 1)
    assert [r.method for r in network.requests] == ["POST", "POST"]


async def test_list_lag() -> None:
    """If the list lags behind, the instance is found after the 409 to the second attempt."""
    async with virtual_client(a_world()) as (client, network):
        network.world.fault("list_lag", now=0, seconds=9)
        network.world.fault("reset", now=0, on=POST, after_commit=True)
        change = await client.dedicated_inferences.create(a_spec())
    assert (change.adopted, network.world.created["web"]) == (True, 1)


async def test_list_that_never_catches_up() -> None:
    """Refused as a duplicate and never found: the outcome is unknown, with the name."""
    async with virtual_client(a_world()) as (client, network):
        network.world.fault("list_lag", now=0, seconds=10_000)
        network.world.fault("reset", now=0, on=POST, after_commit=True)
        with pytest.raises(OutcomeUnknownError, match=r"find\('web'\)"):
            await client.dedicated_inferences.create(a_spec())
    assert network.world.created["web"] == 1


async def test_lookup_impossible() -> None:
    """If the lookup fails, the outcome is unknown and nothing is sent again."""
    async with virtual_client(a_world()) as (client, network):
        network.world.fault("status", now=0, on=LIST, status=503, times=None)
        network.world.fault("reset", now=0, on=POST, after_commit=True)
        with pytest.raises(OutcomeUnknownError, match="may exist and bill") as caught:
            await client.dedicated_inferences.create(a_spec())
    assert isinstance(caught.value.__cause__, TransportError)
    assert (len(network.requests_of("POST")), network.world.created["web"]) == (1, 1)


@pytest.mark.parametrize("status", [401, 403, 429])
async def test_lookup_refused(status: int) -> None:
    """If the token may not list, the outcome is unknown, too."""
    lost = TransportError("reset")
    refusals = [answer(status, {"id": "no", "message": "no"}, retry_after="1")] * 12
    async with scripted_client(lost, *refusals) as (client, network):
        with pytest.raises(OutcomeUnknownError, match="may exist and bill"):
            await client.dedicated_inferences.create(a_spec())
    assert len(network.requests_of("POST")) == 1


# --- other instances of that name ------------------------------------------------------------


async def lose_create_beside(**placed: Any) -> None:
    """Lose a create before it is processed while another instance has that name."""
    async with virtual_client(a_world()) as (client, network):
        network.world.add_instance(now=network.now(), name="web", **placed)
        network.world.fault("reset", now=0, on=POST)
        try:
            await client.dedicated_inferences.create(a_spec())
        finally:
            assert network.world.created["web"] == 1


@pytest.mark.parametrize(
    "placed",
    [
        {"scale": 2},
        {"model_slug": "openai/gpt-oss-20b"},
        {"accelerator_slug": "gpu-h100x1-80gb"},
        {"region": "nyc2"},
    ],
)
async def test_other_spec_is_not_adopted(placed: dict[str, Any]) -> None:
    """A new instance with another spec is a conflict."""
    with pytest.raises(ConflictError, match="its spec is not the one sent"):
        await lose_create_beside(**placed)


@pytest.mark.parametrize(
    "placed", [{"public": False}, {"vpc_uuid": "7e5c619c-359c-44ca-87e2-47e98170c012"}]
)
async def test_other_exposure_is_not_adopted(placed: dict[str, Any]) -> None:
    """Another public endpoint setting or network is a conflict."""
    spec = a_spec(vpc="997615ce-132d-4bae-9270-9ee21b395e5d")
    async with virtual_client(a_world()) as (client, network):
        network.world.add_instance(now=network.now(), name="web", **placed)
        network.world.fault("reset", now=0, on=POST)
        with pytest.raises(ConflictError):
            await client.dedicated_inferences.create(spec)


async def test_older_than_the_call_is_not_adopted() -> None:
    """An instance older than the call is a conflict, even with the same spec."""
    async with virtual_client(a_world()) as (client, network):
        earlier = int(network.now()) - 3600
        network.world.add_instance(now=network.now(), name="web", created=earlier)
        network.world.fault("reset", now=0, on=POST)
        with pytest.raises(ConflictError, match="before this call"):
            await client.dedicated_inferences.create(a_spec())
    assert network.world.created["web"] == 1


async def test_clock_skew_is_allowed_for() -> None:
    """An instance is adopted although the provider's clock is a minute behind."""
    async with virtual_client(a_world()) as (client, network):
        network.world.add_instance(
            now=network.now(), name="web", created=int(network.now()) - 60, status="provisioning"
        )
        network.world.fault("reset", now=0, on=POST)
        change = await client.dedicated_inferences.create(a_spec())
    assert (change.adopted, network.world.created["web"]) == (True, 1)


async def test_plain_conflict() -> None:
    """A name that is taken raises ConflictError without a lookup."""
    async with virtual_client(a_world()) as (client, network):
        network.world.add_instance(now=network.now(), name="web")
        with pytest.raises(ConflictError):
            await client.dedicated_inferences.create(a_spec())
    assert [r.method for r in network.requests] == ["POST"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_refusal_is_final(status: int) -> None:
    """A refused create is neither repeated nor looked up."""
    async with virtual_client(a_world()) as (client, network):
        network.world.fault("status", now=0, on=POST, status=status)
        with pytest.raises(DIError) as caught:
            await client.dedicated_inferences.create(a_spec())
    assert getattr(caught.value, "status", None) == status
    assert len(network.requests) == 1


async def test_redirect_is_not_followed() -> None:
    """A redirect is another system's answer: the name is looked up before sending again."""
    async with virtual_client(a_world()) as (client, network):
        network.world.fault("redirect", now=0, on=POST)
        change = await client.dedicated_inferences.create(a_spec())
        assert (await client.dedicated_inferences.get(change.id)).name == "web"
    assert [request.method for request in network.requests] == ["POST", *["GET"] * 3, "POST", "GET"]


@pytest.mark.parametrize("attempts", [1, 2, 3])
async def test_attempts_bound_the_sends(attempts: int) -> None:
    """The retry policy limits how often a lost create is sent."""
    policy = RetryPolicy(attempts=attempts)
    async with virtual_client(a_world(), retry=policy) as (client, network):
        network.world.fault("reset", now=0, on=POST, times=None)
        with pytest.raises(OutcomeUnknownError):
            await client.dedicated_inferences.create(a_spec())
    assert len(network.requests_of("POST")) == attempts


@pytest.mark.parametrize("after", [0.01, 0.07, 0.3, 0.6])
async def test_cancelled_in_flight(after: float, caplog: pytest.LogCaptureFixture) -> None:
    """The note and the log name the instance that may bill, and how to find it."""
    async with virtual_client(a_world()) as (client, network):
        network.world.fault("reset", now=0, on=POST, after_commit=True)
        task = asyncio.ensure_future(client.dedicated_inferences.create(a_spec()))
        await asyncio.sleep(after)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
    for message in (caught.value.__notes__[0], caplog.text):
        assert "'web'" in message
        assert "find('web')" in message
    assert {r.levelno for r in caplog.records if "cut off" in r.message} == {logging.WARNING}


@pytest.mark.parametrize("kind", ["reset", "status", "html", "cut"])
@pytest.mark.parametrize("after_commit", [True, False])
@pytest.mark.parametrize("times", [1, 2, 3])
async def test_never_two(kind: str, after_commit: bool, times: int) -> None:
    """Whichever responses are lost, one create makes one instance."""
    async with virtual_client(a_world()) as (client, network):
        network.world.fault(kind, now=0, on=POST, times=times, after_commit=after_commit)
        network.world.fault("list_lag", now=0, seconds=3)
        await client.dedicated_inferences.create(a_spec())
        assert network.world.created["web"] == 1


async def test_two_creates_of_one_name_at_once() -> None:
    """Of two concurrent creates of a name, one raises ConflictError."""
    async with virtual_client(a_world()) as (client, network):
        results = await asyncio.gather(
            *(client.dedicated_inferences.create(a_spec(scale=n)) for n in (1, 2)),
            return_exceptions=True,
        )
    assert [isinstance(one, ConflictError) for one in results].count(True) == 1
    assert network.world.created["web"] == 1


async def test_unknown_outcome_keeps_the_secrets() -> None:
    """The error names the instance and holds no tokens."""
    hidden = "hf_plantedPLANTED99"
    async with scripted_client(*[TransportError("reset")] * 99) as (client, _):
        with pytest.raises(OutcomeUnknownError, match="'web'") as caught:
            await client.dedicated_inferences.create(
                a_spec(), access_tokens={"hugging_face_token": hidden}
            )
    text = "".join(traceback.format_exception(caught.value))
    assert hidden not in f"{caught.value!r} {vars(caught.value)} {text}"
    assert TOKEN not in text
