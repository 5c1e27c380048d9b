"""The waiter against a model server: arbitrary histories, stale replicas, every visibility."""

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
from tests.core.waiting.evidence_model import (
    Look,
    Mode,
    Story,
    any_looks,
    creates,
    deletes,
    follow,
    monotonic_looks,
    time,
    updates,
)

MANY = settings(max_examples=80, deadline=None)
VERDICTS = (Pending, Settled, Failed, Vanished, Superseded, Refused, Expired)

# Modes in which a read carries proof of its own age: any staleness at all must be survived.
DATED = Mode(updated_at=True, told_baseline=True)
DATED_AND_VERSIONED = Mode(updated_at=True, told_baseline=True, versions=True, told_target=True)
VERSIONED = Mode(versions=True, told_target=True)
# Modes that show too little for that: replicas must lag by less than 20 s (what is seen in the
# wild) and one reader must never be shown an older state than before.
UNTOLD = Mode(updated_at=True)
UNTOLD_VERSIONS = Mode(versions=True)
NOTHING = Mode()
EVERY = [DATED, DATED_AND_VERSIONED, VERSIONED, UNTOLD, UNTOLD_VERSIONS, NOTHING]


def never_early(story: Story, looks: list[Look]) -> None:
    """A settled verdict comes from a fact, and stays one."""
    for _, decision, handled in follow(story, looks):
        if isinstance(decision, Settled):
            assert story.settled(handled), (decision, handled, story.settles_at)
            assert story.succeeds
            return


def never_blamed_for_the_past(story: Story, looks: list[Look]) -> None:
    """A failed verdict is about this write's failure, which has happened."""
    for _, decision, handled in follow(story, looks):
        if isinstance(decision, Failed):
            assert story.settled(handled), (decision, handled, story.settles_at)
            assert not story.succeeds
            return
        if not isinstance(decision, Pending):
            return


@MANY
@given(story=updates(DATED), looks=any_looks())
def test_update_with_dates_never_settles_early_whatever_the_staleness(
    story: Story, looks: list[Look]
) -> None:
    """Where reads show `updated_at`, no stale replica, however old, makes an update settle."""
    never_early(story, looks)


@MANY
@given(story=updates(DATED_AND_VERSIONED), looks=any_looks())
def test_update_with_dates_and_versions_never_settles_early(
    story: Story, looks: list[Look]
) -> None:
    """Showing both marks is never worse than showing one."""
    never_early(story, looks)


@MANY
@given(story=updates(VERSIONED), looks=any_looks())
def test_update_with_versions_never_settles_early_whatever_the_staleness(
    story: Story, looks: list[Look]
) -> None:
    """Where the write's version is known and shown, nothing less than it settles the update."""
    never_early(story, looks)


@MANY
@given(data=st.data(), mode=st.sampled_from([UNTOLD, UNTOLD_VERSIONS, NOTHING]))
def test_update_without_marks_never_settles_early_behind_short_monotonic_lag(
    data: st.DataObject, mode: Mode
) -> None:
    """Where little is shown, replicas that lag for under 20 s and never go back do no harm."""
    never_early(data.draw(updates(mode)), data.draw(monotonic_looks()))


@MANY
@given(data=st.data(), mode=st.sampled_from([DATED, DATED_AND_VERSIONED]))
def test_failure_with_dates_is_never_one_from_before_the_write(
    data: st.DataObject, mode: Mode
) -> None:
    """An error left over from before the write is not its failure, whatever a replica shows."""
    never_blamed_for_the_past(data.draw(updates(mode)), data.draw(any_looks()))


@MANY
@given(data=st.data(), mode=st.sampled_from(EVERY))
def test_failure_in_any_mode_is_never_one_from_before_behind_short_lag(
    data: st.DataObject, mode: Mode
) -> None:
    """Without dates the same holds behind replicas that lag for under 20 s and never go back."""
    never_blamed_for_the_past(data.draw(updates(mode)), data.draw(monotonic_looks()))


@MANY
@given(data=st.data(), mode=st.sampled_from(EVERY))
def test_create_never_settles_or_fails_early(data: st.DataObject, mode: Mode) -> None:
    """A create has no past: any read that calls it ready or failed is about it, in any order."""
    story, looks = data.draw(creates(mode)), data.draw(any_looks())
    never_early(story, looks)
    never_blamed_for_the_past(story, looks)


@MANY
@given(story=creates(NOTHING), looks=any_looks())
def test_create_is_never_given_up_within_its_grace(story: Story, looks: list[Look]) -> None:
    """404s of the first 120 s mean nothing after a create."""
    for _, decision, handled in follow(story, looks):
        if isinstance(decision, Vanished):
            assert handled >= CREATE_GRACE_S
            return


@MANY
@given(story=deletes(), looks=any_looks())
def test_delete_ends_only_once_a_read_finds_nothing(story: Story, looks: list[Look]) -> None:
    """Only a 404 ends a delete: no status, no error, no broken read does."""
    for look, decision, handled in follow(story, looks):
        if not isinstance(decision, Pending):
            assert isinstance(decision, Settled)
            assert story.settled(handled)
            assert story.at(look.started_at - look.lag).phase is None or look.started_at < 0
            return


