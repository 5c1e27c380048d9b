"""Tests of the waiter's rules, one example each (docs/waiting.md)."""

from typing import Any

import pytest
from attrs import evolve
from msgspec.structs import replace

from di_async.core.waiting.evidence import (
    CREATE_GRACE_S,
    Decision,
    Evidence,
    Failed,
    OwnDelete,
    Pending,
    Refused,
    Settled,
    Superseded,
    Vanished,
    fold,
    fold_own_delete,
    judge,
)
from di_async.core.waiting.observation import (
    Action,
    Expectation,
    Observation,
    Phase,
    Read,
    ResourceVersion,
)
from tests.core.waiting.evidence_model import (
    BROKEN,
    READY,
    WORKING,
    decision,
    failed,
    missing,
    seen,
    time,
)


def expectation(action: Action = Action.UPDATE, **fields: Any) -> Expectation:
    """Return the expectation of a write accepted at 0 on a healthy resource."""
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
def test_version_is_kept_after_a_light_row(
    before: dict[str, Any], then: dict[str, Any], newest: Any
) -> None:
    """Version and `updated_at` are kept when a later row does not show them."""
    evidence = fold(expectation(), Evidence(), seen(1.0, WORKING, **before))
    after = fold(expectation(), evidence, seen(2.0, WORKING, **then)).newest_version
    if isinstance(newest, tuple):
        newest = {"spec_version": newest[0], "updated_at": time(newest[1])}
    assert after == ResourceVersion(**newest)


# --- success -----------------------------------------------------------------------------------


def test_create_that_is_ready_and_complete_is_settled() -> None:
    """One read of a ready and complete resource settles a create."""
    assert decision(expectation(Action.CREATE), seen(1)) == Settled(
        "read after the write was accepted"
    )


def test_read_that_started_before_the_write_does_not_settle_a_create() -> None:
    """A read that started before the write does not settle a create."""
    assert decision(expectation(Action.CREATE), seen(-0.1)) == Pending()


def test_ready_with_a_pending_spec_is_not_settled() -> None:
    """A ready status with a pending deployment does not settle."""
    incomplete = evolve(READY, complete=False)
    assert decision(expectation(Action.CREATE), seen(1, incomplete)) == Pending()


def test_active_right_after_an_update_proves_nothing() -> None:
    """Active right after an update proves nothing: a stale replica shows it too."""
    assert decision(expectation(), seen(1), seen(6)) == Pending()


def test_update_settles_after_a_transition() -> None:
    """An update settles when work was seen since the write and it is ready now."""
    assert decision(expectation(), seen(1, WORKING), seen(6)) == Settled("a transition was seen")


def test_pending_spec_under_an_active_status_is_a_transition() -> None:
    """Active with a pending spec is a transition."""
    result = decision(expectation(), seen(1, evolve(READY, complete=False)), seen(6))
    assert isinstance(result, Settled)


def test_recovery_from_error_is_a_transition() -> None:
    """Ready after an error from before the write is a transition."""
    assert isinstance(decision(expectation(before_phase=Phase.FAILED), seen(1)), Settled)


def test_work_from_before_the_update_is_not_a_transition() -> None:
    """Work seen after the write is not a transition if work was seen before it."""
    assert decision(expectation(before_phase=Phase.WORKING), seen(1, WORKING), seen(6)) == Pending()


def test_update_settles_on_updated_at_past_the_baseline() -> None:
    """An update settles on an `updated_at` later than the baseline, without other states."""
    about = expectation(baseline=time(0))
    assert decision(about, seen(5, updated_at=time(3))) == Settled("updated_at moved on")


def test_updated_at_equal_to_the_baseline_proves_nothing() -> None:
    """An `updated_at` equal to the baseline proves nothing."""
    assert decision(expectation(baseline=time(0)), seen(5, updated_at=time(0))) == Pending()


def test_updated_at_without_a_baseline() -> None:
    """Without a baseline, `updated_at` must be later than before the write."""
    about = expectation(before=ResourceVersion(updated_at=time(-50)))
    assert decision(about, seen(5, updated_at=time(-50))) == Pending()
    assert isinstance(decision(about, seen(5, updated_at=time(4))), Settled)


