"""The fitted distribution is the maximum of the likelihood, and is found in a few rounds."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from statistics import NormalDist

import pytest

from di_async.core.waiting import durations
from di_async.core.waiting.durations import DurationDistribution
from di_async.engine.waiting.duration_model import DurationModel

KEY = ("create", "atl1", "gpu")
Pairs = tuple[tuple[float, float], ...]


def model(seconds: Iterable[float], censored: Iterable[float] = ()) -> DurationModel:
    """Return a model that learned these durations."""
    learned = DurationModel()
    for one in seconds:
        learned.learn(KEY, one)
    for one in censored:
        learned.learn(KEY, one, censored=True)
    return learned


def fitted(learned: DurationModel, pending: Pairs = ()) -> DurationDistribution:
    """Return the distribution of the one kind that was learned."""
    found = learned.law(KEY, pending)
    assert found is not None
    return found


def log_likelihood(mu: float, sigma: float, seconds: list[float], pending: Pairs) -> float:
    """Return it as the textbook has it: densities of what settled, tails of what is pending."""
    normal = NormalDist(mu, sigma)
    settled = sum(
        -((math.log(one) - mu) ** 2) / (2 * sigma**2) - math.log(sigma) for one in seconds
    )
    return settled + sum(m * math.log(1 - normal.cdf(math.log(age))) for age, m in pending)


SPREAD = [600.0 * 1.1**k for k in range(-12, 13)]
CASES: dict[str, tuple[list[float], Pairs]] = {
    "as many pending as settled": (SPREAD, ((600.0, 10.0), (900.0, 15.0))),
    "most are pending": (SPREAD, ((800.0, 300.0),)),
    "pending for far longer than all that settled": (SPREAD, ((6000.0, 20.0),)),
    "pending from the start": (SPREAD, ((20.0, 500.0), (700.0, 5.0))),
    "all settled at once, others much later": ([600.0] * 25, ((1800.0, 50.0),)),
    "below a second": ([one / 2000 for one in SPREAD], ((0.3, 10.0), (1.0, 30.0))),
}


@pytest.mark.parametrize("name", CASES)
def test_fit_maximizes_the_likelihood(name: str) -> None:
    """No distribution nearby explains the data better."""
    seconds, pending = CASES[name]
    found = fitted(model(seconds), pending)
    best = log_likelihood(found.mu, found.sigma, seconds, pending)
    for step in (1e-3, -1e-3):
        assert log_likelihood(found.mu + step, found.sigma, seconds, pending) < best
        assert log_likelihood(found.mu, found.sigma + step, seconds, pending) < best


@pytest.mark.parametrize(("name", "rounds"), list(zip(CASES, (4, 6, 6, 3, 6, 5), strict=True)))
def test_fit_converges_in_a_few_rounds(
    name: str, rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Newton's method gets there at once; the fit runs at every review of the pace."""
    seconds, pending = CASES[name]
    calls, hazard = [], durations._normal_hazard  # noqa: SLF001 - its calls count the rounds

    def counted(z: float) -> tuple[float, float]:
        calls.append(z)
        return hazard(z)

    monkeypatch.setattr(durations, "_normal_hazard", counted)
    fitted(model(seconds), pending)
    assert 1 < len(calls) / len(pending) <= rounds


def test_without_pending_it_is_mean_and_deviation() -> None:
    """Of the logarithms."""
    found = fitted(model([math.exp(5.0), math.exp(7.0)] * 10))
    assert found.mu == pytest.approx(6.0)
    assert found.sigma == pytest.approx(1.0)


def test_deviation_has_a_floor() -> None:
    """Equal durations do not promise that the next one is equal as well."""
    found = fitted(model([600.0] * 20))
    assert found.mu == pytest.approx(math.log(600))
    assert found.sigma == 0.05


def test_twenty_samples_are_needed() -> None:
    """Nineteen are too few."""
    assert model([600.0] * 19).law(KEY) is None
    assert model([600.0] * 20).law(KEY) is not None


