"""The schedule against an account that it cannot see: pages shift, ids vanish, none is missed."""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from di_async.core.waiting.pacing import PollQuota
from di_async.core.waiting.page_index import RowKey
from di_async.core.waiting.poll_policy import PollPolicy
from di_async.core.waiting.poll_schedule import (
    PAGE_SIZE,
    PageRows,
    PollEntry,
    PollSchedule,
    ReadOne,
    ReadPage,
)
from di_async.core.waiting.resume_token import ResourceRef

LAG, LATENCY = 5.0, 0.01
PLENTY = PollQuota(burst=1e6, remaining=1e6)
Entry = PollEntry[Any]


def ref(id: str) -> ResourceRef:
    """Return a reference to a resource."""
    return ResourceRef("thing", id)


@define
class Account:
    """Ids in the provider's order, and a schedule that watches some of them."""

    ids: list[str]
    quota: PollQuota = PLENTY
    now: float = 0.0
    schedule: PollSchedule[Any] = field(init=False)
    log: list[tuple[float, str]] = field(factory=list)
    """When each read was sent: an id, or `page N`."""
    seen: dict[str, list[float]] = field(factory=dict)
    """When an id was in an answer, or was read by GET."""
    where: Callable[[str], str] = lambda _: ""
    """An id's region, which its first read shows."""

    def __attrs_post_init__(self) -> None:
        self.schedule = PollSchedule(PollPolicy(target_lag=LAG), lambda _: None, by_region=True)

    def watch(self, ids: Iterable[str], *, listed: bool = True) -> None:
        """Watch these ids."""
        for id in ids:
            self.schedule.add(PollEntry(ref=ref(id), started_at=self.now, listed=listed))

    def entry(self, id: str) -> Entry:
        """Return the entry of a watched id."""
        found = self.schedule.find(ref(id))
        assert found is not None
        return found

    def run(self, seconds: float, *, answer: bool = True) -> None:
        """Send what is due and answer it, for this long."""
        until = self.now + seconds
        while True:
            read = self.schedule.next_read(self.now, lambda: self.quota)
            if isinstance(read, float):
                if self.now + read >= until:
                    self.now = until
                    return
                self.now += max(read, 0.001)
            else:
                self.note(read)
                self.now += LATENCY if answer else 0.0
                if answer:
                    self.reply(read)

    def note(self, read: ReadOne[Any] | ReadPage) -> None:
        """Record what was sent."""
        if isinstance(read, ReadOne):
            text = read.entry.id
        else:
            text = f"page {read.number} {read.region or ''}".strip()
        self.log.append((self.now, text))

    def reply(self, read: ReadOne[Any] | ReadPage, *, failed: bool = False) -> None:
        """Deliver the provider's answer."""
        if isinstance(read, ReadOne):
            self.mark_seen(read.entry)
            self.schedule.get_finished(read.entry, self.now, pending=True)
        elif failed:
            self.schedule.page_failed(read, self.now)
        else:
            ids = [id for id in self.ids if read.region in {None, self.where(id)}]
            rows = ids[(read.number - 1) * PAGE_SIZE : read.number * PAGE_SIZE]
            self.deliver(read, keys(rows), len(ids))

    def deliver(self, read: ReadPage, rows: Sequence[RowKey], total: int) -> PageRows[Any]:
        """Deliver a page; every changed row shows work in progress."""
        found = self.schedule.page_finished(read, rows, total, self.now)
        for position, entry in found.changed:
            fingerprint = rows[position][1]
            self.mark_seen(entry)
            self.schedule.row_examined(entry, fingerprint, self.now, settled=False, again=False)
        for entry in found.unchanged:
            self.mark_seen(entry)
        return found

    def mark_seen(self, entry: Entry) -> None:
        """Record that an id was seen."""
        self.seen.setdefault(entry.id, []).append(self.now)
        if entry.duration_key[1] != self.where(entry.id):
            self.schedule.set_duration_key(entry, ("create", self.where(entry.id), ""))

    def reads(self, since: float = -1.0) -> set[str]:
        """Return what was sent after that moment."""
        return {text for at, text in self.log if at > since}


def keys(ids: Sequence[str]) -> list[RowKey]:
    """Return the row keys of a page that shows these ids."""
    return [(id, hash(id)) for id in ids]


