"""Promise 9: nothing runs without an owner.

Polling runs only while a wait is open. Leaving the client's block (or `aclose()`) ends it, and open
waits end with `ClientClosedError`. Cancellation is never wrapped or swallowed. A client may be
entered in one task and left in another. The poller runs in the context captured at entry, not in
that of the first wait.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import anyio
import pytest

from di_async import ClientClosedError, DigitalOcean, RequestBudget, RetryPolicy
from di_async.core.http import Request
from tests.builders.digitalocean import GONE, ID, an_instance, creation, instance_answer
from tests.fake_network import Answer, Delayed
from tests.promises.support import (
    REAL,
    VIRTUAL,
    Step,
    client_on,
    created,
    fake_api,
    now,
    serving,
)

pytestmark = VIRTUAL

BUSY = an_instance(status="provisioning")


def others() -> set[asyncio.Task[Any]]:
    """Return the tasks of the loop except this one."""
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


# --- what runs, and for how long -------------------------------------------------------------


async def test_client_without_waits() -> None:
    """An entered client without waits runs no task, before and after its calls."""
    async with client_on(fake_api(BUSY, post=[creation()])) as client:
        assert others() == set()
        await created(client)
        assert others() == set()


@pytest.mark.parametrize("last", [an_instance(), GONE])
async def test_wait_that_has_ended(last: Step) -> None:
    """The poller's task ends when the last wait ends."""
    network = fake_api(BUSY, last, last)
    async with client_on(network) as client:
        await client.dedicated_inferences.wait_until(ID, lambda di: di.status == "provisioning")
        await asyncio.sleep(1)
        assert others() == set()


async def test_wait_that_was_cancelled() -> None:
    """The poller's task ends when the last wait is cancelled, also with a read in flight."""
    async with client_on(fake_api(Delayed(100, instance_answer(BUSY)))) as client:
        waiting = asyncio.create_task(client.dedicated_inferences.wait_until_active(ID))
        await asyncio.sleep(1)
        waiting.cancel()
        await asyncio.wait([waiting])
        await asyncio.sleep(0.1)
        assert others() == set()


@pytest.mark.parametrize("first", [BUSY, Delayed(1000, instance_answer(BUSY))])
async def test_leaving_ends_all_tasks(first: Step) -> None:
    """Leaving the block leaves no task but the waiters, which end immediately."""
    async with client_on(fake_api(first, BUSY)) as client:
        waits = {
            asyncio.create_task(client.dedicated_inferences.wait_until_active(id))
            for id in ("one", "two", "three")
        }
        await asyncio.sleep(10)
        assert len(others()) > 3
    assert others() <= waits
    await asyncio.wait(waits, timeout=0.01)
    assert others() == set()
    assert {type(task.exception()) for task in waits} == {ClientClosedError}


async def test_leaving_ends_the_requests() -> None:
    """Leaving the block ends all requests."""
    network = fake_api(BUSY)
    async with client_on(network) as client:
        waiting = asyncio.create_task(client.dedicated_inferences.wait_until_active(ID))
        await asyncio.sleep(12)
    with pytest.raises(ClientClosedError):
        await waiting
    await asyncio.sleep(3600)
    assert network.count("GET") == 3


async def test_leaving_under_a_cancelled_scope_of_anyio() -> None:
    """The client is closed completely, and the cancellation keeps the notes of the wait."""
    network = fake_api(BUSY)
    closed = []

    async def close() -> None:
        await asyncio.sleep(1)
        closed.append(True)

    network.close = close  # type: ignore[method-assign]
    with anyio.move_on_after(10) as scope:
        with pytest.raises(asyncio.CancelledError) as caught:
            async with client_on(network) as client:
                await client.dedicated_inferences.wait_until_active(ID)
        assert others() == set()
        raise caught.value
    assert scope.cancelled_caught
    assert "`.resume_token` continues the wait" in caught.value.__notes__[0]
    assert closed == [True]


# --- open waits and calls --------------------------------------------------------------------


async def test_waits_of_each_kind_that_are_open() -> None:
    """Changes, streams and waits without a write end with `ClientClosedError`."""
    async with client_on(fake_api(BUSY, post=[creation()])) as client:
        ours = client.dedicated_inferences
        change = await created(client)
        watching = ours.watch(ID)
        await anext(watching)
        kinds = change.wait(timeout=None), ours.wait_until(ID, lambda _: False), anext(watching)
        waits = [asyncio.ensure_future(kind) for kind in kinds]
        await asyncio.sleep(10)
    for waiting in waits:
        with pytest.raises(ClientClosedError):
            await waiting


async def test_wait_in_a_block_closed_by_another_task() -> None:
    """`aclose()` from another task ends a wait within the block."""
    async with client_on(fake_api(BUSY)) as client:
        asyncio.get_running_loop().call_later(10, lambda: closing.append(close()))
        closing: list[asyncio.Task[None]] = []

        def close() -> asyncio.Task[None]:
            return asyncio.create_task(client.aclose())

        with pytest.raises(ClientClosedError):
            await client.dedicated_inferences.wait_until_active(ID)
        assert now() == pytest.approx(10)
    await closing[0]


async def test_call_delayed_by_the_budget() -> None:
    """A call delayed by the budget ends with `ClientClosedError`."""
    options: Any = {"budget": RequestBudget(per_minute=1), "retry": RetryPolicy(max_delay=1000)}
    async with client_on(fake_api(BUSY), **options) as client:
        await client.dedicated_inferences.get(ID)
        held = asyncio.create_task(client.dedicated_inferences.get(ID))
        await asyncio.sleep(1)
    with pytest.raises(ClientClosedError):
        await asyncio.wait_for(held, 500)
    assert now() < 2


