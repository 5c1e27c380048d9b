"""Tests of `wait_all`: each wait ends by itself, and the report shows how."""

import asyncio
import gc
from typing import Any

import anyio
import pytest

from di_async import Change, ClientClosedError, DeploymentFailedError, InvalidInputError, wait_all
from tests.fake_network import virtual_client
from tests.fleet.support import break_one, creates, others
from tests.support import VIRTUAL

pytestmark = VIRTUAL


async def test_each_change_is_in_one_of_the_three() -> None:
    """A failed and a stuck change are reported beside the others; nothing is raised."""
    async with virtual_client() as (client, transport):
        changes = await creates(client, 5)
        break_one(transport.world, changes[1])
        transport.world.fault("stuck", id=changes[3].id)
        report = await wait_all(changes, timeout=1200)
    assert report.succeeded == (changes[0], changes[2], changes[4])
    assert [failure.change for failure in report.failed] == [changes[1]]
    assert isinstance(report.failed[0].error, DeploymentFailedError)
    assert report.pending == (changes[3],)
    assert not report.ok


async def test_resources_of_the_report() -> None:
    """`resources` are in the order of the changes, with None for deleted ones."""
    async with virtual_client() as (client, _):
        changes = await creates(client, 3)
        report = await wait_all(changes)
        gone = await client.dedicated_inferences.delete(changes[0].id)
        deleted = await wait_all([gone, *changes[1:]])
    assert [di and di.status for di in report.resources] == ["active"] * 3
    assert deleted.resources == (None, *report.resources[1:])
    assert report.ok


async def test_the_deadline_is_one_for_all() -> None:
    """One deadline applies to all changes."""
    async with virtual_client() as (client, _):
        changes = await creates(client, 20)
        began = asyncio.get_running_loop().time()
        report = await wait_all(changes, timeout=100)
        assert asyncio.get_running_loop().time() - began == pytest.approx(100, abs=6)
    assert report.pending == tuple(changes)


async def test_same_change_twice_is_awaited_once() -> None:
    """A change passed twice is awaited and counted once."""
    async with virtual_client() as (client, _):
        (change,) = await creates(client, 1)
        assert (await wait_all([change, change])).succeeded == (change,)


async def test_no_changes_is_an_empty_report() -> None:
    """Without changes the report is empty, unlike `asyncio.wait`, which raises."""
    none: list[Change[Any]] = []
    report = await wait_all(none)
    assert (report.ok, str(report)) == (True, "0 succeeded, 0 failed, 0 pending")


@pytest.mark.parametrize(
    ("when", "succeeded", "failed"), [("FIRST_COMPLETED", 1, 0), ("FIRST_EXCEPTION", 1, 1)]
)
async def test_return_when(when: Any, succeeded: int, failed: int) -> None:
    """`return_when` works as in asyncio: at the first result, or the first failure."""
    async with virtual_client() as (client, transport):
        stuck, doomed = await creates(client, 2)
        transport.world.fault("stuck", id=stuck.id)
        quick = await client.dedicated_inferences.delete(
            transport.world.add_instance(now=transport.now(), name="quick").id
        )
        waiting = asyncio.ensure_future(wait_all([stuck, quick, doomed], return_when=when))
        await asyncio.sleep(300)
        break_one(transport.world, doomed)
        report = await waiting
    assert (len(report.succeeded), len(report.failed)) == (succeeded, failed)
    assert stuck in report.pending
    assert len(report.pending) == 3 - succeeded - failed


async def test_cancelling_leaves_nothing_running() -> None:
    """Cancelling ends all waits and the poller with a bare `CancelledError`."""
    async with virtual_client() as (client, _):
        changes = await creates(client, 10)
        with anyio.move_on_after(50) as scope:
            await wait_all(changes, timeout=None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert scope.cancelled_caught
        assert others() == set()


async def test_cancelling_after_a_failure_logs_no_error() -> None:
    """The log has no "Task exception was never retrieved" for a wait that had failed."""
    problems: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    async with virtual_client() as (client, transport):
        stuck, doomed = await creates(client, 2)
        transport.world.fault("stuck", id=stuck.id)
        break_one(transport.world, doomed)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1200):
                await wait_all([stuck, doomed])
        assert (doomed.outcome, stuck.outcome) == ("failed", None)
    gc.collect()
    assert problems == []


async def test_a_closed_client_fails_its_own_waits() -> None:
    """A closed client's waits fail with `ClientClosedError` in the report."""
    async with virtual_client() as (client, _):
        changes = await creates(client, 2)
        waiting = asyncio.ensure_future(wait_all(changes))
        await asyncio.sleep(10)
    report = await waiting
    assert [type(error) for _, error in report.failed] == [ClientClosedError] * 2


async def test_invalid_arguments_are_rejected() -> None:
    """A negative timeout or an unknown `return_when` is rejected before a request is sent."""
    with pytest.raises(InvalidInputError, match="timeout"):
        await wait_all([], timeout=-1)
    with pytest.raises(InvalidInputError, match="return_when"):
        await wait_all([], return_when="SOON")  # type: ignore[arg-type]


async def test_report_as_text() -> None:
    """A report prints counts, then failures with reasons, then pending changes."""
    async with virtual_client() as (client, transport):
        changes = await creates(client, 2)
        break_one(transport.world, changes[0])
        transport.world.fault("stuck", id=changes[1].id)
        text = str(await wait_all(changes, timeout=1200))
    assert text.splitlines()[0] == "0 succeeded, 1 failed, 1 pending"
    assert "failed: create web-0: dedicated inference web-0" in text
    assert "pending: create web-1" in text
