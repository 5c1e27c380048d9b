"""Sliding rate-limit windows, to the millisecond."""

import pytest

from di_async.emulator.cloud.rate_limit import PeakWindow, RateLimiter, RateLimits


def admitted(limiter: RateLimiter, *moments: float) -> list[bool]:
    """Return which requests at these moments are admitted."""
    return [limiter.admit(moment).refused_by is None for moment in moments]


def test_minute_is_full_until_its_oldest_request_is_a_minute_old() -> None:
    """A slot becomes free exactly 60 s after the oldest request."""
    limiter = RateLimiter(RateLimits(per_minute=2))
    assert admitted(limiter, 0.0, 1.0, 59.999, 60.0, 60.999, 61.0) == [
        True, True, False, True, False, True,
    ]  # fmt: skip


def test_hour_is_full_until_its_oldest_request_is_an_hour_old() -> None:
    """The hour window slides likewise, and a refusal names it."""
    limiter = RateLimiter(RateLimits(per_minute=2, per_hour=3))
    assert admitted(limiter, 0.0, 1.0, 100.0) == [True, True, True]
    assert limiter.admit(3599.999).refused_by == "hour"
    assert limiter.admit(3600.0).refused_by is None


def test_retry_after_of_a_burst_is_exact() -> None:
    """A request after `retry_in` is admitted; a moment earlier it is not."""
    limiter = RateLimiter(RateLimits(per_minute=2))
    admitted(limiter, 0.0, 10.0)
    rate_limit_status = limiter.admit(20.5)
    assert rate_limit_status.retry_in == 39.5
    assert admitted(limiter, 59.999, 60.0) == [False, True]


def test_burst_refusal_shows_0_remaining_although_the_hour_has_room() -> None:
    """`ratelimit-remaining` is 0 on a burst refusal, as the vendor documents."""
    limiter = RateLimiter(RateLimits(per_minute=1))
    assert limiter.admit(0.0).remaining == 4999
    assert limiter.admit(1.0).remaining == 0


def test_reset_is_when_the_oldest_counted_request_expires() -> None:
    """`reset_at` is an hour after the oldest counted request."""
    limiter = RateLimiter(RateLimits())
    assert limiter.admit(5.0).reset_at == 3605.0
    assert limiter.admit(3604.0).reset_at == 3605.0
    assert limiter.admit(3605.0).reset_at == 3604.0 + 3600.0


@pytest.mark.parametrize(("counted", "last"), [(False, True), (True, False)])
def test_refused_requests_count_only_with_count_refused(counted: bool, last: bool) -> None:
    """By default a refusal does not count; with `count_refused` it does."""
    limiter = RateLimiter(RateLimits(per_minute=1, count_refused=counted))
    assert admitted(limiter, 0.0, 30.0, 60.0) == [True, False, last]


def test_retry_after_is_exact_when_refusals_count() -> None:
    """`retry_in` is exact, too, when refusals count."""
    limiter = RateLimiter(RateLimits(per_minute=1, count_refused=True))
    admitted(limiter, 0.0)
    assert limiter.admit(30.0).retry_in == 60.0


def test_unenforced_limits_count_and_never_refuse() -> None:
    """Without enforcement headers stay correct and remaining never is below zero."""
    limiter = RateLimiter(RateLimits(per_minute=1, per_hour=2, enforced=False))
    assert [limiter.admit(0.0).remaining for _ in range(4)] == [1, 0, 0, 0]
    assert limiter.admit(0.0).refused_by is None


def test_peak_window_is_found_wherever_it_lies() -> None:
    """The peak is the most requests of any 60 s, not of calendar minutes."""
    busiest = PeakWindow(60.0)
    for moment in (0.0, 50.0, 59.0, 61.0, 109.0, 200.0):
        busiest.add(moment)
    assert busiest.most == 4
