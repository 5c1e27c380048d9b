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
from di_async.core.capacity import Attempt, FailureKind, explain, mentions_capacity, tries_left
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
        (PriceLimitError("no"), FailureKind.PRICE),
        (PriceLimitError("no", on_offer=False), FailureKind.NOT_OFFERED),
        (CleanupError("no"), FailureKind.LEFT),
        (InvalidInputError("no"), FailureKind.FINAL),
        (api_error(412, "no"), FailureKind.CAPACITY),
        (api_error(400, "no", code="no_gpus"), FailureKind.CAPACITY),
        (api_error(422, "no", code="no_gpus"), FailureKind.CAPACITY),
        (api_error(422, "Insufficient GPUs in the REGION"), FailureKind.CAPACITY),
        (api_error(422, "The Region is not known"), FailureKind.FINAL),
        (api_error(422, "no gpu of that kind"), FailureKind.FINAL),
        (api_error(422, "no"), FailureKind.UNEXPLAINED),
        (api_error(400, "no capacity"), FailureKind.FINAL),
        (api_error(403, "no"), FailureKind.FINAL),
        (api_error(500, "no"), FailureKind.FINAL),
        (failed("Sold out"), FailureKind.CAPACITY),
        (failed("sold out", "it crashed"), FailureKind.UNEXPLAINED),
        (failed("it crashed", "sold out"), FailureKind.CAPACITY),
        (failed(None), FailureKind.UNEXPLAINED),
        (failed(), FailureKind.UNEXPLAINED),
        (WaitTimeoutError("late"), FailureKind.UNEXPLAINED),
        (ClientClosedError("closed"), FailureKind.FINAL),
        (DIError("no"), FailureKind.FINAL),
    ],
)
def test_what_a_failure_means(error: DIError, failure: FailureKind) -> None:
    """A lack of capacity is tried elsewhere, and what would fail elsewhere too is not."""
    assert explain(error, capacity=(412, "no_gpus"), input_words=WORDS) is failure


def test_without_words() -> None:
    """By default no status and no word has a meaning of its own."""
    assert explain(api_error(412, "no")) is FailureKind.FINAL
    assert explain(api_error(422, "The region is not known")) is FailureKind.UNEXPLAINED


def test_final_failures() -> None:
    """Two of them end the tries."""
    assert {one for one in FailureKind if one.is_final} == {FailureKind.FINAL, FailureKind.LEFT}


@pytest.mark.parametrize(
    ("failures", "most", "left"),
    [
        ([FailureKind.CAPACITY], 2, None),
        ([FailureKind.PRICE, FailureKind.NOT_OFFERED], 2, None),
        ([FailureKind.UNEXPLAINED], 2, 2),
        ([FailureKind.UNEXPLAINED, FailureKind.CAPACITY], 2, 1),
        ([FailureKind.UNEXPLAINED, FailureKind.UNEXPLAINED], 2, 1),
        ([FailureKind.UNEXPLAINED, FailureKind.CAPACITY, FailureKind.CAPACITY], 2, 0),
        ([FailureKind.UNEXPLAINED], 1, 1),
        ([FailureKind.UNEXPLAINED, FailureKind.CAPACITY], 1, 0),
        ([FailureKind.UNEXPLAINED], 0, 0),
        ([FailureKind.UNEXPLAINED], -1, 0),
        ([FailureKind.CAPACITY], 0, None),
    ],
)
def test_tries_that_are_left(failures: list[FailureKind], most: int, left: int | None) -> None:
    """After a failure without a reason, only so many alternatives are tried."""
    found: int | None = None
    for failure in failures:
        assert found != 0
        found = tries_left(found, failure, most)
    assert found == left


def test_attempt_in_one_line() -> None:
    """The reason is there if there is one, and cannot drive a terminal."""
    assert str(Attempt("atl1", "h100", "created")) == "h100 in atl1: created"
    shown = str(Attempt("atl1", "h100", "failed", "no\x1b nodes"))
    assert shown == "h100 in atl1: failed: no\\x1b nodes"