def named(count: int, first: int = 0) -> list[str]:
    """Return this many ids."""
    return [f"id-{n}" for n in range(first, first + count)]


def located(count: int, watched: Iterable[str]) -> Account:
    """Return an account whose watched ids have been located."""
    account = Account(named(count))
    account.watch(watched)
    account.run(12.0)
    account.log.clear()
    return account


# --- GET or LIST -------------------------------------------------------------------------------


def test_single_id_is_got_and_never_listed() -> None:
    """One pending id costs as much by GET, which is proof too."""
    account = located(1000, ["id-3"])
    account.run(100)
    assert account.reads() == {"id-3"}


def test_two_on_one_page_are_listed() -> None:
    """From two on the page is cheaper; no GET goes beside it."""
    account = located(150, ["id-3", "id-120"])
    account.run(100)
    assert account.reads() == {"page 1"}


def test_two_on_pages_of_their_own_are_got() -> None:
    """Each page would show one of them."""
    account = located(1000, ["id-3", "id-999"])
    account.run(100)
    assert account.reads() == {"id-3", "id-999"}


def test_pages_without_awaited_ids_are_skipped() -> None:
    """Of ten pages the two that matter are read, as often as target_lag says."""
    account = located(2000, named(30, 210) + named(30, 1800))
    account.run(100)
    assert account.reads() == {"page 2", "page 10"}
    assert len(account.log) == pytest.approx(40, abs=2)


def test_first_search_reads_each_page_once() -> None:
    """Nothing is known: a walk over the pages, and not a GET for each of hundreds."""
    account = Account(named(1000))
    account.watch(named(1000))
    account.run(4.0)
    assert sorted(told for _, told in account.log) == [f"page {n}" for n in range(1, 6)]


def test_search_ends_where_all_are_found() -> None:
    """Page, not walk: what was searched is not searched again while all are where they were."""
    account = located(1000, named(50, 950))
    account.run(100)
    assert account.reads() == {"page 5"}


def test_search_ends_where_answers_take_no_time() -> None:
    """Who is on no page is searched for once on each, though the clock stands still meanwhile."""
    account = Account(named(600))
    account.watch(named(10, 9000))
    pages = []
    while isinstance(ask := account.schedule.next_read(0.0, lambda: PLENTY), ReadPage):
        pages.append(ask.number)
        assert len(pages) < 20, "the search goes round and round"
        account.reply(ask)
    assert sorted(pages) == [1, 2, 3]


def test_newcomer_is_searched_for_on_pages_that_others_were_searched_on() -> None:
    """Also if it came in the very moment in which they were asked for."""
    account = Account(named(600))
    account.watch(named(10, 9000))
    first = account.schedule.next_read(0.0, lambda: PLENTY)
    account.watch(named(10, 9100))
    assert isinstance(first, ReadPage)
    account.reply(first)
    account.run(12.0)
    assert [told for _, told in account.log if told == f"page {first.number}"] == ["page 1"]


def test_who_is_searched_for_is_not_asked_for_besides() -> None:
    """While the last pages of a search are in flight they are waited for."""
    account = Account(named(600))
    account.watch(named(600))
    first = account.schedule.next_read(0.0, lambda: PLENTY)
    assert isinstance(first, ReadPage)
    account.reply(first)
    account.run(30.0, answer=False)
    assert sorted(told for _, told in account.log) == ["page 1", "page 2", "page 3"]


def test_who_is_not_found_is_asked_for_once_the_search_is_over() -> None:
    """And not only when the pace is set anew."""
    account = located(150, named(3))
    account.watch(["gone-1", "gone-2"])
    account.run(6.0)
    assert account.reads() == {"page 1", "gone-1", "gone-2"}


def test_what_lists_do_not_tell_is_got() -> None:
    """A predicate's wait asks by GET, though its id is on a page that is read."""
    account = Account(named(100))
    account.watch(named(50))
    account.watch(["id-70"], listed=False)
    account.run(60)
    assert account.reads(12) == {"page 1", "id-70"}


def test_page_on_which_one_is_left_is_no_longer_listed() -> None:
    """When the others are done, the last one is asked for itself."""
    account = located(200, ["id-1", "id-2"])
    item = account.entry("id-1")
    account.schedule.remove(item)
    account.run(60)
    assert account.reads() == {"id-2"}


