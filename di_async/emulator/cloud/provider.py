"""What a world asks of each vendor's API that it holds.

Rules of this file: protocols and values only. A provider is a folder beside this file; the world
calls it in the order of these methods and knows nothing else of it. Its ids, tokens and keys come
from `Nature.ids_of(its name)`, so that it never shifts another's.
"""

from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar

from attrs import frozen

from .faults import Fault
from .http import Refusal, Request, Response
from .rate_limit import Limits, RateLimitStatus


@frozen
class Target:
    """What a request is about, as far as faults narrow down: an id, and a region or zone."""

    id: str | None = None
    region: str | None = None


class WriteRecord(Protocol):
    """A write that was accepted; times are world time."""

    @property
    def action(self) -> str:
        """What was asked for: create, update, delete, or a word of the vendor's own."""
        ...

    @property
    def accepted_at(self) -> float:
        """When its request was accepted."""
        ...

    @property
    def settles_at(self) -> float:
        """When it settles; infinite if never."""
        ...

    @property
    def ends(self) -> str:
        """How it will end."""
        ...

    @property
    def outcome(self) -> str:
        """How it ended; `pending` until then."""
        ...


P = TypeVar("P", bound=WriteRecord, covariant=True)


@frozen
class Truth(Generic[P]):
    """What really is the matter with a resource, whatever reads may say."""

    id: str
    exists: bool
    status: str
    """The vendor's own word for its state."""
    settled: bool
    """Whether its latest write has settled."""
    settled_at: float
    """When that settles; infinite if never."""
    version: int
    """How many specs came to run; the vendor's own count where it has one."""
    writes: tuple[P, ...]
    """All writes it has taken, oldest first."""


class Provider(Protocol):
    """One vendor's API in a world."""

    @property
    def operations(self) -> tuple[str, ...]:
        """All it can be asked, as `METHOD /path/{id}`; no two providers share one."""
        ...

    @property
    def limits(self) -> Limits | None:
        """Its rate windows, of each account; None has none."""
        ...

    @property
    def created(self) -> Mapping[str, int]:
        """How many resources were ever created under each name."""
        ...

    def advance(self, now: float) -> None:
        """Apply what has become due by now."""
        ...

    # -- a request's fate, in this order ---------------------------------------------------------

    def owns(self, request: Request) -> bool:
        """Whether the path is one of this vendor's."""
        ...

    def operation(self, request: Request) -> str | None:
        """The operation a request asks for, one of `operations`."""
        ...

    def authorize(self, now: float, request: Request, operation: str | None) -> str:
        """The account that asks, by any name; `Refusal` for a stranger."""
        ...

    def target(self, request: Request, operation: str | None) -> Target:
        """What the request is about."""
        ...

    def answer(self, now: float, request: Request, operation: str | None) -> Response:
        """Do what is asked; `Refusal` says no. An operation of None is 404 or 405."""
        ...

    def error(self, refusal: Refusal, request_id: str) -> Response:
        """A refusal in the vendor's shape; any status may come, those of faults included."""
        ...

    def headers(
        self, now: float, rate_limit_status: RateLimitStatus | None, request_id: str
    ) -> dict[str, str]:
        """What every answer carries; `standing` is None without windows."""
        ...

    def serve(self, now: float, request: Request) -> Response | None:
        """The answer of a deployment's own endpoint; None if the key is none of its own."""
        ...

    # -- what tests may know and do --------------------------------------------------------------

    def knows(self, id: str) -> bool:
        """Whether it has, or once had, a resource with this id."""
        ...

    def truth(self, id: str, now: float) -> Truth[WriteRecord]:
        """What really is the matter with a resource."""
        ...

    def inject_outcome_fault(self, fault: Fault, now: float) -> None:
        """Let an outcome fault strike the resource `fault.id` at once; ValueError if none."""
        ...

    def rows(self, now: float) -> list[dict[str, object]]:
        """All that exists, for `/_emulator/state`."""
        ...
