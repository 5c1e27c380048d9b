"""Tests of damaged resume tokens, on every cloud: one harms nothing but its own call."""

import asyncio
from contextlib import suppress
from typing import Any

import orjson
import pytest
from msgspec.structs import replace

from di_async import DIError, InvalidInputError
from di_async.core.waiting.resume_token import ResourceRef, ResumeToken
from tests.clouds.support import VIRTUAL, Cloud, a_world, everywhere

pytestmark = VIRTUAL
NAME = "thing-1"

SENT: list[Any] = [
    5,
    [],
    {"surprise": 1},
    {"kind": "odd", "fields": {}, "at_rest": False},
    {"kind": "update", "fields": 5, "at_rest": False},
    {"kind": "update", "fields": {"containers": [{"region_id": []}]}, "at_rest": False},
    {"kind": "update", "fields": {"listening_port": [1], "name": {"#": 1}}, "at_rest": False},
    {"replicas": {}, "name": []},
]


@pytest.mark.half
@pytest.mark.parametrize("sent", [*map(orjson.dumps, SENT), b"", b"{", b"null", b"[" * 900])
@everywhere
async def test_damaged_evidence_harms_its_own_wait_alone(cloud: Cloud, sent: bytes) -> None:
    """Whatever a token says was sent, other waits of the client go on."""
    world = a_world()
    async with cloud.client(world) as client:
        api = cloud.api(client)
        id = await cloud.settled(client, NAME)
        whole = ResumeToken.decode((await cloud.grow(client, id)).resume_token)
        other = asyncio.ensure_future((await cloud.create(client, "thing-2")).wait())
        text = replace(whole, baseline={**whole.baseline, "sent": sent.decode()}).encode()
        with suppress(DIError):
            await api.resume(text).wait(timeout=3600)
        await other


@pytest.mark.parametrize("id", ["", " ", ".", ".."])
@everywhere
async def test_impossible_ids_are_rejected_at_once(cloud: Cloud, id: str) -> None:
    """An id that no request can be sent for is refused by `resume`, not by the poller."""
    async with cloud.client(a_world()) as client:
        api = cloud.api(client)
        change = api.begin_wait(cloud.never)
        whole = ResumeToken.decode(change.resume_token)
        broken = replace(whole, resource=ResourceRef(whole.resource.kind, id))
        with pytest.raises(InvalidInputError):
            api.resume(broken.encode())


@pytest.mark.parametrize("at", [0.0, 253_402_300_799.0])
@everywhere
async def test_times_at_the_ends_of_the_calendar(cloud: Cloud, at: float) -> None:
    """A token that began in 1970 or ends in 9999 is awaited like any other."""
    async with cloud.client(a_world()) as client:
        id = await cloud.settled(client, NAME)
        api = cloud.api(client)
        whole = ResumeToken.decode(api.begin_wait(id).resume_token)
        found = await api.resume(replace(whole, started_at=at, deadline_at=at).encode()).wait()
    assert found.name == NAME
