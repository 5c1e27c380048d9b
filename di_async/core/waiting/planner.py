"""What to read next: one resource, or a list page that shows many of them at once. Pure.

A page that holds one pending id costs as much as its GET, which is proof too, so it is never listed
for; from two on the page is cheaper. Where ids sit is remembered from every page read, whoever it
was read for, and never assumed: pages drift while others create and delete. An id that is missing
from its page is watched for on the pages read next and then asked for itself: absence from a list
is no proof of anything.
"""

import heapq
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, Generic, TypeVar

from msgspec import Struct, field

from di_async.core.pagination import Page, RawPage
from di_async.core.waiting.durations import DurationDistribution, Key
from di_async.core.waiting.items import PollEntry
from di_async.core.waiting.pacing import (
    PendingLoad,
    PollPace,
    PollQuota,
    ReadSchedule,
    plan_pace,
    read_interval,
)
from di_async.core.waiting.poll_policy import PollPolicy
from di_async.core.waiting.sifting import Rows
from di_async.core.waiting.view import View

__all__ = ["PAGE_SIZE", "PollSchedule", "ReadOne", "ReadPage"]

PAGE_SIZE = 200
# How long a pace holds before it is set anew, in seconds; a leisurely policy may sleep longer.
_REPLAN_S, _MAX_REPLAN_S = 10.0, 600.0
# What is due within this is due: sums of floats need not meet a moment exactly.
_TICK_S = 0.001
# An id that left its page is likely on a neighbour, which is read within about a period.
_STRAY_PERIODS = 1.2
_GENERATION, _READ_AT = attrgetter("generation"), attrgetter("read_at")


class _Sheet(ReadSchedule):
    """A list page and who sits on it."""

    number: int = 0
    items: dict[str, Any] = field(default_factory=dict)
    asked: int = 0
    stamp: int | None = None
    """A page like this again tells nothing new. Only of one that was quiet already: to find that
    out of a busy page costs more than it saves."""
    searched: int = -1
    """The youngest generation that was there when it was last asked for and came back."""
    rows: Rows = field(default_factory=Rows)


class _Walk(ReadSchedule):
    """The search for those whose page is not known."""


W = TypeVar("W", bound=PollEntry)


class ReadOne(Struct, Generic[W], frozen=True):
    """Read one resource."""

    entry: W


class ReadPage(Struct, frozen=True, gc=False):
    """Read one page of the list, or of a region's."""

    page: int
    region: str | None = None


