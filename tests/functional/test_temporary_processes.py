"""Tests of `temporary` and `reap` over sockets, in processes that get signals or are killed."""

import asyncio
import os
import signal
from asyncio.subprocess import Process
from typing import Any

import pytest

from di_async import reap
from di_async.core.temporary_names import parse_name
from di_async.emulator import Emulator, Fault
from tests.clouds.ensuring import ENSURABLE, a_body, everywhere_in_processes
from tests.clouds.support import Cloud
from tests.concurrent_ensure.runs import report, send, worker
from tests.concurrent_ensure.worker import access, api, connect

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals"),
    pytest.mark.timeout(60),
]
MODULE = "tests.functional.temporary_worker"


async def names(cloud: Cloud, emu: Emulator) -> list[str]:
    """Return the names of all deployments."""
    async with connect(*access(cloud.name, emu)) as client:
        return [row.name for row in await api(cloud.name, client).list()]


async def hit(fault: Fault) -> None:
    """Wait until a fault has taken effect."""
    while not fault.hits:  # noqa: ASYNC110 - an emulator has no event for it
        await asyncio.sleep(0.01)


def enter(process: Process, cloud: Cloud, **arguments: Any) -> None:
    """Let a worker enter a temporary deployment."""
    send(process, {"spec": a_body(cloud), **arguments})


@everywhere_in_processes
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, -2)])
async def test_a_signal_in_the_block_deletes_it(
    cloud: Cloud, number: signal.Signals, code: int, emu: Emulator
) -> None:
    """SIGTERM and SIGINT end the process once the deployment is gone."""
    async with worker(cloud.name, emu, MODULE) as process:
        enter(process, cloud)
        await report(process)
        (name,) = await names(cloud, emu)
        assert parse_name(name)
        process.send_signal(number)
        assert await process.wait() == code
    assert await names(cloud, emu) == []


@everywhere_in_processes
async def test_sigterm_while_the_create_is_in_flight(cloud: Cloud, emu: Emulator) -> None:
    """The answer that comes after SIGTERM holds the id, and it is deleted."""
    fault = emu.fault("slow", on=cloud.POST, delay_s=50.0)
    async with worker(cloud.name, emu, MODULE) as process:
        enter(process, cloud)
        await hit(fault)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 143
    assert await names(cloud, emu) == []


@everywhere_in_processes
async def test_a_second_sigterm_does_not_cut_the_deletion_short(
    cloud: Cloud, emu: Emulator
) -> None:
    """The process still deletes what it has created."""
    async with worker(cloud.name, emu, MODULE) as process:
        enter(process, cloud)
        await report(process)
        fault = emu.fault("slow", on=cloud.DELETE, delay_s=50.0)
        process.send_signal(signal.SIGTERM)
        await hit(fault)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 143
    assert await names(cloud, emu) == []


@pytest.mark.parametrize("kind", ["signal", "loop"])
async def test_a_handler_that_the_block_installs_is_left_alone(kind: str, emu: Emulator) -> None:
    """From then on SIGTERM is the program's own, in the block and after it."""
    cloud = ENSURABLE[0]
    async with worker(cloud.name, emu, MODULE) as process:
        enter(process, cloud, own_handler=kind)
        await report(process)
        await report(process)
        process.send_signal(signal.SIGTERM)
        assert await report(process) == {"left": True}
        assert await names(cloud, emu) == []
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


@everywhere_in_processes
async def test_sigterm_of_a_forked_child_ends_the_child_only(cloud: Cloud, emu: Emulator) -> None:
    """A pool of processes in the block may end its workers; the deployment stays."""
    async with worker(cloud.name, emu, MODULE) as process:
        enter(process, cloud, forks=True)
        await report(process)
        assert await report(process) == {"child": -signal.SIGTERM}
        assert len(await names(cloud, emu)) == 1
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 143
    assert await names(cloud, emu) == []


@everywhere_in_processes
@pytest.mark.parametrize("lifetime", [0.01, 3600.0], ids=["expired", "not-expired"])
async def test_what_a_killed_process_leaves_is_reaped(
    cloud: Cloud, lifetime: float, emu: Emulator
) -> None:
    """After kill -9, `reap` deletes what has expired and keeps the rest."""
    async with worker(cloud.name, emu, MODULE) as process:
        enter(process, cloud, lifetime=lifetime)
        await report(process)
        process.kill()
        await process.wait()
    (name,) = await names(cloud, emu)
    async with connect(*access(cloud.name, emu)) as client:
        found = await reap(client)
        while lifetime < 1.0 and found.kept:  # an expiry is a whole second, the next one
            found = await reap(client)
    deleted, kept = ([row.name for row in rows] for rows in (found.deleted, found.kept))
    assert (deleted, kept, found.failed) == (
        ([name], [], ()) if lifetime < 1.0 else ([], [name], ())
    )
    assert await names(cloud, emu) == kept


@everywhere_in_processes
async def test_yields_the_endpoint_with_connect(cloud: Cloud, emu: Emulator) -> None:
    """With `connect`, the block begins once the models answer."""
    arguments: dict[str, Any] = {"connect": True}
    if cloud.name == "gcore-v3":
        async with connect(*access(cloud.name, emu)) as client:
            key = await client.api_keys.create("mine")
        body = {**a_body(cloud), "api_keys": ["mine"]}
        secret = key.secret.reveal()
        arguments |= {"spec": body, "connect_options": {"access_token": secret}}
    async with worker(cloud.name, emu, MODULE) as process:
        enter(process, cloud, **arguments)
        assert (await report(process))["models"]
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 143
    assert await names(cloud, emu) == []
