"""Stored resources: the writes they accepted, pending events, and stale views of them.

A stale view changes what reads return, never the stored resource.
"""

import heapq
import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

from attrs import evolve, frozen

from .faults import Fault

T = TypeVar("T")
MAX_GONE = 1000
"""How many deleted resources are remembered, with their writes."""
_MAX_NAMES = 100_000
Event = Literal["settle", "regress"]


@frozen
class WriteRecord:
    """An accepted write; times are world time.

    `settles_at` is infinite if it never settles. `ends` is how it will end, `outcome` how it
    ended: `pending` until then.
    """

    action: str
    accepted_at: float
    settles_at: float
    ends: str
    outcome: str = "pending"


W = TypeVar("W", bound=WriteRecord)


@frozen
class Truth:
    """The real state of a resource, whatever reads may show."""

    id: str
    exists: bool
    status: str
    """The vendor's own status word."""
    settled: bool
    """Whether its latest write has settled."""
    settled_at: float
    """When that write settles; infinite if never."""
    version: int
    """How many specs were deployed; the vendor's own count where it has one."""
    writes: tuple[WriteRecord, ...]
    """All accepted writes, oldest first."""


@frozen(kw_only=True)
class Resource(Generic[W]):
    """A resource and the writes it accepted."""

    id: str
    name: str
    writes: tuple[W, ...] = ()

    @property
    def last_write(self) -> W:
        """The latest write."""
        return self.writes[-1]

    @property
    def in_flight(self) -> bool:
        """Whether the latest write has not settled yet."""
        return self.last_write.outcome == "pending"

    def with_last_write(self, write: W) -> Self:
        """Return a copy whose latest write is replaced."""
        return evolve(self, writes=(*self.writes[:-1], write))


R = TypeVar("R", bound=Resource[Any])


class Store(ABC):
    """What a world needs from the store of any vendor."""

    created: Counter[str]
    """How many resources were ever created under each name."""

    @abstractmethod
    def advance(self, now: float) -> None:
        """Apply what has become due by now."""

    @abstractmethod
    def knows(self, id: str) -> bool:
        """Return whether a resource with this id exists or existed."""

    @abstractmethod
    def truth(self, id: str, now: float) -> Truth:
        """Return the real state of a resource that exists or existed."""


