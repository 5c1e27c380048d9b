"""Which law each kind of change is thought to follow now: learned, believed, doubted. Pure.

A model may be of another day. So what is seen in this process is held against what the law expects;
where the two cannot both be right, the law is dropped and only what was seen since counts.
"""

import math
from collections.abc import Iterable, Mapping

from msgspec import Struct

from di_async.core.waiting.durations import MIN_SAMPLES, DurationDistribution, DurationModel, Key

__all__ = ["Laws"]

# A law is fitted anew when this much more was learned.
_REFIT = 1.3
# A law as wide as this says nothing.
_VAGUE = 1.0
# So unlikely a surplus of settles refutes a law ...
_SURPLUS_ODDS = 0.002
# ... and so many expected without a quarter of them seen.
_MISSED, _MISSED_SHARE = 50.0, 0.25


class _Belief(Struct):
    """What is thought of one kind, and what was seen of it in this process."""

    law: DurationDistribution | None = None
    fitted: int = -1
    seen: int = 0
    expected: float = 0.0
    doubted: bool = False


class Laws:
    """The law of each kind, from a model that goes on learning."""

    def __init__(self, model: DurationModel | None = None) -> None:
        self._model = model if model is not None else DurationModel()
        self._local = DurationModel()
        self._beliefs: dict[Key, _Belief] = {}

    def law(self, kind: Key) -> DurationDistribution | None:
        """The law to plan by; None where nothing is known or what was known is refuted."""
        belief = self._beliefs.get(kind)
        return self._believe(kind, ()).law if belief is None else belief.law

    def believed(self) -> tuple[Key, ...]:
        """The kinds that have a law now."""
        return tuple(kind for kind, belief in self._beliefs.items() if belief.law is not None)

    def settled(self, kind: Key, age: float) -> None:
        """One more settle, at this age."""
        belief = self._believe(kind, ())
        self._model.learn(kind, age)
        self._local.learn(kind, age)
        belief.seen += 1
        if belief.law is not None:
            belief.expected += belief.law.cumulative_hazard(age)

    def review(self, pending: Mapping[Key, Mapping[float, float]]) -> bool:
        """Hold the laws against what is pending (by kind: age to count); True if one changed."""
        changed = False
        for kind, ages in pending.items():
            belief = self._believe(kind, ())
            before = belief.law
            if before is not None and not belief.doubted:
                self._doubt(belief, ages)
            model = self._local if belief.doubted else self._model
            if model.count(kind) >= max(MIN_SAMPLES, _REFIT * belief.fitted):
                belief.fitted = model.count(kind)
                law = model.law(kind, ages.items())
                belief.law = law if law is not None and law.sigma < _VAGUE else None
            changed = changed or belief.law is not before
        return changed

    def _doubt(self, belief: _Belief, ages: Mapping[float, float]) -> None:
        assert belief.law is not None  # noqa: S101
        expected = belief.expected + sum(
            count * belief.law.cumulative_hazard(age) for age, count in ages.items()
        )
        missed = expected > _MISSED and belief.seen < _MISSED_SHARE * expected
        if missed or _odds_of_at_least(belief.seen, expected) < _SURPLUS_ODDS:
            belief.doubted, belief.law, belief.fitted = True, None, 0

    def _believe(self, kind: Key, pending: Iterable[tuple[float, float]]) -> _Belief:
        belief = self._beliefs.get(kind)
        if belief is None:
            law = self._model.law(kind, pending)
            belief = self._beliefs[kind] = _Belief(law, self._model.count(kind) if law else 0)
        return belief


def _odds_of_at_least(seen: int, expected: float) -> float:
    """How likely a Poisson count with this mean is as large as the one seen."""
    if seen == 0 or seen <= expected:
        return 1.0
    log_term = seen * math.log(max(expected, 1e-9)) - expected - math.lgamma(seen + 1)
    return min(1.0, math.exp(log_term) / max(1e-9, 1 - expected / (seen + 1)))
