"""Several budgets on one token, against a model of the provider's windows."""

import random
from collections import deque
from heapq import heappop, heappush
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from di_async.core.http import Priority
from di_async.core.rate_limit import RateLimitInfo, RequestBudget, Slot
from di_async.core.shared_token import OtherTraffic, fair_share, sendable


class Provider:
    """Counts requests exactly, refuses those over the minute, and shows the hour's count."""

    def __init__(self, per_minute: int, per_hour: int = 5000) -> None:
        self.per_minute, self.per_hour = per_minute, per_hour
        self.minute: deque[float] = deque()
        self.hour: deque[float] = deque()
        self.refused_at: list[float] = []
        self.most_in_minute = 0

    def answer(self, now: float) -> RateLimitInfo:
        for window, span in ((self.minute, 60.0), (self.hour, 3600.0)):
            while window and window[0] <= now - span:
                window.popleft()
        if len(self.minute) >= self.per_minute:
            self.refused_at.append(now)
            wait = self.minute[0] + 60.0 - now
            return RateLimitInfo(limited=True, retry_after=wait, remaining=0)
        self.minute.append(now)
        self.hour.append(now)
        self.most_in_minute = max(self.most_in_minute, len(self.minute))
        remaining = self.per_hour - len(self.hour)
        return RateLimitInfo(
            limit=self.per_hour, remaining=remaining, reset_in=self.hour[0] + 3600.0 - now
        )


def run(
    provider: Provider, wants: list[list[float]], latency: float, priority: Priority, seed: int
) -> list[list[float]]:
    """Send what each process wants at these times, as its budget allows; return when."""
    chance, turn = random.Random(seed), count()
    budgets = [RequestBudget(provider.per_minute, provider.per_hour) for _ in wants]
    sent: list[list[float]] = [[] for _ in wants]
    queue: list[tuple[float, int, str, int, Slot | None, RateLimitInfo | None]] = []
    for process, times in enumerate(wants):
        heappush(queue, (times[0], next(turn), "send", process, None, None))
    while queue:
        now, _, what, process, slot, info = heappop(queue)
        budget = budgets[process]
        if what == "send":
            slot = budget.take(now, priority)
            if slot is None:
                again = now + max(budget.delay(now, priority), 0.01)
                heappush(queue, (again, next(turn), "send", process, None, None))
                continue
            sent[process].append(now)
            if len(sent[process]) < len(wants[process]):
                due = max(now, wants[process][len(sent[process])])
                heappush(queue, (due, next(turn), "send", process, None, None))
            at = now + latency * chance.uniform(0.1, 0.5)
            heappush(queue, (at, next(turn), "arrive", process, slot, None))
        elif what == "arrive":
            at = now + latency * chance.uniform(0.1, 0.5)
            news = provider.answer(now)
            heappush(queue, (at, next(turn), "answer", process, slot, news))
        elif slot is not None and info is not None:
            budget.learn(now, info, slot)
            budget.done(now, slot)
    return sent


@settings(max_examples=25, deadline=None)
@given(
    demands=st.lists(
        st.lists(
            st.tuples(st.sampled_from([0.0, 0.2, 1.0, 3.0, 5.0]), st.integers(1, 100)),
            min_size=1,
            max_size=20,
        ),
        min_size=1,
        max_size=4,
    ),
    latency=st.sampled_from([0.02, 0.2, 1.0]),
    priority=st.sampled_from([Priority.READ, Priority.SCHEDULED]),
    seed=st.integers(0, 1000),
)
def test_minute_holds_for_processes_that_know_of_each_other(
    demands: list[list[tuple[float, int]]], latency: float, priority: Priority, seed: int
) -> None:
    """Up to four processes keep the provider's minute without a 429, in bursts of any size.

    Each has sent two requests before, so that the second response has shown it the others.
    """
    provider, wants = Provider(250, per_hour=20_000), list[list[float]]()
    for demand in demands:
        times, at = [0.0, 1.5], 4.0
        for gap, many in demand:
            at += gap
            times += [at] * many
        wants.append(times)
    run(provider, wants, latency, priority, seed)
    assert provider.refused_at == []
    assert provider.most_in_minute <= 250


@pytest.mark.parametrize("processes", [2, 3, 4])
@pytest.mark.parametrize("priority", [Priority.READ, Priority.SCHEDULED])
def test_greedy_processes_are_not_refused_after_the_first_minute(
    processes: int, priority: Priority
) -> None:
    """Processes that want far more than the token allows share it without a 429."""
    provider = Provider(60)
    wants = [[i / 2 for i in range(480)] for _ in range(processes)]
    sent = run(provider, wants, 0.1, priority, seed=1)
    first = [sum(at < 600 for at in times) for times in sent]
    assert [at for at in provider.refused_at if at > 60] == []
    assert provider.most_in_minute <= 60
    assert sum(first) >= 0.8 * 600 * (0.9 if priority is Priority.SCHEDULED else 1)
    assert max(first) <= 2.5 * min(first)


def test_a_quarter_of_what_is_free_is_sent_unseen() -> None:
    """Four processes that see the same free slots cannot exceed them, but for one request each."""
    assert sendable(100, fresh=True, known=True) == 25
    assert sendable(2, fresh=True, known=True) == 1
    assert sendable(0.5, fresh=True, known=True) == 0
    assert sendable(100, fresh=False, known=True) == 1
    assert sendable(100, fresh=False, known=False) == 25
    assert sendable(8, fresh=False, known=False) == 4


