"""Tests of the limits beside other processes: what is noticed, what is left, when to look again."""

import math
from collections import deque

import pytest

from di_async.core.http import Priority
from di_async.core.rate_limit import RateLimitInfo, RequestBudget, Slot, Window
from di_async.core.shared_token import OtherTraffic, RecentCount, fair_share, sendable

START = 1000.0
"""A loop's clock does not begin at 0."""


def budget_beside(
    others: int, *, limit: int = 5000, per_minute: int = 250, reset_in: float | None = 3600.0
) -> RequestBudget:
    """Return a budget whose one request, at `START`, has shown this many of others."""
    budget = RequestBudget(per_minute)
    budget.record(START)
    show(budget, START, others, limit=limit, reset_in=reset_in)
    return budget


def show(
    budget: RequestBudget,
    now: float,
    others: int,
    *,
    limit: int = 5000,
    reset_in: float | None = 3600.0,
    slot: Slot | None = None,
) -> None:
    """Receive a response that shows this many requests of others within the hour."""
    used = budget.used(now)[1] + others
    info = RateLimitInfo(limit=limit, remaining=limit - used, reset_in=reset_in)
    budget.learn(now, info, slot)


def taken(budget: RequestBudget, now: float, priority: Priority = Priority.READ) -> int:
    """Return how many requests the budget allows at one moment, up to 300."""
    return sum(budget.take(now, priority) is not None for _ in range(300))


# --- whether there are others ------------------------------------------------------------------


@pytest.mark.parametrize(("later", "expected"), [(60.0, 249), (60.5, 63)])
def test_being_alone_is_known_for_a_minute(later: float, expected: int) -> None:
    """A process without others is unlimited for a minute after a response."""
    assert taken(budget_beside(0), START + later) == expected


def test_new_process_does_not_know_that_it_is_alone() -> None:
    """The first burst of a process is a quarter of the minute, until a response is received."""
    assert taken(RequestBudget(250), START) == 63


@pytest.mark.parametrize(("others", "expected"), [(2498, 250), (2499, 60)])
def test_silent_others_may_wait_for_the_end_of_the_hour(others: int, expected: int) -> None:
    """Requests of others that are not recent limit a burst once half of the hour is used up."""
    budget = budget_beside(others)
    show(budget, START + 2000, others)
    assert taken(budget, START + 2000) == expected


def test_process_that_uses_the_hour_alone_is_alone() -> None:
    """Own requests, however many, do not make others."""
    budget = RequestBudget(250, per_hour=400)
    for _ in range(210):
        budget.record(START)
    budget.learn(START + 100, RateLimitInfo(limit=400, remaining=190, reset_in=3500.0))
    assert taken(budget, START + 100) == 190


@pytest.mark.parametrize(("later", "expected"), [(2.0, 60), (2.1, 1)])
def test_count_of_others_is_fresh_for_two_seconds(later: float, expected: int) -> None:
    """Two seconds after a response, one request goes first, to see what others have sent."""
    budget = budget_beside(1)
    assert taken(budget, START + later) == expected


def test_others_of_the_last_hour_do_not_matter_after_it() -> None:
    """A process that was silent for an hour is as a new one: what it knew of others has expired."""
    assert taken(budget_beside(30), START + 3700) == 63


def test_each_request_is_unseen_for_three_seconds() -> None:
    """A part of a burst may go on when the first requests have been sent three seconds ago."""
    budget = budget_beside(200)

    def send(now: float) -> int:
        slots = [slot for _ in range(50) if (slot := budget.take(START + now, Priority.READ))]
        for slot in slots:
            budget.done(START + now, slot)
        show(budget, START + now, 200)
        return len(slots)

    assert [send(1.0), send(2.5), send(3.9), send(4.0), send(5.4)] == [10, 0, 0, 7, 0]
    assert [send(7.0), send(7.1)] == [5, 1]


def test_requests_are_seen_one_after_the_other() -> None:
    """Each request counts as seen three seconds after it was sent, whatever was sent later."""
    budget = budget_beside(1)
    for second in (1.0, 3.0):
        for _ in range(20):
            budget.start(START + second)
    show(budget, START + 4.0, 1)
    assert taken(budget, START + 4.0) == 25


def test_full_burst_is_tried_again_soon() -> None:
    """A request that others' responses hold back is tried again in a quarter of a second."""
    budget = budget_beside(1)
    assert taken(budget, START + 1) == 60
    assert budget.delay(START + 1, Priority.READ) == 0.25


