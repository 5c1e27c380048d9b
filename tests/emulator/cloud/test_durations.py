"""Durations of writes."""

import math
import random
import statistics

import pytest

from di_async.emulator import Fixed, Lifecycle, LogNormal

RNG = random.Random(0)


def test_fixed_duration_is_always_the_same() -> None:
    """A fixed duration has no randomness."""
    assert Fixed(3.0).draw(RNG) == 3.0


def test_log_normal_has_its_median_and_spread() -> None:
    """Half the draws are below the median, and their logarithms have the given sigma."""
    rng = random.Random(1)
    draws = [LogNormal(759.0, 0.2785).draw(rng) for _ in range(4000)]
    assert statistics.median(draws) == pytest.approx(759.0, rel=0.03)
    assert statistics.stdev(map(math.log, draws)) == pytest.approx(0.2785, rel=0.05)


def test_plain_numbers_are_fixed_durations() -> None:
    """A lifecycle accepts seconds in place of a distribution."""
    assert Lifecycle(create=10).create == Fixed(10.0)


def test_default_create_duration_has_the_benchmark_percentiles() -> None:
    """By default 5 % of creates settle within 8 minutes and 95 % within 20."""
    rng = random.Random(2)
    draws = sorted(Lifecycle().create.draw(rng) / 60 for _ in range(4000))
    assert draws[200] == pytest.approx(8, rel=0.05)
    assert draws[3800] == pytest.approx(20, rel=0.05)


@pytest.mark.parametrize("law", [lambda: Fixed(-1.0), lambda: LogNormal(0.0)])
def test_invalid_duration_is_rejected(law: object) -> None:
    """A duration below zero is an error."""
    with pytest.raises(ValueError, match="must be"):
        law()  # type: ignore[operator]
