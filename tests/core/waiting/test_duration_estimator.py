"""Which distribution is planned with: learned, used, dropped when contradicted."""

import math
import random
from collections.abc import Iterator

import pytest

from di_async.core.waiting.durations import MIN_SAMPLES, DurationDistribution, DurationEstimator
from di_async.engine.waiting.duration_model import DurationModel

KIND = ("create", "atl1", "gpu")
MU, SIGMA = math.log(759), 0.2785


def model(stretch: float = 1.0, count: int = 500) -> DurationModel:
    """What another day taught, this many times too long."""
    taught, chance = DurationModel(), random.Random("another day")
    for _ in range(count):
        taught.learn(KIND, stretch * chance.lognormvariate(MU, SIGMA))
    return taught


def lived(
    laws: DurationEstimator, seed: int, count: int = 1000
) -> Iterator[tuple[float, DurationDistribution | None]]:
    """A day of this many creates started at once, reviewed every 15 s: (time, law believed)."""
    chance = random.Random(seed)
    ends = sorted(chance.lognormvariate(MU, SIGMA) for _ in range(count))
    done = 0
    for now in range(15, int(ends[-1]) + 30, 15):
        while done < count and ends[done] <= now:
            laws.record(KIND, ends[done])
            done += 1
        laws.review({KIND: {float(now): float(count - done)}} if done < count else {})
        yield float(now), laws.distribution(KIND)


def test_nothing_is_believed_before_enough_was_seen() -> None:
    """Nineteen settles make no law; the twentieth does, at the next review."""
    laws = DurationEstimator()
    for _ in range(MIN_SAMPLES - 1):
        laws.record(KIND, 600.0)
    assert not laws.review({KIND: {10.0: 1.0}})
    laws.record(KIND, 610.0)
    assert laws.distribution(KIND) is None
    assert laws.review({KIND: {10.0: 1.0}})
    assert laws.distribution(KIND) is not None


def test_model_given_is_believed_from_the_start() -> None:
    """What was learned yesterday plans today's first second."""
    law = DurationEstimator(model()).distribution(KIND)
    assert law is not None
    assert law.mu == pytest.approx(MU, abs=0.03)


def test_model_given_too_small_is_not_believed() -> None:
    """Nor is a kind that it does not know."""
    assert DurationEstimator(model(count=MIN_SAMPLES - 1)).distribution(KIND) is None
    assert DurationEstimator(model()).distribution(("create", "fra1", "gpu")) is None


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("count", [1000, 10_000])
def test_right_law_is_never_refuted(seed: int, count: int) -> None:
    """A day as expected leaves the law in place all day."""
    believed = [law for _, law in lived(DurationEstimator(model()), seed, count)]
    assert None not in believed


@pytest.mark.parametrize("seed", range(8))
def test_law_that_says_too_late_is_refuted_before_the_rush(seed: int) -> None:
    """1.7 times too long: the first early settles drop it, and what is seen makes the next."""
    days = list(lived(DurationEstimator(model(1.7)), seed))
    dropped = next(now for now, law in days if law is None)
    assert dropped <= math.exp(MU - 1.2 * SIGMA)
    law = days[-1][1]
    assert law is not None
    assert law.mu == pytest.approx(MU, abs=0.1)


@pytest.mark.parametrize("seed", range(8))
def test_law_that_says_too_early_is_refuted(seed: int) -> None:
    """0.6 times as long: that nothing settles drops it before the true median."""
    days = list(lived(DurationEstimator(model(0.6)), seed))
    assert next(now for now, law in days if law is None) <= math.exp(MU)
    law = days[-1][1]
    assert law is not None
    assert law.mu == pytest.approx(MU, abs=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_law_learned_cold_comes_close_before_half_is_over(seed: int) -> None:
    """With those still pending counted, early settles do not look like typical ones."""
    laws = [law for now, law in lived(DurationEstimator(), seed) if law and now < math.exp(MU)]
    assert laws[-1].mu == pytest.approx(MU, abs=0.2)


def test_law_is_fitted_anew_as_more_is_learned() -> None:
    """Not at every settle, but by the time that a third more was seen."""
    laws = DurationEstimator(model(count=100))
    first = laws.distribution(KIND)
    for _ in range(20):
        laws.record(KIND, 700.0)
    assert not laws.review({KIND: {700.0: 1.0}})
    for _ in range(11):
        laws.record(KIND, 700.0)
    assert laws.review({KIND: {700.0: 1.0}})
    assert laws.distribution(KIND) != first


def test_law_as_wide_as_anything_is_none() -> None:
    """Seconds or hours: nothing can be planned by that."""
    laws, chance = DurationEstimator(), random.Random(1)
    for _ in range(200):
        laws.record(KIND, chance.lognormvariate(5, 1.6))
    laws.review({KIND: {1.0: 1.0}})
    assert laws.distribution(KIND) is None


def test_what_is_seen_teaches_the_model_that_was_given() -> None:
    """The caller's model grows, so that saving it keeps today's lessons."""
    given = DurationModel()
    DurationEstimator(given).record(KIND, 600.0)
    assert given.count(KIND) == 1


def test_kinds_are_judged_apart() -> None:
    """A refuted law of one region leaves the other's alone."""
    given, other = model(0.3), ("create", "fra1", "gpu")
    for _ in range(100):
        given.learn(other, 600.0)
    laws = DurationEstimator(given)
    assert laws.distribution(other) is not None
    assert laws.review({KIND: {700.0: 500.0}, other: {10.0: 500.0}})
    assert laws.distribution(KIND) is None
    assert laws.distribution(other) is not None
