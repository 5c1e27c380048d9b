"""Exoscale's models, deployments and operations, in every zone.

The states of a resource are planned when a write is accepted and looked up afterwards, so nothing
has to be advanced. Names ending in `_at` are world time; `created` and `updated` are whole-second
timestamps in real time.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import ClassVar, Generic, Self, TypeVar

from attrs import Factory, define, evolve, frozen

from di_async.emulator.cloud.store import (
    MAX_GONE,
    Recent,
    StaleView,
    Truth,
    WriteRecord,
    count_created,
    seen_through,
)
from di_async.emulator.cloud.store import Store as BaseStore

_MAX_OPERATIONS = 10_000


@frozen(kw_only=True)
class Resource:
    """A model or deployment at one moment."""

    kind: ClassVar[str]
    """The name of the type in paths."""
    id: str
    zone: str
    name: str
    state: str
    created: int
    updated: int

    def with_state(self, state: str, updated: int, details: str = "") -> Self:
        """Return a copy in another state; `details` are kept where there is a field for them."""
        return evolve(self, state=state, updated=updated)


@frozen(kw_only=True)
class Model(Resource):
    """A model at one moment; `size` is in bytes."""

    kind = "model"
    size: int


@frozen(kw_only=True)
class Deployment(Resource):
    """A deployment at one moment; `reachable` is whether its URL is known."""

    kind = "deployment"
    model_id: str
    model_name: str
    gpu_type: str
    gpu_count: int
    replicas: int
    version: str
    parameters: tuple[str, ...]
    state_details: str = ""
    visibility: str = "private"
    reachable: bool = False

    def with_state(self, state: str, updated: int, details: str = "") -> "Deployment":
        """Return a copy in another state."""
        reachable = self.reachable or state == "ready"
        return evolve(
            self, state=state, updated=updated, state_details=details, reachable=reachable
        )


@frozen
class Operation:
    """The operation that a write answers with; it is pending until `ends_at`."""

    id: str
    zone: str
    target: str
    link: str
    command: str
    ends_at: float
    referenced: bool = True
    ends: str = "success"
    reason: str | None = None
    message: str | None = None

    @staticmethod
    def on(resource: Resource, id: str, ends_at: float, *, referenced: bool = True) -> "Operation":
        """Return an operation on a resource."""
        link, command = f"/v2/ai/{resource.kind}/{resource.id}", f"get-{resource.kind}"
        return Operation(id, resource.zone, resource.id, link, command, ends_at, referenced)

    @property
    def will_succeed(self) -> bool:
        """Whether it ends, and in `success`."""
        return self.ends == "success" and self.ends_at < math.inf

    def state(self, now: float) -> str:
        """Return `pending`, `success`, `failure` or `timeout`."""
        return "pending" if now < self.ends_at else self.ends


@frozen
class Write:
    """An accepted write; it ends `ready`, `error`, `deleted`, `failure` or `timeout`."""

    action: str
    accepted_at: float
    operation: Operation
    settles_at: float
    ends: str
    details: str = ""
    superseded_at: float | None = None

    def superseded(self, now: float) -> "Write":
        """Return the write as it is if a later one is accepted now."""
        goes_on = self.superseded_at is None and now < self.settles_at
        return evolve(self, superseded_at=now) if goes_on else self

    def record(self, now: float) -> WriteRecord:
        """Return the write as it stands now."""
        superseded = self.superseded_at is not None and self.superseded_at < self.settles_at
        outcome = "superseded" if superseded else "pending" if now < self.settles_at else self.ends
        return WriteRecord(self.action, self.accepted_at, self.settles_at, self.ends, outcome)


@frozen
class ApiKey:
    """An AI API key, for one deployment or (`public`) for the vendor's own ones."""

    id: str
    name: str
    scope: str
    value: str
    created: int
    deleted_at: float | None = None

    def exists(self, now: float) -> bool:
        """Return whether it is not deleted yet."""
        return self.deleted_at is None or now < self.deleted_at


R = TypeVar("R", bound=Resource)
States = list[tuple[float, R | None]]
"""From when on a resource is how (None: deleted), in order."""


