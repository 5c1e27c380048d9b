"""Tests of the budget's limits: windows, other clients of the token, streams of writes."""

import math
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from di_async.core.http import Priority
from di_async.core.rate_limit import RateLimitInfo, RequestBudget, TrafficEstimate


def info(foreign: int, budget: RequestBudget, now: float) -> RateLimitInfo:
    """Return the headers of a response when others sent this many requests in the last hour."""
    limit = budget.per_hour
    return RateLimitInfo(limit=limit, remaining=limit - foreign - budget.used(now)[1])


def record_counts(budget: RequestBudget, *counts: tuple[float, int]) -> None:
    """Record responses that show how many requests others have sent, each at its time."""
    for now, foreign in counts:
        budget.learn(now, info(foreign, budget, now))


# --- windows -----------------------------------------------------------------------------------


def test_defaults() -> None:
    """The defaults are DigitalOcean's documented limits, with a tenth in reserve."""
    budget = RequestBudget()
    assert (budget.per_minute, budget.per_hour, budget.reserve) == (250, 5000, 0.1)


@pytest.mark.parametrize(
    ("now", "used"),
    [
        (60.9, (2, 2)),
        (61.0, (1, 2)),
        (91.0, (0, 2)),
        (3600.9, (0, 2)),
        (3601.0, (0, 1)),
        (3631.0, (0, 0)),
    ],
)
def test_a_slot_frees_a_second_after_the_providers(now: float, used: tuple[int, int]) -> None:
    """A slot frees a second later than the provider's: a request may arrive later than counted."""
    budget = RequestBudget()
    budget.record(0.0)
    budget.record(30.0)
    assert budget.used(now) == used


def test_half_a_second_too_early_is_too_early() -> None:
    """No slot is taken half a second before it is free."""
    budget = RequestBudget(per_minute=1)
    budget.record(0.0)
    assert not budget.take(60.5, Priority.READ)
    assert budget.take(61.0, Priority.READ)


@pytest.mark.parametrize(("limit", "free"), [(0, True), (1, False), (2, True)])
def test_limit_from_headers(limit: int, free: bool) -> None:
    """A header limit of one request applies; a limit of zero is ignored."""
    budget = RequestBudget()
    budget.learn(0.0, RateLimitInfo(limit=limit))
    assert budget.take(0.0, Priority.READ)
    assert (budget.delay(1.0, Priority.READ) == 0.0) is free


# --- requests of others ------------------------------------------------------------------------


def test_minute_full_of_others_leaves_one_request() -> None:
    """A minute full of others' requests leaves one, to notice when they stop."""
    budget = RequestBudget(per_minute=10)
    record_counts(budget, (0.0, 0), (30.0, 50))
    assert budget.delay(31.0, Priority.READ) == 0.0
    budget.record(31.0)
    assert budget.delay(31.0, Priority.READ) > 0.0


def test_what_others_sent_leaves_the_minute_after_a_minute() -> None:
    """Others' requests leave the minute after a minute."""
    budget = RequestBudget(per_minute=12)
    record_counts(budget, (0.0, 10), (39.0, 20))
    for _ in range(5):
        budget.record(95.0)
    assert budget.delay(99.9, Priority.READ) > 0.0
    record_counts(budget, (100.0, 20))
    assert budget.delay(100.0, Priority.READ) == 0.0


def test_count_of_others_may_fall_and_rise_again() -> None:
    """A count of others that fell counts again from there."""
    budget = RequestBudget(per_minute=6)
    record_counts(budget, (0.0, 10), (10.0, 20), (20.0, 10))
    for _ in range(3):
        budget.record(89.0)
    record_counts(budget, (90.0, 15))
    assert budget.delay(90.0, Priority.READ) > 0.0


def test_probe_even_when_a_slot_frees_soon() -> None:
    """A probe is sent half a minute after the last request, even if a slot frees soon."""
    budget = RequestBudget(per_hour=2)
    budget.record(0.0)
    record_counts(budget, (1.0, 1))
    assert budget.delay(3600.5, Priority.READ) == 0.0


# --- streams -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("each", "priority", "steady"),
    [
        (10, Priority.MUTATION, False),
        (11, Priority.MUTATION, True),
        (60, Priority.CONFIRM, False),
        (60, Priority.SCHEDULED, False),
    ],
)
def test_stream_is_more_than_two_writes_a_minute(
    each: int, priority: Priority, steady: bool
) -> None:
    """A stream is more than two writes a minute in three slots of five minutes, without polls."""
    budget = RequestBudget(per_minute=1000)
    for slot in range(4):
        for number in range(each):
            budget.record(slot * 300.0 + number, priority)
    assert budget.steady(910.0) is steady


def traffic(*counts: float) -> TrafficEstimate:
    """Return an estimate from this many requests in each slot of 300 s."""
    estimate = TrafficEstimate()
    for slot, count in enumerate(counts):
        estimate.add(300.0 * slot + 295.0, count)
    return estimate


def test_traffic_is_counted_in_slots_of_five_minutes() -> None:
    """Each request counts once, in its slot of five minutes."""
    estimate = TrafficEstimate()
    assert (estimate.bins, estimate.last_at) == ({}, -math.inf)
    estimate.add(299.9)
    estimate.add(300.0)
    estimate.add(301.0)
    assert estimate.bins == {0: 1.0, 1: 2.0}


def test_traffic_of_an_hour_is_twelve_slots() -> None:
    """An hour has twelve slots, the current one included; older ones are dropped."""
    estimate = traffic(*[1.0] * 21)
    assert estimate.in_hour(20 * 300.0 + 1) == 12
    assert (min(estimate.bins), max(estimate.bins)) == (7, 20)


