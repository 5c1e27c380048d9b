"""When one region's list is read instead of the account's."""

import pytest

from di_async.core.waiting.region_choice import RegionChoice

ATL = ["atl1"] * 40


def entered(pages: int = 2, reads: int = 5) -> RegionChoice:
    """Return a choice that reads the region's list."""
    choice = RegionChoice()
    assert choice.enter("atl1", pages, ATL, reads)
    return choice


@pytest.mark.parametrize(("reads", "tried"), [(2, None), (3, "atl1")])
def test_worth_a_try_from_three_reads_on(reads: int, tried: str | None) -> None:
    """Two pages are not worth a request."""
    assert RegionChoice().to_try(ATL, reads, 200) == tried


@pytest.mark.parametrize(
    ("regions", "tried"),
    [(["atl1", "tor1"], None), (["", "atl1"], None), ([""], None), (["atl1", ""], None)],
)
def test_all_must_be_known_to_be_in_one_region(regions: list[str], tried: str | None) -> None:
    """An unknown region may be another one."""
    assert RegionChoice().to_try(regions, 9, 200) == tried


@pytest.mark.parametrize(("count", "tried"), [(400, "atl1"), (401, None)])
def test_region_with_as_many_rows_cannot_be_shorter(count: int, tried: str | None) -> None:
    """401 rows fill three pages of 200, as many as are read now."""
    assert RegionChoice().to_try(["atl1"] * count, 3, 200) == tried


def test_largest_number_seen_counts() -> None:
    """Those that have settled are still in the list."""
    choice = RegionChoice()
    assert choice.to_try(["atl1"] * 401, 3, 200) is None
    assert choice.to_try(["atl1"] * 10, 3, 200) is None
    assert choice.to_try(["atl1"] * 10, 4, 200) == "atl1"


def test_each_region_is_tried_once_at_a_price() -> None:
    """Again only if the account's list has become longer."""
    choice = RegionChoice()
    assert choice.to_try(ATL, 5, 200) == "atl1"
    assert choice.to_try(ATL, 5, 200) is None
    assert choice.to_try(ATL, 6, 200) == "atl1"
    assert choice.to_try(["tor1"], 5, 200) == "tor1"


def test_page_count_that_was_shown_replaces_the_guess() -> None:
    """Five pages do not beat five reads, but six."""
    choice = RegionChoice()
    assert choice.to_try(ATL, 6, 200) == "atl1"
    assert not choice.enter("atl1", 5, ATL, 5)
    assert choice.to_try(ATL, 5, 200) is None
    assert choice.to_try(ATL, 6, 200) == "atl1"


@pytest.mark.parametrize(("pages", "reads", "taken"), [(4, 5, True), (5, 5, False), (6, 5, False)])
def test_shorter_list_is_entered(pages: int, reads: int, taken: bool) -> None:
    """Only if it saves a read."""
    choice = RegionChoice()
    assert choice.enter("atl1", pages, ATL, reads) is taken
    assert choice.region == ("atl1" if taken else None)


def test_list_is_not_entered_for_others() -> None:
    """Something watched elsewhere would never be seen."""
    assert not RegionChoice().enter("atl1", 1, ["atl1", "tor1"], 5)
    assert not RegionChoice().enter("atl1", 1, ["atl1", ""], 5)


def test_no_second_list_is_tried_or_entered() -> None:
    """While a region's list is read already."""
    choice = entered()
    assert choice.to_try(["tor1"] * 9, 9, 200) is None
    assert not choice.enter("tor1", 1, ["tor1"], 9)
    assert choice.region == "atl1"


@pytest.mark.parametrize(
    ("regions", "left"), [(["atl1"], False), (["atl1", ""], False), (["atl1", "tor1"], True)]
)
def test_left_when_something_is_elsewhere(regions: list[str], left: bool) -> None:
    """An unknown region may be this one."""
    choice = entered()
    assert choice.leave_if_outside(regions) is left
    assert choice.region == (None if left else "atl1")


def test_account_list_cannot_be_left() -> None:
    """It shows everything."""
    assert not RegionChoice().leave_if_outside(["tor1"])


def test_forgotten_regions_are_tried_again() -> None:
    """Nothing that was learned is left; the list that is read stays."""
    choice = RegionChoice()
    assert choice.to_try(["atl1"] * 401, 3, 200) is None
    assert choice.to_try(["atl1"] * 401, 4, 200) == "atl1"
    choice.forget()
    assert choice.to_try(ATL, 3, 200) == "atl1"
