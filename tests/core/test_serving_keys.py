"""Tests of keys of endpoints: what is accepted, and that an error shows none."""

from types import SimpleNamespace
from typing import Any

import pytest

from di_async import InvalidInputError, Secret
from di_async.core.secret import hidden
from di_async.core.serving import as_secret


@pytest.mark.parametrize(
    "token", ["key", " key ", Secret("key"), Secret(" key "), SimpleNamespace(value=Secret("key"))]
)
def test_accepted(token: Any) -> None:
    """Text, a secret, or what created one; spaces around it are not part of it."""
    assert as_secret(token) == Secret("key")


def test_none_is_none() -> None:
    """A connect without a key is valid."""
    assert as_secret(None) is None


@pytest.mark.parametrize("key", ["", " ", "key\n", "k\ney", "k\x00ey", "kéy"])
@pytest.mark.parametrize("wrap", [str, Secret, lambda key: SimpleNamespace(secret=Secret(key))])
def test_what_a_header_cannot_carry_is_refused(wrap: Any, key: str) -> None:
    """However it is passed; else each probe would fail until the timeout."""
    with pytest.raises(InvalidInputError, match="expected printable ASCII text"):
        as_secret(wrap(key))


@pytest.mark.parametrize("token", [5, b"key", ["key"], SimpleNamespace(value=None), Secret(5)])  # type: ignore[arg-type]
def test_other_kinds_are_refused(token: Any) -> None:
    """The error says what is expected."""
    with pytest.raises(InvalidInputError, match="expected text, a Secret, or a token with one"):
        as_secret(token)


@pytest.mark.parametrize("token", ["PLANTED", b"PLANTED", ["PLANTED"]])
def test_hidden_whatever_it_is(token: Any) -> None:
    """Also what will be refused."""
    assert "PLANTED" not in repr(hidden(token))
