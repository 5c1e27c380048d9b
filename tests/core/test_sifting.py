"""Rows that say what they said are skipped; whatever may be news is looked at."""

from attrs import define
from hypothesis import given
from hypothesis import strategies as st

from di_async.core.sifting import Rows


@define(eq=False)
class Awaited:
    """Somebody on page 1."""

    stamp: int = 0
    page: int | None = 1
    place: int = 0


def looked_at(rows: Rows, stamps: list[int], at: dict[int, Awaited]) -> list[int]:
    """The places of the news of a page; whoever is there has been looked at, and noted, then."""
    news = list(rows.sift(stamps, searching=False).news)
    shown = {place: at[place] for place in news if place in at}
    for place, item in shown.items():
        item.stamp = stamps[place]
    rows.note(1, stamps, shown, news)
    return news


def test_all_is_news_at_first_and_nothing_the_second_time() -> None:
    """Who is awaited is told as the same, wherever the others sit."""
    rows, web = Rows(), Awaited()
    assert looked_at(rows, [7, 8, 9], {1: web}) == [0, 1, 2]
    sifted = rows.sift([7, 8, 9], searching=False)
    assert (sifted.same, list(sifted.news)) == ([web], [])


def test_a_row_that_changed_is_news() -> None:
    """And whoever it is about is not as before."""
    rows, web, api = Rows(), Awaited(), Awaited()
    looked_at(rows, [7, 8, 9], {0: web, 2: api})
    sifted = rows.sift([7, 8, 10], searching=False)
    assert (sifted.same, list(sifted.news)) == ([web], [2])


def test_another_number_of_rows_makes_all_news() -> None:
    """Rows may have moved: who sat where says nothing then."""
    rows, web = Rows(), Awaited()
    looked_at(rows, [7, 8], {0: web})
    sifted = rows.sift([7, 8, 9], searching=False)
    assert (sifted.same, list(sifted.news)) == ([], [0, 1, 2])


def test_rows_about_nobody_are_looked_at_for_those_whose_page_is_not_known() -> None:
    """A newcomer may be in any of them."""
    rows, web = Rows(), Awaited()
    looked_at(rows, [7, 8, 9], {1: web})
    sifted = rows.sift([7, 8, 9], searching=True)
    assert (sifted.same, sorted(sifted.news)) == ([web], [0, 2])


def test_a_row_of_which_not_all_is_known_stays_news() -> None:
    """It looked settled, say, and each look may be the one that proves it."""
    rows, web = Rows(), Awaited()
    rows.note(1, [7], {0: web}, [0])  # its own stamp says that it was not noted
    assert list(rows.sift([7], searching=False).news) == [0]


def test_a_row_of_whom_another_read_follows_stays_news() -> None:
    """Who is followed by GETs sits on no page."""
    rows, web = Rows(), Awaited(stamp=7, page=None)
    rows.note(1, [7], {0: web}, [0])
    assert list(rows.sift([7], searching=False).news) == [0]


def test_doubt_makes_a_row_news_and_forgets_whom_it_was_about() -> None:
    """Who has left is held no longer; doubting somebody who is not there does nothing."""
    rows, web, gone = Rows(), Awaited(), Awaited(place=5)
    looked_at(rows, [7, 8], {1: web})
    rows.doubt(gone)
    rows.doubt(web)
    rows.doubt(web)
    sifted = rows.sift([7, 8], searching=False)
    assert (sifted.same, list(sifted.news), rows.items) == ([], [1], [None, None])


def test_one_that_is_shown_twice_is_held_once() -> None:
    """So that doubting it makes all that is known of it news."""
    rows, web = Rows(), Awaited()
    looked_at(rows, [7, 8, 7], {0: web, 2: web})
    assert rows.items == [None, None, web]
    rows.doubt(web)
    assert rows.items == [None, None, None]
    assert list(rows.sift([7, 8, 7], searching=False).news) == [0, 2]


PAGES = st.lists(
    st.tuples(
        st.lists(st.integers(1, 3), max_size=5),  # what the rows say
        st.sets(st.integers(0, 4)),  # places of those who join before it is read
        st.sets(st.integers(0, 4)),  # and of those of whom not all is noted
        st.sets(st.integers(0, 4)),  # and of those who leave after it was read
    ),
    max_size=8,
)


@given(PAGES)
def test_nobody_misses_a_change(
    pages: list[tuple[list[int], set[int], set[int], set[int]]],
) -> None:
    """Whatever comes and goes: who is told as the same has seen just this row, here, before."""
    rows, seen = Rows(), dict[Awaited, tuple[int, int]]()
    at: dict[int, Awaited] = {}
    for stamps, join, unsure, leave in pages:
        searching = bool(join - at.keys())
        at |= {place: Awaited() for place in join - at.keys()}
        sifted = rows.sift(stamps, searching=searching)
        for item in sifted.same:
            place = item.place
            assert at[place] is item
            assert seen[item] == (place, stamps[place])
        shown = {place: at[place] for place in sifted.news if place in at}
        missed = {place for place in at if place < len(stamps)} - shown.keys()
        assert missed == {item.place for item in sifted.same}
        for place, item in shown.items():
            seen[item] = place, stamps[place]
            item.stamp = 0 if place in unsure else stamps[place]
        rows.note(1, stamps, shown, sifted.news)
        for place in leave & at.keys():
            rows.doubt(at.pop(place))