def test_nobody_awaited_is_nothing_asked() -> None:
    """Also after everybody has left."""
    account = located(1000, named(300))
    for item in tuple(account.schedule):
        account.schedule.remove(item)
    account.run(3600)
    assert account.log == []


# --- drift -------------------------------------------------------------------------------------


def test_id_that_moved_to_a_page_that_is_read_costs_no_get() -> None:
    """Twenty deletes before it: the neighbour shows it within the period."""
    account = located(1000, named(600, 100))
    del account.ids[:20]
    account.run(60)
    assert {told for told in account.reads() if not told.startswith("page")} == set()


def test_id_that_is_missing_is_asked_for_itself() -> None:
    """Gone from all pages: a GET follows within 1.2 periods, and goes on: it may yet be there."""
    account = located(400, named(300))
    account.ids.remove("id-7")
    account.run(60)
    missed = next(at for at, told in account.log if told == "page 1")
    asked = [at for at, told in account.log if told == "id-7"]
    assert asked[0] - missed <= 1.2 * LAG + 0.1
    assert asked[-1] > 50
    assert account.schedule.find(ref("id-7")) is not None


def test_id_that_is_missing_from_a_lagging_list_is_found_again() -> None:
    """A row that returns ends the GETs."""
    account = located(200, named(100))
    account.ids.remove("id-7")
    account.run(30)
    account.ids.insert(7, "id-7")
    account.run(30)
    account.log.clear()
    account.run(60)
    assert account.reads() == {"page 1"}


def test_account_that_shrinks() -> None:
    """Pages that are no more are not read; those who sat there are looked for."""
    account = located(1000, named(100, 900))
    account.ids = named(500) + named(100, 900)
    account.run(60)
    account.log.clear()
    account.run(60)
    assert account.reads() == {"page 3"}


def test_page_that_fails_is_asked_again() -> None:
    """At its next turn, and nobody on it is taken for missing."""
    account = Account(named(100))
    account.watch(named(100))
    for _ in range(6):
        while isinstance(ask := account.schedule.next_read(account.now, lambda: PLENTY), float):
            account.now += max(ask, 0.001)
        account.note(ask)
        account.reply(ask, failed=account.now > 6)
    assert [told for _, told in account.log] == ["page 1"] * 6
    assert all(b - a >= LAG - 0.01 for (a, _), (b, _) in itertools.pairwise(account.log))


# --- a region's pages ---------------------------------------------------------------------------


def by_tens(id: str) -> str:
    """Every tenth is in a region of its own."""
    return "south" if id.endswith("7") else "north"


def spread(where: Callable[[str], str] = by_tens) -> Account:
    """A thousand ids, of which fifty in the south are awaited, ten on each of five pages."""
    account = Account(named(1000), where=where)
    account.watch(f"id-{n}" for n in range(7, 1000, 20))
    account.run(12.0)
    account.log.clear()
    return account


def test_region_with_fewer_pages_is_swept_instead() -> None:
    """One page of the region, where the whole list would take five a round."""
    account = spread()
    account.run(100)
    assert account.reads() == {"page 1 south"}
    assert len(account.log) <= 21


def test_region_that_is_no_shorter_is_tried_once() -> None:
    """One request tells; from then on the whole list is swept."""
    account = spread(lambda _: "south")
    account.run(100)
    assert account.reads() == {f"page {n}" for n in range(1, 6)}
    everything = Account(named(1000), where=lambda _: "south")
    everything.watch(f"id-{n}" for n in range(7, 1000, 20))
    everything.run(300)
    assert [told for _, told in everything.log].count("page 1 south") == 1


def test_region_that_was_seen_to_be_large_is_not_tried() -> None:
    """A thousand were awaited there: when few of them are left it still has five pages."""
    account = Account(named(1000), where=lambda _: "south")
    account.watch(named(1000))
    account.run(30)
    for item in [item for item in account.schedule if not item.id.endswith("7")]:
        account.schedule.remove(item)
    account.run(60)
    assert "page 1 south" not in account.reads()


def test_region_is_tried_again_by_those_who_come_later() -> None:
    """What was learned of it is forgotten when nobody waits any more."""
    account = spread(lambda _: "south")
    for item in tuple(account.schedule):
        account.schedule.remove(item)
    account.where = by_tens
    account.watch(f"id-{n}" for n in range(7, 1000, 20))
    account.run(12)
    account.log.clear()
    account.run(60)
    assert account.reads() == {"page 1 south"}


