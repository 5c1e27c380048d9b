"""CPU cost of one GET: `python -m benchmarks.overhead`.

One instance, read repeatedly over sockets from another process that answers immediately, one call
after the other and 50 concurrently, on asyncio's loop and on uvloop's. `raw` is the minimum:
aiohttp and orjson, nothing typed. Ours does all that a client must (authentication, budget, retry
decision, rate headers, error mapping, attrs classes). It is compared with pydo.aio, the vendor's
generated client (dicts), two Stainless clients (gradient with models like ours, gcore with a
deployment of its own API of similar size), and httpx with its own JSON. `observed` is ours with
`telemetry=` and OpenTelemetry's API, but no exporter; without it, `ours` runs no line of that.

Good: ours at most 1.45 times raw one after the other and 1.75 at 50; pydo at least 3.8 times
ours, and 4.5 at 50; gcore at least 4 times ours one after the other and 10 at 50.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import gcore
import gradient
import httpx
import orjson
import pydo.aio
import uvloop

from benchmarks.rounds import Limit, Row, Times, finish, median_rows, options, ratio, rounds_of
from benchmarks.server import GCORE_NAME, LIST, TOKEN, Served, serving
from benchmarks.stainless import Wrapped
from di_async import DigitalOcean, RequestBudget
from di_async.telemetry import Telemetry

CALLS = 300
AT_ONCE = 50
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "": asyncio.new_event_loop,
    "-uvloop": uvloop.new_event_loop,
}
LIMITS: dict[str, dict[str, Limit]] = {
    "get": {
        "ours_x_raw": Limit(most=1.45),
        "pydo_x_ours": Limit(least=3.8),
        "gcore_x_ours": Limit(least=4.0),
    },
    "get-50": {
        "ours_x_raw": Limit(most=1.75),
        "pydo_x_ours": Limit(least=4.5),
        "gcore_x_ours": Limit(least=10.0),
    },
}
Get = Callable[[], Awaitable[Any]]


@asynccontextmanager
async def clients(served: Served) -> AsyncIterator[dict[str, Get]]:
    """Yield each way to read the instance, with open clients."""
    path = f"{LIST}/{served.ids[0]}"
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        session = await enter(aiohttp.ClientSession(served.url, headers=bearer))
        budget = RequestBudget(per_minute=10**9, per_hour=10**9)
        ours = await enter(DigitalOcean(TOKEN, base_url=served.url, budget=budget))
        watched = await enter(
            DigitalOcean(TOKEN, base_url=served.url, budget=budget, telemetry=Telemetry())
        )
        theirs = await enter(pydo.aio.Client(token=TOKEN, endpoint=served.url))
        browser = await enter(httpx.AsyncClient(base_url=served.url, headers=bearer))
        stainless = await enter(
            gradient.AsyncGradient(access_token=TOKEN, base_url=served.url, model_access_key="x")
        )
        other = await enter(gcore.AsyncGcore(api_key=TOKEN, base_url=served.url))

        async def raw() -> Any:
            async with session.get(path) as response:
                return orjson.loads(await response.read())

        async def by_httpx() -> Any:
            return (await browser.get(path)).raise_for_status().json()

        yield {
            "raw": raw,
            "ours": lambda: ours.dedicated_inferences.get(served.ids[0]),
            "observed": lambda: watched.dedicated_inferences.get(served.ids[0]),
            "pydo": lambda: theirs.dedicated_inferences.get(served.ids[0], enforce_https=False),
            "gradient": lambda: stainless.get(path, cast_to=Wrapped),
            "gcore": lambda: other.cloud.inference.deployments.get(GCORE_NAME, project_id=1),
            "httpx": by_httpx,
        }


async def check(gets: dict[str, Get], id: str) -> None:
    """Check that all ways read the same."""
    assert (await gets["raw"]())["dedicated_inference"]["id"] == id
    assert (await gets["ours"]()).id == id
    assert (await gets["observed"]()).id == id
    assert (await gets["pydo"]())["dedicated_inference"]["id"] == id
    assert (await gets["gradient"]()).dedicated_inference.id == id
    assert (await gets["gcore"]()).name == GCORE_NAME
    assert (await gets["httpx"]())["dedicated_inference"]["id"] == id


def many(get: Get, concurrency: int) -> Get:
    """Return the work of `CALLS` reads, this many concurrently."""

    async def some(count: int) -> None:
        for _ in range(count):
            await get()

    async def all_of_them() -> None:
        await asyncio.gather(*(some(CALLS // concurrency) for _ in range(concurrency)))

    return (lambda: some(CALLS)) if concurrency == 1 else all_of_them


async def measure(served: Served, concurrency: int, rounds: int) -> Times:
    """Return microseconds per GET."""
    async with clients(served) as gets:
        await check(gets, served.ids[0])
        ways = {name: many(get, concurrency) for name, get in gets.items()}
        return await rounds_of(ways, rounds, each=CALLS)


def rows_of(scenario: str, times: Times) -> list[Row]:
    """Return the figures of each way, and the ratios to ours."""
    ratios = {"ours_x_raw": ratio(times, "ours", "raw")}
    rivals = [name for name in times if name not in {"ours", "raw"}]
    ratios |= {f"{name}_x_ours": ratio(times, name, "ours") for name in rivals}
    limits = LIMITS.get(scenario, {})
    rows = [limits.get(m, Limit()).row(scenario, m, value) for m, value in ratios.items()]
    return [*median_rows(scenario, times), *rows]


def main() -> None:
    """Measure and print; exit with 1 if a target is missed."""
    args = options(__doc__).parse_args()
    rows: list[Row] = []
    with serving(1) as served:
        for loop, factory in LOOPS.items():
            for name, concurrency in (("get", 1), (f"get-{AT_ONCE}", AT_ONCE)):
                with asyncio.Runner(loop_factory=factory) as runner:
                    times = runner.run(measure(served, concurrency, args.rounds))
                rows += rows_of(f"{name}{loop}", times)
    finish(rows, args.json)


if __name__ == "__main__":
    main()
