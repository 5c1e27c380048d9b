"""How long changes take, learned from those that settled. Pure.

The model of a kind of change (action, region, accelerator) is a log-normal distribution, fitted by
maximum likelihood with right-censoring: a change still pending at some age counts as well as one
that settled. A distribution is used from `MIN_SAMPLES` settles on. When what this process observes
contradicts it, it is dropped and fitted again from this process's own observations; until then the
pace is an even one. Why the square root of the density sets the pace: `pacing`.
"""

import math
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Self

import orjson
from attrs import Attribute, define, field, setters
from msgspec import Struct

from di_async.core.errors import InvalidInputError
from di_async.core.stored_keys import ANY, from_keys, to_keys
from di_async.core.waiting.observation import DurationKey

__all__ = ["MIN_SAMPLES", "DurationDistribution", "DurationEstimator", "DurationStatistics"]

MIN_SAMPLES = 20
_FILE_VERSION = 1
# Attributes may be renamed; files of version 1 keep these keys.
_SAMPLE_KEYS = {name: (name, ANY) for name in ("count", "mean", "spread", "censored")}
_MIN_SIGMA = 0.05
_ROOT_2PI = math.sqrt(2 * math.pi)
_NEWTON_STEPS = 30
# A distribution is fitted again when this many times as many settles are known.
_REFIT_AT = 1.3
# A distribution wider than this is not worth planning with.
_MAX_SIGMA = 1.0
# Longer and shorter durations count as these: a millisecond and a hundred years.
_SHORTEST_S, _LONGEST_S = 1e-3, 3.2e9
# Their logarithms, rounded outwards, and how many there may be: other samples are damaged.
_MIN_LOG, _MAX_LOG = -7.0, 22.0
_MAX_COUNT = 10**9
# Observations this unlikely, because too many settled, contradict a distribution ...
_SURPLUS_ODDS = 0.002
# ... and so does an expected number of settles of which less than a quarter was seen.
_MISSED, _MISSED_SHARE = 50.0, 0.25


class DurationDistribution(Struct, frozen=True):
    """A log-normal distribution of seconds."""

    mu: float
    sigma: float

    @property
    def is_usable(self) -> bool:
        """Whether it is narrow enough to plan with, and its median a possible duration."""
        return self.sigma < _MAX_SIGMA and _MIN_LOG <= self.mu <= _MAX_LOG

    def z_score(self, age: float) -> float:
        """Return where an age lies, in standard deviations of its logarithm."""
        return (math.log(age) - self.mu) / self.sigma if age > 0 else -math.inf

    def survival(self, age: float) -> float:
        """Return the share that takes longer than `age`."""
        return 0.5 * math.erfc(self.z_score(age) / math.sqrt(2)) if age > 0 else 1.0

    def quantile(self, share: float) -> float:
        """Return the age by which this share has settled."""
        share = min(max(share, 1e-12), 1 - 1e-12)
        return math.exp(self.mu + self.sigma * _normal_quantile()(share))

    def remaining(self, age: float) -> float:
        """Return the median of the seconds still to go for one that has reached this age."""
        if age <= 0:
            return math.exp(self.mu)
        # The upper tail is computed as a lower one: near 1 a share has too few digits.
        tail = max(self.survival(age) / 2, 1e-300)
        return max(0.0, math.exp(self.mu - self.sigma * _normal_quantile()(tail)) - age)

    def cumulative_hazard(self, age: float) -> float:
        """Return how many settles to expect from one change that reaches this age."""
        return -math.log(max(self.survival(age), 1e-12))

    def relative_density(self, age: float) -> float:
        """Return how likely a settle is at this age compared with the likeliest age: 0 to 1."""
        if age <= 0:
            return 0.0
        x, variance = math.log(age) - self.mu, self.sigma**2
        return math.exp(-x - variance / 2 - x * x / (2 * variance))


@cache
def _normal_quantile() -> Callable[[float], float]:
    """Return the unit normal's quantile function; imported late, it costs start-up time."""
    from statistics import NormalDist

    return NormalDist().inv_cdf


def _logarithm(seconds: float) -> float:
    return math.log(min(max(_SHORTEST_S, seconds), _LONGEST_S))


