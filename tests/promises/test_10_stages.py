"""Promise 10: a wait is a list of stages, and a resume token tells all that is needed to go on.

It carries version, provider, base URL, zone or project, stage, action, baseline, wall-clock start
and absolute deadline, and no secret. A client compares the URL with its own and never contacts a
token's. An unknown version is `ValueError`.
"""

import asyncio
import base64
import string
import time
from typing import Any

import orjson
import pytest

from di_async import WaitTimeoutError
from tests.builders.digitalocean import (
    DIALECTS,
    EARLY,
    GONE,
    ID,
    LATE,
    LATER,
    a_spec,
    acceptance,
    an_instance,
    creation,
)
from tests.fake_network import virtual_client
from tests.promises.support import PATCH, VIRTUAL, client_on, created, fake_api, now, scaled, world

pytestmark = VIRTUAL

BUSY = an_instance(status="provisioning")
both_dialects = pytest.mark.parametrize("dialect", DIALECTS)


def read(token: str) -> dict[str, Any]:
    """What a token says."""
    told: dict[str, Any] = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    return told


def write(told: dict[str, Any]) -> str:
    """A token that says this."""
    return base64.urlsafe_b64encode(orjson.dumps(told)).decode().rstrip("=")


async def a_token(**changed: Any) -> str:
    """A create's token with some of its fields changed."""
    async with client_on(fake_api(BUSY, post=[creation()])) as client:
        return write(read((await created(client)).resume_token) | changed)


# --- what a token carries --------------------------------------------------------------------


async def test_what_a_token_carries() -> None:
    """Version, provider, base URL, scope, stage, action, baseline, start and deadline."""
    async with client_on(fake_api(BUSY, post=[creation()])) as client:
        told = read((await created(client)).resume_token)
    stage = {"kind": "dedicated-inference", "id": ID}
    assert (told["v"], told["provider"], told["scope"]) == (1, "digitalocean", None)
    assert (told["base_url"], told["stage"]) == ("https://api.digitalocean.com", stage)
    assert (told["action"], bool(told["baseline"])) == ("create", True)
    assert told["started_at"] == pytest.approx(time.time(), abs=5)


async def test_baseline_of_an_update() -> None:
    """The baseline of an update tells what was there before it and what it sent."""
    network = fake_api(an_instance(updated=EARLY), patch=[acceptance(updated_at=LATE)])
    async with client_on(network) as client:
        told = read((await scaled(client)).resume_token)["baseline"]
    assert (told["before"]["version"], told["target_version"]) == (1, 2)
    assert told["baseline"].startswith(LATE[:-1])


async def test_deadline_in_a_token() -> None:
    """While a wait is on, its token tells the absolute deadline, in epoch seconds."""
    async with client_on(fake_api(BUSY, post=[creation()])) as client:
        change = await created(client)
        waiting = asyncio.create_task(change.wait(timeout=600))
        await asyncio.sleep(60)
        told = read(change.resume_token)
        waiting.cancel()
    assert told["deadline_at"] - told["started_at"] == pytest.approx(600, abs=0.1)


async def test_secrets_and_a_token() -> None:
    """No API token, provider's token or one-time value is in it, at any depth."""
    async with client_on(fake_api(BUSY, post=[creation()])) as client:
        tokens = {"hugging_face_token": "hf_secret"}
        change = await client.dedicated_inferences.create(a_spec(), access_tokens=tokens)
        text = base64.urlsafe_b64decode(change.resume_token + "==").decode()
    assert change.access_token.value.reveal() == "di_one_time_value"
    for secret in ("dop_v1_secret", "hf_secret", "di_one_time_value"):
        assert secret not in text


async def test_letters_of_a_token() -> None:
    """It passes through URLs, environment variables and log lines as it is."""
    assert set(await a_token()) <= set(string.ascii_letters + string.digits + "-_")


# --- whose it is -----------------------------------------------------------------------------


@pytest.mark.parametrize("base_url", ["https://evil.example", "https://api.digitalocean.com:444"])
async def test_token_of_another_url(base_url: str) -> None:
    """A token of another base URL is refused, and that URL never contacted."""
    network = fake_api(BUSY)
    async with client_on(network) as client:
        with pytest.raises(ValueError, match=r"is for a [a-z-]+ of digitalocean at https://"):
            client.dedicated_inferences.resume(await a_token(base_url=base_url))
        await asyncio.sleep(600)
    assert network.sent == []


