"""The judge: delays, false successes, misses, window maxima."""

import math

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.settle.metrics import (
    Wait,
    blindness,
    judged,
    most_in,
    percentile,
    unseen,
    wait_figures,
)


def ended(outcome: str, at: float, proof_at: float | None, **more: float | bool) -> Wait:
    """A wait from second 0 for a change that the world ends at second 100."""
    settings = {"ends_at": 100.0, **more}
    return Wait("x", 0.0, returned_at=at, outcome=outcome, proof_at=proof_at, **settings)  # type: ignore[arg-type]


def test_late_by_ten_seconds() -> None:
    """Ten seconds late is ten seconds of delay."""
    assert judged(ended("ok", 110, 101)).delay == 10


def test_settled_before_the_wait_began() -> None:
    """What was settled already counts from when somebody began to wait."""
    assert (
        judged(Wait("x", 150, ends_at=100, returned_at=153, outcome="ok", proof_at=152)).delay == 3
    )


def test_a_proof_from_before_the_settle_is_false() -> None:
    """It does not matter that the world was settled by the time the answer came back."""
    assert judged(ended("ok", 100.1, 99.999)).word == "false"
    assert judged(ended("ok", 100.1, 100.0)).word == "right"


def test_success_without_a_read_is_false() -> None:
    """Nobody can know without looking."""
    assert judged(ended("ok", 200, None)).word == "false"


def test_success_of_what_failed_is_false() -> None:
    """A change that ended badly never is a success."""
    assert judged(ended("ok", 110, 105, ends_well=False)).word == "false"


def test_a_failure_counts_from_when_it_happened() -> None:
    """Of the change itself, or of the instance later."""
    assert judged(ended("failed", 104, 103, ends_well=False)).delay == 4
    assert judged(ended("failed", 135, 134, fails_at=130.0)).delay == 5


def test_a_failure_told_of_what_is_well_is_wrong() -> None:
    """Also when it will fail later: it had not when it was read."""
    assert judged(ended("failed", 104, 103)).word == "wrong"
    assert judged(ended("failed", 104, 103, fails_at=130.0)).word == "wrong"


def test_only_what_never_ends_may_time_out() -> None:
    """A timeout is right for what is stuck, a miss for what was settled."""
    assert judged(ended("timeout", 3600, 3599, ends_at=math.inf)).word == "right"
    assert judged(ended("timeout", 3600, 3599)).word == "missed"
    assert judged(ended("timeout", 50, 49)).word == "right"


def test_what_never_came_back_is_missed() -> None:
    """An open wait is no right one."""
    assert judged(Wait("x", 0, ends_at=100)).word == "missed"
    assert judged(ended("NotFoundError: gone", 5, 4)).word == "wrong"


def test_figures_count_each_kind() -> None:
    """Delays of the right ones; the others by kind."""
    waits = [ended("ok", 110, 105), ended("ok", 90, 80), ended("timeout", 3600, 3599)]
    figures = wait_figures([*waits, ended("timeout", 50, 49)])
    assert figures["p99"] == figures["mean"] == 10
    counts = [figures[name] for name in ("waits", "false", "missed", "wrong", "timeouts")]
    assert counts == [4, 1, 1, 0, 1]


def test_a_window_is_as_long_as_it_says() -> None:
    """Sixty seconds apart is not within sixty seconds; a millisecond less is."""
    assert most_in([0.0, 60.0], 60.0) == 1
    assert most_in([0.0, 59.999], 60.0) == 2


@given(st.lists(st.integers(0, 300), max_size=60), st.integers(1, 100))
def test_busiest_window_is_found(times: list[int], span: int) -> None:
    """The same as trying every window that ends with a request."""
    tried = [sum(end - span < t <= end for t in times) for end in times]
    assert most_in(map(float, times), span) == max(tried, default=0)


def test_percentiles_are_nearest_rank() -> None:
    """A value that occurred, never one between two."""
    hundred = [float(n) for n in range(1, 101)]
    assert [percentile(hundred, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert percentile([7.0], 0.99) == 7
    assert math.isnan(percentile([], 0.5))


def test_blindness_is_the_longest_gap() -> None:
    """Beginning and end count as looks; what lies outside does not count."""
    assert blindness([10, 15, 70, 500], 0, 100) == 55
    assert blindness([], 0, 100) == 100


def test_what_others_send_is_unseen_until_an_answer_tells() -> None:
    """Before the first answer all of the last minute; later what came since the last answer's."""
    others = [float(second) for second in range(-100, 200)]
    assert unseen([0.0], others, 0.15) == 60
    assert unseen([0.0, 0.1, 10.0], others[101:], 0.15) == 10
    assert unseen([], others, 0.15) == 0
