"""Plot delay against requests, log-log, of all policies and bounds in one burst.

A good plot: our points are on Keller's line or close above it, and only the clairvoyants' are
below. Policies with a parameter are curves: the even list by its interval, ours by the hour's quota
it may use.
"""

from typing import Any

import matplotlib as mpl
import numpy as np

from benchmarks.settle.floors import clairvoyant_pages, keller_mean
from benchmarks.settle.options import Options
from benchmarks.settle.ours import run_ours
from benchmarks.settle.rivals import PAGE, RIVALS, even_list, figures
from benchmarks.settle.runs import Run
from benchmarks.settle.worlds import durations
from di_async import RequestBudget

__all__ = ["draw"]

mpl.use("Agg")

_PERIODS_S = (15.5, 20, 36, 60, 100, 180, 300)
_QUOTAS = (1250, 2500, 5000)
_MOST = 6000
# The lower limit of the axis: a logarithm has no zero.
_LEAST_S = 0.05


def draw(path: str, n: int, options: Options, seed: int = 0) -> None:
    """Write the plot of n waits to `path` (PNG or SVG, by its suffix)."""
    from matplotlib import pyplot as plt

    settles = durations(Run("A", n), seed)
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5.2), sharex=True, sharey=True)
    for axes, metric in ((left, "mean"), (right, "p99")):
        axes.set(xscale="log", yscale="log", xlabel="requests", title=f"{metric} delay, seconds")
        axes.grid(visible=True, which="both", alpha=0.2)
    left.set_ylabel("from settled to returned, seconds")
    _floors(left, settles)
    for axes, metric in ((left, "mean"), (right, "p99")):
        _rivals(axes, settles, metric)
    _ours(left, right, n, options, seed)
    legend = left.get_legend_handles_labels()
    right.legend(*legend, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.suptitle(f"{n:,} endpoints settling at once, one token: 250 a minute, 5,000 an hour")
    figure.tight_layout()
    figure.savefig(path, dpi=130)


def _floors(axes: Any, settles: list[float]) -> None:
    pages = [settles[at : at + PAGE] for at in range(0, len(settles), PAGE)]
    polls = np.unique(np.geomspace(4, _MOST / len(pages), 16).astype(int))
    bound = [keller_mean(many) for many in polls]
    axes.plot(polls * len(pages), bound, "k-", lw=1, label="Keller's bound (known distribution)")
    seen = [max(_LEAST_S, np.mean(clairvoyant_pages(pages, int(many)))) for many in polls]
    axes.plot(polls * len(pages), seen, "k:", lw=1, label="clairvoyant, by page, no windows")


def _rivals(axes: Any, settles: list[float], metric: str) -> None:
    for name, policy in RIVALS.items():
        of = figures(policy(settles, 0))
        axes.plot(
            of["requests"], max(of[metric], _LEAST_S), "x" if "floor" in name else "o", label=name
        )
    results = [figures(even_list(settles, 0, period=period)) for period in _PERIODS_S]
    requests, late = [of["requests"] for of in results], [of[metric] for of in results]
    axes.plot(requests, late, "-", lw=0.8, c="grey", label="even list, by its period")


def _ours(left: Any, right: Any, n: int, options: Options, seed: int) -> None:
    for label, model, colour in (
        ("di_async, cold", None, "tab:cyan"),
        ("di_async, warm", 1.0, "k"),
    ):
        of = [
            run_ours(Run("A", n, model), seed, options, RequestBudget(per_hour=quota))
            for quota in _QUOTAS
        ]
        requests = [each["requests"] for each in of]
        for axes, metric in ((left, "mean"), (right, "p99")):
            axes.plot(requests, [each[metric] for each in of], "s-", c=colour, label=label)
