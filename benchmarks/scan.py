"""Time to scan a fleet: `python -m benchmarks.scan`.

4,000 instances over three regions behind 50 ms of latency; the emulator is another process. Ours
returns typed rows with prices and sums. It is compared, in the same rounds, with pydo, the vendor's
generated client, paging as documented, and with the minimum: aiohttp with all pages in flight and
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
    """One line of `--json`. `ok` is None where there is no target."""

    scenario: str
    metric: str
    value: float
    target: float | None = None
    ok: bool | None = None


@frozen
class Server:
    """Where the emulator is, and its token."""

    url: str
    token: str


def settle_heap() -> None:
    """Exclude existing objects (pydo's modules are a large heap) from garbage collection."""
    gc.collect()
    gc.freeze()


# --- the other process -------------------------------------------------------------------------


async def serve(instances: int, latency_s: float) -> None:
    """Serve an emulator with this many instances until stdin ends."""
    async with emulator.running(seed=0, rate_limits=False) as emu:
        for n in range(instances):
            emu.add_instance(name=f"web-{n}", region=REGIONS[n % len(REGIONS)])
        emu.fault("slow", delay_s=latency_s, times=None)
        settle_heap()
        print(emu.url, emu.token, flush=True)
        await asyncio.to_thread(sys.stdin.read)


@asynccontextmanager
async def serving(instances: int, latency_s: float) -> AsyncIterator[Server]:
    """Run `serve` in another process."""
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


# --- three ways to scan ------------------------------------------------------------------------


async def ours(server: Server) -> int:
    """Scan for typed rows and check that their sum exists."""
    async with DigitalOcean(server.token, base_url=server.url, budget=None) as client:
        inventory = await scan(client)
    assert not inventory.errors
    assert inventory.hourly_cost
    return len(inventory)


async def raw(server: Server) -> int:
    """Read the first page for the page count, then the others concurrently."""
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
    """Read page after page until there is no `next`."""
    client = pydo.Client(token=server.token, endpoint=server.url)
    rows: list[Any] = []
    page = 1
    while True:
        # azure-core rejects a bearer token over http, also to loopback.
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
    """Return seconds by way and round; interleaved, after one round that is not counted."""
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
    """Return medians of each way, and of the ratios within each round."""
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
    """Measure and print; exit with 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=4000)
    parser.add_argument("--latency", type=float, default=0.05, metavar="SECONDS")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        asyncio.run(serve(args.instances, args.latency))
        return
    seconds = asyncio.run(measure(args.instances, args.latency, args.rounds))
    rows = rows_of(seconds, f"scan-{args.instances}")
    for row in rows:
        target = "" if row.target is None else f"  promised {row.target:g}"
        print(f"{row.metric:24} {row.value:8.3f}{target}{'  MISSED' if row.ok is False else ''}")
    if args.json:
        rows_json = orjson.dumps([asdict(row) for row in rows], option=orjson.OPT_INDENT_2)
        Path(args.json).write_bytes(rows_json)
    sys.exit(any(row.ok is False for row in rows))


if __name__ == "__main__":
    main()
