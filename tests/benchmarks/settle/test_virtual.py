"""Tests of the virtual loop: exact time, and errors where a real loop would hang."""

import asyncio
import random
import time

import pytest

from benchmarks.settle import virtual
from benchmarks.settle.virtual import EPOCH, run_virtual


def test_hour_passes_immediately() -> None:
    """An hour of virtual time takes hardly any real time."""

    async def main() -> float:
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    began = time.perf_counter()
    assert run_virtual(main) == 3600.0
    assert time.perf_counter() - began < 60


def test_timers_fire_exactly() -> None:
    """Ten thousand timers fire in order, each exactly at its time."""
    chance = random.Random(0)
    due = [chance.uniform(0, 7200) for _ in range(10_000)]
    fired: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for at in due:
            loop.call_at(at, lambda: fired.append(loop.time()))
        await asyncio.sleep(7200)

    run_virtual(main)
    assert fired == sorted(due)


def test_more_than_a_day() -> None:
    """A sleep longer than asyncio's longest wait ends at its time."""

    async def main() -> float:
        await asyncio.sleep(200_000)
        return asyncio.get_running_loop().time()

    assert run_virtual(main) == 200_000.0


def test_wall_clock_follows_the_loop() -> None:
    """`time.time()` starts at the epoch and follows the loop, for the run only."""

    async def main() -> tuple[float, float]:
        first = time.time()
        await asyncio.sleep(60)
        return first, time.time()

    assert run_virtual(main) == (EPOCH, EPOCH + 60)
    assert time.time() != EPOCH + 60


def test_wait_that_cannot_end_is_an_error() -> None:
    """A wait that cannot end raises an error instead of hanging."""

    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="hang for ever"):
        run_virtual(main)


def test_spinning_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that never lets time pass raises an error."""
    monkeypatch.setattr(virtual, "_SPINNING", 1000)

    async def main() -> None:
        while True:  # noqa: ASYNC110 - the mistake under test
            await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="time stands still"):
        run_virtual(main)