@pytest.mark.parametrize(
    ("counts", "rate"),
    [
        ((1, 30, 60, 90, 1), 0.1),
        ((1, 60, 30, 90, 1), 0.1),
        ((1, 60, 90, 30, 1), 0.1),
        ((90, 90, 0, 90, 90), 0.0),
    ],
)
def test_steady_traffic_is_the_least_of_three_full_slots(
    counts: tuple[float, ...], rate: float
) -> None:
    """Steady traffic is the least of the three last full slots."""
    assert traffic(*counts).steady(4 * 300.0 + 296) == pytest.approx(rate)


def test_missing_slot_is_no_traffic() -> None:
    """A missing slot counts as no traffic."""
    assert traffic(30, 30).steady(600.0) == 0.0


@pytest.mark.parametrize(("later", "rate"), [(90.0, 0.1), (90.1, 0.0)])
def test_steady_traffic_ends_after_a_lull(later: float, rate: float) -> None:
    """Steady traffic ends 90 seconds after the last request."""
    assert traffic(30, 30, 30, 30).steady(3 * 300.0 + 295 + later) == rate


def test_growth_is_the_projected_hour_less_the_last() -> None:
    """Growth is the projected hour less the last one; a burst does not grow."""
    assert traffic(30, 30, 30).expected_growth(900.0) == pytest.approx(360 - 90)
    assert traffic(0, 0, 500).expected_growth(900.0) == 0.0


# --- the queue and refunds ---------------------------------------------------------------------


def test_refund_frees_the_slot_in_both_windows() -> None:
    """A refund frees the slot in both windows."""
    budget = RequestBudget(per_minute=1, per_hour=1)
    slot = budget.start(5.0)
    assert budget.used(6.0) == (1, 1)
    budget.refund(slot)
    assert budget.used(6.0) == (0, 0)
    assert budget.take(6.0, Priority.READ)


def test_falling_count_of_others_leaves_the_minute_whole() -> None:
    """A falling count of others leaves the minute whole, less a margin for them."""
    budget = RequestBudget(per_minute=100)
    record_counts(budget, (0.0, 10), (30.0, 5))
    for _ in range(95):
        assert budget.delay(95.0, Priority.READ) == 0.0
        budget.record(95.0)
    for _ in range(5):
        budget.record(95.0)
    assert budget.delay(95.0, Priority.READ) > 0.0


def test_write_is_released_before_a_held_list_read() -> None:
    """A write is released even if a list read behind it must wait for the reserve."""
    budget = RequestBudget(per_minute=2, reserve=0.5)
    budget.record(0.0)
    budget.join(Priority.SCHEDULED, "sweep")
    budget.join(Priority.MUTATION, "mutation")
    ready, wait = budget.release(1.0)
    assert [ticket for ticket, _ in ready] == ["mutation"]
    assert wait is not None
    assert wait > 0


def test_list_read_does_not_take_the_reserve() -> None:
    """A list read alone in the queue waits instead of using the reserve."""
    budget = RequestBudget(per_minute=2, reserve=0.5)
    budget.record(0.0)
    budget.join(Priority.SCHEDULED, "sweep")
    assert budget.release(1.0) == ([], 60.0)
    assert budget.release(60.5) == ([], 0.5)
    ready, wait = budget.release(61.0)
    assert ([ticket for ticket, _ in ready], wait) == (["sweep"], None)


# --- what is left ------------------------------------------------------------------------------


def test_left_counts_own_requests() -> None:
    """Requests in flight and answered ones count until they leave the windows."""
    budget = RequestBudget(per_minute=10, per_hour=100)
    slot = budget.start(0.0)
    assert budget.left(0.0) == (9, 99)
    budget.done(1.0, slot)
    assert budget.left(61.9) == (9, 99)
    assert budget.left(62.0) == (10, 99)
    assert budget.left(3602.0) == (10, 100)


def test_left_leaves_expired_requests_where_they_are() -> None:
    """Another thread may ask: nothing is removed from the windows."""
    budget = RequestBudget(per_minute=10, per_hour=100)
    budget.record(0.0)
    assert budget.left(1e6) == (10, 100)
    assert budget.left(0.0) == (9, 99)


def test_left_counts_others_and_a_lower_limit() -> None:
    """Others' requests and the limit in the headers count; it is never below 0."""
    budget = RequestBudget(per_minute=10, per_hour=100)
    budget.learn(0.0, RateLimitInfo(limit=50, remaining=20))
    assert budget.left(0.0)[1] == 20
    assert budget.left(3700.0)[1] == 50
    for _ in range(12):
        budget.record(3700.0)
    assert budget.left(3700.0)[0] == 0


def test_nothing_is_left_while_a_429_blocks() -> None:
    """After a 429, nothing is left until its pause is over."""
    budget = RequestBudget(per_minute=10, per_hour=100)
    budget.learn(0.0, RateLimitInfo(limited=True, retry_after=7.0))
    assert budget.left(6.9) == (0, 0)
    assert budget.left(7.0) == (10, 100)


def test_left_may_be_called_from_another_thread() -> None:
    """What is left can be read while requests come and go in the loop's thread."""
    budget, ended = RequestBudget(per_minute=10**6, per_hour=10**6), threading.Event()

    def read() -> int:
        counts = 0
        while not ended.is_set():
            assert budget.left(100.0)[1] > 0
            counts += 1
        return counts

    with ThreadPoolExecutor(1) as other:
        reading = other.submit(read)
        for at in range(20_000):
            budget.record(at * 0.01)
            budget.used(at * 0.01 + 3400.0)  # which removes the expired ones
        ended.set()
        assert reading.result() > 0