def test_refunded_requests_were_never_sent() -> None:
    """A request that never left this machine is not one that others have yet to see."""
    budget = budget_beside(1)
    slots = [slot for _ in range(100) if (slot := budget.take(START + 1, Priority.READ))]
    for slot in slots:
        budget.refund(slot)
    assert len(slots) == taken(budget, START + 1) == 60
    budget.refund(Slot(START, 0))  # one that all have seen


@pytest.mark.parametrize(("priority", "expected"), [(Priority.READ, 15), (Priority.SCHEDULED, 13)])
def test_burst_leaves_the_hour_to_others(priority: Priority, expected: int) -> None:
    """A quarter of what the hour leaves is sent, without the reserve for polling."""
    budget = budget_beside(39, limit=100)
    assert taken(budget, START, priority) == expected


# --- what others leave of the minute -----------------------------------------------------------


@pytest.mark.parametrize(
    ("per_minute", "own"), [(50, 45), (250, 239), (8, 3), (6, 2), (5, 2), (1000, 959)]
)
def test_margin_for_requests_on_their_way(per_minute: int, own: int) -> None:
    """4 % of the minute, at least 4 requests, at most half, is left to others' unseen requests."""
    budget = budget_beside(1, per_minute=per_minute)
    for _ in range(own - 2):
        budget.record(START)
    assert budget.delay(START, Priority.READ) == 0.0
    budget.record(START)
    assert budget.delay(START, Priority.READ) == pytest.approx(30.0)


@pytest.mark.parametrize(
    ("priority", "delay"), [(Priority.READ, 30.0), (Priority.SCHEDULED, 120.0)]
)
def test_quota_used_up_by_others_is_looked_at_again(priority: Priority, delay: float) -> None:
    """Where others leave nothing, one request in 30 s shows whether that still holds.

    Polling sends one in 120 s. The hour is used up, so no slot frees sooner.
    """
    budget = budget_beside(5000)
    assert budget.delay(START, priority) == delay


def test_slots_free_in_the_order_of_sending() -> None:
    """Own requests and those of others leave the minute in the order in which they were sent."""
    own = Window(61.0, deque([START] * 1 + [START + 10.0] * 4 + [START + 30.0] * 6))
    others = noticed((0.0, 4, 4), (20.0, 9, 9))
    others.recent = RecentCount()  # none is expected meanwhile
    now = START + 31.0
    delays = [own.delay_beside(now, 20, ahead, others) for ahead in range(23)]
    assert delays == [30.0] * 5 + [40.0] * 4 + [50.0] * 5 + [60.0] * 6 + [61.0] * 3
    assert own.delay_beside(now, 21, 0, others) == 0.0


def test_requests_in_flight_may_be_counted_or_not() -> None:
    """What was on its way together with an answered request may be missing in the token's count.

    Then it is a request of others that was counted, so the minute has one more of them.
    """
    budget = RequestBudget(250)
    first, second = budget.start(START), budget.start(START)
    budget.done(START, second)
    budget.learn(START, RateLimitInfo(limit=5000, remaining=4988, reset_in=3600.0), first)
    budget.done(START, first)
    assert budget.foreign == 10
    assert budget.burst(START) == pytest.approx((225 - 11) / 61)
    third = budget.start(START)
    budget.learn(START, RateLimitInfo(limit=5000, remaining=4987, reset_in=3600.0), third)
    assert budget.burst(START) == pytest.approx((225 - 10) / 61)


# --- headers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "remaining", "others"),
    [(0, 0, 5000), (-5, 0, 5000), (1, 0, 1), (None, 4000, 1000), (100, -7, 100), (100, 300, 0)],
)
def test_count_of_the_token(limit: int | None, remaining: int, others: int) -> None:
    """What is used is the limit less what remains; a limit of 0 says nothing."""
    budget = RequestBudget(250)
    budget.learn(START, RateLimitInfo(limit=limit, remaining=remaining))
    assert budget.foreign == others


