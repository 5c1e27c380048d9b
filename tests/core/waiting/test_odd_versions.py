"""Versions and time stamps that one read shows wrongly: reads that agree for long overrule them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import evolve

from di_async.core.waiting.evidence import (
    OVERRULING_SPAN_S,
    Failed,
    Pending,
    Settled,
)
from di_async.core.waiting.observation import (
    Action,
    Expectation,
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


def waiting_for(action: Action, **fields: Any) -> Expectation:
    """Return the expectation of a wait that begins at 0."""
    return Expectation(action=action, accepted_at=0.0, **fields)


def agreeing(until: float, **version: Any) -> list[Read]:
    """Return reads every 40 seconds, from 10 seconds on, that show the same."""
    return [seen(at, **version) for at in range(10, int(until) + 1, 40)]


@pytest.mark.parametrize("target", [None, 2])
def test_newer_spec_version_counts_whatever_its_time_stamp(target: int | None) -> None:
    """The spec version of the update is proof, although its replica's clock is behind."""
    before = ResourceVersion(updated_at=time(0), spec_version=1)
    about = waiting_for(
        Action.UPDATE, before=before, before_phase=Phase.READY, target_spec_version=target
    )
    assert decision(about, seen(5, spec_version=2, updated_at=time(-1))) == Settled(
        "spec version 2"
    )
    later = seen(5, WORKING, spec_version=1, updated_at=time(3))
    found = decision(about, later, seen(9, spec_version=2, updated_at=time(1)))
    assert found == Settled("spec version 2")


def test_older_spec_version_is_stale_whatever_its_time_stamp() -> None:
    """A later time stamp does not make the spec from before the update the new one."""
    before = ResourceVersion(updated_at=time(0), spec_version=1)
    about = waiting_for(Action.UPDATE, before=before, before_phase=Phase.READY)
    newer = seen(5, WORKING, spec_version=2, updated_at=time(1))
    assert decision(about, newer, seen(9, spec_version=1, updated_at=time(9))) == Pending()


ODD = [
    {"updated_at": time(3600)},
    {"updated_at": datetime(9999, 12, 31, tzinfo=UTC)},
    {"spec_version": 2**62, "updated_at": time(0)},
]


@pytest.mark.parametrize("odd", ODD, ids=["ahead", "year 9999", "huge version"])
@pytest.mark.parametrize("action", [Action.CREATE, Action.ACTIVE])
def test_one_odd_version_is_overruled(action: Action, odd: dict[str, Any]) -> None:
    """After one odd read, others that agree for two minutes are believed, and not before."""
    about, normal = waiting_for(action), {"updated_at": time(1), "spec_version": 1}
    first = seen(2, WORKING, **odd)
    assert decision(about, first, *agreeing(OVERRULING_SPAN_S, **normal)) == Pending()
    settled = decision(about, first, *agreeing(OVERRULING_SPAN_S + 10, **normal))
    assert isinstance(settled, Settled)


def test_what_overrules_is_three_reads_over_two_minutes() -> None:
    """Two reads are too few, and three within two minutes too short, however late they come."""
    about, first = waiting_for(Action.ACTIVE), seen(2, WORKING, updated_at=time(3600))
    old: dict[str, Any] = {"updated_at": time(1)}
    assert decision(about, first, seen(10, **old), seen(140, **old)) == Pending()
    third = decision(about, first, seen(10, **old), seen(140, **old), seen(141, **old))
    assert isinstance(third, Settled)
    late = [seen(at, **old) for at in (1000, 1040, 1080, 1119)]
    assert decision(about, first, *late) == Pending()
    assert isinstance(decision(about, first, *late, seen(1120, **old)), Settled)


def test_newer_spec_version_brings_its_own_time_stamp() -> None:
    """Later reads are compared with the stamp of the newer version, though it is earlier."""
    broken = evolve(BROKEN, failure_grace=60.0)
    about = waiting_for(Action.CREATE)
    reads = [
        seen(5, WORKING, spec_version=1, updated_at=time(10)),
        seen(10, broken, spec_version=2, updated_at=time(5)),
        seen(80, broken, spec_version=2, updated_at=time(5)),
    ]
    assert decision(about, *reads[:2]) == Pending()
    assert isinstance(decision(about, *reads), Failed)


@pytest.mark.parametrize(
    "between",
    [
        seen(95, updated_at=time(2)),
        missing(95),
        seen(95, WORKING, updated_at=time(3600)),
    ],
    ids=["another state", "404", "the newer one"],
)
def test_what_overrules_must_agree_without_interruption(between: Read) -> None:
    """Another state, a 404 or the newer version in between starts the two minutes again."""
    about = waiting_for(Action.ACTIVE)
    first, many = seen(2, WORKING, updated_at=time(3600)), agreeing(130, updated_at=time(1))
    assert decision(about, first, *many[:3], between, *many[3:]) == Pending()
    assert isinstance(decision(about, first, *many[:3], failed(95), *many[3:]), Settled)


@pytest.mark.parametrize(("matches", "settles"), [(True, True), (None, False), (False, False)])
def test_update_is_overruled_by_what_was_sent_alone(matches: bool | None, settles: bool) -> None:
    """A state that looks older than the one before the update has to show what was sent."""
    before = ResourceVersion(updated_at=time(0))
    about = waiting_for(
        Action.UPDATE, before=before, before_phase=Phase.READY, differed_before=True
    )
    shown = evolve(READY, matches_sent=matches)
    reads = [seen(at, shown, updated_at=time(-2)) for at in (10, 70, 130)]
    assert isinstance(decision(about, *reads), Settled) is settles
    without = evolve(about, differed_before=None)
    assert isinstance(decision(without, *reads), Pending)
    more = [seen(at, shown, updated_at=time(-2)) for at in (150, 170)]
    assert isinstance(decision(without, *reads, *more), Settled) is settles


@pytest.mark.parametrize("year", [1, 1970, 2000])
def test_placeholder_is_no_time_stamp(year: int) -> None:
    """A time before the year 2000 stands for "not known", in reads and in answers to writes."""
    placeholder = datetime(year, 1, 1, tzinfo=UTC)
    real = datetime(2000, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert ResourceVersion(updated_at=real).updated_at == real
    assert ResourceVersion(updated_at=placeholder).updated_at is None
    assert waiting_for(Action.UPDATE, baseline=placeholder).baseline is None
