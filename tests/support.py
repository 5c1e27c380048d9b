"""Stand-ins that several test folders share: the emulator's world without sockets, and scripts."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson

from di_async import DigitalOcean, PollPolicy, TransportError
from di_async.core.http import Request, Response
from di_async.digitalocean import DedicatedInferenceSpec
from di_async.emulator import Lifecycle, World

LATENCY_S = 0.05
TEN_MINUTES = Lifecycle(create=600, update=300, delete=120)

Again = Callable[[], Awaitable[None]]


class WorldTransport:
    """The emulator's world as a transport: no sockets, the running loop's (virtual) time."""

    def __init__(self, world: World, latency_s: float = LATENCY_S, base_url: str = "") -> None:
        self.world = world
        self.base_url = base_url
        self.latency_s = latency_s
        self.requests: list[Request] = []
        self._anchor = 0.0

    def now(self) -> float:
        """The world's time: wall time at opening, then the loop's pace."""
        return self._anchor + asyncio.get_running_loop().time()

    async def open(self) -> None:
        self._anchor = time.time() - asyncio.get_running_loop().time()

    async def close(self) -> None:
        pass

    async def send(self, request: Request, headers: Mapping[str, str], again: Again) -> Response:
        self.requests.append(request)
        await asyncio.sleep(self.latency_s)
        path = urlsplit(request.base or self.base_url).path.rstrip("/") + request.path
        path = f"{path}?{urlencode(request.params)}" if request.params else path
        sent = {name.lower(): value for name, value in headers.items()}
        answer = self.world.handle(
            self.now(), request.method, path, {"host": "test", **sent}, request.body or b""
        )
        await asyncio.sleep(answer.delay_s + self.latency_s)
        if answer.drop or answer.cut:
            raise TransportError("the answer broke off", method=request.method, path=request.path)
        return Response(
            answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.body
        )


Step = Response | BaseException | Callable[[Request], Response]


class ScriptTransport:
    """Answers from a list, one a request; keeps what was asked. An exception in it is raised."""

    def __init__(self, steps: Iterable[Step], latency_s: float = 0.01) -> None:
        self.steps = list(steps)
        self.requests: list[Request] = []
        self.latency_s = latency_s

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def send(self, request: Request, headers: Mapping[str, str], again: Again) -> Response:
        self.requests.append(request)
        await asyncio.sleep(self.latency_s)
        step = self.step_for(request)
        if isinstance(step, BaseException):
            raise step
        return step if isinstance(step, Response) else step(request)

    def step_for(self, request: Request) -> Step:
        """What comes next."""
        return self.steps.pop(0)


def answer(status: int = 200, body: Any = None, **headers: str) -> Response:
    """A JSON answer; header names with `_` for `-`."""
    return plain(status, "" if body is None else orjson.dumps(body).decode(), **headers)


def plain(status: int, text: str, **headers: str) -> Response:
    """An answer that is no JSON."""
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, told, text.encode())


def a_spec(name: str = "web", **fields: Any) -> DedicatedInferenceSpec:
    """A spec that the emulator accepts."""
    return DedicatedInferenceSpec.of(
        name,
        **{
            "region": "atl1",
            "model_slug": "mistral/mistral-7b-instruct-v3",
            "accelerator_slug": "gpu-mi300x1-192gb",
            **fields,
        },
    )


class AskedTime:
    """A clock for an emulator: it moves by `step` seconds whenever it is read, thus asked.

    The world goes on with what is asked of it, however fast or slow the machine is.
    """

    def __init__(self, step: float) -> None:
        self.now = time.time()  # signatures expire by the real time
        self.step = step

    def read(self) -> float:
        """The moment it shows; the next one is later."""
        self.now += self.step
        return self.now


@asynccontextmanager
async def virtual_client(
    world: World | None = None, **options: Any
) -> AsyncIterator[tuple[DigitalOcean, WorldTransport]]:
    """A client on a world without sockets. Mark the test `looptime`: hours pass in no time."""
    world = world or World("documented", seed=0, lifecycle=TEN_MINUTES)
    transport = WorldTransport(world)
    options = {"polling": PollPolicy(), **options}
    async with DigitalOcean(world.token, transport=transport, **options) as client:
        yield client, transport
