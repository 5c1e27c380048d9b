"""The planner against an account that it cannot see: pages drift, ids vanish, none is forgotten."""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from di_async.core.pagination import Page
from di_async.core.waiting.items import PollEntry
from di_async.core.waiting.pacing import PollQuota
from di_async.core.waiting.planner import PAGE_SIZE, PollSchedule, ReadOne, ReadPage
from di_async.core.waiting.poll_policy import PollPolicy

LAG, LATENCY = 5.0, 0.01
PLENTY = PollQuota(burst=1e6, remaining=1e6)


@define
class Account:
    """Ids in the provider's order, and a planner that follows some of them, second by second."""

    ids: list[str]
    quota: PollQuota = PLENTY
    now: float = 0.0
    planner: PollSchedule[PollEntry] = field(init=False)
    log: list[tuple[float, str]] = field(factory=list)
    """When what was asked: an id, or `page N`."""
    seen: dict[str, list[float]] = field(factory=dict)
    """When an id was in an answer, or was asked for itself."""
    unchanged: int = 0
    """Pages that came back just as they were."""
    where: Callable[[str], str] = lambda _: ""
    """An id's region, which its first look tells."""

    def __attrs_post_init__(self) -> None:
        self.planner = PollSchedule(PollPolicy(target_lag=LAG), lambda _: None, regional=True)

    def wait_for(self, ids: Iterable[str], *, listed: bool = True) -> None:
        """Somebody waits for these."""
        for id in ids:
            self.planner.add(PollEntry(id=id, started_at=self.now, listed=listed))

    def run(self, seconds: float, *, answer: bool = True) -> None:
        """Ask what is due, and answer it at once, for so long."""
        until = self.now + seconds
        while True:
            ask = self.planner.next_read(self.now, lambda: self.quota)
            if isinstance(ask, float):
                if self.now + ask >= until:
                    self.now = until
                    return
                self.now += max(ask, 0.001)
            else:
                self.note(ask)
                self.now += LATENCY if answer else 0.0
                if answer:
                    self.reply(ask)

    def note(self, ask: ReadOne[PollEntry] | ReadPage) -> None:
        """Book what was asked."""
        told = ask.entry.id if isinstance(ask, ReadOne) else f"page {ask.page} {ask.region or ''}"
        told = told.strip()
        self.log.append((self.now, told))

    def reply(self, ask: ReadOne[PollEntry] | ReadPage, *, failed: bool = False) -> None:
        """The provider's answer."""
        if isinstance(ask, ReadOne):
            self.look(ask.entry)
            self.planner.item_read(ask.entry, self.now)
        elif failed:
            self.planner.page_failed(ask.page, self.now, ask.region)
        else:
            ids = [id for id in self.ids if ask.region in {None, self.where(id)}]
            rows = ids[(ask.page - 1) * PAGE_SIZE : ask.page * PAGE_SIZE]
            page = shown(rows, len(ids))
            if self.planner.unchanged(ask, page, self.now, 1):
                self.unchanged += 1
                assert all(item.shown is not None for item in self.planner.on_page(ask))
                self.look_at_who_sits_there(ask)
                return
            self.read(ask, page)

    def read(self, ask: ReadPage, page: Page) -> None:
        """A page that came back and is not as it was."""
        news = self.planner.sift(ask, page, self.now, 1)
        found = {
            place: item
            for place in news
            if (item := self.planner.find(page.rows[place])) is not None
        }
        self.look_at_who_sits_there(ask)
        quiet = all(item.stamp == hash(page.rows[place]) for place, item in found.items())
        for place, item in found.items():
            self.look(item)
            item.stamp = hash(page.rows[place])
        self.planner.page_read(ask, page, news, found, self.now, quiet=quiet)

    def look_at_who_sits_there(self, ask: ReadPage) -> None:
        """Those whom the page shows as before: the planner knows of it."""
        for item in sitting(self, ask):
            item.catch_up()
            assert item.looked_at == self.now
            self.look(item)

    def look(self, item: PollEntry) -> None:
        """Somebody was seen."""
        self.seen.setdefault(item.id, []).append(self.now)
        if item.kind[1] != self.where(item.id):
            item.kind = ("create", self.where(item.id), "")
            self.planner.kind_told()

    def asked(self, since: float = -1.0) -> set[str]:
        """What was asked after that moment."""
        return {told for at, told in self.log if at > since}


def sitting(account: Account, ask: ReadPage) -> list[PollEntry]:
    """Who is shown there as before."""
    return [item for item in account.planner.on_page(ask) if item.shown is not None]


