"""Tests of the poll schedule's times in exact figures, and of when it plans the pace."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from attrs import define, field

from di_async.core.waiting import pacing, poll_schedule
from di_async.core.waiting.durations import DurationDistribution
from di_async.core.waiting.observation import DurationKey
from di_async.core.waiting.pacing import PendingLoad, PollPace, PollQuota
from di_async.core.waiting.poll_policy import PollPolicy
from di_async.core.waiting.poll_schedule import PollEntry, PollSchedule, ReadOne, ReadPage
from di_async.core.waiting.resume_token import ResourceRef

PLENTY = PollQuota(burst=1e6, remaining=1e6)
LAW = DurationDistribution(6.0, 0.3)
OTHER_LAW = DurationDistribution(5.0, 0.3)
Entry = PollEntry[Any]


def entry(id: str, *, started_at: float = 0.0, listed: bool = True, key: str = "") -> Entry:
    """Return an entry to watch."""
    made: Entry = PollEntry(ref=ResourceRef("thing", id), started_at=started_at, listed=listed)
    made.duration_key = (key, "", "")
    return made


@define
class Polled:
    """A schedule driven by hand, which counts how often it plans the pace."""

    schedule: PollSchedule[Any]
    plans: int = 0
    entries: dict[str, Entry] = field(factory=dict)

    @classmethod
    def make(
        cls,
        *entries: Entry,
        policy: PollPolicy | None = None,
        distribution: Callable[[DurationKey], DurationDistribution | None] = lambda _: None,
    ) -> "Polled":
        """Watch these entries."""
        made = cls(PollSchedule(policy or PollPolicy(), distribution))
        for one in entries:
            made.add(one)
        return made

    def add(self, one: Entry) -> None:
        """Watch one more entry."""
        self.entries[one.id] = one
        self.schedule.add(one)

    def next(self, now: float) -> Any:
        """Return what is due: an id, a page number, or the seconds until then."""
        read = self.schedule.next_read(now, self._quota)
        if isinstance(read, ReadOne):
            return read.entry.id
        return read if isinstance(read, float) else ("page", read.number)

    def _quota(self) -> PollQuota:
        self.plans += 1
        return PLENTY

    def page(self, number: int, ids: Sequence[str], now: float, total: int | None = None) -> None:
        """Deliver a page whose rows are all unchanged and pending."""
        rows = [(id, 1) for id in ids]
        read = ReadPage(number)
        found = self.schedule.page_finished(read, rows, len(ids) if total is None else total, now)
        for _, one in found.changed:
            self.schedule.row_examined(one, 1, now, settled=False, again=False)

    def get(self, id: str, now: float, **flags: bool) -> None:
        """Deliver a GET."""
        self.schedule.get_finished(self.entries[id], now, pending=True, **flags)


def located(*ids: str, others: int = 0) -> Polled:
    """Return a schedule whose ids were found on page 1 at time 0, and that has planned since."""
    polled = Polled.make(*map(entry, ids))
    assert polled.next(0.0) == ("page", 1)
    polled.page(1, [*ids, *(f"other-{n}" for n in range(others))], 0.0)
    assert polled.next(0.0) == 5.0
    return polled


# --- GET or list -------------------------------------------------------------------------------


def test_entry_read_by_get_may_be_listed_again() -> None:
    """`read_by_list` undoes `read_by_get`, and after each the pace is planned again."""
    polled = located("a", "b")
    one, plans = polled.entries["a"], polled.plans
    polled.schedule.read_by_get(one)
    assert not one.listed
    polled.next(1.0)
    assert polled.plans == plans + 1
    polled.schedule.read_by_list(one)
    assert one.listed
    polled.next(2.0)
    assert polled.plans == plans + 2
    polled.schedule.read_by_list(one)  # it is listed already
    polled.next(3.0)
    assert polled.plans == plans + 2


def test_row_is_complete_unless_it_is_said_to_be_partial() -> None:
    """An entry's row lacks nothing before it was read, nor where nothing says so."""
    one = entry("a")
    polled = Polled.make(one)
    assert not one.row_is_partial
    polled.schedule.row_examined(one, 1, 0.0, settled=False, again=False, partial=True)
    assert one.row_is_partial
    polled.schedule.row_examined(one, 2, 0.0, settled=False, again=False)
    assert not one.row_is_partial


