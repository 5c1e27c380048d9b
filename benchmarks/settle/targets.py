"""The targets, and their comparison with the rows of a run.

Figures are medians over the seeds, except where one bad seed is a defect: counts of wrongly ended
waits, refusals and the busiest windows are the worst seed's.
"""

import math
from collections.abc import Iterable, Mapping
from statistics import median

from attrs import frozen

from benchmarks.settle.runs import Run

__all__ = ["WORST", "Row", "checked", "combined"]

WORST = frozenset(
    {
        "crashed",
        "false",
        "missed",
        "wrong",
        "unsent",
        "refused",
        "refused_late",
        "max_60s",
        "max_3600s",
        "blind_s",
    }
)
Figures = Mapping[str, float]

_BY_RUN: dict[str, dict[str, float]] = {
    "A-10000-warm": {"p99": 26, "max": 60, "requests": 4700, "regret": 1.15, "cpu_s": 4.0},
    "A-10000-cold": {"p99": 55, "cpu_s": 4.0},
    "A-10000-x0.6": {"p99": 50},
    "A-10000-x1.7": {"p99": 50},
    "A-1000-warm-always": {"p99": 6, "requests": 2500},
    "A-2000-warm": {"p99": 25},
    "A-2000-cold": {"p99": 25},
    "A-2000-warm-always": {"p99": 25},
    **{
        f"P{k}-10000-{model}": {"p99": 1.2 * k * alone, "refused_late": 0, "mean_ratio": 1.5}
        for k in (2, 4)
        for model, alone in (("warm", 24.5), ("cold", 31.5))
    },
    "memory-10000": {"idle_bytes": 2048},
}
# A used-up quota is noticed only by sending: a client must not be blind for most of that hour.
_BLIND_S = 900.0


@frozen
class Row:
    """One line of `--json`. `ok` is None where there is no target."""

    scenario: str
    metric: str
    value: float
    target: float | None = None
    ok: bool | None = None


def combined(figures: Iterable[Figures]) -> dict[str, float]:
    """Return one figure for all seeds."""
    of = list(figures)
    return {
        name: (max if name in WORST else median)(each[name] for each in of if name in each)
        for name in dict.fromkeys(name for each in of for name in each)
    }


def checked(run: Run, figures: Figures) -> list[Row]:
    """Return the figures of one of our runs with their targets."""
    return with_targets(run.name, figures, targets(run, figures))


def with_targets(name: str, figures: Figures, wanted: Figures) -> list[Row]:
    """Return rows that are ok if the value is at most its target."""
    return [
        Row(name, metric, value, wanted.get(metric), _kept(value, wanted.get(metric)))
        for metric, value in figures.items()
    ]


def targets(run: Run, figures: Figures) -> dict[str, float]:
    """Return the maximum of each figure of a run."""
    wanted: dict[str, float] = {"crashed": 0, "false": 0, "missed": 0, "wrong": 0, "max_60s": 250}
    wanted["max_3600s"] = 5000
    if run.scenario in {"A", "B", "C", "C2", "D"}:
        wanted["refused"] = 0
    if run.scenario in {"E", "F"}:
        wanted["blind_s"] = _BLIND_S
    if run.scenario in {"B", "C", "C2", "D"}:
        wanted["unsent"] = 0
    if run.scenario in {"P2", "P4"}:
        wanted = {**wanted, "max_60s": 255, "max_3600s": 5100}
    if run.scenario == "F":
        unseen = figures.get("unseen", 0.0)
        wanted = {**wanted, "max_60s": 250 + unseen, "max_3600s": 5000 + unseen}
    return {**wanted, **_BY_RUN.get(run.name, {})}


def by_name(name: str) -> dict[str, float]:
    """Return the targets of a row that is not a run."""
    return _BY_RUN.get(name, {})


def _kept(value: float, target: float | None) -> bool | None:
    if target is None:
        return None
    return not math.isnan(value) and value <= target
