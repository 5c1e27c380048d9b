"""What to read next: one resource by GET, or a list page that shows many. Pure.

A page that shows one watched resource costs as much as its GET, which also confirms, so such a page
is not read; from two on the page is cheaper. Unlocated ids are searched page by page. An id that is
missing from its page is expected on the pages read next, and then read by GET.

The schedule is the only writer of a `PollEntry`'s times and of its confirmation state.
"""

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from msgspec import Struct

from di_async.core.waiting.durations import DurationDistribution
from di_async.core.waiting.observation import DurationKey
from di_async.core.waiting.pacing import (
    PendingLoad,
    PollPace,
    PollQuota,
    plan_pace,
    read_interval,
)
from di_async.core.waiting.page_index import Ids, PageIndex, RowKey
from di_async.core.waiting.poll_policy import PollPolicy
from di_async.core.waiting.region_choice import RegionChoice
from di_async.core.waiting.resume_token import ResourceRef

__all__ = ["PAGE_SIZE", "PageRows", "PollEntry", "PollSchedule", "ReadOne", "ReadPage"]

PAGE_SIZE = 200
"""Rows of a page that polling requests."""
# Seconds until the pace is planned again; with a slow policy it may take longer.
_REPLAN_S, _MAX_REPLAN_S = 10.0, 600.0
# What is due within this is due now: sums of floats need not meet a moment exactly.
_TICK_S = 0.001
# A missing id is probably on a neighbouring page, which is read within about one interval.
_MISSING_INTERVALS = 1.2
# If no row has changed for so many seconds, the list may be wrong.
_UNCHANGED_S = 600.0

T = TypeVar("T")


class ReadUnit(Struct, eq=False):
    """What one request reads, a resource or a list page, and when."""

    paced_from: float = -math.inf
    """The last read, as the pace counts it: a new resource's first read waits its turn."""
    sent_at: float = -math.inf
    due_at: float = 0.0
    in_flight: bool = False


class PollEntry(ReadUnit, Generic[T], eq=False, kw_only=True):
    """Polling state of one watched resource, and the watchers that its reads are delivered to."""

    ref: ResourceRef
    started_at: float = 0.0
    duration_key: DurationKey = ("", "", "")
    listed: bool = True
    """List rows may show it; without, it is read by GET only."""
    watchers: tuple[T, ...] = ()
    joined_at: float = 0.0
    """When the last watcher joined: rows read before show that watcher nothing."""
    read_at: float = -math.inf
    due_by: float = math.inf
    """A read is wanted by then, whatever the pace."""
    last_pending_at: float | None = None
    """The last read that found it unsettled."""
    first_ready_at: float | None = None
    """The first read whose row looked settled."""
    confirm_requested: bool = False
    confirm_pause: float = 0.0
    confirm_after: float = -math.inf
    """No GET is sent before that to confirm the row `refuted_fingerprint` again."""
    refuted_fingerprint: int = 0
    row_is_partial: bool = False
    """The row read last lacks what decides."""
    row_fingerprint: int = 0
    """Of the row examined last."""

    @property
    def id(self) -> str:
        """The resource's id."""
        return self.ref.id

    def add_watcher(self, watcher: T, now: float) -> None:
        """Deliver reads to a watcher, too."""
        self.watchers += (watcher,)
        self.joined_at = now

    def remove_watcher(self, watcher: T) -> None:
        """Deliver no more reads to a watcher."""
        self.watchers = tuple(one for one in self.watchers if one is not watcher)


class _PageUnit(ReadUnit, eq=False):
    number: int = 0


class ReadOne(Struct, Generic[T], frozen=True):
    """Read one resource by GET; `confirms` a row that looked settled."""

    entry: PollEntry[T]
    confirms: bool = False


class ReadPage(Struct, frozen=True):
    """Read one page of the account's list, or of a region's."""

    number: int
    region: str | None = None


class PageRows(Struct, Generic[T], frozen=True):
    """The watched rows of a page that was read."""

    changed: list[tuple[int, PollEntry[T]]]
    """Position and entry of each row that has to be examined."""
    unchanged: list[PollEntry[T]]