# --- when the pace is planned ------------------------------------------------------------------


@pytest.mark.parametrize(("lag", "pause"), [(5.0, 10.0), (50.0, 50.0), (1000.0, 600.0)])
def test_plans_every_ten_seconds_or_every_target_lag(lag: float, pause: float) -> None:
    """The pace is planned every 10 s or `target_lag`, every ten minutes at the latest."""
    polled = Polled.make(policy=PollPolicy(target_lag=lag))
    assert polled.next(100.0) == pause
    assert polled.schedule.due_at == 100.0 + pause
    assert polled.next(100.0 + pause - 0.5) == 0.5
    assert polled.plans == 1
    polled.next(100.0 + pause)
    assert polled.plans == 2


def test_wait_ends_with_the_next_plan() -> None:
    """The wait ends with the next plan, or earlier when a read is due."""
    polled = located("a", "b")
    assert polled.next(3.0) == 2.0
    assert polled.schedule.due_at == 5.0
    slow = Polled.make(entry("a", listed=False), policy=PollPolicy(target_lag=9.0))
    assert slow.next(0.0) == "a"
    slow.get("a", 4.0)
    assert slow.next(4.0) == 6.0


def test_unchanged_page_is_not_planned_again() -> None:
    """An unchanged page needs no new plan: its next read follows from the current pace."""
    polled = located("a", "b")
    assert polled.next(5.0) == ("page", 1)
    plans = polled.plans
    polled.page(1, ["a", "b"], 5.5)
    assert polled.next(5.5) == pytest.approx(4.5)  # the next plan
    assert polled.plans == plans
    assert polled.schedule._heap[0][0] == 10.5  # noqa: SLF001 - beyond the next plan


@pytest.mark.parametrize(("left", "again"), [(3, False), (2, False), (1, True)])
def test_planned_again_when_a_page_is_not_worth_reading(left: int, again: bool) -> None:
    """A page with one watched id left is planned again, with two it is not."""
    polled = located("a", "b", "c", "d")
    for id in ("a", "b", "c")[: 4 - left]:
        plans = polled.plans
        polled.schedule.remove(polled.entries[id])
        polled.next(1.0)
    assert (polled.plans > plans) is again
    assert polled.next(5.0) == ("d" if left == 1 else ("page", 1))


@pytest.mark.parametrize("listed", [True, False])
def test_planned_again_for_a_new_entry(listed: bool) -> None:
    """A new entry is planned immediately."""
    polled = located("a", "b")
    plans = polled.plans
    polled.add(entry("c", listed=listed))
    assert polled.schedule.due_at == -math.inf
    polled.next(1.0)
    assert polled.plans == plans + 1


def test_planned_again_when_an_entry_is_read_by_get() -> None:
    """An entry read by GET is planned once: its page may not be worth reading any more."""
    polled = located("a", "b", "c")
    plans = polled.plans
    polled.schedule.read_by_get(polled.entries["a"])
    assert polled.entries["a"].listed is False
    assert polled.next(1.0) == 4.0
    assert polled.plans == plans + 1
    assert {polled.next(5.0), polled.next(5.0)} == {"a", ("page", 1)}
    plans = polled.plans
    polled.schedule.read_by_get(polled.entries["a"])
    polled.next(5.0)
    assert polled.plans == plans


def test_planned_again_when_a_distribution_changes() -> None:
    """A change of any distribution is planned."""
    polled = located("a", "b")
    plans = polled.plans
    polled.schedule.distributions_changed()
    polled.next(1.0)
    polled.schedule.set_duration_key(polled.entries["a"], ("create", "atl1", "gpu"))
    polled.next(1.0)
    assert polled.plans == plans + 2