@pytest.mark.parametrize(
    ("reset_in", "age"),
    [
        (math.nan, 3600.0),
        (3599.0, 1.0),
        (3480.0, 120.0),
        (1.0, 3599.0),
        (0.0, 3600.0),
        (-5.0, 3600.0),
        (None, 3600.0),
    ],
)
def test_age_of_the_tokens_requests(reset_in: float | None, age: float) -> None:
    """The reset is when the oldest request expires; without one, it may be an hour old."""
    budget = RequestBudget(250)
    for _ in range(1000):
        budget.record(START)
    budget.learn(START, RateLimitInfo(limit=5000, remaining=3000, reset_in=reset_in))
    recent = 1000 * (1 - math.exp(-age / 120)) / (age / 120)
    share = budget.fair_share(START)
    assert share == pytest.approx(0.95 * (1000 / (1000 + recent)) ** 0.8, rel=1e-8)


@pytest.mark.parametrize("reset_in", [3600.0, 3700.0])
def test_reset_of_an_hour_is_of_requests_sent_just_now(reset_in: float) -> None:
    """A reset in an hour or more shows that the oldest request was sent just now."""
    budget = RequestBudget(250)
    budget.record(START)
    budget.learn(START, RateLimitInfo(limit=5000, remaining=4998, reset_in=reset_in))
    assert budget.fair_share(START) == pytest.approx(0.95 * 0.5**0.8)


def test_first_pause_after_each_short_retry_after_is_the_same() -> None:
    """A `retry-after` that a window explains is believed, and at least a second."""
    for wait, block in ((0.01, 1.0), (0.5, 1.0), (3600.0, 3600.0)):
        budget = RequestBudget()
        for now in (START, START + 5000.0):
            budget.learn(now, RateLimitInfo(limited=True, retry_after=wait))
            assert budget.delay(now, Priority.READ) == block


def test_retry_after_in_the_past_doubles_the_pause() -> None:
    """A `retry-after` below 0 is wrong: the pauses double."""
    budget = RequestBudget()
    budget.learn(START, RateLimitInfo(limited=True, retry_after=-0.5))
    budget.learn(START + 2, RateLimitInfo(limited=True, retry_after=-0.5))
    assert budget.delay(START + 2, Priority.READ) == 2.0


# --- what polling plans with -------------------------------------------------------------------


def test_polling_plans_with_its_share_of_the_minute() -> None:
    """The rate is the share of the minute, or what others leave of it if that is more."""
    assert budget_beside(0).burst(START) == pytest.approx(225 / 61)
    assert budget_beside(45).burst(START) == pytest.approx(225 / 61 * (1 - 45 / 225))
    assert budget_beside(300).burst(START) == pytest.approx(225 / 61 * 0.2)


def test_polling_plans_with_what_the_hour_leaves() -> None:
    """Requests in flight, those of others and the growth of steady calls are subtracted."""
    budget = budget_beside(500)
    share = budget.fair_share(START)
    assert budget.remaining(START) == pytest.approx((4500 - 501) * share)
    budget.start(START, Priority.SCHEDULED)
    share = budget.fair_share(START)
    assert budget.remaining(START) == pytest.approx((4500 - 502) * share)


def test_steady_calls_are_expected_to_go_on() -> None:
    """Calls that have lasted for a quarter of an hour are planned for the next hour."""
    budget = RequestBudget()
    for second in range(0, 1800, 10):
        budget.record(START + second, Priority.MUTATION)
    now = START + 1795.0
    assert budget.remaining(now) == pytest.approx(4500 - 180 - 180, abs=15)


def test_nothing_is_left_where_others_exceed_the_limit() -> None:
    """What is left is never negative."""
    budget = budget_beside(50, limit=100)
    assert budget.left(START)[1] == 49
    budget.learn(START, RateLimitInfo(limit=30))
    assert budget.left(START)[1] == 0


# --- the rules themselves ----------------------------------------------------------------------


@pytest.mark.parametrize(("free", "count"), [(0.9, 0.0), (1.0, 1.0), (3.0, 1.0), (8.0, 2.0)])
def test_one_free_slot_is_used(free: float, count: float) -> None:
    """One request may be sent where one slot is free, and a quarter of more."""
    assert sendable(free, fresh=True, known=True) == count


def test_share_beside_one_request_of_others() -> None:
    """A share is 95 % of the part of the recent requests to the power of 0.8, at least a fifth."""
    assert fair_share(1.0, 0.9) == 1.0
    assert fair_share(1.0, 1.0) == pytest.approx(0.95 * 0.5**0.8)
    assert fair_share(0.0, 100.0) == 0.2


