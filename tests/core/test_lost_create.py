"""Tests of how a lost create is decided from the resources of that name."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from msgspec.structs import replace

from di_async.core.lost_create import (
    Absent,
    Adopt,
    Ambiguous,
    Candidate,
    Foreign,
    ReadAgain,
    Uncertain,
    decide_lost_create,
    decide_retried_create,
)
from di_async.core.server_clock import CLOCK_SKEW_S, SERVER_SKEW_S, CallWindow

SINCE = datetime(2026, 5, 1, 12, tzinfo=UTC)
BEGAN = SINCE.timestamp()
LOCAL = CallWindow(BEGAN, BEGAN, BEGAN + 8)
"""A call that began at `SINCE` by this machine's clock."""
SERVER = CallWindow(BEGAN, BEGAN, BEGAN + 8, by_server=True)
DOUBT = CallWindow(BEGAN - 3600, BEGAN, BEGAN + 8, by_server=True)
"""The clocks disagree by an hour on when the call began."""


def found(id: str = "x", *, age: float | None = 1.0, matches_sent: bool = True) -> Candidate:
    """Return a candidate made `age` seconds after the call began."""
    stamp = None if age is None else SINCE + timedelta(seconds=age)
    return Candidate(id, stamp, matches_sent)


def test_no_candidate_is_absent() -> None:
    """No candidate means absent: it may still appear in a stale list."""
    assert decide_lost_create(iter(()), LOCAL) == Absent()


@pytest.mark.parametrize("age", [1.0, 0.0, -CLOCK_SKEW_S])
def test_recent_match_is_adopted(age: float) -> None:
    """A candidate made since the call, less two minutes of clock skew, is adopted."""
    assert decide_lost_create([found(age=age)], LOCAL) == Adopt("x")


def test_candidate_from_before_the_call_is_foreign() -> None:
    """A candidate from before the call is foreign, even with the same spec."""
    decision = decide_lost_create([found(age=-CLOCK_SKEW_S - 0.5)], LOCAL)
    assert isinstance(decision, Foreign)
    assert "before this call" in decision.reason


def test_the_servers_own_clock_is_more_exact() -> None:
    """By the server's clock half a minute decides; up to two minutes the age is uncertain."""
    assert decide_lost_create([found(age=-SERVER_SKEW_S)], SERVER) == Adopt("x")
    assert decide_lost_create([found(age=-SERVER_SKEW_S - 1)], SERVER) == Uncertain("x")


def test_disputed_age_is_uncertain() -> None:
    """Where the clocks disagree on when the call began, what lies between is uncertain."""
    assert decide_lost_create([found(age=-1800)], DOUBT) == Uncertain("x")
    assert decide_lost_create([found()], DOUBT) == Adopt("x")
    assert isinstance(decide_lost_create([found(age=-3800)], DOUBT), Foreign)


def test_stamp_in_the_future() -> None:
    """By this machine's clock a stamp in the future shows a wrong clock; the server's may lead."""
    assert decide_lost_create([found(age=300)], LOCAL) == Uncertain("x")
    assert decide_lost_create([found(age=300)], SERVER) == Adopt("x")


@pytest.mark.parametrize(
    "stamp",
    [
        None,
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2000, 1, 1, tzinfo=UTC),
        datetime.min.replace(tzinfo=UTC),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-12))),
    ],
)
@pytest.mark.parametrize("window", [LOCAL, SERVER])
def test_stamp_that_says_nothing(stamp: datetime | None, window: CallWindow) -> None:
    """A missing, placeholder or impossible stamp proves no age, so nothing is adopted."""
    assert decide_lost_create([Candidate("x", stamp, True)], window) == Uncertain("x")
    assert isinstance(decide_lost_create([Candidate("x", stamp, False)], window), Foreign)


def test_candidate_without_an_id_is_uncertain() -> None:
    """What has no id cannot be waited for."""
    assert decide_lost_create([found("")], LOCAL) == Uncertain("")


def test_candidate_with_another_spec_is_foreign() -> None:
    """A candidate with another spec is foreign, even if it is recent."""
    decision = decide_lost_create([found(matches_sent=False)], LOCAL)
    assert decision == Foreign("x", "its spec is not the one sent")


def test_match_is_found_among_others() -> None:
    """A match is found among foreign ones of the same name; an uncertain one goes before these."""
    others = [found("a", matches_sent=False), found("u", age=None), found("c", age=-86400)]
    assert decide_lost_create([*others, found("b")], LOCAL) == Adopt("b")
    assert decide_lost_create(others, LOCAL) == Uncertain("u")


# -- creates that are tried again by another call -----------------------------------------------

LATER = CallWindow(BEGAN, BEGAN, BEGAN + 600)
"""A retry, ten minutes after the first attempt."""
SOON = CallWindow(BEGAN, BEGAN, BEGAN + 20)


def leaving(id: str = "x") -> Candidate:
    """Return a candidate of the first attempt that is being deleted."""
    return replace(found(id), is_leaving=True)


def test_retry_adopts_only_under_a_unique_name() -> None:
    """What was made since the first attempt is adopted if its name is unique, else reported."""
    assert decide_retried_create([found(age=300)], LATER, unique_names=True) == Adopt("x")
    assert decide_retried_create([found(age=300)], LATER, unique_names=False) == Ambiguous(("x",))


def test_retry_reports_whatever_has_the_age() -> None:
    """Where names are not unique, the spec does not count, and an unknown age does not either."""
    rows = [found("a", matches_sent=False), found("b", age=None), found("c", age=-7200)]
    assert decide_retried_create(rows, LATER, unique_names=False) == Ambiguous(("a", "b"))


@pytest.mark.parametrize(
    ("since", "decision"), [(119.5, ReadAgain(0.5)), (120.0, Absent()), (121.0, Absent())]
)
def test_retry_reads_again_while_a_create_may_be_invisible(since: float, decision: object) -> None:
    """Within two minutes of the first attempt its resource may not be visible yet."""
    window = CallWindow(BEGAN, BEGAN, BEGAN + since)
    assert decide_retried_create([], window, unique_names=False) == decision


def test_retry_does_not_take_what_is_older_or_another() -> None:
    """Under a unique name the rules of a lost response hold."""
    for row in (found(age=-7200), found(matches_sent=False)):
        assert isinstance(decide_retried_create([row], LATER, unique_names=True), Foreign)
    assert decide_retried_create([found(age=None)], LATER, unique_names=True) == Uncertain("x")


def test_retry_does_not_adopt_what_is_being_deleted() -> None:
    """What is being deleted holds its unique name, and elsewhere it does not count."""
    foreign = Foreign("x", "it is being deleted")
    assert decide_retried_create([leaving()], LATER, unique_names=True) == foreign
    assert decide_retried_create([leaving()], LATER, unique_names=False) == Absent()


def test_absence_counts_where_the_api_guards_the_name() -> None:
    """A unique name may be created at once; elsewhere two minutes after the first attempt."""
    assert decide_retried_create([], SOON, unique_names=True) == Absent()
    assert decide_retried_create([], SOON, unique_names=False) == ReadAgain(100.0)
    assert decide_retried_create([], LATER, unique_names=False) == Absent()
