"""What is found under a lost create's name is ours, somebody's, or nobody's."""

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
    """Something of that name, made `age` after the call began."""
    return Candidate(id, None if age is None else SINCE + age, matches_sent)


def test_nothing_of_that_name_is_absent() -> None:
    """It may still appear: lists lag."""
    assert decide_lost_create([], SINCE) == Absent()


@pytest.mark.parametrize("age", [BRIEF, -CLOCK_SKEW, timedelta(0), None])
def test_young_and_matches_sent_is_ours(age: timedelta | None) -> None:
    """Created since the call began, less two minutes of clock skew, or not dated."""
    assert decide_lost_create([found(age=age)], SINCE) == Adopt("x")


def test_placeholder_date_is_no_date() -> None:
    """1970 means "not yet"."""
    fresh = Candidate("x", datetime(1970, 1, 1, tzinfo=UTC), matches_sent=True)
    assert decide_lost_create([fresh], SINCE) == Adopt("x")


def test_older_than_the_call_is_somebodys() -> None:
    """Even with the very same spec."""
    told = decide_lost_create([found(age=-CLOCK_SKEW - BRIEF)], SINCE)
    assert isinstance(told, Foreign)
    assert "before this call" in told.reason


def test_other_spec_is_somebodys() -> None:
    """Even if it is young enough."""
    told = decide_lost_create([found(matches_sent=False)], SINCE)
    assert told == Foreign("x", "its spec is not the one sent")


def test_ours_is_found_among_others() -> None:
    """Whatever else bears the name."""
    others = [found("a", matches_sent=False), found("b"), found("c", age=-timedelta(days=1))]
    assert decide_lost_create(others, SINCE) == Adopt("b")
