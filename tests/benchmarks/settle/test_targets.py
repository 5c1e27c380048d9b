"""Tests of the targets: compared with the right figures, and reported by the command."""

import math
from pathlib import Path

import orjson
import pytest

from benchmarks.settle import targets
from benchmarks.settle.__main__ import main
from benchmarks.settle.runs import Run, all_runs
from benchmarks.settle.targets import checked, combined


def test_every_target_names_a_row_that_is_run() -> None:
    """Every target names a row that is run."""
    named = {name for name in targets._BY_RUN if not name.startswith("memory")}  # noqa: SLF001
    names = [run.name for run in all_runs()]
    assert named <= set(names)
    assert len(names) == len(set(names))


def test_one_bad_seed_is_enough() -> None:
    """Delays are medians of the seeds; false successes and refusals are the worst seed's."""
    seeds = [{"p99": p99, "false": false} for p99, false in ((1, 0), (2, 1), (90, 0))]
    assert combined(seeds) == {"p99": 2, "false": 1}


def test_crash_of_one_seed_is_reported() -> None:
    """A crash of one seed is reported beside the other seeds' figures."""
    rows = checked(Run("C", 9), combined([{"p99": 1.0, "false": 0.0}, {"crashed": 1.0}]))
    assert [row.metric for row in rows if row.ok is False] == ["crashed"]


@pytest.mark.parametrize(("p99", "ok"), [(26.0, True), (26.01, False), (math.nan, False)])
def test_target_is_a_maximum(p99: float, ok: bool) -> None:
    """A value up to its target is ok; one that could not be measured is not."""
    (row,) = checked(Run("A", 10_000, 1.0), {"p99": p99})
    assert (row.target, row.ok) == (26, ok)


def test_selected_sizes_are_run() -> None:
    """A size without a row is run cold and warm; `quick` leaves large sizes out."""
    assert [run.name for run in all_runs({"A"}, {7})] == ["A-7-cold", "A-7-warm"]
    assert {run.n for run in all_runs({"A"}, quick=True)} == {1, 50, 1000}


@pytest.mark.exhaustive
def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints a table, progress on stderr and JSON, and exits with 0 if all is ok."""
    file = tmp_path / "rows.json"
    wanted = ["--scenario=A", "--n=1", "--seeds=1", "--processes=0", f"--json={file}"]
    assert main(wanted) == 0
    output = capsys.readouterr()
    assert "A-1-cold" in output.out
    assert "A-1 even list" in output.err
    rows = orjson.loads(file.read_bytes())
    assert set(rows[0]) == {"scenario", "metric", "value", "target", "ok"}
    assert {row["scenario"] for row in rows} >= {"A-1-cold", "A-1-warm", "A-1 per-id 5 s"}