def test_recent_count_fades_in_two_minutes() -> None:
    """A count fades to a third in 120 s; a clock that has not advanced changes nothing."""
    recent = RecentCount()
    assert recent.get(START) == 0.0
    recent.add(START)
    recent.add(START, 2.0)
    assert recent.get(START) == recent.get(START - 1.0) == 3.0
    assert recent.get(START + 120.0) == pytest.approx(3.0 / math.e)


def test_nothing_is_known_at_first() -> None:
    """Without a response, no requests of others are known."""
    others = OtherTraffic()
    assert (others.total, others.unsure, others.expected_within(START, 60.0)) == (0, 0, 0.0)


def noticed(*counts: tuple[float, int, int]) -> OtherTraffic:
    """Return what responses at these times show: (time, at least, at most)."""
    others = OtherTraffic()
    for at, at_least, at_most in counts:
        others.observe(START + at, at_least, at_most, 0.0)
    return others


def test_requests_are_kept_by_the_second_in_which_they_were_noticed() -> None:
    """Requests noticed within a second are one entry; no entry is made of none."""
    others = noticed((0.0, 2, 2), (0.5, 3, 3), (0.9, 3, 3), (1.0, 4, 4), (1.9, 9, 9), (5.0, 9, 9))
    assert others.leaving(START + 5, 60.0) == [(START + 60, 3), (START + 61, 6)]
    assert others.leaving(START + 60, 60.0) == [(START + 61, 6)]
    assert others.known_within(START + 60, 60.0) == 6
    assert others.known_within(START + 59.9, 60.0) == 9


def test_requests_expire_after_an_hour() -> None:
    """Each entry is forgotten exactly an hour after it was noticed."""
    others = noticed((0.0, 2, 2), (10.0, 7, 7))
    for at, total in ((3599.9, 7), (3600.0, 5), (3609.9, 5), (3610.0, 0)):
        others.expire(START + at)
        assert others.total == total


def test_smaller_count_removes_the_oldest() -> None:
    """Where the token's count has fallen, the oldest requests are gone, and never more than all."""
    others = noticed((0.0, 2, 2), (10.0, 7, 7), (20.0, 4, 4))
    assert others.leaving(START + 20, 60.0) == [(START + 70, 4)]
    others.observe(START + 21, -9, -3, 0.0)
    assert (others.total, others.unsure, others.leaving(START + 21, 60.0)) == (0, 0, [])
    others.observe(START + 22, 1, 3, 0.0)
    assert (others.total, others.unsure) == (1, 2)


def test_others_are_expected_to_go_on_for_15_s() -> None:
    """Between responses others are projected from the recent requests, for 15 s at most."""
    others = noticed((0.0, 120, 120))
    rate = [others.expected_within(START + at, 60.0) - 120 for at in (0.0, 10.0, 15.0, 30.0)]
    faded = [math.exp(-at / 120) for at in (10.0, 15.0, 30.0)]
    expected = [0.0, 10 * faded[0], 15 * faded[1], 15 * faded[2]]
    assert rate == pytest.approx(expected)
    assert others.expected_within(START - 1, 60.0) == 120


def test_requests_of_two_minutes_may_all_be_recent() -> None:
    """After a gap of up to two minutes, all that was noticed counts as sent just now."""
    others = noticed((0.0, 0, 0), (120.0, 600, 600))
    assert others.leaving(START + 120, 60.0) == [(START + 180, 600)]
    assert others.recent.get(START + 120) == pytest.approx(600 * (1 - math.exp(-1)))


def test_requests_of_a_long_gap_are_spread() -> None:
    """After a longer gap, those of two minutes count as sent just now, and the rest is spread."""
    others = noticed((0.0, 0, 0), (720.0, 720, 720))
    spread = others.leaving(START + 720, 3600.0)
    assert spread == [
        *((START + 3600 + 10 * piece, 10) for piece in range(1, 61)),
        (START + 720 + 3600, 120),
    ]
    assert others.recent.get(START + 720) == pytest.approx(720 * (1 - math.exp(-6)) / 6)
    assert others.total == 720


def test_short_gap_does_not_fade() -> None:
    """What is noticed at once has not faded."""
    others = noticed((0.0, 0, 0), (0.0, 10, 10))
    assert others.recent.get(START) == 10
    assert noticed((0.0, 0, 0), (60.0, 10, 10)).recent.get(START + 60) == pytest.approx(
        10 * (1 - math.exp(-0.5)) / 0.5
    )
