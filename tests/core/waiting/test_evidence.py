"""The waiter's rules, one example each (docs/waiting.md)."""

from typing import Any

import pytest
from attrs import evolve

from di_async.core.waiting.evidence import (
    CREATE_GRACE_S,
    Decision,
    Evidence,
    Expired,
    Failed,
    Pending,
    Refused,
    Settled,
    Superseded,
    Vanished,
    decide,
    fold,
    judge,
)
from di_async.core.waiting.observation import (
    Action,
    Expectation,
    Observation,
    Phase,
    Read,
    ReadFailed,
    ReadFound,
    ReadMissing,
    ResourceVersion,
)
from tests.core.waiting.evidence_model import time

READY = Observation("active", Phase.READY)
WORKING = Observation("updating", Phase.WORKING)
BROKEN = Observation("error", Phase.FAILED, reason="no capacity")


def seen(at: float, observation: Observation = READY, **marks: Any) -> ReadFound:
    """A read that found this."""
    shown = evolve(observation, version=ResourceVersion(**marks)) if marks else observation
    return ReadFound(started_at=at, at=at + 0.1, observation=shown)


def missing(at: float) -> ReadMissing:
    """A read that answered 404."""
    return ReadMissing(started_at=at, at=at + 0.1, error="404")


def trouble(at: float, *, final: bool = False) -> ReadFailed:
    """A read that told nothing, or was refused."""
    return ReadFailed(started_at=at, at=at + 0.1, error="boom", refused=final)


def expectation(action: Action = Action.UPDATE, **fields: Any) -> Expectation:
    """A write accepted at 0 on something that was well."""
    was = Phase.READY if action is Action.UPDATE else None
    return Expectation(action=action, **{"accepted_at": 0.0, "before_phase": was, **fields})


@pytest.mark.parametrize(
    ("before", "then", "newest"),
    [
        ({}, {"spec_version": 2}, {"spec_version": 2}),
        ({"spec_version": 2, "updated_at": time(5)}, {"updated_at": time(9)}, (2, 9)),
        ({"spec_version": 2, "updated_at": time(5)}, {"spec_version": 3}, (3, 5)),
        ({"spec_version": 2, "updated_at": time(5)}, {}, (2, 5)),
        (
            {"spec_version": 2, "updated_at": time(5)},
            {"spec_version": 3, "updated_at": time(9)},
            (3, 9),
        ),
    ],
)
def test_what_a_light_row_does_not_show_is_not_forgotten(
    before: dict[str, Any], then: dict[str, Any], newest: Any
) -> None:
    """The newest version and stamp are known, whichever read has shown them."""
    evidence = fold(expectation(), Evidence(), seen(1.0, WORKING, **before))
    after = fold(expectation(), evidence, seen(2.0, WORKING, **then)).newest_version
    if isinstance(newest, tuple):
        newest = {"spec_version": newest[0], "updated_at": time(newest[1])}
    assert after == ResourceVersion(**newest)


def decision(about: Expectation, *reads: Read) -> Decision:
    """What these reads prove."""
    evidence = Evidence()
    for one in reads:
        evidence = fold(about, evidence, one)
    return judge(about, evidence)


# --- success -----------------------------------------------------------------------------------


def test_create_that_is_ready_and_complete_is_settled() -> None:
    """One read after the write is enough for a create."""
    assert decision(expectation(Action.CREATE), seen(1)) == Settled(
        "read after the write was accepted"
    )


def test_read_that_started_before_the_write_does_not_settle_a_create() -> None:
    """A late joiner's read was on its way before the write was accepted."""
    assert decision(expectation(Action.CREATE), seen(-0.1)) == Pending()


def test_ready_with_something_pending_is_not_settled() -> None:
    """The status says active while a deployment is still pending."""
    incomplete = evolve(READY, complete=False)
    assert decision(expectation(Action.CREATE), seen(1, incomplete)) == Pending()


def test_active_right_after_an_update_proves_nothing() -> None:
    """A stale replica answers active as well."""
    assert decision(expectation(), seen(1), seen(6)) == Pending()


