"""One transport for all tests without sockets: scripted answers, in the running loop's time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from attrs import frozen

from di_async.core.http import Request, Response

__all__ = ["Answer", "Delayed", "FakeNetwork", "Sent", "by_route", "in_order"]

Again = Callable[[], Awaitable[None]]


@frozen
class Delayed:
    """An answer that arrives later than usual."""

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
Step = Answer | Callable[[Request], Answer]
Script = Callable[[Request], Answer]


class FakeNetwork:
    """A transport whose answers come from a script.

    Attributes:
        sent: every request with its time, oldest first.
        most_in_flight: how many requests were under way at the same time.
    """

    def __init__(self, script: Script, latency_s: float = 0.01) -> None:
        self._script = script
        self._latency_s = latency_s
        self._in_flight = 0
        self.most_in_flight = 0
        self.sent: list[Sent] = []

    @property
    def requests(self) -> list[Request]:
        """Every request, oldest first."""
        return [sent.request for sent in self.sent]

    def asked(self, method: str, path: str | None = None) -> list[Sent]:
        """Return the requests of one method, of all paths or of one."""
        return [
            sent
            for sent in self.sent
            if sent.request.method == method and path in (None, sent.request.path)
        ]

    def times(self, method: str, path: str | None = None) -> list[float]:
        """Return when these requests were sent."""
        return [sent.at for sent in self.asked(method, path)]

    async def open(self) -> None:
        """Do nothing: there are no connections."""

    async def close(self) -> None:
        """Do nothing: there are no connections."""

    async def send(self, request: Request, headers: Mapping[str, str], again: Again) -> Response:
        """Return the script's answer after the network's latency."""
        self.sent.append(Sent(asyncio.get_running_loop().time(), request))
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            answer = self._script(request)
            if isinstance(answer, Delayed):
                await asyncio.sleep(answer.after_s)
                answer = answer.answer
            else:
                await asyncio.sleep(self._latency_s)
        finally:
            self._in_flight -= 1
        if isinstance(answer, BaseException):
            raise answer
        return answer


def in_order(*steps: Step) -> Script:
    """Return a script with one step for each request, whatever it asks."""
    left = list(steps)
    return lambda request: _resolve(left.pop(0), request)


def by_route(routes: Mapping[str, Step | Sequence[Step]]) -> Script:
    """Return a script that answers by `METHOD path`; the last step of a route repeats."""
    left: dict[str, list[Any]] = {
        route: list(steps) if isinstance(steps, list | tuple) else [steps]
        for route, steps in routes.items()
    }

    def answer(request: Request) -> Answer:
        steps = left[f"{request.method} {request.path}"]
        return _resolve(steps.pop(0) if len(steps) > 1 else steps[0], request)

    return answer


def _resolve(step: Step, request: Request) -> Answer:
    return step if isinstance(step, Response | BaseException | Delayed) else step(request)
