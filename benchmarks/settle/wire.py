"""The emulator's world as a client's transport, and the book of what was asked and answered.

Rules of this file: what the world costs is booked apart from what the client costs, and each
answer is remembered with the moment at which the world handled it, so that a success can be held
against the truth of that moment. One-way latency is drawn anew for each way, so that requests sent
60 s apart may arrive closer together than that.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol
from urllib.parse import urlencode

from attrs import define, field, frozen

from benchmarks.settle.virtual import EPOCH
from di_async import TransportError
from di_async.core.http import Request, Response
from di_async.emulator import Response as Answer

__all__ = ["Asked", "Handling", "Latency", "Stopwatch", "WorldTransport"]

_PATH = "/v2/dedicated-inferences"
# A wait returns in the moment in which its proof is delivered; few answers are that recent.
_RECENT = 48


@define
class Stopwatch:
    """CPU seconds of this thread, spent between `start` and `stop`."""

    seconds: float = 0.0
    _since: float = 0.0

    def start(self) -> None:
        """Begin to count."""
        self._since = time.thread_time()

    def stop(self) -> None:
        """Count until here."""
        self.seconds += time.thread_time() - self._since


@frozen
class Asked:
    """One request as the world saw it: loop seconds of its arrival."""

    at: float
    kind: str
    status: int


@frozen
class _Delivery:
    handled_at: float
    path: str
    body: bytes

    def shows(self, id: str) -> bool:
        """It is a read of this instance: of itself, or of a page that holds it."""
        if self.path == _PATH:
            return id.encode() in self.body
        return self.path == f"{_PATH}/{id}"


class Latency:
    """One way after the other, each drawn anew."""

    def __init__(self, seed: int = 0, mean_s: float = 0.1) -> None:
        self._random = random.Random(f"{seed}/latency")
        self.mean_s = mean_s
        """Of a round trip."""

    def draw(self) -> float:
        """Seconds that the next way takes."""
        return self.mean_s * self._random.uniform(0.25, 0.75)


class Handling(Protocol):
    """A world, or what answers in its place."""

    def handle(
        self, now: float, method: str, path: str, headers: Mapping[str, str], body: bytes, /
    ) -> Answer:
        """The answer to a request that arrives at this time."""
        ...


@define
class WorldTransport:
    """One process's way to the world. Time is the running (virtual) loop's."""

    world: Handling
    latency: Latency = field(factory=Latency)
    asked: list[Asked] = field(factory=list)
    answered_at: list[float] = field(factory=list)
    world_cpu: Stopwatch = field(factory=Stopwatch)
    _recent: deque[_Delivery] = field(factory=lambda: deque(maxlen=_RECENT))

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def send(
        self,
        request: Request,
        headers: Mapping[str, str],
        again: Callable[[], Awaitable[None]],
    ) -> Response:
        """The world's answer, a way there and a way back later."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self.latency.draw())
        self.world_cpu.start()
        path = f"{request.path}?{urlencode(request.params)}" if request.params else request.path
        sent = {"host": "api.digitalocean.com", **{k.lower(): v for k, v in headers.items()}}
        at = EPOCH + loop.time()
        now = at - EPOCH  # as the world rounds it, so that it compares exactly with its truth
        answer = self.world.handle(at, request.method, path, sent, request.body or b"")
        self.asked.append(Asked(now, _kind(request), answer.status))
        self.world_cpu.stop()
        await asyncio.sleep(answer.delay_s + self.latency.draw())
        if answer.drop or answer.cut:
            raise TransportError("the answer broke off", method=request.method, path=request.path)
        self.world_cpu.start()
        if request.method == "GET" and answer.status in {200, 404}:
            self._recent.append(_Delivery(now, request.path, answer.body))
            self.answered_at.append(loop.time())
        told = {name.lower(): value for name, value in answer.headers.items()}
        response = Response(answer.status, told, answer.body)
        self.world_cpu.stop()
        return response

    def proof_of(self, id: str) -> float | None:
        """When the world handled the newest delivered read of this instance.

        None: long ago, or never.
        """
        for delivery in reversed(self._recent):
            if delivery.shows(id):
                return delivery.handled_at
        return None


def _kind(request: Request) -> str:
    if request.method != "GET":
        return "mutation"
    return "list" if request.path == _PATH else "get"
