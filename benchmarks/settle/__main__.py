"""Delay of noticing a settle, and its cost in requests: `python -m benchmarks.settle`.

Virtual time, the emulator's own world, both rate windows enforced. A good result: 10,000 waits on
one token, p99 within 26 s in at most 4,700 requests with a warm model, compared with 36 s and 2,365
requests of an evenly paced list and two hours of per-id polling; no false successes or 429s.
targets.py has all targets; the exit code is 1 if one was missed.

CPU is the client's own, without JSON, sending, world and harness. In scenario A it is measured
while recorded responses are replayed in another process, where no world shares the CPU's caches:
the minimum of three (alone.py).
"""

import argparse
import logging
import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from attrs import define, frozen

from benchmarks.settle.memory import run_memory
from benchmarks.settle.options import Options
from benchmarks.settle.ours import run_ours
from benchmarks.settle.report import misses, table, write_json
from benchmarks.settle.rivals import RIVALS, figures
from benchmarks.settle.runs import Run, all_runs
from benchmarks.settle.targets import Row, by_name, checked, combined, with_targets
from benchmarks.settle.worlds import durations

Figures = dict[str, float]


@frozen
class Job:
    """One run with one seed, in its own process with its own memory."""

    title: str
    seed: int
    work: Callable[..., Figures]
    arguments: tuple[Any, ...]


@define
class Board:
    """Figures by title and seed, in the order in which the titles were added."""

    jobs: list[Job]
    found: dict[str, list[Figures]]

    def rows(self, runs: dict[str, Run]) -> dict[str, list[Row]]:
        """Return all rows with their targets."""
        rows: dict[str, list[Row]] = {}
        for title in dict.fromkeys(job.title for job in self.jobs):
            of = combined(self.found[title])
            run = runs.get(title)
            rows[title] = checked(run, of) if run else with_targets(title, of, by_name(title))
        return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen scenarios; return 1 if a target was missed."""
    args = _parser().parse_args(arguments)
    runs = {run.name: run for run in all_runs(args.scenario, args.n, quick=args.quick)}
    if args.only:
        runs = {name: run for name, run in runs.items() if args.only in name}
    seeds = range(1 if args.quick else args.seeds)
    options = Options(latency_s=args.latency, target_lag=args.target_lag)
    board = Board(list(_jobs(list(runs.values()), seeds, options, rivals=not args.ours)), {})
    _run_all(board, args.processes)
    rows = board.rows(runs)
    print(table(rows))
    flat = [row for of in rows.values() for row in of]
    if args.json:
        write_json(args.json, flat)
    if args.plot:
        from benchmarks.settle.plot import draw

        draw(args.plot, args.plot_n, options)
    missed = misses(flat)
    print("\n".join(["", *(f"MISSED {line}" for line in missed)] if missed else ["", "all kept"]))
    return 1 if missed else 0


def _jobs(runs: list[Run], seeds: range, options: Options, *, rivals: bool) -> Iterator[Job]:
    for run in runs:
        yield from (Job(run.name, seed, run_ours, (run, seed, options)) for seed in seeds)
    sizes = sorted({run.n for run in runs if run.scenario == "A"})
    if 10_000 in sizes:
        yield Job("memory-10000", 0, run_memory, (10_000, 0))
    for n in sizes if rivals else ():
        for name in RIVALS:
            yield from (Job(f"A-{n} {name}", seed, run_rival, (name, n, seed)) for seed in seeds)


def run_rival(name: str, n: int, seed: int) -> Figures:
    """Return the figures of a rival in scenario A."""
    return figures(RIVALS[name](durations(Run("A", n), seed), seed))


def _run_all(board: Board, processes: int) -> None:
    board.found = {job.title: [] for job in board.jobs}
    for done, (job, of) in enumerate(_results(board.jobs, processes), start=1):
        board.found[job.title].append(of)
        summary = " ".join(f"{k}={of[k]:.4g}" for k in ("p50", "p99", "requests") if k in of)
        print(f"{done}/{len(board.jobs)} {job.title} #{job.seed} {summary}", file=sys.stderr)


def _results(jobs: list[Job], processes: int) -> Iterator[tuple[Job, Figures]]:
    if processes == 0:
        yield from map(_work, jobs)
        return
    with multiprocessing.get_context("fork").Pool(processes, maxtasksperchild=1) as pool:
        yield from pool.imap_unordered(_work, jobs)


def _work(job: Job) -> tuple[Job, Figures]:
    logging.getLogger("di_async").addHandler(logging.NullHandler())
    logging.getLogger("di_async").propagate = False
    try:
        return job, job.work(*job.arguments)
    except Exception:
        traceback.print_exc(limit=-3)
        return job, {"crashed": 1.0}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.settle", description=__doc__)
    parser.add_argument("--scenario", type=lambda text: set(text.split(",")), metavar="A,B")
    parser.add_argument("--n", type=lambda text: set(map(int, text.split(","))), metavar="N,N")
    parser.add_argument("--only", help="runs whose name holds this, such as 'warm'")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one seed, at most 1,000 waits")
    parser.add_argument("--ours", action="store_true", help="leave the rivals out")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--plot", metavar="FILE")
    parser.add_argument("--plot-n", type=int, default=10_000)
    parser.add_argument("--latency", type=float, default=0.1, help="mean round trip, seconds")
    parser.add_argument("--target-lag", type=float)
    processes = min(2, os.cpu_count() or 1)
    parser.add_argument("--processes", type=int, default=processes, help="0: all in this one")
    return parser


if __name__ == "__main__":
    sys.exit(main())
