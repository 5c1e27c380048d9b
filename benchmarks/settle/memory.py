"""Bytes of an idle wait by tracemalloc: the memory of 10,000 waits, divided by 10,000.

`idle_bytes`: started and not read yet, beyond the existing `Change`. `seen_bytes`: the same after
two minutes of virtual time, in which a cold model has had every page read, with history and page
index. A bare asyncio task with a future holds about 1 kB (`bare_bytes`, measured too).
"""

import asyncio
import gc
import tracemalloc
from typing import Any

from benchmarks.settle.runs import Run
from benchmarks.settle.stage import Stage, attach
from benchmarks.settle.virtual import EPOCH, run_virtual
from benchmarks.settle.worlds import BASE, build_world, durations
from di_async import Change, PollPolicy
from di_async.emulator import World

__all__ = ["run_memory"]

_LOOKED_AFTER_S = 120.0


def run_memory(n: int, seed: int) -> dict[str, float]:
    """Return the bytes for each of `n` waits."""
    run = Run("A", n)
    stage = Stage(build_world(run, seed), seed, PollPolicy())
    figures: dict[str, float] = {}

    async def play() -> None:
        figures["bare_bytes"] = await _bare(n)
        async with stage.actor() as actor:
            ids = [_placed(stage.world, lasts) for lasts in durations(run, seed)]
            _render_all(stage.world, n)
            changes = [attach(actor.client, id) for id in ids]
            await _waiting(changes, figures)

    run_virtual(play)
    return figures


async def _waiting(changes: list[Change[Any]], figures: dict[str, float]) -> None:
    before = _held()
    waits = [asyncio.ensure_future(change.wait(timeout=None)) for change in changes]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    figures["idle_bytes"] = (_held() - before) / len(changes)
    await asyncio.sleep(_LOOKED_AFTER_S)
    figures["seen_bytes"] = (_held() - before) / len(changes)
    tracemalloc.stop()
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)


async def _bare(n: int) -> float:
    """Return the bytes of a task that awaits a future."""
    tracemalloc.start()
    loop, before = asyncio.get_running_loop(), _held()
    futures = [loop.create_future() for _ in range(n)]

    async def wait(future: asyncio.Future[None]) -> None:
        await future

    tasks = [asyncio.ensure_future(wait(future)) for future in futures]
    await asyncio.sleep(0)
    held = _held() - before
    for future in futures:
        future.set_result(None)
    await asyncio.gather(*tasks)
    return held / n


def _held() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def _placed(world: World, lasts: float) -> str:
    return world.add_instance(now=EPOCH, status="provisioning", settles_in=lasts).id


def _render_all(world: World, n: int) -> None:
    """Render each row, which the world caches, before the waits are measured."""
    headers = {"authorization": f"Bearer {world.read_only_token}", "host": "api.digitalocean.com"}
    for page in range(1, -(-n // 200) + 1):
        world.handle(EPOCH, "GET", f"{BASE}?page={page}&per_page=200", headers)
