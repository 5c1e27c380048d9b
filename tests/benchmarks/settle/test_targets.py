"""Promises are held against the right figures, and the command tells whether they were kept."""

import math
from pathlib import Path

import orjson
import pytest

from benchmarks.settle import targets
from benchmarks.settle.__main__ import main
from benchmarks.settle.runs import Run, all_runs
from benchmarks.settle.targets import checked, combined


def test_every_promise_names_a_row_that_is_run() -> None:
    """No target waits for a row that never comes."""
    named = {name for name in targets._BY_RUN if not name.startswith("memory")}  # noqa: SLF001
    names = [run.name for run in all_runs()]
    assert named <= set(names)
    assert len(names) == len(set(names))


def test_one_bad_seed_is_enough() -> None:
    """Delays are medians; false successes and refusals are the worst seed's."""
    seeds = [{"p99": p99, "false": false} for p99, false in ((1, 0), (2, 1), (90, 0))]
    assert combined(seeds) == {"p99": 2, "false": 1}


def test_a_crash_of_one_seed_is_told() -> None:
    """The other seeds' figures do not hide it."""
    rows = checked(Run("C", 9), combined([{"p99": 1.0, "false": 0.0}, {"crashed": 1.0}]))
    assert [row.metric for row in rows if row.ok is False] == ["crashed"]


@pytest.mark.parametrize(("p99", "ok"), [(26.0, True), (26.01, False), (math.nan, False)])
def test_a_target_is_the_most_that_is_allowed(p99: float, ok: bool) -> None:
    """What could not be measured is not kept."""
    (row,) = checked(Run("A", 10_000, 1.0), {"p99": p99})
    assert (row.target, row.ok) == (26, ok)


def test_sizes_asked_for_are_run() -> None:
    """A size that no row has is run cold and warm; `quick` leaves the large ones out."""
    assert [run.name for run in all_runs({"A"}, {7})] == ["A-7-cold", "A-7-warm"]
    assert {run.n for run in all_runs({"A"}, quick=True)} == {1, 50, 1000}


@pytest.mark.slow
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table on stdout, progress on stderr, rows as JSON, exit code 0 if all was kept."""
    file = tmp_path / "rows.json"
    wanted = ["--scenario=A", "--n=1", "--seeds=1", "--processes=0", f"--json={file}"]
    assert main(wanted) == 0
    told = capsys.readouterr()
    assert "A-1-cold" in told.out
    assert "A-1 even list" in told.err
    rows = orjson.loads(file.read_bytes())
    assert set(rows[0]) == {"scenario", "metric", "value", "target", "ok"}
    assert {row["scenario"] for row in rows} >= {"A-1-cold", "A-1-warm", "A-1 per-id 5 s"}
