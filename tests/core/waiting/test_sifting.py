"""Rows that say what they said are skipped; whatever may be news is looked at."""

from hypothesis import given
from hypothesis import strategies as st

from di_async.core.waiting.items import PollEntry
from di_async.core.waiting.sifting import Rows


def Awaited(stamp: int = 0, page: int | None = 1, place: int = 0) -> PollEntry:  # noqa: N802
    """Somebody on page 1."""
    return PollEntry(stamp=stamp, page=page, place=place)


def sifted(rows: Rows, stamps: list[int], at: float = 0.0, *, searching: bool = False) -> list[int]:
    """The places of the news; the read took one request."""
    return sorted(rows.sift(stamps, at, 1, searching=searching))


def held(rows: Rows) -> list[PollEntry]:
    """Who is shown as before."""
    told = [item for item in rows.items if item is not None]
    assert len(told) == rows.held
    assert all(item.shown is rows.shown for item in told)
    return told


def looked_at(rows: Rows, stamps: list[int], at: dict[int, PollEntry]) -> list[int]:
    """The places of the news of a page; whoever is there has been looked at, and noted, then."""
    news = sifted(rows, stamps)
    shown = {place: at[place] for place in news if place in at}
    for place, item in shown.items():
        item.stamp = stamps[place]
    rows.note(1, stamps, shown, news)
    return news


def test_all_is_news_at_first_and_nothing_the_second_time() -> None:
    """Who is awaited is told as the same, wherever the others sit."""
    rows, web = Rows(), Awaited()
    assert looked_at(rows, [7, 8, 9], {1: web}) == [0, 1, 2]
    assert (sifted(rows, [7, 8, 9]), held(rows)) == ([], [web])


def test_a_row_that_changed_is_news() -> None:
    """And whoever it is about is not as before."""
    rows, web, api = Rows(), Awaited(), Awaited()
    looked_at(rows, [7, 8, 9], {0: web, 2: api})
    assert (sifted(rows, [7, 8, 10]), held(rows)) == ([2], [web])


def test_who_sits_there_has_been_looked_at_whenever_the_page_was() -> None:
    """And paid for it; what comes after they have left is none of theirs."""
    rows, web, api = Rows(), Awaited(), Awaited()
    rows.seen(1.0, 5)
    looked_at(rows, [7, 8], {0: web, 1: api})
    sifted(rows, [7, 8], at=10.0)
    sifted(rows, [7, 9], at=20.0)
    for item, at in ((web, 20.0), (api, 10.0)):
        item.catch_up()
        assert (item.looked_at, item.read_at, item.unsettled_at) == (at, at, at)
    assert (web.sends, api.sends) == (2, 1)
    rows.doubt(web)
    rows.seen(30.0, 1)
    web.catch_up()
    assert (web.looked_at, web.sends) == (20.0, 2)


def test_a_look_of_its_own_is_not_taken_back() -> None:
    """By what its page said before."""
    rows, web = Rows(), Awaited()
    looked_at(rows, [7], {0: web})
    sifted(rows, [7], at=10.0)
    web.looked_at = web.read_at = web.unsettled_at = 15.0
    web.catch_up()
    assert (web.looked_at, web.read_at, web.unsettled_at) == (15.0, 15.0, 15.0)
    web.looked_at, web.read_at, web.unsettled_at = 5.0, 16.0, 17.0
    web.catch_up()
    assert (web.looked_at, web.read_at, web.unsettled_at) == (10.0, 16.0, 17.0)


def test_another_number_of_rows_makes_all_news() -> None:
    """Rows may have moved: who sat where says nothing then."""
    rows, web = Rows(), Awaited()
    looked_at(rows, [7, 8], {0: web})
    assert (sifted(rows, [7, 8, 9]), held(rows), web.shown) == ([0, 1, 2], [], None)


def test_rows_about_nobody_are_looked_at_for_those_whose_page_is_not_known() -> None:
    """A newcomer may be in any of them."""
    rows, web = Rows(), Awaited()
    looked_at(rows, [7, 8, 9], {1: web})
    assert (sifted(rows, [7, 8, 9], searching=True), held(rows)) == ([0, 2], [web])


def test_a_row_of_which_not_all_is_known_stays_news() -> None:
    """It looked settled, say, and each look may be the one that proves it."""
    rows, web = Rows(), Awaited()
    rows.note(1, [7], {0: web}, [0])  # its own stamp says that it was not noted
    assert (sifted(rows, [7]), held(rows)) == ([0], [])


def test_a_row_of_whom_another_read_follows_stays_news() -> None:
    """Who is followed by GETs sits on no page."""
    rows, web = Rows(), Awaited(stamp=7, page=None)
    rows.note(1, [7], {0: web}, [0])
    assert (sifted(rows, [7]), held(rows)) == ([0], [])


def test_doubt_makes_a_row_news_and_forgets_whom_it_was_about() -> None:
    """Who has left is held no longer; doubting somebody who is not there does nothing."""
    rows, web, gone = Rows(), Awaited(), Awaited(place=5)
    looked_at(rows, [7, 8], {1: web})
    rows.doubt(gone)
    rows.doubt(web)
    rows.doubt(web)
    assert (held(rows), web.shown) == ([], None)
    assert sifted(rows, [7, 8]) == [1]


def test_one_that_is_shown_twice_is_held_once() -> None:
    """So that doubting it makes all that is known of it news."""
    rows, web = Rows(), Awaited()
    looked_at(rows, [7, 8, 7], {0: web, 2: web})
    assert rows.items == [None, None, web]
    rows.doubt(web)
    assert rows.items == [None, None, None]
    assert sifted(rows, [7, 8, 7]) == [0, 2]


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
    rows, seen = Rows(), dict[PollEntry, tuple[int, int]]()
    at: dict[int, PollEntry] = {}
    for stamps, join, unsure, leave in pages:
        searching = bool(join - at.keys())
        at |= {place: Awaited() for place in join - at.keys()}
        news = sifted(rows, stamps, searching=searching)
        for item in held(rows):
            place = item.place
            assert at[place] is item
            assert seen[item] == (place, stamps[place])
        shown = {place: at[place] for place in news if place in at}
        missed = {place for place in at if place < len(stamps)} - shown.keys()
        assert missed == {item.place for item in held(rows)}
        for place, item in shown.items():
            seen[item] = place, stamps[place]
            item.stamp = 0 if place in unsure else stamps[place]
        rows.note(1, stamps, shown, news)
        for place in leave & at.keys():
            rows.doubt(at.pop(place))
