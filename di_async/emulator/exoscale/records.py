"""What the world remembers of models, deployments and operations, as values.

Rules of this file: no wire shapes and no decisions. Times named `*_at` are world time; `created`
and `updated` are whole-second stamps as told.
"""

from typing import Literal, Protocol, Self, TypeVar

from attrs import evolve, frozen

OperationState = Literal["pending", "success", "failure", "timeout"]


class Lasting(Protocol):
    """What models and deployments have in common."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def zone(self) -> str:
        """Where it is."""
        ...

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def state(self) -> str:
        """The vendor's word."""
        ...

    @property
    def updated(self) -> int:
        """The stamp of its last change."""
        ...

    def turned(self, state: str, updated: int, details: str = "") -> "Self":
        """The same in another state."""
        ...


Thing = TypeVar("Thing", bound=Lasting)


@frozen
class Model:
    """A model as it is at some moment; `size` is in bytes."""

    id: str
    zone: str
    name: str
    state: str
    created: int
    updated: int
    size: int

    def turned(self, state: str, updated: int, details: str = "") -> "Model":
        """The same in another state; there is no room for details."""
        return evolve(self, state=state, updated=updated)


@frozen
class Deployment:
    """A deployment as it is at some moment; `reachable` is whether its URL is known yet."""

    id: str
    zone: str
    name: str
    state: str
    model_id: str
    model_name: str
    gpu_type: str
    gpu_count: int
    replicas: int
    version: str
    parameters: tuple[str, ...]
    created: int
    updated: int
    state_details: str = ""
    visibility: str = "private"
    reachable: bool = False

    def turned(self, state: str, updated: int, details: str = "") -> "Deployment":
        """The same in another state."""
        reachable = self.reachable or state == "ready"
        return evolve(
            self, state=state, updated=updated, state_details=details, reachable=reachable
        )


@frozen
class Operation:
    """What a write answers with; it is pending until `ends_at`."""

    id: str
    zone: str
    target: str
    link: str
    command: str
    ends_at: float
    ends: OperationState = "success"
    reason: str | None = None
    message: str | None = None
    referenced: bool = True

    def state(self, now: float) -> OperationState:
        """How it stands."""
        return "pending" if now < self.ends_at else self.ends


@frozen
class Write:
    """An accepted write. Its last changes are due at `settles_at`, unless superseded before."""

    action: str
    accepted_at: float
    operation: Operation
    settles_at: float
    ends: str
    details: str = ""
    superseded_at: float | None = None

    def past(self, now: float) -> "WriteRecord":
        """The write as it stands now."""
        superseded = self.superseded_at is not None and self.superseded_at < self.settles_at
        outcome = "superseded" if superseded else "pending" if now < self.settles_at else self.ends
        return WriteRecord(self.action, self.accepted_at, self.settles_at, self.ends, outcome)


@frozen
class WriteRecord:
    """A write as tests see it; `ends` is ready, error, deleted, failure or timeout."""

    action: str
    accepted_at: float
    settles_at: float
    ends: str
    outcome: str
