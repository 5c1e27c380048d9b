"""How often one resource is asked about."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_async.core.schedule import PollPolicy, poll_interval

_policies = st.builds(
    PollPolicy, target_lag=st.floats(0.01, 100), max_interval=st.floats(0.01, 1000)
)


@given(policy=_policies, watched=st.integers(1, 10_000), rate=st.floats(0.001, 100))
def test_rate_and_target_lag_are_never_undercut(
    policy: PollPolicy, watched: int, rate: float
) -> None:
    """All watched together stay within the rate, and none is asked more often than the lag."""
    pause = poll_interval(policy, watched=watched, rate=rate)
    assert pause >= policy.target_lag
    assert watched / pause <= rate * (1 + 1e-9)


def test_without_a_budget_the_target_lag_paces() -> None:
    """An infinite rate leaves the policy alone."""
    assert poll_interval(PollPolicy(target_lag=5), watched=999, rate=math.inf) == 5.0


def test_failures_double_the_pause_up_to_max_interval() -> None:
    """A server in trouble is asked less and less, but never left for longer than a minute."""
    pauses = [
        poll_interval(PollPolicy(), watched=1, rate=math.inf, failures=n) for n in (0, 1, 2, 3, 4)
    ]
    assert pauses == [5, 10, 20, 40, 60]


def test_thousands_of_failures_are_no_overflow() -> None:
    """A provider that is down for days."""
    assert poll_interval(PollPolicy(), watched=1, rate=math.inf, failures=10**6) == 60.0


def test_budget_wins_over_max_interval() -> None:
    """Silence gets longer where the quota leaves no choice."""
    assert poll_interval(PollPolicy(), watched=100, rate=1.0) == 100.0


@pytest.mark.parametrize("bad", [{"target_lag": 0}, {"max_interval": -1}, {"confirm": "maybe"}])
def test_policy_that_makes_no_sense_is_refused(bad: dict[str, object]) -> None:
    """At construction, as a `ValueError`."""
    with pytest.raises(ValueError, match=next(iter(bad))):
        PollPolicy(**bad)  # type: ignore[arg-type]