def test_update_settles_after_a_transition() -> None:
    """It was seen at work since the write, and is ready now."""
    assert decision(expectation(), seen(1, WORKING), seen(6)) == Settled("a transition was seen")


def test_pending_spec_under_an_active_status_is_a_transition() -> None:
    """Active with a pending spec is neither the state before nor the one after."""
    told = decision(expectation(), seen(1, evolve(READY, complete=False)), seen(6))
    assert isinstance(told, Settled)


def test_recovery_from_error_is_a_transition() -> None:
    """It was broken before the write and is ready now."""
    assert isinstance(decision(expectation(before_phase=Phase.FAILED), seen(1)), Settled)


def test_work_seen_after_an_update_of_something_at_work_is_no_transition() -> None:
    """The state before looked just so, therefore it may be that one."""
    assert decision(expectation(before_phase=Phase.WORKING), seen(1, WORKING), seen(6)) == Pending()


def test_update_settles_when_updated_at_passed_the_baseline_without_a_middle_state() -> None:
    """A fast update is over between two polls; its timestamp tells."""
    about = expectation(baseline=time(0))
    assert decision(about, seen(5, updated_at=time(3))) == Settled("updated_at moved on")


def test_updated_at_equal_to_the_baseline_is_no_evidence() -> None:
    """Beyond the baseline means beyond."""
    assert decision(expectation(baseline=time(0)), seen(5, updated_at=time(0))) == Pending()


def test_without_baseline_the_state_before_is_what_updated_at_must_pass() -> None:
    """A write's answer with 1970 leaves the GET before it to compare with."""
    about = expectation(before=ResourceVersion(updated_at=time(-50)))
    assert decision(about, seen(5, updated_at=time(-50))) == Pending()
    assert isinstance(decision(about, seen(5, updated_at=time(4))), Settled)


def test_dates_from_before_the_write_are_never_outweighed() -> None:
    """Neither a transition nor repetition makes up for a timestamp older than the write."""
    about = expectation(baseline=time(0))
    reads = [seen(at, updated_at=time(-9)) for at in (1, 20, 40, 60)]
    assert decision(about, seen(0.5, WORKING), *reads) == Pending()


def test_update_settles_on_the_version_it_makes() -> None:
    """The version told by the write's answer is shown now."""
    about = expectation(before=ResourceVersion(spec_version=4), target_spec_version=5)
    assert decision(about, seen(1, spec_version=5)) == Settled("spec version 5")


@pytest.mark.parametrize("version", [3, 4])
def test_older_versions_never_settle_an_update(version: int) -> None:
    """Where versions are known, no repetition and no transition replaces ours."""
    about = expectation(before=ResourceVersion(spec_version=4), target_spec_version=5)
    reads = [seen(at, spec_version=version) for at in (2, 20, 40, 60)]
    assert decision(about, seen(1, WORKING), *reads) == Pending()


def test_version_in_a_pending_spec_becomes_the_one_to_wait_for() -> None:
    """The answer told no version, but a read since shows which one is under way."""
    about = expectation(before=ResourceVersion(spec_version=4))
    under_way = seen(1, WORKING, spec_version=4, pending_spec_version=5)
    assert decision(about, under_way, seen(5, spec_version=4)) == Pending()
    assert decision(about, under_way, seen(5, spec_version=5)) == Settled("spec version 5")


def test_version_that_advanced_is_evidence_without_a_told_one() -> None:
    """A version above the one before the write is ours or a later one."""
    assert decision(
        expectation(before=ResourceVersion(spec_version=4)), seen(1, spec_version=5)
    ) == Settled("spec version 5")


def test_spec_id_of_the_pending_spec_is_evidence() -> None:
    """An API without versions shows which spec runs by its id."""
    about = expectation(before=ResourceVersion(spec_id="old"), target_spec_id="new")
    assert decision(about, seen(1, spec_id="old")) == Pending()
    assert decision(about, seen(1, spec_id="new")) == Settled("spec id of this update")


