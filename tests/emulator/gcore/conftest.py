"""A Gcore project with fixed durations."""

from collections.abc import Callable
from typing import Any

import pytest

from di_async.emulator import World

from .helpers import LIFECYCLE, Desk


@pytest.fixture
def make_desk() -> Callable[..., Desk]:
    """Makes a desk over a world with fixed durations: create 1000 s, update 500 s, delete 100 s."""

    def make(dialect: Any = "documented", **options: Any) -> Desk:
        return Desk(World(dialect, **{"lifecycle": LIFECYCLE, **options}))

    return make


@pytest.fixture(params=["documented", "observed"])
def desk(request: pytest.FixtureRequest, make_desk: Callable[..., Desk]) -> Desk:
    """A desk, once a dialect."""
    return make_desk(request.param)
