"""Tests of what a scan shows of failed resources, on every cloud."""

import pytest

from di_async import WaitError, scan
from tests.clouds.support import CLOUDS, VIRTUAL, Cloud, a_world

pytestmark = VIRTUAL
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
