"""A Gcore project with fixed durations."""

from collections.abc import Callable
from typing import Any

import pytest

from di_async.emulator import World

from .helpers import LIFECYCLE, ApiClient


@pytest.fixture
def make_api() -> Callable[..., ApiClient]:
    """Return a function that creates a client: create 1000 s, update 500 s, delete 100 s."""

    def make(dialect: Any = "documented", **options: Any) -> ApiClient:
        return ApiClient(World(dialect, **{"lifecycle": LIFECYCLE, **options}))

    return make


@pytest.fixture(params=["documented", "observed"])
def api(request: pytest.FixtureRequest, make_api: Callable[..., ApiClient]) -> ApiClient:
    """Return a client for each dialect."""
    return make_api(request.param)
