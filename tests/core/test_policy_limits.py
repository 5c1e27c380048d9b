"""Tests of the policies' defaults and limits."""

import pytest

from di_async.core.retry import RetryPolicy
from di_async.core.waiting.poll_policy import PollPolicy


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
    with pytest.raises(ValueError, match="more than 0"):
        PollPolicy(max_interval=0.0)
    with pytest.raises(ValueError, match="more than 0"):
        RetryPolicy(max_delay=0.0)
