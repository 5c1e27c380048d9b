"""Property tests of the waiter against a model server with stale replicas, in every mode."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from di_async.core.waiting.evidence import (
    AGREEING_SPAN_S,
    CREATE_GRACE_S,
    Evidence,
    Expired,
    Failed,
    Pending,
    Refused,
    Settled,
    Superseded,
    Vanished,
    check_deadline,
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
from tests.core.waiting.evidence_model import (
    Mode,
    Sample,
    Timeline,
    any_samples,
    creates,
    deletes,
    follow,
    monotonic_samples,
    time,
    updates,
)

MANY = settings(max_examples=80, deadline=None)
DECISIONS = (Pending, Settled, Failed, Vanished, Superseded, Refused, Expired)

# In these modes a read shows its own age, so that replicas may be stale by any time.
DATED = Mode(updated_at=True, returns_baseline=True)
DATED_AND_VERSIONED = Mode(
    updated_at=True, returns_baseline=True, versions=True, returns_target=True
)
VERSIONED = Mode(versions=True, returns_target=True)
# In these modes it does not: replicas may lag by less than 20 s (as observed in practice) and one
# reader never sees an older state than before.
DATES_ONLY = Mode(updated_at=True)
VERSIONS_ONLY = Mode(versions=True)
NOTHING = Mode()
EVERY = [DATED, DATED_AND_VERSIONED, VERSIONED, DATES_ONLY, VERSIONS_ONLY, NOTHING]


def check_never_early(timeline: Timeline, samples: list[Sample]) -> None:
    """Check that a wait settles only after the write has succeeded."""
    for _, decision, handled in follow(timeline, samples):
        if isinstance(decision, Settled):
            assert timeline.settled(handled), (decision, handled, timeline.settles_at)
            assert timeline.succeeds
            return


def check_failure_is_new(timeline: Timeline, samples: list[Sample]) -> None:
    """Check that a wait fails only after this write has failed."""
    for _, decision, handled in follow(timeline, samples):
        if isinstance(decision, Failed):
            assert timeline.settled(handled), (decision, handled, timeline.settles_at)
            assert not timeline.succeeds
            return
        if not isinstance(decision, Pending):
            return


@MANY
@given(timeline=updates(DATED), samples=any_samples())
def test_update_with_dates_never_settles_early(timeline: Timeline, samples: list[Sample]) -> None:
    """No stale replica settles an update where reads show `updated_at`."""
    check_never_early(timeline, samples)


@MANY
@given(timeline=updates(DATED_AND_VERSIONED), samples=any_samples())
def test_update_with_dates_and_versions_never_settles_early(
    timeline: Timeline, samples: list[Sample]
) -> None:
    """No stale replica settles an update where reads show `updated_at` and versions."""
    check_never_early(timeline, samples)


@MANY
@given(timeline=updates(VERSIONED), samples=any_samples())
def test_update_with_versions_never_settles_early(
    timeline: Timeline, samples: list[Sample]
) -> None:
    """No stale replica settles an update where the write's version is known and shown."""
    check_never_early(timeline, samples)


@MANY
@given(data=st.data(), mode=st.sampled_from([DATES_ONLY, VERSIONS_ONLY, NOTHING]))
def test_update_never_settles_early_behind_short_lag(data: st.DataObject, mode: Mode) -> None:
    """Replicas that lag less than 20 s and never go back settle no update where little is shown."""
    check_never_early(data.draw(updates(mode)), data.draw(monotonic_samples()))


@MANY
@given(data=st.data(), mode=st.sampled_from([DATED, DATED_AND_VERSIONED]))
def test_failure_with_dates_is_new(data: st.DataObject, mode: Mode) -> None:
    """An error from before the write is not its failure, whatever a replica shows."""
    check_failure_is_new(data.draw(updates(mode)), data.draw(any_samples()))


@MANY
@given(data=st.data(), mode=st.sampled_from(EVERY))
def test_failure_behind_short_lag_is_new(data: st.DataObject, mode: Mode) -> None:
    """An error from before the write is not its failure behind short lag, in any mode."""
    check_failure_is_new(data.draw(updates(mode)), data.draw(monotonic_samples()))


