"""Kill workers between the send of a create and the keeping of its id: every deployment is one.

python -m tests.airflow.kill_workers --kills 20
python -m tests.airflow.kill_workers --kills 6 --cloud exo

A create takes three seconds to answer here, and is carried out at once. Each worker is ended with
SIGKILL at a random moment of these, together with its supervisor in every fourth run. Where names
are unique, the retry must adopt the deployment; elsewhere it must name it and make no second one.
"""

import argparse
import os
import random
import signal
import tempfile
import time
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

from attrs import define

from tests.airflow.postgres import postgres
from tests.airflow.stack import ROOT, Airflow, Emulator, stack

ANSWER_S = 3.0
POSTS = {"do": "POST /v2/dedicated-inferences", "exo": "POST /v2/ai/deployment"}


@define
class Kill:
    """One run, and what became of it."""

    run_id: str
    delay: float
    whole: bool
    """The supervisor, too."""
    at: float = 0.0
    done: bool = False


def names(emulator: Emulator) -> Counter[str]:
    """Return how many deployments have each name."""
    rows = emulator.state()["instances"]
    return Counter(one["name"] for one in rows if one["name"].startswith("deploy-"))


OUTCOMES = {
    "is adopted": "made before the kill, adopted by the retry",
    "OutcomeUnknownError": "made before the kill, named by the retry",
    "continuing the wait": "its id was stored before the kill",
    "an earlier try may have sent": "not made before the kill, made by the retry",
}


def outcome_of(log: str) -> str:
    """Return what the log of both tries shows."""
    for sign, outcome in OUTCOMES.items():
        if sign in log:
            return outcome
    return "nothing was stored before the kill"


def kill(pids: Path, one: Kill) -> None:
    """Kill the first try's worker, if its time has come."""
    path = pids / f"{one.run_id}.1"
    if one.done or not path.exists():
        return
    if not one.at:
        one.at = path.stat().st_mtime + one.delay
    if time.time() < one.at:
        return
    child, parent = map(int, path.read_text().split())
    for pid in (parent, child) if one.whole else (child,):
        os.kill(pid, signal.SIGKILL)
    one.done = True


def play(airflow: Airflow, emulator: Emulator, pids: Path, cloud: str, kills: list[Kill]) -> int:
    """Run everything, print what became of it, and return the number of faults."""
    dag = f"killed_{cloud}"
    airflow.await_dag(dag)
    emulator.fault("slow", on=POSTS[cloud], times=None, delay_s=ANSWER_S)
    waiting = list(kills)
    started: list[Kill] = []
    until = time.monotonic() + 1500
    while time.monotonic() < until and not all(one.done for one in kills):
        while waiting and len([one for one in started if not one.done]) < 2:
            airflow.run_dag(dag, waiting[0].run_id)
            started.append(waiting.pop(0))
        for one in started:
            kill(pids, one)
        time.sleep(0.05)
    states = {one.run_id: airflow.wait_for_run(dag, one.run_id, 600) for one in kills}
    found = names(emulator)
    outcomes: Counter[str] = Counter()
    for one in kills:
        outcome = outcome_of(airflow.log(dag, one.run_id, "deploy"))
        outcomes[outcome] += 1
        whole = " with its supervisor" if one.whole else ""
        print(f"{one.run_id}: killed after {one.delay:.2f} s{whole}: {outcome}", end="; ")
        print(f"the run: {states[one.run_id]}")
    twice = {name: count for name, count in found.items() if count > 1}
    faults = len(twice)
    print(f"{len(kills)} kills; {sum(found.values())} deployments of {len(found)} names")
    print(f"twice: {twice or 'none'}; {dict(outcomes)}; runs: {dict(Counter(states.values()))}")
    if cloud == "do":
        faults += sum(state != "success" for state in states.values())
        faults += len(found) != len(kills)
    return faults


def main() -> None:
    """Parse the arguments and play."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--cloud", choices=sorted(POSTS), default="do")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sqlite", action="store_true", help="default: PostgreSQL")
    given = parser.parse_args()
    rng = random.Random(given.seed)
    home = Path(tempfile.mkdtemp(prefix="di-async-airflow-"))
    pids = home / "pids"
    pids.mkdir()
    kills = [
        Kill(f"r{number}", rng.uniform(0.0, ANSWER_S + 0.3), number % 4 == 3)
        for number in range(given.kills)
    ]
    with (
        nullcontext(None) if given.sqlite else postgres() as database,
        stack(
            home / "home",
            ROOT / "tests/airflow/dags",
            "--create",
            "1",
            database=database,
            variables={"DI_ASYNC_PIDS": str(pids)},
        ) as (airflow, emulator),
    ):
        began = time.monotonic()
        faults = play(airflow, emulator, pids, given.cloud, kills)
        print(f"{time.monotonic() - began:.0f} s; {faults} faults; logs in {home}")
    raise SystemExit(1 if faults else 0)


if __name__ == "__main__":
    main()