def test_instant_changes_count_as_a_millisecond() -> None:
    """Zero has no logarithm; half a second is taken as it is."""
    assert fitted(model([0.0] * 20)).mu == pytest.approx(math.log(1e-3))
    assert fitted(model([0.5] * 20)).mu == pytest.approx(math.log(0.5))


@pytest.mark.parametrize("age", [0.0, 1e-3])
def test_what_has_just_begun_says_nothing(age: float) -> None:
    """Pending changes up to a millisecond old are left out."""
    learned = model(SPREAD)
    assert fitted(learned, ((age, 100.0),)) == fitted(learned)


def test_hazard_far_in_the_tail() -> None:
    """Where the tail underflows, the asymptote z + 1/z takes over without a step."""
    for z in (6.0, 7.0, 7.1, 10.0):
        hazard, growth = durations._normal_hazard(z)  # noqa: SLF001
        assert hazard == pytest.approx(z + 1 / z, rel=2e-3)
        assert growth == pytest.approx(hazard * (hazard - z))


# --- the distribution itself -------------------------------------------------------------------

UNIT = DurationDistribution(0.0, 1.0)


def test_nothing_settles_before_it_began() -> None:
    """At age 0 all are pending, none is likely."""
    for age in (0.0, -1.0):
        assert UNIT.survival(age) == 1.0
        assert UNIT.z_score(age) == -math.inf
        assert UNIT.relative_density(age) == 0.0


def test_relative_density() -> None:
    """One at the likeliest age; known values elsewhere, below a second as well."""
    assert UNIT.relative_density(math.exp(-1)) == pytest.approx(1.0)
    assert UNIT.relative_density(1.0) == pytest.approx(math.exp(-0.5))
    assert UNIT.relative_density(0.5) == pytest.approx(
        math.exp(math.log(2) - 0.5 - math.log(2) ** 2 / 2)
    )


def test_extreme_shares_are_clipped() -> None:
    """No age is reached by all, or by none."""
    assert UNIT.quantile(0.0) == UNIT.quantile(1e-12) == pytest.approx(math.exp(-7.0345), rel=1e-3)
    assert (
        UNIT.quantile(1.0) == UNIT.quantile(1 - 1e-12) == pytest.approx(math.exp(7.0345), rel=1e-3)
    )
    assert UNIT.quantile(0.5) == pytest.approx(1.0)


# --- what is stored ----------------------------------------------------------------------------


def test_censored_durations_are_binned_by_logarithm(tmp_path: Path) -> None:
    """To a tenth; zero counts as a millisecond. Nothing settled: all moments are zero."""
    path = tmp_path / "durations.json"
    model([], censored=[0.0, 0.0, 0.5, 600.0, 610.0]).save(path)
    (kind,) = json.loads(path.read_text())["kinds"]
    assert kind["censored"] == {"-6.9": 2, "-0.7": 1, "6.4": 2}
    assert (kind["count"], kind["mean"], kind["spread"]) == (0, 0.0, 0.0)
    assert DurationModel.load(path).count(KEY) == 0


@pytest.mark.parametrize(
    "damage",
    [
        {"count": -1},
        {"count": 1.5},
        {"spread": -0.5},
        {"spread": None},
        {"mean": True},
        {"mean": "6"},
        {"censored": [1]},
        {"censored": {"6.4": -1}},
        {"censored": {"6.4": 0.5}},
    ],
)
def test_impossible_moments_are_refused(tmp_path: Path, damage: dict[str, object]) -> None:
    """Counts are whole, moments are numbers, and none is negative where it cannot be."""
    path = tmp_path / "durations.json"
    model([600.0]).save(path)
    stored = json.loads(path.read_text())
    stored["kinds"][0].update(damage)
    path.write_text(json.dumps(stored))
    with pytest.raises(ValueError, match="damaged"):
        DurationModel.load(path)
