"""Tests of the startup benchmark: what it measures in a fresh interpreter, and its bounds."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from benchmarks import startup


def test_output_of_the_measured_code_is_ignored() -> None:
    """Output of the measured code is ignored, and exit code 0 is a success."""
    cpu_ms, peak_kb = startup.run("print('some text'); raise SystemExit(0)", {})
    assert cpu_ms >= 0
    assert peak_kb > 1000


def test_failure_of_the_measured_code() -> None:
    """A command that fails raises an error instead of counting as fast."""
    with pytest.raises(subprocess.CalledProcessError):
        startup.run("raise SystemExit(2)", {})


@pytest.mark.parametrize(
    ("metric", "way", "over", "bound"),
    [("help_x_typer", "help", "typer", 1.25), ("list_x_library", "list", "library_list", 1.8)],
)
def test_commands_have_bounds(metric: str, way: str, over: str, bound: float) -> None:
    """A command that takes twice as long as its reference misses the bound."""
    times = {name: [10.0] for name in startup.WAYS}
    times[way] = [20.0]
    (row,) = [row for row in startup.rows_of(times, times) if row.metric == metric]
    assert (row.value, row.target, row.ok) == (2.0, bound, False)
    assert over in startup.WAYS


def test_floor_is_the_dependencies() -> None:
    """What the library's import is compared with imports each dependency, and nothing else."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    dependencies = {re.split("[^a-z]", one)[0] for one in project["project"]["dependencies"]}
    assert set(startup.WAYS["floor"].removeprefix("import ").split(", ")) == dependencies
