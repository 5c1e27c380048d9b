"""What the rooms expect of each other, as protocols and values of functions."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Struct

from di_async.core.errors import APIError, InvalidInputError
from di_async.core.http import Priority, Request, Response
from di_async.core.pagination import Page, RawPage
from di_async.core.rate_limit import RateLimitInfo
from di_async.core.waiting.evidence import Expectation, Observation
from di_async.core.waiting.resume_token import ResourceRef

__all__ = ["ApiDialect", "CallRecord", "Capabilities", "Source", "Transport"]

R = TypeVar("R")


class Transport(Protocol):
    """The network, reduced to one call. A stand-in for tests is twenty lines."""

    async def open(self) -> None:
        """Get ready on the running loop."""
        ...

    async def send(
        self, request: Request, headers: Mapping[str, str], again: Callable[[], Awaitable[None]]
    ) -> Response:
        """Send once and give the answer, whatever its status.

        `again` is awaited before each silent repeat below us, so that every send is counted.

        Raises:
            TransportError: no answer.
            DecodeError: an answer too large to be read.
        """
        ...

    async def close(self) -> None:
        """Let go of the network."""
        ...


class ApiDialect(Protocol):
    """How one provider talks: what each request carries, how its errors and quotas read."""

    def headers(self, request: Request, wall: float) -> Mapping[str, str]:
        """Authentication and the like, made anew for each attempt, at this wall-clock time."""
        ...

    def error(self, request: Request, response: Response, wall: float) -> APIError:
        """The error in an answer that is no success, at this wall-clock time (epoch seconds)."""
        ...

    def rate_limit(self, response: Response, wall: float) -> RateLimitInfo:
        """What the answer tells about the quota, at this wall-clock time (epoch seconds)."""
        ...


class CallRecord(Struct, gc=False):
    """What one call cost, filled in on the way, so that a failed one tells it too."""

    started_at: float = float("inf")
    """Loop time of its first send: a read proves nothing about what came later."""
    sends: int = 0
    """Requests on the wire, silent repeats included."""
    maybe_processed: int = 0
    """Those of them that the provider may have acted on."""


class Capabilities(Struct, frozen=True, kw_only=True):
    """What a provider's API can promise; where it cannot, what holds instead is in the docs."""

    unique_names: bool = False
    """A name is taken by one resource at a time, so a lost create can be looked up."""
    spec_versions: bool = False
    """A resource shows which version of its spec runs."""
    updated_at: bool = False
    """A resource shows when it last changed."""
    shows_sent: bool = False
    """A resource shows what an update sent, so that the two can be compared."""
    busy_status: int | None = None
    """The HTTP status that says "not now" to a write, and nothing else: it is asked again."""
    operations: tuple[str, ...] = ()
    """Kinds of what is read to its end before the resource: an operation, a task."""


class Source(Struct, Generic[R], frozen=True, kw_only=True):
    """All that waiting needs to know about one provider's kind of resource."""

    provider: str
    noun: str
    kind: str
    base_url: str
    scope: str | None = None
    default_timeout: float = 3600.0
    get: Callable[[ResourceRef, Priority, CallRecord], Awaitable[R]]
    """GET it, once."""
    observe: Callable[[R, Expectation], Observation]
    """What one look at it means."""
    decode_row: Callable[[Any], R] = lambda row: row
    """A list row as a resource; for what has a list."""
    duration_key: Callable[[R], tuple[str, str]] = lambda _: ("", "")
    """Region and accelerator: they tell how long it may take."""
    list_page: Callable[..., Awaitable[Page | RawPage]] | None = None
    """GET a list page of `planner.PAGE_SIZE` rows, once, given its number and a `Trip`; None where
    a list says nothing."""
    regional: bool = False
    """`sweep` takes a region as well, and lists what is there."""
    row_key: Callable[[Any], tuple[str, int]] = lambda _: ("", 0)
    """A row's id, and a number that changes when its state does: nothing else is looked at."""
    operations: tuple["Source[Any]", ...] = ()
    """What may have to end before it: an operation, a task. A step has no list."""
    capabilities: Capabilities = Capabilities()

    def operation(self, stage: ResourceRef) -> "Source[Any]":
        """The source of a step of its waits.

        Raises:
            InvalidInputError: (a `ValueError`) no step of that kind.
        """
        found = next((step for step in self.operations if step.kind == stage.kind), None)
        if found is None:
            raise InvalidInputError(f"a wait for a {self.noun} has no step {stage.kind!r}")
        return found
