"""Worlds in both dialects, and an emulator over sockets."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from di_async.emulator import Emulator, Lifecycle, World, running

from .helpers import ApiClient

LIFECYCLE = Lifecycle(create=600, update=300, delete=60)


@pytest.fixture
def make_api() -> Callable[..., ApiClient]:
    """Return a function that creates a client: create 600 s, update 300 s, delete 60 s."""

    def make(dialect: Any = "documented", **options: Any) -> ApiClient:
        return ApiClient(
            World(dialect, **{"lifecycle": LIFECYCLE, "rate_limits": False, **options})
        )

    return make


@pytest.fixture(params=["documented", "observed"])
def api(request: pytest.FixtureRequest, make_api: Callable[..., ApiClient]) -> ApiClient:
    """Return a client for each dialect, without rate limits."""
    return make_api(request.param)


@pytest.fixture
async def emu() -> AsyncIterator[Emulator]:
    """Run a fast emulator over sockets."""
    lifecycle = Lifecycle(create=10, update=5, delete=3)
    async with running(seed=0, time_scale=1000, lifecycle=lifecycle) as emulator:
        yield emulator