def news(account: Account, ask: ReadPage, page: Page) -> list[int]:
    """The places of what is to be looked at."""
    return list(account.planner.sift(ask, page, account.now, 1))


def shown(ids: Sequence[str], total: int) -> Page:
    """A list page that shows these."""
    stamps, body = [hash(id) for id in ids], " ".join(ids).encode()
    return Page(tuple(ids), total=total, next=None, last=None, body=body, row_fingerprints=stamps)


def named(count: int, first: int = 0) -> list[str]:
    """So many ids."""
    return [f"id-{n}" for n in range(first, first + count)]


def located(count: int, awaited: Iterable[str]) -> Account:
    """An account whose awaited ids have been found."""
    account = Account(named(count))
    account.wait_for(awaited)
    account.run(12.0)
    account.log.clear()
    account.unchanged = 0
    return account


# --- GET or LIST -------------------------------------------------------------------------------


def test_single_id_is_got_and_never_listed() -> None:
    """One pending id costs as much by GET, which is proof too."""
    account = located(1000, ["id-3"])
    account.run(100)
    assert account.asked() == {"id-3"}


def test_two_on_one_page_are_listed() -> None:
    """From two on the page is cheaper; no GET goes beside it."""
    account = located(150, ["id-3", "id-120"])
    account.run(100)
    assert account.asked() == {"page 1"}


def test_two_on_pages_of_their_own_are_got() -> None:
    """Each page would show one of them."""
    account = located(1000, ["id-3", "id-999"])
    account.run(100)
    assert account.asked() == {"id-3", "id-999"}


def test_pages_without_awaited_ids_are_skipped() -> None:
    """Of ten pages the two that matter are read, as often as target_lag says."""
    account = located(2000, named(30, 210) + named(30, 1800))
    account.run(100)
    assert account.asked() == {"page 2", "page 10"}
    assert len(account.log) == pytest.approx(40, abs=2)


def test_first_search_reads_each_page_once() -> None:
    """Nothing is known: a walk over the pages, and not a GET for each of hundreds."""
    account = Account(named(1000))
    account.wait_for(named(1000))
    account.run(4.0)
    assert sorted(told for _, told in account.log) == [f"page {n}" for n in range(1, 6)]


def test_search_ends_where_all_are_found() -> None:
    """Page, not walk: what was searched is not searched again while all are where they were."""
    account = located(1000, named(50, 950))
    account.run(100)
    assert account.asked() == {"page 5"}


def test_search_ends_where_answers_take_no_time() -> None:
    """Who is on no page is searched for once on each, though the clock stands still meanwhile."""
    account = Account(named(600))
    account.wait_for(named(10, 9000))
    pages = []
    while isinstance(ask := account.planner.next_read(0.0, lambda: PLENTY), ReadPage):
        pages.append(ask.page)
        assert len(pages) < 20, "the search goes round and round"
        account.reply(ask)
    assert sorted(pages) == [1, 2, 3]


def test_newcomer_is_searched_for_on_pages_that_others_were_searched_on() -> None:
    """Also if it came in the very moment in which they were asked for."""
    account = Account(named(600))
    account.wait_for(named(10, 9000))
    first = account.planner.next_read(0.0, lambda: PLENTY)
    account.wait_for(named(10, 9100))
    assert isinstance(first, ReadPage)
    account.reply(first)
    account.run(12.0)
    assert [told for _, told in account.log if told == f"page {first.page}"] == ["page 1"]


def test_who_is_searched_for_is_not_asked_for_besides() -> None:
    """While the last pages of a search are in flight they are waited for."""
    account = Account(named(600))
    account.wait_for(named(600))
    first = account.planner.next_read(0.0, lambda: PLENTY)
    assert isinstance(first, ReadPage)
    account.reply(first)
    account.run(30.0, answer=False)
    assert sorted(told for _, told in account.log) == ["page 1", "page 2", "page 3"]


def test_who_is_not_found_is_asked_for_once_the_search_is_over() -> None:
    """And not only when the pace is set anew."""
    account = located(150, named(3))
    account.wait_for(["gone-1", "gone-2"])
    account.run(6.0)
    assert account.asked() == {"page 1", "gone-1", "gone-2"}


def test_what_lists_do_not_tell_is_got() -> None:
    """A predicate's wait asks by GET, though its id is on a page that is read."""
    account = Account(named(100))
    account.wait_for(named(50))
    account.wait_for(["id-70"], listed=False)
    account.run(60)
    assert account.asked(12) == {"page 1", "id-70"}


