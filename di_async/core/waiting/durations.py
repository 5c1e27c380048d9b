"""How long changes take, learned from those that settled in this process. Pure.

A log-normal law for each (action, region, accelerator), fitted by maximum likelihood with
right-censoring: what is still pending at some age says as much as what has settled. A law is
believed from `MIN_SAMPLES` on; until then, and again when reality contradicts it, there is none,
and the pace falls back to an even one. Closed forms: waiting.md 1.1.
"""

import math
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import msgspec
import orjson
from msgspec import Meta, Struct, field

from di_async.core.errors import InvalidInputError
from di_async.core.stored_keys import from_keys, to_keys

__all__ = ["MIN_SAMPLES", "DurationDistribution", "DurationModel", "Key"]

MIN_SAMPLES = 20
_VERSION = 1
# Stored key -> attribute. Attributes may be renamed; files of version 1 keep these keys.
_SAMPLE = {"count": "count", "mean": "mean", "spread": "spread", "censored": "censored"}
_SIGMA_FLOOR = 0.05
_ROOT_2PI = math.sqrt(2 * math.pi)
_ROUNDS = 30

Key = tuple[str, str, str]
"""Action, region, accelerator; empty text where one is not known."""


class DurationDistribution(Struct, frozen=True, gc=False):
    """A log-normal distribution of seconds."""

    mu: float
    sigma: float

    def z_score(self, age: float) -> float:
        """Where an age lies, in standard deviations of its logarithm."""
        return (math.log(age) - self.mu) / self.sigma if age > 0 else -math.inf

    def survival(self, age: float) -> float:
        """The share that takes longer than this."""
        return 0.5 * math.erfc(self.z_score(age) / math.sqrt(2)) if age > 0 else 1.0

    def quantile(self, share: float) -> float:
        """The age by which this share has settled."""
        share = min(max(share, 1e-12), 1 - 1e-12)
        return math.exp(self.mu + self.sigma * _unit_quantile()(share))

    def cumulative_hazard(self, age: float) -> float:
        """Cumulative hazard: how many settles one that reached this age stands for."""
        return -math.log(max(self.survival(age), 1e-12))

    def relative_density(self, age: float) -> float:
        """How likely a settle is at this age, against the likeliest age: 0 to 1."""
        if age <= 0:
            return 0.0
        x, variance = math.log(age) - self.mu, self.sigma**2
        return math.exp(-x - variance / 2 - x * x / (2 * variance))


@cache
def _unit_quantile() -> Callable[[float], float]:
    """A unit normal's; loaded when first needed, as it brings fractions and decimals along."""
    from statistics import NormalDist

    return NormalDist().inv_cdf


def _bins(raw: dict[str, int]) -> dict[str, int]:
    return {f"{float(log):.1f}": int(count) for log, count in raw.items()}


class _Sample(Struct, forbid_unknown_fields=True):
    """What a fit needs of many durations: moments of their logarithms, and who was censored."""

    count: Annotated[int, Meta(ge=0)] = 0
    mean: float = 0.0
    spread: Annotated[float, Meta(ge=0.0)] = 0.0
    censored: dict[str, int] = field(default_factory=dict)

    def add(self, seconds: float) -> None:
        x = math.log(max(seconds, 1e-3))
        self.count += 1
        step = x - self.mean
        self.mean += step / self.count
        self.spread += step * (x - self.mean)

    def add_censored(self, seconds: float) -> None:
        bin = f"{math.log(max(seconds, 1e-3)):.1f}"
        self.censored[bin] = self.censored.get(bin, 0) + 1