# --- inputs of the plan ------------------------------------------------------------------------


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[PendingLoad]:
    """Return the loads that the last plan was made from."""
    seen: list[PendingLoad] = []
    plan = pacing.plan_pace

    def spy(planned: Sequence[PendingLoad], *rest: Any) -> tuple[PollPace, list[float]]:
        seen[:] = planned
        return plan(planned, *rest)

    monkeypatch.setattr(poll_schedule, "plan_pace", spy)
    return seen


def distributions(key: DurationKey) -> DurationDistribution | None:
    """Return the distributions of two kinds."""
    return {"create": LAW, "update": OTHER_LAW}.get(key[0])


def test_load_of_one_resource(loads: list[PendingLoad]) -> None:
    """The load of one resource has its age, its kind and its last read."""
    polled = Polled.make(
        entry("a", started_at=100.0, listed=False, key="create"), distribution=distributions
    )
    polled.next(150.0)
    assert loads == [PendingLoad(1, 50.0, 50.0, LAW, ("create", "", ""), -math.inf)]
    polled.get("a", 151.0)
    polled.schedule.distributions_changed()
    polled.next(160.0)
    assert loads == [PendingLoad(1, 60.0, 60.0, LAW, ("create", "", ""), 151.0)]


@pytest.mark.parametrize("order", ["abc", "cba"])
def test_load_of_a_page(loads: list[PendingLoad], order: str) -> None:
    """The load of a page spans the ages of its first and last row, in any order."""
    starts = {"a": 100.0, "b": 120.0, "c": 130.0}
    polled = Polled.make(
        *(entry(id, started_at=at, key="create") for id, at in starts.items()),
        distribution=distributions,
    )
    polled.next(150.0)
    polled.page(1, order, 151.0)
    polled.next(160.0)
    assert loads == [PendingLoad(3, 60.0, 30.0, LAW, ("create", "", ""), 151.0)]


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (("create", "create"), LAW),
        (("create", "update"), LAW),
        (("update", "create"), OTHER_LAW),
        (("create", "unknown"), None),
        (("unknown", "create"), None),
        (("unknown", "unknown"), None),
    ],
)
def test_load_of_different_kinds(
    loads: list[PendingLoad], kinds: tuple[str, str], expected: DurationDistribution | None
) -> None:
    """The load of a page has a distribution only if its first and last row have one."""
    polled = Polled.make(
        *(entry(id, key=kind) for id, kind in zip("ab", kinds, strict=True)),
        distribution=distributions,
    )
    polled.next(1.0)
    polled.page(1, "ab", 1.0)
    polled.next(2.0)
    assert [load.distribution for load in loads] == [expected]


def test_age_is_never_negative(loads: list[PendingLoad]) -> None:
    """An age is never negative, even if a change was accepted after the plan's time."""
    polled = Polled.make(entry("a", started_at=10.0, listed=False))
    polled.next(9.0)
    assert (loads[0].oldest, loads[0].youngest) == (0.0, 0.0)


# --- when a read is due ------------------------------------------------------------------------


@pytest.mark.parametrize(("now", "due"), [(4.998, False), (4.9995, True), (5.0, True)])
def test_due_within_a_millisecond_is_due_now(now: float, due: bool) -> None:
    """A read due within a millisecond is due now: sums of floats are inexact."""
    found = located("a", "b").next(now)
    assert found == (("page", 1) if due else pytest.approx(5.0 - now))


def test_page_is_read_again_one_interval_after_its_answer() -> None:
    """A page is read one interval after its response, and never twice at once."""
    polled = located("a", "b")
    assert polled.next(5.0) == ("page", 1)
    assert isinstance(polled.next(6.0), float)
    polled.page(1, ["a", "b"], 7.0)
    assert isinstance(polled.next(11.9), float)
    assert polled.next(12.0) == ("page", 1)