def test_page_on_which_one_is_left_is_no_longer_listed() -> None:
    """When the others are done, the last one is asked for itself."""
    account = located(200, ["id-1", "id-2"])
    item = account.planner.find("id-1")
    assert item is not None
    account.planner.drop(item)
    account.run(60)
    assert account.asked() == {"id-2"}


def test_nobody_awaited_is_nothing_asked() -> None:
    """Also after everybody has left."""
    account = located(1000, named(300))
    for item in tuple(account.planner):
        account.planner.drop(item)
    account.run(3600)
    assert account.log == []


# --- drift -------------------------------------------------------------------------------------


def test_id_that_moved_to_a_page_that_is_read_costs_no_get() -> None:
    """Twenty deletes before it: the neighbour shows it within the period."""
    account = located(1000, named(600, 100))
    del account.ids[:20]
    account.run(60)
    assert {told for told in account.asked() if not told.startswith("page")} == set()


def test_id_that_is_missing_is_asked_for_itself() -> None:
    """Gone from all pages: a GET follows within 1.2 periods, and goes on: it may yet be there."""
    account = located(400, named(300))
    account.ids.remove("id-7")
    account.run(60)
    missed = next(at for at, told in account.log if told == "page 1")
    asked = [at for at, told in account.log if told == "id-7"]
    assert asked[0] - missed <= 1.2 * LAG + 0.1
    assert asked[-1] > 50
    assert account.planner.find("id-7") is not None


def test_id_that_is_missing_from_a_lagging_list_is_found_again() -> None:
    """A row that returns ends the GETs."""
    account = located(200, named(100))
    account.ids.remove("id-7")
    account.run(30)
    account.ids.insert(7, "id-7")
    account.run(30)
    account.log.clear()
    account.run(60)
    assert account.asked() == {"page 1"}


def test_account_that_shrinks() -> None:
    """Pages that are no more are not read; those who sat there are looked for."""
    account = located(1000, named(100, 900))
    account.ids = named(500) + named(100, 900)
    account.run(60)
    account.log.clear()
    account.run(60)
    assert account.asked() == {"page 3"}


def test_page_that_fails_is_asked_again() -> None:
    """At its next turn, and nobody on it is taken for missing."""
    account = Account(named(100))
    account.wait_for(named(100))
    for _ in range(6):
        while isinstance(ask := account.planner.next_read(account.now, lambda: PLENTY), float):
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
    account.wait_for(f"id-{n}" for n in range(7, 1000, 20))
    account.run(12.0)
    account.log.clear()
    account.unchanged = 0
    return account


def test_region_with_fewer_pages_is_swept_instead() -> None:
    """One page of the region, where the whole list would take five a round."""
    account = spread()
    account.run(100)
    assert account.asked() == {"page 1 south"}
    assert len(account.log) <= 21


def test_region_that_is_no_shorter_is_tried_once() -> None:
    """One request tells; from then on the whole list is swept."""
    account = spread(lambda _: "south")
    account.run(100)
    assert account.asked() == {f"page {n}" for n in range(1, 6)}
    everything = Account(named(1000), where=lambda _: "south")
    everything.wait_for(f"id-{n}" for n in range(7, 1000, 20))
    everything.run(300)
    assert [told for _, told in everything.log].count("page 1 south") == 1


def test_region_that_was_seen_to_be_large_is_not_tried() -> None:
    """A thousand were awaited there: when few of them are left it still has five pages."""
    account = Account(named(1000), where=lambda _: "south")
    account.wait_for(named(1000))
    account.run(30)
    for item in [item for item in account.planner if not item.id.endswith("7")]:
        account.planner.drop(item)
    account.run(60)
    assert "page 1 south" not in account.asked()


def test_region_is_tried_again_by_those_who_come_later() -> None:
    """What was learned of it is forgotten when nobody waits any more."""
    account = spread(lambda _: "south")
    for item in tuple(account.planner):
        account.planner.drop(item)
    account.where = by_tens
    account.wait_for(f"id-{n}" for n in range(7, 1000, 20))
    account.run(12)
    account.log.clear()
    account.run(60)
    assert account.asked() == {"page 1 south"}


def test_who_is_elsewhere_brings_the_whole_list_back() -> None:
    """Nobody is missed, wherever they turn out to be."""
    account = spread()
    account.wait_for(f"id-{n}" for n in range(8, 1000, 20))
    account.run(30)
    began = account.now
    account.run(20)
    assert account.asked(began) == {f"page {n}" for n in range(1, 6)}
    assert all(max(account.seen[item.id]) > began for item in account.planner)


