"""Tests of which distribution is used for planning: learned, used, dropped when contradicted."""

import math
import random
from collections.abc import Iterator

import pytest

from di_async.core.waiting.durations import MIN_SAMPLES, DurationDistribution, DurationEstimator
from di_async.engine.waiting.duration_model import DurationModel

KIND = ("create", "atl1", "gpu")
MU, SIGMA = math.log(759), 0.2785


def model(stretch: float = 1.0, count: int = 500) -> DurationModel:
    """Return yesterday's model, with durations scaled by `stretch`."""
    taught, chance = DurationModel(), random.Random("another day")
    for _ in range(count):
        taught.learn(KIND, stretch * chance.lognormvariate(MU, SIGMA))
    return taught


def simulate(
    estimator: DurationEstimator, seed: int, count: int = 1000
) -> Iterator[tuple[float, DurationDistribution | None]]:
    """Run this many creates, reviewed every 15 s; yield the time and the distribution in use."""
    chance = random.Random(seed)
    ends = sorted(chance.lognormvariate(MU, SIGMA) for _ in range(count))
    done = 0
    for now in range(15, int(ends[-1]) + 30, 15):
        while done < count and ends[done] <= now:
            estimator.record(KIND, ends[done])
            done += 1
        estimator.review({KIND: {float(now): float(count - done)}} if done < count else {})
        yield float(now), estimator.distribution(KIND)


def test_no_distribution_from_few_durations() -> None:
    """Nineteen durations make no distribution; the twentieth does, at the next review."""
    estimator = DurationEstimator()
    for _ in range(MIN_SAMPLES - 1):
        estimator.record(KIND, 600.0)
    assert not estimator.review({KIND: {10.0: 1.0}})
    estimator.record(KIND, 610.0)
    assert estimator.distribution(KIND) is None
    assert estimator.review({KIND: {10.0: 1.0}})
    assert estimator.distribution(KIND) is not None


def test_loaded_model_is_used_from_the_start() -> None:
    """A loaded model is used from the start."""
    distribution = DurationEstimator(model()).distribution(KIND)
    assert distribution is not None
    assert distribution.mu == pytest.approx(MU, abs=0.03)


def test_loaded_model_that_is_too_small() -> None:
    """A loaded model with too few durations, or of another kind, is not used."""
    assert DurationEstimator(model(count=MIN_SAMPLES - 1)).distribution(KIND) is None
    assert DurationEstimator(model()).distribution(("create", "fra1", "gpu")) is None


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("count", [1000, 10_000])
def test_right_distribution_is_kept(seed: int, count: int) -> None:
    """Durations as expected keep the distribution in use."""
    believed = [used for _, used in simulate(DurationEstimator(model()), seed, count)]
    assert None not in believed


@pytest.mark.parametrize("seed", range(8))
def test_too_long_distribution_is_dropped(seed: int) -> None:
    """A distribution 1.7 times too long is dropped by early settles and learned again."""
    steps = list(simulate(DurationEstimator(model(1.7)), seed))
    dropped = next(now for now, distribution in steps if distribution is None)
    assert dropped <= math.exp(MU - 1.2 * SIGMA)
    distribution = steps[-1][1]
    assert distribution is not None
    assert distribution.mu == pytest.approx(MU, abs=0.1)


@pytest.mark.parametrize("seed", range(8))
def test_too_short_distribution_is_dropped(seed: int) -> None:
    """A distribution 0.6 times as long is dropped before the true median, since nothing settles."""
    steps = list(simulate(DurationEstimator(model(0.6)), seed))
    assert next(now for now, distribution in steps if distribution is None) <= math.exp(MU)
    distribution = steps[-1][1]
    assert distribution is not None
    assert distribution.mu == pytest.approx(MU, abs=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_distribution_learned_from_early_settles(seed: int) -> None:
    """Pending changes count: a distribution learned from early settles is close to the true one."""
    run = simulate(DurationEstimator(), seed)
    early = [used for now, used in run if used and now < math.exp(MU)]
    assert early[-1].mu == pytest.approx(MU, abs=0.2)


def test_distribution_is_fitted_again() -> None:
    """The distribution is fitted again once a third more durations are known."""
    estimator = DurationEstimator(model(count=100))
    first = estimator.distribution(KIND)
    for _ in range(20):
        estimator.record(KIND, 700.0)
    assert not estimator.review({KIND: {700.0: 1.0}})
    for _ in range(11):
        estimator.record(KIND, 700.0)
    assert estimator.review({KIND: {700.0: 1.0}})
    assert estimator.distribution(KIND) != first


def test_too_wide_distribution_is_not_used() -> None:
    """A distribution too wide to plan with is not used."""
    estimator, chance = DurationEstimator(), random.Random(1)
    for _ in range(200):
        estimator.record(KIND, chance.lognormvariate(5, 1.6))
    estimator.review({KIND: {1.0: 1.0}})
    assert estimator.distribution(KIND) is None


def test_durations_are_recorded_in_the_callers_model() -> None:
    """New durations are recorded in the caller's model."""
    loaded = DurationModel()
    DurationEstimator(loaded).record(KIND, 600.0)
    assert loaded.count(KIND) == 1


def test_kinds_are_independent() -> None:
    """A refuted distribution of one region leaves the others in use."""
    loaded, other = model(0.3), ("create", "fra1", "gpu")
    for _ in range(100):
        loaded.learn(other, 600.0)
    estimator = DurationEstimator(loaded)
    assert estimator.distribution(other) is not None
    assert estimator.review({KIND: {700.0: 500.0}, other: {10.0: 500.0}})
    assert estimator.distribution(KIND) is None
    assert estimator.distribution(other) is not None