@pytest.mark.parametrize("end", ["fail", "cancel"])
def test_unanswered_page_is_read_again_one_interval_later(end: str) -> None:
    """An interval counts from the end of a failed read, or the start of a cancelled one."""
    polled = Polled.make(entry("a"), entry("b"), policy=PollPolicy(target_lag=2.0))
    polled.next(0.0)
    polled.page(1, "ab", 0.0)
    polled.next(0.0)
    assert polled.next(2.0) == ("page", 1)
    if end == "fail":
        polled.schedule.page_failed(ReadPage(1), 2.5)
    else:
        polled.schedule.read_cancelled(ReadPage(1))
    again = 4.5 if end == "fail" else 4.0
    assert polled.next(again - 0.1) == pytest.approx(0.1)
    assert polled.next(again) == ("page", 1)


def test_cancelled_get_is_read_again_one_interval_after_its_request() -> None:
    """A cancelled GET is read again one interval after its request, confirming or not."""
    polled = Polled.make(entry("a", listed=False))
    one = polled.entries["a"]
    assert polled.next(3.0) == "a"
    polled.schedule.read_cancelled(ReadOne(one))
    assert (one.in_flight, one.confirm_requested) == (False, False)
    assert isinstance(polled.next(7.9), float)
    assert polled.next(8.0) == "a"


@pytest.mark.parametrize("end", ["fail", "cancel"])
def test_late_page_of_another_list(end: str) -> None:
    """A late page of another list does not change this list's page of that number."""
    polled = located("a", "b")
    assert polled.next(5.0) == ("page", 1)
    stale = ReadPage(1, "tor1")
    if end == "fail":
        polled.schedule.page_failed(stale, 6.0)
    else:
        polled.schedule.read_cancelled(stale)
    assert polled.schedule.page_in_flight(polled.entries["a"])
    assert polled.schedule.entries_on(stale) == []
    assert polled.schedule.entries_on(ReadPage(1)) == list(polled.entries.values())


def test_missing_id_is_read_by_get_after_more_than_an_interval() -> None:
    """A missing id is read by GET after 1.2 intervals."""
    polled = located("a", "b", "c")
    assert polled.next(5.0) == ("page", 1)
    polled.page(1, ["a", "b"], 5.0, total=3)
    assert polled.next(10.0) == ("page", 1)
    polled.page(1, ["a", "b"], 10.0, total=3)
    assert polled.next(10.9) == pytest.approx(0.1)
    assert polled.next(11.0) == "c"
    plans = polled.plans
    polled.get("c", 11.1)
    polled.next(11.2)
    assert polled.plans == plans + 1  # it is searched from now on


def test_read_is_due_by_the_requested_time() -> None:
    """The earliest due time wins, and a read in between satisfies it."""
    polled = located("a", "b")
    one = polled.entries["a"]
    polled.schedule.request_by(one, 3.0)
    polled.schedule.request_by(one, 4.0)
    assert polled.next(2.0) == 1.0
    assert polled.next(3.0) == "a"
    polled.get("a", 3.1)
    assert one.due_by == math.inf
    polled.schedule.request_by(one, 8.0)
    polled.next(5.0)
    polled.page(1, ["a", "b"], 6.0)
    assert one.due_by == math.inf
    assert polled.next(8.0) != "a"


# --- the search --------------------------------------------------------------------------------


def test_search_sends_several_pages_at_once() -> None:
    """A search sends each page that may show the id, the last one first."""
    polled = Polled.make(entry("a"))
    assert polled.next(0.0) == "a"  # one resource costs as much as one page
    polled.get("a", 0.1)
    for id in "bcdef":
        polled.add(entry(id))
    assert polled.next(0.2) == ("page", 1)
    polled.page(1, [f"other-{n}" for n in range(200)], 0.3, total=700)
    assert [polled.next(0.4) for _ in range(3)] == [("page", 4), ("page", 3), ("page", 2)]
    assert isinstance(polled.next(0.5), float)


