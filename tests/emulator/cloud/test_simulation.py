"""Simulated time and seeded randomness."""

import pytest

from di_async.emulator.cloud.simulation import Simulation


def test_time_never_runs_backwards() -> None:
    """Calls out of order leave the latest time in place."""
    simulation = Simulation(0, 1.0)
    assert [
        simulation.advance_to(10.0),
        simulation.advance_to(5.0),
        simulation.advance_to(None),
    ] == [10.0, 10.0, 10.0]


def test_default_time_is_that_of_the_vendors_samples() -> None:
    """Without a time, it is the time of the vendor's samples."""
    assert Simulation(0, 1.0).advance_to(None) == 1704833072.0


def test_scaled_time_converts_to_real_time() -> None:
    """A thousand world seconds at scale 100 are ten real seconds."""
    simulation = Simulation(0, 100.0)
    simulation.advance_to(5000.0)
    assert simulation.real_time(6000.0) == 5010.0


def test_timestamps_of_one_resource_always_increase() -> None:
    """Two changes within one real second have different timestamps."""
    simulation = Simulation(0, 1000.0)
    simulation.advance_to(5000.0)
    assert simulation.timestamp(5100.0) == 5000
    assert simulation.timestamp(5100.0, after=5000) == 5001


def test_equal_seeds_return_equal_ids() -> None:
    """Ids repeat with the seed and differ with another one."""
    assert Simulation(1, 1.0).new_uuid() == Simulation(1, 1.0).new_uuid()
    assert Simulation(1, 1.0).new_uuid() != Simulation(2, 1.0).new_uuid()


def test_time_scale_of_zero_is_rejected() -> None:
    """With a time scale of 0 nothing would settle."""
    with pytest.raises(ValueError, match="time_scale"):
        Simulation(0, 0.0)