def _fit(sample: _Sample, pending: Iterable[tuple[float, float]]) -> DurationDistribution:
    """The law of a sample, given what is pending: pairs of age and how many have reached it.

    Newton's method on Olsen's parameters (1/sigma and mu/sigma), in which the likelihood of a
    censored normal is concave (Olsen 1978, Econometrica 46:1211).
    """
    centre, n = sample.mean, float(sample.count)
    beyond = [(float(bin) - centre, float(m)) for bin, m in sample.censored.items()]
    beyond += [(math.log(age) - centre, m) for age, m in pending if age > 1e-3]
    sigma = max(math.sqrt(sample.spread / sample.count), _SIGMA_FLOOR)
    delta, gamma = 0.0, 1 / sigma
    for _ in range(_ROUNDS if beyond else 0):
        tails = [(x, m, *_hazard(gamma * x - delta)) for x, m in beyond]
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
    return DurationDistribution(centre + delta / gamma, max(1 / gamma, _SIGMA_FLOOR))


def _hazard(z: float) -> tuple[float, float]:
    """A unit normal's hazard at z, and how fast it grows there."""
    tail = 0.5 * math.erfc(z / math.sqrt(2))
    hazard = math.exp(-z * z / 2) / (_ROOT_2PI * tail) if tail > 1e-12 else z + 1 / max(z, 1.0)
    return hazard, hazard * (hazard - z)


class DurationModel:
    """What is known about durations. Give one to `PollPolicy`; load and save it as you like.

    Every settle in the process teaches it. It is plain JSON on disk, versioned, without secrets.
    """

    def __init__(self) -> None:
        self._samples: dict[Key, _Sample] = {}

    def __repr__(self) -> str:
        told = sum(sample.count for sample in self._samples.values())
        return f"<DurationModel of {told} settles in {len(self._samples)} kinds>"

    def learn(self, key: Key, seconds: float, *, censored: bool = False) -> None:
        """One more duration; `censored`: it had not settled by then, and nobody looks any more."""
        sample = self._samples.get(key)
        if sample is None:
            sample = self._samples[key] = _Sample()
        if censored:
            sample.add_censored(seconds)
        else:
            sample.add(seconds)

    def count(self, key: Key) -> int:
        """How many settles of this kind are known."""
        sample = self._samples.get(key)
        return sample.count if sample else 0

    def law(
        self, key: Key, pending: Iterable[tuple[float, float]] = ()
    ) -> DurationDistribution | None:
        """The law of a kind, or None while too little is known.

        Args:
            key: action, region and accelerator.
            pending: (age in seconds, how many) of those still under way.
        """
        sample = self._samples.get(key)
        if sample is None or sample.count < MIN_SAMPLES:
            return None
        return _fit(sample, pending)

    def save(self, path: str | Path) -> None:
        """Write it as JSON."""
        kinds = [
            {"key": list(key), **to_keys(sample, _SAMPLE)}
            for key, sample in sorted(self._samples.items())
        ]
        Path(path).write_bytes(orjson.dumps({"version": _VERSION, "kinds": kinds}))

    @classmethod
    def load(cls, path: str | Path) -> "DurationModel":
        """The model that `save` wrote; an empty one where there is no such file yet.

        Raises:
            InvalidInputError: (a `ValueError`) it is something else, or of an unknown version.
        """
        model = cls()
        try:
            told = orjson.loads(Path(path).read_bytes())
        except FileNotFoundError:
            return model
        except orjson.JSONDecodeError as error:
            raise InvalidInputError(f"{path} is no duration model: {error}") from error
        if not isinstance(told, dict) or told.get("version") != _VERSION:
            raise InvalidInputError(f"{path} is no duration model of version {_VERSION}")
        try:
            for kind in told["kinds"]:
                key = _key(kind.pop("key"))
                sample = model._samples[key] = msgspec.convert(from_keys(kind, _SAMPLE), _Sample)
                sample.censored = _bins(sample.censored)
        except (msgspec.ValidationError, TypeError, KeyError, ValueError, AttributeError) as error:
            raise InvalidInputError(f"{path} is a damaged duration model") from error
        return model


def _key(raw: Any) -> Key:
    action, region, accelerator = map(str, raw)
    return action, region, accelerator
