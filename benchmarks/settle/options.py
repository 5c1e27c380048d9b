"""Options of our client in a run: the default policy with the run's changes.

Only this module makes duration models: from 500 durations of another seed, scaled by the run's
factor.
"""

import random
from typing import Any

from attrs import define

from benchmarks.settle.runs import Run
from benchmarks.settle.worlds import CREATES
from di_async import DurationModel, PollPolicy

__all__ = ["Options", "policy"]

_KIND = ("create", "atl1", "gpu-mi300x1-192gb")
_LEARNED_FROM = 500


@define
class Options:
    """Options common to all runs."""

    latency_s: float = 0.1
    target_lag: float | None = None


def policy(run: Run, options: Options | None = None) -> PollPolicy:
    """Return the default policy with the run's model and `confirm`."""
    settings: dict[str, Any] = {"confirm": run.confirm}
    if options is not None and options.target_lag is not None:
        settings["target_lag"] = options.target_lag
    if run.model is not None:
        settings["durations"] = _model(run.model)
    return PollPolicy(**settings)


def _model(stretch: float) -> DurationModel:
    model, chance = DurationModel(), random.Random("another process")
    for _ in range(_LEARNED_FROM):
        model.learn(_KIND, stretch * CREATES.draw(chance))
    return model
