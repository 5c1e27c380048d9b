"""Worlds in both dialects, and the same over sockets."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from di_async.emulator import Emulator, Lifecycle, World, running

from .helpers import Desk

LIFECYCLE = Lifecycle(create=600, update=300, delete=60)


@pytest.fixture
def make_desk() -> Callable[..., Desk]:
    """Makes a desk over a world with fixed durations: create 600 s, update 300 s, delete 60 s."""

    def make(dialect: Any = "documented", **options: Any) -> Desk:
        return Desk(World(dialect, **{"lifecycle": LIFECYCLE, "rate_limits": False, **options}))

    return make


@pytest.fixture(params=["documented", "observed"])
def desk(request: pytest.FixtureRequest, make_desk: Callable[..., Desk]) -> Desk:
    """A desk, once a dialect, without refusals by rate."""
    return make_desk(request.param)


@pytest.fixture
async def emu() -> AsyncIterator[Emulator]:
    """An emulator over sockets, fast."""
    lifecycle = Lifecycle(create=10, update=5, delete=3)
    async with running(seed=0, time_scale=1000, lifecycle=lifecycle) as emulator:
        yield emulator
