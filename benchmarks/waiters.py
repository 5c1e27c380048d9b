"""Cost of 10,000 waits on one client: `python -m benchmarks.waiters`.

Over sockets, against another process that answers 50 list pages of 200 instances that stay
provisioning, so that no read finds a change. Idle: bytes of a wait with a deadline beyond its
`Change` and the model in it, that of the create's response, before any read. Swept: every page
once a second, for ten seconds. CPU of an observation (one read of one instance) is compared with a
GET by the same client, and a sweep with the minimum that can detect a change: aiohttp reading the
same 50 pages, as evenly over the second, msgspec decoding id and status, and a comparison with
those that the page showed before (a burst would cost half of that: a process that sleeps between
two requests starts with cold caches). RSS is its peak over the start of the waits: beyond the
`Change` and that model, each wait's latest resource is in it.

Good: idle at most 4 kB a wait; an observation at least 25 times cheaper than a GET; a sweep at most
1.25 times the minimum; peak RSS at most 6 kB a wait, of which the latest resource takes 2 kB.
"""

import asyncio
import contextlib
import gc
import statistics
import time
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
from attrs import evolve

from benchmarks.rounds import Limit, Row, finish, median_rows, options, settle_heap
from benchmarks.server import LIST, PAGE, TOKEN, Served, serving
from benchmarks.settle.meter import Meter
from di_async import Change, DigitalOcean, PollPolicy
from di_async.digitalocean import DedicatedInferenceSpec

WAITS = 10_000
SECONDS = 10
GETS = 300
# Reads that are not due for a while; and every page once a second.
IDLE, SWEPT = PollPolicy(target_lag=600.0, max_interval=600.0), PollPolicy(target_lag=1.0)


class _Row(msgspec.Struct, gc=False):
    id: str
    status: str


class _Page(msgspec.Struct, gc=False):
    dedicated_inferences: list[_Row]


class Watched:
    """The minimum that can detect a change: id and status of each page's rows as shown last."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Page).decode
        self._before: dict[int, list[_Row]] = {}

    def read(self, number: int, body: bytes) -> tuple[int, bool]:
        """Return how many rows a page has, and whether one of them is new or has changed."""
        rows = self._decode(body).dedicated_inferences
        before, self._before[number] = self._before.get(number), rows
        return len(rows), rows != before


@contextlib.asynccontextmanager
async def client(served: Served, polling: PollPolicy) -> AsyncIterator[DigitalOcean]:
    """Yield a client without a budget."""
    async with DigitalOcean(TOKEN, base_url=served.url, polling=polling, budget=None) as made:
        yield made


async def created(made: DigitalOcean, served: Served) -> list[Change[Any]]:
    """Return the change of each instance's create.

    They are created one by one, so that memory freed after that is not reused by the waits.
    """
    spec = DedicatedInferenceSpec.of(
        "web-0",
        region="atl1",
        model_slug="mistral/mistral-7b-instruct-v3",
        accelerator_slug="gpu-mi300x1-192gb",
    )
    # The server answers with its instances, in order.
    specs = [evolve(spec, name=f"web-{number}") for number in range(len(served.ids))]
    return [await made.dedicated_inferences.create(spec) for spec in specs]


@contextlib.asynccontextmanager
async def waiting(changes: list[Change[Any]]) -> AsyncIterator[None]:
    """Wait for all changes, each with a deadline."""
    waits = [asyncio.ensure_future(change.wait(timeout=3600)) for change in changes]
    for _ in range(3):
        await asyncio.sleep(0)
    try:
        yield
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


def held() -> int:
    """Return traced bytes."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


async def idle_bytes(served: Served) -> float:
    """Return a wait's memory before any read."""
    async with client(served, IDLE) as made:
        changes = await created(made, served)
        tracemalloc.start()
        before = held()
        async with waiting(changes):
            size = held() - before
        tracemalloc.stop()
    return size / len(changes)


