"""Tests of list pages, valid and invalid."""

import sys
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_async.core.errors import DecodeError, InvalidInputError
from di_async.core.pagination import (
    Page,
    PageWalk,
    check_page_size,
    page_count,
    read_page,
    rows_under,
)

_json = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9999) | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
_links = st.one_of(
    _json,
    st.text(max_size=20).map(lambda t: f"https://api.test/v2/things?page={t}"),
    st.sampled_from(["http://[", "?page=²", "?page=" + "9" * 5000, "?page=-3", "?page=1&page=7"]),
)
_bodies = st.one_of(
    _json,
    st.fixed_dictionaries(
        {},
        optional={
            "rows": _json | st.lists(_json),
            "meta": _json | st.fixed_dictionaries({"total": _json}),
            "links": _json
            | st.fixed_dictionaries(
                {
                    "pages": _json
                    | st.fixed_dictionaries({}, optional={"next": _links, "last": _links})
                }
            ),
        },
    ),
)


@given(body=_bodies, size=st.integers(1, 200))
def test_odd_bodies_are_pages_or_clear_errors(body: Any, size: int) -> None:
    """Any body is a page with a plausible page count, or raises `DecodeError`."""
    try:
        page = read_page(body, "rows")
    except DecodeError:
        assert not isinstance(body, dict) or not isinstance(body.get("rows", 0), list | None)
        return
    assert page.total is None or isinstance(page.total, int)
    count = page_count(page, size)
    assert count is None or count >= 1


def links(**pages: str) -> dict[str, Any]:
    """Return the links of a list."""
    return {"links": {"pages": pages}}


def url(page: int) -> str:
    """Return a link to a page."""
    return f"https://api.digitalocean.com/v2/dedicated-inferences?page={page}&per_page=2"


@pytest.mark.parametrize("more", [{}, {"links": {}}, {"links": None}, links(), links(next="")])
def test_no_next_page_ends_the_listing(more: dict[str, Any]) -> None:
    """Missing links, empty links and an empty `next` end the list."""
    page = read_page({"rows": [1], "meta": {"total": 1}, **more}, "rows")
    assert page == Page((1,), 1, None, None)
    assert page_count(page, 200) == 1


def test_last_link_sets_the_page_count() -> None:
    """The last link sets the page count, even if pages hold fewer rows than requested."""
    body = {"rows": [1, 2], "meta": {"total": 9}, **links(next=url(2), last=url(5))}
    assert page_count(read_page(body, "rows"), 200) == 5


@pytest.mark.parametrize(("rows", "total", "pages"), [(2, 4, 2), (2, 5, 3), (0, 5, 3), (4, 5, 3)])
def test_total_sets_the_page_count_without_a_last_link(rows: int, total: int, pages: int) -> None:
    """Without a last link the total sets the page count, from the rows on a page."""
    body = {"rows": list(range(rows)), "meta": {"total": total}, **links(next=url(2))}
    assert page_count(read_page(body, "rows"), 2) == pages


@pytest.mark.parametrize("more", [{}, {"links": {}}, links(next="")])
def test_total_counts_where_links_are_missing(more: dict[str, Any]) -> None:
    """A total beyond the first page means more pages, with or without links."""
    page = read_page({"rows": [1, 2], "meta": {"total": 5}, **more}, "rows")
    assert page_count(page, 2) == 3


def test_next_without_total_or_last_link() -> None:
    """With only a next link the page count is unknown."""
    assert page_count(read_page({"rows": [1], **links(next=url(2))}, "rows"), 200) is None


def test_null_rows_are_an_empty_listing() -> None:
    """Null rows are an empty list, as Go encodes an empty slice."""
    assert rows_under(orjson.loads(b'{"rows": null}'), "rows") == []


@pytest.mark.parametrize("body", [None, [], "text", {}, {"rows": {}}, {"rows": "abc"}, {"rows": 5}])
def test_response_without_rows_is_an_error(body: Any) -> None:
    """A response without rows raises an error instead of an empty list."""
    with pytest.raises(DecodeError, match="rows"):
        read_page(body, "rows")