async def test_client_of_another_url() -> None:
    """A client of another base URL refuses the token in the same way."""
    async with client_on(fake_api(BUSY), base_url="https://elsewhere.example") as client:
        with pytest.raises(
            ValueError, match=r"not for a [a-z-]+ of digitalocean at https://elsewhere"
        ):
            client.dedicated_inferences.resume(await a_token())


@pytest.mark.parametrize(
    "changed",
    [{"provider": "gcore"}, {"scope": "zone-1"}, {"stage": {"kind": "task", "id": ID}}],
)
async def test_token_of_something_else(changed: dict[str, Any]) -> None:
    """So is a token of another provider, scope or kind of stage."""
    token = await a_token(**changed)
    async with client_on(fake_api(BUSY)) as client:
        with pytest.raises(ValueError, match="resume token"):
            client.dedicated_inferences.resume(token)


@pytest.mark.parametrize("version", [0, 2, 99, "1", None])
async def test_version_that_is_unknown(version: Any) -> None:
    """An unknown version is `ValueError`, and says which."""
    async with client_on(fake_api(BUSY)) as client:
        with pytest.raises(ValueError, match=f"version {version!r}"):
            client.dedicated_inferences.resume(await a_token(v=version))


@pytest.mark.parametrize("text", ["", "hello", "e30", "bnVsbA", "####", "W10", "\u00e4"])
async def test_text_that_is_no_token(text: str) -> None:
    """What is no token is `ValueError`."""
    async with client_on(fake_api(BUSY)) as client:
        with pytest.raises(ValueError, match="resume token"):
            client.dedicated_inferences.resume(text)


@pytest.mark.parametrize(
    "changed",
    [
        {"action": "destroy"},
        {"started_at": "now"},
        {"deadline_at": "soon"},
        {"baseline": 5},
        {"baseline": {"secrets": 1}},
        {"stage": {"id": ID}},
    ],
)
async def test_token_that_is_damaged(changed: dict[str, Any]) -> None:
    """A token whose fields make no sense is `ValueError` too."""
    async with client_on(fake_api(BUSY)) as client:
        with pytest.raises(ValueError, match="resume token"):
            client.dedicated_inferences.resume(await a_token(**changed))


# --- going on --------------------------------------------------------------------------------


@both_dialects
async def test_create_resumed_elsewhere(dialect: str) -> None:
    """A fresh client goes on with a create's wait, without asking until somebody awaits."""
    land = world(dialect)
    async with virtual_client(land) as (one, _), virtual_client(land) as (two, net):
        token = (await one.dedicated_inferences.create(a_spec())).resume_token
        await one.aclose()
        resumed = two.dedicated_inferences.resume(token)
        assert (resumed.initial, resumed.action, net.requests) == (None, "create", [])
        assert (await resumed.wait()).status == "active"
        assert land.truth(resumed.id, net.now()).settled


@both_dialects
async def test_delete_resumed_elsewhere(dialect: str) -> None:
    """A delete's resumed wait ends on 404, as the first one would."""
    land = world(dialect)
    async with virtual_client(land) as (one, net), virtual_client(land) as (two, _):
        id = land.add_instance(now=net.now()).id
        token = (await one.dedicated_inferences.delete(id)).resume_token
        assert await two.dedicated_inferences.resume(token).wait() is None
        assert not land.truth(id, net.now()).exists


@both_dialects
async def test_update_resumed_beside_a_stale_replica(dialect: str) -> None:
    """The baseline goes along: a stale `active` does not fool a resumed update's wait."""
    land = world(dialect)
    async with virtual_client(land) as (one, net), virtual_client(land) as (two, _):
        id = land.add_instance(now=net.now(), name="web").id
        land.fault("stale", on=PATCH, seconds=120)
        token = (await one.dedicated_inferences.scale(id, 2)).resume_token
        found = await two.dedicated_inferences.resume(token).wait()
        assert found.spec is not None
        assert (found.spec.version, land.truth(id, net.now()).settled) == (2, True)