async def one_by_one(served: Served) -> float:
    """Return CPU microseconds of a GET by id."""
    async with client(served, IDLE) as made:
        await made.dedicated_inferences.get(served.ids[0])
        began = time.process_time()
        for id in served.ids[:GETS]:
            await made.dedicated_inferences.get(id)
        return (time.process_time() - began) / GETS * 1e6


async def least(served: Served) -> float:
    """Return CPU microseconds per instance for id and status of every page, once a second."""
    headers, watched = {"Authorization": f"Bearer {TOKEN}"}, Watched()
    async with aiohttp.ClientSession(served.url, headers=headers) as session:

        async def page(number: int) -> int:
            await asyncio.sleep((number - 1) / (WAITS // PAGE))  # as evenly as a sweep reads
            params = {"page": number, "per_page": PAGE}
            async with session.get(LIST, params=params) as answer:
                rows, has_changed = watched.read(number, await answer.read())
                assert has_changed is (second == 0)
                return rows

        seen, began = 0, 0.0
        for second in range(SECONDS + 1):
            if second == 1:
                began = time.process_time()
            pages = range(1, WAITS // PAGE + 1)
            found = sum(await asyncio.gather(*(page(number) for number in pages)))
            seen += found if second else 0
            await asyncio.sleep(1.0 / (WAITS // PAGE))
        return (time.process_time() - began) / seen * 1e6


async def swept(served: Served) -> dict[str, float]:
    """Return CPU microseconds per observation, and the peak of resident memory per wait."""
    meter = Meter()
    async with client(served, SWEPT) as made:
        changes = await created(made, served)
        settle_heap()
        meter.begin()
        async with waiting(changes):
            # At first each row is read in full, which costs far more than to see it unchanged.
            while made.stats().lists < 3 * WAITS // PAGE:  # noqa: ASYNC110 - there is no event
                await asyncio.sleep(0.1)
            before, began = made.stats(), time.process_time()
            await asyncio.sleep(SECONDS)
            took, after = time.process_time() - began, made.stats()
            meter.end()
            assert after.awaited == WAITS
            gets, seen = after.gets - before.gets, (after.lists - before.lists) * PAGE
            assert gets < seen / 100, f"{gets} GETs in a sweep of what does not change"
    return {
        "observation": took / seen * 1e6,
        "rss": meter.peak_bytes / WAITS,
        "sweeps": seen / WAITS / SECONDS,
    }


async def measure(served: Served, rounds: int) -> list[Row]:
    """Return all figures."""
    times: dict[str, list[float]] = {"observation": [], "least": [], "get": []}
    rss: list[float] = []
    sweeps: list[float] = []
    for _ in range(rounds):
        found = await swept(served)
        times["observation"].append(found["observation"])
        rss.append(found["rss"])
        sweeps.append(found["sweeps"])
        settle_heap()
        times["least"].append(await least(served))
        settle_heap()
        times["get"].append(await one_by_one(served))
    over = [g / o for g, o in zip(times["get"], times["observation"], strict=True)]
    sweep = [o / m for o, m in zip(times["observation"], times["least"], strict=True)]
    name, middle = f"waiters-{WAITS}", statistics.median
    return [
        Limit(most=4096).row(name, "idle_bytes", await idle_bytes(served)),
        *median_rows(name, times),
        Limit(least=25).row(name, "get_x_observation", middle(over)),
        Limit(most=1.25).row(name, "sweep_x_least", middle(sweep)),
        Limit(least=0.8).row(name, "sweeps_a_second", middle(sweeps)),
        Limit(most=6144).row(name, "peak_rss_bytes", middle(rss)),
    ]


def main() -> None:
    """Measure and print; exit with 1 if a target is missed."""
    args = options(__doc__, rounds=3).parse_args()
    with serving(WAITS, status="provisioning") as served:
        rows = asyncio.run(measure(served, args.rounds))
    finish(rows, args.json)


if __name__ == "__main__":
    main()
