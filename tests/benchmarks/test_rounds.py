"""Tests of the benchmarks' arithmetic, and of the table of costs from it.

The vendors' SDKs that some benchmarks import take a second: only the tests that need them do.
"""

import asyncio
from pathlib import Path

import orjson
import pytest

from benchmarks import __main__ as everything
from benchmarks import startup
from benchmarks.readme import HEAD, LINES, readme_table
from benchmarks.rounds import Limit, Row, median_rows, ratio, rounds_of, table
from benchmarks.server import GCORE_NAME, PAGE, Fleet, gcore_deployment
from benchmarks.settle.report import write_json

COSTS = (Path(__file__).parents[2] / "docs" / "costs.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("limit", "value", "ok"),
    [
        (Limit(most=1.4), 1.4, True),
        (Limit(most=1.4), 1.41, False),
        (Limit(least=4), 4.0, True),
        (Limit(least=4), 3.9, False),
        (Limit(), 7.0, None),
    ],
)
def test_limits(limit: Limit, value: float, ok: bool | None) -> None:
    """A limit is a maximum, a minimum or absent."""
    assert limit.row("s", "m", value).ok is ok


def test_ratios_are_taken_within_rounds() -> None:
    """Ratios are taken within rounds: one slow round changes nothing."""
    times = {"a": [2.0, 20.0, 2.0], "b": [1.0, 10.0, 8.0]}
    assert ratio(times, "a", "b") == 2.0


def test_medians_and_spreads() -> None:
    """A spread is the interquartile range relative to the median."""
    rows = {row.metric: row.value for row in median_rows("s", {"a": [1.0, 2.0, 3.0]})}
    assert rows == {"a_us": 2.0, "a_us_spread": 1.0}


async def test_rounds_are_interleaved_and_the_first_does_not_count() -> None:
    """Each way runs once a round, and the first round is not counted."""
    order: list[str] = []

    async def work(name: str) -> None:
        order.append(name)

    times = await rounds_of({"a": lambda: work("a"), "b": lambda: work("b")}, 2)
    assert order == ["a", "b"] * 3
    assert {name: len(of) for name, of in times.items()} == {"a": 2, "b": 2}


def test_table_marks_missed_limits() -> None:
    """The table shows spreads beside figures, and marks missed limits."""
    rows = [Row("s", "a_us", 2.0), Row("s", "a_us_spread", 0.5), Limit(most=1).row("s", "x", 1.5)]
    lines = table(rows).splitlines()
    assert "25%" in lines[1]
    assert lines[2].endswith("MISSED")
    assert len(lines) == 3


def test_all_decoders_find_the_same_instances() -> None:
    """All decoders find the same instances, and ours equals the constructors."""
    from benchmarks import decode

    decode.check(Fleet(PAGE).page(), Fleet(PAGE, dialect="observed").page())


def test_response_of_gcore_has_its_own_shape() -> None:
    """Gcore's response has the shape that the rival's typed method reads."""
    assert orjson.loads(gcore_deployment())["name"] == GCORE_NAME


def test_overhead_compares_ratios_with_targets() -> None:
    """Overhead compares ours with raw, and others with ours; uvloop has no target."""
    from benchmarks import overhead

    times = {name: [cost] * 3 for name, cost in {"raw": 1.0, "ours": 1.5, "pydo": 6.0}.items()}
    rows = {row.metric: (row.value, row.ok) for row in overhead.rows_of("get", times)}
    assert rows["ours_x_raw"] == (1.5, False)
    assert rows["pydo_x_ours"] == (4.0, True)
    assert all(row.ok is None for row in overhead.rows_of("get-uvloop", times))


def test_memory_is_above_a_bare_interpreter() -> None:
    """Memory is that above a bare interpreter; the first round compiles the modules."""

    def once(code: str) -> tuple[float, float]:
        return (10.0, 1024.0) if not code else (20.0, 3072.0)

    cpu, memory = startup.measure(2, once)
    assert set(cpu) == set(startup.WAYS) - {"bare"}
    assert (cpu["ours"], memory["ours"]) == ([20.0, 20.0], [2.0, 2.0])


def test_rows_are_written_and_read(tmp_path: Path) -> None:
    """`--from` reads the rows that `--json` wrote."""
    kept, again = tmp_path / "rows.json", tmp_path / "again.json"
    write_json(str(kept), [Row("s", "m", 1.5, 1.0, False)])
    assert everything.main(["--from", str(kept), "--json", str(again)]) == 1
    assert again.read_bytes() == kept.read_bytes()


def test_docs_hold_the_table_that_is_printed() -> None:
    """`docs/costs.md` has the head and the row names that are printed."""
    printed = readme_table([]).splitlines()
    begins = COSTS.splitlines().index(f"| {' | '.join(HEAD)} |")
    shown = COSTS.splitlines()[begins : begins + len(printed)]
    assert [line.split(" | ")[0] for line in shown] == [line.split(" | ")[0] for line in printed]
    assert len(LINES) == len(printed) - 2


def test_every_figure_of_the_table_is_measured() -> None:
    """Every metric in the table is measured by a benchmark."""
    from benchmarks import overhead

    times = {name: [1.0] * 3 for name in ("raw", "ours", "pydo", "gcore", "gradient", "httpx")}
    rows = [row for name in ("get", "get-50") for row in overhead.rows_of(name, times)]
    rows += startup.rows_of(*startup.measure(1, lambda code: (1.0, 2.0 if code else 1.0)))
    known = {(row.scenario, row.metric) for row in rows}
    for line in LINES:
        if line.scenario in {"get", "get-50", "startup"}:
            wanted = [line.own.split("|")[0], line.ratio, *(metric for metric, _ in line.others)]
            assert {(line.scenario, metric) for metric in wanted} <= known


def test_unknown_benchmark_is_rejected() -> None:
    """An unknown benchmark is an error."""
    with pytest.raises(SystemExit):
        everything.main(["--only", "decoed"])


def test_loops_are_both_measured() -> None:
    """The loops of asyncio and uvloop are measured."""
    from benchmarks import overhead

    for make in overhead.LOOPS.values():
        loop = make()
        assert isinstance(loop, asyncio.AbstractEventLoop)
        loop.close()
