"""Tests of the request budget, against a brute-force count of every window."""

import math
from bisect import bisect_right
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from di_async.core.errors import InvalidInputError
from di_async.core.http import Priority
from di_async.core.rate_limit import RateLimitInfo, RequestBudget

ALL = settings(max_examples=80, deadline=None)
PRIORITIES = st.sampled_from(Priority)


def most_within(stamps: list[float], span: float) -> int:
    """Return the most stamps in any half-open window of `span` seconds."""
    return max((bisect_right(stamps, s + span - 1e-6) - i for i, s in enumerate(stamps)), default=0)


def drive(budget: RequestBudget, wants: list[tuple[float, Priority]]) -> list[float]:
    """Send each request as soon as the budget permits; return the times."""
    now, sent = 0.0, []
    for gap, priority in wants:
        now += gap
        while (wait := budget.delay(now, priority)) > 0:
            now += wait
        budget.record(now)
        sent.append(now)
    return sent


_wants = st.lists(
    st.tuples(st.sampled_from([0.0, 0.0, 0.3, 7.0, 61.0, 1800.0]), PRIORITIES), max_size=70
)


@ALL
@given(per_minute=st.integers(1, 6), per_hour=st.integers(1, 12), wants=_wants)
def test_no_window_ever_holds_too_many(
    per_minute: int, per_hour: int, wants: list[tuple[float, Priority]]
) -> None:
    """No window of 60 s or 3600 s holds more than its limit, whatever the arrivals."""
    sent = drive(RequestBudget(per_minute, per_hour, reserve=0.2), wants)
    assert most_within(sent, 60.0) <= per_minute
    assert most_within(sent, 3600.0) <= per_hour


@ALL
@given(per_minute=st.integers(1, 6), wants=_wants)
def test_no_request_is_held_for_longer_than_needed(
    per_minute: int, wants: list[tuple[float, Priority]]
) -> None:
    """A held request is sent within a second of the provider's window having room."""
    budget, sent = RequestBudget(per_minute, 10_000, reserve=0.0), list[float]()
    now = 0.0
    for gap, _ in wants:
        now += gap
        wait = budget.delay(now, Priority.READ)
        free_at = sent[-per_minute] + 60.0 if len(sent) >= per_minute else now
        assert wait <= max(0.0, free_at - now) + 1.0 + 1e-6
        now += wait
        while budget.delay(now, Priority.READ) > 0:
            now = math.nextafter(now, math.inf)
        budget.record(now)
        sent.append(now)


@ALL
@given(
    steps=st.lists(
        st.tuples(st.sampled_from([0.0, 5.0, 20.0, 59.0]), st.booleans(), st.integers(0, 3)),
        max_size=40,
    )
)
def test_refund_frees_one_slot(
    steps: list[tuple[float, bool, int]],
) -> None:
    """A refund frees the slot of its own request, and no other."""
    budget, sent, now = RequestBudget(3, 10_000, reserve=0.0), list[float](), 0.0
    budget.learn(0.0, RateLimitInfo())
    for gap, refund, back in steps:
        now += gap
        if budget.delay(now, Priority.READ) > 0:
            continue
        slot = budget.start(now)
        if refund and back:
            budget.refund(slot)
        else:
            budget.done(now, slot)
            sent.append(now)
    assert most_within(sent, 60.0) <= 3
    assert budget.used(now)[1] == len([at for at in sent if at > now - 3601])


@pytest.mark.parametrize("polling", [Priority.SCHEDULED, Priority.CONFIRM])
def test_polling_never_takes_the_reserve(polling: Priority) -> None:
    """List reads and confirming GETs do not use the last tenth; the caller's requests do."""
    budget = RequestBudget(per_minute=10, per_hour=1000, reserve=0.1)
    for _ in range(9):
        assert budget.delay(0.0, polling) == 0
        budget.record(0.0)
    assert budget.delay(0.0, polling) > 0
    assert budget.delay(0.0, Priority.READ) == 0
    assert budget.delay(0.0, Priority.MUTATION) == 0


@pytest.mark.parametrize("arguments", [(0, 5), (5, 0), (5, 5, 1.0), (5, 5, -0.1)])
def test_budget_that_could_never_send_is_rejected(arguments: tuple[float, ...]) -> None:
    """A budget of zero requests, or one that is all reserve, raises `ValueError`."""
    with pytest.raises(InvalidInputError):
        RequestBudget(*arguments)  # type: ignore[arg-type]


def test_repr_names_its_settings() -> None:
    """The repr names the settings."""
    text = repr(RequestBudget(1, 2, 0.5))
    assert text == "RequestBudget(per_minute=1, per_hour=2, reserve=0.5)"


