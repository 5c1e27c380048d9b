"""The table of `docs/costs.md`: which figures it shows, and under which names.

Bounds come from the measured rows. A test compares the README's first column with these lines.
"""

import math
from collections.abc import Mapping, Sequence

from attrs import frozen

from benchmarks.rounds import Row

__all__ = ["HEAD", "LINES", "readme_table"]

HEAD = ("measured", "di_async", "compared with", "ratio (bound)")


@frozen
class Line:
    """One line of the table."""

    name: str
    scenario: str
    own: str
    """The metric of di_async, and its format."""
    others: tuple[tuple[str, str], ...]
    """Metrics that it is compared with, and their formats."""
    ratio: str
    """The metric that has a bound."""
    ratio_format: str
    """Formats the ratio and its bound."""


_OTHERS_GET = (
    ("raw_us", "aiohttp + orjson {:.0f}"),
    ("httpx_us", "httpx {:.0f}"),
    ("gcore_us", "gcore {:.0f}"),
    ("pydo_us", "pydo {:.0f}"),
)
LINES = (
    Line(
        "CPU of a GET, one after the other",
        "get",
        "ours_us|{:.0f} µs",
        _OTHERS_GET,
        "ours_x_raw",
        "{:.2f} x raw ({:.2f})",
    ),
    Line(
        "CPU of a GET, 50 at a time",
        "get-50",
        "ours_us|{:.0f} µs",
        _OTHERS_GET,
        "ours_x_raw",
        "{:.2f} x raw ({:.2f})",
    ),
    Line(
        "decoding one instance of a page of 200",
        "decode-200",
        "ours_us|{:.1f} µs",
        (
            ("orjson_us", "dicts {:.1f}"),
            ("constructors_us", "attrs by hand {:.1f}"),
            ("stainless_us", "Stainless {:.1f}"),
        ),
        "ours_x_constructors",
        "{:.2f} x by hand ({:.2f})",
    ),
    Line(
        "memory of one instance",
        "decode-200",
        "ours_bytes|{:.0f} B",
        (("dict_bytes", "dict {:.0f}"),),
        "bytes_x_dict",
        "{:.2f} x dict ({:.2f})",
    ),
    Line(
        "a scan of 4,000 instances, at 50 ms latency",
        "scan-4000",
        "ours_s|{:.2f} s",
        (("raw_s", "aiohttp + orjson {:.2f}"), ("pydo_s", "pydo {:.2f}")),
        "times_as_long_as_raw",
        "{:.2f} x raw ({:.2f})",
    ),
    Line(
        "importing it and making a client",
        "startup",
        "ours_ms|{:.0f} ms",
        (
            ("floor_ms", "its dependencies {:.0f}"),
            ("gcore_ms", "gcore {:.0f}"),
            ("pydo_ms", "pydo {:.0f}"),
        ),
        "ours_x_floor",
        "{:.2f} x dependencies ({:.2f})",
    ),
    Line(
        "memory of one of 10,000 idle waits",
        "waiters-10000",
        "idle_bytes|{:.0f} B",
        (),
        "idle_bytes",
        "{:.0f} B ({:.0f})",
    ),
    Line(
        "checking one of 10,000 pending waits",
        "waiters-10000",
        "observation_us|{:.1f} µs",
        (("least_us", "id and status alone {:.1f}"), ("get_us", "a GET {:.0f}")),
        "get_x_observation",
        "{:.0f} x cheaper ({:.0f})",
    ),
)


def readme_table(rows: Sequence[Row]) -> str:
    """Return the table in Markdown; a dash stands for what was not measured."""
    found = {(row.scenario, row.metric): row for row in rows}
    lines = [HEAD, ("---", "--:", "---", "--:"), *(_cells(line, found) for line in LINES)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cells(line: Line, found: Mapping[tuple[str, str], Row]) -> tuple[str, str, str, str]:
    def cell(metric: str, form: str) -> str:
        row = found.get((line.scenario, metric))
        return "-" if row is None else form.format(row.value)

    metric, form = line.own.split("|")
    others = ", ".join(cell(*other) for other in line.others)
    return line.name, cell(metric, form), others, _ratio(line, found)


def _ratio(line: Line, found: Mapping[tuple[str, str], Row]) -> str:
    row = found.get((line.scenario, line.ratio))
    if row is None:
        return "-"
    text = line.ratio_format.format(row.value, math.nan if row.target is None else row.target)
    return f"{text}, missed" if row.ok is False else text
