"""Tests of the duration model: what it learns, from which kind, and how it is stored."""

import json
import math
import random
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from di_async.core.errors import InvalidInputError
from di_async.core.waiting.durations import MIN_SAMPLES, DurationDistribution, DurationEstimator
from di_async.engine.waiting.duration_model import DurationModel

KIND = ("create", "atl1", "gpu")
ALL = settings(max_examples=25, deadline=None)
MUS, SIGMAS = st.floats(2.0, 9.0), st.floats(0.1, 0.9)
AGES = st.floats(0.0, 4e9)
LAW = DurationDistribution(math.log(759), 0.2785)


def drawn(mu: float, sigma: float, count: int) -> list[float]:
    """Return durations of that distribution, always the same ones."""
    chance = random.Random(5)
    return [chance.lognormvariate(mu, sigma) for _ in range(count)]


def learned(samples: list[float]) -> DurationModel:
    """Return a model with these durations."""
    model = DurationModel()
    for seconds in samples:
        model.learn(KIND, seconds)
    return model


@ALL
@given(mu=MUS, sigma=SIGMAS)
def test_fit_of_a_full_sample(mu: float, sigma: float) -> None:
    """A fit of 800 durations recovers the distribution to a tenth of its width."""
    distribution = learned(drawn(mu, sigma, 800)).law(KIND)
    assert distribution is not None
    assert distribution.mu == pytest.approx(mu, abs=0.15 * sigma)
    assert distribution.sigma == pytest.approx(sigma, rel=0.1)


@ALL
@given(mu=MUS, sigma=SIGMAS, share=st.floats(0.15, 0.8))
def test_fit_of_a_censored_sample(mu: float, sigma: float, share: float) -> None:
    """A fit recovers the distribution even if most changes are still pending."""
    now = DurationDistribution(mu, sigma).quantile(share)
    samples = drawn(mu, sigma, 3000)
    done = [seconds for seconds in samples if seconds <= now]
    distribution = learned(done).law(KIND, [(now, float(len(samples) - len(done)))])
    assert distribution is not None
    assert distribution.mu == pytest.approx(mu, abs=0.35 * sigma)
    assert distribution.sigma == pytest.approx(sigma, rel=0.25)


def test_ended_waits_count_as_censored() -> None:
    """A wait that ended before its settle counts as longer than that."""
    model = learned([seconds for seconds in drawn(6, 0.3, 1000) if seconds < 403])
    early = model.law(KIND)
    for _ in range(500):
        model.learn(KIND, 403.0, censored=True)
    late = model.law(KIND)
    assert early is not None
    assert late is not None
    assert early.mu < 5.85 < 5.95 < late.mu < 6.05


def test_distribution_needs_min_samples() -> None:
    """A distribution needs 20 settled durations; censored ones do not count."""
    model = learned([600.0] * (MIN_SAMPLES - 1))
    model.learn(KIND, 50.0, censored=True)
    assert model.law(KIND) is None
    model.learn(KIND, 600.0)
    assert model.law(KIND) is not None


def test_kinds_do_not_mix() -> None:
    """Durations of one region do not affect another."""
    model = learned([600.0] * 30)
    assert (model.count(KIND), model.count(("create", "fra1", "gpu"))) == (30, 0)
    assert model.law(("create", "fra1", "gpu")) is None


def test_equal_durations_make_a_narrow_distribution() -> None:
    """Thirty equal durations make a narrow distribution, not one of width zero."""
    distribution = learned([600.0] * 30).law(KIND, [(590.0, 3.0)])
    assert distribution is not None
    assert 0.05 <= distribution.sigma < 0.2
    assert distribution.mu == pytest.approx(math.log(600), abs=0.05)


@pytest.mark.parametrize("seconds", [0.0, 1e-9, 1e9])
def test_extreme_durations_are_accepted(seconds: float) -> None:
    """Durations of zero and of thirty years do not break a fit."""
    distribution = learned([seconds] * 30).law(KIND, [(0.0, 1.0), (1e-9, 1.0), (1e9, 1.0)])
    assert distribution is not None
    assert math.isfinite(distribution.mu)
    assert 0 < distribution.sigma < math.inf