def test_absurd_last_link_is_not_believed() -> None:
    """A last link far beyond what the total allows does not count."""
    body = {"rows": [1], "meta": {"total": 1}, **links(next=url(2), last=url(99999999))}
    assert page_count(read_page(body, "rows"), 200) == 1


@pytest.mark.parametrize(
    "total",
    [True, -1, 2**31 - 1, 10**30, 1.5, None, [1], "", "-7", "7.5", "\u0663", "7\n", "9" * 5000],
)
def test_implausible_totals_are_unknown(total: Any) -> None:
    """A total that is not a plausible number of rows counts as unknown."""
    assert read_page({"rows": [1], "meta": {"total": total}}, "rows").total is None


@pytest.mark.parametrize(("total", "rows"), [("7", 7), ("0", 0), ("0450", 450), ("2000000", 2e6)])
def test_totals_may_be_text(total: str, rows: int) -> None:
    """A total in decimal text is a total."""
    assert read_page({"rows": [1], "meta": {"total": total}}, "rows").total == rows


def test_links_are_not_kept() -> None:
    """Reading a huge link keeps no copy of it, and finds no number in it."""
    link = "https://x/?page=7&" + "y" * 2_000_000
    before = sys.getrefcount(link)
    assert read_page({"rows": [], "links": {"pages": {"last": link}}}, "rows").last is None
    assert sys.getrefcount(link) <= before + 1


@pytest.mark.parametrize("size", [0, 1001, -1, True, 2.5, "5", None])
def test_page_sizes(size: Any) -> None:
    """A page size is a whole number within the API's limits."""
    check_page_size(1, 1000)
    check_page_size(1000, 1000)
    with pytest.raises(InvalidInputError, match="page_size: expected 1 to 1000"):
        check_page_size(size, 1000)


def a_page(*rows: Any, total: int | None = None, next: str | None = None) -> Page:
    """Return a page without a link to the last one."""
    return Page(rows, total, next, last=None)


def walk_over(*pages: Page) -> PageWalk:
    """Return a pass that has read these pages of two rows, one by one."""
    walk = PageWalk(page_size=2)
    for page in pages:
        assert len(walk.next_batch()) == 1
        walk.record([page])
    return walk


def test_a_pass_that_shows_fewer_rows_than_the_total_is_short() -> None:
    """The total that was shown last counts: rows may move while the pages are read."""
    one, two = ({"id": "a"}, {"id": "b"}), ({"id": "c"},)
    whole = walk_over(a_page(*one, total=3), a_page(*two, total=3))
    assert (list(whole.next_batch()), whole.is_short) == ([], False)
    assert walk_over(a_page(*one, total=3), a_page(*two, total=4)).is_short
    assert not walk_over(a_page(*one), a_page(*two)).is_short


def test_rows_without_ids_are_new_until_a_page_repeats() -> None:
    """Rows without ids cannot be compared one by one, so the same page again ends the pass."""
    two = ({"name": "c"}, {"name": "d"})
    walk = walk_over(a_page({"name": "a"}, next="?page=2"), a_page(*two, next="?page=3"))
    assert list(walk.next_batch()) == [3]
    walk.record([a_page(*two, next="?page=4")])
    assert (list(walk.next_batch()), walk.incomplete) == ([], True)


@pytest.mark.parametrize(
    ("total", "last", "sizes"),
    [
        (200, 100, [1, 32, 32, 32, 3]),
        (200, None, [1, 8, 16, 32, 32, 11]),
        (None, 100, [1, 8, 16, 32, 32, 11]),
        (200, 99, [1, 8, 16, 32, 32, 10]),
        (None, None, [1] * 6),
    ],
)
def test_sizes_of_batches(total: int | None, last: int | None, sizes: list[int]) -> None:
    """Many pages are read at once only where total and last link agree on how many there are."""
    walk, found = PageWalk(page_size=2), list[int]()
    while len(found) < len(sizes) and (batch := walk.next_batch()):
        found.append(len(batch))
        rows = [({"id": f"{page}a"}, {"id": f"{page}b"}) for page in batch]
        walk.record([Page(two, total, next="/", last=last) for two in rows])
    assert found == sizes
