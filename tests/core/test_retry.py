"""Tests of when a request is retried."""

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


def retry_delay(error: DIError, *, repeatable: bool = True, attempt: int = 1) -> float | None:
    """Return the default policy's delay."""
    policy = RetryPolicy()
    return decide_retry(policy, error, attempt=attempt, repeatable=repeatable, random=0.5)


@pytest.mark.parametrize("error", [TransportError(), RequestTimeoutError(), ServerError()])
def test_ambiguous_failure_retries_only_repeatable_requests(error: DIError) -> None:
    """A POST is not retried after a reset, a timeout or a 5xx: it may have been processed."""
    assert retry_delay(error, repeatable=True) is not None
    assert retry_delay(error, repeatable=False) is None


@pytest.mark.parametrize("error", [ConnectError(), RateLimitError()])
def test_unprocessed_request_is_always_retried(error: DIError) -> None:
    """A POST is retried if it was never sent or answered 429."""
    assert retry_delay(error, repeatable=False) is not None


@pytest.mark.parametrize("error", [BadRequestError(), DecodeError(), OutcomeUnknownError()])
def test_final_failures_are_not_retried(error: DIError) -> None:
    """Final errors are not retried."""
    assert retry_delay(error) is None


@pytest.mark.parametrize(
    ("status", "repeated"), [(408, True), (425, True), (500, True), (501, False), (505, False)]
)
def test_status_decides_whether_to_retry(status: int, repeated: bool) -> None:
    """The status decides whether a retry can help; 501 and 505 are final."""
    assert (retry_delay(api_error(status, "")) is not None) is repeated


def test_attempts_count_all_sends() -> None:
    """Four attempts are one send and three retries; one attempt is never retried."""
    assert [retry_delay(ServerError(), attempt=n) is None for n in (1, 2, 3, 4, 5)] == [
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
    """A delay is at least half of its ceiling and never above `max_delay`."""
    policy = RetryPolicy(attempts=10_000, initial_delay=initial, max_delay=longest)
    ceiling = min(longest, initial * 2.0 ** min(attempt - 1, 60))
    assert ceiling / 2 <= policy.backoff(attempt, random) <= ceiling <= longest


def test_delays_double() -> None:
    """Delays double: 0.5, 1, 2, 4 s at the upper end of the jitter."""
    policy = RetryPolicy()
    assert [policy.backoff(n, 1.0) for n in (1, 2, 3, 4)] == [0.5, 1.0, 2.0, 4.0]


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_delay_of_the_server_wins(status: int) -> None:
    """The server's delay is kept, with a little jitter on top, whatever the status is."""
    delay = retry_delay(api_error(status, "", retry_after=7.0))
    assert delay is not None
    assert 7.0 <= delay <= 7.5


def test_delay_beyond_max_delay_is_not_retried() -> None:
    """A delay beyond `max_delay` raises the error with `.retry_after`."""
    assert retry_delay(RateLimitError(retry_after=30.0)) is not None
    assert retry_delay(RateLimitError(retry_after=30.1)) is None


def test_long_delay_of_a_server_error_is_not_kept() -> None:
    """Only a rate limit ends the call; another error is retried after the policy's own delay."""
    delay = retry_delay(ServerError(retry_after=30.1))
    assert delay is not None
    assert delay <= 0.5


@pytest.mark.parametrize("bad", [0, -1, math.nan])
@pytest.mark.parametrize("name", ["attempts", "initial_delay", "max_delay"])
def test_invalid_policy_is_rejected(name: str, bad: float) -> None:
    """An invalid policy raises `ValueError` at construction."""
    with pytest.raises(ValueError, match=name):
        RetryPolicy(**{name: bad})  # type: ignore[arg-type]