def taken_at_once(budget: RequestBudget, now: float) -> int:
    """Return how many requests the budget allows at one moment, up to 100."""
    return sum(budget.take(now, Priority.READ) is not None for _ in range(100))


@pytest.mark.parametrize(
    ("others", "at", "expected"),
    [(0, 1.0, 100), (0, 70.0, 63), (1, 1.0, 59), (1, 70.0, 1), (100, 1.0, 34), (100, 3.0, 1)],
)
def test_burst_beside_others(others: int, at: float, expected: int) -> None:
    """A burst is unlimited while no others are known, and one request after a long silence."""
    budget = RequestBudget(250)
    slot = budget.start(0.0)
    budget.learn(0.0, RateLimitInfo(limit=5000, remaining=4999 - others, reset_in=3600.0), slot)
    budget.done(0.0, slot)
    assert taken_at_once(budget, at) == expected


def test_others_that_ran_out_of_the_hour_may_go_on() -> None:
    """Where half of the hour is used up, others may go on, however long they are silent."""
    budget = RequestBudget(250)
    budget.record(0.0)
    budget.learn(0.0, RateLimitInfo(limit=5000, remaining=1999, reset_in=3600.0))
    budget.learn(2000.0, RateLimitInfo(limit=5000, remaining=1999, reset_in=1600.0))
    assert taken_at_once(budget, 2001.0) == 60


def test_request_is_unseen_by_others_for_three_seconds() -> None:
    """A response does not free the next part of a burst: others may act on older responses."""
    budget = RequestBudget(250)
    budget.record(0.0)
    budget.learn(0.0, RateLimitInfo(limit=5000, remaining=4899, reset_in=3600.0))
    slots = [slot for _ in range(100) if (slot := budget.take(1.0, Priority.READ))]
    for slot in slots:
        budget.done(1.1, slot)
    budget.learn(1.1, RateLimitInfo(limit=5000, remaining=4899 - len(slots), reset_in=3599.0))
    assert (len(slots), taken_at_once(budget, 2.0)) == (35, 0)
    assert taken_at_once(budget, 3.0) == 0
    budget.learn(4.0, RateLimitInfo(limit=5000, remaining=4899 - len(slots), reset_in=3596.0))
    assert taken_at_once(budget, 4.0) == 26


@given(own=st.floats(0, 1e4), others=st.floats(0, 1e4))
def test_share_is_a_part(own: float, others: float) -> None:
    """A share is between a fifth and all; all without others."""
    share = fair_share(own, others)
    assert 0.2 <= share <= 1
    assert others >= 1 or share == 1


@pytest.mark.parametrize("start", [(0.9, 0.1), (0.5, 0.3, 0.1, 0.1), (1.0, 0.0)])
def test_shares_become_equal(start: tuple[float, ...]) -> None:
    """Processes that use their shares soon have equal ones, and not too much in all."""
    uses = [100 * share for share in start]
    for _ in range(20):
        total = sum(uses)
        uses = [100 * fair_share(use, total - use) for use in uses]
    assert max(uses) <= 1.1 * min(uses)
    assert 100 <= sum(uses) <= 130


def test_requests_in_flight_are_not_trusted_to_be_counted() -> None:
    """Own requests in flight may not be in the token's count: then others sent more."""
    others = OtherTraffic()
    others.observe(0.0, at_least=10, at_most=25, oldest_age=0.0)
    assert (others.total, others.expected_within(0.0, 60.0)) == (10, 25)
    others.observe(1.0, at_least=10, at_most=10, oldest_age=0.0)
    assert others.expected_within(1.0, 60.0) == pytest.approx(10, abs=0.1)


def test_lull_counts_as_just_now() -> None:
    """What others sent while this process was silent for a minute may have been sent just now."""
    others = OtherTraffic()
    others.observe(0.0, 0, 0, 0.0)
    others.observe(100.0, 40, 40, 100.0)
    assert others.expected_within(100.0, 60.0) == 40
    others.observe(3700.0, 3640, 3640, 3600.0)
    assert 120 <= others.expected_within(3700.0, 60.0) <= 250


@given(
    counts=st.lists(
        st.tuples(st.floats(0, 4000), st.integers(-50, 6000), st.integers(0, 60)), max_size=30
    )
)
def test_others_are_bounded_by_what_was_seen(counts: list[tuple[float, int, int]]) -> None:
    """The count of others lies within the bounds of the newest response, and below 0 never."""
    others, now = OtherTraffic(), 0.0
    for gap, at_least, unsure in counts:
        now += gap
        others.observe(now, at_least, at_least + unsure, 3600.0)
        assert max(0, at_least) <= others.total <= max(0, at_least + unsure)
        assert others.expected_within(now, 3600.0) >= 0


def test_reset_that_is_no_number_is_ignored() -> None:
    """A reset that is not a number counts as none: the token's requests may be an hour old."""
    budget = RequestBudget()
    budget.learn(0.0, RateLimitInfo(limit=5000, remaining=4000, reset_in=float("nan")))
    assert budget.foreign == 1000
