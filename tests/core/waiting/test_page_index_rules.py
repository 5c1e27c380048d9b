"""Tests of the page index: which page shows which watched id, and which rows changed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from di_async.core.waiting.page_index import NO_ROW, PageIndex, PageUpdate, RowKey, make_row_key


def index(*ids: str) -> PageIndex:
    """Return an index that watches these ids."""
    made = PageIndex()
    for id in ids:
        made.add(id)
    return made


def read(
    made: PageIndex, number: int, *rows: str, pages: int | None = 1, at: float = 0.0
) -> PageUpdate:
    """Request a page and record its rows, all with the fingerprint 1."""
    made.page_sent(number)
    return made.update(number, [(row, 1) for row in rows], pages, at)


# --- changed and unchanged rows ----------------------------------------------------------------


def test_first_read_locates_and_reports_every_watched_row() -> None:
    """The first read of a page locates and reports its watched rows only."""
    made = index("a", "b")
    assert made.page_count is None
    assert read(made, 1, "x", "a", "y", "b") == PageUpdate([(1, "a"), (3, "b")], [], moved=True)
    assert (made.page_of("a"), made.page_of("b"), made.page_of("x")) == (1, 1, None)
    assert list(made.ids_on(1)) == ["a", "b"]
    assert not made.unlocated
    assert made.page_count == 1


def test_rows_that_are_not_watched_are_left_out() -> None:
    """The rows after them count."""
    made = index("b")
    assert read(made, 1, "a", "b", "c").changed == [(1, "b")]
    assert list(made.ids_on(1)) == ["b"]


def test_equal_rows_are_unchanged() -> None:
    """A row with the same fingerprint on the same page is unchanged."""
    made = index("a", "b")
    read(made, 1, "a", "b")
    assert made.update(1, [("a", 1), ("b", 2)], 1, 5.0) == PageUpdate(
        [(1, "b")], ["a"], moved=False
    )
    assert made.update(1, [("a", 1), ("b", 2)], 1, 6.0) == PageUpdate([], ["a", "b"], moved=False)


def test_dirty_row_is_reported_once() -> None:
    """A dirty row is reported once, even if it did not change."""
    made = index("a")
    read(made, 1, "a")
    made.mark_dirty("a")
    assert read(made, 1, "a").changed == [(0, "a")]
    assert read(made, 1, "a").changed == []


def test_row_that_is_listed_twice_counts_once() -> None:
    """A row listed twice counts once: pages shift while they are read."""
    made = index("a", "b")
    assert read(made, 1, "a", "a", "b") == PageUpdate([(0, "a"), (2, "b")], [], moved=True)
    assert list(made.ids_on(1)) == ["a", "b"]


def test_row_that_moved_to_another_page_is_reported() -> None:
    """A row that moved to another page is reported there, and leaves its former page."""
    made = index("a", "b")
    read(made, 1, "a", "b", pages=2)
    assert read(made, 2, "b", pages=2) == PageUpdate([(0, "b")], [], moved=True)
    assert (list(made.ids_on(1)), list(made.ids_on(2))) == (["a"], ["b"])
    assert {number: list(ids) for number, ids in made.occupied()} == {1: ["a"], 2: ["b"]}
    assert read(made, 1, "a", pages=2) == PageUpdate([], ["a"], moved=False)
    assert not made.missing


# --- missing ids -------------------------------------------------------------------------------


def test_id_that_left_its_page_is_missing_since_that_read() -> None:
    """An id that left its page is missing since that read, and not searched yet."""
    made = index("a", "b")
    read(made, 1, "a", "b")
    read(made, 1, "a", at=7.0)
    assert made.missing == {"b": 7.0}
    assert made.page_of("b") is None
    assert not made.unlocated
    assert list(made.ids_on(1)) == ["a"]


def test_missing_id_is_found_again() -> None:
    """A missing id is found again on any page."""
    made = index("a", "b")
    read(made, 1, "a", "b", pages=2)
    read(made, 1, "a", pages=2, at=7.0)
    assert read(made, 2, "b", pages=2, at=8.0).moved
    assert not made.missing
    assert made.page_of("b") == 2


def test_relocated_id_is_searched() -> None:
    """An id found by a GET is searched on all pages."""
    made = index("a", "b")
    read(made, 1, "a", "b")
    read(made, 1, "a", at=7.0)
    made.relocate("b")
    assert not made.missing
    assert list(made.unlocated) == ["b"]
    assert made.unsearched() == []  # the only page was read after it was added
    made.relocate("b")
    assert list(made.unlocated) == ["b"]


def test_removed_ids_leave_no_trace() -> None:
    """A removed id leaves no trace, whether located, missing or unlocated."""
    made = index("located", "missing", "unlocated")
    read(made, 1, "located", "missing")
    read(made, 1, "located", at=7.0)
    for id in ("located", "missing", "unlocated", "never added"):
        made.remove(id)
    assert (list(made.ids_on(1)), list(made.unlocated), made.missing) == ([], [], {})
    assert list(made.occupied()) == []
    assert read(made, 1, "located", "missing") == PageUpdate([], [], moved=False)


def test_id_that_is_removed_and_added_again_is_reported() -> None:
    """An id that is removed and added again is reported again."""
    made = index("a")
    read(made, 1, "a")
    made.remove("a")
    made.add("a")
    assert read(made, 1, "a").changed == [(0, "a")]


# --- which pages to search ---------------------------------------------------------------------


def test_search_order() -> None:
    """The last page and the first are searched before the others, which follow from the end."""
    made = index("a")
    assert made.unsearched() == [1]
    read(made, 1, pages=5)
    made.add("b")
    assert made.unsearched() == [5, 1, 4, 3, 2]


def test_nothing_is_searched_without_unlocated_ids() -> None:
    """No page is searched without unlocated ids, even if some were never read."""
    made = index("a")
    read(made, 1, "a", pages=3)
    assert made.unsearched() == []


def test_page_is_searched_for_ids_added_before_its_request() -> None:
    """A page counts as searched only for ids added before its request."""
    made = index("a")
    made.page_sent(1)
    made.add("b")
    made.update(1, [("a", 1)], 1, 0.0)
    assert made.unsearched() == [1]
    read(made, 1, "a")
    assert made.unsearched() == []
    assert list(made.unlocated) == ["b"]


def test_late_response_keeps_what_was_searched() -> None:
    """A late response to an earlier request keeps what was searched."""
    made = index("a")
    read(made, 1)
    assert made.unsearched() == []
    made.update(1, [], 1, 1.0)
    assert made.unsearched() == []


def test_later_request_does_not_count_before_its_answer() -> None:
    """A later request does not count before its response."""
    made = index("a")
    made.page_sent(1)
    assert made.unsearched() == [1]


# --- how many pages ----------------------------------------------------------------------------


def test_unknown_page_count_keeps_the_last_one() -> None:
    """An unknown total keeps the last page count."""
    made = index("a")
    read(made, 1, "a", pages=4)
    read(made, 1, "a", pages=None)
    assert made.page_count == 4


def test_ids_of_removed_pages_are_searched() -> None:
    """Ids of removed pages are searched; those of other pages are kept."""
    made = index("a", "b", "c")
    read(made, 1, "a", pages=3)
    read(made, 2, "b", pages=3)
    read(made, 3, "c", pages=3)
    read(made, 1, "a", pages=2)
    assert list(made.unlocated) == ["c"]
    assert (made.page_of("b"), made.page_of("c")) == (2, None)
    assert list(made.ids_on(3)) == []


def test_ids_of_a_page_that_has_ended_are_searched() -> None:
    """An empty page after the last one says that the list is shorter, not where its ids are."""
    made = index("a", "b")
    read(made, 1, "a", pages=2)
    read(made, 2, "b", pages=2)
    read(made, 2, pages=1)
    assert (list(made.unlocated), made.missing) == (["b"], {})


def test_reset_searches_all_pages() -> None:
    """A reset searches all pages again and reports all rows."""
    made = index("a", "b", "c")
    read(made, 1, "a", "b", pages=2)
    read(made, 1, "a", pages=2, at=7.0)
    made.reset()
    assert made.page_count is None
    assert (sorted(made.unlocated), made.missing) == (["a", "b", "c"], {})
    assert list(made.occupied()) == []
    assert made.unsearched() == [1]
    assert read(made, 1, "a").changed == [(0, "a")]


# --- invariants --------------------------------------------------------------------------------

IDS = st.sampled_from("abcdef")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), IDS),
        st.tuples(st.just("remove"), IDS),
        st.tuples(st.just("read"), st.integers(1, 3), st.lists(IDS, max_size=4), st.integers(1, 3)),
    ),
    max_size=25,
)


@settings(max_examples=60)
@given(steps=STEPS)
def test_every_watched_id_is_in_one_place(steps: list[tuple[object, ...]]) -> None:
    """Every watched id is on one page, or missing, or unlocated."""
    made, watched = PageIndex(), set[str]()
    for step in steps:
        match step:
            case ("add", str(id)) if id not in watched:
                made.add(id)
                watched.add(id)
            case ("remove", str(id)):
                made.remove(id)
                watched.discard(id)
            case ("read", int(number), list(rows), int(pages)):
                keys: list[RowKey] = [(row, 1) for row in rows]
                made.page_sent(number)
                made.update(number, keys, max(pages, number if rows else 1), 1.0)
        placed = [id for _, ids in made.occupied() for id in ids]
        assert sorted([*placed, *made.missing, *made.unlocated]) == sorted(watched)
        assert all(id in made.ids_on(made.page_of(id) or 0) for id in placed)


@pytest.mark.parametrize("number", [2, 9])
def test_page_that_was_never_read_shows_nothing(number: int) -> None:
    """A page that was never read has no ids and is not occupied."""
    made = index("a")
    read(made, 1, "a", pages=9)
    assert list(made.ids_on(number)) == []
    assert [page for page, _ in made.occupied()] == [1]


def test_response_without_a_request_ends_no_search() -> None:
    """A response without a request ends no search."""
    made = index("a")
    made.update(1, [], 1, 0.0)
    assert made.unsearched() == [1]


@pytest.mark.parametrize("id", [None, 5, ""])
def test_row_without_an_id_has_no_key(id: object) -> None:
    """A row whose id is not text, or empty, is not a resource."""
    assert make_row_key(id, "shown") == NO_ROW == ("", 0)
