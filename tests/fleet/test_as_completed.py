"""`as_completed`: the order in which things end, and nothing left behind."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from di_async import Change, DigitalOcean, InvalidInputError, as_completed
from tests.fake_network import EmulatorNetwork, virtual_client
from tests.fleet.support import break_one, creates, others

pytestmark = pytest.mark.looptime


def placed(client: DigitalOcean, transport: EmulatorNetwork, *seconds: float) -> list[str]:
    """Instances that settle after so many seconds."""
    now = transport.now()
    return [
        transport.world.add_instance(now=now, status="deleting", settles_in=s).id for s in seconds
    ]


async def test_they_come_as_they_end() -> None:
    """The quickest first, whatever the order in which they were given."""
    async with virtual_client() as (client, transport):
        api = client.dedicated_inferences
        ids = placed(client, transport, 300, 60, 150)
        changes = [await api.delete(id) for id in ids]
        ended = [change.id async for change in as_completed(changes)]
    assert ended == [ids[1], ids[2], ids[0]]


async def test_a_failed_one_comes_too_and_raises_nothing() -> None:
    """Its outcome tells, and `wait` says why."""
    async with virtual_client() as (client, transport):
        changes = await creates(client, 3)
        break_one(transport.world, changes[1])
        outcomes = {c.id: c.outcome async for c in as_completed(changes)}
    assert [outcomes[c.id] for c in changes] == ["settled", "failed", "settled"]


async def test_at_the_deadline_the_rest_comes_undecided() -> None:
    """Each exactly once: those that were not settled in time have no outcome."""
    async with virtual_client() as (client, _):
        changes = await creates(client, 3)
        ended = [c async for c in as_completed([*changes, changes[0]], timeout=60)]
    assert set(ended) == set(changes)
    assert len(ended) == 3
    assert [c.outcome for c in ended] == [None] * 3


async def test_leaving_the_loop_early_leaves_no_task() -> None:
    """The iterator goes with its loop, and its waits and the poller with it."""
    async with virtual_client() as (client, _):
        async for _change in as_completed(await creates(client, 10)):
            break
        for _ in range(3):
            await asyncio.sleep(0)
        assert others() == set()


async def test_an_error_in_the_loop_leaves_no_task() -> None:
    """So does whatever is raised in it."""
    async with virtual_client() as (client, _):
        changes = await creates(client, 10)
        with suppress(ZeroDivisionError):
            async for _change in as_completed(changes):
                _ = 1 / 0
        for _ in range(3):
            await asyncio.sleep(0)
        assert others() == set()


async def test_as_a_context_it_ends_with_its_block() -> None:
    """At once, even where somebody keeps the iterator."""
    async with virtual_client() as (client, _):
        async with as_completed(await creates(client, 10)) as ended:
            await anext(ended)
        assert {task.get_name() for task in others()} <= {"di_async poller"}
        with pytest.raises(StopAsyncIteration):
            await anext(ended)


async def test_cancelling_a_step_ends_all_waits() -> None:
    """Nothing goes on for nobody."""
    async with virtual_client() as (client, _):
        step = asyncio.ensure_future(anext(as_completed(await creates(client, 10))))
        await asyncio.sleep(30)
        step.cancel()
        with pytest.raises(asyncio.CancelledError):
            await step
        for _ in range(3):
            await asyncio.sleep(0)
        assert others() == set()


async def test_none_at_all() -> None:
    """An empty loop; and nonsense is refused at once."""
    none: list[Change[Any]] = []
    assert [c async for c in as_completed(none)] == []
    with pytest.raises(InvalidInputError, match="timeout"):
        as_completed([], timeout=-1)