def test_dates_from_before_the_write_are_never_outweighed() -> None:
    """Neither a transition nor equal reads outweigh a date from before the write."""
    about = expectation(baseline=time(0))
    reads = [seen(at, updated_at=time(-9)) for at in (1, 20, 40, 60)]
    assert decision(about, seen(0.5, WORKING), *reads) == Pending()


def test_update_settles_on_its_version() -> None:
    """An update settles on the version named in the response to the write."""
    about = expectation(before=ResourceVersion(spec_version=4), target_spec_version=5)
    assert decision(about, seen(1, spec_version=5)) == Settled("spec version 5")


@pytest.mark.parametrize("version", [3, 4])
def test_older_versions_never_settle_an_update(version: int) -> None:
    """Neither equal reads nor a transition settle an update on an older version."""
    about = expectation(before=ResourceVersion(spec_version=4), target_spec_version=5)
    reads = [seen(at, spec_version=version) for at in (2, 20, 40, 60)]
    assert decision(about, seen(1, WORKING), *reads) == Pending()


def test_version_of_the_pending_spec_is_expected() -> None:
    """The version of a pending spec becomes the expected one if the response had none."""
    about = expectation(before=ResourceVersion(spec_version=4))
    under_way = seen(1, WORKING, spec_version=4, pending_spec_version=5)
    assert decision(about, under_way, seen(5, spec_version=4)) == Pending()
    assert decision(about, under_way, seen(5, spec_version=5)) == Settled("spec version 5")


def test_newer_version_settles_without_an_expected_one() -> None:
    """A version above the one before the write settles an update without an expected version."""
    assert decision(
        expectation(before=ResourceVersion(spec_version=4)), seen(1, spec_version=5)
    ) == Settled("spec version 5")


def test_spec_id_of_the_pending_spec_settles() -> None:
    """The id of the pending spec settles an update where no versions are shown."""
    about = expectation(before=ResourceVersion(spec_id="old"), target_spec_id="new")
    assert decision(about, seen(1, spec_id="old")) == Pending()
    assert decision(about, seen(1, spec_id="new")) == Settled("spec id of this update")


def test_agreeing_reads_settle_where_the_api_shows_nothing() -> None:
    """Three agreeing reads over 30 s settle where nothing else is shown; the note says so."""
    result = decision(expectation(), seen(1), seen(16), seen(31))
    assert result == Settled("repeated: 3 agreeing reads over 30 s")


def test_differing_read_restarts_the_count() -> None:
    """A differing read restarts the count of agreeing reads."""
    other = evolve(READY, version=ResourceVersion(spec_id="x"))
    assert (
        decision(expectation(), seen(1), seen(16), seen(20, other), seen(31), seen(46)) == Pending()
    )


def test_404_restarts_the_count() -> None:
    """A 404 restarts the count of agreeing reads."""
    assert decision(expectation(), seen(1), seen(16), missing(20), seen(31)) == Pending()


def test_failed_read_does_not_restart_the_count() -> None:
    """A failed read does not restart the count of agreeing reads."""
    assert isinstance(decision(expectation(), seen(1), failed(8), seen(16), seen(31)), Settled)


def test_stale_read_does_not_restart_the_count() -> None:
    """A stale read does not restart the count of agreeing reads."""
    about = expectation(baseline=time(0))
    fresh, stale = seen(9, WORKING, updated_at=time(5)), seen(12, updated_at=time(3))
    assert decision(about, fresh, stale) == Pending()


# --- failure -----------------------------------------------------------------------------------


def test_create_that_ends_in_error() -> None:
    """A create that ends in error fails with the provider's reason."""
    assert decision(expectation(Action.CREATE), seen(1, BROKEN)) == Failed("no capacity")


def test_error_without_a_reason_names_the_status() -> None:
    """A failure without a reason names the status."""
    silent = Observation("ERROR", Phase.FAILED)
    assert decision(expectation(Action.CREATE), seen(1, silent)) == Failed("its status is 'ERROR'")


