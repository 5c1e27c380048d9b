"""Tests of what stage and transport record: delays, proofs, and whose CPU it was."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest

from benchmarks.settle.metrics import judge
from benchmarks.settle.ours import run_ours
from benchmarks.settle.runs import Run
from benchmarks.settle.stage import Actor, Stage
from benchmarks.settle.virtual import EPOCH, run_virtual
from benchmarks.settle.worlds import BASE, build_world
from di_async import Change, PollPolicy
from di_async.core.http import Request
from di_async.emulator import World

SETTLES_S = 100.0
Wait = Callable[[Actor, str], Coroutine[Any, Any, None]]


class ScriptedChange:
    """A change whose wait behaves as a test defines it."""

    def __init__(self, actor: Actor, id: str, wait: Wait) -> None:
        self.id, self._actor, self._wait = id, actor, wait

    async def wait(self, *, timeout: float) -> None:
        await self._wait(self._actor, self.id)


async def read(actor: Actor, path: str, **params: str) -> None:
    """Send one request as a client would."""
    token = {"Authorization": f"Bearer {cast('World', actor.transport.world).token}"}
    await actor.transport.send(
        Request("GET", path, tuple(params.items())), token, cast("Any", None)
    )


def followed(wait: Wait) -> Any:
    """Return the record of a single wait for an instance that settles at second 100."""
    run = Run("A", 1)
    stage = Stage(build_world(run, 0), 0, PollPolicy())

    async def play() -> None:
        id = stage.world.add_instance(now=EPOCH, status="provisioning", settles_in=SETTLES_S).id
        async with stage.actor() as actor:
            change = cast("Change[Any]", ScriptedChange(actor, id, wait))
            await stage.follow(actor, change, 3600)

    run_virtual(play)
    stage.complete()
    return stage.waits[0]


def test_delay_of_ten_seconds() -> None:
    """A wait that is ten seconds late measures ten seconds and a round trip."""

    async def wait(actor: Actor, id: str) -> None:
        await asyncio.sleep(SETTLES_S)
        await read(actor, f"{BASE}/{id}")
        await asyncio.sleep(10)

    record = followed(wait)
    assert SETTLES_S <= record.proof_at <= SETTLES_S + 0.1
    assert 10.05 <= record.returned_at - record.ends_at <= 10.15


def test_page_is_a_read_of_its_instances() -> None:
    """A read of a page counts when the world handled it: too early is a false success."""

    async def wait(actor: Actor, id: str) -> None:
        await asyncio.sleep(SETTLES_S - 0.06)
        await read(actor, BASE, page="1", per_page="200")

    record = followed(wait)
    assert record.proof_at < record.ends_at == SETTLES_S <= record.returned_at
    assert judge(record).kind == "false"


def test_read_of_another_instance_is_no_proof() -> None:
    """A read of another instance proves nothing."""

    async def wait(actor: Actor, id: str) -> None:
        await asyncio.sleep(200)
        await read(actor, f"{BASE}/sizes")

    assert followed(wait).proof_at is None


@pytest.mark.exhaustive
def test_equal_seeds_give_equal_figures() -> None:
    """Runs with equal seeds have equal figures, except costs."""
    costs = {"cpu_s", "json_s", "send_s", "world_s", "rss_kb", "wall_s"}
    one, other = (run_ours(Run("A", 20), 3) for _ in range(2))
    assert {k: v for k, v in one.items() if k not in costs} == {
        k: v for k, v in other.items() if k not in costs
    }
    assert one["false"] == one["missed"] == one["wrong"] == one["refused"] == 0


@pytest.mark.exhaustive
def test_cpu_of_the_world_is_not_the_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """2 ms of the world's CPU for each request do not change the client's figure."""
    honest = World.handle

    def slow(self: World, *args: Any) -> Any:
        until = time.thread_time() + 0.002
        while time.thread_time() < until:
            pass
        return honest(self, *args)

    monkeypatch.setattr(World, "handle", slow)
    figures = run_ours(Run("A", 5), 0)
    assert figures["world_s"] >= 0.002 * figures["requests"]
    assert figures["cpu_s"] < figures["world_s"]