def test_who_is_elsewhere_brings_the_whole_list_back() -> None:
    """Nobody is missed, wherever they turn out to be."""
    account = spread()
    account.watch(f"id-{n}" for n in range(8, 1000, 20))
    account.run(30)
    began = account.now
    account.run(20)
    assert account.reads(began) == {f"page {n}" for n in range(1, 6)}
    assert all(max(account.seen[item.id]) > began for item in account.schedule)


def test_answers_of_a_list_that_is_swept_no_more_place_nobody() -> None:
    """A page of the whole account that was under way says nothing about the region's."""
    account = Account(named(1000), where=by_tens)
    account.watch(f"id-{n}" for n in range(7, 1000, 20))
    account.run(12.0)
    account.reply(ReadPage(2))
    account.log.clear()
    account.run(30)
    assert account.reads() == {"page 1 south"}


# --- asking ------------------------------------------------------------------------------------


def test_nothing_is_asked_twice_while_it_is_in_flight() -> None:
    """An answer that takes minutes is waited for: pages, GETs and the search alike."""
    account = located(1000, [*named(300), "id-999"])
    account.run(600, answer=False)
    assert sorted(told for _, told in account.log) == ["id-999", "page 1", "page 2"]


def test_hastened_item_is_asked_for_itself_at_once() -> None:
    """A look wanted now does not wait for its page's turn."""
    account = located(100, named(50))
    item = account.entry("id-9")
    account.schedule.request_by(item, account.now)
    assert account.schedule.next_read(account.now, lambda: PLENTY) == ReadOne(item)


def test_hastened_item_survives_a_new_plan() -> None:
    """What else is planned in that moment does not take it back."""
    account = located(100, named(50))
    item = account.entry("id-9")
    account.schedule.request_by(item, account.now)
    account.schedule.distributions_changed()
    assert account.schedule.next_read(account.now, lambda: PLENTY) == ReadOne(item)


def test_new_watch_of_an_unchanged_row_is_located() -> None:
    """The row showed an id that was not watched until now; no GET is needed."""
    account = located(150, named(50))
    account.watch(["id-98", "id-99"])
    account.run(12.0)
    assert account.seen["id-99"]
    assert account.reads() == {"page 1"}


PAGE_1 = ReadPage(1)


def test_only_changed_rows_are_examined() -> None:
    """The others are reported as unchanged."""
    account = located(150, named(50))
    rows = keys(account.ids)
    rows[7] = ("id-7", 1)
    found = account.deliver(PAGE_1, rows, 150)
    assert [(position, entry.id) for position, entry in found.changed] == [(7, "id-7")]
    assert [entry.id for entry in found.unchanged] == [id for id in named(50) if id != "id-7"]


def test_dirty_row_is_examined_again() -> None:
    """Someone else began to wait for it, to whom no read has shown anything."""
    account = located(150, named(50))
    account.schedule.mark_dirty(account.entry("id-9"))
    found = account.deliver(PAGE_1, keys(account.ids), 150)
    assert [entry.id for _, entry in found.changed] == ["id-9"]


def test_row_that_looks_settled_is_examined_until_it_is_confirmed() -> None:
    """The first time a GET is due; while that is queued, none is added."""
    account = located(150, named(50))
    entry, rows = account.entry("id-9"), keys(account.ids)
    rows[9] = ("id-9", 1)
    account.schedule.page_finished(PAGE_1, rows, 150, account.now)
    assert account.schedule.row_examined(entry, 1, account.now, settled=True, again=False)
    account.schedule.request_confirm(entry)
    found = account.schedule.page_finished(PAGE_1, rows, 150, account.now)
    assert [one.id for _, one in found.changed] == ["id-9"]
    assert not account.schedule.row_examined(entry, 1, account.now, settled=True, again=False)
    assert account.schedule.confirms == 1


