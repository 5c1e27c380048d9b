"""The transports of all tests without sockets, in the running loop's time."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson
from attrs import frozen

from di_async import DigitalOcean, PollPolicy, TransportError
from di_async.core.http import Request, Response
from di_async.emulator import Lifecycle, World

__all__ = [
    "TEN_MINUTES",
    "Answer",
    "Delayed",
    "EmulatorNetwork",
    "FakeNetwork",
    "Intercept",
    "Script",
    "Sent",
    "Step",
    "answer",
    "losing_first",
    "plain",
    "virtual_client",
]

TEN_MINUTES = Lifecycle(create=600, update=300, delete=120)
Again = Callable[[], Awaitable[None]]


@frozen
class Delayed:
    """A response that takes this much longer than the network's latency."""

    after_s: float
    answer: Response | BaseException


@frozen
class Sent:
    """A request, and the loop time at which it was sent."""

    at: float
    request: Request

    def __str__(self) -> str:
        return f"{self.request.method} {self.request.path}"


Answer = Response | BaseException | Delayed
"""What one request gets. An exception is raised."""
Script = Callable[[Request], Answer]
Step = Answer | Script
Intercept = Callable[[Request, Answer], Answer]


class FakeNetwork:
    """A transport whose responses come from a script.

    Args:
        script: a function of the request; or steps, one for each request; or a mapping from
            `METHOD path` or `METHOD` to a step or a list of steps, the last of which repeats.
            A log for which no step is left is not found.
        latency_s: how long every response takes.

    Attributes:
        intercept: replaces a response, after the script has carried the request out.
        left: the steps, one for each request, that are still to come.
        sent: every request with its time, oldest first.
        most_in_flight: the most requests in flight at the same time.
    """

    def __init__(
        self, script: Script | Iterable[Step] | Mapping[str, Any], latency_s: float = 0.01
    ) -> None:
        self.left: list[Step] = []
        self.script = self._read(script)
        self.latency_s = latency_s
        self.intercept: Intercept | None = None
        self.sent: list[Sent] = []
        self.most_in_flight = 0
        self._in_flight = 0

    def _read(self, script: Any) -> Script:
        if callable(script):
            return script  # type: ignore[no-any-return]
        if isinstance(script, Mapping):
            return _by_route(script)
        self.left = list(script)
        return lambda request: (
            _NO_LOG
            if _is_unscripted_log(request, self.left)
            else _resolve(self.left.pop(0), request)
        )

    @property
    def requests(self) -> list[Request]:
        """Every request, oldest first."""
        return [sent.request for sent in self.sent]

    def requests_of(self, method: str, path: str | None = None) -> list[Request]:
        """Return the requests of one method, of all paths or of one."""
        return [sent.request for sent in self._of(method, path)]

    def times(self, method: str, path: str | None = None) -> list[float]:
        """Return when these requests were sent."""
        return [sent.at for sent in self._of(method, path)]

    def count(self, method: str) -> int:
        """Return how many requests of this method were sent."""
        return len(self._of(method))

    def _of(self, method: str, path: str | None = None) -> list[Sent]:
        return [
            sent
            for sent in self.sent
            if sent.request.method == method and path in (None, sent.request.path)
        ]

    async def open(self) -> None:
        """Do nothing: there are no connections."""

    async def close(self) -> None:
        """Do nothing: there are no connections."""

    async def send(self, request: Request, headers: Mapping[str, str], again: Again) -> Response:
        """Return the script's response after the network's latency."""
        self.sent.append(Sent(asyncio.get_running_loop().time(), request))
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            await asyncio.sleep(self.latency_s)
            answer = self._answer(request, headers)
            if self.intercept is not None:
                answer = self.intercept(request, answer)
            if isinstance(answer, Delayed):
                await asyncio.sleep(answer.after_s)
                answer = answer.answer
        finally:
            self._in_flight -= 1
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _answer(self, request: Request, headers: Mapping[str, str]) -> Answer:
        return self.script(request)


class EmulatorNetwork(FakeNetwork):
    """The emulator's world as a transport: no sockets, the running loop's time."""

    def __init__(self, world: World, latency_s: float = 0.05, base_url: str = "") -> None:
        super().__init__((), latency_s)
        self.world = world
        self.base_url = base_url
        self._anchor = 0.0

    def now(self) -> float:
        """Return the world's time: wall-clock time at opening, then the loop's pace."""
        return self._anchor + asyncio.get_running_loop().time()

    async def open(self) -> None:
        """Bind the world's time to the loop's."""
        self._anchor = time.time() - asyncio.get_running_loop().time()

    def _answer(self, request: Request, headers: Mapping[str, str]) -> Answer:
        path = urlsplit(request.base or self.base_url).path.rstrip("/") + request.path
        path = f"{path}?{urlencode(request.params)}" if request.params else path
        sent = {name.lower(): value for name, value in headers.items()}
        answer = self.world.handle(
            self.now(), request.method, path, {"host": "test", **sent}, request.body or b""
        )
        result: Response | TransportError = Response(
            answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.body
        )
        if answer.drop or answer.cut:
            result = TransportError(
                "the answer broke off", method=request.method, path=request.path
            )
        return Delayed(answer.delay_s + self.latency_s, result)


# A wait that fails reads the log once more; a script need not say so.
_NO_LOG = Response(404, {}, b"")


def _is_unscripted_log(request: Request, left: object) -> bool:
    return not left and request.path.endswith("/logs")


def _by_route(routes: Mapping[str, Any]) -> Script:
    left = {
        route: list(steps) if isinstance(steps, list | tuple) else [steps]
        for route, steps in routes.items()
    }

    def answer(request: Request) -> Answer:
        route = f"{request.method} {request.path}"
        if _is_unscripted_log(request, left.get(route) or left.get(request.method)):
            return _NO_LOG
        steps = left[route if route in left else request.method]
        return _resolve(steps.pop(0) if len(steps) > 1 else steps[0], request)

    return answer


def _resolve(step: Step, request: Request) -> Answer:
    return step if isinstance(step, Response | BaseException | Delayed) else step(request)


def losing_first(method: str, error: BaseException) -> Intercept:
    """Lose the response to the first request of a method, which is carried out all the same."""
    lost = False

    def intercept(request: Request, answer: Answer) -> Answer:
        nonlocal lost
        if request.method != method or lost:
            return answer
        lost = True
        return Delayed(answer.after_s, error) if isinstance(answer, Delayed) else error

    return intercept


def answer(status: int = 200, body: Any = None, **headers: str) -> Response:
    """Return a JSON response; `_` in header names stands for `-`."""
    return plain(status, "" if body is None else orjson.dumps(body).decode(), **headers)


def plain(status: int, text: str, **headers: str) -> Response:
    """Return a response that is not JSON."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, named, text.encode())


@asynccontextmanager
async def virtual_client(
    world: World | None = None, **options: Any
) -> AsyncIterator[tuple[DigitalOcean, EmulatorNetwork]]:
    """Yield a client of an emulator without sockets. Mark the test `VIRTUAL`."""
    world = world or World("documented", seed=0, lifecycle=TEN_MINUTES)
    network = EmulatorNetwork(world)
    options = {"polling": PollPolicy(), **options}
    async with DigitalOcean(world.token, transport=network, **options) as client:
        yield client, network
