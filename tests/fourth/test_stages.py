"""A wait of several stages, on a cloud that the library has never heard of."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from attrs import evolve

from di_async import (
    DeploymentFailedError,
    InvalidInputError,
    WaitTimeoutError,
    wait_all,
)
from di_async.core.waiting.resume_token import ResourceRef, ResumeToken
from tests.fourth.provider import Fourth
from tests.fourth.world import JOB_S, NODE_S, FourthWorld

virtual = pytest.mark.looptime(noop_cycles=1)


@asynccontextmanager
async def fourth(**options: Any) -> AsyncIterator[tuple[Fourth, FourthWorld]]:
    """A client in its world."""
    world = FourthWorld()
    async with Fourth(transport=world, budget=None, **options) as client:
        yield client, world


def now() -> float:
    """Loop seconds."""
    return asyncio.get_running_loop().time()


@virtual
async def test_wait_reads_the_step_to_its_end_and_then_the_resource() -> None:
    """Not the resource before, not the step after."""
    async with fourth() as (client, world):
        change = await client.nodes.create(3)
        node = await change.wait()
        assert (node.size, change.id) == (3, "node-1")
        assert now() == pytest.approx(NODE_S, abs=12)
        kinds = [r.path.split("/")[1] for r in world.requests if r.method == "GET"]
        assert kinds == sorted(kinds)  # jobs, then nodes
        assert [e.note for e in change.history][:2] == ["job running", "job done"]


@virtual
async def test_failed_step_ends_the_wait_with_its_story() -> None:
    """At once, whatever the resource looks like."""
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
    """A node that is up with its old size is not what this change waits for."""
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
    """In this order."""
    async with fourth() as (client, _):
        node = await (await client.nodes.create(1)).wait()
        change = await client.nodes.delete(node.id)
        await change.wait()
        assert [e.note for e in change.history][-2:] == [
            "GET answered 404",
            "settled: GET answered 404",
        ]


@virtual
async def test_forgotten_step_tells_nothing_and_the_resource_decides() -> None:
    """A provider that forgets finished jobs does not break a wait that is taken up late."""
    async with fourth() as (client, world):
        change = await client.nodes.create(3)
        with pytest.raises(WaitTimeoutError):
            await change.wait(timeout=1000 - NODE_S)
        world.jobs["job-1"].forgotten = True
        again = client.nodes.resume(change.resume_token)
        assert (await again.wait(timeout=NODE_S)).size == 3


@virtual
async def test_resume_goes_on_with_the_stage_that_was_reached() -> None:
    """A token of a wait in its step reads the step; one of a wait beyond it does not."""
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
async def test_timeout_zero_takes_one_look() -> None:
    """At the step while that goes on; at the step and its resource where the step is over."""
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
    """Hundreds of waits cost a step and a proof each, and sweeps."""
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
    """Its node looks like booting for ever."""
    async with fourth() as (client, world):
        changes = [await client.nodes.create(i) for i in range(20)]
        world.break_next = "no room"
        changes.append(await client.nodes.create(99))
        report = await wait_all(changes, timeout=3600)
        assert [change.id for change, _ in report.failed] == ["node-21"]
        assert now() < 1000


@virtual
async def test_list_evidence_is_no_proof_while_a_step_goes_on() -> None:
    """A node that is up under a job that is not over has not settled."""
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
async def test_cancelled_waits_ask_nothing_more() -> None:
    """Not for steps either."""
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
    """Before anything is asked."""
    async with fourth() as (client, _):
        change = await client.nodes.create(3)
        token = ResumeToken.decode(change.resume_token)
        odd = evolve(token, operations=(ResourceRef("quest", "1"),))
        with pytest.raises(InvalidInputError, match="no operation of kind 'quest'"):
            client.nodes.resume(odd.encode())


@virtual
async def test_a_job_is_not_taken_for_the_node_it_is_about() -> None:
    """What was seen last of a node is unknown until one is read."""
    async with fourth() as (client, _):
        change = await client.nodes.create(3)
        assert change.initial is not None
        assert change.latest is None
        node = await change.wait()
        assert change.latest is node