def test_repetition_settles_where_the_api_shows_nothing_and_says_so() -> None:
    """Three agreeing reads over 30 s, and the evidence is flagged."""
    told = decision(expectation(), seen(1), seen(16), seen(31))
    assert told == Settled("repeated: 3 agreeing reads over 30 s")


def test_disagreeing_read_starts_the_repetition_anew() -> None:
    """Two agreeing, another, two agreeing are not three."""
    other = evolve(READY, version=ResourceVersion(spec_id="x"))
    assert (
        decision(expectation(), seen(1), seen(16), seen(20, other), seen(31), seen(46)) == Pending()
    )


def test_404_between_starts_the_repetition_anew() -> None:
    """Something that was away for a moment has not held still."""
    assert decision(expectation(), seen(1), seen(16), missing(20), seen(31)) == Pending()


def test_trouble_between_does_not_disturb_repetition() -> None:
    """A 503 says nothing about the resource."""
    assert isinstance(decision(expectation(), seen(1), trouble(8), seen(16), seen(31)), Settled)


def test_stale_read_between_is_left_out() -> None:
    """A read that shows an older state than the last one changes nothing."""
    about = expectation(baseline=time(0))
    fresh, stale = seen(9, WORKING, updated_at=time(5)), seen(12, updated_at=time(3))
    assert decision(about, fresh, stale) == Pending()


# --- failure -----------------------------------------------------------------------------------


def test_create_that_ends_in_error_failed_and_tells_why() -> None:
    """The provider's story is passed on."""
    assert decision(expectation(Action.CREATE), seen(1, BROKEN)) == Failed("no capacity")


def test_error_without_a_story_names_the_status() -> None:
    """Silence is told as what the status said."""
    silent = Observation("ERROR", Phase.FAILED)
    assert decision(expectation(Action.CREATE), seen(1, silent)) == Failed("its status is 'ERROR'")


def test_error_left_over_from_before_is_not_this_failure() -> None:
    """It was broken before the write and nothing shows that the write was tried."""
    assert decision(expectation(before_phase=Phase.FAILED), seen(1, BROKEN)) == Pending()


def test_error_after_a_transition_is_this_failure() -> None:
    """Broken, at work since the write, broken again."""
    about = expectation(before_phase=Phase.FAILED)
    assert isinstance(decision(about, seen(1, WORKING), seen(6, BROKEN)), Failed)


def test_error_of_something_that_was_well_is_this_failure() -> None:
    """Well before the write and broken after it."""
    assert isinstance(decision(expectation(), seen(1, BROKEN)), Failed)


def test_error_dated_before_the_write_is_not_this_failure() -> None:
    """A stale replica shows an older failure."""
    about = expectation(baseline=time(0))
    assert decision(about, seen(1, BROKEN, updated_at=time(-3))) == Pending()


def test_error_that_holds_still_is_this_failure() -> None:
    """Broken before and still broken half a minute of reads later."""
    about = expectation(before_phase=Phase.FAILED)
    reads = [seen(at, BROKEN) for at in (1, 16, 31)]
    assert isinstance(decision(about, *reads), Failed)


# --- others' changes ---------------------------------------------------------------------------


@pytest.mark.parametrize("action", [Action.CREATE, Action.UPDATE, Action.ACTIVE])
def test_deleting_supersedes(action: Action) -> None:
    """What is being deleted will never be active again."""
    told = decision(expectation(action), seen(1, Observation("deleting", Phase.DELETING)))
    assert told == Superseded("it is being deleted")


def test_newer_spec_that_is_not_ours_supersedes() -> None:
    """Somebody updated it after us."""
    about = expectation(before=ResourceVersion(spec_version=4), target_spec_version=5, sent="ours")
    theirs = evolve(READY, matches_sent=False)
    assert isinstance(decision(about, seen(1, theirs, spec_version=6)), Superseded)


def test_newer_version_with_our_spec_is_ours() -> None:
    """A version that moved twice but runs what was sent is as good."""
    about = expectation(before=ResourceVersion(spec_version=4), target_spec_version=5, sent="ours")
    ours = evolve(READY, matches_sent=True)
    assert isinstance(decision(about, seen(1, ours, spec_version=6)), Settled)


