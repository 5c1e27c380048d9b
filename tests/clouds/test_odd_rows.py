"""Tests of odd list rows, predicates and timeouts, on every cloud: they harm no other wait."""

import asyncio
import math
from typing import Any

import orjson
import pytest
from attrs import evolve

from di_async import DecodeError, InvalidInputError, as_completed, wait_all
from di_async.core.http import Request, Response
from tests.clouds.support import VIRTUAL, Cloud, a_world, everywhere
from tests.fake_network import Answer, Delayed, EmulatorNetwork

pytestmark = [everywhere, VIRTUAL]

_KEYS = ("dedicated_inferences", "results", "deployments")
_IDS: list[Any] = [[1], {"x": 1}, 7, True, None, 1e300]
ODD: list[Any] = [*({"id": id, "name": id} for id in _IDS), {}, [], None, "text", 7]


def add_odd_rows(request: Request, answer: Answer) -> Answer:
    """Add rows that are no resources, and an absurd total, to every list page."""
    shown = answer.answer if isinstance(answer, Delayed) else answer
    if request.method != "GET" or not isinstance(shown, Response):
        return answer
    body = orjson.loads(shown.body)
    key = next((key for key in _KEYS if key in body), None)
    if key is None:
        return answer
    body[key] = [*ODD, *body[key], *ODD]
    if "meta" in body:
        body["meta"] = {"total": 2**31 - 1}
    if "count" in body:
        body["count"] = 2**31 - 1
    changed = evolve(shown, body=orjson.dumps(body))
    return Delayed(answer.after_s, changed) if isinstance(answer, Delayed) else changed


async def test_odd_rows_end_no_wait(cloud: Cloud, networks: list[EmulatorNetwork]) -> None:
    """Waits settle although every list page has rows that cannot be read, and an absurd total."""
    async with cloud.client(a_world(rate_limits=False), budget=None) as client:
        changes = [await cloud.create(client, f"web-{n:03}") for n in range(12)]
        networks[0].intercept = add_odd_rows
        report = await wait_all(changes, timeout=7200)
    assert report.ok, str(report)


async def test_odd_rows_are_named_by_a_listing(
    cloud: Cloud, networks: list[EmulatorNetwork]
) -> None:
    """A listing raises `DecodeError` for a row that cannot be read."""
    async with cloud.client(a_world(rate_limits=False), budget=None) as client:
        networks[0].intercept = add_odd_rows
        with pytest.raises(DecodeError):
            await cloud.api(client).list().collect()


async def test_odd_rows_do_not_end_a_watch(cloud: Cloud, networks: list[EmulatorNetwork]) -> None:
    """A watch of the account reports its resources beside rows that cannot be read."""
    async with cloud.client(a_world(rate_limits=False), budget=None) as client:
        ids = {(await cloud.create(client, f"web-{n:03}")).id for n in range(3)}
        networks[0].intercept = add_odd_rows
        stream = cloud.api(client).watch()
        async with asyncio.timeout(600):
            assert {(await anext(stream)).id for _ in range(3)} == ids


@pytest.mark.parametrize("predicate", [None, "active", asyncio.sleep])
async def test_predicate_must_be_a_plain_function(cloud: Cloud, predicate: Any) -> None:
    """A predicate that is not a plain function is refused before anything is sent."""
    async with cloud.client(a_world(rate_limits=False), budget=None) as client:
        with pytest.raises(InvalidInputError, match="predicate"):
            await cloud.api(client).wait_until(cloud.never, predicate)


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -1, "5"])
async def test_timeouts_are_finite(cloud: Cloud, seconds: Any) -> None:
    """Every wait refuses a timeout that is not a finite number of at least 0."""
    async with cloud.client(a_world(rate_limits=False), budget=None) as client:
        api = cloud.api(client)
        change = await cloud.create(client, "web-000")
        with pytest.raises(InvalidInputError, match="timeout"):
            await change.wait(timeout=seconds)
        with pytest.raises(InvalidInputError, match="timeout"):
            change.events(timeout=seconds)
        with pytest.raises(InvalidInputError, match="timeout"):
            await api.wait_until(change.id, bool, timeout=seconds)
        with pytest.raises(InvalidInputError, match="timeout"):
            await wait_all([change], timeout=seconds)
        with pytest.raises(InvalidInputError, match="timeout"):
            as_completed([change], timeout=seconds)
        with pytest.raises(InvalidInputError, match="ready_timeout"):
            await cloud.grow(client, change.id, ready_timeout=seconds)
