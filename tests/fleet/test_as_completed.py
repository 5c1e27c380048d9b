"""Tests of `as_completed`: the order of its results, and its cleanup."""

import asyncio
import gc
import threading
from contextlib import suppress
from typing import Any

import pytest

from di_async import Change, DigitalOcean, InvalidInputError, as_completed
from tests.fake_network import EmulatorNetwork, virtual_client
from tests.fleet.support import break_one, creates, others
from tests.support import VIRTUAL

pytestmark = VIRTUAL


def placed(client: DigitalOcean, transport: EmulatorNetwork, *seconds: float) -> list[str]:
    """Add instances that settle after these seconds; return their ids."""
    now = transport.now()
    return [
        transport.world.add_instance(now=now, status="deleting", settles_in=s).id for s in seconds
    ]


async def test_order_of_results() -> None:
    """Changes are returned in the order in which they end."""
    async with virtual_client() as (client, transport):
        api = client.dedicated_inferences
        ids = placed(client, transport, 300, 60, 150)
        changes = [await api.delete(id) for id in ids]
        ended = [change.id async for change in as_completed(changes)]
    assert ended == [ids[1], ids[2], ids[0]]


async def test_failed_change_raises_nothing() -> None:
    """A failed change is returned like others, and its `wait` raises the error."""
    async with virtual_client() as (client, transport):
        changes = await creates(client, 3)
        break_one(transport.world, changes[1])
        outcomes = {c.id: c.outcome async for c in as_completed(changes)}
    assert [outcomes[c.id] for c in changes] == ["settled", "failed", "settled"]


async def test_deadline_returns_the_rest_without_an_outcome() -> None:
    """Changes not settled at the deadline are returned once, without an outcome."""
    async with virtual_client() as (client, _):
        changes = await creates(client, 3)
        ended = [c async for c in as_completed([*changes, changes[0]], timeout=60)]
    assert set(ended) == set(changes)
    assert len(ended) == 3
    assert [c.outcome for c in ended] == [None] * 3


async def test_leaving_the_loop_leaves_no_task() -> None:
    """Leaving the loop early ends the waits and the poller."""
    async with virtual_client() as (client, _):
        async for _change in as_completed(await creates(client, 10)):
            break
        for _ in range(3):
            await asyncio.sleep(0)
        assert others() == set()


async def test_error_in_the_loop_leaves_no_task() -> None:
    """An error in the loop ends the waits and the poller."""
    async with virtual_client() as (client, _):
        changes = await creates(client, 10)
        with suppress(ZeroDivisionError):
            async for _change in as_completed(changes):
                _ = 1 / 0
        for _ in range(3):
            await asyncio.sleep(0)
        assert others() == set()


async def test_leaving_the_context_ends_all_tasks() -> None:
    """Leaving the context ends all tasks immediately, even if the iterator is kept."""
    async with virtual_client() as (client, _):
        async with as_completed(await creates(client, 10)) as ended:
            await anext(ended)
        assert {task.get_name() for task in others()} <= {"di_async poller"}
        with pytest.raises(StopAsyncIteration):
            await anext(ended)


async def test_cancelling_the_last_user_ends_all_waits() -> None:
    """A cancelled step whose iterator nothing refers to any more ends all waits."""
    async with virtual_client() as (client, _):
        step = asyncio.ensure_future(anext(as_completed(await creates(client, 10))))
        await asyncio.sleep(30)
        step.cancel()
        with pytest.raises(asyncio.CancelledError):
            await step
        for _ in range(3):
            await asyncio.sleep(0)
        assert others() == set()


@pytest.mark.parametrize("debug", [True, False])
async def test_dropping_it_in_another_thread_ends_all_waits(debug: bool) -> None:
    """The garbage collector may drop the iterator in any thread, also in asyncio's debug mode."""
    asyncio.get_running_loop().set_debug(debug)
    async with virtual_client() as (client, _):
        kept = [as_completed(await creates(client, 10))]
        step = asyncio.ensure_future(anext(kept[0]))
        await asyncio.sleep(30)
        step.cancel()
        await asyncio.wait([step])
        del step
        gc.collect()
        thread = threading.Thread(target=kept.clear)
        thread.start()
        thread.join()
        await asyncio.sleep(1)
        assert others() == set()


async def test_tasks_that_share_it_all_end() -> None:
    """Each change comes to one of several consumers, and all of them end after the last one."""
    async with virtual_client() as (client, _):
        changes = await creates(client, 4)
        ended = as_completed(changes)
        got = await asyncio.gather(*(_rest(ended) for _ in range(3)))
    assert sorted(c.id for group in got for c in group) == sorted(c.id for c in changes)


async def _rest(ended: Any) -> list[Change[Any]]:
    return [change async for change in ended]


async def test_closing_it_ends_the_step_of_another_task() -> None:
    """A consumer that waits for the next change ends when the iterator is closed."""
    async with virtual_client() as (client, _):
        ended = as_completed(await creates(client, 4))
        waiting = asyncio.ensure_future(_rest(ended))
        await asyncio.sleep(30)
        await ended.aclose()
        assert await asyncio.wait_for(waiting, 1) == []


async def test_step_that_timed_out_loses_no_change() -> None:
    """Steps that are cancelled in a loop return every change in the end."""
    async with virtual_client() as (client, _):
        changes = await creates(client, 4)
        ended, got, late = as_completed(changes), list[Change[Any]](), 0
        while len(got) < 4:
            try:
                got.append(await asyncio.wait_for(anext(ended), 10))
            except TimeoutError:
                late += 1
        with pytest.raises(StopAsyncIteration):
            await anext(ended)
    assert set(got) == set(changes)
    assert late > 10
    assert {change.outcome for change in got} == {"settled"}


async def test_no_changes() -> None:
    """Without changes the loop is empty; invalid arguments are rejected immediately."""
    none: list[Change[Any]] = []
    assert [c async for c in as_completed(none)] == []
    with pytest.raises(InvalidInputError, match="timeout"):
        as_completed([], timeout=-1)
