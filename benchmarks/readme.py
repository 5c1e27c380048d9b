"""The README's performance table: which figures it tells, and in which words.

A test holds the README's rows against these, so that neither can change alone.
"""

from collections.abc import Sequence

from attrs import frozen

from benchmarks.rounds import Row

__all__ = ["HEAD", "LINES", "readme_table"]

HEAD = ("measured", "di_async", "beside it", "promised")


@frozen
class Line:
    """A line: our own figure, the ratio that was promised something, and others' figures."""

    name: str
    scenario: str
    own: str
    """The metric that is ours, and how it is written."""
    others: tuple[tuple[str, str], ...]
    ratio: str
    promise: str


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
        "{:.2f} x raw (1.40)",
    ),
    Line(
        "CPU of a GET, 50 at a time",
        "get-50",
        "ours_us|{:.0f} µs",
        _OTHERS_GET,
        "ours_x_raw",
        "{:.2f} x raw (1.45)",
    ),
    Line(
        "an instance of a 200-item page, read",
        "decode-200",
        "ours_us|{:.1f} µs",
        (
            ("orjson_us", "dicts {:.1f}"),
            ("constructors_us", "attrs by hand {:.1f}"),
            ("stainless_us", "Stainless {:.1f}"),
        ),
        "ours_x_constructors",
        "{:.2f} x by hand (1.25)",
    ),
    Line(
        "its memory",
        "decode-200",
        "ours_bytes|{:.0f} B",
        (("dict_bytes", "dict {:.0f}"),),
        "bytes_x_dict",
        "{:.2f} x dict (0.60)",
    ),
    Line(
        "a scan of 4,000 instances, 50 ms away",
        "scan-4000",
        "ours_s|{:.2f} s",
        (("raw_s", "aiohttp + orjson {:.2f}"), ("pydo_s", "pydo {:.2f}")),
        "times_as_long_as_raw",
        "{:.2f} x raw (1.30)",
    ),
    Line(
        "import and a client",
        "startup",
        "ours_ms|{:.0f} ms",
        (
            ("floor_ms", "its dependencies {:.0f}"),
            ("gcore_ms", "gcore {:.0f}"),
            ("pydo_ms", "pydo {:.0f}"),
        ),
        "ours_x_floor",
        "{:.2f} x floor (1.12)",
    ),
    Line(
        "an idle wait, of 10,000",
        "waiters-10000",
        "idle_bytes|{:.0f} B",
        (),
        "idle_bytes",
        "{:.0f} B (2,048)",
    ),
    Line(
        "a look at one of 10,000 that wait",
        "waiters-10000",
        "observation_us|{:.1f} µs",
        (("least_us", "id and status alone {:.1f}"), ("get_us", "a GET {:.0f}")),
        "get_x_observation",
        "{:.0f} x cheaper (25)",
    ),
)


def readme_table(rows: Sequence[Row]) -> str:
    """The table in Markdown; a dash where something was not measured."""
    found = {(row.scenario, row.metric): row.value for row in rows}
    lines = [HEAD, ("---", "--:", "---", "--:"), *(_cells(line, found) for line in LINES)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cells(line: Line, found: dict[tuple[str, str], float]) -> tuple[str, str, str, str]:
    def cell(metric: str, form: str) -> str:
        value = found.get((line.scenario, metric))
        return "-" if value is None else form.format(value)

    metric, form = line.own.split("|")
    beside = ", ".join(cell(*other) for other in line.others)
    return line.name, cell(metric, form), beside, cell(line.ratio, line.promise)
