"""A zone to ask."""

import pytest

from .helpers import Zone, a_zone


@pytest.fixture
def zone() -> Zone:
    """A zone with fixed durations: create 600 s, update 300 s, delete 60 s."""
    return a_zone()
