"""Tests of `ensure` over sockets, in processes that run at once or are killed."""

import asyncio
from typing import Any

import pytest

from di_async.emulator import Emulator
from tests.clouds.ensuring import ENSURABLE, a_body, everywhere_in_processes, named
from tests.clouds.support import Cloud
from tests.concurrent_ensure.runs import report, runs, send, worker
from tests.concurrent_ensure.worker import access, api, connect

TASK: dict[str, Any] = {"delay": 0.0, "wait": True}


@everywhere_in_processes
async def test_created_updated_unchanged(cloud: Cloud, emu: Emulator) -> None:
    """Over sockets, `ensure` creates, finds nothing to do, updates, and shows what it would do."""
    async with connect(*access(cloud.name, emu)) as client:
        deployments = api(cloud.name, client)
        planned = await deployments.ensure(a_body(cloud), dry_run=True)
        assert (planned.action, planned.change) == ("created", None)
        first = await deployments.ensure(a_body(cloud))
        assert cloud.size(await first.change) == 1
        again = await deployments.ensure(a_body(cloud))
        assert (first.action, again.action, again.id) == ("created", "unchanged", first.id)
        assert (await again.change).name == "web-1"
        grown = await deployments.ensure(a_body(cloud, replicas=2))
        assert cloud.size(await grown.change) == 2
        assert (grown.action, grown.id) == ("updated", first.id)
        assert len(await named(cloud, client)) == 1


@pytest.mark.half
@pytest.mark.parametrize("cloud", ENSURABLE[:2], ids=lambda cloud: cloud.name)
@pytest.mark.timeout(60)
async def test_two_processes(cloud: Cloud) -> None:
    """Two processes at once make one instance, though responses are lost."""
    found = await runs(cloud, 4, seed=3, undone=False, jitter=0.05)
    assert [run for run in found if not run.good] == []
    assert any(run.overlapped for run in found)
    assert any(run.lost for run in found)


@everywhere_in_processes
@pytest.mark.half
@pytest.mark.parametrize("step", ["create", "look", "update"])
async def test_killed_in_the_middle(cloud: Cloud, step: str, emu: Emulator) -> None:
    """After kill -9 a second run finds what the first has done, and finishes the work."""
    body = a_body(cloud, replicas=2 if step == "update" else 1)
    async with connect(*access(cloud.name, emu)) as client:
        deployments = api(cloud.name, client)
        if step == "update":
            await (await deployments.ensure(a_body(cloud))).change
        operation = {
            "look": cloud.GET if cloud.name == "gcore-v3" else cloud.LIST,
            "create": cloud.POST,
            "update": cloud.CHANGE,
        }[step]
        fault = emu.fault("slow", on=operation, delay_s=3000.0)
        async with worker(cloud.name, emu) as first:
            send(first, {"body": body, **TASK})
            while not fault.hits:  # noqa: ASYNC110 - an emulator has no event for it
                await asyncio.sleep(0.01)
            first.kill()
            await first.wait()
        async with worker(cloud.name, emu) as second:
            send(second, {"body": body, **TASK})
            done = await report(second)
        assert (
            done["action"]
            in {
                "look": ["created"],
                "create": ["unchanged"],
                # Exoscale shows the old values for a while.
                "update": ["unchanged", "updated"] if cloud.name == "exoscale" else ["unchanged"],
            }[step]
        )
        (row,) = await named(cloud, client)
        assert done["duplicates"] == []
        live = await deployments.get(done["id"])
        assert cloud.size(live) == cloud.size(row) == (2 if step == "update" else 1)