@MANY
@given(data=st.data(), mode=st.sampled_from(EVERY))
def test_create_never_settles_or_fails_early(data: st.DataObject, mode: Mode) -> None:
    """No read in any order settles or fails a create early."""
    timeline, samples = data.draw(creates(mode)), data.draw(any_samples())
    check_never_early(timeline, samples)
    check_failure_is_new(timeline, samples)


@MANY
@given(timeline=creates(NOTHING), samples=any_samples())
def test_create_never_ends_within_its_grace(timeline: Timeline, samples: list[Sample]) -> None:
    """404s within the first 120 s do not end a create."""
    for _, decision, handled in follow(timeline, samples):
        if isinstance(decision, Vanished):
            assert handled >= CREATE_GRACE_S
            return


@MANY
@given(timeline=deletes(), samples=any_samples())
def test_delete_ends_only_on_404(timeline: Timeline, samples: list[Sample]) -> None:
    """Only a 404 ends a delete: no status, error or failed read does."""
    for sample, decision, handled in follow(timeline, samples):
        if not isinstance(decision, Pending):
            assert isinstance(decision, Settled)
            assert timeline.settled(handled)
            assert (
                timeline.at(sample.started_at - sample.lag).phase is None or sample.started_at < 0
            )
            return


def check_ends_with_fresh_reads(timeline: Timeline, earlier: list[Sample]) -> None:
    """Check that fresh reads 5 s apart end the wait within 40 s of the outcome."""
    fresh = [Sample(started_at=timeline.settles_at + 5.0 * n) for n in range(1, 9)]
    decisions = follow(timeline, [*earlier, *fresh])[len(earlier) :]
    wanted = Settled if timeline.succeeds else Failed
    assert any(isinstance(decision, wanted) for _, decision, _ in decisions), decisions


@MANY
@given(data=st.data(), mode=st.sampled_from(EVERY))
def test_fresh_reads_end_an_update(data: st.DataObject, mode: Mode) -> None:
    """Three fresh reads over 30 s after the outcome end an update, whatever came before."""
    timeline = data.draw(updates(mode))
    before = [k for k in data.draw(monotonic_samples()) if k.started_at < timeline.settles_at]
    check_ends_with_fresh_reads(timeline, before)


@MANY
@given(data=st.data(), mode=st.sampled_from([DATED, DATED_AND_VERSIONED, VERSIONED]))
def test_update_settles_after_stale_reads(data: st.DataObject, mode: Mode) -> None:
    """Stale reads in any order do not keep an update from settling later."""
    timeline = data.draw(updates(mode, succeeds=True))
    stale = [k for k in data.draw(any_samples()) if k.started_at < timeline.settles_at]
    check_ends_with_fresh_reads(timeline, stale)


@MANY
@given(timeline=creates(NOTHING), samples=any_samples())
def test_first_fresh_read_ends_a_create(timeline: Timeline, samples: list[Sample]) -> None:
    """The first fresh read ends a create."""
    earlier = [k for k in samples if k.started_at < min(timeline.settles_at, CREATE_GRACE_S - 40)]
    fresh = Sample(started_at=timeline.settles_at)
    decision = follow(timeline, [*earlier, fresh])[-1][1]
    assert isinstance(decision, Settled if timeline.succeeds else Failed)


# --- arbitrary values --------------------------------------------------------------------------

_marks = st.builds(
    ResourceVersion,
    updated_at=st.none() | st.integers(-5, 5).map(time),
    spec_version=st.none() | st.integers(-1, 6),
    spec_id=st.sampled_from([None, "a", "b"]),
    pending_spec_version=st.none() | st.integers(0, 6),
    pending_spec_id=st.sampled_from([None, "a", "b"]),
)
_sights = st.builds(
    Observation,
    status=st.text(max_size=5),
    phase=st.sampled_from(Phase),
    complete=st.booleans(),
    version=_marks,
    matches_sent=st.sampled_from([None, True, False]),
    reason=st.none() | st.text(max_size=5),
)
_moments = st.floats(-300, 300)
_reads: st.SearchStrategy[Read] = st.one_of(
    st.builds(ReadFound, started_at=_moments, at=_moments, observation=_sights),
    st.builds(ReadMissing, started_at=_moments, at=_moments, error=st.just("404")),
    st.builds(
        ReadFailed, started_at=_moments, at=_moments, error=st.just("x"), refused=st.booleans()
    ),
)
_cases = st.builds(
    Expectation,
    action=st.sampled_from(Action),
    accepted_at=_moments,
    before=_marks,
    before_phase=st.none() | st.sampled_from(Phase),
    baseline=st.none() | st.integers(-5, 5).map(time),
    target_spec_version=st.none() | st.integers(0, 6),
    target_spec_id=st.sampled_from([None, "a", "b"]),
    sent=st.sampled_from([None, "digest"]),
)


