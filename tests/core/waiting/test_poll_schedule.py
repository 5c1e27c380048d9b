"""Tests of the poll schedule against a simulated account: pages shift and ids vanish."""

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
        """Record that a read was sent."""
        if isinstance(read, ReadOne):
            text = read.entry.id
        else:
            text = f"page {read.number} {read.region or ''}".strip()
        self.log.append((self.now, text))

    def reply(self, read: ReadOne[Any] | ReadPage, *, failed: bool = False) -> None:
        """Deliver the provider's response."""
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
        """Deliver a page whose changed rows all show work in progress."""
        found = self.schedule.page_finished(read, rows, total, self.now)
        for position, entry in found.changed:
            fingerprint = rows[position][1]
            self.mark_seen(entry)
            self.schedule.row_examined(entry, fingerprint, self.now, settled=False, again=False)
        for entry in found.unchanged:
            self.mark_seen(entry)
        return found

    def mark_seen(self, entry: Entry) -> None:
        """Record when an id was seen."""
        self.seen.setdefault(entry.id, []).append(self.now)
        if entry.duration_key[1] != self.where(entry.id):
            self.schedule.set_duration_key(entry, ("create", self.where(entry.id), ""))

    def reads(self, since: float = -1.0) -> set[str]:
        """Return the reads sent after that moment."""
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


def test_single_id_is_read_by_get() -> None:
    """A single id is read by GET and never by list."""
    account = located(1000, ["id-3"])
    account.run(100)
    assert account.reads() == {"id-3"}


def test_two_on_one_page_are_read_by_list() -> None:
    """Two ids on one page are read by list, without a GET."""
    account = located(150, ["id-3", "id-120"])
    account.run(100)
    assert account.reads() == {"page 1"}


def test_two_on_different_pages_are_read_by_get() -> None:
    """Two ids on different pages are read by GET."""
    account = located(1000, ["id-3", "id-999"])
    account.run(100)
    assert account.reads() == {"id-3", "id-999"}


def test_pages_without_watched_ids_are_skipped() -> None:
    """Only pages with watched ids are read, every `target_lag`."""
    account = located(2000, named(30, 210) + named(30, 1800))
    account.run(100)
    assert account.reads() == {"page 2", "page 10"}
    assert len(account.log) == pytest.approx(40, abs=2)


def test_first_search_reads_each_page_once() -> None:
    """The first search reads each page once and sends no GETs."""
    account = Account(named(1000))
    account.watch(named(1000))
    account.run(4.0)
    assert sorted(sent for _, sent in account.log) == [f"page {n}" for n in range(1, 6)]


def test_search_ends_once_all_are_located() -> None:
    """A search ends once all ids are located."""
    account = located(1000, named(50, 950))
    account.run(100)
    assert account.reads() == {"page 5"}


def test_search_ends_when_responses_take_no_time() -> None:
    """A search reads each page once even if responses take no time."""
    account = Account(named(600))
    account.watch(named(10, 9000))
    pages = []
    while isinstance(due := account.schedule.next_read(0.0, lambda: PLENTY), ReadPage):
        pages.append(due.number)
        assert len(pages) < 20, "the search goes round and round"
        account.reply(due)
    assert sorted(pages) == [1, 2, 3]


def test_new_id_is_searched_on_pages_in_flight() -> None:
    """An id added while a page is in flight is searched on that page again."""
    account = Account(named(600))
    account.watch(named(10, 9000))
    first = account.schedule.next_read(0.0, lambda: PLENTY)
    account.watch(named(10, 9100))
    assert isinstance(first, ReadPage)
    account.reply(first)
    account.run(12.0)
    assert [sent for _, sent in account.log if sent == f"page {first.number}"] == ["page 1"]


def test_search_in_flight_sends_no_gets() -> None:
    """No GETs are sent while a search has pages in flight."""
    account = Account(named(600))
    account.watch(named(600))
    first = account.schedule.next_read(0.0, lambda: PLENTY)
    assert isinstance(first, ReadPage)
    account.reply(first)
    account.run(30.0, answer=False)
    assert sorted(sent for _, sent in account.log) == ["page 1", "page 2", "page 3"]


def test_id_not_found_is_read_by_get_after_the_search() -> None:
    """An id that was not found is read by GET as soon as the search is over."""
    account = located(150, named(3))
    account.watch(["gone-1", "gone-2"])
    account.run(6.0)
    assert account.reads() == {"page 1", "gone-1", "gone-2"}


