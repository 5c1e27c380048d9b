"""Break the code on purpose and report which changes no test notices.

All mutants of the decision modules are tried, and a seeded sample of the others (`targets.py`).
cosmic-ray makes the mutants and the session files that make a run resumable: run the same command
again to continue. Changed modules start again, and survivors are tried again when tests change.
`accepted.toml` lists survivors that need no test, each with a reason. Exits with 1 if a decision
module has others.

    python -m tests.mutation              # everything, under an hour on two cores
    python -m tests.mutation core/retry   # only modules whose path contains one of these
"""

import argparse
import compileall
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

from attrs import define, field, frozen
from cosmic_ray.work_item import WorkItem

from tests.mutation import session
from tests.mutation.session import Mutant
from tests.mutation.targets import DECISIONS, ROOT, SAMPLE_SEED, SAMPLE_SIZE, SAMPLED, Target

ACCEPTED = Path(__file__).with_name("accepted.toml")
COMPILED = ("di_async", "tests", "benchmarks")  # not docs, whose notebook awaits outside functions


@define
class Worker:
    """A worker process and its copy of the tree."""

    process: subprocess.Popen[str]

    @classmethod
    def start(cls, folder: Path) -> "Worker":
        """Copy the tree, compile it and start the process."""
        copy_tree(folder)
        env = os.environ | {"PYTHONPATH": str(folder)}
        for name in COMPILED:
            compileall.compile_dir(folder / name, quiet=1)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.mutation.worker"],
            cwd=folder,
            env=env | {"PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return cls(process)

    def run_job(self, job: dict[str, Any]) -> dict[str, Any]:
        """Return the worker's response to a job."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


def copy_tree(folder: Path) -> None:
    """Copy what git tracks or would track."""
    git = shutil.which("git") or "git"
    listed = subprocess.run(  # noqa: S603 - a constant command
        [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        source, target = ROOT / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())


@frozen
class Accepted:
    """A survivor that needs no test."""

    file: str
    within: str
    old: str
    new: str
    reason: str

    def covers(self, mutant: Mutant) -> bool:
        """Return whether this entry is about that mutant."""
        found = (mutant.path, mutant.within, mutant.old, mutant.new)
        return (self.file, self.within, self.old, self.new) == found


@define
class Report:
    """What a run found."""

    accepted: list[Accepted]
    tried: int = 0
    excused: int = 0
    used: set[Accepted] = field(factory=set)
    survivors: list[Mutant] = field(factory=list)

    def add(self, mutants: Sequence[Mutant], killed: dict[str, bool]) -> int:
        """Count the mutants of one module; return how many survived without a reason."""
        before = len(self.survivors)
        for mutant in mutants:
            self.tried += 1
            if killed[mutant.job]:
                continue
            entry = next((entry for entry in self.accepted if entry.covers(mutant)), None)
            if entry is not None:
                self.excused += 1
                self.used.add(entry)
            else:
                self.survivors.append(mutant)
        return len(self.survivors) - before

    def __str__(self) -> str:
        alive = self.excused + len(self.survivors)
        share = alive / self.tried if self.tried else 0.0
        return (
            f"{self.tried} mutants, {alive} survived ({share:.1%}), {self.excused} of them accepted"
        )


@define
class Run:
    """Tries the mutants of one module after the other on all workers."""

    folder: Path
    workers: list[Worker]
    processor_s: float = 0.0
    """What the tests of the mutants took, to compare runs on a busy machine."""
    _limits: dict[tuple[str, ...], int] = field(factory=dict)

    def module(self, path: str, target: Target, chosen: list[WorkItem] | None) -> tuple[
        list[Mutant], dict[str, bool]
    ]:  # fmt: skip
        """Return the module's mutants and whether each was killed."""
        stages = target.stages(path)
        digest = tests_digest(stages)
        with session.session(self.folder, path) as db:
            items = db.work_items if chosen is None else chosen
            all_mutants = list(session.mutants(items, path))
            known = session.results(db)
            killed = {
                mutant.job: known[mutant.job][0]
                for mutant in all_mutants
                if mutant.job in known and (known[mutant.job][0] or known[mutant.job][1] == digest)
            }
            pending = [mutant for mutant in all_mutants if mutant.job not in killed]
            if pending:
                limits = [self._limit(path, stage) for stage in stages]
                job = {"path": path, "stages": stages, "cpu_limits": limits}
                for mutant, answer in self._spread(pending, job):
                    killed[mutant.job] = answer["codes"][-1] != 0
                    self.processor_s += sum(answer["seconds"])
                    session.record(db, mutant.job, killed=killed[mutant.job], tests=digest)
        return all_mutants, killed

    def _limit(self, path: str, stage: list[str]) -> int:
        """Return the processor seconds that a mutant may take; fail if the unchanged code does."""
        key = tuple(stage)
        if key not in self._limits:
            source = (ROOT / path).read_text(encoding="utf-8")
            job = {"path": path, "source": source, "stages": [stage], "cpu_limits": [600]}
            answer = self.workers[0].run_job(job)
            if any(answer["codes"]):
                tests = " ".join(stage)
                raise SystemExit(f"these tests fail unchanged: {tests}\n{answer['output']}")
            self._limits[key] = int(answer["seconds"][0] * 3) + 3
        return self._limits[key]

    def _spread(
        self, mutants: list[Mutant], job: dict[str, Any]
    ) -> Iterator[tuple[Mutant, dict[str, Any]]]:
        """Yield each mutant with the worker's response, as they are received."""
        todo: SimpleQueue[Mutant | None] = SimpleQueue()
        done: SimpleQueue[tuple[Mutant, dict[str, Any] | BaseException]] = SimpleQueue()
        for mutant in mutants:
            todo.put(mutant)

        def work(worker: Worker) -> None:
            while (mutant := todo.get()) is not None:
                try:
                    done.put((mutant, worker.run_job({**job, "source": mutant.source})))
                except Exception as error:
                    done.put((mutant, error))
                    return

        threads = [Thread(target=work, args=(worker,), daemon=True) for worker in self.workers]
        for thread in threads:
            todo.put(None)
            thread.start()
        for _ in mutants:
            mutant, answer = done.get()
            if isinstance(answer, BaseException):
                raise answer
            yield mutant, answer


def tests_digest(stages: list[list[str]]) -> str:
    """Return a digest of the test files."""
    names = [name for stage in stages for name in stage]
    parts = [name.encode() + (ROOT / name).read_bytes() for name in names]
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def sampled_paths() -> list[str]:
    """Return all modules of which only a sample is tried."""
    whole = {path for target in DECISIONS for path in target.paths()}
    return [path for target in SAMPLED for path in target.paths() if path not in whole]


def sample(folder: Path, decided: set[str]) -> dict[str, tuple[Target, list[WorkItem]]]:
    """Return the chosen mutations of all modules that are not tried completely."""
    found: list[tuple[str, Target, WorkItem]] = []
    seen = set(decided)
    for target in SAMPLED:
        for path in target.paths():
            if path in seen:
                continue
            seen.add(path)
            with session.session(folder, path) as db:
                found += [(path, target, item) for item in db.work_items]
    found.sort(key=lambda entry: session.order(entry[2], SAMPLE_SEED))
    chosen: dict[str, tuple[Target, list[WorkItem]]] = {}
    for path, target, item in found[:SAMPLE_SIZE]:
        chosen.setdefault(path, (target, []))[1].append(item)
    return dict(sorted(chosen.items()))


@contextmanager
def workers(count: int) -> Iterator[list[Worker]]:
    """Start the workers, each in a temporary folder, and stop them."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as top:
        started = [Worker.start(Path(top) / str(number)) for number in range(count)]
        try:
            yield started
        finally:
            for worker in started:
                worker.process.kill()
                worker.process.wait()


def say(text: str) -> None:
    """Print a line immediately, even if the output is a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def show(title: str, report: Report) -> None:
    """Print the totals and every survivor as file, line and change."""
    say(f"\n{title}: {report}")
    for mutant in sorted(report.survivors, key=lambda mutant: (mutant.path, mutant.line)):
        say(f"{mutant.path}:{mutant.line} {mutant.within}\n  - {mutant.old}\n  + {mutant.new}")


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("words", nargs="*", help="only modules whose path contains one of these")
    parser.add_argument("--session", type=Path, default=ROOT / ".mutation")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that temporary folders go
    args.session.mkdir(exist_ok=True)
    (args.session / ".gitignore").write_text("*\n")

    def wanted(path: str) -> bool:
        return not args.words or any(word in path for word in args.words)

    accepted = [Accepted(**entry) for entry in tomllib.loads(ACCEPTED.read_text())["accepted"]]
    decisions, others = Report(accepted), Report(accepted)
    whole = {path: target for target in DECISIONS for path in target.paths()}
    chosen = sample(args.session, set(whole)) if any(map(wanted, sampled_paths())) else {}
    plan: list[tuple[Report, str, Target, list[WorkItem] | None]] = [
        *((decisions, path, target, None) for path, target in whole.items()),
        *((others, path, target, items) for path, (target, items) in chosen.items()),
    ]
    with workers(args.workers) as started:
        run = Run(args.session, started)
        for report, path, target, items in plan:
            if not wanted(path):
                continue
            began = time.monotonic()
            tried, killed = run.module(path, target, items)
            survived = report.add(tried, killed)
            took = time.monotonic() - began
            say(f"{path}: {survived} of {len(tried)} survived ({took:.0f} s)")
    say(f"Processor time of the tests: {run.processor_s:.0f} s")
    show("Decision modules", decisions)
    show("Sample of the rest", others)
    if not args.words:
        for entry in accepted:
            if entry not in decisions.used | others.used:
                say(f"accepted.toml: did not survive: {entry.file}: {entry.new}")
    return 1 if decisions.survivors else 0


if __name__ == "__main__":
    sys.exit(main())