def fold_all(expectation: Expectation, reads: list[Read]) -> Evidence:
    """Return the evidence after these reads."""
    evidence = Evidence()
    for one in reads:
        evidence = fold(expectation, evidence, one)
    return evidence


@MANY
@given(expectation=_cases, reads=st.lists(_reads, max_size=12))
def test_judge_is_total(expectation: Expectation, reads: list[Read]) -> None:
    """Any expectation and any reads have one of the seven decisions."""
    assert isinstance(judge(expectation, fold_all(expectation, reads)), DECISIONS)


@MANY
@given(
    expectation=_cases,
    reads=st.lists(_reads, max_size=12),
    deadline=_moments,
    late=st.floats(0, 99),
)
def test_no_wait_is_pending_after_its_deadline(
    expectation: Expectation, reads: list[Read], deadline: float, late: float
) -> None:
    """Nothing is pending after the deadline, and what is proven stays."""
    evidence = fold_all(expectation, reads)
    proven = judge(expectation, evidence)
    decision = check_deadline(proven, now=deadline + late, deadline=deadline)
    assert not isinstance(decision, Pending)
    assert decision == (Expired() if isinstance(proven, Pending) else proven)


@MANY
@given(
    expectation=_cases,
    reads=st.lists(_reads, max_size=12),
    deadline=_moments,
    early=st.floats(1, 99),
)
def test_no_wait_expires_early(
    expectation: Expectation, reads: list[Read], deadline: float, early: float
) -> None:
    """A wait expires neither before its deadline, nor without one."""
    proven = judge(expectation, fold_all(expectation, reads))
    assert check_deadline(proven, now=deadline - early, deadline=deadline) == proven
    assert check_deadline(proven, now=deadline + early, deadline=None) == proven


@MANY
@given(expectation=_cases, reads=st.lists(_reads, max_size=12), early=_reads)
def test_reads_from_before_the_write_change_nothing(
    expectation: Expectation, reads: list[Read], early: Read
) -> None:
    """A read that started before the write was accepted does not change the evidence."""
    evidence = fold_all(expectation, reads)
    after = fold(expectation, evidence, early)
    assert (after is evidence) == (early.started_at < expectation.accepted_at)


@MANY
@given(expectation=_cases, reads=st.lists(_reads, min_size=1, max_size=12))
def test_reads_are_counted(expectation: Expectation, reads: list[Read]) -> None:
    """`reads` counts each read since the write, failed ones included."""
    counted = [one for one in reads if one.started_at >= expectation.accepted_at]
    assert fold_all(expectation, reads).reads == len(counted)


@pytest.mark.parametrize("reads", [1, 2, 3, 4])
@pytest.mark.parametrize("spacing", [5.0, 14.9, 15.0, 31.0])
def test_agreeing_reads_need_three_over_thirty_seconds(reads: int, spacing: float) -> None:
    """Two reads far apart prove nothing, nor do three close together."""
    expectation = Expectation(action=Action.UPDATE, accepted_at=0.0, before_phase=Phase.READY)
    found = [
        ReadFound(
            started_at=spacing * n, at=spacing * n, observation=Observation("active", Phase.READY)
        )
        for n in range(reads)
    ]
    settled = isinstance(judge(expectation, fold_all(expectation, list(found))), Settled)
    assert settled == (reads >= 3 and spacing * (reads - 1) >= AGREEING_SPAN_S)


@MANY
@given(expectation=_cases, reads=st.lists(_reads, max_size=12))
def test_no_update_is_settled_by_another_spec(expectation: Expectation, reads: list[Read]) -> None:
    """Whatever versions and time stamps say, an update is not settled while another spec runs."""
    evidence = fold_all(expectation, reads)
    if expectation.action is Action.UPDATE and isinstance(judge(expectation, evidence), Settled):
        assert evidence.observation is not None
        assert evidence.observation.matches_sent is not False
