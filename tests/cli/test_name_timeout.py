"""Tests of `create --name-timeout`."""

import pytest

from di_async.emulator import Emulator, Lifecycle, Options
from tests.cli.clouds import ProviderCLI
from tests.cli.helpers import Di
from tests.support import SteppingClock


@pytest.fixture
def di_emulator_options() -> Options:
    """Keep names taken for eighty emulated seconds, which are eight requests."""
    lifecycle = Lifecycle(create=20, delete=20, name_lag=80)
    return {"time_scale": 100.0, "clock": SteppingClock(0.1).read, "lifecycle": lifecycle}


@pytest.mark.parametrize("provider", ["digitalocean", "gcore"])
def test_create_waits_for_a_name(provider: str, di: Di, di_emulator: Emulator) -> None:
    """A name that is still taken is refused, or waited for with the option."""
    cloud = ProviderCLI(di, di_emulator, provider)
    cloud.place("first")
    assert cloud("delete", "first", "--force").code == 0
    refused = cloud.create("first")
    assert (refused.code, "409" in refused.err) == (1, True), refused.err
    made = cloud.create("first", "--name-timeout", "60", "-o", "json")
    assert (made.code, made.json["outcome"]) == (0, "settled"), made.err