def test_answers_of_a_list_that_is_swept_no_more_place_nobody() -> None:
    """A page of the whole account that was under way says nothing about the region's."""
    account = Account(named(1000), where=by_tens)
    account.wait_for(f"id-{n}" for n in range(7, 1000, 20))
    account.run(12.0)
    account.reply(ReadPage(2))
    account.log.clear()
    account.run(30)
    assert account.asked() == {"page 1 south"}


# --- asking ------------------------------------------------------------------------------------


def test_nothing_is_asked_twice_while_it_is_in_flight() -> None:
    """An answer that takes minutes is waited for: pages, GETs and the search alike."""
    account = located(1000, [*named(300), "id-999"])
    account.run(600, answer=False)
    assert sorted(told for _, told in account.log) == ["id-999", "page 1", "page 2"]


def test_hastened_item_is_asked_for_itself_at_once() -> None:
    """A look wanted now does not wait for its page's turn."""
    account = located(100, named(50))
    item = account.planner.find("id-9")
    assert item is not None
    account.planner.due_by(item, account.now)
    assert account.planner.next_read(account.now, lambda: PLENTY) == ReadOne(item)


def test_hastened_item_survives_a_new_plan() -> None:
    """What else is planned in that moment does not take it back."""
    account = located(100, named(50))
    item = account.planner.find("id-9")
    assert item is not None
    account.planner.due_by(item, account.now)
    account.planner.kind_told()
    assert account.planner.next_read(account.now, lambda: PLENTY) == ReadOne(item)


def test_page_as_it_was_needs_no_second_look() -> None:
    """It is read as often as ever, and who sits there is not gone through."""
    account = located(150, named(50))
    account.run(100)
    assert (account.unchanged, len(account.log)) == (20, 20)


PAGE_1 = ReadPage(1)


def test_newcomer_in_a_row_that_has_not_changed_is_found_there() -> None:
    """It was about nobody until now; no GET of its own is needed."""
    account = located(150, named(50))
    account.wait_for(["id-98", "id-99"])
    account.run(12.0)
    assert account.seen["id-99"]
    assert account.asked() == {"page 1"}


def test_rows_that_say_what_they_said_are_not_gone_through() -> None:
    """Of a page on which something is new, only that is looked at, and who sits there is known."""
    account = located(150, named(50))
    rows = [*account.ids]
    rows[7], rows[120] = "id-7 changed", "id-120 changed"
    assert news(account, PAGE_1, shown(rows, 150)) == [7, 120]
    assert [it.id for it in sitting(account, PAGE_1)] == [id for id in named(50) if id != "id-7"]


def test_row_of_one_who_is_to_be_looked_at_again_is_news() -> None:
    """Somebody more waits for it, to whom no look has said anything."""
    account = located(150, named(50))
    item = account.planner.find("id-9")
    assert item is not None
    account.planner.mark_dirty(item)
    assert news(account, PAGE_1, shown(account.ids, 150)) == [9]


@pytest.mark.parametrize("ask", [ReadPage(1, "atl1"), ReadPage(2)])
def test_pages_of_which_nothing_is_known_are_all_news(ask: ReadPage) -> None:
    """Another region's first page is another page."""
    account = located(150, named(50))
    assert news(account, ask, shown(account.ids, 150)) == list(range(150))


def test_row_about_nobody_is_news_while_somebody_is_followed_by_gets() -> None:
    """It may be about that one, who is on no page."""
    account = located(150, named(50))
    assert news(account, PAGE_1, shown(account.ids, 150)) == []
    account.planner.add(PollEntry(id="id-99", listed=False))
    assert 99 in news(account, PAGE_1, shown(account.ids, 150))


def test_after_a_page_without_stamps_all_is_news() -> None:
    """What it said row by row is not known."""
    account = located(150, named(50))
    page = replace(shown(account.ids, 150), row_fingerprints=None)
    account.read(PAGE_1, page)
    assert len(news(account, PAGE_1, shown(account.ids, 150))) == 150


def test_total_that_lags_behind_the_page_it_came_with() -> None:
    """Who is shown beyond the last page sits there nevertheless, and may leave."""
    account = Account(named(450))
    account.wait_for(["id-440", "id-441"])
    account.read(ReadPage(3), shown(named(50, 400), total=390))
    item = account.planner.find("id-440")
    assert item is not None
    assert (item.page, account.planner.pages) == (3, 3)
    account.planner.drop(item)
    assert account.planner.find("id-440") is None


