"""Times ways of doing the same work in turns, and computes medians and ratios.

Times are CPU of this process: that is what a busy service runs out of, and what other load on the
machine affects least. Rounds are interleaved and ratios are taken within a round, since single
ratios vary widely; a figure is the median of at least nine.
"""

import argparse
import gc
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from attrs import frozen

from benchmarks.settle.report import misses, write_json
from benchmarks.settle.targets import Row

__all__ = [
    "Limit",
    "Row",
    "Times",
    "finish",
    "median_rows",
    "options",
    "ratio",
    "rounds_of",
    "table",
]

ROUNDS = 9
Times = dict[str, list[float]]
Ways = Mapping[str, Callable[[], Awaitable[object]]]


async def rounds_of(ways: Ways, rounds: int, *, each: int = 1) -> Times:
    """Return microseconds of CPU by way and round, per call if a way makes `each` of them.

    One round before is not counted: it makes connections and fills caches.
    """
    found: Times = {name: [] for name in ways}
    for round_ in range(rounds + 1):
        for name, way in ways.items():
            settle_heap()
            began = time.process_time()
            await way()
            took = time.process_time() - began
            if round_:
                found[name].append(took / each * 1e6)
    return found


def settle_heap() -> None:
    """Exclude existing objects (large modules of other clients) from garbage collection."""
    gc.collect()
    gc.freeze()


@frozen
class Limit:
    """The target of a figure: a maximum or a minimum."""

    most: float | None = None
    least: float | None = None

    def row(self, scenario: str, metric: str, value: float) -> Row:
        """Return the figure with its target."""
        if self.least is not None:
            return Row(scenario, metric, value, self.least, value >= self.least)
        kept = None if self.most is None else value <= self.most
        return Row(scenario, metric, value, self.most, kept)


def median_rows(scenario: str, times: Times, unit: str = "us") -> list[Row]:
    """Return each way's median, and the interquartile range of its rounds relative to it."""
    rows = []
    for name, of in times.items():
        median = statistics.median(of)
        low, _, high = statistics.quantiles(of, n=4) if len(of) > 1 else (median,) * 3
        rows.append(Row(scenario, f"{name}_{unit}", median))
        rows.append(
            Row(scenario, f"{name}_{unit}_spread", (high - low) / median if median else 0.0)
        )
    return rows


def ratio(times: Times, name: str, over: str) -> float:
    """Return the median of one way's time relative to another's, round by round."""
    return statistics.median(a / b for a, b in zip(times[name], times[over], strict=True))


def options(doc: str | None, rounds: int = ROUNDS) -> argparse.ArgumentParser:
    """Return the parser with the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--json", metavar="FILE")
    return parser


def table(rows: Sequence[Row]) -> str:
    """Return one line for each row; spreads are beside their figure."""
    spreads = {(row.scenario, row.metric): row.value for row in rows}
    lines = [("scenario", "metric", "value", "+-", "promised", "")]
    for row in rows:
        if row.metric.endswith("_spread"):
            continue
        apart = spreads.get((row.scenario, f"{row.metric}_spread"))
        promised = "" if row.target is None else f"{row.target:g}"
        kept = {None: "", True: "ok", False: "MISSED"}[row.ok]
        spread = "" if apart is None else f"{apart / 2:.0%}"
        lines.append((row.scenario, row.metric, f"{row.value:,.2f}", spread, promised, kept))
    wide = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(w) if at < 2 else cell.rjust(w)
            for at, (cell, w) in enumerate(zip(line, wide, strict=True))
        ).rstrip()
        for line in lines
    )


def finish(rows: Sequence[Row], json: str | None) -> None:
    """Print and write the rows; exit with 1 if a target is missed."""
    print(table(rows))
    if json:
        write_json(json, rows)
    sys.exit(1 if misses(rows) else 0)