# --- the distribution --------------------------------------------------------------------------


@given(mu=MUS, sigma=SIGMAS, share=st.floats(0.001, 0.999))
def test_survival_is_the_inverse_of_quantile(mu: float, sigma: float, share: float) -> None:
    """`survival` is the inverse of `quantile`."""
    distribution = DurationDistribution(mu, sigma)
    assert distribution.survival(distribution.quantile(share)) == pytest.approx(1 - share, abs=1e-6)


def test_survival_and_hazard_at_the_extremes() -> None:
    """Survival at age 0 is one, and the hazard of very old changes is finite."""
    assert (LAW.survival(0), LAW.survival(-1), LAW.cumulative_hazard(0)) == (1.0, 1.0, 0.0)
    assert LAW.cumulative_hazard(LAW.quantile(0.5)) == pytest.approx(math.log(2))
    assert LAW.cumulative_hazard(1e9) < 30


def test_relative_density_is_greatest_at_the_mode() -> None:
    """The relative density is one at the mode, lower on both sides and zero at age 0."""
    mode = math.exp(LAW.mu - LAW.sigma**2)
    assert LAW.relative_density(mode) == pytest.approx(1.0)
    assert max(LAW.relative_density(0.8 * mode), LAW.relative_density(1.2 * mode)) < 0.9
    assert LAW.relative_density(0) == 0.0


# --- on disk -----------------------------------------------------------------------------------


def test_loaded_model_equals_the_saved_one(tmp_path: Path) -> None:
    """A loaded model equals the saved one and goes on learning."""
    model = learned(drawn(6, 0.3, 50))
    model.learn(KIND, 500.0, censored=True)
    model.learn(("delete", "", ""), 60.0)
    model.save(tmp_path / "durations.json")
    again = DurationModel.load(tmp_path / "durations.json")
    assert again.law(KIND) == model.law(KIND)
    assert repr(again) == repr(model) == "<DurationModel of 51 settles in 2 kinds>"
    again.learn(KIND, 1.0)
    assert again.count(KIND) == 51


def test_file_is_plain_and_versioned(tmp_path: Path) -> None:
    """The file is plain JSON with a version."""
    learned([600.0]).save(str(tmp_path / "d.json"))
    document = json.loads((tmp_path / "d.json").read_text())
    assert document["version"] == 1
    assert document["kinds"][0]["key"] == list(KIND)


def test_missing_file_is_an_empty_model(tmp_path: Path) -> None:
    """A missing file is an empty model; loading creates no file."""
    model = DurationModel.load(tmp_path / "none.json")
    assert repr(model) == "<DurationModel of 0 settles in 0 kinds>"
    assert list(tmp_path.iterdir()) == []


KIND_V1 = {"key": ["a", "b", "c"], "count": 1, "mean": 1.0, "spread": 0.0, "censored": {}}


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "null",
        '{"version": 2, "kinds": []}',
        '{"kinds": []}',
        '{"version": 1}',
        '{"version": 1, "kinds": 3}',
        '{"version": 1, "kinds": [{"count": 1}]}',
        json.dumps({"version": 1, "kinds": [{**KIND_V1, "key": ["a"]}]}),
        json.dumps({"version": 1, "kinds": [{**KIND_V1, "more": 1}]}),
    ],
)
def test_damaged_or_unknown_file_is_rejected(tmp_path: Path, text: str) -> None:
    """A damaged or unknown file raises a `ValueError` that names it."""
    (tmp_path / "d.json").write_text(text)
    with pytest.raises(InvalidInputError, match=r"d\.json"):
        DurationModel.load(tmp_path / "d.json")


@pytest.mark.parametrize(
    "odd",
    [
        {"count": "many"},
        {"mean": None},
        {"spread": -1.0},
        {"censored": {"x": 1}},
        {"censored": [1]},
        {"count": -3},
    ],
)
def test_file_with_invalid_numbers_is_rejected(tmp_path: Path, odd: dict[str, object]) -> None:
    """A file with invalid numbers is rejected when loaded."""
    (tmp_path / "d.json").write_text(json.dumps({"version": 1, "kinds": [KIND_V1]}))
    assert DurationModel.load(tmp_path / "d.json").count(("a", "b", "c")) == 1
    (tmp_path / "d.json").write_text(json.dumps({"version": 1, "kinds": [KIND_V1 | odd]}))
    with pytest.raises(InvalidInputError):
        DurationModel.load(tmp_path / "d.json")


