"""The emulator's world as a client's transport, with a log of requests and responses.

CPU of the world is measured apart from the client's. Each response is stored with the time at which
the world handled it, so that a success can be compared with the truth at that time. One-way latency
is random for each direction, so that requests sent 60 s apart may arrive closer together.
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

__all__ = ["Handling", "Latency", "SentRequest", "Stopwatch", "WorldTransport"]

_PATH = "/v2/dedicated-inferences"
# A wait returns when its proof is delivered, so that few recent responses are enough.
_RECENT = 48


@define
class Stopwatch:
    """CPU seconds of this thread between `start` and `stop`."""

    seconds: float = 0.0
    _since: float = 0.0

    def start(self) -> None:
        """Start counting."""
        self._since = time.thread_time()

    def stop(self) -> None:
        """Stop counting."""
        self.seconds += time.thread_time() - self._since


@frozen
class SentRequest:
    """One request as the world saw it, with the loop time of its arrival."""

    at: float
    kind: str
    status: int


@frozen
class _Delivery:
    handled_at: float
    path: str
    body: bytes

    def shows(self, id: str) -> bool:
        """Return whether this is a read of the instance: its GET, or a page that holds it."""
        if self.path == _PATH:
            return id.encode() in self.body
        return self.path == f"{_PATH}/{id}"


class Latency:
    """Random latency of each direction."""

    def __init__(self, seed: int = 0, mean_s: float = 0.1) -> None:
        self._random = random.Random(f"{seed}/latency")
        self.mean_s = mean_s
        """Of a round trip."""

    def draw(self) -> float:
        """Return the seconds of the next direction."""
        return self.mean_s * self._random.uniform(0.25, 0.75)


class Handling(Protocol):
    """A world, or a replacement for it."""

    def handle(
        self, now: float, method: str, path: str, headers: Mapping[str, str], body: bytes, /
    ) -> Answer:
        """Return the response to a request that arrives at this time."""
        ...


@define
class WorldTransport:
    """One process's connection to the world, in the running (virtual) loop's time."""

    world: Handling
    latency: Latency = field(factory=Latency)
    sent: list[SentRequest] = field(factory=list)
    answered_at: list[float] = field(factory=list)
    world_cpu: Stopwatch = field(factory=Stopwatch)
    _recent: deque[_Delivery] = field(factory=lambda: deque(maxlen=_RECENT))

    async def open(self) -> None:
        """Do nothing: there are no connections."""

    async def close(self) -> None:
        """Do nothing: there are no connections."""

    async def send(
        self,
        request: Request,
        headers: Mapping[str, str],
        again: Callable[[], Awaitable[None]],
    ) -> Response:
        """Return the world's response after the latency of both directions."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self.latency.draw())
        self.world_cpu.start()
        path = f"{request.path}?{urlencode(request.params)}" if request.params else request.path
        sent = {"host": "api.digitalocean.com", **{k.lower(): v for k, v in headers.items()}}
        at = EPOCH + loop.time()
        now = at - EPOCH  # rounded as in the world, to compare exactly
        answer = self.world.handle(at, request.method, path, sent, request.body or b"")
        self.sent.append(SentRequest(now, _kind(request), answer.status))
        self.world_cpu.stop()
        await asyncio.sleep(answer.delay_s + self.latency.draw())
        if answer.drop or answer.cut:
            raise TransportError("the answer broke off", method=request.method, path=request.path)
        self.world_cpu.start()
        if request.method == "GET" and answer.status in {200, 404}:
            self._recent.append(_Delivery(now, request.path, answer.body))
            self.answered_at.append(loop.time())
        headers_lower = {name.lower(): value for name, value in answer.headers.items()}
        response = Response(answer.status, headers_lower, answer.body)
        self.world_cpu.stop()
        return response

    def proof_of(self, id: str) -> float | None:
        """Return when the world handled the newest delivered read of this instance.

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