@REAL
async def test_call_in_flight() -> None:
    """A call whose request is on the wire ends with `ClientClosedError`."""
    arrived = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        arrived.set()
        await reader.read()

    async with serving(silent) as url:
        async with DigitalOcean("dop_v1_secret", base_url=url) as client:
            calling = asyncio.create_task(client.dedicated_inferences.get(ID))
            await arrived.wait()
        with pytest.raises(ClientClosedError):
            await calling


async def test_closed_client() -> None:
    """Calls and waits of a closed client raise `ClientClosedError`; closing twice does nothing."""
    async with client_on(fake_api(BUSY, post=[creation()])) as client:
        change = await created(client)
    await client.aclose()
    for call in (change.wait, lambda: client.dedicated_inferences.get(ID)):
        with pytest.raises(ClientClosedError):
            await call()


# --- cancellation ----------------------------------------------------------------------------


async def test_cancelled_wait() -> None:
    """Cancelling a wait raises a bare `CancelledError`, and the task counts as cancelled."""
    async with client_on(fake_api(BUSY)) as client:
        waiting = asyncio.create_task(client.dedicated_inferences.wait_until_active(ID))
        await asyncio.sleep(10)
        waiting.cancel("enough")
        with pytest.raises(asyncio.CancelledError) as caught:
            await waiting
        assert waiting.cancelled()
        assert type(caught.value) is asyncio.CancelledError


async def test_timeout_of_the_caller() -> None:
    """`asyncio.timeout` and anyio's scopes work around a wait."""
    async with client_on(fake_api(BUSY)) as client:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(10):
                await client.dedicated_inferences.wait_until_active(ID)
        assert type(caught.value) is TimeoutError
        with anyio.move_on_after(10) as scope:
            await client.dedicated_inferences.wait_until_active(ID)
        assert (scope.cancelled_caught, now()) == (True, 20)


async def test_cancelled_block() -> None:
    """A cancelled block ends as cancelled and leaves no task."""

    async def work() -> None:
        async with client_on(fake_api(BUSY)) as client:
            await client.dedicated_inferences.wait_until_active(ID)

    working = asyncio.create_task(work())
    await asyncio.sleep(10)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert others() == set()


async def test_predicate_that_raises() -> None:
    """An error of the caller's predicate is raised unchanged and affects no other wait."""
    async with client_on(fake_api(BUSY, BUSY, BUSY, an_instance())) as client:
        ours = client.dedicated_inferences
        other = asyncio.create_task(ours.wait_until_active(ID))
        with pytest.raises(ZeroDivisionError):
            await ours.wait_until(ID, lambda _: 1 / 0)
        assert (await other).status == "active"


# --- tasks and contexts ----------------------------------------------------------------------


async def test_entered_and_left_in_different_tasks() -> None:
    """A client may be entered, used and left in three tasks, one after the other."""
    client = DigitalOcean("dop_v1_secret", transport=fake_api(BUSY, BUSY, an_instance()))
    await asyncio.create_task(client.__aenter__())
    found = await asyncio.create_task(client.dedicated_inferences.wait_until_active(ID))
    await asyncio.create_task(client.__aexit__(None, None, None))
    assert (found.status, others()) == ("active", set())


async def test_left_in_another_task_with_waits_open() -> None:
    """Leaving in another task ends the open waits."""
    client = DigitalOcean("dop_v1_secret", transport=fake_api(BUSY))
    await asyncio.create_task(client.__aenter__())
    waiting = asyncio.create_task(client.dedicated_inferences.wait_until_active(ID))
    await asyncio.sleep(10)
    await asyncio.create_task(client.aclose())
    with pytest.raises(ClientClosedError):
        await waiting
    assert others() == set()


async def test_entered_within_a_scope_that_ends() -> None:
    """A client outlives a cancel scope in which it was entered."""
    client = DigitalOcean("dop_v1_secret", transport=fake_api(BUSY, an_instance()))
    with anyio.move_on_after(1):
        await client.__aenter__()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(client.dedicated_inferences.wait_until_active(ID))
    assert waiting.result().status == "active"
    await client.aclose()


SPAN: ContextVar[str] = ContextVar("SPAN", default="none")


@asynccontextmanager
async def traced(*steps: Step) -> AsyncIterator[tuple[DigitalOcean, list[str]]]:
    """Yield a client entered in the span `entry`, and the span of each of its requests."""
    network, spans = fake_api(*steps), list[str]()

    def intercept(_: Request, answer: Answer) -> Answer:
        spans.append(SPAN.get())
        return answer

    network.intercept = intercept
    token = SPAN.set("entry")
    async with client_on(network) as client:
        SPAN.reset(token)
        yield client, spans


async def test_span_of_the_polls() -> None:
    """Polls are sent in the context of the entry, whichever wait comes first."""
    async with traced(BUSY, BUSY, an_instance()) as (client, spans):
        for span in ("first", "second"):
            SPAN.set(span)
            await client.dedicated_inferences.wait_until_active(ID)
    assert spans == ["entry"] * 4


async def test_span_of_a_call() -> None:
    """A caller's own request is sent in the caller's context."""
    async with traced(BUSY) as (client, spans):
        SPAN.set("caller")
        await client.dedicated_inferences.get(ID)
    assert spans == ["caller"]