def test_unlisted_entry_is_read_by_get() -> None:
    """A wait that needs the whole resource reads by GET, even if its page is read."""
    account = Account(named(100))
    account.watch(named(50))
    account.watch(["id-70"], listed=False)
    account.run(60)
    assert account.reads(12) == {"page 1", "id-70"}


def test_last_id_on_a_page_is_read_by_get() -> None:
    """The last watched id on a page is read by GET, and the page no longer."""
    account = located(200, ["id-1", "id-2"])
    item = account.entry("id-1")
    account.schedule.remove(item)
    account.run(60)
    assert account.reads() == {"id-2"}


def test_nothing_is_due_without_watched_ids() -> None:
    """No read is due without watched ids."""
    account = located(1000, named(300))
    for item in tuple(account.schedule):
        account.schedule.remove(item)
    account.run(3600)
    assert account.log == []


# --- moving rows -------------------------------------------------------------------------------


def test_id_that_moved_to_another_read_page_needs_no_get() -> None:
    """An id that moved to another page that is read needs no GET."""
    account = located(1000, named(600, 100))
    del account.ids[:20]
    account.run(60)
    assert {sent for sent in account.reads() if not sent.startswith("page")} == set()


def test_missing_id_is_read_by_get() -> None:
    """An id missing from all pages is read by GET within 1.2 intervals, repeatedly."""
    account = located(400, named(300))
    account.ids.remove("id-7")
    account.run(60)
    missed = next(at for at, sent in account.log if sent == "page 1")
    gets = [at for at, sent in account.log if sent == "id-7"]
    assert gets[0] - missed <= 1.2 * LAG + 0.1
    assert gets[-1] > 50
    assert account.schedule.find(ref("id-7")) is not None


def test_id_missing_from_a_stale_list_is_found_again() -> None:
    """A row that returns to the list ends the GETs."""
    account = located(200, named(100))
    account.ids.remove("id-7")
    account.run(30)
    account.ids.insert(7, "id-7")
    account.run(30)
    account.log.clear()
    account.run(60)
    assert account.reads() == {"page 1"}


def test_ids_of_removed_pages_are_searched() -> None:
    """Pages that no longer exist are not read; their ids are searched."""
    account = located(1000, named(100, 900))
    account.ids = named(500) + named(100, 900)
    account.run(60)
    account.log.clear()
    account.run(60)
    assert account.reads() == {"page 3"}


def test_failed_page_is_read_again() -> None:
    """A failed page is read again at its next turn, and its ids are not missing."""
    account = Account(named(100))
    account.watch(named(100))
    for _ in range(6):
        while isinstance(due := account.schedule.next_read(account.now, lambda: PLENTY), float):
            account.now += max(due, 0.001)
        account.note(due)
        account.reply(due, failed=account.now > 6)
    assert [sent for _, sent in account.log] == ["page 1"] * 6
    assert all(b - a >= LAG - 0.01 for (a, _), (b, _) in itertools.pairwise(account.log))


# --- a region's pages ---------------------------------------------------------------------------


def by_tens(id: str) -> str:
    """Return the region of an id: every tenth is in the south."""
    return "south" if id.endswith("7") else "north"


def spread(where: Callable[[str], str] = by_tens) -> Account:
    """Return a thousand ids, with fifty watched in the south, ten on each of five pages."""
    account = Account(named(1000), where=where)
    account.watch(f"id-{n}" for n in range(7, 1000, 20))
    account.run(12.0)
    account.log.clear()
    return account


def test_region_with_fewer_pages_is_read_instead() -> None:
    """A region's single page replaces five pages of the account."""
    account = spread()
    account.run(100)
    assert account.reads() == {"page 1 south"}
    assert len(account.log) <= 21


def test_region_that_is_not_shorter_is_tried_once() -> None:
    """A region whose list is not shorter is tried once."""
    account = spread(lambda _: "south")
    account.run(100)
    assert account.reads() == {f"page {n}" for n in range(1, 6)}
    everything = Account(named(1000), where=lambda _: "south")
    everything.watch(f"id-{n}" for n in range(7, 1000, 20))
    everything.run(300)
    assert [sent for _, sent in everything.log].count("page 1 south") == 1


