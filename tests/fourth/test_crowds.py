"""Many waits with operations: one that ends, fails or is cancelled does not affect the others."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from di_async import wait_all
from di_async.core.http import Request, Response
from di_async.engine.waiting.change import Change
from tests.fourth.provider import Fourth, Node
from tests.fourth.test_stages import fourth, now, virtual
from tests.fourth.world import Again

pytestmark = virtual
COUNT = 20


async def up(client: Fourth, count: int = COUNT, size: int = 5) -> list[Change[Node]]:
    """Return the changes of this many nodes that are up."""
    changes = [await client.nodes.create(size) for _ in range(count)]
    await wait_all(changes, timeout=3600)
    await asyncio.sleep(100)
    return changes


async def ended(*waits: asyncio.Future[Any]) -> None:
    """Cancel the waits and let them end."""
    for wait in waits:
        wait.cancel()
    await asyncio.wait(waits)


async def test_timeout_of_zero_finds_what_has_settled() -> None:
    """Timeout 0 reads the job and the node of each wait."""
    async with fourth() as (client, _):
        changes = [await client.nodes.create(i) for i in range(COUNT)]
        await asyncio.sleep(7200)
        report = await wait_all(changes, timeout=0)
        assert len(report.succeeded) == COUNT


async def test_second_wait_on_one_leaves_nothing_running() -> None:
    """After a second wait on one change among many, no request is sent."""
    async with fourth() as (client, world):
        changes = [await client.nodes.create(i) for i in range(8)]
        waits = [asyncio.ensure_future(change.wait()) for change in changes]
        await asyncio.sleep(1)
        waits.append(asyncio.ensure_future(changes[0].wait()))
        await asyncio.sleep(10)
        await ended(*waits)
        await asyncio.sleep(60)
        asked = len(world.requests)
        await asyncio.sleep(7200)
        assert len(world.requests) == asked
        assert client.stats().awaited == 0


async def test_plain_wait_beside_a_staged_one_goes_by_its_own_proof() -> None:
    """A wait without a job neither waits for another wait's job nor fails with it."""
    async with fourth() as (client, world):
        nodes = await up(client)
        world.job_s = 600
        again = []
        for n, node in enumerate(nodes):
            world.break_next = "no room" if n == 12 else ""
            again.append(await client.nodes.resize(node.id, 50))
        waits = [asyncio.ensure_future(change.wait(timeout=3600)) for change in again]
        await asyncio.sleep(20)
        begun = now()
        await client.nodes.wait_until_active(nodes[12].id)
        await client.nodes.wait_until_active(nodes[13].id)
        assert now() - begun < 60
        await asyncio.wait(waits)
        assert waits[12].exception() is not None


async def test_plain_wait_outlives_a_staged_one_that_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A wait without a job continues when another wait's job fails."""
    async with fourth() as (client, world):
        nodes = await up(client)
        shown = world.node

        def one_is_up(node: str, at: float) -> dict[str, Any] | None:
            booting = {"id": node, "state": "booting", "size": 50}
            return shown(node, at) if node == nodes[15].id else booting

        monkeypatch.setattr(world, "node", one_is_up)
        again = []
        for n, node in enumerate(nodes):
            world.break_next = "no room" if n == 15 else ""
            again.append(await client.nodes.resize(node.id, 50))
        waits = [asyncio.ensure_future(change.wait(timeout=30000)) for change in again]
        mate = asyncio.ensure_future(client.nodes.wait_until_active(nodes[15].id))
        await asyncio.wait([waits[15]], timeout=5000)
        assert waits[15].exception() is not None
        await asyncio.sleep(60)
        assert mate.done()
        await ended(*waits, mate)


async def test_plain_wait_outlives_a_staged_one_that_is_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A wait without a job continues when another is cancelled during its job read."""
    async with fourth() as (client, world):
        nodes = await up(client)
        world.job_s = 100
        again = [await client.nodes.resize(node.id, 50) for node in nodes]
        waits = [asyncio.ensure_future(change.wait(timeout=3600)) for change in again]
        await asyncio.sleep(20)
        mates = [asyncio.ensure_future(client.nodes.wait_until_active(n.id)) for n in nodes]
        jobs = {change.initial.id: wait for change, wait in zip(again, waits, strict=True)}
        send = world.send

        async def cancelling(r: Request, headers: Mapping[str, str], again: Again) -> Response:
            if r.path.startswith("/jobs/"):
                jobs[r.path.rsplit("/", 1)[-1]].cancel()
            return await send(r, headers, again)

        monkeypatch.setattr(world, "send", cancelling)
        await asyncio.sleep(1200)
        assert all(mate.done() for mate in mates)
        await ended(*mates, *waits)


async def test_crowd_left_while_its_steps_are_read_and_taken_up_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Waits cancelled during a job read settle when they are started again."""
    async with fourth() as (client, world):
        nodes = await up(client)
        again = [await client.nodes.resize(node.id, 50) for node in nodes]
        waits = [asyncio.ensure_future(change.wait(timeout=3600)) for change in again]
        send, reading = world.send, asyncio.Event()

        async def slow(r: Request, headers: Mapping[str, str], again: Again) -> Response:
            if r.path.startswith("/jobs/"):
                reading.set()
                await asyncio.sleep(1)
            return await send(r, headers, again)

        monkeypatch.setattr(world, "send", slow)
        await reading.wait()
        await ended(*waits)
        report = await wait_all(again, timeout=3600)
        assert len(report.succeeded) == COUNT


async def test_refused_reads_raise_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each wait raises the error of the refused read."""
    async with fourth() as (client, world):
        changes = [await client.nodes.create(i) for i in range(COUNT)]
        waits = [asyncio.ensure_future(change.wait(timeout=3600)) for change in changes]
        await asyncio.sleep(60)
        honest = world.answer

        def refusing(r: Request, at: float) -> tuple[int, Any]:
            return (401, "bad key") if r.method == "GET" else honest(r, at)

        monkeypatch.setattr(world, "answer", refusing)
        await asyncio.sleep(200)
        errors: list[Any] = [wait.exception() for wait in waits if wait.done()]
        assert len(errors) == COUNT
        assert all(error.last_error is error.__cause__ is not None for error in errors)
        await ended(*waits)


@pytest.mark.parametrize("job_s", [40, 60, 75, 90, 150])
@pytest.mark.parametrize("count", [3, 20])
async def test_agreement_counts_from_the_end_of_the_step(
    monkeypatch: pytest.MonkeyPatch, count: int, job_s: float
) -> None:
    """A replica that lags behind the job shows the state before it, for few and many waits."""
    async with fourth() as (client, world):
        nodes = await up(client, count)
        world.job_s = job_s
        shown = world.node
        monkeypatch.setattr(world, "node", lambda node, at: shown(node, at - 20))
        await asyncio.sleep(100)
        again = [await client.nodes.resize(node.id, 5) for node in nodes]  # nothing changes
        await wait_all(again, timeout=3600)
        assert min(change.history[-1].elapsed for change in again) >= 600
