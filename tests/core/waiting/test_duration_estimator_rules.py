"""When a distribution is fitted again, and when it is refuted: the bounds, at their edges."""

import math

import pytest

from di_async.core.waiting.durations import (
    DurationDistribution,
    DurationEstimator,
    _odds_of_at_least,
)
from di_async.engine.waiting.duration_model import DurationModel

KIND = ("create", "atl1", "gpu")
EARLY = 1e-3
"""Far too early for any of these to settle: it adds nothing to what is expected."""


def learned(count: int = 500) -> DurationModel:
    """Return a model that knows this many durations of around 759 s."""
    model, shape = DurationModel(), DurationDistribution(math.log(759), 0.28)
    for number in range(count):
        model.learn(KIND, shape.quantile((number + 0.5) / count))
    return model


def pending(
    estimator: DurationEstimator, expected: float
) -> dict[tuple[str, str, str], dict[float, float]]:
    """Return pending changes of which so many should have settled."""
    believed = estimator.distribution(KIND)
    assert believed is not None
    return {KIND: {900.0: expected / believed.cumulative_hazard(900.0)}}


@pytest.mark.parametrize(("expected", "refuted"), [(49.5, False), (50.5, True)])
def test_fifty_missing_settles_refute(expected: float, refuted: bool) -> None:
    """None settled though fifty should have."""
    estimator = DurationEstimator(learned())
    assert estimator.review(pending(estimator, expected)) is refuted
    assert (estimator.distribution(KIND) is None) is refuted


@pytest.mark.parametrize(("expected", "refuted"), [(78.0, False), (82.0, True)])
def test_a_quarter_of_the_expected_settles_is_enough(expected: float, refuted: bool) -> None:
    """Twenty of eighty."""
    estimator = DurationEstimator(learned())
    estimator.distribution(KIND)
    for _ in range(20):
        estimator.record(KIND, EARLY)
    assert estimator.review(pending(estimator, expected)) is refuted


@pytest.mark.parametrize(("more", "again"), [(149, False), (150, True)])
def test_fitted_again_when_a_third_more_is_known(more: int, again: bool) -> None:
    """From 1.3 times as many samples on."""
    estimator = DurationEstimator(learned(500))
    before = estimator.distribution(KIND)
    assert before is not None
    for number in range(more):
        estimator.record(KIND, before.quantile((number + 0.5) / more))
    assert estimator.review({KIND: {1.0: 1.0}}) is again
    assert (estimator.distribution(KIND) is not before) is again


def test_believed_kinds() -> None:
    """Only those that have a distribution."""
    estimator = DurationEstimator(learned())
    assert estimator.distribution(("delete", "", "")) is None
    assert estimator.known() == ()
    assert estimator.distribution(KIND) is not None
    assert estimator.known() == (KIND,)


@pytest.mark.parametrize(("seen", "expected"), [(10, 5.0), (30, 10.0), (3, 0.2), (1, 0.1)])
def test_odds_of_a_surplus(seen: int, expected: float) -> None:
    """A close upper bound of the Poisson tail."""
    below = sum(math.exp(-expected) * expected**k / math.factorial(k) for k in range(seen))
    assert 1 - below <= _odds_of_at_least(seen, expected) * (1 + 1e-9) <= 1.06 * (1 - below)


@pytest.mark.parametrize(
    ("seen", "expected"), [(0, 0.0), (0, 9.0), (1, 1.0), (3, 3.5), (5, 9.0), (1000, 999.0)]
)
def test_no_surplus(seen: int, expected: float) -> None:
    """As many as expected, or hardly more, is no surprise."""
    assert _odds_of_at_least(seen, expected) == 1.0


def test_surplus_of_the_impossible() -> None:
    """One where none was expected."""
    assert _odds_of_at_least(1, 0.0) < 1e-8
