"""When a request may be sent again."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_async.core.errors import (
    BadRequestError,
    ConnectError,
    DecodeError,
    DIError,
    OutcomeUnknownError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    TransportError,
    api_error,
)
from di_async.core.retry import RetryPolicy, decide_retry


def again(error: DIError, *, repeatable: bool = True, attempt: int = 1) -> float | None:
    """The default policy's decision."""
    policy = RetryPolicy()
    return decide_retry(policy, error, attempt=attempt, repeatable=repeatable, random=0.5)


@pytest.mark.parametrize("error", [TransportError(), RequestTimeoutError(), ServerError()])
def test_ambiguous_failure_repeats_only_what_is_repeatable(error: DIError) -> None:
    """After a reset, a timeout or a 5xx a POST may have happened."""
    assert again(error, repeatable=True) is not None
    assert again(error, repeatable=False) is None


@pytest.mark.parametrize("error", [ConnectError(), RateLimitError()])
def test_what_was_surely_not_processed_is_always_repeated(error: DIError) -> None:
    """Never sent, or answered 429: even a POST may go again."""
    assert again(error, repeatable=False) is not None


@pytest.mark.parametrize("error", [BadRequestError(), DecodeError(), OutcomeUnknownError()])
def test_final_failures_are_not_repeated(error: DIError) -> None:
    """Asking again would bring the same."""
    assert again(error) is None


@pytest.mark.parametrize(
    ("status", "repeated"), [(408, True), (425, True), (500, True), (501, False), (505, False)]
)
def test_status_tells_whether_repeating_helps(status: int, repeated: bool) -> None:
    """A server that lacks the feature will not have it half a second later."""
    assert (again(api_error(status, "")) is not None) is repeated


def test_attempts_count_all_sends() -> None:
    """Four attempts are one send and three repeats; one attempt never repeats."""
    assert [again(ServerError(), attempt=n) is None for n in (1, 2, 3, 4, 5)] == [
        False,
        False,
        False,
        True,
        True,
    ]
    once = RetryPolicy(attempts=1)
    assert decide_retry(once, ServerError(), attempt=1, repeatable=True, random=0) is None


@given(
    attempt=st.integers(1, 5000),
    random=st.floats(0, 1, exclude_max=True),
    initial=st.floats(0.001, 1e3),
    longest=st.floats(0.001, 1e3),
)
def test_backoff_grows_to_its_cap_and_no_further(
    attempt: int, random: float, initial: float, longest: float
) -> None:
    """At least half of the ceiling, never over `max_delay`, however many attempts."""
    policy = RetryPolicy(attempts=10_000, initial_delay=initial, max_delay=longest)
    ceiling = min(longest, initial * 2.0 ** min(attempt - 1, 60))
    assert ceiling / 2 <= policy.backoff(attempt, random) <= ceiling <= longest


def test_delays_double() -> None:
    """0.5, 1, 2, 4 s at the upper end of the jitter."""
    policy = RetryPolicy()
    assert [policy.backoff(n, 1.0) for n in (1, 2, 3, 4)] == [0.5, 1.0, 2.0, 4.0]


def test_delay_told_by_the_server_wins() -> None:
    """Not sooner than told, with a little jitter on top."""
    delay = again(RateLimitError(retry_after=7.0))
    assert delay is not None
    assert 7.0 <= delay <= 7.5


def test_delay_beyond_the_longest_gives_up() -> None:
    """It is raised with `.retry_after` instead of blocking."""
    assert again(RateLimitError(retry_after=30.0)) is not None
    assert again(RateLimitError(retry_after=30.1)) is None


@pytest.mark.parametrize("bad", [0, -1, math.nan])
@pytest.mark.parametrize("name", ["attempts", "initial_delay", "max_delay"])
def test_policy_that_makes_no_sense_is_refused(name: str, bad: float) -> None:
    """At construction, as a `ValueError`."""
    with pytest.raises(ValueError, match=name):
        RetryPolicy(**{name: bad})  # type: ignore[arg-type]