class PollSchedule(Generic[W]):
    """Keeps track of what is awaited and where it sits; says what is due."""

    def __init__(
        self,
        policy: PollPolicy,
        law: Callable[[Key], DurationDistribution | None],
        *,
        regional: bool = False,
    ) -> None:
        self._policy = policy
        self._law = law
        self._items: dict[str, W] = {}
        self.find = self._items.get
        """The awaited item of an id, or None. A plain lookup: every row of every page asks."""
        self._sheets: dict[int, _Sheet] = {}
        self._lost: dict[str, PollEntry] = {}
        """Whose page is not known."""
        self._strays: dict[str, PollEntry] = {}
        """Who was missing from their page."""
        self._unlisted: dict[str, PollEntry] = {}
        self._wanted: dict[str, PollEntry] = {}
        self._pages: int | None = None
        self._generation = 0
        self._view = View()
        self._regional = regional
        self._try: str | None = None
        self._kinds_told = False
        self._walk = _Walk()
        self._heap: list[tuple[float, int, ReadSchedule]] = []
        self._turn = itertools.count()
        self._dirty = True
        self._replan_at = -math.inf
        self.pace = PollPace(policy.target_lag)

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[W]:
        return iter(self._items.values())

    @property
    def pages(self) -> int | None:
        """How many pages the list has; None while none was read."""
        return self._pages

    @property
    def due_at(self) -> float:
        """When there may be something to ask, or to plan anew."""
        if self._dirty or self._try is not None:
            return -math.inf
        return min(self._replan_at, self._heap[0][0] if self._heap else math.inf)

    # -- who is awaited, and where ------------------------------------------------------------

    def add(self, item: W) -> None:
        """Somebody waits for this now."""
        self._items[item.id] = item
        item.generation = self._generation
        self._kinds_told = True
        (self._lost if item.listed else self._unlisted)[item.id] = item
        self._dirty = True

    def drop(self, item: PollEntry) -> None:
        """Nobody waits for this any more."""
        if self._items.pop(item.id, None) is not None:
            self._leave(item)
        if not self._items:
            self._view.forget()

    def on_page(self, ask: ReadPage) -> tuple[W, ...]:
        """Who is thought to sit there."""
        mine = ask.region == self._view.region
        return tuple(self._sheet(ask.page).items.values()) if mine else ()

    def unchanged(self, ask: ReadPage, page: Page | RawPage, now: float, sends: int) -> bool:
        """A page came back just as it was, and nobody is awaited who was not then.

        If so, it is noted, and that it took so many requests.
        """
        sheet = self._sheets.get(ask.page)
        if self._lost or self._strays or self._wanted or ask.region != self._view.region:
            return False
        if sheet is None or sheet.stamp is None or sheet.rows.held < len(sheet.items):
            return False
        if sheet.stamp != page.fingerprint:
            return False
        self._sheet_read(sheet, now)
        sheet.rows.seen(now, sends)
        if sheet.items and not self._dirty:
            self._reschedule(sheet, now)
        return True

    def sift(self, ask: ReadPage, page: Page, now: float, sends: int) -> Sequence[int]:
        """The places of those rows of a page that came back that are to be looked at.

        Of all others it is noted that they are as before, and that this took so many requests.
        """
        sheet, stamps = self._sheets.get(ask.page), page.row_fingerprints
        if sheet is None or ask.region != self._view.region:
            return range(len(page.rows))
        if stamps is None or self._wanted:
            sheet.rows.clear()
            return range(len(page.rows))
        searching = bool(self._lost or self._strays or self._unlisted)
        return sheet.rows.sift(stamps, now, sends, searching=searching)

    def page_read(
        self,
        ask: ReadPage,
        page: Page,
        news: Sequence[int],
        found: Mapping[int, W],
        now: float,
        *,
        quiet: bool,
    ) -> None:
        """A page came back. At these places of its news it showed `found`, who are awaited.

        `quiet`: none of them had to be looked at, so that the very same page would tell nothing.
        """
        if ask.region != self._view.region and not self._enter(ask.region, page.total):
            return  # of a list that is swept no more
        sheet = self._sheet(ask.page)
        self._sheet_read(sheet, now)
        if page.total is not None:  # which may lag behind what is shown
            told = -(-page.total // PAGE_SIZE)
            self._set_pages(max(1, told, ask.page if page.rows else 1))
        sheet.stamp = page.fingerprint if quiet else None
        self._miss(sheet, found, now)
        for item in found.values():
            item.read_at = item.looked_at = now
            if item.wanted_at != math.inf:
                item.wanted_at = math.inf
                self._wanted.pop(item.id, None)
            if item.page != ask.page and item.listed:
                self._leave(item)
                item.page, item.due_at = ask.page, math.inf
                sheet.items[item.id] = item
                self._dirty = self._dirty or len(sheet.items) <= 2
        if page.row_fingerprints is not None:
            sheet.rows.note(ask.page, page.row_fingerprints, found, news)
        self._dirty = self._dirty or bool(self._lost or self._strays)  # the search may be over
        if sheet.items and not self._dirty:
            self._reschedule(sheet, now)

    def _sheet_read(self, sheet: _Sheet, now: float) -> None:
        self._was_read(sheet, now)
        sheet.searched = sheet.asked

    def mark_dirty(self, item: PollEntry) -> None:
        """What is known of it is not all that is to be known: look at its row again."""
        item.stamp = 0
        if item.page is not None:
            sheet = self._sheet(item.page)
            sheet.stamp = None
            sheet.rows.doubt(item)

    def page_failed(self, page: int, now: float, region: str | None = None) -> None:
        """A page did not come back: its next turn will do."""
        if region != self._view.region:
            return
        self._was_read(self._sheet(page), now)
        self._dirty = True

    def read_cancelled(self, unit: ReadSchedule) -> None:
        """A read told nothing, not even that it failed: as if it had come back at once."""
        self._was_read(unit, max(unit.read_at, unit.sent_at))
        self._dirty = True

    def page_broken_off(self, ask: ReadPage) -> None:
        """The same of a page's."""
        if ask.region == self._view.region:
            self.read_cancelled(self._sheet(ask.page))

    def page_under_way(self, item: PollEntry) -> bool:
        """A page that may show it is on its way."""
        if item.page is not None:
            return self._sheet(item.page).in_flight
        return item.listed and any(sheet.in_flight for sheet in self._sheets.values())

    def item_read(self, item: PollEntry, now: float) -> None:
        """A GET came back, whatever it said."""
        self._was_read(item, now)
        item.looked_at, item.wanted_at = now, math.inf
        if self._strays.get(item.id) is item:
            self._lost[item.id] = self._strays.pop(item.id)
        self._wanted.pop(item.id, None)
        if item.id in self._items and not self._dirty:
            self._reschedule(item, now)

    def kind_told(self) -> None:
        """A kind or its law changed: the pace is to be set anew."""
        self._dirty = self._kinds_told = True

    def due_by(self, item: PollEntry, at: float) -> None:
        """A look at this one is wanted by then, whatever the pace."""
        item.wanted_at = min(item.wanted_at, at)
        self._wanted[item.id] = item
        self._dirty = True

    def _miss(self, sheet: _Sheet, found: Mapping[int, PollEntry], now: float) -> None:
        """Who is neither shown as before nor found has strayed."""
        here = {item.id for item in found.values() if item.shown is None} & sheet.items.keys()
        if len(here) + sheet.rows.held >= len(sheet.items):
            return
        for item in tuple(sheet.items.values()):
            if item.shown is None and item.id not in here:
                self._leave(item)
                item.strayed_at = now
                self._strays[item.id] = item
                self._dirty = True

    def _leave(self, item: PollEntry) -> None:
        if item.page is not None:
            sheet = self._sheets[item.page]
            sheet.items.pop(item.id, None)
            sheet.rows.doubt(item)
            self._dirty = self._dirty or len(sheet.items) < 2
            item.page = None
        for group in (self._lost, self._strays, self._unlisted, self._wanted):
            group.pop(item.id, None)

    def _enter(self, region: str | None, total: int | None) -> bool:
        """A page of another list came back; True if that list is swept from now on."""
        if region is None or total is None:
            return False
        pages = max(1, -(-total // PAGE_SIZE))
        if not self._view.is_better(region, pages, self._items.values(), self._reads()):
            return False
        self._look_at(region)
        self._sheet(1).asked = self._view.asked
        return True

    def _reads(self) -> int:
        """What a round over all costs."""
        return sum(len(sheet.items) > 0 for sheet in self._sheets.values())

    def _look_at(self, region: str | None) -> None:
        """Sweep this list from now on: where everybody sits in it is to be found out."""
        self._view.region, self._pages, self._dirty = region, None, True
        for sheet in self._sheets.values():
            sheet.rows.clear()
            for item in tuple(sheet.items.values()):
                item.page = None
                self._lost[item.id] = item
        self._sheets.clear()

    def _set_pages(self, pages: int) -> None:
        if self._pages != pages:
            self._pages, self._dirty = pages, True
        for number in [number for number in self._sheets if number > pages]:
            for item in tuple(self._sheets[number].items.values()):
                self._leave(item)
                self._lost[item.id] = item
            if not self._sheets[number].in_flight:
                del self._sheets[number]

    def _sheet(self, page: int) -> _Sheet:
        return self._sheets.setdefault(page, _Sheet(number=page))

    @staticmethod
    def _was_read(unit: ReadSchedule, now: float) -> None:
        unit.in_flight, unit.read_at = False, now

    # -- what is due --------------------------------------------------------------------------

    def next_read(
        self, now: float, quota: Callable[[], PollQuota]
    ) -> ReadOne[W] | ReadPage | float:
        """What to read now (and the caller must), or seconds until the next look at this."""
        if self._dirty or now >= self._replan_at:
            self._replan(now, quota())
        if self._try is not None:
            region, self._try = self._try, None
            self._view.asked = self._generation
            self._generation += 1
            return ReadPage(1, region)
        replan_in = self._replan_at - now
        while self._heap:
            due_at, _, unit = self._heap[0]
            if due_at > now + _TICK_S:
                return min(due_at - now, replan_in)
            heapq.heappop(self._heap)
            ask = None if unit.in_flight or due_at != unit.due_at else self._start(unit, now)
            if ask is not None:
                return ask
        return replan_in

    def _start(self, unit: ReadSchedule, now: float) -> ReadOne[W] | ReadPage | None:
        if isinstance(unit, _Walk):
            sheet = self._next_of_walk(now)
            if sheet is None:
                return None
            unit = sheet
        unit.in_flight, unit.sent_at = True, now
        if isinstance(unit, _Sheet):
            unit.asked = self._generation
            self._generation += 1  # whoever is added from now on need not be on it
            return ReadPage(unit.number, self._view.region)
        item = self._items.get(unit.id) if isinstance(unit, PollEntry) else None
        return ReadOne(item) if item is not None else None

    def _next_of_walk(self, now: float) -> _Sheet | None:
        """The page to search next, if one may be read already; the walk goes on by itself."""
        sheets = [sheet for sheet in self._unsearched() if not sheet.in_flight]
        if not sheets:
            return None
        rested = [s for s in sheets if s.read_at + self._policy.target_lag <= now + _TICK_S]
        if not rested:
            self._walk.due_at = min(s.read_at for s in sheets) + self._policy.target_lag
        if len(sheets) > 1 or not rested:
            self._push(self._walk)
        return rested[0] if rested else None

    def _unsearched(self) -> list[_Sheet]:
        """Pages that have yet to show whether the lost sit there; likely ones first."""
        if not self._lost:
            return []
        youngest = max(map(_GENERATION, self._lost.values()))
        last = self._pages or 1
        order = map(self._sheet, dict.fromkeys((last, 1, *range(last - 1, 1, -1))))
        return [sheet for sheet in order if sheet.searched < youngest]

    def _replan(self, now: float, quota: PollQuota) -> None:
        pause = max(_REPLAN_S, min(self._policy.target_lag, _MAX_REPLAN_S))
        self._replan_at, self._dirty = now + pause, False
        self._choose_view()
        units = list(self._units(now))
        self.pace = plan_pace(units, self._policy, quota, now)
        asked: dict[ReadSchedule, None] = dict.fromkeys(unit for unit, _ in units)
        for item in self._strays.values():
            item.due_at = item.strayed_at + _STRAY_PERIODS * self.pace.interval
            asked[item] = None
        for item in self._wanted.values():
            item.due_at = min(item.wanted_at, item.due_at if item in asked else math.inf)
            asked[item] = None
        self._heap = [(unit.due_at, next(self._turn), unit) for unit in asked if not unit.in_flight]
        heapq.heapify(self._heap)

    def _choose_view(self) -> None:
        """Back to the whole list if somebody is elsewhere; else a region's, if that is shorter."""
        if self._kinds_told and not self._view.holds(self._items.values()):
            self._look_at(None)
            self._dirty = False
        self._kinds_told = False
        if self._regional and not (self._lost or self._strays):
            self._try = self._view.to_try(self._items.values(), self._reads(), PAGE_SIZE)

    def _units(self, now: float) -> Iterator[tuple[ReadSchedule, PendingLoad]]:
        for sheet in self._sheets.values():
            if len(sheet.items) > 1:
                yield sheet, self._load(sheet.items, now)
                continue
            for item in sheet.items.values():
                item.catch_up()
                yield item, self._load({"": item}, now)
        # Strays are asked for once, soon, and set nobody's pace.
        search = self._unsearched()
        to_ask = [sheet for sheet in search if not sheet.in_flight]
        alone = [self._lost, self._unlisted]
        if len(self._lost) > len(to_ask or search) > 0:
            if to_ask:
                self._walk.read_at = min(map(_READ_AT, self._lost.values()))
                yield self._walk, self._load(self._lost, now)
            alone = [self._unlisted]
        for item in itertools.chain.from_iterable(group.values() for group in alone):
            yield item, self._load({"": item}, now)

    def _load(self, items: dict[str, PollEntry], now: float) -> PendingLoad:
        """A unit's load, judged by its first and its last item."""
        first, last = next(iter(items.values())), next(reversed(items.values()))
        law = self._law(first.kind)
        if last.kind != first.kind and self._law(last.kind) is None:
            law = None
        ages = (now - first.started_at, now - last.started_at)
        return PendingLoad(len(items), max(*ages, 0.0), max(min(ages), 0.0), law, first.kind)

    def _reschedule(self, unit: _Sheet | PollEntry, now: float) -> None:
        """The next turn of a unit just read, at the pace that holds."""
        items: dict[str, PollEntry] = unit.items if isinstance(unit, _Sheet) else {"": unit}
        unit.due_at = now + read_interval(self._load(items, now), self.pace, self._policy)
        self._push(unit)

    def _push(self, unit: ReadSchedule) -> None:
        heapq.heappush(self._heap, (unit.due_at, next(self._turn), unit))
