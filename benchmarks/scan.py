"""How fast a fleet is looked over: `python -m benchmarks.scan`.

4,000 instances over three regions behind 50 ms of latency; the emulator is another process. Ours
gives typed rows with prices and sums. Beside it, in the same rounds: pydo, the vendor's generated
client, paging as documented, and the least that one can do, aiohttp with all pages in flight and
orjson, nothing typed. Good: at least 5.5 times faster than pydo, at most 1.3 times as long as raw.
Options: `--instances N --latency S --rounds N --json FILE`. Exit code 1 if a target is missed.
"""

import argparse
import asyncio
import gc
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pydo
from attrs import asdict, frozen

from di_async import DigitalOcean, emulator, scan

REGIONS = ("atl1", "nyc2", "tor1")
PATH = "/v2/dedicated-inferences"
PAGE = 200
OVER_PYDO, OVER_RAW = 5.5, 1.3


@frozen
class Row:
    """One line of `--json`. `ok` is None where nothing was promised."""

    scenario: str
    metric: str
    value: float
    target: float | None = None
    ok: bool | None = None


@frozen
class Server:
    """Where the emulator is, and how to get in."""

    url: str
    token: str


def settle_heap() -> None:
    """What is there already (pydo's modules alone are a large heap) is no part of what follows."""
    gc.collect()
    gc.freeze()


# --- the other process -------------------------------------------------------------------------


async def serve(instances: int, latency_s: float) -> None:
    """An emulator with so many instances, until stdin ends."""
    async with emulator.running(seed=0, rate_limits=False) as emu:
        for n in range(instances):
            emu.add_instance(name=f"web-{n}", region=REGIONS[n % len(REGIONS)])
        emu.fault("slow", delay_s=latency_s, times=None)
        settle_heap()
        print(emu.url, emu.token, flush=True)
        await asyncio.to_thread(sys.stdin.read)


@asynccontextmanager
async def serving(instances: int, latency_s: float) -> AsyncIterator[Server]:
    """The same, as a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.scan", "--serve"),
        *("--instances", str(instances), "--latency", str(latency_s)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    assert process.stdin
    try:
        yield Server(*(await process.stdout.readline()).decode().split())
    finally:
        process.stdin.close()
        await process.wait()


# --- three ways to look ------------------------------------------------------------------------


async def ours(server: Server) -> int:
    """Typed rows, their sum checked for being there."""
    async with DigitalOcean(server.token, base_url=server.url, budget=None) as client:
        inventory = await scan(client)
    assert not inventory.errors
    assert inventory.hourly_cost
    return len(inventory)


async def raw(server: Server) -> int:
    """The first page tells how many there are; the rest at once."""
    headers = {"Authorization": f"Bearer {server.token}"}
    async with aiohttp.ClientSession(server.url, headers=headers) as session:

        async def page(number: int) -> Any:
            params = {"page": number, "per_page": PAGE}
            async with session.get(PATH, params=params) as response:
                return orjson.loads(await response.read())

        first = await page(1)
        pages = -(-first["meta"]["total"] // PAGE)
        rest = await asyncio.gather(*(page(number) for number in range(2, pages + 1)))
    return sum(len(body["dedicated_inferences"]) for body in (first, *rest))


def with_pydo(server: Server) -> int:
    """Page after page until there is no `next`."""
    client = pydo.Client(token=server.token, endpoint=server.url)
    rows: list[Any] = []
    page = 1
    while True:
        # azure-core would refuse a bearer token over http, loopback or not.
        body: Any = client.dedicated_inferences.list(page=page, per_page=PAGE, enforce_https=False)
        rows += body["dedicated_inferences"]
        if not body.get("links", {}).get("pages", {}).get("next"):
            client.close()
            return len(rows)
        page += 1


WAYS: dict[str, Callable[[Server], Awaitable[int]]] = {
    "ours": ours,
    "raw": raw,
    "pydo": lambda server: asyncio.to_thread(with_pydo, server),
}


# --- the measurement ---------------------------------------------------------------------------


async def measure(instances: int, latency_s: float, rounds: int) -> dict[str, list[float]]:
    """Seconds of each round by way; interleaved, after one round that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    async with serving(instances, latency_s) as server:
        for round_ in range(rounds + 1):
            for name, way in WAYS.items():
                settle_heap()
                began = time.perf_counter()
                found = await way(server)
                took = time.perf_counter() - began
                assert found == instances, f"{name} found {found} of {instances}"
                if round_:
                    seconds[name].append(took)
    return seconds


def rows_of(seconds: dict[str, list[float]], scenario: str) -> list[Row]:
    """Medians of each way, and the medians of what each round's ways were to each other."""
    rows = [Row(scenario, f"{n}_s", statistics.median(times)) for n, times in seconds.items()]
    pydo_x = statistics.median(
        theirs / own for theirs, own in zip(seconds["pydo"], seconds["ours"], strict=True)
    )
    raw_x = statistics.median(
        own / least for own, least in zip(seconds["ours"], seconds["raw"], strict=True)
    )
    return [
        *rows,
        Row(scenario, "times_faster_than_pydo", pydo_x, OVER_PYDO, pydo_x >= OVER_PYDO),
        Row(scenario, "times_as_long_as_raw", raw_x, OVER_RAW, raw_x <= OVER_RAW),
    ]


def main() -> None:
    """Measure, print, and exit with 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=4000)
    parser.add_argument("--latency", type=float, default=0.05, metavar="SECONDS")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        asyncio.run(serve(asked.instances, asked.latency))
        return
    seconds = asyncio.run(measure(asked.instances, asked.latency, asked.rounds))
    rows = rows_of(seconds, f"scan-{asked.instances}")
    for row in rows:
        target = "" if row.target is None else f"  promised {row.target:g}"
        print(f"{row.metric:24} {row.value:8.3f}{target}{'  MISSED' if row.ok is False else ''}")
    if asked.json:
        told = orjson.dumps([asdict(row) for row in rows], option=orjson.OPT_INDENT_2)
        Path(asked.json).write_bytes(told)
    sys.exit(any(row.ok is False for row in rows))


if __name__ == "__main__":
    main()
