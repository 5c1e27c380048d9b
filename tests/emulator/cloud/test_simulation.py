"""Time and chance."""

import pytest

from di_async.emulator.cloud.simulation import Simulation


def test_time_never_runs_backwards() -> None:
    """Of calls out of order the latest moment stands."""
    simulation = Simulation(0, 1.0)
    assert [
        simulation.advance_to(10.0),
        simulation.advance_to(5.0),
        simulation.advance_to(None),
    ] == [10.0, 10.0, 10.0]


def test_world_without_a_moment_starts_at_the_vendors_sample() -> None:
    """Nobody having said when it is, it is the moment of the vendor's samples."""
    assert Simulation(0, 1.0).advance_to(None) == 1704833072.0


def test_scaled_time_is_told_as_an_unscaled_clock_would() -> None:
    """A thousand world seconds at scale 100 are ten seconds on the client's clock."""
    simulation = Simulation(0, 100.0)
    simulation.advance_to(5000.0)
    assert simulation.real_time(6000.0) == 5010.0


def test_stamps_of_one_thing_always_move_on() -> None:
    """Two changes within one told second still have different stamps."""
    simulation = Simulation(0, 1000.0)
    simulation.advance_to(5000.0)
    assert simulation.timestamp(5100.0) == 5000
    assert simulation.timestamp(5100.0, after=5000) == 5001


def test_equal_seeds_give_equal_chance() -> None:
    """Ids repeat with the seed and differ without it."""
    assert Simulation(1, 1.0).new_uuid() == Simulation(1, 1.0).new_uuid()
    assert Simulation(1, 1.0).new_uuid() != Simulation(2, 1.0).new_uuid()


def test_time_scale_of_zero_is_refused() -> None:
    """A world that stands still would never settle anything."""
    with pytest.raises(ValueError, match="time_scale"):
        Simulation(0, 0.0)
