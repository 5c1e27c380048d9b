"""A zone of the emulated Exoscale."""

import pytest

from .helpers import ZoneClient, a_zone


@pytest.fixture
def zone() -> ZoneClient:
    """Return a client of a zone: create 600 s, update 300 s, delete 60 s."""
    return a_zone()
