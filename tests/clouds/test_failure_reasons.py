"""Tests of what scans and errors say of resources that failed or are not ready, on every cloud."""

import orjson
import pytest
from attrs import evolve

from di_async import WaitError, WaitTimeoutError, scan
from di_async.core.http import Request, Response
from tests.clouds.support import CLOUDS, UPDATE_S, VIRTUAL, Cloud, a_world, everywhere
from tests.fake_network import Answer, Delayed, EmulatorNetwork

pytestmark = VIRTUAL
_EXO = CLOUDS[-1]
# A scan of a Gcore client with a project lists v3 deployments; tests/gcore covers v2.
scanned = pytest.mark.parametrize(
    "cloud", [cloud for cloud in CLOUDS if cloud.name != "gcore-v2"], ids=lambda cloud: cloud.name
)


@scanned
async def test_scan_shows_why_a_resource_failed(cloud: Cloud) -> None:
    """Only the failed resource has a reason, in the rows, the JSON and the page."""
    world = a_world()
    async with cloud.client(world) as client:
        await cloud.settled(client, "fine")
        change = await cloud.create(client, "broken")
        world.fault("error", id=change.id)
        with pytest.raises(WaitError):
            await change.wait()
        found = await scan(client, details=True)
    reasons = {row.name: row.failure_reason for row in found}
    assert reasons.keys() == {"fine", "broken"}
    assert reasons["fine"] is None
    assert reasons["broken"]
    assert {row["name"]: row["failure_reason"] for row in found.to_rows()} == reasons
    assert "1 instance failed" in found.to_html()


@scanned
async def test_scan_of_a_pending_resource_shows_no_failure(cloud: Cloud) -> None:
    """A create in progress has not failed."""
    async with cloud.client(a_world()) as client:
        await cloud.create(client, "young")
        found = await scan(client)
    assert [(row.pending, row.failure_reason) for row in found] == [(True, None)]
    assert "Failures" not in found.to_html()


@everywhere
async def test_timeout_of_an_update_does_not_speak_of_its_status(cloud: Cloud) -> None:
    """An instance is active before its update is done, so the message names the change."""
    world = a_world()
    async with cloud.client(world) as client:
        id = await cloud.settled(client, "web1")
        change = await cloud.grow(client, id)
        with pytest.raises(WaitTimeoutError, match="did not show this change within the timeout"):
            await change.wait(timeout=UPDATE_S / 10)


async def test_timeout_says_what_a_ready_resource_lacks(networks: list[EmulatorNetwork]) -> None:
    """The status alone would not explain why the wait goes on."""
    async with _EXO.client(a_world()) as client:
        id = await _EXO.settled(client, "web1")

        def without_url(_: Request, real: Answer) -> Answer:
            assert isinstance(real, Delayed)
            assert isinstance(real.answer, Response)
            body = orjson.loads(real.answer.body) | {"deployment-url": None}
            return Delayed(real.after_s, evolve(real.answer, body=orjson.dumps(body)))

        networks[0].intercept = without_url
        with pytest.raises(
            WaitTimeoutError, match=r"status: ready \(it has no deployment-url yet\)"
        ):
            await client.deployments.wait_until_active(id, timeout=30)
