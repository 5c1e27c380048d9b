"""Errors can be pickled and copied, whatever they hold; a pickle holds no secrets."""

import copy
import pickle
import threading
import traceback
from typing import Any

import pytest
from attrs import frozen

from di_async import DIError, OutcomeUnknownError, Secret, WaitError
from di_async.core.picklable import deep_copy, picklable
from di_async.digitalocean import AccessToken


@frozen
class Pair:
    """An object with a secret and a plain field."""

    secret: Secret | None
    name: str = "n"


class UnrestorableError(Exception):
    """An exception of another library: its pickle lacks an argument, and cannot be read."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")


TOKEN = AccessToken(id="1", name="n", value=Secret("planted"))


@pytest.mark.parametrize(
    "held",
    [
        Secret("planted"),
        TOKEN,
        (TOKEN, TOKEN),
        [Pair(Secret("planted"))],
        {"a": (Pair(Secret("planted")),)},
        threading.Lock(),
        lambda: "planted",
        UnrestorableError(500, "broken"),
        Pair(Secret("planted"), name="x"),
    ],
    ids=lambda held: type(held).__name__,
)
def test_error_with_anything_can_be_pickled_and_copied(held: Any) -> None:
    """Pickle, copy and deep copy work; the pickle does not contain the secret."""
    error = OutcomeUnknownError("lost", candidates=(held,), extra=held)
    data = pickle.dumps(error)
    assert b"planted" not in data
    back = pickle.loads(data)  # noqa: S301 - made here
    assert (type(back), str(back)) == (OutcomeUnknownError, "lost")
    assert copy.copy(error).candidates[0] is held
    assert type(copy.deepcopy(error)) is OutcomeUnknownError
    assert "planted" not in "".join(traceback.format_exception(back)) + repr(back)


def test_pickle_keeps_what_is_not_secret() -> None:
    """Only the secret itself is dropped."""
    assert picklable((Pair(Secret("planted"), name="x"),)) == (Pair(None, name="x"),)
    assert picklable({"a": [1, "b"]}) == {"a": [1, "b"]}
    assert "lock" in picklable(threading.Lock())
    assert picklable(UnrestorableError(500, "broken")) == "<UnrestorableError: 500: broken>"


def test_copies_in_one_process_keep_secrets() -> None:
    """A deep copy keeps the secret: it stays in this process."""
    copied = copy.deepcopy(OutcomeUnknownError("lost", candidates=(TOKEN,)))
    assert copied.candidates[0].value.reveal() == "planted"
    lock = threading.Lock()
    assert deep_copy(lock, {}) is lock


def test_what_cannot_describe_itself_is_named_by_its_type() -> None:
    """An object whose text raises is named by its type."""

    class Broken:
        def __reduce__(self) -> str:
            raise ValueError

        def __str__(self) -> str:
            raise ValueError

    assert picklable(Broken()) == "<Broken>"


def test_messages_are_bounded() -> None:
    """A message keeps its first few thousand characters."""
    for kind in (DIError, WaitError):
        error = kind("x" * 10_000_000)
        assert len(str(error)) < 5000
        assert len(pickle.dumps(error)) < 20_000
