"""A provider of no name: sources, conventions and clients for testing the engine alone."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from attrs import define, field

from di_async import PollPolicy, RequestBudget, RetryPolicy
from di_async.core.errors import APIError, api_error
from di_async.core.http import Priority, Request, Response
from di_async.core.protocols import CallRecord, Source, Transport
from di_async.core.rate_limit import RateLimitInfo
from di_async.core.waiting.evidence import Action, Expectation, Observation, Phase, ResourceVersion
from di_async.core.waiting.resume_token import ResourceRef
from di_async.engine.client import Client, Engine
from di_async.engine.clock import Clock
from di_async.engine.waiting.change import Change
from di_async.engine.waiting.poller import Poller
from di_async.engine.waiting.tracker import ChangeTracker

READ_S = 0.01
PHASES = {"active": Phase.READY, "error": Phase.FAILED, "deleting": Phase.DELETING}
KNOWN = {*PHASES, "new", "updating"}


@define
class Thing:
    """A resource of no provider."""

    status: str
    marks: ResourceVersion = field(factory=ResourceVersion)
    name: str | None = None


def observation(thing: Thing, expectation: Expectation) -> Observation:
    """What one look at it means."""
    phase = PHASES.get(thing.status, Phase.WORKING)
    return Observation(thing.status, phase, version=thing.marks, documented=thing.status in KNOWN)


Answer = Thing | BaseException
Show = Callable[[str, float], Answer]


@define
class Fleet:
    """Changes and their poller, over a function of (id, time) instead of a network."""

    show: Show
    policy: PollPolicy = field(factory=PollPolicy)
    budget: RequestBudget | None = None
    context: contextvars.Context = field(factory=contextvars.copy_context)
    asked: list[tuple[float, str]] = field(factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    read_s: float = READ_S
    clock: Clock = field(init=False)
    poller: Poller = field(init=False)
    source: Source[Thing] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.clock = Clock(asyncio.get_running_loop())
        self.poller = Poller(self.policy, self.budget, self.clock, self.context)
        self.source = Source(
            provider="nobody",
            noun="thing",
            kind="thing",
            base_url="https://api.test",
            default_timeout=600.0,
            get=self._fetch,
            observe=observation,
            decode_row=lambda row: row,
        )

    async def _fetch(self, stage: ResourceRef, priority: Priority, call: CallRecord) -> Thing:
        call.started_at, call.sends = self.clock.now(), 1
        self.asked.append((self.clock.now(), stage.id))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.read_s)
            answer = self.show(stage.id, self.clock.now())
        finally:
            self.in_flight -= 1
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def change(
        self,
        id: str = "a",
        action: Action = Action.ACTIVE,
        *,
        predicate: Callable[[Thing], object] | None = None,
        more: Mapping[str, Any] | None = None,
        **expectation: Any,
    ) -> Change[Any]:
        """A handle on something under way."""
        told = Expectation(action=action, **{"accepted_at": self.clock.now(), **expectation})
        tracker = ChangeTracker(self.source, id, told, self.clock, predicate=predicate)
        return Change(tracker, lambda: self.poller, **(more or {}))


def in_turn(*answers: Answer) -> Show:
    """These answers, one a read; the last one for ever."""
    left = list(answers)
    return lambda _id, _now: left.pop(0) if len(left) > 1 else left[0]


def active_at(moment: float, before: str = "new") -> Show:
    """Active from this loop time on."""
    return lambda _id, now: Thing("active" if now >= moment else before)


def now() -> float:
    """The loop's time."""
    return asyncio.get_running_loop().time()


class PlainDialect:
    """Statuses are errors, quotas are told by plain headers."""

    def headers(self, request: Request, wall: float) -> Mapping[str, str]:
        return {"authorization": "Bearer t"}

    def error(self, request: Request, response: Response, wall: float) -> APIError:
        return api_error(
            response.status,
            "no",
            method=request.method,
            path=request.path,
            retry_after=self.rate_limit(response, wall).retry_after,
        )

    def rate_limit(self, response: Response, wall: float) -> RateLimitInfo:
        told = response.headers.get("retry-after")
        return RateLimitInfo(
            limited=response.status == 429, retry_after=None if told is None else float(told)
        )


def plain_engine(
    transport: Transport,
    *,
    retry: RetryPolicy | None = None,
    polling: PollPolicy | None = None,
    budget: RequestBudget | None = None,
) -> Engine:
    """An engine that no provider owns."""
    return Engine(
        transport=transport,
        dialect=PlainDialect(),
        retry=retry or RetryPolicy(),
        polling=polling or PollPolicy(),
        budget=budget,
    )


@asynccontextmanager
async def plain_client(transport: Transport, **options: Any) -> AsyncIterator[Client]:
    """A client of no provider, entered."""
    async with Client("https://api.test", plain_engine(transport, **options)) as client:
        yield client
