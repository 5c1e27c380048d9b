"""A secret is seen by those who ask for it and by nobody else."""

import copy
import pickle

import orjson
import pytest

from di_async.core.secret import Secret, reveal

VALUE = "hf_abcdefgh"


@pytest.mark.parametrize("show", [repr, str, format, "{!r:>30}".format, "%s".__mod__, ascii])
def test_no_way_of_printing_shows_it(show: object) -> None:
    """repr, str, format and their like are masked."""
    assert callable(show)
    shown = show(Secret(VALUE))
    assert VALUE not in shown
    assert "*****" in shown


def test_it_is_masked_inside_containers_and_tracebacks() -> None:
    """A dict, a list and an exception show what repr shows."""
    assert VALUE not in repr({"token": [Secret(VALUE)]})
    assert VALUE not in str(ValueError(Secret(VALUE)))


def test_reveal_gives_the_value() -> None:
    """The one way to it; other values pass through."""
    assert Secret(VALUE).reveal() == reveal(Secret(VALUE)) == reveal(VALUE) == VALUE


def test_it_neither_pickles_nor_copies_nor_serialises_by_accident() -> None:
    """What would write it out raises, without the value in the message."""
    for leak in (pickle.dumps, copy.copy, copy.deepcopy, orjson.dumps):
        with pytest.raises(TypeError) as caught:
            leak(Secret(VALUE))
        assert VALUE not in str(caught.value)


def test_it_has_no_dict_to_look_into() -> None:
    """`vars()` and attribute assignment find nothing."""
    secret = Secret(VALUE)
    with pytest.raises(TypeError):
        vars(secret)
    with pytest.raises(AttributeError):
        secret.value = 1  # type: ignore[attr-defined]


def test_equality_hash_and_truth_are_the_value_s() -> None:
    """Two of one value are one; text is not a secret."""
    assert Secret("a") == Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a"), Secret("ä")}) == 2
    assert Secret("a") != "a"
    assert (bool(Secret("a")), bool(Secret(""))) == (True, False)
