"""Pages as they come, and as they should not."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from di_async.core.errors import DecodeError
from di_async.core.pagination import Page, page_count, read_page, rows_under

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


@settings(max_examples=200, deadline=None)
@given(body=_bodies, size=st.integers(1, 200))
def test_odd_bodies_are_pages_or_clear_errors(body: Any, size: int) -> None:
    """Anything at all gives a page with a sane count of pages, or a `DecodeError`."""
    try:
        page = read_page(body, "rows")
    except DecodeError:
        assert not isinstance(body, dict) or not isinstance(body.get("rows", 0), list | None)
        return
    assert page.total is None or isinstance(page.total, int)
    count = page_count(page, size)
    assert count is None or count >= 1


def links(**pages: str) -> dict[str, Any]:
    """A listing's links."""
    return {"links": {"pages": pages}}


def url(page: int) -> str:
    """A link to a page."""
    return f"https://api.digitalocean.com/v2/dedicated-inferences?page={page}&per_page=2"


@pytest.mark.parametrize("more", [{}, {"links": {}}, {"links": None}, links(), links(next="")])
def test_no_next_page_ends_the_listing(more: dict[str, Any]) -> None:
    """No links, empty links, and an empty `next` mean the same."""
    page = read_page({"rows": [1], "meta": {"total": 1}, **more}, "rows")
    assert page == Page((1,), 1, None, None)
    assert page_count(page, 200) == 1


def test_last_link_tells_how_many_pages() -> None:
    """Even where fewer rows a page are served than were asked for."""
    body = {"rows": [1, 2], "meta": {"total": 9}, **links(next=url(2), last=url(5))}
    assert page_count(read_page(body, "rows"), 200) == 5


@pytest.mark.parametrize(("rows", "total", "pages"), [(2, 4, 2), (2, 5, 3), (0, 5, 3), (4, 5, 3)])
def test_total_tells_how_many_pages_where_no_last_link_does(
    rows: int, total: int, pages: int
) -> None:
    """Rounded up, by what is served at a time and never by more than was asked for."""
    body = {"rows": list(range(rows)), "meta": {"total": total}, **links(next=url(2))}
    assert page_count(read_page(body, "rows"), 2) == pages


def test_next_without_total_or_last_has_to_be_followed() -> None:
    """Nobody knows how many."""
    assert page_count(read_page({"rows": [1], **links(next=url(2))}, "rows"), 200) is None


def test_null_rows_are_an_empty_listing() -> None:
    """That is how Go writes an empty slice."""
    assert rows_under(orjson.loads(b'{"rows": null}'), "rows") == []


@pytest.mark.parametrize("body", [None, [], "text", {}, {"rows": {}}, {"rows": "abc"}, {"rows": 5}])
def test_answer_without_rows_is_no_empty_listing(body: Any) -> None:
    """An empty listing would look like an empty team."""
    with pytest.raises(DecodeError, match="rows"):
        read_page(body, "rows")
