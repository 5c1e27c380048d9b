"""Durations of writes."""

import math
import random
import statistics
from typing import Any

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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"create": "60"}, "create: expected seconds, or a distribution"),
        ({"delete": (5, 10)}, "delete: expected seconds, or a distribution"),
        ({"ready_lag": -1}, "ready_lag: expected seconds, 0 or more, not -1"),
        ({"name_lag": None}, "name_lag: expected seconds"),
        ({"wake_lag": float("nan")}, "wake_lag: expected seconds"),
        ({"new_share": 2}, "new_share: expected a number from 0 to 1"),
        ({"operation_share": -0.1}, "operation_share: expected a number from 0 to 1"),
    ],
)
def test_values_of_a_lifecycle(options: dict[str, Any], message: str) -> None:
    """A wrong one is refused where it is written, and not as a 500 of the emulator."""
    with pytest.raises(ValueError, match=message):
        Lifecycle(**options)
