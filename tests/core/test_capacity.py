"""Tests of why a create failed, and whether to try elsewhere."""

from datetime import UTC, datetime

import pytest

from di_async import (
    CleanupError,
    ClientClosedError,
    DeploymentFailedError,
    DIError,
    InvalidInputError,
    PriceLimitError,
    StatusChange,
    WaitTimeoutError,
)
from di_async.core.capacity import Attempt, Failure, Tries, explain, mentions_capacity
from di_async.core.errors import api_error

WORDS = ("region", "gpu")


def failed(*notes: str | None) -> DeploymentFailedError:
    """Return the error of a wait whose steps have these notes."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    history = tuple(StatusChange(id="i", status="error", at=at, note=note) for note in notes)
    return DeploymentFailedError("failed", history=history)


@pytest.mark.parametrize(
    "word",
    ["capacity", "insufficient", "unavailable", "not available", "out of stock", "sold out",
     "no free", "not enough", "quota", "exhausted"],
)  # fmt: skip
def test_words_about_capacity(word: str) -> None:
    """A message is about capacity if it has one of the words, in any case."""
    assert mentions_capacity(f"Sorry: {word.upper()} GPUs")
    assert not mentions_capacity("the image cannot be pulled")


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (PriceLimitError("no"), Failure.PRICE),
        (PriceLimitError("no", on_offer=False), Failure.NOT_OFFERED),
        (CleanupError("no"), Failure.LEFT),
        (InvalidInputError("no"), Failure.FINAL),
        (api_error(412, "no"), Failure.CAPACITY),
        (api_error(400, "no", code="no_gpus"), Failure.CAPACITY),
        (api_error(422, "no", code="no_gpus"), Failure.CAPACITY),
        (api_error(422, "Insufficient GPUs in the REGION"), Failure.CAPACITY),
        (api_error(422, "The Region is not known"), Failure.FINAL),
        (api_error(422, "no gpu of that kind"), Failure.FINAL),
        (api_error(422, "no"), Failure.UNEXPLAINED),
        (api_error(400, "no capacity"), Failure.FINAL),
        (api_error(403, "no"), Failure.FINAL),
        (api_error(500, "no"), Failure.FINAL),
        (failed("Sold out"), Failure.CAPACITY),
        (failed("sold out", "it crashed"), Failure.UNEXPLAINED),
        (failed("it crashed", "sold out"), Failure.CAPACITY),
        (failed(None), Failure.UNEXPLAINED),
        (failed(), Failure.UNEXPLAINED),
        (WaitTimeoutError("late"), Failure.UNEXPLAINED),
        (ClientClosedError("closed"), Failure.FINAL),
        (DIError("no"), Failure.FINAL),
    ],
)
def test_what_a_failure_means(error: DIError, failure: Failure) -> None:
    """A lack of capacity is tried elsewhere, and what would fail elsewhere too is not."""
    assert explain(error, capacity=(412, "no_gpus"), input_words=WORDS) is failure


def test_without_words() -> None:
    """By default no status and no word has a meaning of its own."""
    assert explain(api_error(412, "no")) is Failure.FINAL
    assert explain(api_error(422, "The region is not known")) is Failure.UNEXPLAINED


def test_final_failures() -> None:
    """Two of them end the tries."""
    assert {one for one in Failure if one.is_final} == {Failure.FINAL, Failure.LEFT}


@pytest.mark.parametrize(
    ("failures", "most", "left"),
    [
        ([Failure.CAPACITY], 2, Tries(None)),
        ([Failure.PRICE, Failure.NOT_OFFERED], 2, Tries(None)),
        ([Failure.UNEXPLAINED], 2, Tries(2)),
        ([Failure.UNEXPLAINED, Failure.CAPACITY], 2, Tries(1)),
        ([Failure.UNEXPLAINED, Failure.UNEXPLAINED], 2, Tries(1)),
        ([Failure.UNEXPLAINED, Failure.CAPACITY, Failure.CAPACITY], 2, None),
        ([Failure.UNEXPLAINED], 1, Tries(1)),
        ([Failure.UNEXPLAINED, Failure.CAPACITY], 1, None),
        ([Failure.UNEXPLAINED], 0, None),
        ([Failure.CAPACITY], 0, Tries(None)),
        ([Failure.FINAL], 2, None),
        ([Failure.LEFT], 2, None),
    ],
)
def test_tries_that_are_left(failures: list[Failure], most: int, left: Tries | None) -> None:
    """After a failure without a reason, only so many alternatives are tried."""
    tries: Tries | None = Tries()
    for failure in failures:
        assert tries is not None
        tries = tries.after(failure, most)
    assert tries == left


def test_attempt_in_one_line() -> None:
    """The reason is there if there is one, and cannot drive a terminal."""
    assert str(Attempt("atl1", "h100", "created")) == "h100 in atl1: created"
    shown = str(Attempt("atl1", "h100", "failed", "no\x1b nodes"))
    assert shown == "h100 in atl1: failed: no\\x1b nodes"
