"""What the tests of all clouds share."""

import pytest

from di_async.emulator import World
from tests.clouds import support
from tests.fake_network import EmulatorNetwork


@pytest.fixture
def networks(monkeypatch: pytest.MonkeyPatch) -> list[EmulatorNetwork]:
    """Return a list that collects the networks of new clients."""
    made: list[EmulatorNetwork] = []

    def make(world: World) -> EmulatorNetwork:
        made.append(EmulatorNetwork(world))
        return made[-1]

    monkeypatch.setattr(support, "EmulatorNetwork", make)
    return made
