"""How one thing learned reads."""

from datetime import UTC, datetime
from unittest import mock

import pytest

from di_async.core.waiting.events import StatusChange

AT = datetime(2026, 1, 1, tzinfo=UTC)


def test_status_change_reads_as_one_line() -> None:
    """Elapsed time, the move, the note, and how often."""
    change = StatusChange(
        id="x", status="active", previous="new", at=AT, elapsed=61.25, note="at last", times=2
    )
    assert str(change) == "    61.2 s  new -> active  at last (x2)"


def test_first_status_has_no_arrow() -> None:
    """There is nothing it moved from."""
    assert str(StatusChange(id="x", status="new", at=AT)) == "     0.0 s  new"


def test_resource_is_neither_shown_nor_compared() -> None:
    """It may be large and is beside the point."""
    one, other = (StatusChange(id="x", status="new", at=AT, resource=r) for r in ("big", None))
    assert one == other
    assert "big" not in repr(one)


def test_equal_changes_are_one_in_a_set() -> None:
    """Everything else tells them apart; nobody can change one."""
    one, same, other = (StatusChange(id="x", status=s, at=AT) for s in ("new", "new", "active"))
    assert {one, same, other} == {one, other}
    assert one != "new"  # type: ignore[comparison-overlap]
    assert one == mock.ANY
    with pytest.raises(AttributeError):
        one.status = "active"  # type: ignore[misc]