def test_searched_page_is_not_searched_again_within_an_interval() -> None:
    """A searched page is not read again within an interval for ids added later."""
    polled = located("a", "b")
    for id in "cdef":
        polled.add(entry(id))
    assert polled.next(1.0) == pytest.approx(4.0)
    assert polled.next(5.0) == ("page", 1)


def test_only_page_to_search_is_read_as_soon_as_an_interval_has_passed() -> None:
    """Nothing else is due before."""
    polled = Polled.make(entry("a"), entry("b"))
    assert polled.next(0.0) == ("page", 1)
    polled.page(1, ["x"], 0.5)
    polled.add(entry("c"))
    assert polled.next(1.0) == pytest.approx(4.5)
    assert polled.next(5.5) == ("page", 1)


# --- confirmations -----------------------------------------------------------------------------


def test_interval_after_refuted_confirmations_doubles() -> None:
    """The interval after refuted confirmations doubles from `target_lag` to `max_interval`."""
    polled = Polled.make(entry("a"), policy=PollPolicy(target_lag=5.0, max_interval=15.0))
    one, pauses = polled.entries["a"], []
    for now in (0.0, 100.0, 200.0, 300.0):
        polled.schedule.get_finished(one, now, pending=True, refuted=True)
        pauses.append(one.confirm_after - now)
    assert pauses == [5.0, 10.0, 15.0, 15.0]


def test_refuted_row_is_confirmed_again_after_the_interval_or_a_change() -> None:
    """A refuted row is confirmed again after the interval, or when it changes."""
    polled = located("a", "b")
    one, schedule = polled.entries["a"], polled.schedule

    def wanted(fingerprint: int, now: float) -> bool:
        return schedule.row_examined(one, fingerprint, now, settled=True, again=False)

    assert wanted(7, 1.0)
    schedule.get_finished(one, 2.0, pending=True, refuted=True)
    assert not wanted(7, 6.9)
    assert wanted(8, 6.9)
    assert not wanted(8, 6.95)
    assert not schedule.row_examined(one, 9, 6.96, settled=False, again=False)
    assert wanted(8, 7.0)
    assert one.first_ready_at == 1.0


def test_confirmation_is_requested_once() -> None:
    """A confirmation is sent once, unless it is in flight or no longer wanted."""
    polled = located("a", "b")
    one, schedule = polled.entries["a"], polled.schedule
    schedule.request_confirm(one)
    schedule.request_confirm(one)
    assert schedule.confirms == 1
    assert not schedule.row_examined(one, 9, 1.0, settled=True, again=False)
    assert schedule.next_confirm(2.0, lambda _: True) == ReadOne(one, confirms=True)
    assert (one.in_flight, one.sent_at, schedule.confirms) == (True, 2.0, 0)
    assert schedule.next_confirm(2.0, lambda _: True) is None
    other = polled.entries["b"]
    schedule.request_confirm(other)
    assert schedule.next_confirm(2.0, lambda _: False) is None
    assert other.confirm_requested is False


def test_pending_row_and_pending_get_are_remembered() -> None:
    """A pending row and a pending GET record when the resource was last unsettled."""
    polled = located("a", "b")
    one, schedule = polled.entries["a"], polled.schedule
    assert one.last_pending_at == 0.0
    schedule.get_finished(one, 3.0)
    assert (one.last_pending_at, one.confirm_after) == (0.0, -math.inf)
    schedule.get_finished(one, 4.0, pending=True)
    assert one.last_pending_at == 4.0
    schedule.row_examined(one, 5, 6.0, settled=True, again=False)
    assert (one.last_pending_at, one.first_ready_at) == (4.0, 6.0)
    polled.page(1, ["a", "b"], 7.0)
    assert polled.entries["b"].last_pending_at == 7.0


# --- how many pages ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "rows", "total", "pages"),
    [
        (1, 200, 200, 1),
        (1, 200, 201, 2),
        (1, 0, 0, 1),
        (3, 1, 400, 3),
        (3, 0, 400, 2),
        (1, 1, 0, 1),
    ],
)
def test_page_count(number: int, rows: int, total: int, pages: int) -> None:
    """The page count follows the total, unless a later page shows rows."""
    polled = Polled.make(entry("a"), entry("b"))
    polled.page(number, [f"other-{n}" for n in range(rows)], 0.0, total=total)
    assert polled.schedule.page_count == pages


