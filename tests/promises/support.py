"""Routes, clients on scripted or emulated networks, and the usual writes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from di_async import Change, DigitalOcean
from di_async.core.http import Response
from di_async.emulator import Lifecycle, World
from tests.builders.digitalocean import BASE, ID, Body, a_spec, instance_answer
from tests.fake_network import TEN_MINUTES, Answer, EmulatorNetwork, FakeNetwork

ONE = f"GET {BASE}/{{id}}"
LIST = f"GET {BASE}"
POST = f"POST {BASE}"
PATCH = f"PATCH {BASE}/{{id}}"
DELETE = f"DELETE {BASE}/{{id}}"
NEVER = "1970-01-01T00:00:00Z"
HTML = Response(502, {"content-type": "text/html"}, b"<html>502 Bad Gateway</html>")

# Time jumps as soon as nothing is ready: no test here has threads to give a chance to.
VIRTUAL = pytest.mark.looptime(noop_cycles=1)

Step = Body | Answer


def fake_api(*reads: Step, **writes: Iterable[Step]) -> FakeNetwork:
    """Return a network with one step for each request of a method, the last of which repeats.

    A mapping stands for an answer that holds this instance.
    """
    steps = {"GET": reads, **{method.upper(): steps for method, steps in writes.items()}}
    return FakeNetwork({method: list(map(_answer, given)) for method, given in steps.items()})


def _answer(step: Step) -> Answer:
    return instance_answer(step) if isinstance(step, dict) else step


@asynccontextmanager
async def client_on(network: FakeNetwork, **options: Any) -> AsyncIterator[DigitalOcean]:
    """Yield a client of this network."""
    async with DigitalOcean("dop_v1_secret", transport=network, **options) as client:
        yield client


@asynccontextmanager
async def serving(
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """The URL of a real server; on leaving, all its connections have ended."""
    open_: set[asyncio.Future[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        open_.add(ended)
        try:
            await handle(reader, writer)
        finally:
            writer.close()
            ended.set_result(None)

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await asyncio.gather(*open_)
    await asyncio.sleep(0)


def now() -> float:
    """The loop's (virtual) time."""
    return asyncio.get_running_loop().time()


async def created(client: DigitalOcean) -> Change[Any]:
    """A create that was accepted."""
    return await client.dedicated_inferences.create(a_spec())


async def scaled(client: DigitalOcean) -> Change[Any]:
    """An update to two replicas that was accepted."""
    return await client.dedicated_inferences.scale(ID, 2)


def world(dialect: Any = "documented", **options: Any) -> World:
    """The emulator's world: create 600 s, update 300 s, delete 120 s unless told otherwise."""
    return World(dialect, **{"seed": 0, "lifecycle": TEN_MINUTES, **options})


def lasting(create: float = 600, update: float = 300, delete: float = 120) -> Lifecycle:
    """How long each action takes."""
    return Lifecycle(create=create, update=update, delete=delete)


def delay(
    net: EmulatorNetwork, seconds: Callable[[], float], monkeypatch: pytest.MonkeyPatch
) -> list[float]:
    """Let every answer take that much longer; gives when they came."""
    send, came = net.send, list[float]()

    async def late(*sent: Any) -> Response:
        await asyncio.sleep(seconds())
        response = await send(*sent)
        came.append(now())
        return response

    monkeypatch.setattr(net, "send", late)
    return came
