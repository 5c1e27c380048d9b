"""Promise 10: a wait can be resumed from its token.

The token holds version, provider, base URL, zone or project, stage, action, baseline, wall-clock
start and absolute deadline, and no secret. A client compares the URL with its own and never
contacts a token's URL. An unknown version raises `ValueError`.
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
from tests.promises.support import (
    PATCH,
    VIRTUAL,
    client_on,
    created,
    fake_api,
    now,
    rotated,
    scaled,
    world,
)

pytestmark = VIRTUAL

BUSY = an_instance(status="provisioning")
both_dialects = pytest.mark.parametrize("dialect", DIALECTS)


def read(token: str) -> dict[str, Any]:
    """Return the payload of a token."""
    padded = token + "=" * (-len(token) % 4)
    payload: dict[str, Any] = orjson.loads(base64.urlsafe_b64decode(padded))
    return payload


def write(payload: dict[str, Any]) -> str:
    """Return a token with this payload."""
    return base64.urlsafe_b64encode(orjson.dumps(payload)).decode().rstrip("=")


async def a_token(**changed: Any) -> str:
    """Return a create's token with some of its fields changed."""
    async with client_on(fake_api(BUSY, post=[creation()])) as client:
        return write(read((await created(client)).resume_token) | changed)


# --- contents of a token ---------------------------------------------------------------------


async def test_contents_of_a_token() -> None:
    """A token holds version, provider, URL, scope, stage, action, baseline, start and deadline."""
    async with client_on(fake_api(BUSY, post=[creation()])) as client:
        payload = read((await created(client)).resume_token)
    stage = {"kind": "dedicated-inference", "id": ID}
    assert (payload["v"], payload["provider"], payload["scope"]) == (1, "digitalocean", None)
    assert (payload["base_url"], payload["stage"]) == ("https://api.digitalocean.com", stage)
    assert (payload["action"], bool(payload["baseline"])) == ("create", True)
    assert payload["started_at"] == pytest.approx(time.time(), abs=5)


async def test_baseline_of_an_update() -> None:
    """The baseline of an update holds the state before it and what it sent."""
    network = fake_api(an_instance(updated=EARLY), patch=[acceptance(updated_at=LATE)])
    async with client_on(network) as client:
        payload = read((await scaled(client)).resume_token)["baseline"]
    assert (payload["before"]["version"], payload["target_version"]) == (1, 2)
    assert payload["baseline"].startswith(LATE[:-1])


async def test_deadline_in_a_token() -> None:
    """The token of an open wait holds the absolute deadline, in epoch seconds."""
    async with client_on(fake_api(BUSY, post=[creation()])) as client:
        change = await created(client)
        waiting = asyncio.create_task(change.wait(timeout=600))
        await asyncio.sleep(60)
        payload = read(change.resume_token)
        waiting.cancel()
    assert payload["deadline_at"] - payload["started_at"] == pytest.approx(600, abs=0.1)


async def test_token_holds_no_secret() -> None:
    """A token holds no API token, provider token or one-time value, at any depth."""
    async with client_on(fake_api(BUSY, post=[creation()])) as client:
        tokens = {"hugging_face_token": "hf_secret"}
        change = await client.dedicated_inferences.create(a_spec(), access_tokens=tokens)
        text = base64.urlsafe_b64decode(change.resume_token + "==").decode()
    assert change.access_token.value.reveal() == "di_one_time_value"
    for secret in ("dop_v1_secret", "hf_secret", "di_one_time_value"):
        assert secret not in text


async def test_characters_of_a_token() -> None:
    """A token passes unchanged through URLs, environment variables and log lines."""
    assert set(await a_token()) <= set(string.ascii_letters + string.digits + "-_")


# --- rejected tokens -------------------------------------------------------------------------


@pytest.mark.parametrize("base_url", ["https://evil.example", "https://api.digitalocean.com:444"])
async def test_token_of_another_url(base_url: str) -> None:
    """A token of another base URL is rejected, and that URL is never contacted."""
    network = fake_api(BUSY)
    async with client_on(network) as client:
        with pytest.raises(ValueError, match=r"is for a [a-z-]+ of digitalocean at https://"):
            client.dedicated_inferences.resume(await a_token(base_url=base_url))
        await asyncio.sleep(600)
    assert network.sent == []


async def test_client_of_another_url() -> None:
    """A client of another base URL rejects the token in the same way."""
    async with client_on(fake_api(BUSY), base_url="https://elsewhere.example") as client:
        with pytest.raises(
            ValueError, match=r"not for a [a-z-]+ of digitalocean at https://elsewhere"
        ):
            client.dedicated_inferences.resume(await a_token())


@pytest.mark.parametrize(
    "changed",
    [{"provider": "gcore"}, {"scope": "zone-1"}, {"stage": {"kind": "task", "id": ID}}],
)
async def test_token_of_another_provider_scope_or_kind(changed: dict[str, Any]) -> None:
    """A token of another provider, scope or kind of stage is rejected."""
    token = await a_token(**changed)
    async with client_on(fake_api(BUSY)) as client:
        with pytest.raises(ValueError, match="resume token"):
            client.dedicated_inferences.resume(token)


@pytest.mark.parametrize("version", [0, 2, 99, "1", None])
async def test_unknown_version(version: Any) -> None:
    """An unknown version raises a `ValueError` that names it."""
    async with client_on(fake_api(BUSY)) as client:
        with pytest.raises(ValueError, match=f"version {version!r}"):
            client.dedicated_inferences.resume(await a_token(v=version))


