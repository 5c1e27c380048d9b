"""A minimal provider: an adapter, a dialect and clients for testing the engine alone."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from attrs import define, field

from di_async import PollPolicy, RequestBudget, RetryPolicy
from di_async.core.errors import APIError, api_error
from di_async.core.http import Priority, Request, Response
from di_async.core.pagination import Page
from di_async.core.protocols import Transport
from di_async.core.rate_limit import RateLimitInfo
from di_async.core.redaction import redact
from di_async.core.serving import ServingTarget
from di_async.core.waiting.observation import (
    Action,
    Expectation,
    Observation,
    Phase,
    ResourceVersion,
)
from di_async.core.waiting.page_index import RowKey
from di_async.core.waiting.resource_adapter import CallRecord, ResourceAdapter
from di_async.core.waiting.resume_token import ResourceRef
from di_async.engine.client import Client
from di_async.engine.clock import Clock
from di_async.engine.endpoints.connecting import Connector
from di_async.engine.endpoints.serving import Probe, ServingEndpoint
from di_async.engine.engine import Engine
from di_async.engine.waiting.change import Change
from di_async.engine.waiting.poller import Poller
from di_async.engine.waiting.tracker import ChangeTracker

READ_S = 0.01
PHASES = {"active": Phase.READY, "error": Phase.FAILED, "deleting": Phase.DELETING}
KNOWN = {*PHASES, "new", "updating"}


@define
class Thing:
    """A resource of the minimal provider."""

    status: str
    marks: ResourceVersion = field(factory=ResourceVersion)
    name: str | None = None


def no_endpoint(id: str, target: ServingTarget, base_url: str, probe: Probe) -> ServingEndpoint:
    """Fail: no thing serves."""
    raise AssertionError(f"{id} has an endpoint")


Answer = Thing | BaseException
Show = Callable[[str, float], Answer]


@define
class Fleet:
    """Changes and their poller, over a function of (id, time) instead of a network."""

    show: Show
    policy: PollPolicy = field(factory=PollPolicy)
    budget: RequestBudget | None = None
    context: contextvars.Context = field(factory=contextvars.copy_context)
    reads: list[tuple[float, str]] = field(factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    read_s: float = READ_S
    clock: Clock = field(init=False)
    poller: Poller = field(init=False)
    adapter: "ThingAdapter" = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.clock = Clock(asyncio.get_running_loop())
        self.poller = Poller(self.policy, self.budget, self.clock, self.context)
        self.adapter = ThingAdapter(self)

    def change(
        self,
        id: str = "a",
        action: Action = Action.ACTIVE,
        *,
        predicate: Callable[[Thing], object] | None = None,
        initial: Any = None,
        settled_by: str | None = None,
        resumed_until: float | None = None,
        **expectation: Any,
    ) -> Change[Any]:
        """Return a change in progress."""
        expected = Expectation(action=action, **{"accepted_at": self.clock.now(), **expectation})
        tracker = ChangeTracker(
            self.adapter,
            id,
            expected,
            self.clock,
            predicate=predicate,
            initial=initial,
            settled_by=settled_by,
        )
        return Change(
            tracker,
            lambda: self.poller,
            connector=Connector(no_endpoint),
            redact=redact,
            resumed_until=resumed_until,
        )


class ThingAdapter(ResourceAdapter[Thing]):
    """An adapter without lists: each thing is read by GET."""

    provider, noun, kind, base_url = "none", "thing", "thing", "https://api.test"
    resource_type = Thing
    default_timeout = 600.0
    has_list = False

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    async def get(self, ref: ResourceRef, priority: Priority, call: CallRecord) -> Thing:
        fleet = self._fleet
        call.started_at, call.requests = fleet.clock.now(), 1
        fleet.reads.append((fleet.clock.now(), ref.id))
        fleet.in_flight += 1
        fleet.most_in_flight = max(fleet.most_in_flight, fleet.in_flight)
        try:
            await asyncio.sleep(fleet.read_s)
            answer = fleet.show(ref.id, fleet.clock.now())
        finally:
            fleet.in_flight -= 1
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def list_page(self, number: int, call: CallRecord, region: str | None = None) -> Page:
        raise AssertionError("things have no list")

    def row_key(self, row: Any) -> RowKey:
        raise AssertionError("things have no list")

    def decode_row(self, row: Any) -> Thing:
        raise AssertionError("things have no list")

    def observe(self, resource: Thing, expectation: Expectation) -> Observation:
        phase = PHASES.get(resource.status, Phase.WORKING)
        return Observation(
            resource.status, phase, version=resource.marks, documented=resource.status in KNOWN
        )


def in_turn(*answers: Answer) -> Show:
    """Return these responses in turn; the last one repeats."""
    left = list(answers)
    return lambda _id, _now: left.pop(0) if len(left) > 1 else left[0]


def active_at(moment: float, before: str = "new") -> Show:
    """Return responses that are active from this loop time on."""
    return lambda _id, now: Thing("active" if now >= moment else before)


def now() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()


class PlainDialect:
    """A dialect that maps statuses to errors and reads `retry-after`."""

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

    def is_error(self, status: int, body: Any) -> bool:
        return status >= 400

    def redact(self, request: Request, text: str) -> str:
        return text

    def rate_limit(self, response: Response, wall: float) -> RateLimitInfo:
        retry_after = response.headers.get("retry-after")
        return RateLimitInfo(
            limited=response.status == 429,
            retry_after=None if retry_after is None else float(retry_after),
        )


def plain_engine(
    transport: Transport,
    *,
    retry: RetryPolicy | None = None,
    polling: PollPolicy | None = None,
    budget: RequestBudget | None = None,
) -> Engine:
    """Return an engine of the minimal provider."""
    return Engine(
        transport=transport,
        dialect=PlainDialect(),
        retry=retry or RetryPolicy(),
        polling=polling or PollPolicy(),
        budget=budget,
    )


@asynccontextmanager
async def plain_client(transport: Transport, **options: Any) -> AsyncIterator[Client]:
    """Yield an entered client of the minimal provider."""
    async with Client("https://api.test", plain_engine(transport, **options)) as client:
        yield client
