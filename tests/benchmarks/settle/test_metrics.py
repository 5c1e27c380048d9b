"""Tests of the metrics: delays, false successes, misses and window maxima."""

import math

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.settle.metrics import (
    Wait,
    blindness,
    judge,
    most_in,
    percentile,
    unseen,
    wait_figures,
)


def ended(outcome: str, at: float, proof_at: float | None, **more: float | bool) -> Wait:
    """Return a wait from second 0 for a change that the world ends at second 100."""
    settings = {"ends_at": 100.0, **more}
    return Wait("x", 0.0, returned_at=at, outcome=outcome, proof_at=proof_at, **settings)  # type: ignore[arg-type]


def test_late_by_ten_seconds() -> None:
    """A wait that returns ten seconds late has ten seconds of delay."""
    assert judge(ended("ok", 110, 101)).delay == 10


def test_settled_before_the_wait_began() -> None:
    """The delay of a settled change counts from the start of the wait."""
    assert (
        judge(Wait("x", 150, ends_at=100, returned_at=153, outcome="ok", proof_at=152)).delay == 3
    )


def test_read_from_before_the_settle_is_false() -> None:
    """A read from before the settle is a false success, even if it is received after it."""
    assert judge(ended("ok", 100.1, 99.999)).kind == "false"
    assert judge(ended("ok", 100.1, 100.0)).kind == "right"


def test_success_without_a_read_is_false() -> None:
    """A success without a read is false."""
    assert judge(ended("ok", 200, None)).kind == "false"


def test_success_of_a_failed_change_is_false() -> None:
    """A success of a failed change is false."""
    assert judge(ended("ok", 110, 105, ends_well=False)).kind == "false"


def test_delay_of_a_failure() -> None:
    """The delay of a failure counts from the failure of the change or the instance."""
    assert judge(ended("failed", 104, 103, ends_well=False)).delay == 4
    assert judge(ended("failed", 135, 134, fails_at=130.0)).delay == 5


def test_failure_reported_too_early_is_wrong() -> None:
    """A failure reported before it happened is wrong."""
    assert judge(ended("failed", 104, 103)).kind == "wrong"
    assert judge(ended("failed", 104, 103, fails_at=130.0)).kind == "wrong"


def test_timeouts() -> None:
    """A timeout is right for a stuck change, and a miss for a settled one."""
    assert judge(ended("timeout", 3600, 3599, ends_at=math.inf)).kind == "right"
    assert judge(ended("timeout", 3600, 3599)).kind == "missed"
    assert judge(ended("timeout", 50, 49)).kind == "right"


def test_open_wait_is_missed() -> None:
    """An open wait is missed, and an unexpected error is wrong."""
    assert judge(Wait("x", 0, ends_at=100)).kind == "missed"
    assert judge(ended("NotFoundError: gone", 5, 4)).kind == "wrong"


def test_figures_count_each_kind() -> None:
    """Delays are those of right results; other results are counted by kind."""
    waits = [ended("ok", 110, 105), ended("ok", 90, 80), ended("timeout", 3600, 3599)]
    figures = wait_figures([*waits, ended("timeout", 50, 49)])
    assert figures["p99"] == figures["mean"] == 10
    counts = [figures[name] for name in ("waits", "false", "missed", "wrong", "timeouts")]
    assert counts == [4, 1, 1, 0, 1]


def test_window_length() -> None:
    """Requests sixty seconds apart are not in one window of sixty seconds."""
    assert most_in([0.0, 60.0], 60.0) == 1
    assert most_in([0.0, 59.999], 60.0) == 2


@given(st.lists(st.integers(0, 300), max_size=60), st.integers(1, 100))
def test_busiest_window_is_found(times: list[int], span: int) -> None:
    """The busiest window equals the maximum over all windows that end with a request."""
    tried = [sum(end - span < t <= end for t in times) for end in times]
    assert most_in(map(float, times), span) == max(tried, default=0)


def test_percentiles_are_nearest_rank() -> None:
    """A percentile is a value that occurred."""
    hundred = [float(n) for n in range(1, 101)]
    assert [percentile(hundred, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert percentile([7.0], 0.99) == 7
    assert math.isnan(percentile([], 0.5))


def test_blindness_is_the_longest_gap() -> None:
    """Blindness counts from the start and to the end, without reads outside."""
    assert blindness([10, 15, 70, 500], 0, 100) == 55
    assert blindness([], 0, 100) == 100


def test_unseen_requests_of_others() -> None:
    """Requests of others are unseen until a response reports them."""
    others = [float(second) for second in range(-100, 200)]
    assert unseen([0.0], others, 0.15) == 60
    assert unseen([0.0, 0.1, 10.0], others[101:], 0.15) == 10
    assert unseen([], others, 0.15) == 0
