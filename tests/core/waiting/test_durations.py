"""Durations: what is learned, from whom, and that it comes back from disk as it was."""

import json
import math
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from di_async.core.errors import InvalidInputError
from di_async.core.waiting.durations import MIN_SAMPLES, DurationDistribution
from di_async.engine.waiting.duration_model import DurationModel

KIND = ("create", "atl1", "gpu")
ALL = settings(max_examples=25, deadline=None)
MUS, SIGMAS = st.floats(2.0, 9.0), st.floats(0.1, 0.9)
LAW = DurationDistribution(math.log(759), 0.2785)


def drawn(mu: float, sigma: float, count: int) -> list[float]:
    """Durations of that law, always the same ones."""
    chance = random.Random(5)
    return [chance.lognormvariate(mu, sigma) for _ in range(count)]


def taught(samples: list[float]) -> DurationModel:
    """A model that saw these settle."""
    model = DurationModel()
    for seconds in samples:
        model.learn(KIND, seconds)
    return model


@ALL
@given(mu=MUS, sigma=SIGMAS)
def test_fit_of_a_full_sample_recovers_the_law(mu: float, sigma: float) -> None:
    """From 800 settles, to a tenth of its width."""
    law = taught(drawn(mu, sigma, 800)).law(KIND)
    assert law is not None
    assert law.mu == pytest.approx(mu, abs=0.15 * sigma)
    assert law.sigma == pytest.approx(sigma, rel=0.1)


@ALL
@given(mu=MUS, sigma=SIGMAS, share=st.floats(0.15, 0.8))
def test_fit_of_a_censored_sample_recovers_the_law(mu: float, sigma: float, share: float) -> None:
    """Also when most are still pending: the early ones alone would tell a far too short story."""
    now = DurationDistribution(mu, sigma).quantile(share)
    samples = drawn(mu, sigma, 3000)
    done = [seconds for seconds in samples if seconds <= now]
    law = taught(done).law(KIND, [(now, float(len(samples) - len(done)))])
    assert law is not None
    assert law.mu == pytest.approx(mu, abs=0.35 * sigma)
    assert law.sigma == pytest.approx(sigma, rel=0.25)


def test_those_given_up_count_as_pending() -> None:
    """A wait that ended before its settle says "longer than this"."""
    model = taught([seconds for seconds in drawn(6, 0.3, 1000) if seconds < 403])
    early = model.law(KIND)
    for _ in range(500):
        model.learn(KIND, 403.0, censored=True)
    late = model.law(KIND)
    assert early is not None
    assert late is not None
    assert early.mu < 5.85 < 5.95 < late.mu < 6.05


def test_law_is_told_from_min_samples_on() -> None:
    """Nineteen settles are an anecdote; those given up do not count among them."""
    model = taught([600.0] * (MIN_SAMPLES - 1))
    model.learn(KIND, 50.0, censored=True)
    assert model.law(KIND) is None
    model.learn(KIND, 600.0)
    assert model.law(KIND) is not None


def test_kinds_do_not_mix() -> None:
    """What atl1 teaches says nothing of fra1."""
    model = taught([600.0] * 30)
    assert (model.count(KIND), model.count(("create", "fra1", "gpu"))) == (30, 0)
    assert model.law(("create", "fra1", "gpu")) is None


def test_equal_durations_make_no_law_without_width() -> None:
    """Thirty equal ones: a narrow law, none that divides by zero."""
    law = taught([600.0] * 30).law(KIND, [(590.0, 3.0)])
    assert law is not None
    assert 0.05 <= law.sigma < 0.2
    assert law.mu == pytest.approx(math.log(600), abs=0.05)


@pytest.mark.parametrize("seconds", [0.0, 1e-9, 1e9])
def test_odd_durations_are_taken(seconds: float) -> None:
    """Neither nothing nor thirty years breaks a fit."""
    law = taught([seconds] * 30).law(KIND, [(0.0, 1.0), (1e-9, 1.0), (1e9, 1.0)])
    assert law is not None
    assert math.isfinite(law.mu)
    assert 0 < law.sigma < math.inf


# --- the law itself ----------------------------------------------------------------------------


@given(mu=MUS, sigma=SIGMAS, share=st.floats(0.001, 0.999))
def test_quantile_and_survival_undo_each_other(mu: float, sigma: float, share: float) -> None:
    """By the age at which a share has settled, the rest survives."""
    law = DurationDistribution(mu, sigma)
    assert law.survival(law.quantile(share)) == pytest.approx(1 - share, abs=1e-6)


def test_survival_and_hazard_begin_and_end_as_they_must() -> None:
    """All survive second 0; the hazard told of the very old is finite."""
    assert (LAW.survival(0), LAW.survival(-1), LAW.cumulative_hazard(0)) == (1.0, 1.0, 0.0)
    assert LAW.cumulative_hazard(LAW.quantile(0.5)) == pytest.approx(math.log(2))
    assert LAW.cumulative_hazard(1e9) < 30


def test_likeness_is_greatest_at_the_mode() -> None:
    """One there, less on both sides, none at birth."""
    mode = math.exp(LAW.mu - LAW.sigma**2)
    assert LAW.relative_density(mode) == pytest.approx(1.0)
    assert max(LAW.relative_density(0.8 * mode), LAW.relative_density(1.2 * mode)) < 0.9
    assert LAW.relative_density(0) == 0.0


# --- on disk -----------------------------------------------------------------------------------


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    """Same laws, same counts, those given up included; it goes on learning from there."""
    model = taught(drawn(6, 0.3, 50))
    model.learn(KIND, 500.0, censored=True)
    model.learn(("delete", "", ""), 60.0)
    model.save(tmp_path / "durations.json")
    again = DurationModel.load(tmp_path / "durations.json")
    assert again.law(KIND) == model.law(KIND)
    assert repr(again) == repr(model) == "<DurationModel of 51 settles in 2 kinds>"
    again.learn(KIND, 1.0)
    assert again.count(KIND) == 51


def test_file_is_plain_and_versioned(tmp_path: Path) -> None:
    """Anybody can read it, and a later version can tell that it is older."""
    taught([600.0]).save(str(tmp_path / "d.json"))
    told = json.loads((tmp_path / "d.json").read_text())
    assert told["version"] == 1
    assert told["kinds"][0]["key"] == list(KIND)


def test_missing_file_is_an_empty_model(tmp_path: Path) -> None:
    """The first run has none; nothing is written by looking."""
    model = DurationModel.load(tmp_path / "none.json")
    assert repr(model) == "<DurationModel of 0 settles in 0 kinds>"
    assert list(tmp_path.iterdir()) == []


KIND_V1 = {"key": ["a", "b", "c"], "count": 1, "mean": 1.0, "spread": 0.0, "censored": {}}


@pytest.mark.parametrize(
    "text",
    [
        "",
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
def test_damaged_or_unknown_file_is_refused(tmp_path: Path, text: str) -> None:
    """As a `ValueError` that names the file, never as a strange plan later."""
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
def test_file_with_odd_numbers_is_refused(tmp_path: Path, odd: dict[str, object]) -> None:
    """Loading tells, not the poller in the middle of a wait."""
    (tmp_path / "d.json").write_text(json.dumps({"version": 1, "kinds": [KIND_V1]}))
    assert DurationModel.load(tmp_path / "d.json").count(("a", "b", "c")) == 1
    (tmp_path / "d.json").write_text(json.dumps({"version": 1, "kinds": [KIND_V1 | odd]}))
    with pytest.raises(InvalidInputError):
        DurationModel.load(tmp_path / "d.json")
