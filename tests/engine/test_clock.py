"""Tests of the clock: loop time, and wall-clock time derived from it."""

import asyncio
import time
from datetime import UTC

import pytest

from di_async.engine.clock import Clock
from tests.support import VIRTUAL


@VIRTUAL
async def test_wall_time_follows_the_loop() -> None:
    """An hour of a virtual loop is an hour of wall-clock time."""
    clock = Clock(asyncio.get_running_loop())
    began, wall, date = clock.now(), clock.wall(), clock.datetime()
    await asyncio.sleep(3600)
    assert clock.now() - began == pytest.approx(3600)
    assert clock.wall() - wall == pytest.approx(3600)
    assert (clock.datetime() - date).total_seconds() == pytest.approx(3600)


async def test_wall_time_starts_at_the_machine_time() -> None:
    """Wall-clock time starts at the machine's time, as an aware datetime in UTC."""
    clock = Clock(asyncio.get_running_loop())
    assert abs(clock.wall() - time.time()) < 1
    assert clock.datetime().tzinfo is UTC


async def test_loop_and_wall_times_convert_both_ways() -> None:
    """Converting loop time to wall-clock time and back returns the same time."""
    clock = Clock(asyncio.get_running_loop())
    assert clock.loop_at(clock.wall_at(123.0)) == pytest.approx(123.0, abs=1e-3)


async def test_wall_time_follows_steps_of_the_machine_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The machine's clock is read at each use, so a suspend or a correction counts at once."""
    clock, real = Clock(asyncio.get_running_loop()), time.time
    began = clock.wall()
    monkeypatch.setattr(time, "time", lambda: real() + 1200)
    assert clock.wall() - began == pytest.approx(1200, abs=1)
    assert clock.loop_at(clock.wall_at(123.0)) == pytest.approx(123.0, abs=1e-3)


@VIRTUAL
async def test_steady_time_follows_the_loop_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steady time advances with the loop, and not when the machine's clock is set."""
    clock, real = Clock(asyncio.get_running_loop()), time.time
    assert clock.steady() == pytest.approx(time.monotonic(), abs=1)
    began = clock.steady()
    monkeypatch.setattr(time, "time", lambda: real() + 1200)
    await asyncio.sleep(60)
    assert clock.steady() - began == pytest.approx(60)
