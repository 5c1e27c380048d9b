"""Tests of the names of temporary deployments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_async import InvalidInputError
from di_async.core.temporary_names import format_name, parse_name

NUMBERS = st.lists(st.integers(0, 35), min_size=5, max_size=5)
EXPIRIES = st.integers(1, 36**6 - 1)
PREFIXES = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)


@given(st.text(max_size=300), EXPIRIES, NUMBERS, PREFIXES, st.sampled_from([30, 63, 255]))
def test_round_trip(base: str, at: int, numbers: list[int], prefix: str, most: int) -> None:
    """Every name that is written is short, plain, and read back with its expiry."""
    name = format_name(base, at, numbers, prefix, most)
    assert 4 <= len(name) <= min(most, 63)
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    found = parse_name(name, prefix)
    assert found is not None
    assert found.expires_at == at


@given(EXPIRIES, NUMBERS, st.integers(0, 40), st.sampled_from("abcxyz019-"))
def test_a_changed_name_is_not_one(at: int, numbers: list[int], place: int, char: str) -> None:
    """A name with another character anywhere is not read."""
    name = format_name("web", at, numbers, "tmp", 63)
    changed = name[: place % len(name)] + char + name[place % len(name) + 1 :]
    if changed != name:
        assert parse_name(changed) is None


@given(st.text(max_size=80))
def test_any_other_text_is_not_a_name(text: str) -> None:
    """No other text is read as a name."""
    assert parse_name(text) is None


@pytest.mark.parametrize(
    "name", ["tmp-my-server-backups01", "tmp-web-000001-aaaaaaaaa", "tmp", "web", None, 7]
)
def test_names_chosen_by_hand_are_not_temporary(name: object) -> None:
    """A name that looks like one, but was written by hand, is not read."""
    assert parse_name(name) is None


def test_another_prefix_is_not_read() -> None:
    """A name of one prefix is not a name of another one, even of a longer or shorter one."""
    name = format_name("web", 1_800_000_000, [1] * 5, "tmp-ci", 63)
    assert parse_name(name, "ci") is None
    assert parse_name(name, "tmp-ci") is not None


@pytest.mark.parametrize("prefix", ["", "A", "-a", "a-", "a" * 11, "a_b"])
def test_bad_prefixes_are_refused(prefix: str) -> None:
    """A prefix that a cloud might refuse is refused here."""
    with pytest.raises(InvalidInputError, match="prefix"):
        format_name("web", 1, [0] * 5, prefix, 63)


@given(st.floats(36**6, 1e18))
def test_expiries_out_of_range_are_refused(at: float) -> None:
    """An expiry that needs more digits is refused."""
    with pytest.raises(InvalidInputError, match="lifetime"):
        format_name("web", at, [0] * 5, "tmp", 63)
