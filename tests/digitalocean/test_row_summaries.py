"""Row summaries equal the full rows; other pages take the tolerant path."""

from typing import Any

import orjson
import pytest

from di_async import DecodeError
from di_async.core.pagination import Page, read_page
from di_async.digitalocean.lifecycle import row_key
from di_async.digitalocean.row_summaries import KEY, RowSummary, read_summaries
from di_async.emulator import World
from tests.builders.digitalocean import BASE
from tests.digitalocean.helpers import an_instance


def of(*rows: Any, **more: Any) -> bytes:
    """Return the body of a page."""
    return orjson.dumps({KEY: list(rows), **more})


def both(body: bytes) -> tuple[Page, Page]:
    """Return the page of summaries and the full page."""
    return read_summaries(body), read_page(orjson.loads(body), KEY)


@pytest.mark.parametrize("dialect", ["documented", "observed"])
def test_summaries_equal_the_full_rows(dialect: Any) -> None:
    """Ids, stamps, total and links are equal, and each full row is available."""
    world = World(dialect, seed=0)
    for status in ("active", "error", "new"):
        world.add_instance(now=0.0, status=status)
    auth = {"authorization": f"Bearer {world.token}", "host": "x"}
    light, full = both(world.handle(1.0, "GET", f"{BASE}?per_page=2", auth).body)
    assert all(type(row) is RowSummary for row in light.rows)
    assert list(map(row_key, light.rows)) == list(map(row_key, full.rows))
    assert [light.full_row(place) for place in range(2)] == list(full.rows)
    assert (light.total, light.next, light.last) == (full.total, full.next, full.last)
    assert light.total == 3


@pytest.mark.parametrize(
    "row", [None, "x", {}, {"id": 7}, an_instance(status=3), an_instance(updated_at=1.5)]
)
def test_unexpected_row_takes_the_tolerant_path(row: Any) -> None:
    """A page with one unexpected row is decoded like any other list."""
    light, full = both(of(an_instance(), row))
    assert (light.rows, light.full_row(1)) == (full.rows, full.rows[1])


DEEP = b'{"a":' * 50_000 + b"1" + b"}" * 50_000


def test_null_is_an_empty_page() -> None:
    """Go writes an empty list as null."""
    assert read_summaries(orjson.dumps({KEY: None, "meta": {"total": 0}})).rows == ()


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"other": []}', of()[:-1], of({})[:-2], DEEP]
)
def test_body_that_is_not_a_page(body: bytes) -> None:
    """It is an error, never an empty list."""
    with pytest.raises(DecodeError):
        read_summaries(body)


def test_stamp_changes_with_the_state() -> None:
    """A new status or update time changes the stamp; a new name does not."""
    was, moved, later, named = read_summaries(
        of(
            an_instance(),
            an_instance(status="updating"),
            an_instance(updated_at="2030-01-01T00:00:00Z"),
            an_instance(name="other"),
        )
    ).rows
    stamps = [row_key(row)[1] for row in (was, moved, later, named)]
    assert len(set(stamps)) == 3
    assert stamps[0] == stamps[3]