def test_page_that_told_something_is_gone_through_once_more() -> None:
    """Not all of it may be noted; and its bytes need no comparing while it is busy."""
    account = located(150, named(50))
    page, item = shown(account.ids, 150), account.planner.find("id-9")
    assert item is not None
    account.planner.mark_dirty(item)
    for quiet in (False, True):
        account.read(PAGE_1, page)
        assert account.planner.unchanged(PAGE_1, page, account.now, 1) is quiet


def test_page_is_quiet_beside_one_who_is_followed_by_gets() -> None:
    """Whose row is never noted: the page would be gone through for ever."""
    account = located(150, named(50))
    account.wait_for(["id-99"], listed=False)
    page = shown(account.ids, 150)
    for _ in range(2):  # the first tells something of it
        account.read(PAGE_1, page)
    assert account.planner.unchanged(PAGE_1, page, account.now, 1)


def test_page_without_stamps_is_gone_through_each_time() -> None:
    """Nobody is held, for whom it could be noted that all is as it was."""
    account = located(150, named(50))
    page = replace(shown(account.ids, 150), row_fingerprints=None)
    for _ in range(3):
        account.read(PAGE_1, page)
        assert not account.planner.unchanged(PAGE_1, page, account.now, 1)


@pytest.mark.parametrize(
    ("what", "told"),
    [
        (lambda account: None, True),
        (lambda account: account.wait_for(["id-99"]), False),
        (lambda account: account.planner.mark_dirty(account.planner.find("id-9")), False),
        (lambda account: account.planner.due_by(account.planner.find("id-9"), 0.0), False),
        (lambda account: account.planner.drop(account.planner.find("id-9")), True),
        (lambda account: account.planner.page_failed(1, account.now), True),
        (lambda account: account.read(PAGE_1, shown([], 150)), False),
        (lambda account: [account.planner.drop(item) for item in tuple(account.planner)], True),
    ],
    ids=["nothing", "newcomer", "roused", "hastened", "left", "failed", "missing", "all left"],
)
def test_page_as_it_was_is_gone_through_for_whom_it_may_be_new(
    what: Callable[[Account], object], told: bool
) -> None:
    """Only where everybody awaited was there when it was last gone through."""
    account = located(150, named(50))
    page = shown(account.ids, 150)
    assert not account.planner.unchanged(PAGE_1, replace(page, body=None), account.now, 1)
    assert not account.planner.unchanged(PAGE_1, replace(page, body=b"more"), account.now, 1)
    assert not account.planner.unchanged(ReadPage(1, "atl1"), page, account.now, 1)
    what(account)
    assert account.planner.unchanged(PAGE_1, page, account.now, 1) is told


def test_pages_are_never_read_closer_than_target_lag() -> None:
    """No page is read twice within target_lag, whoever is added meanwhile."""
    account = located(1000, named(500))
    for n in range(20):
        account.wait_for([f"id-{600 + n}"])
        account.run(1.7)
    for told in account.asked():
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
        account.wait_for(made[:3])
    elif what == "prepend":
        account.ids[:0] = made
    elif what in {"delete", "hide"}:
        del account.ids[at : at + count]
    elif what == "wait":
        account.wait_for(id for id in account.ids[at : at + 40] if not account.planner.find(id))
    elif what == "leave":
        for item in tuple(account.planner)[at % 7 :: 7]:
            account.planner.drop(item)
    elif what == "fail":
        ask = account.planner.next_read(account.now, lambda: account.quota)
        if not isinstance(ask, float):
            account.now += LATENCY
            account.reply(ask, failed=True)


@settings(max_examples=60, deadline=None)
@given(start=st.integers(0, 700), events=_events)
def test_nobody_is_ever_forgotten(start: int, events: list[Event]) -> None:
    """Creates, deletes, failures between reads: each awaited id is seen or asked for in bounds."""
    account, fresh = Account(named(start)), itertools.count()
    account.wait_for(account.ids[::3])
    for event in events:
        apply(account, event, fresh)
        account.run(1.3)
    began = account.now
    account.run(25.0)
    awaited = [item.id for item in account.planner]
    last = {id: max(account.seen.get(id, [-math.inf])) for id in awaited}
    assert [id for id, at in last.items() if at < began] == []
    account.run(15.0)
    assert all(max(account.seen[id]) > began + 20 for id in awaited)
