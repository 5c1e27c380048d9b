"""Replay a recorded run in a process without a world, and measure its CPU.

The target is CPU without the transport's. So the same requests are sent again without a client,
each after the response to the previous one, and that cost is reported separately.

A replay does the same each time, and other load on the machine can only add to it (up to twice as
much was seen): the cheapest of a few replays is reported.

`python -m benchmarks.settle.alone` is that process: stdin has what to replay.
"""

import asyncio
import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Coroutine
from operator import itemgetter
from pathlib import Path
from typing import Any

from attrs import frozen

from benchmarks.settle.meter import Meter
from benchmarks.settle.options import Options, policy
from benchmarks.settle.runs import Run
from benchmarks.settle.scenarios import LONG_S
from benchmarks.settle.stage import attach
from benchmarks.settle.tape import Player, requests_on
from benchmarks.settle.virtual import run_virtual
from benchmarks.settle.wire import Latency, WorldTransport
from di_async import DigitalOcean, RequestBudget
from di_async.core.http import Request

__all__ = ["Piece", "costs_alone"]

PLAYS = 3
TOKEN = "dop_v1_taped"  # noqa: S105 - not a real token
HEADERS = {"accept": "application/json", "authorization": f"Bearer {TOKEN}", "user-agent": "none"}


@frozen
class Piece:
    """What to replay: the awaited ids, and the responses."""

    run: Run
    seed: int
    options: Options
    ids: list[str]
    tape: str
    """The path of a file."""


def costs_alone(piece: Piece) -> dict[str, float]:
    """Return CPU seconds: the client's (`cpu_s`), of JSON (`json_s`) and of sending (`send_s`)."""
    return min((_play_apart(piece) for _ in range(PLAYS)), key=itemgetter("cpu_s"))


def _play_apart(piece: Piece) -> dict[str, float]:
    command = [sys.executable, "-m", __name__]
    done = subprocess.run(  # noqa: S603 - this module
        command, input=pickle.dumps(piece), stdout=subprocess.PIPE, check=True
    )
    costs: dict[str, float] = json.loads(done.stdout)
    return costs


def play(piece: Piece) -> dict[str, float]:
    """Run the same waits, which must send the same requests."""
    meter = Meter()

    async def wait_for_all(transport: WorldTransport) -> None:
        async with DigitalOcean(
            TOKEN,
            transport=transport,
            polling=policy(piece.run, piece.options),
            budget=RequestBudget(),
        ) as client:
            changes = [attach(client, id) for id in piece.ids]
            meter.begin()
            await asyncio.gather(*(change.wait(timeout=LONG_S) for change in changes))

    with meter.parsing_timed():
        beside_s = _on_tape(piece, meter, wait_for_all)
    json_s, send_s = meter.json_cpu.seconds, _sending(piece)
    return {"cpu_s": beside_s - json_s - send_s, "json_s": json_s, "send_s": send_s}


def _on_tape(
    piece: Piece, meter: Meter, work: Callable[[WorldTransport], Coroutine[Any, Any, None]]
) -> float:
    """Return CPU seconds of work with a tape as the world, without the tape's own."""
    with Path(piece.tape).open("rb") as tape:
        latency = Latency(piece.seed * 100, piece.options.latency_s)
        transport = WorldTransport(Player(tape), latency)
        run_virtual(lambda: work(transport))
    meter.end()
    return meter.total_cpu.seconds - transport.world_cpu.seconds


def _sending(piece: Piece) -> float:
    """Return CPU seconds of sending the recorded requests alone."""
    meter = Meter()
    with Path(piece.tape).open("rb") as tape:
        requests = [Request(method, path) for method, path in requests_on(tape)]

    async def again() -> None:
        raise AssertionError("nothing is sent again")

    async def send_all(transport: WorldTransport) -> None:
        meter.begin()
        for request in requests:
            await transport.send(request, HEADERS, again)

    return _on_tape(piece, meter, send_all)


if __name__ == "__main__":
    print(json.dumps(play(pickle.load(sys.stdin.buffer))))  # noqa: S301 - of `costs_alone`
