"""What the estates of vendors are made of: what is due, and veils over what reads see.

Rules of this file: no vendor, and no state of a thing. A veil bends what reads see of it, never
the thing itself.
"""

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Generic, Literal, TypeVar

from attrs import frozen

from .faults import FaultBook
from .provider import WriteRecord

T = TypeVar("T")
W = TypeVar("W", bound=WriteRecord)
Step = Literal["settle", "regress"]
_VEIL_S = 30.0


class Written(Generic[W]):
    """What takes one write after another."""

    __slots__ = ()
    writes: tuple[W, ...]

    @property
    def change(self) -> W:
        """The latest write."""
        return self.writes[-1]

    @property
    def in_flight(self) -> bool:
        """Whether the latest write has not settled yet."""
        return self.change.outcome == "pending"


class EventQueue:
    """What is due, and when, in world time; at one moment in the order in which it was put down."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, str, Step]] = []
        self._numbers = count()

    def add(self, at: float, id: str, step: Step) -> None:
        """A step of a thing; one at infinity never comes."""
        if at < math.inf:
            heapq.heappush(self._due, (at, next(self._numbers), id, step))

    def due(self, now: float) -> Iterator[tuple[float, str, Step]]:
        """When, which thing, which step: all that is due by now, added meanwhile or before."""
        while self._due and self._due[0][0] <= now:
            at, _, id, step = heapq.heappop(self._due)
            yield at, id, step


@frozen
class StaleView(Generic[T]):
    """Until then reads see a thing as it was (None: not there)."""

    until: float
    before: T | None
    hides_get: bool
    hides_list: bool


def stale_views_for(
    faults: FaultBook,
    now: float,
    operation: str,
    before: T | None,
    *,
    id: str,
    region: str | None = None,
    since: float | None = None,
) -> Iterator[StaleView[T]]:
    """What hides a write from reads for a while (from `since` on), if a fault says so."""
    for kind in ("not_found" if before is None else "stale", "list_lag"):
        fault = faults.take((kind,), now, operation, id=id, region=region)
        if fault:
            lasts = _VEIL_S if fault.seconds is None else fault.seconds
            until = (now if since is None else since) + lasts
            yield StaleView(until, before, kind != "list_lag", kind != "not_found")


def seen_through(
    stale_views: Iterable[StaleView[T]], now: float, thing: T | None, *, in_list: bool = False
) -> T | None:
    """How a GET, or a list, sees a thing."""
    for stale_view in stale_views:
        if now < stale_view.until and (stale_view.hides_list if in_list else stale_view.hides_get):
            return stale_view.before
    return thing


class StaleViews(Generic[T]):
    """The veils over many things, by id."""

    def __init__(self) -> None:
        self._over: dict[str, list[StaleView[T]]] = {}

    def add(self, id: str, stale_views: Iterable[StaleView[T]]) -> None:
        """Let reads of a thing see what was."""
        if more := list(stale_views):
            self._over.setdefault(id, []).extend(more)

    def seen(self, id: str, things: Mapping[str, T], now: float) -> T | None:
        """The thing as a GET sees it; None is 404."""
        return seen_through(self._over.get(id, ()), now, things.get(id))

    def seen_all(self, things: Mapping[str, T], now: float) -> list[T]:
        """The things as a list sees them, oldest first."""
        if not self._over:
            return list(things.values())
        rows: dict[str, T | None] = dict(things)
        for id, stale_views in self._over.items():
            rows[id] = seen_through(stale_views, now, things.get(id), in_list=True)
        return [row for row in rows.values() if row is not None]