class EventQueue:
    """Pending events in world time; events of the same moment keep their order."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, str, Event]] = []
        self._numbers = count()

    def add(self, at: float, id: str, event: Event) -> None:
        """Add an event of a resource; one at infinity never happens."""
        if at < math.inf:
            heapq.heappush(self._heap, (at, next(self._numbers), id, event))

    def due(self, now: float) -> Iterator[tuple[float, str, Event]]:
        """Remove and yield the events due by now, including those added meanwhile."""
        while self._heap and self._heap[0][0] <= now:
            at, _, id, event = heapq.heappop(self._heap)
            yield at, id, event


def count_created(created: Counter[str], name: str) -> None:
    """Count a resource created under a name; the oldest of very many names are forgotten."""
    created[name] += 1
    while len(created) > _MAX_NAMES:
        del created[next(iter(created))]


def check_target(fault: Fault, in_flight: bool, settles_at: float) -> None:
    """Raise ValueError if an outcome fault cannot apply to a resource with this latest write."""
    if fault.kind == "stuck" and not in_flight:
        raise ValueError(f"nothing is under way on {fault.id!r} that could get stuck")
    if fault.kind == "regress" and in_flight and settles_at == math.inf:
        raise ValueError(f"{fault.id!r} is stuck, so it cannot fail after it has settled")


def end_of_failing(planned: float, now: float) -> float:
    """Return when a pending write fails that was to end then: now, if it was stuck."""
    return now if planned == math.inf else max(now, planned)


@frozen
class StaleView(Generic[T]):
    """Until `until`, reads see a resource as it was before (None: not found)."""

    until: float
    before: T | None
    hides_get: bool
    hides_list: bool


def seen_through(
    views: Iterable[StaleView[T]], now: float, current: T | None, *, in_list: bool = False
) -> T | None:
    """Return a resource as a GET, or a list, sees it."""
    for view in views:
        if now < view.until and (view.hides_list if in_list else view.hides_get):
            return view.before
    return current


class Recent(dict[str, T]):
    """A dict that forgets its oldest entries, so that what is gone takes bounded memory."""

    def __init__(self, limit: int = MAX_GONE) -> None:
        super().__init__()
        self._limit = limit

    def __setitem__(self, key: str, value: T) -> None:
        super().__setitem__(key, value)
        while len(self) > self._limit:
            del self[next(iter(self))]


class EventStore(Store, Generic[R]):
    """A store whose resources change when an event is due; `advance` applies the events."""

    deleted_status: ClassVar[str] = "deleted"

    def __init__(self, name_lag: float = 0.0) -> None:
        self.items: dict[str, R] = {}
        self.deleted: dict[str, R] = Recent()
        self.created = Counter()
        self._name_lag = name_lag
        self._names_held: dict[str, float] = Recent()
        self._views: dict[str, list[StaleView[R]]] = {}
        self._events = EventQueue()

    @abstractmethod
    def status(self, item: R, now: float) -> str:
        """Return the vendor's status word of an existing resource."""

    @abstractmethod
    def _version(self, item: R) -> int:
        """Return how many specs of a resource were deployed."""

    @abstractmethod
    def _settle(self, item: R, at: float) -> None:
        """Apply the end of the latest write."""

    @abstractmethod
    def _fail(self, item: R, at: float) -> None:
        """Let a settled resource fail."""

    def save(self, item: R) -> None:
        """Store a new or changed resource, and schedule the end of its latest write."""
        self.items[item.id] = item
        if item.in_flight:
            self._events.add(item.last_write.settles_at, item.id, "settle")

    def bury(self, item: R) -> None:
        """Remove a resource; a bounded number of deleted ones is remembered."""
        del self.items[item.id]
        self.deleted[item.id] = item
        if len(self._views) > 2 * MAX_GONE:
            known = self.items.keys() | self.deleted.keys()
            self._views = {id: views for id, views in self._views.items() if id in known}

    def schedule_failure(self, id: str, at: float) -> None:
        """Let a resource fail at that time, if it is settled then."""
        self._events.add(at, id, "regress")

    def advance(self, now: float) -> None:
        """Apply all events due by now, in order."""
        for at, id, event in self._events.due(now):
            item = self.items.get(id)
            if item is None:
                continue
            if event == "regress":
                if not item.in_flight:
                    self._fail(item, at)
            elif item.in_flight and item.last_write.settles_at == at:
                self._settle(item, at)

    def hold_name(self, name: str, deleted_at: float) -> None:
        """Keep the name of a deleted resource taken for the configured time."""
        if self._name_lag > 0:
            self._names_held[name] = deleted_at + self._name_lag

    def holds_name(self, name: str, now: float) -> bool:
        """Return whether a name is still taken by a deleted resource."""
        if now >= self._names_held.get(name, -math.inf):
            self._names_held.pop(name, None)
            return False
        return True

    def add_views(self, id: str, views: Iterable[StaleView[R]]) -> None:
        """Add stale views of a resource."""
        if more := list(views):
            self._views.setdefault(id, []).extend(more)

    def get(self, id: str, now: float) -> R | None:
        """Return the resource as a GET sees it; None is 404."""
        return seen_through(self._views.get(id, ()), now, self.items.get(id))

    def read_all(self, now: float) -> list[R]:
        """Return the resources as a list sees them, oldest first."""
        if not self._views:
            return list(self.items.values())
        rows: dict[str, R | None] = dict(self.items)
        for id, views in self._views.items():
            rows[id] = seen_through(views, now, self.items.get(id), in_list=True)
        return [row for row in rows.values() if row is not None]

    def knows(self, id: str) -> bool:
        """Return whether a resource with this id exists or existed."""
        return id in self.items or id in self.deleted

    def truth(self, id: str, now: float) -> Truth:
        """Return the real state of a resource; `unknown` if it never existed."""
        item = self.items.get(id) or self.deleted.get(id)
        if item is None:
            return Truth(id, False, "unknown", False, math.inf, 0, ())
        exists = id in self.items
        return Truth(
            id=id,
            exists=exists,
            status=self.status(item, now) if exists else self.deleted_status,
            settled=not item.in_flight,
            settled_at=item.last_write.settles_at,
            version=self._version(item),
            writes=item.writes,
        )

    def fault_target(self, fault: Fault) -> R:
        """Return the resource that an outcome fault names.

        Raise ValueError if the resource does not exist or the fault cannot apply.
        """
        item = self.items.get(fault.id or "")
        if item is None:
            raise ValueError(f"fault {fault.kind!r}: resource {fault.id!r} does not exist")
        check_target(fault, item.in_flight, item.last_write.settles_at)
        return item