def test_unknown_total_keeps_the_page_count() -> None:
    """An unknown total keeps the page count."""
    polled = Polled.make(entry("a"), entry("b"))
    polled.schedule.page_finished(ReadPage(1), [], None, 0.0)
    assert polled.schedule.page_count is None


# --- initial states ----------------------------------------------------------------------------


def test_new_entry() -> None:
    """A new entry was never read, and can be read and confirmed."""
    one: Entry = PollEntry(ref=ResourceRef("thing", "a"))
    assert (one.paced_from, one.sent_at, one.read_at) == (-math.inf, -math.inf, -math.inf)
    assert (one.due_at, one.due_by, one.joined_at, one.started_at) == (0.0, math.inf, 0.0, 0.0)
    assert (one.in_flight, one.confirm_requested, one.listed) == (False, False, True)
    assert (one.confirm_pause, one.confirm_after) == (0.0, -math.inf)
    assert (one.last_pending_at, one.first_ready_at, one.watchers) == (None, None, ())


# --- reads without a new plan ------------------------------------------------------------------


@pytest.fixture
def intervals(monkeypatch: pytest.MonkeyPatch) -> list[PendingLoad]:
    """Return the loads from which single intervals were computed."""
    seen: list[PendingLoad] = []
    interval = pacing.read_interval

    def spy(load: PendingLoad, pace: PollPace) -> float:
        seen.append(load)
        return interval(load, pace)

    monkeypatch.setattr(poll_schedule, "read_interval", spy)
    return seen


def test_get_is_followed_by_the_next_without_a_plan(intervals: list[PendingLoad]) -> None:
    """A GET is followed by the next one interval after its response."""
    polled = Polled.make(entry("a", started_at=-20.0, listed=False), distribution=distributions)
    assert polled.next(0.0) == "a"
    polled.get("a", 1.0)
    assert [(load.count, load.oldest, load.read_at) for load in intervals] == [(1, 21.0, 1.0)]
    assert polled.next(5.9) == pytest.approx(0.1)
    assert polled.next(6.0) == "a"
    assert polled.plans == 1


def test_page_is_followed_by_the_next_without_a_plan(intervals: list[PendingLoad]) -> None:
    """A page is followed by the next; the interval uses its first and last row."""
    polled = Polled.make(
        *(entry(id, started_at=-at) for id, at in zip("abc", (30, 20, 10), strict=True))
    )
    polled.next(0.0)
    polled.page(1, "abc", 0.0)
    polled.next(0.0)
    assert polled.next(5.0) == ("page", 1)
    polled.page(1, "abc", 5.0)
    (load,) = intervals
    assert (load.count, load.oldest, load.youngest, load.read_at) == (3, 35.0, 15.0, 5.0)


def test_get_of_one_on_a_shared_page_schedules_no_other_get() -> None:
    """An entry on a shared page is read by list after its GET."""
    polled = located("a", "b")
    polled.get("a", 1.0)
    assert polled.next(5.0) == ("page", 1)
    polled.page(1, "ab", 5.0)
    assert polled.next(6.0) == 4.0


def test_get_of_the_only_entry_on_a_page_is_followed_by_the_next() -> None:
    """The only watched entry on a page is read by GET again."""
    polled = Polled.make(entry("a"))
    polled.next(0.0)
    polled.page(1, ["a", "x"], 0.0)
    polled.get("a", 0.0)
    polled.next(0.0)
    plans = polled.plans
    polled.get("a", 3.0)
    assert polled.next(7.9) == pytest.approx(0.1)
    assert polled.next(8.0) == "a"
    assert polled.plans == plans


