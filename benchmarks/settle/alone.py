"""The CPU of a taped run, played again in a process where no world has ever been.

`python -m benchmarks.settle.alone` is that process: it is told what to play on stdin.
"""

import asyncio
import json
import pickle
import subprocess
import sys
from pathlib import Path

from attrs import frozen

from benchmarks.settle.meter import Meter
from benchmarks.settle.options import Options, policy
from benchmarks.settle.runs import Run
from benchmarks.settle.scenarios import LONG_S
from benchmarks.settle.stage import attach
from benchmarks.settle.tape import Player
from benchmarks.settle.virtual import run_virtual
from benchmarks.settle.wire import Latency, WorldTransport
from di_async import DigitalOcean, RequestBudget

__all__ = ["Piece", "costs_alone"]


@frozen
class Piece:
    """What is to be played: who is waited for, and what comes back."""

    run: Run
    seed: int
    options: Options
    ids: list[str]
    tape: str
    """The path of a file."""


def costs_alone(piece: Piece) -> dict[str, float]:
    """CPU seconds: the client's (`cpu_s`), and those that JSON took beside it (`json_s`)."""
    command = [sys.executable, "-m", __name__]
    done = subprocess.run(  # noqa: S603 - ourselves
        command, input=pickle.dumps(piece), stdout=subprocess.PIPE, check=True
    )
    told: dict[str, float] = json.loads(done.stdout)
    return told


def play(piece: Piece) -> dict[str, float]:
    """The same waits, which must ask for the same."""
    meter, latency = Meter(), Latency(piece.seed * 100, piece.options.latency_s)

    async def wait_for_all(transport: WorldTransport) -> None:
        async with DigitalOcean(
            "dop_v1_taped",
            transport=transport,
            polling=policy(piece.run, piece.options),
            budget=RequestBudget(),
        ) as client:
            changes = [attach(client, id) for id in piece.ids]
            meter.begin()
            await asyncio.gather(*(change.wait(timeout=LONG_S) for change in changes))

    with Path(piece.tape).open("rb") as tape, meter.parsing_timed():
        transport = WorldTransport(Player(tape), latency)
        run_virtual(lambda: wait_for_all(transport))
    meter.end()
    json_s = meter.json_cpu.seconds
    cpu_s = meter.total_cpu.seconds - transport.world_cpu.seconds - json_s
    return {"cpu_s": cpu_s, "json_s": json_s}


if __name__ == "__main__":
    print(json.dumps(play(pickle.load(sys.stdin.buffer))))  # noqa: S301 - of `costs_alone`