def test_refuted_row_is_not_confirmed_again_at_once() -> None:
    """The pause doubles with each refutation, and another row state is confirmed at once."""
    account = located(150, named(50))
    entry, schedule = account.entry("id-9"), account.schedule
    pauses = []
    for _ in range(3):
        assert schedule.row_examined(entry, 1, account.now, settled=True, again=False)
        schedule.request_confirm(entry)
        assert schedule.next_confirm(account.now, lambda _: True) == ReadOne(entry, confirms=True)
        schedule.get_finished(entry, account.now, pending=True, refuted=True)
        assert not schedule.row_examined(entry, 1, account.now, settled=True, again=False)
        pauses.append(entry.confirm_after - account.now)
        account.now = entry.confirm_after
    assert pauses == [LAG, 2 * LAG, 4 * LAG]
    assert schedule.row_examined(entry, 2, account.now, settled=True, again=False)


def test_refuted_confirmation_adds_no_second_schedule() -> None:
    """The resource is read with its page, not by a GET of its own besides."""
    account = located(150, named(50))
    entry = account.entry("id-9")
    account.schedule.request_confirm(entry)
    read = account.schedule.next_confirm(account.now, lambda _: True)
    assert read is not None
    account.reply(read)
    account.run(30.0)
    assert account.reads() == {"page 1"}


def test_unwanted_confirmation_is_dropped() -> None:
    """Nobody awaits the entry any more when its turn comes."""
    account = located(150, named(50))
    entry = account.entry("id-9")
    account.schedule.request_confirm(entry)
    assert account.schedule.next_confirm(account.now, lambda _: False) is None
    assert not entry.confirm_requested


def test_total_that_lags_behind_its_own_page() -> None:
    """An id shown beyond the last page is located there, and may be removed."""
    account = Account(named(450))
    account.watch(["id-440", "id-441"])
    account.deliver(ReadPage(3), keys(named(50, 400)), 390)
    entry = account.entry("id-440")
    assert (account.schedule.page_count, account.schedule.entries_on(ReadPage(3))[0]) == (3, entry)
    account.schedule.remove(entry)
    assert account.schedule.find(ref("id-440")) is None


def test_pages_are_never_read_closer_than_target_lag() -> None:
    """No page is read twice within target_lag, whoever is added meanwhile."""
    account = located(1000, named(500))
    for n in range(20):
        account.watch([f"id-{600 + n}"])
        account.run(1.7)
    for told in account.reads():
        times = [at for at, what in account.log if what == told]
        assert all(b - a >= LAG - 0.01 for a, b in itertools.pairwise(times))


Event = tuple[str, int, int]
_events = st.lists(
    st.tuples(
        st.sampled_from(["create", "delete", "prepend", "hide", "wait", "leave", "fail", "read"]),
        st.integers(0, 999),
        st.integers(1, 150),
    ),
    max_size=25,
)


def apply(account: Account, event: Event, fresh: "itertools.count[int]") -> None:
    """One thing that happens to the account or to those who wait."""
    what, at, count = event
    made = [f"new-{next(fresh)}" for _ in range(count)]
    at = at * len(account.ids) // 1000
    if what == "create":
        account.ids += made
        account.watch(made[:3])
    elif what == "prepend":
        account.ids[:0] = made
    elif what in {"delete", "hide"}:
        del account.ids[at : at + count]
    elif what == "wait":
        account.watch(id for id in account.ids[at : at + 40] if not account.schedule.find(ref(id)))
    elif what == "leave":
        for item in tuple(account.schedule)[at % 7 :: 7]:
            account.schedule.remove(item)
    elif what == "fail":
        ask = account.schedule.next_read(account.now, lambda: account.quota)
        if not isinstance(ask, float):
            account.now += LATENCY
            account.reply(ask, failed=True)


@settings(max_examples=60, deadline=None)
@given(start=st.integers(0, 700), events=_events)
def test_nobody_is_ever_forgotten(start: int, events: list[Event]) -> None:
    """Creates, deletes, failures between reads: each awaited id is seen or asked for in bounds."""
    account, fresh = Account(named(start)), itertools.count()
    account.watch(account.ids[::3])
    for event in events:
        apply(account, event, fresh)
        account.run(1.3)
    began = account.now
    account.run(25.0)
    awaited = [item.id for item in account.schedule]
    last = {id: max(account.seen.get(id, [-math.inf])) for id in awaited}
    assert [id for id, at in last.items() if at < began] == []
    account.run(15.0)
    assert all(max(account.seen[id]) > began + 20 for id in awaited)
