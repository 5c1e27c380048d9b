"""Tests of the names of a fleet's deployments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_async.core.fleet_names import FLEET_NAME, OWN_NAME, is_of_fleet, name_in_fleet

fleets = st.from_regex(FLEET_NAME, fullmatch=True)
own_names = st.from_regex(OWN_NAME, fullmatch=True)


def test_a_name_is_the_fleet_the_own_name_and_a_checksum() -> None:
    """The form is fixed: names of earlier versions must be found again."""
    assert name_in_fleet("chat", "web-1") == "chat-web-1-cw54"


@given(fleet=fleets, own=own_names)
def test_every_name_is_of_its_fleet(fleet: str, own: str) -> None:
    """What `name_in_fleet` returns is recognised."""
    assert is_of_fleet(fleet, name_in_fleet(fleet, own))


@given(fleet=fleets, own=own_names)
def test_no_name_is_of_a_fleet_that_begins_alike(fleet: str, own: str) -> None:
    """`chat-eu-web` is of one of the fleets `chat` and `chat-eu`, never of both."""
    assert not is_of_fleet(fleet, name_in_fleet(f"{fleet}-eu", own))
    assert not is_of_fleet(f"{fleet}-eu", name_in_fleet(fleet, f"eu-{own}"))


@pytest.mark.parametrize("name", ["", "chat", "chat-", "chat-web", "chat-web-test", "chat--0000"])
def test_names_chosen_by_hand_are_not_of_the_fleet(name: str) -> None:
    """The prefix alone is not enough."""
    assert not is_of_fleet("chat", name)
