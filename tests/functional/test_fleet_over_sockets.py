"""Test of two thousand waits over sockets: client and emulator in two processes, one fast clock.

Both clocks run 60 times as fast as the system's from one start, so that windows, `retry-after` and
`ratelimit-reset` are in seconds of the client's loop.
"""

import asyncio
import json
import multiprocessing
import selectors
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import pytest
from attrs import frozen

from di_async import DigitalOcean
from di_async.digitalocean import DedicatedInference
from di_async.emulator import Lifecycle, LogNormal, running

SPEED = 60.0
COUNT = 2000


@frozen
class FastClock:
    """Epoch seconds that pass `SPEED` times as fast, with one start in all processes."""

    epoch: float
    start: float

    def __call__(self) -> float:
        """Return the fast time, from CLOCK_MONOTONIC, which all processes share."""
        return self.epoch + (time.monotonic() - self.start) * SPEED


class _FastSelector(selectors.DefaultSelector):
    """A selector whose timeouts are shorter by the clock's speed."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(timeout and timeout / SPEED)


class FastLoop(asyncio.SelectorEventLoop):
    """An event loop on a fast clock, with real sockets."""

    def __init__(self, clock: FastClock) -> None:
        self._fast = clock
        super().__init__(_FastSelector())

    def time(self) -> float:
        return self._fast()


def serve(clock: FastClock, pipe: Connection) -> None:
    """Run the emulator's process: add the instances, and report the truth at the end."""
    asyncio.run(_serve(clock, pipe))


async def _serve(clock: FastClock, pipe: Connection) -> None:
    lifecycle = Lifecycle(create=LogNormal(759, 0.2785))
    async with running(clock=clock, seed=0, lifecycle=lifecycle) as emu:
        ids = [emu.add_instance(status="new").id for _ in range(COUNT)]
        pipe.send((emu.url, emu.token, ids))
        done = await asyncio.to_thread(pipe.recv)
        stats = emu.stats
        settled_at = [emu.truth(id).settled_at for id in done]
        pipe.send((settled_at, stats.refused, stats.max_60s, stats.max_3600s, stats.total))


@contextmanager
def fast_wall(clock: FastClock) -> Iterator[None]:
    """Make `time.time()` return the fast clock's time, as the emulator's headers do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", clock)
        yield


async def settle(url: str, token: str, ids: list[str]) -> dict[str, tuple[str, float]]:
    """Wait for all instances; return status and fast epoch time of each."""

    async def one(id: str) -> tuple[str, float]:
        found: DedicatedInference = await client.dedicated_inferences.wait_until_active(id)
        return found.status, asyncio.get_running_loop().time()

    async with DigitalOcean(token, base_url=url, request_timeout=600) as client:
        found = await asyncio.gather(*(one(id) for id in ids))
    return dict(zip(ids, found, strict=True))


@pytest.fixture
def emulator_process() -> Iterator[tuple[FastClock, Connection]]:
    """Yield the clock of both processes, and a pipe to the emulator's."""
    clock = FastClock(time.time(), time.monotonic())
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(clock, there))
    process.start()
    try:
        yield clock, here
    finally:
        process.terminate()
        process.join()
        here.close()
        there.close()


@pytest.mark.exhaustive
@pytest.mark.timeout(120)
def test_two_thousand_waits_against_another_process(
    emulator_process: tuple[FastClock, Any],
) -> None:
    """All waits settle, none early, without a 429 or an exceeded window, within 90 s."""
    clock, pipe = emulator_process
    url, token, ids = pipe.recv()
    began = time.monotonic()
    with fast_wall(clock), asyncio.Runner(loop_factory=lambda: FastLoop(clock)) as runner:
        found = runner.run(settle(url, token, ids))
    took = time.monotonic() - began
    pipe.send(ids)
    settled_at, refused, in_minute, in_hour, total = pipe.recv()
    lags = sorted(found[id][1] - at for id, at in zip(ids, settled_at, strict=True))
    report = {"took": took, "p50": lags[1000], "p99": lags[1980], "max": lags[-1], "sent": total}
    assert {status for status, _ in found.values()} == {"active"}, json.dumps(report)
    assert lags[0] >= 0, json.dumps(report)
    assert (refused, in_minute <= 250, in_hour <= 5000) == (0, True, True), json.dumps(report)
    assert took < 90, json.dumps(report)
