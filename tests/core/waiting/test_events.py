"""Tests of `StatusChange` as text and as a value."""

from datetime import UTC, datetime
from unittest import mock

import pytest

from di_async.core.waiting.events import StatusChange

AT = datetime(2026, 1, 1, tzinfo=UTC)


def test_status_change_reads_as_one_line() -> None:
    """An event prints elapsed time, the transition, the note and the count."""
    change = StatusChange(
        id="x", status="active", previous="new", at=AT, elapsed=61.25, note="at last", times=2
    )
    assert str(change) == "    61.2 s  new -> active  at last (x2)"


def test_first_status_has_no_arrow() -> None:
    """The first event prints its status without an arrow."""
    assert str(StatusChange(id="x", status="new", at=AT)) == "     0.0 s  new"


def test_words_of_the_server_are_printable() -> None:
    """Control characters in a status or a note are escaped, on one line."""
    change = StatusChange(
        id="x", status="a\x1b[2J", previous="b\u202e", at=AT, note="gone\nerror: forged"
    )
    assert str(change) == r"     0.0 s  b\u202e -> a\x1b[2J  gone\nerror: forged"


def test_resource_is_neither_shown_nor_compared() -> None:
    """The resource is neither printed nor compared."""
    one, other = (StatusChange(id="x", status="new", at=AT, resource=r) for r in ("big", None))
    assert one == other
    assert "big" not in repr(one)


def test_equal_changes_are_one_in_a_set() -> None:
    """Equal events are equal in a set and cannot be changed."""
    one, same, other = (StatusChange(id="x", status=s, at=AT) for s in ("new", "new", "active"))
    assert {one, same, other} == {one, other}
    assert one != "new"  # type: ignore[comparison-overlap]
    assert one == mock.ANY
    with pytest.raises(AttributeError):
        one.status = "active"  # type: ignore[misc]