def test_another_spec_at_an_older_version_supersedes_nothing() -> None:
    """Before ours is in place another spec is shown, naturally."""
    about = expectation(before=ResourceVersion(spec_version=4), target_spec_version=5, sent="ours")
    old = evolve(READY, matches_sent=False)
    assert decision(about, seen(1, old, spec_version=4)) == Pending()


# --- 404 ---------------------------------------------------------------------------------------


def test_404_ends_a_delete() -> None:
    """Gone is what was wanted."""
    assert decision(expectation(Action.DELETE), missing(1)) == Settled("GET answered 404")


@pytest.mark.parametrize("phase", list(Phase))
def test_no_status_ends_a_delete(phase: Phase) -> None:
    """Not even an error: it still bills."""
    assert decision(expectation(Action.DELETE), seen(1, Observation("x", phase))) == Pending()


def test_404_after_create_is_within_grace() -> None:
    """A new object is not found everywhere at once."""
    assert (
        decision(expectation(Action.CREATE), missing(1), missing(CREATE_GRACE_S - 1)) == Pending()
    )


def test_two_404s_after_the_grace_are_a_vanished_create() -> None:
    """Never seen at all: it says so."""
    about = expectation(Action.CREATE)
    late = CREATE_GRACE_S + 1
    assert decision(about, missing(late)) == Pending()
    assert decision(about, missing(late), missing(late + 5)) == Vanished(never_seen=True)


def test_one_404_of_something_known_is_not_enough() -> None:
    """A single replica may have lost it for a moment."""
    about = expectation()
    assert decision(about, seen(1), missing(5)) == Pending()
    assert decision(about, seen(1), missing(5), seen(8), missing(9)) == Pending()
    assert decision(about, seen(1), missing(5), missing(9)) == Vanished(never_seen=False)


def test_one_404_of_an_unknown_id_ends_wait_until_active() -> None:
    """There is nothing of that id."""
    assert decision(expectation(Action.ACTIVE), missing(1)) == Vanished(never_seen=True)


def test_after_a_404_the_last_sight_counts_no_more() -> None:
    """What is missing now is not active now."""
    about = expectation(Action.CREATE)
    assert decision(about, missing(1)) == Pending()
    assert isinstance(decision(about, missing(1), seen(2)), Settled)


# --- refusals, troubles, predicates, time ------------------------------------------------------


def test_final_trouble_refuses_and_a_later_good_read_lifts_it() -> None:
    """A token restored in time lets the same change be waited for again."""
    about = expectation(Action.CREATE)
    assert decision(about, trouble(1, final=True)) == Refused("boom")
    assert isinstance(decision(about, trouble(1, final=True), seen(2)), Settled)


def test_passing_trouble_is_remembered_and_decides_nothing() -> None:
    """It becomes `.last_error`."""
    about, evidence = expectation(Action.CREATE), Evidence()
    evidence = fold(about, evidence, trouble(1))
    assert judge(about, evidence) == Pending()
    assert evidence.last_error == "boom"


@pytest.mark.parametrize("phase", list(Phase))
def test_no_status_ends_a_predicate_wait(phase: Phase) -> None:
    """Its caller judges, whatever the word."""
    assert decision(expectation(Action.PREDICATE), seen(1, Observation("x", phase))) == Pending()


def test_unknown_word_is_work_in_progress() -> None:
    """A word that nobody knows counts as a transition like any other work."""
    migrating = Observation("migrating", Phase.WORKING, documented=False)
    assert decision(expectation(), seen(1, migrating)) == Pending()
    assert isinstance(decision(expectation(), seen(1, migrating), seen(6)), Settled)


def test_read_in_flight_at_the_deadline_may_win() -> None:
    """It is pending until that read is in."""
    about = expectation(Action.CREATE)
    assert decide(about, Evidence(), now=10, deadline=10, in_flight=True) == Pending()
    assert decide(about, Evidence(), now=10, deadline=10) == Expired()