class PollSchedule(Generic[T]):
    """The watched resources of one type, and when each is due."""

    def __init__(
        self,
        policy: PollPolicy,
        distribution: Callable[[DurationKey], DurationDistribution | None],
        *,
        by_region: bool = False,
    ) -> None:
        self._policy = policy
        self._distribution = distribution
        self._by_region = by_region
        self._entries: dict[ResourceRef, PollEntry[T]] = {}
        self._listed: dict[str, PollEntry[T]] = {}
        self._due_by: dict[PollEntry[T], None] = {}
        self._confirms: deque[PollEntry[T]] = deque()
        self._index = PageIndex()
        self._regions = RegionChoice()
        self._region_to_try: str | None = None
        self._check_region = False
        self._pages: dict[int, _PageUnit] = {}
        self._search = ReadUnit()
        self._row_changed_at = -math.inf
        self._heap: list[tuple[float, int, ReadUnit]] = []
        self._tie_breaker = itertools.count()
        self._replan = True
        self._replan_at = -math.inf
        self.pace = PollPace(policy.target_lag)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[PollEntry[T]]:
        return iter(self._entries.values())

    def find(self, ref: ResourceRef) -> PollEntry[T] | None:
        """Return the entry of a watched resource."""
        return self._entries.get(ref)

    @property
    def page_count(self) -> int | None:
        """How many pages the list has; None before the first read."""
        return self._index.page_count

    @property
    def due_at(self) -> float:
        """When `next_read` may return something else than a pause."""
        if self._replan or self._region_to_try is not None:
            return -math.inf
        return min(self._replan_at, self._heap[0][0] if self._heap else math.inf)

    # -- entries ------------------------------------------------------------------------------

    def add(self, entry: PollEntry[T]) -> None:
        """Watch a resource."""
        self._entries[entry.ref] = entry
        if entry.listed:
            self._listed[entry.id] = entry
            self._index.add(entry.id)
        self._replan = self._check_region = True

    def remove(self, entry: PollEntry[T]) -> None:
        """Stop watching a resource."""
        del self._entries[entry.ref]
        self._remove_from_list(entry)
        self._due_by.pop(entry, None)
        if not self._entries:
            self._regions.forget()

    def read_by_get(self, entry: PollEntry[T]) -> None:
        """Read an entry by GET only from now on."""
        if entry.listed:
            self._remove_from_list(entry)
            entry.listed = False
            self._replan = True

    def read_by_list(self, entry: PollEntry[T]) -> None:
        """Let list rows show an entry again; undoes `read_by_get`."""
        if not entry.listed:
            entry.listed = True
            self._listed[entry.id] = entry
            self._index.add(entry.id)
            self._replan = self._check_region = True

    def _remove_from_list(self, entry: PollEntry[T]) -> None:
        if self._listed.pop(entry.id, None) is not None:
            page = self._index.page_of(entry.id)
            self._index.remove(entry.id)
            self._replan |= page is not None and len(self._index.ids_on(page)) < 2

    def set_duration_key(self, entry: PollEntry[T], key: DurationKey) -> None:
        """Record the kind of change that a read has shown."""
        entry.duration_key = key
        self.distributions_changed()

    def distributions_changed(self) -> None:
        """Plan the pace again: a kind or its distribution changed."""
        self._replan = self._check_region = True

    def mark_dirty(self, entry: PollEntry[T]) -> None:
        """Examine the entry's row when it is read next, even if it is unchanged."""
        self._index.mark_dirty(entry.id)

    def request_by(self, entry: PollEntry[T], at: float) -> None:
        """Read an entry by then, whatever the pace."""
        entry.due_by = min(entry.due_by, at)
        self._due_by[entry] = None
        self._replan = True

    def check_unchanged(self, now: float) -> None:
        """Read one entry by GET if the list shows no change for long: it may come from a cache.

        It is the entry that list rows alone have shown for longest. Where the quota is short, none
        is read.
        """
        long_ago = now - _UNCHANGED_S
        if (
            self._row_changed_at > long_ago
            or self.pace.quota_bound
            or self._policy.confirm == "never"
        ):
            return
        by_list = [entry for entry in self._listed.values() if not self._is_read_alone(entry)]
        entry = min(by_list, key=_read_by_get_at, default=None)
        if entry is not None and _read_by_get_at(entry) <= long_ago:
            self.request_by(entry, now)

    # -- GETs ---------------------------------------------------------------------------------

    def get_finished(
        self, entry: PollEntry[T], now: float, *, pending: bool = False, refuted: bool = False
    ) -> None:
        """Record that a GET was answered, whatever the answer.

        Args:
            entry: the resource that was read.
            now: loop time in seconds.
            pending: the answer was a resource whose change is still pending.
            refuted: and the GET was to confirm a row.
        """
        entry.in_flight, entry.paced_from, entry.read_at = False, now, now
        entry.confirm_requested, entry.due_by = False, math.inf
        self._due_by.pop(entry, None)
        if pending:
            entry.last_pending_at = now
        if refuted:
            pause = max(2 * entry.confirm_pause, self._policy.target_lag)
            entry.confirm_pause = min(pause, self._policy.max_interval)
            entry.confirm_after = now + entry.confirm_pause
        if entry.id in self._index.missing and entry.listed:
            self._index.relocate(entry.id)
            self._replan = True
        elif self._is_read_alone(entry) and not self._replan:
            self._schedule_next(entry, self._load(entry, 1, entry, entry, now), now)

    def _is_read_alone(self, entry: PollEntry[T]) -> bool:
        """Return whether the entry is scheduled by itself and not with its list page."""
        number = self._index.page_of(entry.id) if entry.listed else None
        alone = number is None or len(self._index.ids_on(number)) < 2
        return alone and self._entries.get(entry.ref) is entry

    # -- pages --------------------------------------------------------------------------------

    def page_finished(
        self, read: ReadPage, rows: Sequence[RowKey], total: int | None, now: float
    ) -> PageRows[T]:
        """Record a page that was read; return its watched rows."""
        page_count = None if total is None else _page_count(read.number, rows, total)
        if read.region != self._regions.region and not self._enter(read.region, page_count):
            return PageRows([], [])  # a list that is not read any more
        page = self._page(read.number)
        page.in_flight, page.paced_from = False, now
        crowded = len(self._index.ids_on(read.number)) > 1
        update = self._index.update(read.number, rows, page_count, now)
        changed = [(position, self._listed[id]) for position, id in update.changed]
        unchanged = [self._listed[id] for id in update.unchanged]
        for _, entry in changed:
            self._row_read(entry, now)
        for entry in unchanged:
            self._row_read(entry, now)
            entry.last_pending_at = now
        if page_count is not None:
            for number in [n for n, p in self._pages.items() if n > page_count]:
                if not self._pages[number].in_flight:
                    del self._pages[number]
        ids = self._index.ids_on(read.number)
        searching = self._index.unlocated or self._index.missing
        self._replan |= bool(searching) or update.moved or (len(ids) > 1) != crowded
        if ids and not self._replan:
            self._schedule_next(*self._load_of_page(read.number, ids, now), now)
        return PageRows(changed, unchanged)

    def _row_read(self, entry: PollEntry[T], now: float) -> None:
        entry.paced_from = entry.read_at = now
        if entry.due_by != math.inf:
            entry.due_by = entry.due_at = math.inf  # the GET that was due by then is not needed
            self._due_by.pop(entry, None)

    def page_failed(self, read: ReadPage, now: float) -> None:
        """Record that a page could not be read; it is read again in its turn."""
        if read.region == self._regions.region:
            page = self._page(read.number)
            page.in_flight, page.paced_from = False, now
            self._replan = True

    def page_in_flight(self, entry: PollEntry[T]) -> bool:
        """Return whether a page that may show the entry is being read."""
        if not entry.listed:
            return False
        number = self._index.page_of(entry.id)
        if number is not None:
            return number in self._pages and self._pages[number].in_flight
        return any(page.in_flight for page in self._pages.values())

    def entries_on(self, read: ReadPage) -> list[PollEntry[T]]:
        """Return the entries that a page showed last."""
        if read.region != self._regions.region:
            return []
        return [self._listed[id] for id in self._index.ids_on(read.number)]

    def _page(self, number: int) -> _PageUnit:
        return self._pages.setdefault(number, _PageUnit(number=number))

    # -- confirmations ------------------------------------------------------------------------

    def row_examined(
        self,
        entry: PollEntry[T],
        fingerprint: int,
        now: float,
        *,
        settled: bool,
        again: bool,
        partial: bool = False,
    ) -> bool:
        """Record what a changed row shows; return True if a GET should confirm it now.

        Args:
            entry: the resource.
            fingerprint: of the row.
            now: loop time in seconds.
            settled: the row looks settled, which a GET must confirm.
            again: the row has to be examined again even if it does not change.
            partial: the row lacks what decides.
        """
        entry.row_is_partial = partial
        if fingerprint != entry.row_fingerprint:
            entry.row_fingerprint, self._row_changed_at = fingerprint, now
        if settled or again:
            self._index.mark_dirty(entry.id)
        if not settled:
            entry.last_pending_at = now
            return False
        if entry.first_ready_at is None:
            entry.first_ready_at = now
        refuted = now < entry.confirm_after and fingerprint == entry.refuted_fingerprint
        if entry.confirm_requested or refuted:
            return False
        entry.refuted_fingerprint = fingerprint
        return True

    def request_confirm(self, entry: PollEntry[T]) -> None:
        """Queue a GET that goes before all scheduled reads."""
        if not entry.confirm_requested:
            entry.confirm_requested = True
            self._confirms.append(entry)

    @property
    def confirms(self) -> int:
        """How many confirming GETs are queued."""
        return len(self._confirms)

    def next_confirm(
        self, now: float, is_wanted: Callable[[PollEntry[T]], bool]
    ) -> ReadOne[T] | None:
        """Return the next queued GET (the caller must send it); None if there is none."""
        while self._confirms:
            entry = self._confirms.popleft()
            if not entry.in_flight and is_wanted(entry):
                return self._start_get(entry, now, confirms=True)
            entry.confirm_requested = False
        return None

    # -- cancelled reads ----------------------------------------------------------------------

    def read_cancelled(self, read: ReadOne[T] | ReadPage) -> None:
        """Record that a read was cancelled; it counts as made when it was sent."""
        if isinstance(read, ReadOne):
            unit: ReadUnit = read.entry
            read.entry.confirm_requested = False
        elif read.region == self._regions.region:
            unit = self._page(read.number)
        else:
            return
        unit.in_flight = False
        unit.paced_from = max(unit.paced_from, unit.sent_at)
        self._replan = True

    # -- which list ---------------------------------------------------------------------------

    def _regions_watched(self) -> list[str]:
        return [entry.duration_key[1] for entry in self._listed.values()]

    def _reads_a_round(self) -> int:
        return sum(1 for _ in self._index.occupied())

    def _enter(self, region: str | None, page_count: int | None) -> bool:
        """Read a region's list from now on, if it is shorter; return whether it is."""
        if region is None or page_count is None:
            return False
        regions, reads = self._regions_watched(), self._reads_a_round()
        if not self._regions.enter(region, page_count, regions, reads):
            return False
        self._change_list()
        self._index.page_sent(1)
        return True

    def _change_list(self) -> None:
        self._pages.clear()
        self._index.reset()
        self._replan = True

    def _choose_list(self) -> None:
        if self._check_region and self._regions.leave_if_outside(self._regions_watched()):
            self._change_list()
        self._check_region = False
        located = not self._index.missing and not self._index.unlocated
        if self._by_region and self._listed and located:
            self._region_to_try = self._regions.to_try(
                self._regions_watched(), self._reads_a_round(), PAGE_SIZE
            )

    # -- what is due --------------------------------------------------------------------------

    def next_read(
        self, now: float, quota: Callable[[], PollQuota]
    ) -> ReadOne[T] | ReadPage | float:
        """Return what to read now, or the seconds until something is due.

        A read counts as sent once it is returned, so the caller must send it.
        """
        if self._replan or now >= self._replan_at:
            self._plan(now, quota())
        if self._region_to_try is not None:
            region, self._region_to_try = self._region_to_try, None
            return ReadPage(1, region)
        replan_in = self._replan_at - now
        while self._heap:
            due_at, _, unit = self._heap[0]
            if due_at > now + _TICK_S:
                return min(due_at - now, replan_in)
            heapq.heappop(self._heap)
            if unit.in_flight or due_at != unit.due_at:
                continue
            read = self._start(unit, now)
            if read is not None:
                return read
        return replan_in

    def _start(self, unit: ReadUnit, now: float) -> ReadOne[T] | ReadPage | None:
        if unit is self._search:
            page = self._next_search_page(now)
            if page is None:
                return None
            unit = page
        if isinstance(unit, _PageUnit):
            unit.in_flight, unit.sent_at = True, now
            self._index.page_sent(unit.number)
            return ReadPage(unit.number, self._regions.region)
        if isinstance(unit, PollEntry) and self._entries.get(unit.ref) is unit:
            return self._start_get(unit, now, confirms=False)
        return None

    @staticmethod
    def _start_get(entry: PollEntry[T], now: float, *, confirms: bool) -> ReadOne[T]:
        entry.in_flight, entry.sent_at = True, now
        return ReadOne(entry, confirms)

    def _next_search_page(self, now: float) -> _PageUnit | None:
        """Return the next page to search; schedule the one after it."""
        pages = [page for page in map(self._page, self._index.unsearched()) if not page.in_flight]
        if not pages:
            return None
        lag = self._policy.target_lag
        ready = [page for page in pages if page.paced_from + lag <= now + _TICK_S]
        if not ready:
            self._search.due_at = min(page.paced_from for page in pages) + lag
        if len(pages) > 1 or not ready:
            self._push(self._search)
        return ready[0] if ready else None

    def _plan(self, now: float, quota: PollQuota) -> None:
        """Plan the pace, and when each unit is due."""
        self._replan_at = now + max(_REPLAN_S, min(self._policy.target_lag, _MAX_REPLAN_S))
        self._choose_list()
        self._replan = False
        units = list(self._units(now))
        self.pace, due = plan_pace([load for _, load in units], self._policy, quota, now)
        scheduled: dict[ReadUnit, None] = {}
        for (unit, _), due_at in zip(units, due, strict=True):
            unit.due_at = due_at
            scheduled[unit] = None
        for id, since in self._index.missing.items():  # read once, soon; they set no pace
            entry = self._listed[id]
            entry.due_at = since + _MISSING_INTERVALS * self.pace.interval
            scheduled[entry] = None
        for entry in self._due_by:
            entry.due_at = min(entry.due_by, entry.due_at if entry in scheduled else math.inf)
            scheduled[entry] = None
        self._heap = [
            (unit.due_at, next(self._tie_breaker), unit) for unit in scheduled if not unit.in_flight
        ]
        heapq.heapify(self._heap)

    def _units(self, now: float) -> Iterator[tuple[ReadUnit, PendingLoad]]:
        """Yield every unit that sets the pace, with its load: pages, resources, the search."""
        for number, ids in self._index.occupied():
            yield self._load_of_page(number, ids, now)
        unlocated = [self._listed[id] for id in self._index.unlocated]
        search = self._index.unsearched()
        to_send = [number for number in search if not self._page(number).in_flight]
        by_get = [entry for entry in self._entries.values() if not entry.listed]
        if len(unlocated) > len(to_send or search) > 0:
            if to_send:
                self._search.paced_from = min(entry.paced_from for entry in unlocated)
                ends = unlocated[0], unlocated[-1]
                yield self._search, self._load(self._search, len(unlocated), *ends, now)
        else:
            by_get += unlocated
        for entry in by_get:
            yield entry, self._load(entry, 1, entry, entry, now)

    def _load_of_page(self, number: int, ids: Ids, now: float) -> tuple[ReadUnit, PendingLoad]:
        """Return the unit that shows these ids, with its load: the page, or an id that is alone."""
        first, last = self._listed[next(iter(ids))], self._listed[next(reversed(ids))]
        unit = self._page(number) if len(ids) > 1 else first
        return unit, self._load(unit, len(ids), first, last, now)

    def _load(
        self, unit: ReadUnit, count: int, first: PollEntry[T], last: PollEntry[T], now: float
    ) -> PendingLoad:
        """Return a unit's load, estimated from the first and the last of its entries."""
        distribution = self._distribution(first.duration_key)
        same = last.duration_key == first.duration_key
        if not same and self._distribution(last.duration_key) is None:
            distribution = None
        ages = (now - first.started_at, now - last.started_at)
        return PendingLoad(
            count,
            max(*ages, 0.0),
            max(min(ages), 0.0),
            distribution,
            first.duration_key,
            unit.paced_from,
        )

    def _schedule_next(self, unit: ReadUnit, load: PendingLoad, now: float) -> None:
        """Schedule a unit that was just read, at the current pace."""
        unit.due_at = now + read_interval(load, self.pace)
        self._push(unit)

    def _push(self, unit: ReadUnit) -> None:
        heapq.heappush(self._heap, (unit.due_at, next(self._tie_breaker), unit))


def _read_by_get_at(entry: PollEntry[Any]) -> float:
    """Return when an entry was last read by GET, or its last watcher joined."""
    return max(entry.sent_at, entry.joined_at)


def _page_count(number: int, rows: Sequence[RowKey], total: int) -> int:
    """Return how many pages the list has; a total may lag behind the rows shown."""
    return max(1, -(-total // PAGE_SIZE), number if rows else 1)