@pytest.mark.parametrize("text", ["", "hello", "e30", "bnVsbA", "####", "W10", "\u00e4"])
async def test_text_that_is_not_a_token(text: str) -> None:
    """Text that is not a token raises `ValueError`."""
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
    """A token with invalid fields raises `ValueError`."""
    async with client_on(fake_api(BUSY)) as client:
        with pytest.raises(ValueError, match="resume token"):
            client.dedicated_inferences.resume(await a_token(**changed))


# --- resuming --------------------------------------------------------------------------------


@both_dialects
async def test_resumed_create(dialect: str) -> None:
    """A fresh client resumes a create's wait, and sends no requests until it is awaited."""
    land = world(dialect)
    async with virtual_client(land) as (one, _), virtual_client(land) as (two, net):
        token = (await one.dedicated_inferences.create(a_spec())).resume_token
        await one.aclose()
        resumed = two.dedicated_inferences.resume(token)
        assert (resumed.initial, resumed.action, net.requests) == (None, "create", [])
        assert (await resumed.wait()).status == "active"
        assert land.truth(resumed.id, net.now()).settled


@both_dialects
async def test_resumed_delete(dialect: str) -> None:
    """A resumed delete settles on a 404."""
    land = world(dialect)
    async with virtual_client(land) as (one, net), virtual_client(land) as (two, _):
        id = land.add_instance(now=net.now()).id
        token = (await one.dedicated_inferences.delete(id)).resume_token
        assert await two.dedicated_inferences.resume(token).wait() is None
        assert not land.truth(id, net.now()).exists


@both_dialects
async def test_resumed_update_with_a_stale_replica(dialect: str) -> None:
    """A resumed update keeps its baseline: a stale `active` does not settle it."""
    land = world(dialect)
    async with virtual_client(land) as (one, net), virtual_client(land) as (two, _):
        id = land.add_instance(now=net.now(), name="web").id
        land.fault("stale", on=PATCH, seconds=120)
        token = (await one.dedicated_inferences.scale(id, 2)).resume_token
        found = await two.dedicated_inferences.resume(token).wait()
        assert found.spec is not None
        assert (found.spec.version, land.truth(id, net.now()).settled) == (2, True)


async def test_resumed_update_where_only_times_are_shown() -> None:
    """A resumed update keeps the `updated_at` of the response to the write."""
    first = fake_api(an_instance(version=None), patch=[acceptance(version=None, updated_at=LATE)])
    reads = [an_instance(version=None, updated=at) for at in (EARLY, LATE, LATER)]
    second = fake_api(*reads)
    async with client_on(first) as one, client_on(second) as two:
        token = (await rotated(one)).resume_token
        change = two.dedicated_inferences.resume(token)
        await change.wait(timeout=25)
    assert (second.count("GET"), change.history[-1].note) == (3, "settled: updated_at moved on")


async def test_resumed_wait_without_a_write() -> None:
    """The token of a `wait_until_active` that timed out resumes one."""
    async with client_on(fake_api(BUSY)) as one, client_on(fake_api(GONE, an_instance())) as two:
        with pytest.raises(WaitTimeoutError) as caught:
            await one.dedicated_inferences.wait_until_active(ID, timeout=0)
        resumed = two.dedicated_inferences.resume(caught.value.resume_token or "")
        assert resumed.action == "active"


async def test_token_of_a_resumed_change() -> None:
    """A resumed change has a token with the same baseline, action and start."""
    token = await a_token()
    async with client_on(fake_api(BUSY)) as client:
        again = read(client.dedicated_inferences.resume(token).resume_token)
    assert again["started_at"] == pytest.approx(read(token).pop("started_at"), abs=0.01)
    kept = ("v", "provider", "base_url", "scope", "stage", "action", "baseline")
    assert {key: again[key] for key in kept} == {key: read(token)[key] for key in kept}


# --- time ------------------------------------------------------------------------------------


async def test_deadline_of_a_resumed_wait() -> None:
    """The deadline is absolute: a wait resumed half-way has the other half left."""
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


async def test_timeout_of_a_resumed_wait() -> None:
    """A timeout passed to a resumed wait counts from now."""
    async with client_on(fake_api(BUSY)) as client:
        resumed = client.dedicated_inferences.resume(await a_token(deadline_at=time.time() + 10))
        with pytest.raises(WaitTimeoutError):
            await resumed.wait(timeout=500)
    assert now() == pytest.approx(500, abs=1)


async def test_elapsed_of_a_resumed_wait() -> None:
    """`.elapsed` of a resumed wait counts from the write, not from the resumption."""
    async with client_on(fake_api(BUSY)) as client:
        token = await a_token(started_at=time.time() - 1000)
        with pytest.raises(WaitTimeoutError) as caught:
            await client.dedicated_inferences.resume(token).wait(timeout=100)
    assert caught.value.elapsed == pytest.approx(1100, abs=5)


async def test_start_in_the_future() -> None:
    """A start in the future, from a machine whose clock is ahead, is accepted."""
    token = await a_token(started_at=time.time() + 9000)
    async with client_on(fake_api(BUSY, an_instance())) as client:
        assert (await client.dedicated_inferences.resume(token).wait()).status == "active"


async def test_token_after_a_timeout() -> None:
    """The token of a wait that timed out can be awaited: its past deadline is ignored."""
    async with (
        client_on(fake_api(BUSY, post=[creation()])) as one,
        client_on(fake_api(BUSY, an_instance())) as two,
    ):
        change = await created(one)
        with pytest.raises(WaitTimeoutError) as caught:
            await change.wait(timeout=60)
        resumed = two.dedicated_inferences.resume(caught.value.resume_token or "")
        assert (await resumed.wait()).status == "active"


async def test_resumed_wait_without_a_deadline() -> None:
    """A wait without a deadline has none when it is resumed."""
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
