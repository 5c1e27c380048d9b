"""List pages at a glance: light rows say what whole ones do, and odd pages take the long way."""

from typing import Any

import orjson
import pytest

from di_async import DecodeError
from di_async.core.pagination import Page, read_page
from di_async.digitalocean.lifecycle import row_key
from di_async.digitalocean.rows import KEY, LightRow, read_sweep
from di_async.emulator import World
from tests.digitalocean.helpers import ROOT, an_instance


def of(*rows: Any, **more: Any) -> bytes:
    """A page's body."""
    return orjson.dumps({KEY: list(rows), **more})


def both(body: bytes) -> tuple[Page, Page]:
    """The page at a glance, and read in full."""
    return read_sweep(body), read_page(orjson.loads(body), KEY)


@pytest.mark.parametrize("dialect", ["documented", "observed"])
def test_light_rows_say_what_whole_ones_do(dialect: Any) -> None:
    """Ids and stamps, the total and the links; and each row can be had whole."""
    world = World(dialect, seed=0)
    for status in ("active", "error", "new"):
        world.add_instance(now=0.0, status=status)
    auth = {"authorization": f"Bearer {world.token}", "host": "x"}
    light, full = both(world.handle(1.0, "GET", f"{ROOT}?per_page=2", auth).body)
    assert all(type(row) is LightRow for row in light.rows)
    assert list(map(row_key, light.rows)) == list(map(row_key, full.rows))
    assert [light.full_row(place) for place in range(2)] == list(full.rows)
    assert (light.total, light.next, light.last) == (full.total, full.next, full.last)
    assert light.total == 3


@pytest.mark.parametrize(
    "row", [None, "x", {}, {"id": 7}, an_instance(status=3), an_instance(updated_at=1.5)]
)
def test_odd_rows_take_the_long_way(row: Any) -> None:
    """One row of a strange shape, and the page is read as any other list is."""
    light, full = both(of(an_instance(), row))
    assert (light.rows, light.full_row(1)) == (full.rows, full.rows[1])


def test_null_is_an_empty_page() -> None:
    """That is how Go writes a list with nothing in it."""
    assert read_sweep(orjson.dumps({KEY: None, "meta": {"total": 0}})).rows == ()


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"other": []}', of()[:-1], of({})[:-2]])
def test_what_is_no_page_is_told(body: bytes) -> None:
    """An error, never an empty list."""
    with pytest.raises(DecodeError):
        read_sweep(body)


def test_stamp_changes_with_the_state() -> None:
    """A new word or a new time is news; another name is none."""
    was, moved, later, named = read_sweep(
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
