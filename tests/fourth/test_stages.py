"""Waits with an operation before the resource, on an imaginary cloud."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from di_async import (
    DeploymentFailedError,
    InvalidInputError,
    WaitTimeoutError,
    wait_all,
)
from di_async.core.waiting.resume_token import ResourceRef, ResumeToken
from tests.fourth.provider import Fourth
from tests.fourth.world import JOB_S, NODE_S, FourthWorld
from tests.support import VIRTUAL

virtual = VIRTUAL


@asynccontextmanager
async def fourth(**options: Any) -> AsyncIterator[tuple[Fourth, FourthWorld]]:
    """Return a client and the API behind it."""
    world = FourthWorld()
    async with Fourth(transport=world, budget=None, **options) as client:
        yield client, world


def now() -> float:
    """Return the loop time."""
    return asyncio.get_running_loop().time()


@virtual
async def test_wait_reads_the_step_to_its_end_and_then_the_resource() -> None:
    """The job is read first, then the node."""
    async with fourth() as (client, world):
        change = await client.nodes.create(3)
        node = await change.wait()
        assert (node.size, change.id) == (3, "node-1")
        assert now() == pytest.approx(NODE_S, abs=12)
        kinds = [r.path.split("/")[1] for r in world.requests if r.method == "GET"]
        assert kinds == sorted(kinds)  # jobs, then nodes
        assert [e.note for e in change.history][:2] == ["job running", "job done"]


@virtual
async def test_failed_step_ends_the_wait_with_its_reason() -> None:
    """A failed job ends the wait without a read of the node."""
    async with fourth() as (client, world):
        world.break_next = "no room in the rack"
        change = await client.nodes.create(3)
        with pytest.raises(DeploymentFailedError, match="job: no room in the rack") as caught:
            await change.wait()
        assert now() == pytest.approx(JOB_S, abs=12)
        assert world.count("/nodes") == 0
        assert caught.value.resume_token


@virtual
async def test_update_needs_its_step_and_what_was_sent() -> None:
    """A node that is up with its old size does not settle the change."""
    async with fourth() as (client, _):
        node = await (await client.nodes.create(1)).wait()
        change = await client.nodes.resize(node.id, 2)
        began = now()
        resized = await change.wait()
        assert resized.size == 2
        assert now() - began == pytest.approx(NODE_S, abs=12)
        assert "what was sent" in (change.history[-1].note or "")


@virtual
async def test_delete_needs_its_step_and_a_404() -> None:
    """A delete settles once its job is done and GET answers 404."""
    async with fourth() as (client, _):
        node = await (await client.nodes.create(1)).wait()
        change = await client.nodes.delete(node.id)
        await change.wait()
        assert change.history[-1].note == "settled: GET answered 404"


@virtual
async def test_unknown_step_is_skipped() -> None:
    """A job that the API has forgotten does not break a resumed wait."""
    async with fourth() as (client, world):
        change = await client.nodes.create(3)
        with pytest.raises(WaitTimeoutError):
            await change.wait(timeout=1000 - NODE_S)
        world.jobs["job-1"].forgotten = True
        again = client.nodes.resume(change.resume_token)
        assert (await again.wait(timeout=NODE_S)).size == 3


@virtual
async def test_resume_goes_on_with_the_stage_that_was_reached() -> None:
    """A token made during the job reads the job; a later one does not."""
    async with fourth() as (client, world):
        change = await client.nodes.create(3)
        early = change.resume_token
        with pytest.raises(WaitTimeoutError) as caught:
            await change.wait(timeout=2 * JOB_S)
        late = caught.value.resume_token or ""
        assert [s.kind for s in ResumeToken.decode(early).operations] == ["job"]
        assert ResumeToken.decode(late).operations == ()
        asked = world.count("/jobs")
        await client.nodes.resume(late).wait()
        assert world.count("/jobs") == asked
        await client.nodes.resume(early).wait()
        assert world.count("/jobs") == asked + 1


@virtual
async def test_timeout_zero_reads_once() -> None:
    """Timeout 0 reads the job once, and the node if the job is done."""
    async with fourth() as (client, world):
        change = await client.nodes.create(3)
        with pytest.raises(WaitTimeoutError, match="job running"):
            await change.wait(timeout=0)
        assert len(world.requests) == 2
        await asyncio.sleep(NODE_S)
        assert (await change.wait(timeout=0)).size == 3
        assert len(world.requests) == 4


@virtual
async def test_crowd_is_followed_by_the_list_and_its_steps_are_read_at_their_end() -> None:
    """Many waits cost list reads, a job read and a confirmation each."""
    count = 200
    async with fourth() as (client, world):
        changes = await asyncio.gather(*(client.nodes.create(i) for i in range(count)))
        report = await wait_all(changes, timeout=3600)
        assert len(report.succeeded) == count
        assert now() == pytest.approx(NODE_S, abs=20)
        lists = sum(r.method == "GET" and r.path == "/nodes" for r in world.requests)
        assert world.count("/jobs") < 4.5 * count  # one at the end, and reminders on the way
        assert world.count("/nodes/") <= 1.2 * count
        assert lists <= NODE_S / 5 + 10


@virtual
async def test_failed_step_in_a_crowd_is_found_though_nothing_hints_at_it() -> None:
    """A failed job among many waits is found although its node keeps booting."""
    async with fourth() as (client, world):
        changes = [await client.nodes.create(i) for i in range(20)]
        world.break_next = "no room"
        changes.append(await client.nodes.create(99))
        report = await wait_all(changes, timeout=3600)
        assert [change.id for change, _ in report.failed] == ["node-21"]
        assert now() < 1000


@virtual
async def test_list_evidence_is_no_proof_while_a_step_goes_on() -> None:
    """A node that is up before its job is done has not settled."""
    async with fourth() as (client, world):
        world.node_s, world.job_s = 60.0, 60.0
        changes = [await client.nodes.create(i) for i in range(20)]
        await wait_all(changes, timeout=3600)
        world.node_s = world.job_s = 300.0
        begun = now()
        again = [await client.nodes.resize(c.id, 7) for c in changes]
        await wait_all(again, timeout=3600)
        assert now() - begun >= 300.0
        assert all(c.latest is not None and c.latest.size == 7 for c in again)


@virtual
async def test_cancelled_waits_send_nothing_more() -> None:
    """Cancelled waits stop reading jobs as well."""
    async with fourth() as (client, world):
        changes = [await client.nodes.create(i) for i in range(20)]
        waits = [asyncio.ensure_future(c.wait()) for c in changes]
        await asyncio.sleep(400)
        for wait in waits:
            wait.cancel()
        await asyncio.wait(waits)
        asked = len(world.requests)
        await asyncio.sleep(3600)
        assert len(world.requests) <= asked + 1


@virtual
async def test_token_of_an_unknown_step_is_refused() -> None:
    """A token with an unknown operation is rejected before anything is sent."""
    async with fourth() as (client, _):
        change = await client.nodes.create(3)
        token = ResumeToken.decode(change.resume_token)
        odd = replace(token, operations=(ResourceRef("quest", "1"),))
        with pytest.raises(InvalidInputError, match="no operation of kind 'quest'"):
            client.nodes.resume(odd.encode())


@virtual
async def test_a_job_is_not_taken_for_the_node_it_is_about() -> None:
    """`latest` stays None until a node is read."""
    async with fourth() as (client, _):
        change = await client.nodes.create(3)
        assert change.initial is not None
        assert change.latest is None
        node = await change.wait()
        assert change.latest is node