def test_region_known_to_be_large_is_not_tried() -> None:
    """A region known to be large is not tried, even with few ids left."""
    account = Account(named(1000), where=lambda _: "south")
    account.watch(named(1000))
    account.run(30)
    for item in [item for item in account.schedule if not item.id.endswith("7")]:
        account.schedule.remove(item)
    account.run(60)
    assert "page 1 south" not in account.reads()


def test_region_is_tried_again_after_all_waits_ended() -> None:
    """A region is tried again after all waits have ended."""
    account = spread(lambda _: "south")
    for item in tuple(account.schedule):
        account.schedule.remove(item)
    account.where = by_tens
    account.watch(f"id-{n}" for n in range(7, 1000, 20))
    account.run(12)
    account.log.clear()
    account.run(60)
    assert account.reads() == {"page 1 south"}


def test_id_in_another_region_brings_back_the_account_list() -> None:
    """An id in another region brings back the account's list, and none is missed."""
    account = spread()
    account.watch(f"id-{n}" for n in range(8, 1000, 20))
    account.run(30)
    began = account.now
    account.run(20)
    assert account.reads(began) == {f"page {n}" for n in range(1, 6)}
    assert all(max(account.seen[item.id]) > began for item in account.schedule)


def test_late_page_of_the_account_locates_no_id() -> None:
    """A late page of the account locates no id in the region's list."""
    account = Account(named(1000), where=by_tens)
    account.watch(f"id-{n}" for n in range(7, 1000, 20))
    account.run(12.0)
    account.reply(ReadPage(2))
    account.log.clear()
    account.run(30)
    assert account.reads() == {"page 1 south"}


# --- scheduling --------------------------------------------------------------------------------


def test_no_read_is_repeated_while_in_flight() -> None:
    """No read is repeated while it is in flight: page, GET or search."""
    account = located(1000, [*named(300), "id-999"])
    account.run(600, answer=False)
    assert sorted(sent for _, sent in account.log) == ["id-999", "page 1", "page 2"]


def test_id_due_by_now_is_read_by_get() -> None:
    """An id that is due by now is read by GET immediately."""
    account = located(100, named(50))
    item = account.entry("id-9")
    account.schedule.request_by(item, account.now)
    assert account.schedule.next_read(account.now, lambda: PLENTY) == ReadOne(item)


def test_id_due_by_now_survives_a_new_plan() -> None:
    """A read that is due by now stays due when a new plan is made."""
    account = located(100, named(50))
    item = account.entry("id-9")
    account.schedule.request_by(item, account.now)
    account.schedule.distributions_changed()
    assert account.schedule.next_read(account.now, lambda: PLENTY) == ReadOne(item)


def listed_once(quota: PollQuota = PLENTY, **policy: Any) -> Account:
    """Return an account with two watched ids, whose page was read at 0 and shows progress."""
    account = Account(["a", "b"], quota)
    account.schedule = PollSchedule(PollPolicy(target_lag=LAG, **policy), lambda _: None)
    account.watch(["a", "b"])
    read = account.schedule.next_read(0.0, lambda: quota)
    assert read == ReadPage(1)
    account.reply(read)
    return account


def requested(account: Account) -> list[str]:
    """Return the ids that are to be read by GET by a certain time."""
    return [entry.id for entry in account.schedule if entry.due_by != math.inf]


def test_rows_that_never_change_are_checked_by_get() -> None:
    """After ten minutes without a change one id is read by GET, and at the next check the other."""
    account = listed_once()
    account.run(599.5)
    account.schedule.check_unchanged(599.5)
    assert requested(account) == []
    account.run(0.5)
    account.schedule.check_unchanged(600.0)
    (first,) = requested(account)
    account.run(20.0)
    assert first in account.reads()
    account.schedule.check_unchanged(account.now)
    (second,) = requested(account)
    assert second != first


def test_rows_that_change_are_not_checked_by_get() -> None:
    """The ten minutes begin again with each row that changes."""
    account = listed_once()
    account.now = 300.0
    account.schedule.row_examined(account.entry("a"), 1, 300.0, settled=False, again=False)
    account.schedule.check_unchanged(899.5)
    assert requested(account) == []
    account.schedule.check_unchanged(900.0)
    assert len(requested(account)) == 1


