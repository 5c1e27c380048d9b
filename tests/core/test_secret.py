"""Tests of `Secret`: only an explicit call reveals the value."""

import copy
import pickle

import orjson
import pytest

from di_async.core.secret import Secret, SecretHeaders, reveal

VALUE = "hf_abcdefgh"


@pytest.mark.parametrize("show", [repr, str, format, "{!r:>30}".format, "%s".__mod__, ascii])
def test_printing_shows_a_mask(show: object) -> None:
    """repr, str, format and similar show a mask."""
    assert callable(show)
    shown = show(Secret(VALUE))
    assert VALUE not in shown
    assert "*****" in shown


def test_masked_in_containers_and_tracebacks() -> None:
    """Containers and tracebacks show the mask."""
    assert VALUE not in repr({"token": [Secret(VALUE)]})
    assert VALUE not in str(ValueError(Secret(VALUE)))


def test_reveal_returns_the_value() -> None:
    """`reveal` returns the value; other values pass through."""
    assert Secret(VALUE).reveal() == reveal(Secret(VALUE)) == reveal(VALUE) == VALUE


def test_pickling_and_serialising_raise() -> None:
    """Pickling and serialising raise an error that does not show the value."""
    for leak in (pickle.dumps, orjson.dumps, lambda secret: secret.__getstate__()):
        with pytest.raises(TypeError) as caught:
            leak(Secret(VALUE))
        assert VALUE not in str(caught.value)


def test_copies_of_a_secret_are_the_secret() -> None:
    """A copy of what holds one holds it, too."""
    secret = Secret("x")
    assert copy.copy(secret) is secret
    assert copy.deepcopy({"key": secret})["key"] is secret


def test_no_instance_dict() -> None:
    """`vars()` and attribute assignment fail."""
    secret = Secret(VALUE)
    with pytest.raises(TypeError):
        vars(secret)
    with pytest.raises(AttributeError):
        secret.value = 1  # type: ignore[attr-defined]


def test_equality_hash_and_truth() -> None:
    """Secrets of one value are equal; a text is not equal to a secret."""
    assert Secret("a") == Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a"), Secret("ä")}) == 2
    assert Secret("a") != "a"
    assert (bool(Secret("a")), bool(Secret(""))) == (True, False)


def test_headers_work_as_a_mapping_and_show_their_names_only() -> None:
    """`SecretHeaders` is sent like any mapping, and no repr shows a value."""
    headers = SecretHeaders({"Authorization": "Bearer planted", "Accept": "application/json"})
    assert {**headers} == {"Authorization": "Bearer planted", "Accept": "application/json"}
    assert len(headers) == 2
    assert "Accept" in headers
    assert (headers.get("Accept"), headers.get("Date")) == ("application/json", None)
    for shown in (repr(headers), str(headers), f"{headers}", headers.__sentry_repr__()):
        assert "planted" not in shown
        assert "Authorization" in shown
    assert not hasattr(headers, "__dict__")