COUNTS = st.integers(0, 60) | st.integers(0, 2**64 - 1) | st.integers(-2, 10**9)
NUMBERS = st.floats(-7.0, 22.0) | st.floats() | st.integers(-(2**63), 2**64 - 1)
BINS = NUMBERS.map(str) | st.text()
SAMPLES = st.fixed_dictionaries(
    {
        "count": COUNTS,
        "mean": NUMBERS,
        "spread": NUMBERS,
        "censored": st.dictionaries(BINS, COUNTS, max_size=4),
    }
)
LEGAL_SAMPLES = st.fixed_dictionaries(
    {
        "count": st.integers(MIN_SAMPLES, 10**9),
        "mean": st.floats(-7.0, 22.0),
        "spread": st.floats(0.0, 1.0).map(lambda share: share**8 * 1000),
        "censored": st.dictionaries(
            st.floats(-7.0, 22.0).map(str), st.integers(0, 10**9), max_size=4
        ),
    }
)


@given(sample=SAMPLES | LEGAL_SAMPLES, seconds=st.lists(st.floats(), max_size=3), age=AGES)
def test_whatever_is_loaded_gives_finite_times(
    sample: dict[str, Any], seconds: list[float], age: float
) -> None:
    """A stored sample is refused, or all its times are finite and it can be stored again."""
    text = orjson.dumps({"version": 1, "kinds": [{"key": KIND, **sample}]})
    try:
        model = DurationModel.from_json(text, "d.json")
    except InvalidInputError:
        return
    DurationModel.from_json(model.to_json(), "again.json")
    estimator = DurationEstimator(model)
    for one in seconds:
        estimator.record(KIND, one)
    for _ in range(2):
        distribution = estimator.distribution(KIND)
        if distribution is not None:
            assert 0 <= distribution.remaining(age) < math.inf
            assert 0 <= distribution.relative_density(age) < math.inf
            assert 0 <= distribution.cumulative_hazard(age) < math.inf
            assert 0 < distribution.quantile(0.001) < distribution.quantile(0.999) < math.inf
        estimator.review({KIND: {age: 3.0}})


@given(seconds=st.lists(st.tuples(st.floats(), st.booleans())))
def test_whatever_is_learned_can_be_loaded(seconds: list[tuple[float, bool]]) -> None:
    """No duration, however odd, makes a file that is refused."""
    model = DurationModel()
    for one, censored in seconds:
        model.learn(KIND, one, censored=censored)
    assert DurationModel.from_json(model.to_json(), "d.json").to_json() == model.to_json()


def test_absurd_durations_are_bounded() -> None:
    """Durations count as at least a millisecond and at most a hundred years."""
    below, longest, absurd = (learned([one]).to_json() for one in (3.2e9 - 0.5, 3.2e9, math.inf))
    assert below != longest == absurd
    negative, shortest, above = (learned([one]).to_json() for one in (-1.0, 1e-3, 1.1e-3))
    assert negative == shortest != above


# --- the time that is left -----------------------------------------------------------------------


@ALL
@given(mu=MUS, sigma=SIGMAS, share=st.floats(0.0, 0.999))
def test_remaining_time_is_the_conditional_median(mu: float, sigma: float, share: float) -> None:
    """Of those that reach an age, half take longer than that age and the remaining time."""
    law = DurationDistribution(mu, sigma)
    age = law.quantile(share) if share else 0.0
    later = law.survival(age + law.remaining(age))
    assert later == pytest.approx(law.survival(age) / 2, rel=1e-4)


@ALL
@given(mu=MUS, sigma=SIGMAS, age=st.floats(0, 1e9))
def test_remaining_time_is_a_time(mu: float, sigma: float, age: float) -> None:
    """The remaining time is finite and not negative, also at ages that never occur."""
    left = DurationDistribution(mu, sigma).remaining(age)
    assert 0.0 <= left < math.inf
