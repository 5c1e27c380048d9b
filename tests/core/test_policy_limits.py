"""Tests of the policies' defaults and limits, and of the dates that decide a lost create."""

from datetime import UTC, datetime, timedelta

import pytest

from di_async.core.lost_create import Absent, Adopt, Candidate, Foreign, decide_lost_create
from di_async.core.retry import RetryPolicy
from di_async.core.waiting.poll_policy import PollPolicy

SINCE = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_poll_policy_defaults() -> None:
    """The defaults of `PollPolicy` are as documented: 5 s lag, 60 s at most between reads."""
    policy = PollPolicy()
    assert (policy.target_lag, policy.max_interval, policy.confirm) == (5.0, 60.0, "auto")


def test_retry_policy_defaults() -> None:
    """The defaults of `RetryPolicy` are as documented: four sends, 0.5 s to 30 s."""
    policy = RetryPolicy()
    assert (policy.attempts, policy.initial_delay, policy.max_delay) == (4, 0.5, 30.0)


def test_short_intervals_are_allowed() -> None:
    """Any interval above zero is accepted."""
    assert PollPolicy(target_lag=0.01, max_interval=0.5).target_lag == 0.01
    assert RetryPolicy(initial_delay=0.01, max_delay=0.5).initial_delay == 0.01
    with pytest.raises(ValueError, match="above 0"):
        PollPolicy(max_interval=0.0)
    with pytest.raises(ValueError, match="above 0"):
        RetryPolicy(max_delay=0.0)


@pytest.mark.parametrize(("early", "ours"), [(120.0, True), (120.5, False), (119.5, True)])
def test_clock_skew_is_two_minutes(early: float, ours: bool) -> None:
    """A resource up to two minutes older than the call may be its result."""
    found = Candidate("x", SINCE - timedelta(seconds=early), matches_sent=True)
    assert isinstance(decide_lost_create([found], SINCE), Adopt if ours else Foreign)


@pytest.mark.parametrize(
    ("stamp", "ours"),
    [
        (datetime(1999, 12, 31, tzinfo=UTC), True),
        (datetime(2000, 1, 1, tzinfo=UTC), True),
        (datetime(2000, 1, 1, 1, tzinfo=UTC), False),
        (datetime(2000, 1, 15, tzinfo=UTC), False),
        (datetime(2000, 6, 1, tzinfo=UTC), False),
    ],
)
def test_dates_up_to_2000_are_placeholders(stamp: datetime, ours: bool) -> None:
    """Dates up to 2000 are placeholders; a later date before the call makes a resource foreign."""
    found = Candidate("x", stamp, matches_sent=True)
    assert isinstance(decide_lost_create([found], SINCE), Adopt if ours else Foreign)


def test_nothing_found_is_absent_not_foreign() -> None:
    """An empty lookup is absent, not foreign."""
    assert decide_lost_create(iter(()), SINCE) == Absent()