def _count(_: Any, attribute: "Attribute[Any]", value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_COUNT:
        raise ValueError(f"{attribute.name}: expected 0 to {_MAX_COUNT}, not {value!r}")


def _mean(_: Any, attribute: "Attribute[Any]", value: Any) -> None:
    if isinstance(value, bool) or not _MIN_LOG <= value <= _MAX_LOG:
        raise ValueError(f"{attribute.name}: expected {_MIN_LOG} to {_MAX_LOG}, not {value!r}")


def _spread(sample: "_Sample", attribute: "Attribute[Any]", value: Any) -> None:
    # Numbers with this mean deviate most where each is at one of the ends.
    most = sample.count * (_MAX_LOG - sample.mean) * (sample.mean - _MIN_LOG)
    if isinstance(value, bool) or not 0 <= value <= most:
        raise ValueError(f"{attribute.name}: expected 0 to {most}, not {value!r}")


def _bins(_: Any, attribute: "Attribute[Any]", value: Any) -> None:
    for name, count in value.items():
        _mean(None, attribute, float(name))
        _count(None, attribute, count)


@define(on_setattr=setters.NO_OP)
class _Sample:
    """Moments of the logarithms of many durations, and the censored ones by bin.

    A stored one is checked when it is made; what is learned keeps within the bounds.
    """

    count: int = field(default=0, validator=_count)
    mean: float = field(default=0.0, validator=_mean)
    spread: float = field(default=0.0, validator=_spread)
    censored: dict[str, int] = field(factory=dict, validator=_bins)

    def add(self, seconds: float) -> None:
        x = _logarithm(seconds)
        self.count += 1
        step = x - self.mean
        self.mean += step / self.count
        self.spread += step * (x - self.mean)

    def add_censored(self, seconds: float) -> None:
        name = f"{_logarithm(seconds):.1f}"
        self.censored[name] = self.censored.get(name, 0) + 1


def _fit(sample: _Sample, pending: Iterable[tuple[float, float]]) -> DurationDistribution:
    """Fit a sample and what is pending: pairs of age and how many have reached it.

    Newton's method on Olsen's parameters (1/sigma and mu/sigma), in which the likelihood of a
    censored normal is concave (Olsen 1978, Econometrica 46:1211).
    """
    centre, n = sample.mean, float(sample.count)
    beyond = [(float(name) - centre, float(m)) for name, m in sample.censored.items()]
    beyond += [(math.log(age) - centre, m) for age, m in pending if age > 1e-3]
    sigma = max(math.sqrt(sample.spread / sample.count), _MIN_SIGMA)
    delta, gamma = 0.0, 1 / sigma
    for _ in range(_NEWTON_STEPS if beyond else 0):
        tails = [(x, m, *_normal_hazard(gamma * x - delta)) for x, m in beyond]
        by_delta = -n * delta + sum(m * h for _, m, h, _ in tails)
        by_gamma = n / gamma - gamma * sample.spread - sum(m * h * x for x, m, h, _ in tails)
        dd = n + sum(m * c for _, m, _, c in tails)
        dg = -sum(m * c * x for x, m, _, c in tails)
        gg = n / gamma**2 + sample.spread + sum(m * c * x * x for x, m, _, c in tails)
        scale = dd * gg - dg * dg
        if scale <= 0:
            break
        step_delta = (gg * by_delta - dg * by_gamma) / scale
        step_gamma = (dd * by_gamma - dg * by_delta) / scale
        damping = 1.0 if gamma + step_gamma > 0.2 * gamma else -0.8 * gamma / step_gamma
        delta, gamma = delta + damping * step_delta, gamma + damping * step_gamma
        if abs(step_gamma) < 1e-6 * gamma and abs(step_delta) < 1e-6:
            break
    return DurationDistribution(centre + delta / gamma, max(1 / gamma, _MIN_SIGMA))


def _normal_hazard(z: float) -> tuple[float, float]:
    """Return a unit normal's hazard at z, and its derivative."""
    tail = 0.5 * math.erfc(z / math.sqrt(2))
    hazard = math.exp(-z * z / 2) / (_ROOT_2PI * tail) if tail > 1e-12 else z + 1 / max(z, 1.0)
    return hazard, hazard * (hazard - z)


class DurationStatistics:
    """What is known about durations, by kind of change. `engine` adds reading and writing files."""

    def __init__(self) -> None:
        self._samples: dict[DurationKey, _Sample] = {}

    def __repr__(self) -> str:
        settles = sum(sample.count for sample in self._samples.values())
        return f"<{type(self).__name__} of {settles} settles in {len(self._samples)} kinds>"

    def learn(self, key: DurationKey, seconds: float, *, censored: bool = False) -> None:
        """Add one duration; `censored`: it had not settled after `seconds`."""
        sample = self._samples.get(key)
        if sample is None:
            sample = self._samples[key] = _Sample()
        if censored:
            sample.add_censored(seconds)
        else:
            sample.add(seconds)

    def count(self, key: DurationKey) -> int:
        """Return how many settles of this kind are known."""
        sample = self._samples.get(key)
        return sample.count if sample else 0

    def law(
        self, key: DurationKey, pending: Iterable[tuple[float, float]] = ()
    ) -> DurationDistribution | None:
        """Return the distribution of a kind, or None while fewer than 20 settles are known.

        Args:
            key: action, region and accelerator.
            pending: (age in seconds, how many) of the changes still under way.
        """
        sample = self._samples.get(key)
        if sample is None or sample.count < MIN_SAMPLES:
            return None
        return _fit(sample, pending)

    def to_json(self) -> bytes:
        """Return the statistics as versioned JSON."""
        kinds = [
            {"key": list(key), **to_keys(sample, _SAMPLE_KEYS)}
            for key, sample in sorted(self._samples.items())
        ]
        return orjson.dumps({"version": _FILE_VERSION, "kinds": kinds})

    @classmethod
    def from_json(cls, text: bytes, name: str) -> Self:
        """Return the statistics that `to_json` wrote; none for an empty text.

        Raises:
            InvalidInputError: (a `ValueError`) not such a file, damaged, or an unknown version.
        """
        text = text.removeprefix(BOM_UTF8)  # some editors write it
        if not text.strip():
            return cls()
        try:
            stored = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise InvalidInputError(f"{name} is not a duration model: {error}") from error
        if not isinstance(stored, dict) or stored.get("version") != _FILE_VERSION:
            raise InvalidInputError(f"{name} is not a duration model of version {_FILE_VERSION}")
        model = cls()
        try:
            for kind in stored["kinds"]:
                action, region, accelerator = map(str, kind.pop("key"))
                sample = _Sample(**from_keys(kind, _SAMPLE_KEYS))
                sample.censored = {f"{float(x):.1f}": n for x, n in sample.censored.items()}
                model._samples[action, region, accelerator] = sample
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise InvalidInputError(f"{name} is a damaged duration model") from error
        return model


class _Belief(Struct):
    """The distribution in use for one kind, and what this process has seen of that kind."""

    distribution: DurationDistribution | None = None
    fitted_count: int = -1
    settled: int = 0
    expected: float = 0.0
    contradicted: bool = False


class DurationEstimator:
    """The distribution to plan with for each kind of change; one for each poller."""

    def __init__(self, model: DurationStatistics | None = None) -> None:
        self._model = model if model is not None else DurationStatistics()
        self._own = DurationStatistics()
        self._beliefs: dict[DurationKey, _Belief] = {}

    def distribution(self, key: DurationKey) -> DurationDistribution | None:
        """Return the distribution to plan with; None if unknown, or contradicted."""
        return self._belief(key).distribution

    def known(self) -> tuple[DurationKey, ...]:
        """Return the kinds that have a distribution now."""
        beliefs = self._beliefs.items()
        return tuple(key for key, belief in beliefs if belief.distribution is not None)

    def record(self, key: DurationKey, age: float) -> None:
        """Add one settle at this age in seconds."""
        belief = self._belief(key)
        self._model.learn(key, age)
        self._own.learn(key, age)
        belief.settled += 1
        if belief.distribution is not None:
            belief.expected += belief.distribution.cumulative_hazard(age)

    def review(self, pending: Mapping[DurationKey, Mapping[float, float]]) -> bool:
        """Check the distributions against what is pending; return True if one changed.

        `pending` maps a kind to how many changes have about which age.
        """
        changed = False
        for key, ages in pending.items():
            belief = self._belief(key)
            before = belief.distribution
            if before is not None and not belief.contradicted:
                self._check(belief, before, ages)
            model = self._own if belief.contradicted else self._model
            if model.count(key) >= max(MIN_SAMPLES, _REFIT_AT * belief.fitted_count):
                belief.fitted_count = model.count(key)
                belief.distribution = _usable_distribution(model, key, ages.items())
            changed = changed or belief.distribution is not before
        return changed

    @staticmethod
    def _check(
        belief: _Belief, distribution: DurationDistribution, ages: Mapping[float, float]
    ) -> None:
        """Drop a distribution that expects far fewer or far more settles than were seen."""
        expected = belief.expected + sum(
            count * distribution.cumulative_hazard(age) for age, count in ages.items()
        )
        missed = expected > _MISSED and belief.settled < _MISSED_SHARE * expected
        if missed or _odds_of_at_least(belief.settled, expected) < _SURPLUS_ODDS:
            belief.contradicted, belief.distribution, belief.fitted_count = True, None, 0

    def _belief(self, key: DurationKey) -> _Belief:
        belief = self._beliefs.get(key)
        if belief is None:
            fitted = _usable_distribution(self._model, key)
            count = self._model.count(key) if fitted else 0
            belief = self._beliefs[key] = _Belief(fitted, count)
        return belief


def _usable_distribution(
    model: DurationStatistics, key: DurationKey, pending: Iterable[tuple[float, float]] = ()
) -> DurationDistribution | None:
    fitted = model.law(key, pending)
    return fitted if fitted is not None and fitted.is_usable else None


def _odds_of_at_least(seen: int, expected: float) -> float:
    """Return how likely a Poisson count with this mean is at least `seen`."""
    if seen == 0 or seen <= expected:
        return 1.0
    log_term = seen * math.log(max(expected, 1e-9)) - expected - math.lgamma(seen + 1)
    return min(1.0, math.exp(log_term) / max(1e-9, 1 - expected / (seen + 1)))
