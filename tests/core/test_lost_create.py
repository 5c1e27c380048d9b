"""Tests of how a lost create is decided from the resources of that name."""

from datetime import UTC, datetime, timedelta

import pytest

from di_async.core.lost_create import (
    CLOCK_SKEW,
    Absent,
    Adopt,
    Candidate,
    Foreign,
    decide_lost_create,
)

SINCE = datetime(2026, 5, 1, 12, tzinfo=UTC)
BRIEF = timedelta(seconds=1)


def found(id: str = "x", *, age: timedelta | None = BRIEF, matches_sent: bool = True) -> Candidate:
    """Return a candidate made `age` after the call began."""
    return Candidate(id, None if age is None else SINCE + age, matches_sent)


def test_no_candidate_is_absent() -> None:
    """No candidate means absent: it may still appear in a stale list."""
    assert decide_lost_create([], SINCE) == Absent()


@pytest.mark.parametrize("age", [BRIEF, -CLOCK_SKEW, timedelta(0), None])
def test_recent_match_is_adopted(age: timedelta | None) -> None:
    """A candidate made since the call, less two minutes of clock skew, or undated, is adopted."""
    assert decide_lost_create([found(age=age)], SINCE) == Adopt("x")


def test_placeholder_date_is_ignored() -> None:
    """A date of 1970 is ignored."""
    fresh = Candidate("x", datetime(1970, 1, 1, tzinfo=UTC), matches_sent=True)
    assert decide_lost_create([fresh], SINCE) == Adopt("x")


def test_candidate_from_before_the_call_is_foreign() -> None:
    """A candidate from before the call is foreign, even with the same spec."""
    decision = decide_lost_create([found(age=-CLOCK_SKEW - BRIEF)], SINCE)
    assert isinstance(decision, Foreign)
    assert "before this call" in decision.reason


def test_candidate_with_another_spec_is_foreign() -> None:
    """A candidate with another spec is foreign, even if it is recent."""
    decision = decide_lost_create([found(matches_sent=False)], SINCE)
    assert decision == Foreign("x", "its spec is not the one sent")


def test_match_is_found_among_others() -> None:
    """A matching candidate is found among foreign ones of the same name."""
    others = [found("a", matches_sent=False), found("b"), found("c", age=-timedelta(days=1))]
    assert decide_lost_create(others, SINCE) == Adopt("b")
