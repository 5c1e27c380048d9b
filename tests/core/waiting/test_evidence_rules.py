"""Tests of the waiter's limits and of how it compares specs.

These complete `test_evidence.py`: each test kills a mutant that no other unit test kills
(`python -m tests.mutation core/waiting/evidence`).
"""

from typing import Any

import pytest
from attrs import evolve

from di_async.core.waiting.evidence import (
    AGREEING_SPAN_S,
    Decision,
    Evidence,
    Failed,
    OwnDelete,
    Pending,
    Settled,
    Superseded,
    Vanished,
    accepted_delete_grace,
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
    ReadFailed,
    ReadFound,
    ReadMissing,
    ResourceVersion,
)
from tests.core.waiting.evidence_model import time

READY = Observation("active", Phase.READY)
WORKING = Observation("updating", Phase.WORKING)
CHANGED_BACK = "it settled with another spec than the one that this change sent"


def found(at: float, observation: Observation = READY, **version: Any) -> ReadFound:
    """Return a read that found the resource."""
    shown = evolve(observation, version=ResourceVersion(**version)) if version else observation
    return ReadFound(started_at=at, at=at + 0.1, observation=shown)


def not_found(at: float) -> ReadMissing:
    """Return a read that was answered with 404."""
    return ReadMissing(started_at=at - 0.1, at=at, error="404")


def update(**fields: Any) -> Expectation:
    """Return an update, accepted at 0, of something that was ready."""
    return Expectation(
        action=Action.UPDATE, **{"accepted_at": 0.0, "before_phase": Phase.READY, **fields}
    )


def create(**fields: Any) -> Expectation:
    """Return a create, accepted at 0."""
    return Expectation(action=Action.CREATE, **{"accepted_at": 0.0, **fields})


def folded(case: Expectation, *reads: Read) -> Evidence:
    """Return the evidence after these reads."""
    evidence = Evidence()
    for read in reads:
        evidence = fold(case, evidence, read)
    return evidence


def decision(case: Expectation, *reads: Read) -> Decision:
    """Return what these reads prove."""
    return judge(case, folded(case, *reads))


def test_defaults() -> None:
    """Evidence starts empty; an observation is documented and has its spec by default."""
    empty = Evidence()
    assert (empty.agreeing_reads, empty.agreeing_since, empty.agreeing_span_s) == (0, 0.0, 0.0)
    assert (empty.reads, empty.consecutive_404s) == (0, 0)
    flags = (empty.transitioned, empty.seen_in_progress, empty.ever_seen, empty.not_found)
    assert flags == (False,) * 4
    assert (READY.documented, READY.has_spec, READY.complete) == (True, True, True)
    assert ReadFailed(started_at=0.0, at=0.1).refused is False


@pytest.mark.parametrize(
    ("phase", "idle"),
    [
        (Phase.READY, False),
        (Phase.WORKING, True),
        (Phase.FAILED, False),
        (Phase.DELETING, True),
    ],
)
def test_which_phases_are_in_progress(phase: Phase, idle: bool) -> None:
    """Working and deleting are in progress; ready and failed may be final."""
    assert Observation("x", phase).in_progress is idle


@pytest.mark.parametrize(
    ("observation", "unsettled"),
    [
        (READY, False),
        (evolve(READY, complete=False), True),
        (WORKING, True),
        (Observation("deleting", Phase.DELETING), True),
        (Observation("error", Phase.FAILED), False),
    ],
)
def test_seen_in_progress_is_remembered(observation: Observation, unsettled: bool) -> None:
    """A resource seen in progress or incomplete stays marked as seen in progress."""
    assert folded(create(), found(1, observation)).seen_in_progress is unsettled
    assert folded(create(), found(1, observation), found(2, READY)).seen_in_progress is unsettled


# --- agreeing reads ----------------------------------------------------------------------------


@pytest.mark.parametrize(("last", "settled"), [(30.9, False), (31.0, True)])
def test_three_agreeing_reads_span_thirty_seconds(last: float, settled: bool) -> None:
    """Agreeing reads prove an update from 30 s on, not a tenth earlier."""
    result = decision(update(), found(1.0), found(16.0), found(last))
    assert isinstance(result, Settled) is settled