def test_rows_are_not_checked_where_gets_are_too_many() -> None:
    """With `confirm="never"`, or where the quota is short, no GET checks a list."""
    account = listed_once(confirm="never")
    account.schedule.check_unchanged(9999.0)
    assert requested(account) == []
    account = listed_once(PollQuota(burst=1e6, remaining=1))
    assert account.schedule.pace.quota_bound
    account.schedule.check_unchanged(9999.0)
    assert requested(account) == []


def test_new_id_on_an_unchanged_row_is_located() -> None:
    """A new id on an unchanged row is located without a GET."""
    account = located(150, named(50))
    account.watch(["id-98", "id-99"])
    account.run(12.0)
    assert account.seen["id-99"]
    assert account.reads() == {"page 1"}


PAGE_1 = ReadPage(1)


def test_only_changed_rows_are_examined() -> None:
    """Only changed rows are examined; the others are reported as unchanged."""
    account = located(150, named(50))
    rows = keys(account.ids)
    rows[7] = ("id-7", 1)
    found = account.deliver(PAGE_1, rows, 150)
    assert [(position, entry.id) for position, entry in found.changed] == [(7, "id-7")]
    assert [entry.id for entry in found.unchanged] == [id for id in named(50) if id != "id-7"]


def test_dirty_row_is_examined_again() -> None:
    """A dirty row is examined again, for waits that have seen no read yet."""
    account = located(150, named(50))
    account.schedule.mark_dirty(account.entry("id-9"))
    found = account.deliver(PAGE_1, keys(account.ids), 150)
    assert [entry.id for _, entry in found.changed] == ["id-9"]


def test_row_that_looks_settled_is_examined_until_it_is_confirmed() -> None:
    """A row that looks settled is examined until a GET confirms it; one GET is queued."""
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


def test_refuted_row_is_confirmed_after_a_pause() -> None:
    """The interval doubles after each refutation; a changed row is confirmed immediately."""
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
    """A refuted resource is read with its page, not by GETs of its own."""
    account = located(150, named(50))
    entry = account.entry("id-9")
    account.schedule.request_confirm(entry)
    read = account.schedule.next_confirm(account.now, lambda _: True)
    assert read is not None
    account.reply(read)
    account.run(30.0)
    assert account.reads() == {"page 1"}


def test_unwanted_confirmation_is_dropped() -> None:
    """A confirmation is dropped if its entry is no longer wanted."""
    account = located(150, named(50))
    entry = account.entry("id-9")
    account.schedule.request_confirm(entry)
    assert account.schedule.next_confirm(account.now, lambda _: False) is None
    assert not entry.confirm_requested


def test_total_that_lags_behind_its_own_page() -> None:
    """An id beyond the last page is located there and can be removed."""
    account = Account(named(450))
    account.watch(["id-440", "id-441"])
    account.deliver(ReadPage(3), keys(named(50, 400)), 390)
    entry = account.entry("id-440")
    assert (account.schedule.page_count, account.schedule.entries_on(ReadPage(3))[0]) == (3, entry)
    account.schedule.remove(entry)
    assert account.schedule.find(ref("id-440")) is None


def test_pages_are_never_read_closer_than_target_lag() -> None:
    """No page is read twice within `target_lag`, whatever ids are added."""
    account = located(1000, named(500))
    for n in range(20):
        account.watch([f"id-{600 + n}"])
        account.run(1.7)
    for sent in account.reads():
        times = [at for at, what in account.log if what == sent]
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
    """Apply an event to the account or to its watched ids."""
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
        due = account.schedule.next_read(account.now, lambda: account.quota)
        if not isinstance(due, float):
            account.now += LATENCY
            account.reply(due, failed=True)


@settings(max_examples=60, deadline=None)
@given(start=st.integers(0, 700), events=_events)
def test_every_watched_id_is_read(start: int, events: list[Event]) -> None:
    """Every watched id is seen or read within bounds, whatever creates, deletes and failures."""
    account, fresh = Account(named(start)), itertools.count()
    account.watch(account.ids[::3])
    for event in events:
        apply(account, event, fresh)
        account.run(1.3)
    began = account.now
    account.run(25.0)
    watched = [item.id for item in account.schedule]
    last = {id: max(account.seen.get(id, [-math.inf])) for id in watched}
    assert [id for id, at in last.items() if at < began] == []
    account.run(15.0)
    assert all(max(account.seen[id]) > began + 20 for id in watched)
