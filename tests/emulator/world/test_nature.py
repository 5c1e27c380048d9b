"""Time and chance."""

import pytest

from di_async.emulator.world.nature import Nature


def test_time_never_runs_backwards() -> None:
    """Of calls out of order the latest moment stands."""
    nature = Nature(0, 1.0)
    assert [nature.see(10.0), nature.see(5.0), nature.see(None)] == [10.0, 10.0, 10.0]


def test_world_without_a_moment_starts_at_the_vendors_sample() -> None:
    """Nobody having said when it is, it is the moment of the vendor's samples."""
    assert Nature(0, 1.0).see(None) == 1704833072.0


def test_scaled_time_is_told_as_an_unscaled_clock_would() -> None:
    """A thousand world seconds at scale 100 are ten seconds on the client's clock."""
    nature = Nature(0, 100.0)
    nature.see(5000.0)
    assert nature.told(6000.0) == 5010.0


def test_stamps_of_one_thing_always_move_on() -> None:
    """Two changes within one told second still have different stamps."""
    nature = Nature(0, 1000.0)
    nature.see(5000.0)
    assert nature.stamp(5100.0) == 5000
    assert nature.stamp(5100.0, after=5000) == 5001


def test_equal_seeds_give_equal_chance() -> None:
    """Ids repeat with the seed and differ without it."""
    assert Nature(1, 1.0).new_uuid() == Nature(1, 1.0).new_uuid()
    assert Nature(1, 1.0).new_uuid() != Nature(2, 1.0).new_uuid()


def test_time_scale_of_zero_is_refused() -> None:
    """A world that stands still would never settle anything."""
    with pytest.raises(ValueError, match="time_scale"):
        Nature(0, 0.0)
