"""Run `ensure` in two processes at once, and count what exists afterwards."""

import asyncio
import json
import random
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from attrs import frozen

from di_async.emulator import Emulator, Lifecycle, running
from tests.clouds.ensuring import a_body, named
from tests.clouds.support import Cloud
from tests.concurrent_ensure.worker import access, api, connect

LIFECYCLE = Lifecycle(create=20, update=10, delete=5)
# Answers of creates that are lost: what happens to them, and whether they were carried out.
LOSSES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("reset", {"after_commit": True}),
    ("status", {"status": 500, "after_commit": True}),
    ("cut", {}),
)
UNDONE: tuple[tuple[str, dict[str, Any]], ...] = (("reset", {}), ("status", {"status": 503}))


@frozen
class Run:
    """One spec, ensured by two processes."""

    reports: tuple[dict[str, Any], ...]
    existing: int
    """How many instances of the name existed afterwards."""
    lost: bool
    """An answer to a create was lost."""

    @property
    def overlapped(self) -> bool:
        """Whether both calls ran at the same time."""
        began = max(report["began"] for report in self.reports)
        return bool(began < min(report["ended"] for report in self.reports))

    @property
    def good(self) -> bool:
        """Whether both calls succeeded, with the one instance that exists."""
        ids = {report.get("id") for report in self.reports}
        return self.existing == 1 and len(ids) == 1 and None not in ids


@asynccontextmanager
async def worker(
    cloud: str, emu: Emulator, module: str = "tests.concurrent_ensure.worker"
) -> AsyncIterator[Process]:
    """Start a worker; it is killed at the end of the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, stdin=PIPE, stdout=PIPE
    )
    try:
        send(process, access(cloud, emu))
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def send(process: Process, message: Any) -> None:
    """Send a worker one line."""
    assert process.stdin is not None
    process.stdin.write(json.dumps(message).encode() + b"\n")


async def report(process: Process) -> dict[str, Any]:
    """Return a worker's next report."""
    assert process.stdout is not None
    line: dict[str, Any] = json.loads(await process.stdout.readline())
    return line


async def runs(
    cloud: Cloud, count: int, seed: int, *, undone: bool = True, jitter: float = 0.2
) -> list[Run]:
    """Ensure as many specs, each in two processes at random moments; delete each afterwards."""
    chance, found = random.Random(seed), []
    async with running(seed=seed, time_scale=100.0, lifecycle=LIFECYCLE) as emu:
        emu.world.add_exoscale_model(name="openai/gpt-oss-20b")
        async with (
            connect(*access(cloud.name, emu)) as client,
            worker(cloud.name, emu) as one,
            worker(cloud.name, emu) as two,
        ):
            for number in range(count):
                fault = None
                if chance.random() < 0.8:
                    kind, settings = chance.choice(LOSSES + (UNDONE if undone else ()))
                    times = chance.choice((1, 1, 2))
                    fault = emu.fault(kind, on=cloud.POST, times=times, **settings)
                body = a_body(cloud, f"web-{number:03}")
                for process in (one, two):
                    delay = chance.uniform(0, jitter)
                    send(process, {"body": body, "delay": delay, "wait": False})
                reports = await asyncio.gather(report(one), report(two))
                emu.clear_faults()
                rows = await named(cloud, client, body["name"])
                lost = fault is not None and fault.hits > 0
                found.append(Run(tuple(reports), len(rows), lost))
                for row in rows:
                    id = row.name if cloud.name == "gcore-v3" else row.id
                    await (await api(cloud.name, client).delete(id))
    return found
