"""Tests of the fit: the maximum of the likelihood, found in a few iterations."""

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
    """Return the textbook likelihood: densities of settled changes, tails of pending ones."""
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
    "all settled together, others much later": ([600.0] * 25, ((1800.0, 50.0),)),
    "below a second": ([one / 2000 for one in SPREAD], ((0.3, 10.0), (1.0, 30.0))),
}


@pytest.mark.parametrize("name", CASES)
def test_fit_maximizes_the_likelihood(name: str) -> None:
    """No nearby distribution has a higher likelihood."""
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
    """Newton's method converges in a few rounds; the fit runs at every review of the pace."""
    seconds, pending = CASES[name]
    calls, hazard = [], durations._normal_hazard  # noqa: SLF001 - its calls count the rounds

    def counted(z: float) -> tuple[float, float]:
        calls.append(z)
        return hazard(z)

    monkeypatch.setattr(durations, "_normal_hazard", counted)
    fitted(model(seconds), pending)
    assert 1 < len(calls) / len(pending) <= rounds


def test_without_pending_it_is_mean_and_deviation() -> None:
    """Without pending changes the fit is mean and deviation of the logarithms."""
    found = fitted(model([math.exp(5.0), math.exp(7.0)] * 10))
    assert found.mu == pytest.approx(6.0)
    assert found.sigma == pytest.approx(1.0)


def test_deviation_has_a_floor() -> None:
    """The deviation has a minimum, even for equal durations."""
    found = fitted(model([600.0] * 20))
    assert found.mu == pytest.approx(math.log(600))
    assert found.sigma == 0.05


def test_twenty_samples_are_needed() -> None:
    """Nineteen samples are too few; twenty are enough."""
    assert model([600.0] * 19).law(KEY) is None
    assert model([600.0] * 20).law(KEY) is not None


def test_instant_changes_count_as_a_millisecond() -> None:
    """A duration of zero counts as a millisecond."""
    assert fitted(model([0.0] * 20)).mu == pytest.approx(math.log(1e-3))
    assert fitted(model([0.5] * 20)).mu == pytest.approx(math.log(0.5))


@pytest.mark.parametrize("age", [0.0, 1e-3])
def test_new_pending_changes_are_ignored(age: float) -> None:
    """Pending changes up to a millisecond old are ignored."""
    learned = model(SPREAD)
    assert fitted(learned, ((age, 100.0),)) == fitted(learned)


def test_hazard_far_in_the_tail() -> None:
    """The hazard switches to its asymptote z + 1/z without a step where the tail underflows."""
    for z in (6.0, 7.0, 7.1, 10.0):
        hazard, growth = durations._normal_hazard(z)  # noqa: SLF001
        assert hazard == pytest.approx(z + 1 / z, rel=2e-3)
        assert growth == pytest.approx(hazard * (hazard - z))


# --- the distribution --------------------------------------------------------------------------

UNIT = DurationDistribution(0.0, 1.0)


def test_nothing_settles_at_age_0() -> None:
    """All changes are pending at age 0, and none is likely to settle."""
    for age in (0.0, -1.0):
        assert UNIT.survival(age) == 1.0
        assert UNIT.z_score(age) == -math.inf
        assert UNIT.relative_density(age) == 0.0


def test_relative_density() -> None:
    """The relative density is one at the mode, and has known values elsewhere."""
    assert UNIT.relative_density(math.exp(-1)) == pytest.approx(1.0)
    assert UNIT.relative_density(1.0) == pytest.approx(math.exp(-0.5))
    assert UNIT.relative_density(0.5) == pytest.approx(
        math.exp(math.log(2) - 0.5 - math.log(2) ** 2 / 2)
    )


def test_extreme_shares_are_clipped() -> None:
    """Shares of zero and one are clipped."""
    assert UNIT.quantile(0.0) == UNIT.quantile(1e-12) == pytest.approx(math.exp(-7.0345), rel=1e-3)
    assert (
        UNIT.quantile(1.0) == UNIT.quantile(1 - 1e-12) == pytest.approx(math.exp(7.0345), rel=1e-3)
    )
    assert UNIT.quantile(0.5) == pytest.approx(1.0)


# --- storage -----------------------------------------------------------------------------------


def test_censored_durations_are_binned_by_logarithm(tmp_path: Path) -> None:
    """Censored durations are binned by logarithm to a tenth, zero as a millisecond."""
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
        {"censored": {"6.4": True}},
        {"censored": {"nan": 1}},
        {"censored": {"22.1": 1}},
        {"censored": {"-7.1": 1}},
        {"censored": {"6.4": 10**9 + 1}},
        {"count": True},
        {"count": 10**9 + 1},
        {"mean": 22.01},
        {"mean": -7.01},
        {"mean": 1e308},
        {"spread": True},
        {"count": 3, "mean": 0.0, "spread": 3 * 154.01},
    ],
)
def test_invalid_moments_are_rejected(tmp_path: Path, damage: dict[str, object]) -> None:
    """Moments and counts that no durations have are rejected."""
    path = tmp_path / "durations.json"
    model([600.0]).save(path)
    stored = json.loads(path.read_text())
    stored["kinds"][0].update(damage)
    path.write_text(json.dumps(stored))
    with pytest.raises(ValueError, match="damaged"):
        DurationModel.load(path)


@pytest.mark.parametrize(
    "extreme",
    [
        {"count": 10**9, "mean": -7.0, "spread": 0},
        {"count": 0, "mean": 22.0, "spread": 0.0, "censored": {"22.0": 10**9, "-7.0": 0}},
        {"count": 3, "mean": 0.0, "spread": 3 * 154.0},
    ],
)
def test_extreme_moments_are_accepted(extreme: dict[str, object]) -> None:
    """The bounds themselves are accepted."""
    text = json.dumps({"version": 1, "kinds": [{"key": KEY, "censored": {}, **extreme}]})
    stored = json.loads(DurationModel.from_json(text.encode(), "d.json").to_json())["kinds"][0]
    assert {name: stored[name] for name in extreme} == extreme


@pytest.mark.parametrize(
    ("seconds", "name"), [(0.0, "-6.9"), (3e9, "21.8"), (1e12, "21.9"), (math.inf, "21.9")]
)
def test_durations_are_bounded(seconds: float, name: str) -> None:
    """Durations count as a millisecond at least, and as a hundred years at most."""
    (kind,) = json.loads(model([seconds], censored=[seconds]).to_json())["kinds"]
    assert kind["censored"] == {name: 1}
    assert kind["mean"] == pytest.approx(float(name), abs=0.05)


@pytest.mark.parametrize(
    ("mu", "sigma", "usable"),
    [
        (6.0, 0.99, True),
        (6.0, 1.01, False),
        (-7.0, 0.1, True),
        (22.0, 0.1, True),
        (-7.01, 0.1, False),
        (22.01, 0.1, False),
        (math.nan, 0.1, False),
    ],
)
def test_usable_distributions(mu: float, sigma: float, usable: bool) -> None:
    """A distribution is used if it is narrow and its median a possible duration."""
    assert DurationDistribution(mu, sigma).is_usable is usable