# --- the queue ---------------------------------------------------------------------------------


@ALL
@given(joins=st.lists(PRIORITIES, max_size=20), leaving=st.sets(st.integers(0, 19)))
def test_queue_is_served_by_priority_then_arrival(joins: list[Priority], leaving: set[int]) -> None:
    """The queue is served by priority, then arrival, without those that left."""
    budget = RequestBudget(1000, 1000, reserve=0)
    tickets = [(priority, number) for number, priority in enumerate(joins)]
    for ticket in tickets:
        budget.join(ticket[0], ticket)
    for number in leaving & set(range(len(tickets))):
        budget.leave(tickets[number][0], tickets[number])
    stayed = [t for t in tickets if t[1] not in leaving]
    budget.learn(0.0, RateLimitInfo())
    ready, wait = budget.release(0.0)
    assert ([ticket for ticket, _ in ready], wait) == (sorted(stayed), None)
    assert budget.used(0.0)[0] == len(stayed)


def test_ahead_counts_equal_and_higher_priorities() -> None:
    """A request waits behind those of equal or higher priority, and before lower ones."""
    budget = RequestBudget()
    for priority in (Priority.MUTATION, Priority.READ, Priority.READ, Priority.SCHEDULED):
        budget.join(priority, object())
    assert [budget.ahead(p) for p in Priority] == [1, 3, 3, 4]


def test_delay_counts_those_ahead() -> None:
    """The delay counts the requests ahead: the third on one slot a minute waits two windows."""
    budget = RequestBudget(per_minute=1, per_hour=1000)
    budget.record(0.0)
    waits = [budget.delay(0.0, Priority.READ, ahead=n) for n in range(3)]
    assert waits == [61.0, 122.0, 183.0]


def test_release_returns_when_to_try_again() -> None:
    """`release` returns when to try again: when the oldest request leaves a full window."""
    budget = RequestBudget(per_minute=1, per_hour=1000)
    budget.record(10.0)
    budget.join(Priority.READ, "me")
    assert budget.release(20.0) == ([], 51.0)
    ready, wait = budget.release(71.0)
    assert ([ticket for ticket, _ in ready], wait) == (["me"], None)


# --- response headers --------------------------------------------------------------------------


def test_requests_of_others_are_subtracted() -> None:
    """Requests of others are subtracted: 100 of 5,000 remaining permit no more than 100."""
    budget = RequestBudget(per_minute=250, per_hour=5000)
    budget.record(0.0)
    budget.learn(0.0, RateLimitInfo(limit=5000, remaining=100))
    sent = 0
    while budget.delay(0.0, Priority.READ) == 0:
        sent += 1
        budget.record(0.0)
    assert 50 <= sent <= 100


def test_quota_used_up_by_others_is_probed() -> None:
    """A quota used up by others is probed once every half minute."""
    budget = RequestBudget(per_minute=250, per_hour=5000)
    budget.record(0.0)
    budget.learn(0.0, RateLimitInfo(limit=5000, remaining=0))
    assert budget.delay(0.0, Priority.READ) == 30.0
    assert budget.delay(30.0, Priority.READ) == 0.0


@ALL
@given(remaining=st.integers(-10, 10_000), own=st.integers(1, 20))
def test_own_requests_are_not_counted_as_others(remaining: int, own: int) -> None:
    """More requests remaining than counted here means that others sent none, not fewer."""
    budget = RequestBudget(per_minute=1000, per_hour=5000, reserve=0)
    for _ in range(own):
        budget.record(0.0)
    budget.learn(0.0, RateLimitInfo(limit=5000, remaining=remaining))
    free = max(0, min(5000 - own, remaining))
    assert budget.remaining(0.0) <= max(free, 0.02 * 5000)
    assert (budget.delay(0.0, Priority.READ) == 0) == (free > 0)


def test_response_older_than_the_own_count_frees_no_slot() -> None:
    """A response older than the own count frees no slot."""
    budget = RequestBudget(per_minute=100, per_hour=5, reserve=0)
    for _ in range(3):
        budget.record(0.0)
    budget.learn(0.0, RateLimitInfo(limit=5, remaining=5))
    assert budget.delay(0.0, Priority.READ, ahead=1) == 0
    assert budget.delay(0.0, Priority.READ, ahead=2) > 3000