def test_two_agreeing_reads_prove_nothing() -> None:
    """Two agreeing reads prove nothing, however far apart."""
    assert decision(update(), found(1), found(100)) == Pending()


def test_404_restarts_the_span() -> None:
    """A 404 restarts the span of agreeing reads."""
    reads = (found(1), not_found(5), found(31), found(32), found(33))
    assert decision(update(), *reads) == Pending()
    assert isinstance(decision(update(), *reads, found(61)), Settled)


def test_404_restarts_the_count() -> None:
    """A 404 restarts the count of agreeing reads."""
    reads = (found(1), found(2), not_found(5), found(31), found(61))
    assert decision(update(), *reads) == Pending()


# --- 404 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "expected"),
    [(1119.9, Pending()), (1120.0, Vanished(never_seen=True))],
)
def test_create_grace_lasts_120_seconds(at: float, expected: Decision) -> None:
    """404s count from 120 s after the write was accepted."""
    case = create(accepted_at=1000.0)
    assert decision(case, not_found(at), not_found(at)) == expected


def test_404s_within_the_grace_do_not_count_later() -> None:
    """404s within the grace period do not count after it: two more are needed."""
    early = [not_found(at) for at in (10, 20, 30)]
    assert decision(create(), *early, not_found(130)) == Pending()
    assert decision(create(), *early, not_found(130), not_found(131)) == Vanished(never_seen=True)


# --- stale reads -------------------------------------------------------------------------------

BEFORE = ResourceVersion(spec_version=2, updated_at=time(0))


def test_stale_read_shows_that_the_resource_exists() -> None:
    """A stale read version the resource as seen: two 404s after it are needed."""
    stale = found(1, spec_version=1)
    case = update(before=BEFORE)
    assert decision(case, stale, not_found(2)) == Pending()
    assert decision(case, stale, not_found(2), not_found(3)) == Vanished(never_seen=False)


def test_stale_read_ends_a_row_of_404s() -> None:
    """A stale read ends a row of 404s."""
    reads = (not_found(1), found(2, spec_version=1), not_found(3))
    assert decision(update(before=BEFORE), *reads) == Pending()


def test_stale_read_after_a_404_restores_earlier_proof() -> None:
    """A stale read after a 404 restores earlier proof."""
    proof = found(1, spec_version=3)
    case = update(before=BEFORE)
    assert decision(case, proof, not_found(2)) == Pending()
    assert decision(case, proof, not_found(2), found(3, spec_version=1)) == Settled(
        "spec version 3"
    )


def test_older_version_is_stale_whatever_its_date() -> None:
    """A read of an older version is stale, even with a newer date."""
    reads = (
        found(1, WORKING, spec_version=2, updated_at=time(5)),
        found(2, spec_version=1, updated_at=time(9)),
    )
    assert decision(update(), *reads) == Pending()


# --- evidence ----------------------------------------------------------------------------------


def test_pending_id_is_remembered() -> None:
    """The id of a pending spec is remembered and proves the update once it is current."""
    reads = (found(1, WORKING, pending_spec_id="new"), found(2, spec_id="new"))
    assert decision(update(), *reads) == Settled("spec id of this update")


@pytest.mark.parametrize(
    ("differed_before", "as_sent", "expected"),
    [
        (True, True, Settled("it shows what was sent, and did not before")),
        (True, None, Pending()),
        (True, False, Pending()),
        (False, True, Pending()),
        (None, True, Pending()),
    ],
)
def test_showing_what_was_sent(
    differed_before: bool | None, as_sent: bool | None, expected: Decision
) -> None:
    """Showing what was sent proves an update only if the resource differed before the write."""
    observation = evolve(READY, matches_sent=as_sent)
    assert decision(update(differed_before=differed_before), found(1, observation)) == expected


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (59.5, Pending()),
        (60.0, Failed("its status is 'error'")),
        (61.0, Failed("its status is 'error'")),
    ],
)
def test_failure_that_may_recover_must_hold(span: float, expected: Decision) -> None:
    """A failure that may recover counts after the provider's `failure_grace`."""
    failed = Observation("error", Phase.FAILED, failure_grace=60.0)
    assert decision(create(), found(1.0, failed), found(1.0 + span, failed)) == expected