def test_response_for_a_removed_entry_schedules_nothing() -> None:
    """A response for a removed entry schedules nothing."""
    polled = Polled.make(entry("a", listed=False), entry("b", listed=False))
    first = polled.next(0.0)
    second = polled.next(0.0)
    assert {first, second} == {"a", "b"}
    polled.schedule.remove(polled.entries["a"])
    polled.get("a", 1.0)
    polled.get("b", 1.0)
    assert polled.next(6.0) == "b"
    assert polled.next(6.0) != "a"


def test_page_that_shows_a_single_id_is_followed_by_a_get() -> None:
    """A page that shows a single watched id is followed by a GET."""
    polled = Polled.make(entry("a"))
    polled.next(0.0)
    polled.page(1, ["a", "x"], 0.5)
    polled.get("a", 0.5)
    polled.next(0.5)
    plans = polled.plans
    polled.page(1, ["a", "x"], 3.0)
    assert polled.next(7.9) == pytest.approx(0.1)
    assert polled.next(8.0) == "a"
    assert polled.plans == plans


# --- reads in flight ---------------------------------------------------------------------------


def test_which_page_may_show_an_entry() -> None:
    """An entry may be on its own page, on any page while unlocated, or on none."""
    polled = located("a", "b", others=300)
    schedule, one = polled.schedule, polled.entries["a"]
    schedule.page_finished(ReadPage(1), [("a", 1), ("b", 1)], 600, 1.0)
    polled.add(entry("c"))
    polled.add(entry("d"))
    polled.add(entry("e"))
    polled.add(entry("f"))
    assert polled.next(1.5) == ("page", 3)
    assert not schedule.page_in_flight(one)
    assert schedule.page_in_flight(polled.entries["c"])
    schedule.page_finished(ReadPage(1), [("a", 1), ("b", 1)], 2, 1.6)  # page 3 is gone by now
    assert schedule.page_in_flight(polled.entries["c"])
    assert polled.next(6.7) == ("page", 1)
    assert schedule.page_in_flight(one)
    schedule.read_by_get(one)
    assert not schedule.page_in_flight(one)


def test_search_is_planned_from_all_unlocated_entries(loads: list[PendingLoad]) -> None:
    """The load of a search spans all unlocated entries."""
    polled = Polled.make(
        *(entry(id, started_at=-at) for id, at in zip("abc", (30, 20, 10), strict=True))
    )
    polled.entries["b"].paced_from = -2.0
    for id in "ac":
        polled.entries[id].paced_from = -1.0
    polled.next(5.0)
    (load,) = loads
    assert (load.count, load.oldest, load.youngest, load.read_at) == (3, 35.0, 15.0, -2.0)


def test_removed_pages_are_forgotten() -> None:
    """Removed pages are forgotten: they can be read immediately when the list grows."""
    polled = located("a", "b")
    polled.page(1, "ab", 0.0, total=600)
    polled.page(3, "", 0.0, total=600)
    polled.page(1, "ab", 1.0)
    for id in "cdef":
        polled.add(entry(id))
    polled.page(1, "ab", 1.5, total=600)
    assert polled.next(2.0) == ("page", 3)


def test_removed_entry_is_not_read() -> None:
    """A removed entry is not read, even if it is scheduled; the other one is."""
    polled = Polled.make(entry("a", listed=False), entry("b", listed=False))
    assert {polled.next(0.0), polled.next(0.0)} == {"a", "b"}
    polled.get("a", 1.0)
    polled.get("b", 2.0)
    assert polled.schedule.due_at == 6.0
    polled.schedule.remove(polled.entries["a"])
    assert polled.next(6.5) == pytest.approx(0.5)
    assert polled.next(7.0) == "b"


# --- regions -----------------------------------------------------------------------------------


def spread(*, by_region: bool = True) -> Polled:
    """Return a schedule with ids on three pages of the account's list, all in one region."""
    polled = Polled(PollSchedule[Any](PollPolicy(), lambda _: None, by_region=by_region))
    for id in "abcd":
        polled.add(entry(id))
    for number, ids in enumerate(("ab", "c", "d"), 1):
        polled.page(number, ids, 0.0, total=600)
    for one in polled.entries.values():
        polled.schedule.set_duration_key(one, ("create", "atl1", ""))
    return polled


