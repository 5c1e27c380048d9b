"""Tests of the lower bounds: closed forms compared with counting."""

import itertools
import math
import random

import pytest

from benchmarks.settle.floors import clairvoyant_pages, keller_mean
from benchmarks.settle.worlds import MEDIAN_S, SIGMA


def test_kellers_bound_is_the_integral() -> None:
    """Keller's bound equals (integral of sqrt f)^2 / (2 K), integrated numerically."""
    step, mu = 0.1, math.log(MEDIAN_S)

    def density(t: float) -> float:
        z = (math.log(t) - mu) / SIGMA
        return math.exp(-z * z / 2) / (t * SIGMA * math.sqrt(2 * math.pi))

    root = sum(math.sqrt(density(n * step)) * step for n in range(1, 60_000))
    assert keller_mean(80) == pytest.approx(root**2 / 160, rel=1e-3)


def test_twice_the_polls_halve_the_bound() -> None:
    """The bound is inversely proportional to the number of polls."""
    assert keller_mean(160) == pytest.approx(keller_mean(80) / 2)


def test_clairvoyant_pages_are_optimal() -> None:
    """Clairvoyant pages equal the best of all choices of poll times."""
    chance = random.Random(1)
    for polls in (1, 2, 3, 5):
        settles = sorted(chance.uniform(0, 100) for _ in range(7))
        tried = (
            sum(min(at for at in (*some, settles[-1]) if at >= s) - s for s in settles)
            for some in itertools.combinations(settles[:-1], polls - 1)
        )
        assert sum(clairvoyant_pages([settles], polls)) == pytest.approx(min(tried))


def test_one_poll_per_settle_has_no_delay() -> None:
    """As many polls as settles have no delay; with one, all wait for the last."""
    assert clairvoyant_pages([[1.0, 2.0, 3.0]], 3) == [0, 0, 0]
    assert sorted(clairvoyant_pages([[1.0, 2.0, 3.0]], 1)) == [0, 1, 2]
