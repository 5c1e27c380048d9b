"""Request routes, clients on scripted or emulated networks, and common writes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from di_async import Change, DigitalOcean
from di_async.core.http import Response
from di_async.emulator import Lifecycle, World
from tests import support
from tests.builders.digitalocean import BASE, ID, Body, a_spec, instance_answer
from tests.fake_network import TEN_MINUTES, Answer, EmulatorNetwork, FakeNetwork

ONE = f"GET {BASE}/{{id}}"
LIST = f"GET {BASE}"
POST = f"POST {BASE}"
PATCH = f"PATCH {BASE}/{{id}}"
DELETE = f"DELETE {BASE}/{{id}}"
NEVER = "1970-01-01T00:00:00Z"
HTML = Response(502, {"content-type": "text/html"}, b"<html>502 Bad Gateway</html>")

# No test here uses threads, so virtual time can advance as soon as no callback is ready.
VIRTUAL = support.VIRTUAL
REAL = support.REAL

Step = Body | Answer


def fake_api(*reads: Step, **writes: Iterable[Step]) -> FakeNetwork:
    """Return a network with a list of responses for each request method; the last one repeats.

    A mapping stands for a response that holds this instance.
    """
    steps = {"GET": reads, **{method.upper(): steps for method, steps in writes.items()}}
    return FakeNetwork({method: list(map(_answer, group)) for method, group in steps.items()})


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
    """Yield the URL of a real server; on exit, wait until all its connections have ended."""
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
    """Return the loop's (virtual) time."""
    return asyncio.get_running_loop().time()


async def created(client: DigitalOcean) -> Change[Any]:
    """Send a create and return its change."""
    return await client.dedicated_inferences.create(a_spec())


async def rotated(client: Any) -> Change[Any]:
    """Send a new provider token: an update that changes nothing that reads show."""
    tokens = {"hugging_face_token": "hf_new"}
    change: Change[Any] = await client.dedicated_inferences.update(ID, access_tokens=tokens)
    return change


async def scaled(client: DigitalOcean) -> Change[Any]:
    """Send an update to two replicas and return its change."""
    return await client.dedicated_inferences.scale(ID, 2)


def world(dialect: Any = "documented", **options: Any) -> World:
    """Return an emulator world: create 600 s, update 300 s, delete 120 s by default."""
    return World(dialect, **{"seed": 0, "lifecycle": TEN_MINUTES, **options})


def lasting(create: float = 600, update: float = 300, delete: float = 120) -> Lifecycle:
    """Return a lifecycle with these durations of the actions."""
    return Lifecycle(create=create, update=update, delete=delete)


def delay(
    net: EmulatorNetwork, seconds: Callable[[], float], monkeypatch: pytest.MonkeyPatch
) -> list[float]:
    """Delay every response by `seconds()`; return the times of the responses."""
    send, received_at = net.send, list[float]()

    async def send_late(*args: Any) -> Response:
        await asyncio.sleep(seconds())
        response = await send(*args)
        received_at.append(now())
        return response

    monkeypatch.setattr(net, "send", send_late)
    return received_at