def test_error_from_before_the_write_is_not_a_failure() -> None:
    """An error from before the write, without a transition, is not a failure."""
    assert decision(expectation(before_phase=Phase.FAILED), seen(1, BROKEN)) == Pending()


def test_error_after_a_transition_is_a_failure() -> None:
    """An error after a transition is a failure."""
    about = expectation(before_phase=Phase.FAILED)
    assert isinstance(decision(about, seen(1, WORKING), seen(6, BROKEN)), Failed)


def test_error_of_a_healthy_resource_is_a_failure() -> None:
    """An error of a resource that was healthy before the write is a failure."""
    assert isinstance(decision(expectation(), seen(1, BROKEN)), Failed)


def test_error_dated_before_the_write_is_not_a_failure() -> None:
    """An error dated before the write is not a failure."""
    about = expectation(baseline=time(0))
    assert decision(about, seen(1, BROKEN, updated_at=time(-3))) == Pending()


def test_error_that_lasts_is_a_failure() -> None:
    """An error that lasts half a minute of reads is a failure."""
    about = expectation(before_phase=Phase.FAILED)
    reads = [seen(at, BROKEN) for at in (1, 16, 31)]
    assert isinstance(decision(about, *reads), Failed)


# --- changes by others -------------------------------------------------------------------------


@pytest.mark.parametrize("action", [Action.CREATE, Action.UPDATE, Action.ACTIVE])
def test_deleting_supersedes(action: Action) -> None:
    """A resource being deleted is superseded."""
    result = decision(expectation(action), seen(1, Observation("deleting", Phase.DELETING)))
    assert result == Superseded("it is being deleted")


def test_newer_version_with_another_spec_supersedes() -> None:
    """A newer version with another spec is superseded."""
    about = expectation(before=ResourceVersion(spec_version=4), target_spec_version=5, sent="ours")
    theirs = evolve(READY, matches_sent=False)
    assert isinstance(decision(about, seen(1, theirs, spec_version=6)), Superseded)


def test_newer_version_with_the_spec_sent_settles() -> None:
    """A newer version with the spec sent settles."""
    about = expectation(before=ResourceVersion(spec_version=4), target_spec_version=5, sent="ours")
    ours = evolve(READY, matches_sent=True)
    assert isinstance(decision(about, seen(1, ours, spec_version=6)), Settled)


def test_older_version_with_another_spec_does_not_supersede() -> None:
    """Another spec at an older version is not superseded."""
    about = expectation(before=ResourceVersion(spec_version=4), target_spec_version=5, sent="ours")
    old = evolve(READY, matches_sent=False)
    assert decision(about, seen(1, old, spec_version=4)) == Pending()


# --- 404 ---------------------------------------------------------------------------------------


def test_404_ends_a_delete() -> None:
    """A 404 settles a delete."""
    assert decision(expectation(Action.DELETE), missing(1)) == Settled("GET answered 404")


@pytest.mark.parametrize("phase", list(Phase))
def test_no_status_ends_a_delete(phase: Phase) -> None:
    """No status settles a delete, not even an error."""
    assert decision(expectation(Action.DELETE), seen(1, Observation("x", phase))) == Pending()


def test_404_after_create_is_within_grace() -> None:
    """A 404 within the grace period of a create is pending."""
    assert (
        decision(expectation(Action.CREATE), missing(1), missing(CREATE_GRACE_S - 1)) == Pending()
    )


def test_two_404s_after_the_grace_end_a_create() -> None:
    """Two 404s after the grace period end a create; the message says it never appeared."""
    about = expectation(Action.CREATE)
    late = CREATE_GRACE_S + 1
    assert decision(about, missing(late)) == Pending()
    assert decision(about, missing(late), missing(late + 5)) == Vanished(never_seen=True)


def test_one_404_of_a_known_resource_is_pending() -> None:
    """A single 404 of a known resource is pending."""
    about = expectation()
    assert decision(about, seen(1), missing(5)) == Pending()
    assert decision(about, seen(1), missing(5), seen(8), missing(9)) == Pending()
    assert decision(about, seen(1), missing(5), missing(9)) == Vanished(never_seen=False)