def read_of(polled: Polled, now: float) -> ReadOne[Any] | ReadPage | float:
    """Return what is due, with its region."""
    return polled.schedule.next_read(now, lambda: PLENTY)


def answered(polled: Polled, ids: str, total: int | None, now: float = 1.0) -> list[str]:
    """Deliver the first page of the region's list; return the ids that it shows."""
    read = ReadPage(1, "atl1")
    found = polled.schedule.page_finished(read, [(id, 1) for id in ids], total, now)
    return [one.id for _, one in found.changed]


def test_first_page_of_a_shorter_list_is_used_immediately() -> None:
    """The first page of a region's shorter list is used immediately."""
    polled = spread()
    assert read_of(polled, 0.0) == ReadPage(1, "atl1")
    assert answered(polled, "abcd", 4) == ["a", "b", "c", "d"]
    assert polled.schedule.page_count == 1
    assert read_of(polled, 6.0) == ReadPage(1, "atl1")


@pytest.mark.parametrize("total", [600, None])
def test_list_that_is_not_shorter_or_does_not_say_so_is_not_used(total: int | None) -> None:
    """A region's list that is not shorter, or shows no total, is not used."""
    polled = spread()
    read_of(polled, 0.0)
    assert answered(polled, "abcd", total) == []
    assert polled.schedule.page_count == 3
    assert read_of(polled, 5.0) != ReadPage(1, "atl1")


def test_late_page_of_the_account_is_ignored() -> None:
    """A late page of the account is ignored while the region's list is read."""
    polled = spread()
    read_of(polled, 0.0)
    answered(polled, "abcd", 4)
    late = polled.schedule.page_finished(ReadPage(1), [("a", 2)], 600, 2.0)
    assert (late.changed, late.unchanged, polled.schedule.page_count) == ([], [], 1)


def test_ids_that_the_regions_first_page_does_not_show_are_not_searched_on_it() -> None:
    """Ids not on the region's first page are read by GET, not searched on it."""
    polled = spread()
    read_of(polled, 0.0)
    assert answered(polled, "ab", 2) == ["a", "b"]
    reads = [read_of(polled, 5.5), read_of(polled, 5.5)]
    assert {one.entry.id for one in reads if isinstance(one, ReadOne)} == {"c", "d"}


def test_region_is_left_when_an_id_is_in_another_region() -> None:
    """The region's list is left immediately when an id is in another region."""
    polled = spread()
    read_of(polled, 0.0)
    answered(polled, "abcd", 4)
    read_of(polled, 1.0)
    polled.schedule.set_duration_key(polled.entries["c"], ("create", "tor1", ""))
    assert isinstance(read_of(polled, 1.1), float)
    assert polled.schedule.page_count is None
    assert read_of(polled, 6.1) == ReadPage(1, None)


def test_no_region_is_tried_during_a_search() -> None:
    """No region is tried during a search, or where lists have no regions."""
    polled = spread()
    for id in "efgh":
        polled.add(entry(id, key="create"))
        polled.entries[id].duration_key = ("create", "atl1", "")
    assert read_of(polled, 0.0) != ReadPage(1, "atl1")
    assert read_of(spread(by_region=False), 0.0) != ReadPage(1, "atl1")
    plain = PollSchedule[Any](PollPolicy(), lambda _: None)
    assert plain._by_region is False  # noqa: SLF001 - the default


def test_remove_one_of_two_watchers() -> None:
    """Removing one watcher keeps the others."""
    one: PollEntry[object] = PollEntry(ref=ResourceRef("thing", "a"))
    first, second = object(), object()
    one.add_watcher(first, 1.0)
    one.add_watcher(second, 2.0)
    one.remove_watcher(first)
    assert one.watchers == (second,)