def settles_within_30_s_of_fresh_reads(story: Story, earlier: list[Look]) -> None:
    """From the settling on, reads are fresh and 5 s apart."""
    fresh = [Look(started_at=story.settles_at + 5.0 * n) for n in range(1, 9)]
    told = follow(story, [*earlier, *fresh])[len(earlier) :]
    wanted = Settled if story.succeeds else Failed
    assert any(isinstance(decision, wanted) for _, decision, _ in told), told


@MANY
@given(data=st.data(), mode=st.sampled_from(EVERY))
def test_update_ends_within_half_a_minute_of_fresh_reads(data: st.DataObject, mode: Mode) -> None:
    """Liveness: whatever came before, three reads over 30 s after the fact end the wait."""
    story = data.draw(updates(mode))
    before = [k for k in data.draw(monotonic_looks()) if k.started_at < story.settles_at]
    settles_within_30_s_of_fresh_reads(story, before)


@MANY
@given(data=st.data(), mode=st.sampled_from([DATED, DATED_AND_VERSIONED, VERSIONED]))
def test_update_with_marks_settles_after_any_stale_past(data: st.DataObject, mode: Mode) -> None:
    """No replica from the past, seen in any order, keeps an update from settling later."""
    story = data.draw(updates(mode, succeeds=True))
    stale = [k for k in data.draw(any_looks()) if k.started_at < story.settles_at]
    settles_within_30_s_of_fresh_reads(story, stale)


@MANY
@given(story=creates(NOTHING), looks=any_looks())
def test_create_ends_with_the_first_fresh_read(story: Story, looks: list[Look]) -> None:
    """A create needs no repetition."""
    earlier = [k for k in looks if k.started_at < min(story.settles_at, CREATE_GRACE_S - 40)]
    fresh = Look(started_at=story.settles_at)
    decision = follow(story, [*earlier, fresh])[-1][1]
    assert isinstance(decision, Settled if story.succeeds else Failed)


# --- total, for values that no story would make ------------------------------------------------

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
    """All reads, absorbed in order."""
    evidence = Evidence()
    for one in reads:
        evidence = fold(expectation, evidence, one)
    return evidence


@MANY
@given(expectation=_cases, reads=st.lists(_reads, max_size=12))
def test_judgement_is_total(expectation: Expectation, reads: list[Read]) -> None:
    """Any case and any reads, however absurd, give one of the seven verdicts."""
    assert isinstance(judge(expectation, fold_all(expectation, reads)), VERDICTS)


@MANY
@given(
    expectation=_cases,
    reads=st.lists(_reads, max_size=12),
    deadline=_moments,
    late=st.floats(0, 99),
)
def test_no_wait_outlives_its_deadline(
    expectation: Expectation, reads: list[Read], deadline: float, late: float
) -> None:
    """From the deadline on nothing is pending, and what is proven stays what it is."""
    evidence = fold_all(expectation, reads)
    decision = decide(expectation, evidence, now=deadline + late, deadline=deadline)
    assert not isinstance(decision, Pending)
    proven = judge(expectation, evidence)
    assert decision == (Expired() if isinstance(proven, Pending) else proven)


@MANY
@given(
    expectation=_cases,
    reads=st.lists(_reads, max_size=12),
    deadline=_moments,
    early=st.floats(1, 99),
)
def test_no_wait_expires_before_its_deadline_or_with_a_read_in_flight(
    expectation: Expectation, reads: list[Read], deadline: float, early: float
) -> None:
    """Before the deadline, without one, or with a read under way there is no expiry."""
    evidence = fold_all(expectation, reads)
    for decision in (
        decide(expectation, evidence, now=deadline - early, deadline=deadline),
        decide(expectation, evidence, now=deadline + early, deadline=deadline, in_flight=True),
        decide(expectation, evidence, now=deadline + early, deadline=None),
    ):
        assert decision == judge(expectation, evidence)


@MANY
@given(expectation=_cases, reads=st.lists(_reads, max_size=12), early=_reads)
def test_reads_from_before_the_write_change_nothing(
    expectation: Expectation, reads: list[Read], early: Read
) -> None:
    """A read that started before the write was accepted leaves the ledger as it was."""
    evidence = fold_all(expectation, reads)
    after = fold(expectation, evidence, early)
    assert (after is evidence) == (early.started_at < expectation.accepted_at)


@MANY
@given(expectation=_cases, reads=st.lists(_reads, min_size=1, max_size=12))
def test_every_counted_read_is_a_look(expectation: Expectation, reads: list[Read]) -> None:
    """`looks` counts each read since the write, also those that told nothing."""
    counted = [one for one in reads if one.started_at >= expectation.accepted_at]
    assert fold_all(expectation, reads).reads == len(counted)


@pytest.mark.parametrize("reads", [1, 2, 3, 4])
@pytest.mark.parametrize("spacing", [5.0, 14.9, 15.0, 31.0])
def test_repetition_needs_three_reads_and_thirty_seconds(reads: int, spacing: float) -> None:
    """Neither two reads far apart nor three close together are proof."""
    expectation = Expectation(action=Action.UPDATE, accepted_at=0.0, before_phase=Phase.READY)
    looks = [
        ReadFound(
            started_at=spacing * n, at=spacing * n, observation=Observation("active", Phase.READY)
        )
        for n in range(reads)
    ]
    settled = isinstance(judge(expectation, fold_all(expectation, list(looks))), Settled)
    assert settled == (reads >= 3 and spacing * (reads - 1) >= AGREEING_SPAN_S)