def test_responses_without_headers_change_nothing() -> None:
    """Responses without headers change nothing."""
    budget = RequestBudget()
    budget.record(0.0)
    budget.learn(0.0, RateLimitInfo(limit=5000, remaining=10))
    budget.learn(1.0, RateLimitInfo())
    assert budget.remaining(1.0) == 0.02 * 4500
    assert budget.delay(1.0, Priority.READ, ahead=9) == 0
    assert budget.delay(1.0, Priority.READ, ahead=10) > 0


def test_minute_429_blocks_for_retry_after() -> None:
    """`retry-after` blocks every priority for its duration."""
    budget = RequestBudget()
    budget.learn(100.0, RateLimitInfo(limited=True, retry_after=17.0, remaining=0, limit=5000))
    assert [budget.delay(100.0, p) for p in Priority] == [17.0] * 4
    assert budget.delay(117.0, Priority.SCHEDULED) == 0.0


def test_minute_429_does_not_change_the_hour() -> None:
    """A 429 of the minute does not change the count of the hour, in spite of `remaining: 0`."""
    budget = RequestBudget()
    budget.learn(0.0, RateLimitInfo(limited=True, retry_after=5.0, remaining=0, limit=5000))
    assert budget.delay(6.0, Priority.READ) == 0.0
    assert budget.remaining(6.0) == 4500


@pytest.mark.parametrize(("reset_in", "block"), [(12.0, 12.0), (42.0, 30.0), (3000.0, 30.0)])
def test_hourly_429_blocks_until_a_slot_may_be_free(reset_in: float, block: float) -> None:
    """A 429 of the hour blocks until its reset, or until an earlier probe."""
    budget = RequestBudget()
    budget.learn(0.0, RateLimitInfo(limited=True, remaining=0, limit=5000, reset_in=reset_in))
    assert [budget.delay(0.0, p) for p in Priority] == [block] * 4


def test_hourly_429s_in_a_row_double_the_pause() -> None:
    """429s of the hour in a row double the pause up to five minutes; one success resets it."""
    budget, now, blocks = RequestBudget(), 0.0, []
    for _ in range(6):
        budget.learn(now, RateLimitInfo(limited=True, remaining=0, reset_in=3600.0))
        blocks.append(budget.delay(now, Priority.SCHEDULED))
        now += blocks[-1]
    assert blocks == [30, 60, 120, 240, 300, 300]
    budget.learn(now, RateLimitInfo(limit=5000, remaining=4000))
    budget.learn(now, RateLimitInfo(limited=True, reset_in=3600.0))
    assert budget.delay(now, Priority.SCHEDULED) == 30


def test_concurrent_429s_count_once() -> None:
    """Thirty 429s to concurrent requests count as one."""
    budget = RequestBudget()
    for n in range(30):
        budget.learn(n / 100, RateLimitInfo(limited=True, reset_in=3600.0))
    assert budget.delay(0.3, Priority.SCHEDULED) <= 30


# --- other clients of the token -----------------------------------------------------------------


def test_requests_in_flight_are_not_counted_as_others() -> None:
    """Requests in flight are not counted as requests of others."""
    budget, at_provider = RequestBudget(), 0
    for n in range(100):
        budget.record(float(n))
        if n % 5 == 4:  # the answer to the first of five comes when all five are sent
            budget.learn(n + 0.5, RateLimitInfo(limit=5000, remaining=5000 - (at_provider + 1)))
            at_provider += 5
    assert budget.remaining(100.0) == 4500 - 100


def test_others_are_subtracted_from_what_sweeps_may_spend() -> None:
    """Polling plans with its share of what others left; headers that differ correct their count."""
    budget = RequestBudget()
    budget.record(0.0)
    budget.learn(0.0, RateLimitInfo(limit=5000, remaining=3999))
    assert budget.foreign == 1000
    left = budget.fair_share(0.0) * (4500 - 1000 - 1)
    assert budget.remaining(0.0) == pytest.approx(left)
    budget.record(1.0)
    budget.learn(1.0, RateLimitInfo(limit=5000, remaining=4998))
    assert budget.foreign == 0


def test_count_of_others_survives_responses_without_headers() -> None:
    """Responses without headers, or a burst 429, keep the count of others' requests."""
    budget = RequestBudget()
    budget.learn(0.0, RateLimitInfo(limit=5000, remaining=4000))
    for info in (
        RateLimitInfo(),
        RateLimitInfo(limited=True, retry_after=1.0, remaining=0, limit=5000),
    ):
        budget.learn(1.0, info)
        assert budget.foreign == 1000


