"""Many deferred waits over one or more triggerers, with or without the death of one of them.

python -m tests.airflow.waits --waits 200 --kill
python -m tests.airflow.waits --waits 2000 --triggerers 2
python -m tests.airflow.waits --waits 2000 --triggerers 1

Prints how many waits ended right, the delay from settling to the end of the task, the emulator's
own count of requests, and the memory of each triggerer. With `--kill`, the triggerer that owns the
most waits is ended with SIGKILL, and some deployments never settle: their deadlines must not move.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.airflow.postgres import postgres
from tests.airflow.stack import ROOT, Airflow, Emulator, stack

PER_DAG = 200
NEVER = 5


_OWNERS = """
from airflow.models.trigger import Trigger
from airflow.utils.session import create_session
from sqlalchemy import func, select
with create_session() as session:
    by_triggerer = select(Trigger.triggerer_id, func.count()).group_by(Trigger.triggerer_id)
    for id, count in session.execute(by_triggerer):
        print("waits", id, count)
"""


def owners(airflow: Airflow) -> dict[str, int]:
    """Return how many waits each triggerer owns, by its id; `None` for those without."""
    done = subprocess.run(
        [sys.executable, "-c", _OWNERS],
        env=airflow.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    rows = (line.split() for line in done.stdout.splitlines() if line.startswith("waits "))
    return {id: int(count) for _, id, count in rows}


def owns_all(airflow: Airflow, waits: int) -> bool:
    """Return whether one triggerer owns all waits."""
    shares = owners(airflow)
    return len(shares) == 1 and "None" not in shares and sum(shares.values()) == waits


def defer_all(airflow: Airflow, emulator: Emulator, dags: int, timeout: float) -> dict[str, Any]:
    """Start a run of each DAG and defer its tasks; return what was deferred."""
    for number in range(dags):
        airflow.run_dag(f"waits_{number}", "r1")
    path = airflow.home / "waits.json"
    given = {
        "ids": [id for id, _ in emulator.placed],
        "deadline": time.time() + timeout,
        "tasks": {},
    }
    path.write_text(json.dumps(given))
    subprocess.run(
        [sys.executable, "-m", "tests.airflow.defer_all", str(path)],
        env=airflow.environment,
        cwd=ROOT,
        check=True,
    )
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def ended(airflow: Airflow, dags: int) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the task instances of all DAGs."""
    return {
        (one["dag_id"], one["task_id"]): one
        for number in range(dags)
        for one in airflow.instances(f"waits_{number}", "r1")
    }


def deadlines_met(airflow: Airflow, deadline: float) -> list[float]:
    """Return by how many seconds after the deadline each trigger reported a timeout."""
    found = []
    for path in (airflow.home / "logs").rglob("*.trigger.*.log"):
        for line in path.read_text().splitlines():
            if "the wait ended" in line:
                stamp = datetime.fromisoformat(json.loads(line)["timestamp"])
                found.append(round(stamp.timestamp() - deadline, 1))
    return sorted(found)


def percentile(values: list[float], share: float) -> float:
    """Return a percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def main() -> None:
    """Parse the arguments and play."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waits", type=int, default=200)
    parser.add_argument("--triggerers", type=int, default=2)
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--settle", type=float, nargs=2, default=(150.0, 400.0))
    parser.add_argument("--timeout", type=float, default=420.0, help="seconds until the deadline")
    parser.add_argument("--target-lag", type=float, default=5.0)
    parser.add_argument("--sqlite", action="store_true", help="default: PostgreSQL")
    given = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="di-async-airflow-"))
    per_dag = min(PER_DAG, given.waits)
    dags = given.waits // per_dag
    never = NEVER if given.kill else 0
    variables = {
        "DI_ASYNC_PIDS": str(home),
        "DI_ASYNC_WAIT_DAGS": str(dags),
        "DI_ASYNC_WAITS_PER_DAG": str(per_dag),
    }
    with (
        nullcontext(None) if given.sqlite else postgres() as database,
        stack(
            home / "home",
            ROOT / "tests/airflow/dags",
            *("--placed", str(dags * per_dag), "--never", str(never)),
            *("--settle", *map(str, given.settle)),
            database=database,
            variables=variables,
            start=False,
            polling={"target_lag": given.target_lag},
        ) as (airflow, emulator),
    ):
        airflow.start_api()
        airflow.start("dag-processor", "dag-processor")
        deferred = defer_all(airflow, emulator, dags, given.timeout)
        settles = dict(emulator.placed)
        began = time.monotonic()
        airflow.start("scheduler", "scheduler", "--skip-serve-logs")
        for number in range(given.triggerers):
            airflow.start_triggerer(f"triggerer-{number + 1}", "--capacity", str(given.waits))
            while given.kill and number == 0 and not owns_all(airflow, given.waits):
                time.sleep(2)
        faults = watch(airflow, given, dags, deferred, settles)
        stats = emulator.state()["stats"]
        print(f"requests: {stats['total']}, refused: {stats['refused']}, most in a minute: "
              f"{stats['max_60s']}, in an hour: {stats['max_3600s']}")  # fmt: skip
        print(f"by operation: {stats['by_operation']}")
        print(f"{time.monotonic() - began:.0f} s; {faults} faults; logs in {home}")
    raise SystemExit(1 if faults else 0)


def watch(
    airflow: Airflow,
    given: argparse.Namespace,
    dags: int,
    deferred: dict[str, Any],
    settles: dict[str, float],
) -> int:
    """Wait until all tasks have ended, print what became of them, and return the faults."""
    memory: dict[str, float] = {}
    killed = not given.kill
    until = deferred["deadline"] + 240
    while True:
        for name in airflow.parts:
            if name.startswith("triggerer"):
                memory[name] = max(memory.get(name, 0.0), airflow.memory_mb(name))
        if not killed and time.time() > min(settles.values()) - 60:
            print(f"waits of each triggerer: {owners(airflow)}; killing triggerer-1")
            airflow.kill("triggerer-1")
            killed = True
        states = Counter(one["state"] for one in ended(airflow, dags).values())
        print(f"{time.time() - deferred['deadline']:.0f} s: {dict(states)}", flush=True)
        if not set(states) - {"success", "failed"} or time.time() > until:
            break
        time.sleep(10 if given.waits <= 300 else 40)
    print(f"memory: { {name: f'{mb:.0f} MB' for name, mb in memory.items()} }")
    if given.kill:
        late = deadlines_met(airflow, deferred["deadline"])
        print(f"{len(late)} triggers fired after their deadline by: {late} s")
    return report(ended(airflow, dags), deferred, settles)


def report(
    tasks: dict[tuple[str, str], dict[str, Any]],
    deferred: dict[str, Any],
    settles: dict[str, float],
) -> int:
    """Print what became of the waits, and return how many ended wrong."""
    lags, wrong = [], 0
    for id, key in deferred["tasks"].items():
        one = tasks[tuple(key)]
        end = one["end_date"] and datetime.fromisoformat(one["end_date"]).timestamp()
        if settles[id] < deferred["deadline"] - 30:
            wrong += one["state"] != "success" or one["try_number"] != 1
            if end:
                lags.append(end - settles[id])
        else:
            wrong += one["state"] != "failed"
    print(f"{len(tasks)} waits: {dict(Counter(one['state'] for one in tasks.values()))}")
    print(f"delay: median {percentile(lags, 0.5):.1f} s, p99 {percentile(lags, 0.99):.1f} s, "
          f"longest {max(lags):.1f} s")  # fmt: skip
    return wrong


if __name__ == "__main__":
    os.umask(0o077)
    main()