@define
class Timeline(Generic[R]):
    """The states of one resource, past and planned, and its writes."""

    id: str
    zone: str
    states: States[R] = Factory(list)
    writes: list[Write] = Factory(list)
    views: list[StaleView[R]] = Factory(list)

    def at(self, now: float) -> R | None:
        """Return the resource at a moment."""
        return next((state for at, state in reversed(self.states) if at <= now), None)

    def is_gone(self, now: float) -> bool:
        """Return whether it is deleted for good, and no view shows it any more."""
        ended = bool(self.states) and self.states[-1][1] is None and self.states[-1][0] <= now
        return ended and all(view.until <= now for view in self.views)

    def begin(self, write: Write, states: States[R], views: Iterable[StaleView[R]] = ()) -> None:
        """Add a write; if its operation will succeed, earlier ones do not go on."""
        now = write.accepted_at
        if write.operation.will_succeed:
            self.states = [state for state in self.states if state[0] <= now]
            self.writes = [one.superseded(now) for one in self.writes]
        self.states += states
        self.writes.append(write)
        self.views.extend(views)

    def reschedule(self, write: Write, states: States[R]) -> None:
        """Replace the latest write, and its last state by these."""
        ends_at = self.writes[-1].settles_at
        self.states = [state for state in self.states if state[0] < ends_at] + states
        self.writes[-1] = write

    def has_pending_operation(self, now: float) -> bool:
        """Return whether an operation on it is pending."""
        return any(write.operation.state(now) == "pending" for write in self.writes[-1:])

    def read(self, now: float, *, in_list: bool = False) -> R | None:
        """Return the resource as a GET, or a list, sees it."""
        return seen_through(self.views, now, self.at(now), in_list=in_list)


class Store(BaseStore):
    """All zones' models, deployments and operations, including past ones."""

    def __init__(self) -> None:
        self.models: dict[str, Timeline[Model]] = {}
        self.deployments: dict[str, Timeline[Deployment]] = {}
        self.operations: dict[str, Operation] = Recent(_MAX_OPERATIONS)
        self.keys: dict[str, str] = {}
        """The ids of deployments, by API key."""
        self.api_keys: dict[str, ApiKey] = {}
        self.created = Counter()
        self._forget_above = 2 * MAX_GONE

    def advance(self, now: float) -> None:
        """Forget the oldest of very many deleted resources. States are planned."""
        if len(self.deployments) + len(self.models) + len(self.api_keys) > self._forget_above:
            self._forget(now)

    def _forget(self, now: float) -> None:
        for timelines in (self.models, self.deployments):
            gone = [id for id, timeline in timelines.items() if timeline.is_gone(now)]
            for id in gone[:-MAX_GONE]:
                del timelines[id]
        expired = [id for id, key in self.api_keys.items() if not key.exists(now)]
        for id in expired[:-MAX_GONE]:
            del self.api_keys[id]
        self.keys = {
            value: id
            for value, id in self.keys.items()
            if id in self.deployments and not self.deployments[id].is_gone(now)
        }
        kept = len(self.deployments) + len(self.models) + len(self.api_keys)
        self._forget_above = kept + MAX_GONE

    def add_deployment(self, deployment: Deployment, api_key: str) -> Timeline[Deployment]:
        """Return the timeline of a new deployment, which has a key from the start."""
        timeline = Timeline[Deployment](deployment.id, deployment.zone)
        self.deployments[deployment.id] = timeline
        count_created(self.created, deployment.name)
        self.keys[api_key] = deployment.id
        return timeline

    def add_model(self, model: Model) -> Timeline[Model]:
        """Return the timeline of a new model."""
        timeline = self.models[model.id] = Timeline[Model](model.id, model.zone)
        count_created(self.created, model.name)
        return timeline

    def save_api_key(self, key: ApiKey) -> None:
        """Store a new or changed key. A key of a deployment opens its endpoint."""
        self.api_keys[key.id] = key
        if key.deleted_at is not None:
            self.keys.pop(key.value, None)
        elif key.scope != "public":
            self.keys[key.value] = key.scope

    def add_operation(self, operation: Operation) -> None:
        """Add an operation."""
        self.operations[operation.id] = operation

    def knows(self, id: str) -> bool:
        """Return whether such a model or deployment exists or existed."""
        return id in self.deployments or id in self.models

    def truth(self, id: str, now: float) -> Truth:
        """Return the real state of a model or deployment that exists or existed."""
        timeline = self.deployments.get(id) or self.models[id]
        resource = timeline.at(now)
        writes = tuple(write.record(now) for write in timeline.writes)
        settled_at = max(one.settles_at for one in writes if one.outcome != "superseded")
        return Truth(
            id=id,
            exists=resource is not None,
            status="deleted" if resource is None else resource.state,
            settled=now >= settled_at,
            settled_at=settled_at,
            version=sum(write.outcome == "ready" for write in writes),
            writes=writes,
        )


def list_zone(timelines: dict[str, Timeline[R]], zone: str, now: float) -> Iterator[R]:
    """Yield the resources of a zone as a list sees them, oldest first."""
    for timeline in timelines.values():
        resource = timeline.read(now, in_list=True) if timeline.zone == zone else None
        if resource is not None:
            yield resource