def test_burst_of_others_reduces_the_minute() -> None:
    """Others' requests within the minute reduce its quota, and a little is left to them besides."""
    budget = RequestBudget(reserve=0.0)
    budget.learn(0.0, RateLimitInfo(limit=5000, remaining=5000))
    budget.learn(10.0, RateLimitInfo(limit=5000, remaining=4800))
    sent = 0
    while budget.delay(10.0, Priority.READ) == 0:
        budget.record(10.0)
        sent += 1
    assert sent == 40
    assert budget.delay(10.0, Priority.READ) <= 61


def test_burst_of_others_is_not_projected() -> None:
    """A burst of others is counted once, and half an hour later it reduces no share."""
    budget = RequestBudget()
    for now in range(0, 1800, 10):
        budget.learn(float(now), RateLimitInfo(limit=5000, remaining=4500 if now > 60 else 5000))
    assert budget.remaining(1790.0) == 4000


def test_two_budgets_share_a_token_by_its_headers() -> None:
    """Two budgets on one token stay within the hour together, by the response headers."""
    both, seen = (RequestBudget(reserve=0.0), RequestBudget(reserve=0.0)), list[float]()
    for now in range(2600):
        for budget in both:
            while budget.delay(float(now), Priority.READ) == 0 and len(seen) < 9000:
                seen.append(float(now))
                budget.record(float(now))
                budget.learn(
                    float(now), RateLimitInfo(limit=5000, remaining=max(0, 5000 - len(seen)))
                )
    assert 4990 <= len(seen) <= 5000 + 2 * 2600 / 30


# --- the polling quota --------------------------------------------------------------------------


def test_burst_leaves_the_reserve_of_the_minute() -> None:
    """The burst rate leaves the minute's reserve: nine tenths of 250 in 61 seconds."""
    assert RequestBudget().burst(0.0) == pytest.approx(225 / 61)


def test_remaining_stays_positive() -> None:
    """The remaining quota stays positive: an overdrawn hour slows polling, but does not stop it."""
    budget = RequestBudget()
    for _ in range(4800):
        budget.record(0.0)
    assert budget.remaining(0.0) == 0.02 * 4500


def test_polls_are_not_a_stream_of_writes() -> None:
    """Polls do not count as a stream of writes; writes and the caller's reads do."""
    for priority, stream in ((Priority.SCHEDULED, False), (Priority.MUTATION, True)):
        budget = RequestBudget()
        for now in range(0, 1800, 10):
            budget.record(float(now), priority)
        assert budget.steady(1795.0) is stream


def test_stream_of_writes_ends_after_a_lull() -> None:
    """A stream of writes ends after minutes without one."""
    budget = RequestBudget()
    for now in range(0, 1800, 10):
        budget.record(float(now), Priority.MUTATION)
    assert not budget.steady(1790.0 + 100)


@pytest.mark.parametrize(
    ("reset_in", "block"), [(None, 30.0), (-8.0, 30.0), (0.0, 30.0), (0.5, 1.0)]
)
def test_429_without_a_usable_date_blocks_for_a_while(reset_in: float | None, block: float) -> None:
    """A 429 without a usable date blocks for a limited time."""
    budget = RequestBudget()
    budget.learn(0.0, RateLimitInfo(limited=True, reset_in=reset_in))
    assert budget.delay(0.0, Priority.READ) == block


def test_absurd_waiting_time_is_tried_soon() -> None:
    """A waiting time beyond any window is a wrong clock's: a second, and twice that each time."""
    budget, now, blocks = RequestBudget(), 0.0, []
    for _ in range(4):
        budget.learn(now, RateLimitInfo(limited=True, absurd=True))
        blocks.append(budget.delay(now, Priority.READ))
        now += blocks[-1]
    assert blocks == [1, 2, 4, 8]


def test_later_429_never_shortens_an_earlier_block() -> None:
    """A later 429 does not shorten an earlier block."""
    budget = RequestBudget()
    budget.learn(0.0, RateLimitInfo(limited=True, retry_after=50.0))
    budget.learn(1.0, RateLimitInfo(limited=True, retry_after=2.0))
    assert budget.delay(1.0, Priority.READ) == 49.0


def test_block_does_not_hide_a_longer_wait_for_the_window() -> None:
    """The delay includes the window's wait beyond a block, so that a caller can refuse it."""
    budget = RequestBudget(per_minute=2, reserve=0)
    budget.record(0.0)
    budget.record(0.0)
    budget.learn(1.0, RateLimitInfo(limited=True, retry_after=1.0))
    assert budget.delay(1.0, Priority.READ) == 60.0