# --- other content than sent -------------------------------------------------------------------

OTHER = evolve(READY, matches_sent=False)


@pytest.mark.parametrize("differed_before", [True, False])
def test_settled_with_other_content(differed_before: bool) -> None:
    """Three agreeing reads of another spec over 30 s, after a transition, supersede the update."""
    case = update(differed_before=differed_before)
    reads = (found(1, WORKING), found(10, OTHER), found(25, OTHER))
    assert decision(case, *reads) == Pending()
    assert decision(case, *reads, found(40, OTHER)) == Superseded(CHANGED_BACK)


@pytest.mark.parametrize(
    "stamps", [{"baseline": time(5)}, {"before": ResourceVersion(updated_at=time(5))}]
)
def test_settled_with_other_content_by_date(stamps: dict[str, Any]) -> None:
    """An `updated_at` past the baseline, or past the one before the write, is a change too."""
    case = update(differed_before=True, **stamps)
    reads = [found(at, OTHER, updated_at=time(6)) for at in (1, 16, 31)]
    assert decision(case, *reads[:2]) == Pending()
    assert decision(case, *reads) == Superseded(CHANGED_BACK)


def test_stale_replica_does_not_supersede() -> None:
    """Other content without any change since the write may be a stale replica's."""
    reads = [found(at, OTHER) for at in (1, 16, 31, 46)]
    assert decision(update(differed_before=True), *reads) == Pending()


@pytest.mark.parametrize(
    ("operation_ended", "progress", "expected"),
    [
        (True, True, Superseded(CHANGED_BACK)),
        (True, False, Pending()),
        (False, True, Pending()),
    ],
)
def test_other_content_after_an_update_of_a_resource_in_progress(
    operation_ended: bool, progress: bool, expected: Decision
) -> None:
    """Progress counts if this update's operation has ended; else it may be an earlier change's."""
    case = update(before_phase=Phase.WORKING)
    evidence = Evidence(operation_ended=True) if operation_ended else Evidence()
    for read in (found(1, WORKING if progress else OTHER), *(found(n, OTHER) for n in (5, 20, 35))):
        evidence = fold(case, evidence, read)
    assert judge(case, evidence) == expected


def test_other_content_that_could_not_be_compared_before() -> None:
    """Other content than sent settles no update, even if the two could not be compared before."""
    reads = (found(1, WORKING), found(2, OTHER))
    assert decision(update(differed_before=None), *reads) == Pending()


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (3, Pending()),
        (4, Pending()),
        (5, Superseded(CHANGED_BACK)),
        (None, Superseded(CHANGED_BACK)),
    ],
)
def test_spec_from_before_the_write_is_not_a_later_change(
    version: int | None, expected: Decision
) -> None:
    """Agreeing reads of another spec supersede an update only if that spec can be a later one."""
    case = update(before=ResourceVersion(spec_version=4))
    reads = [found(at, OTHER, spec_version=version) for at in (10, 25, 40)]
    assert decision(case, found(1, WORKING), *reads) == expected


@pytest.mark.parametrize("marks", [{"updated_at": time(6)}, {"spec_version": 5}, {"spec_id": "s"}])
def test_no_mark_settles_an_update_that_shows_other_content(marks: dict[str, Any]) -> None:
    """Neither `updated_at` nor a version settles an update that shows another spec than sent."""
    case = update(before=ResourceVersion(updated_at=time(5), spec_version=4), target_spec_id="s")
    reads = (found(1, WORKING), found(2, OTHER, **marks), found(3, OTHER, **marks))
    assert decision(case, *reads) == Pending()


