"""Run our client in a scenario with one seed, and return its figures."""

import math
import time
from functools import partial
from itertools import chain
from tempfile import NamedTemporaryFile
from typing import Any

from benchmarks.settle.alone import Piece, costs_alone
from benchmarks.settle.floors import clairvoyant_pages, keller_mean
from benchmarks.settle.meter import Meter
from benchmarks.settle.metrics import blindness, mean_ratio, most_in, unseen, wait_figures
from benchmarks.settle.options import Options, policy
from benchmarks.settle.rivals import PAGE
from benchmarks.settle.runs import Run
from benchmarks.settle.scenarios import SCENARIOS
from benchmarks.settle.stage import Actor, Stage
from benchmarks.settle.tape import Recorder
from benchmarks.settle.virtual import run_virtual
from benchmarks.settle.worlds import build_world
from di_async import RequestBudget

__all__ = ["run_ours"]


def run_ours(
    run: Run, seed: int, options: Options | None = None, budget: RequestBudget | None = None
) -> dict[str, float]:
    """Return the figures of one run; each client has the default budget unless one is passed."""
    options = options or Options()
    began = time.perf_counter()
    if run.scenario != "A" or budget is not None:
        _, figures = _played(run, seed, options, budget=budget)
    else:
        with NamedTemporaryFile() as tape:  # in memory it would count as the waits'
            ids, figures = _played(run, seed, options, wrap_world=partial(Recorder, tape=tape))
            tape.flush()
            figures |= costs_alone(Piece(run, seed, options, ids, tape.name))
    return {**figures, "wall_s": time.perf_counter() - began}


def _played(
    run: Run, seed: int, options: Options, **more: Any
) -> tuple[list[str], dict[str, float]]:
    """Run the waits; return their ids and the figures."""
    meter = Meter()
    stage = Stage(
        build_world(run, seed),
        seed,
        policy(run, options),
        latency_s=options.latency_s,
        on_ready=meter.begin,
        **more,
    )

    async def play() -> None:
        await SCENARIOS[run.scenario](stage, run)

    with meter.parsing_timed():
        run_virtual(play)
    meter.end()
    stage.complete()
    figures = {
        **wait_figures(stage.waits),
        **_traffic(stage),
        **_costs(stage, meter, run),
        **_regret(stage, run),
    }
    return [wait.id for wait in stage.waits], figures


def _traffic(stage: Stage) -> dict[str, float]:
    sent = [sent for actor in stage.actors for sent in actor.transport.sent]
    kinds = ("list", "get", "mutation")
    arrivals = [a.at for a in sent] + stage.foreign_at
    over = max((wait.returned_at or 0.0 for wait in stage.waits), default=0.0)
    blind = [blindness(a.transport.answered_at, 0.0, over) for a in stage.actors]
    return {
        "requests": len(sent),
        **{kind: float(sum(a.kind == kind for a in sent)) for kind in kinds},
        "refused": float(sum(a.status == 429 for a in sent)),
        "refused_late": float(sum(a.status == 429 and a.at > 60.0 for a in sent)),
        "max_60s": most_in(arrivals, 60.0),
        "max_3600s": most_in(arrivals, 3600.0),
        "unseen": float(max(_unseen(stage, actor) for actor in stage.actors)),
        "blind_s": max(blind, default=0.0),
        "unsent": float(stage.unsent),
        **({"mean_ratio": mean_ratio(stage.waits)} if len(stage.actors) > 1 else {}),
    }


def _unseen(stage: Stage, actor: Actor) -> int:
    """Return the requests of others that this process could not know of when it sent."""
    through = {
        id(each): [a.at for a in each.transport.sent if a.status != 429] for each in stage.actors
    }
    own = through.pop(id(actor))
    others = sorted([*stage.foreign_at, *chain.from_iterable(through.values())])
    return unseen(own, others, 1.5 * stage.latency_s)


def _costs(stage: Stage, meter: Meter, run: Run) -> dict[str, float]:
    world = sum(actor.transport.world_cpu.seconds for actor in stage.actors)
    others = world + stage.harness_cpu.seconds + meter.json_cpu.seconds
    return {
        "cpu_s": meter.total_cpu.seconds - others,
        "json_s": meter.json_cpu.seconds,
        "world_s": world,
        "rss_kb": meter.peak_bytes / 1024 / run.n,
    }


def _regret(stage: Stage, run: Run) -> dict[str, float]:
    """Return the figures relative to the floors at equal requests."""
    if run.scenario != "A":
        return {}
    settles = [wait.ends_at for wait in stage.waits]
    pages = [settles[at : at + PAGE] for at in range(0, run.n, PAGE)]
    polls = sum(len(actor.transport.sent) for actor in stage.actors) / len(pages)
    bound = keller_mean(polls)
    lists = sum(a.kind == "list" for actor in stage.actors for a in actor.transport.sent)
    mean = wait_figures(stage.waits)["mean"]
    seen = clairvoyant_pages(pages, max(1, int(polls)))
    return {
        "keller": bound,
        "clairvoyant": sum(seen) / len(seen),
        "regret": mean / bound,
        "regret_list": mean / keller_mean(lists / len(pages)) if lists else math.nan,
    }