def test_lower_limit_of_the_provider_wins() -> None:
    """The provider's lower limit wins; a higher one does not raise the own limit."""
    low, high = RequestBudget(per_hour=5000, reserve=0), RequestBudget(per_hour=100, reserve=0)
    low.learn(0.0, RateLimitInfo(limit=3, remaining=3))
    high.learn(0.0, RateLimitInfo(limit=5000, remaining=5000))
    for budget, cap in ((low, 3), (high, 100)):
        for _ in range(cap):
            assert budget.delay(0.0, Priority.READ) == 0
            budget.record(0.0)
        assert budget.delay(0.0, Priority.READ) > 0


@ALL
@given(
    own=st.integers(0, 300),
    info=st.builds(
        RateLimitInfo,
        limited=st.booleans(),
        retry_after=st.none() | st.floats(-10, 4000),
        limit=st.none() | st.integers(-5, 10_000),
        remaining=st.none() | st.integers(-100, 10_000),
        reset_in=st.none() | st.floats(-4000, 4000),
    ),
    now=st.floats(0, 1e6),
)
def test_remaining_is_positive_and_delays_are_finite(
    own: int, info: RateLimitInfo, now: float
) -> None:
    """The remaining quota is positive and delays are finite, whatever was learned."""
    budget = RequestBudget()
    for _ in range(own):
        budget.record(0.0)
    budget.learn(0.0, info)
    assert 0 < budget.remaining(now) <= 4500
    assert all(0 <= budget.delay(now, p) <= 4001 for p in Priority)


def test_slot_is_taken_only_if_free() -> None:
    """`take` succeeds only with a free slot and nothing of equal or higher priority waiting."""
    budget = RequestBudget(per_minute=2)
    assert budget.take(0.0, Priority.READ)
    budget.join(Priority.SCHEDULED, "later")
    assert budget.take(1.0, Priority.READ)
    assert not budget.take(2.0, Priority.READ)
    assert budget.used(2.0) == (2, 2)
    budget.join(Priority.MUTATION, "first")
    assert not budget.take(70.0, Priority.READ)


@pytest.mark.parametrize("number", [0, -1, math.inf, math.nan, "5", None])
@pytest.mark.parametrize("name", ["per_minute", "per_hour"])
def test_budget_of_a_wrong_number_is_refused(name: str, number: Any) -> None:
    """A budget is a finite number of requests; anything else is refused when it is made."""
    with pytest.raises(InvalidInputError, match=name):
        RequestBudget(**{name: number})


@pytest.mark.parametrize("reserve", [1, -0.1, math.nan, "x"])
def test_reserve_that_is_not_a_share_is_refused(reserve: Any) -> None:
    """The reserve is a share below 1."""
    with pytest.raises(InvalidInputError, match="reserve"):
        RequestBudget(reserve=reserve)


# --- headers that cannot be right ----------------------------------------------------------------


@pytest.mark.parametrize("reset_in", [-1e9, -3600.0, -0.1, 0.0])
def test_reset_in_the_past_is_not_a_request_every_second(reset_in: float) -> None:
    """With a reset in the past, 429s in a row double the pause as without one."""
    budget, now, blocks = RequestBudget(), 0.0, []
    for _ in range(5):
        budget.learn(now, RateLimitInfo(limited=True, remaining=0, reset_in=reset_in))
        blocks.append(budget.delay(now, Priority.READ))
        now += blocks[-1]
    assert blocks == [30, 60, 120, 240, 300]


@pytest.mark.parametrize("retry_after", [3601.0, 1e12, math.inf, math.nan, -5.0, 0.0])
def test_retry_after_of_no_use(retry_after: float) -> None:
    """One of 0, or that no window explains, pauses for a second, then for twice as long."""
    budget, now, blocks = RequestBudget(), 0.0, []
    for _ in range(4):
        budget.learn(now, RateLimitInfo(limited=True, retry_after=retry_after))
        blocks.append(budget.delay(now, Priority.READ))
        now += blocks[-1]
    assert blocks == [1, 2, 4, 8]


@ALL
@given(
    infos=st.lists(
        st.builds(
            RateLimitInfo,
            limited=st.booleans(),
            retry_after=st.none() | st.floats(),
            limit=st.none() | st.integers(),
            remaining=st.none() | st.integers(),
            reset_in=st.none() | st.floats(),
        ),
        max_size=20,
    )
)
def test_no_hold_is_longer_than_an_hour(infos: list[RateLimitInfo]) -> None:
    """Whatever headers say, no hold of an idle budget is longer than an hour."""
    budget = RequestBudget()
    for number, info in enumerate(infos):
        budget.learn(float(number), info)
        assert all(0 <= budget.delay(float(number), p) <= 3600 for p in Priority)
        assert 0 < budget.remaining(float(number)) <= 4500