def test_one_404_of_an_unknown_id_ends_wait_until_active() -> None:
    """A single 404 of an unknown id ends `wait_until_active`."""
    assert decision(expectation(Action.ACTIVE), missing(1)) == Vanished(never_seen=True)


def test_earlier_reads_do_not_count_after_a_404() -> None:
    """An earlier ready read does not count after a 404."""
    about = expectation(Action.CREATE)
    assert decision(about, missing(1)) == Pending()
    assert isinstance(decision(about, missing(1), seen(2)), Settled)


# --- refusals, failed reads, predicates, deadlines ---------------------------------------------


def test_refusal_is_lifted_by_a_later_read() -> None:
    """A refusal ends the wait; a later successful read lifts it."""
    about = expectation(Action.CREATE)
    assert decision(about, failed(1, final=True)) == Refused("boom")
    assert isinstance(decision(about, failed(1, final=True), seen(2)), Settled)


def test_failed_read_decides_nothing() -> None:
    """A failed read is kept as `last_error` and decides nothing."""
    about, evidence = expectation(Action.CREATE), Evidence()
    evidence = fold(about, evidence, failed(1))
    assert judge(about, evidence) == Pending()
    assert evidence.last_error == "boom"


@pytest.mark.parametrize("phase", list(Phase))
def test_no_status_ends_a_predicate_wait(phase: Phase) -> None:
    """No status ends a predicate wait."""
    assert decision(expectation(Action.PREDICATE), seen(1, Observation("x", phase))) == Pending()


def test_unknown_status_is_work_in_progress() -> None:
    """An unknown status counts as work in progress."""
    migrating = Observation("migrating", Phase.WORKING, documented=False)
    assert decision(expectation(), seen(1, migrating)) == Pending()
    assert isinstance(decision(expectation(), seen(1, migrating), seen(6)), Settled)


# --- deletes by this client --------------------------------------------------------------------

EVERYTHING_BUT_DELETE = [action for action in Action if action is not Action.DELETE]


def after_own_delete(
    action: Action, before: tuple[Read, ...], *reads: Read, proven: bool = False
) -> Decision:
    """Return the decision after reads, a DELETE accepted at 10 with 30 s of grace, and reads."""
    about, evidence = expectation(action, grace_until=CREATE_GRACE_S), Evidence()
    for read in before:
        evidence = fold(about, evidence, read)
    evidence = fold_own_delete(evidence, OwnDelete(10.0, 40.0, proven=proven))
    for read in reads:
        evidence = fold(about, evidence, read)
    return judge(about, evidence)


@pytest.mark.parametrize("action", EVERYTHING_BUT_DELETE)
def test_404_after_own_delete(action: Action) -> None:
    """One 404 ends a wait: at once for what was seen, else after the grace of the delete."""
    gone = Vanished(never_seen=True, own_delete=True)
    assert after_own_delete(action, (), missing(11), missing(39.8)) == Pending()
    assert after_own_delete(action, (), missing(39.95)) == gone
    assert after_own_delete(action, (seen(1),), missing(11)) == replace(gone, never_seen=False)


@pytest.mark.parametrize("action", EVERYTHING_BUT_DELETE)
def test_404_from_before_own_delete(action: Action) -> None:
    """A read that started before the DELETE was accepted proves nothing about it."""
    assert after_own_delete(action, (seen(1), missing(5)), missing(9.99)) == Pending()


@pytest.mark.parametrize("action", list(Action))
def test_proven_own_delete(action: Action) -> None:
    """The proof ends every wait, whatever its own reads have shown."""
    gone: Decision = Vanished(never_seen=False, own_delete=True)
    expected = Settled("GET answered 404") if action is Action.DELETE else gone
    assert after_own_delete(action, (seen(1, WORKING),), proven=True) == expected


@pytest.mark.parametrize("action", [Action.CREATE, Action.UPDATE, Action.ACTIVE])
@pytest.mark.parametrize("shown", [READY, WORKING, BROKEN])
def test_read_after_own_delete(action: Action, shown: Observation) -> None:
    """Whatever status is shown still, it is being deleted."""
    expected = Superseded("this client is deleting it")
    assert after_own_delete(action, (), seen(11, shown)) == expected
