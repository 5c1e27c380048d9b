"""The scenarios, each a coroutine that runs on a stage.

A  n endpoints, all begun at second 0, resumed after a restart. B  creates, 40 a minute.
C  n updates, replicas stale by 0-20 s, 5 % done immediately. C2 creates that show active while a
spec is pending. D  n deletes out of an account twice as large, so that rows move between pages.
E  creates with faults. F  two processes and another client on one token. G  bimodal durations.
P2, P4  A, divided between two or four processes with a budget each, on one token.
"""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from functools import partial

from benchmarks.settle.runs import Run
from benchmarks.settle.stage import Actor, Stage, attach
from benchmarks.settle.virtual import EPOCH
from benchmarks.settle.worlds import STRANGE_PAUSE_S, durations, foreign_read
from di_async.digitalocean import DedicatedInferenceSpec

__all__ = ["SCENARIOS", "Scenario"]

Scenario = Callable[[Stage, Run], Awaitable[None]]

LONG_S = 4 * 3600.0
CHAOS_TIMEOUT_S = 5400.0


async def burst(stage: Stage, run: Run) -> None:
    """Run A and G: all waits start together."""
    async with stage.actor() as actor:
        _attach(stage, run, [actor])
        await stage.finish()


async def creates(stage: Stage, run: Run, *, per_minute: float, timeout: float) -> None:
    """Start creates at Poisson times, and wait for each."""
    async with stage.actor() as actor:
        stage.ready()
        for number, at in enumerate(_poisson(stage.chance, per_minute, run.n)):
            stage.spawn(_create(stage, actor, f"web-{number}", at, timeout))
        await stage.finish()


async def updates(stage: Stage, run: Run) -> None:
    """Run C: every update sends a GET and a PATCH, so that 80 are started a minute."""
    ids = [stage.world.add_instance(now=EPOCH).id for _ in range(run.n)]
    async with stage.actor() as actor:
        stage.ready()
        for id, at in zip(ids, _poisson(stage.chance, 80, run.n), strict=True):
            stage.spawn(_scale(stage, actor, id, at))
        await stage.finish()


async def deletes(stage: Stage, run: Run) -> None:
    """Run D: delete every other instance of the account, in random order."""
    ids = [stage.world.add_instance(now=EPOCH).id for _ in range(2 * run.n)][::2]
    stage.chance.shuffle(ids)
    async with stage.actor() as actor:
        stage.ready()
        for id, at in zip(ids, _poisson(stage.chance, 120, run.n), strict=True):
            stage.spawn(_delete(stage, actor, id, at))
        await stage.finish()


async def shared(stage: Stage, run: Run) -> None:
    """Run F: two clients with half of the waits and a budget each, and another client."""
    over = asyncio.Event()
    background = asyncio.create_task(_other_client(stage, over))
    async with stage.actor() as one, stage.actor() as other:
        _attach(stage, run, [one, other])
        await stage.finish()
    over.set()
    await background


async def processes(stage: Stage, run: Run, *, count: int) -> None:
    """Run P: clients that share the waits, each with a budget, and all start together."""
    async with AsyncExitStack() as stack:
        actors = [await stack.enter_async_context(stage.actor()) for _ in range(count)]
        _attach(stage, run, actors)
        await stage.finish()


def _attach(stage: Stage, run: Run, actors: list[Actor]) -> None:
    """Add what another process has begun, and wait for it, alternating between clients."""
    placed = [
        stage.world.add_instance(now=EPOCH, status="provisioning", settles_in=lasts)
        for lasts in durations(run, stage.seed)
    ]
    turns = list(zip(itertools.cycle(actors), placed))
    handles = [(actor, attach(actor.client, instance.id)) for actor, instance in turns]
    stage.ready()
    for actor, change in handles:
        stage.spawn(stage.follow(actor, change, LONG_S))


async def _create(stage: Stage, actor: Actor, name: str, at: float, timeout: float) -> None:
    await asyncio.sleep(at)
    create = actor.client.dedicated_inferences.create
    await stage.write_and_follow(actor, lambda: create(_spec(name)), timeout)


async def _scale(stage: Stage, actor: Actor, id: str, at: float) -> None:
    await asyncio.sleep(at)
    scale = actor.client.dedicated_inferences.scale
    await stage.write_and_follow(actor, lambda: scale(id, 2), LONG_S)


async def _delete(stage: Stage, actor: Actor, id: str, at: float) -> None:
    await asyncio.sleep(at)
    delete = actor.client.dedicated_inferences.delete
    await stage.write_and_follow(actor, lambda: delete(id), LONG_S)


async def _storms(stage: Stage) -> None:
    """Answer 429 to all: half a minute with a `retry-after`, and two storms without one."""
    for at, window, lasts in ((700, "minute", 30), (1100, "hour", 120)):
        await asyncio.sleep(at - asyncio.get_running_loop().time())
        stage.world.fault("rate_limit", window=window, times=None, seconds=lasts)


async def _other_client(stage: Stage, over: asyncio.Event) -> None:
    """Send 30 % of the hour's quota evenly, as a client that does not wait."""
    loop, world = asyncio.get_running_loop(), stage.world
    while not over.is_set():
        stage.harness_cpu.start()
        if foreign_read(world, loop.time()):
            stage.foreign_at.append(loop.time())
        stage.harness_cpu.stop()
        await asyncio.sleep(STRANGE_PAUSE_S * stage.chance.uniform(0.5, 1.5))


def _spec(name: str) -> DedicatedInferenceSpec:
    return DedicatedInferenceSpec.of(
        name,
        region="atl1",
        model_slug="mistral/mistral-7b-instruct-v3",
        accelerator_slug="gpu-mi300x1-192gb",
    )


def _poisson(chance: random.Random, per_minute: float, n: int) -> Iterator[float]:
    at = 0.0
    for _ in range(n):
        at += chance.expovariate(per_minute / 60.0)
        yield at


async def _b(stage: Stage, run: Run) -> None:
    await creates(stage, run, per_minute=40, timeout=LONG_S)


async def _c2(stage: Stage, run: Run) -> None:
    await creates(stage, run, per_minute=60, timeout=LONG_S)


async def _e(stage: Stage, run: Run) -> None:
    stage.spawn(_storms(stage))
    await creates(stage, run, per_minute=60, timeout=CHAOS_TIMEOUT_S)


SCENARIOS: dict[str, Scenario] = {
    "A": burst,
    "B": _b,
    "C": updates,
    "C2": _c2,
    "D": deletes,
    "E": _e,
    "F": shared,
    "G": burst,
    "P2": partial(processes, count=2),
    "P4": partial(processes, count=4),
}
