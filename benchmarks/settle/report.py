"""Format rows as a table and as JSON."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import orjson
from attrs import asdict

from benchmarks.settle.targets import Row

__all__ = ["misses", "table", "write_json"]

_COLUMNS = (
    ("p50", 1), ("p95", 1), ("p99", 1), ("max", 0), ("mean", 2), ("regret", 2), ("regret_list", 2),
    ("keller", 2), ("clairvoyant", 2),
    ("requests", 0), ("list", 0), ("get", 0), ("mutation", 0), ("refused", 0), ("refused_late", 0),
    ("max_60s", 0), ("max_3600s", 0), ("unseen", 0), ("false", 0), ("missed", 0), ("wrong", 0),
    ("timeouts", 0), ("unsent", 0),
    ("crashed", 0), ("idle_bytes", 0), ("seen_bytes", 0), ("bare_bytes", 0),
    ("mean_ratio", 2),
    ("blind_s", 0), ("cpu_s", 2), ("json_s", 2), ("send_s", 2), ("rss_kb", 1), ("wall_s", 1),
)  # fmt: skip


def table(sections: Mapping[str, Sequence[Row]]) -> str:
    """Return one line for each run; `!` marks a figure that misses its target."""
    names = [name for name, _ in _COLUMNS]
    lines = [["", *names]]
    for title, rows in sections.items():
        of = {row.metric: row for row in rows}
        lines.append([title, *(_cell(of.get(name), digits) for name, digits in _COLUMNS)])
    used = [at for at in range(len(names) + 1) if any(line[at] for line in lines[1:])]
    wide = {at: max(len(line[at]) for line in lines) for at in used}
    return "\n".join(
        "  ".join(line[at].ljust(wide[at]) if at == 0 else line[at].rjust(wide[at]) for at in used)
        for line in lines
    )


def misses(rows: Iterable[Row]) -> list[str]:
    """Return a line for each missed target."""
    return [
        f"{row.scenario}: {row.metric} {row.value:.4g}, promised {row.target:.4g}"
        for row in rows
        if row.ok is False and row.target is not None
    ]


def write_json(path: str, rows: Iterable[Row]) -> None:
    """Write all rows; figures that could not be measured are null."""
    values = [asdict(row) for row in rows]
    for row in values:
        row["value"] = None if math.isnan(row["value"]) else round(row["value"], 4)
    Path(path).write_bytes(orjson.dumps(values, option=orjson.OPT_INDENT_2))


def _cell(row: Row | None, digits: int) -> str:
    if row is None:
        return ""
    mark = "!" if row.ok is False else ""
    return mark + ("-" if math.isnan(row.value) else f"{row.value:.{digits}f}")