@pytest.mark.parametrize(
    ("case", "version", "superseded"),
    [
        (
            update(before=ResourceVersion(spec_version=3)),
            4,
            False,
        ),  # this update makes version 4
        (update(before=ResourceVersion(spec_version=3)), 5, True),
        (update(before=ResourceVersion(spec_version=3), target_spec_version=6), 5, False),
        (update(before=ResourceVersion(spec_version=3), target_spec_version=6), 7, True),
        (update(), 9, False),
        (create(target_spec_version=1), 2, True),
        (create(target_spec_version=1), 1, False),
        (
            Expectation(
                action=Action.ACTIVE, accepted_at=0.0, before=ResourceVersion(spec_version=3)
            ),
            5,
            False,
        ),
    ],
)
def test_newer_version_than_this_update(case: Expectation, version: int, superseded: bool) -> None:
    """Another spec with a version beyond this update's supersedes it."""
    newer = f"spec version {version} is newer and not the one sent"
    result = decision(case, found(1, OTHER, spec_version=version))
    assert (result == Superseded(newer)) is superseded


# --- 404s --------------------------------------------------------------------------------------


def test_finished_operation_proves_a_delete() -> None:
    """After a delete without an operation, replicas may lag; a finished operation is proof."""
    assert accepted_delete_grace(has_operation=True) == 0.0
    assert accepted_delete_grace(has_operation=False) == AGREEING_SPAN_S


@pytest.mark.parametrize(("at", "counted"), [(9.9, 0), (10.0, 1)])
def test_404_counts_from_the_end_of_the_grace(at: float, counted: int) -> None:
    """A 404 counts from the moment at which the grace of a new resource ends."""
    about = Expectation(action=Action.ACTIVE, accepted_at=0.0, grace_until=10.0)
    assert folded(about, not_found(at)).consecutive_404s == counted


@pytest.mark.parametrize(
    ("started_at", "at", "counted"), [(9.9, 20.0, 0), (10.0, 29.9, 0), (10.0, 30.0, 1)]
)
def test_404_counts_from_the_end_of_the_grace_of_an_own_delete(
    started_at: float, at: float, counted: int
) -> None:
    """The same after a delete by this client, for reads that started after it was accepted."""
    about = Expectation(action=Action.ACTIVE, accepted_at=0.0, grace_until=100.0)
    evidence = fold_own_delete(Evidence(), OwnDelete(10.0, 30.0))
    read = ReadMissing(started_at=started_at, at=at)
    assert fold(about, evidence, read).consecutive_404s == counted


def test_read_that_starts_with_an_own_delete_is_about_it() -> None:
    """A read that starts when a delete was accepted is not older than it."""
    evidence = fold_own_delete(Evidence(ever_seen=True), OwnDelete(10.0, 30.0))
    read = ReadMissing(started_at=10.0, at=10.1)
    assert fold(update(), evidence, read).consecutive_404s == 1


def test_own_delete_discards_earlier_404s() -> None:
    """404s from before a delete by this client do not count, and acceptance is not proof."""
    own_delete = OwnDelete(10.0, 30.0)
    assert fold_own_delete(Evidence(consecutive_404s=3), own_delete).consecutive_404s == 0
    assert not own_delete.proven


def test_observation_is_complete_by_default() -> None:
    """What a read shows lacks nothing unless it says so."""
    assert not READY.partial


def test_what_has_the_name_since_proves_a_delete() -> None:
    """Another resource of the same name settles a delete, and decides nothing else."""
    another = evolve(READY, replaced=True)
    delete = Expectation(action=Action.DELETE, accepted_at=0.0)
    since = "what has its name was created after the delete"
    assert judge(delete, fold(delete, Evidence(), found(1.0))) == Pending()
    assert judge(delete, Evidence()) == Pending()
    assert judge(delete, fold(delete, Evidence(), found(1.0, another))) == Settled(since)
    create = Expectation(action=Action.CREATE, accepted_at=0.0)
    decided = judge(create, fold(create, Evidence(), found(1.0, another)))
    assert decided == Settled("read after the write was accepted")