async def test_update_resumed_where_only_times_are_shown() -> None:
    """So does the `updated_at` of the write's own answer."""
    first = fake_api(an_instance(version=None), patch=[acceptance(version=None, updated_at=LATE)])
    reads = [an_instance(version=None, updated=at) for at in (EARLY, LATE, LATER)]
    second = fake_api(*reads)
    async with client_on(first) as one, client_on(second) as two:
        token = (await scaled(one)).resume_token
        change = two.dedicated_inferences.resume(token)
        await change.wait(timeout=25)
    assert (second.count("GET"), change.history[-1].note) == (3, "settled: updated_at moved on")


async def test_wait_without_a_write_resumed_elsewhere() -> None:
    """The token of a `wait_until_active` that timed out goes on as one."""
    async with client_on(fake_api(BUSY)) as one, client_on(fake_api(GONE, an_instance())) as two:
        with pytest.raises(WaitTimeoutError) as caught:
            await one.dedicated_inferences.wait_until_active(ID, timeout=0)
        resumed = two.dedicated_inferences.resume(caught.value.resume_token or "")
        assert resumed.action == "active"


async def test_token_of_a_resumed_change() -> None:
    """A resumed change can be resumed again, with the same baseline, action and start."""
    token = await a_token()
    async with client_on(fake_api(BUSY)) as client:
        again = read(client.dedicated_inferences.resume(token).resume_token)
    assert again["started_at"] == pytest.approx(read(token).pop("started_at"), abs=0.01)
    kept = ("v", "provider", "base_url", "scope", "stage", "action", "baseline")
    assert {key: again[key] for key in kept} == {key: read(token)[key] for key in kept}


# --- time ------------------------------------------------------------------------------------


async def test_deadline_that_goes_along() -> None:
    """The deadline is absolute: resuming half-way leaves the other half."""
    async with (
        client_on(fake_api(BUSY, post=[creation()])) as one,
        client_on(fake_api(BUSY)) as two,
    ):
        change = await created(one)
        first = asyncio.create_task(change.wait(timeout=600))
        await asyncio.sleep(400)
        first.cancel()
        with pytest.raises(WaitTimeoutError):
            await two.dedicated_inferences.resume(change.resume_token).wait()
    assert now() == pytest.approx(600, abs=1)


async def test_timeout_given_to_a_resumed_wait() -> None:
    """A timeout that is given counts from now, whatever the token says."""
    async with client_on(fake_api(BUSY)) as client:
        resumed = client.dedicated_inferences.resume(await a_token(deadline_at=time.time() + 10))
        with pytest.raises(WaitTimeoutError):
            await resumed.wait(timeout=500)
    assert now() == pytest.approx(500, abs=1)


async def test_time_that_passed_before() -> None:
    """`.elapsed` of a resumed wait counts from the write, not from the resumption."""
    async with client_on(fake_api(BUSY)) as client:
        token = await a_token(started_at=time.time() - 1000)
        with pytest.raises(WaitTimeoutError) as caught:
            await client.dedicated_inferences.resume(token).wait(timeout=100)
    assert caught.value.elapsed == pytest.approx(1100, abs=5)


async def test_start_in_the_future() -> None:
    """A token from a machine whose clock is ahead does no harm."""
    token = await a_token(started_at=time.time() + 9000)
    async with client_on(fake_api(BUSY, an_instance())) as client:
        assert (await client.dedicated_inferences.resume(token).wait()).status == "active"


async def test_token_after_a_timeout() -> None:
    """The token of a wait that timed out can be waited on: its spent deadline does not count."""
    async with (
        client_on(fake_api(BUSY, post=[creation()])) as one,
        client_on(fake_api(BUSY, an_instance())) as two,
    ):
        change = await created(one)
        with pytest.raises(WaitTimeoutError) as caught:
            await change.wait(timeout=60)
        resumed = two.dedicated_inferences.resume(caught.value.resume_token or "")
        assert (await resumed.wait()).status == "active"


async def test_wait_without_an_end_resumed() -> None:
    """A wait that was to have no end has none when it is resumed."""
    async with client_on(fake_api(BUSY, post=[creation()])) as client:
        change = await created(client)
        first = asyncio.create_task(change.wait(timeout=None))
        await asyncio.sleep(10)
        first.cancel()
        resumed = client.dedicated_inferences.resume(change.resume_token)
        second = asyncio.create_task(resumed.wait())
        await asyncio.wait([second], timeout=7200)
        assert not second.done()
        second.cancel()
