"""The virtual loop keeps time exactly, and fails where a real one would hang."""

import asyncio
import random
import time

import pytest

from benchmarks.settle import virtual
from benchmarks.settle.virtual import EPOCH, run_virtual


def test_an_hour_passes_at_once() -> None:
    """A sleep takes its virtual seconds and hardly any real ones."""

    async def main() -> float:
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    began = time.perf_counter()
    assert run_virtual(main) == 3600.0
    assert time.perf_counter() - began < 60


def test_every_timer_fires_at_its_very_moment() -> None:
    """Ten thousand timers: each at its own time, to the last bit, in order."""
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
    """A sleep longer than asyncio's longest step ends when it should."""

    async def main() -> float:
        await asyncio.sleep(200_000)
        return asyncio.get_running_loop().time()

    assert run_virtual(main) == 200_000.0


def test_the_wall_clock_goes_along() -> None:
    """`time.time()` starts at the epoch and moves with the loop, for the run alone."""

    async def main() -> tuple[float, float]:
        first = time.time()
        await asyncio.sleep(60)
        return first, time.time()

    assert run_virtual(main) == (EPOCH, EPOCH + 60)
    assert time.time() != EPOCH + 60


def test_waiting_for_nothing_is_an_error() -> None:
    """A wait that nothing can end is told, not sat out."""

    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="hang for ever"):
        run_virtual(main)


def test_spinning_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that never lets time pass is told."""
    monkeypatch.setattr(virtual, "_SPINNING", 1000)

    async def main() -> None:
        while True:  # noqa: ASYNC110 - it is the very mistake
            await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="time stands still"):
        run_virtual(main)
