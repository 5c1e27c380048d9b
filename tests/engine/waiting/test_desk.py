"""What is awaited of one kind, as the laws of durations are told of it."""

import asyncio
import math
from types import SimpleNamespace
from typing import Any

import pytest

from di_async import PollPolicy
from di_async.core.waiting.items import Shown
from di_async.core.waiting.laws import Laws
from di_async.core.waiting.resume_token import ResourceRef
from di_async.engine.clock import Clock
from di_async.engine.waiting.desk import Desk, Watch
from tests.engine.support import Fleet, active_at

pytestmark = pytest.mark.looptime

KIND = ("create", "atl1", "gpu")


async def desk_of(count: int) -> Desk:
    """So many are pending; a second lies between the starts of two, and all were seen just now."""
    clock = Clock(asyncio.get_running_loop())
    source: Any = SimpleNamespace(regional=False, list_page=None)
    desk = Desk(source, PollPolicy(), Laws(), clock)
    for n in range(count):
        stage = ResourceRef("thing", f"id-{n}")
        desk.planner.add(
            Watch(id=stage.id, stage=stage, started_at=-n, kind=KIND, unsettled_at=0.0)
        )
    return desk


@pytest.mark.parametrize("count", [1, 5000])
async def test_pending_are_told_by_age(count: int) -> None:
    """How many, and how old, in bins of ten seconds; a sample would let small kinds come and go."""
    told = (await desk_of(count)).pending()[KIND]
    assert sum(told.values()) == count
    mean = sum(age * many for age, many in told.items()) / count
    assert mean == pytest.approx((count - 1) / 2, abs=5)


@pytest.mark.parametrize(("shown_at", "bin"), [(-math.inf, 5.0), (-5.0, 5.0), (25.0, 25.0)])
async def test_age_of_one_whose_page_speaks_for_it(shown_at: float, bin: float) -> None:
    """The last look counts, its own or its page's, if the page has been read since at all."""
    desk = await desk_of(1)
    for watch in desk.planner:
        watch.sit(Shown(at=shown_at))
    assert desk.pending() == {KIND: {bin: 1.0}}


async def test_those_who_left_long_ago_are_forgotten() -> None:
    """How long ago each was looked at is kept while it matters, not for ever."""
    fleet = Fleet(active_at(1e9))
    desk = fleet.poller._desk(fleet.source)  # noqa: SLF001
    for crowd in range(4):
        waits = [asyncio.create_task(fleet.change(f"{crowd}-{n}").wait()) for n in range(600)]
        await asyncio.sleep(10)
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
    assert len(desk._looked_at) <= 2000  # noqa: SLF001
