"""Why a try to create a deployment failed, and whether to try elsewhere. Pure."""

from collections.abc import Sequence
from enum import Enum

from attrs import frozen

from di_async.core.errors import (
    APIError,
    BadRequestError,
    CleanupError,
    DeploymentFailedError,
    DIError,
    InvalidInputError,
    PriceLimitError,
    UnprocessableEntityError,
    WaitTimeoutError,
)
from di_async.core.printable import printable

__all__ = ["Attempt", "FailureKind", "explain", "mentions_capacity", "tries_left"]

_CAPACITY_WORDS = (
    *("capacity", "insufficient", "unavailable", "not available", "out of stock", "sold out"),
    *("no free", "not enough", "quota", "exhausted"),
)


class FailureKind(Enum):
    """What a failed try means for the next ones."""

    CAPACITY = "no capacity"
    UNEXPLAINED = "failed"
    PRICE = "too expensive"
    NOT_OFFERED = "not on offer"
    FINAL = "refused"
    """Another place would not help."""
    LEFT = "not deleted"
    """What was created could not be proven deleted; nothing else is tried."""

    @property
    def is_final(self) -> bool:
        """Whether no other place is tried."""
        return self in (FailureKind.FINAL, FailureKind.LEFT)


@frozen
class Attempt:
    """One try of `create_first_available`."""

    region: str
    accelerator: str
    outcome: str
    """`created`, `no capacity`, `failed` (no reason was given), `too expensive`, `not on offer`
    (with `max_hourly`, if the provider does not list it there), `refused`, `not deleted` (what
    failed there may still exist), or `not read` (the zone's lists could not be read, so that
    nothing was tried there)."""
    reason: str | None = None
    """What the provider said; None if it was created."""
    id: str | None = None
    """What was created there. Unless the outcome is `created` or `not deleted`, it has been deleted
    since."""

    def __str__(self) -> str:
        reason = f": {self.reason}" if self.reason else ""
        return printable(f"{self.accelerator} in {self.region}: {self.outcome}{reason}")


def mentions_capacity(text: str) -> bool:
    """Return whether a message says that GPUs or quota are lacking."""
    lowered = text.lower()
    return any(word in lowered for word in _CAPACITY_WORDS)


def explain(
    error: DIError, *, capacity: Sequence[int | str] = (), input_words: Sequence[str] = ()
) -> FailureKind:
    """Return what a failed try means.

    Args:
        error: of the create or of the wait.
        capacity: status codes and vendor's error codes that stand for a lack of capacity.
        input_words: names of fields; a 422 that names one refuses the input.
    """
    if isinstance(error, PriceLimitError):
        return FailureKind.PRICE if error.on_offer else FailureKind.NOT_OFFERED
    if isinstance(error, CleanupError):
        return FailureKind.LEFT
    if isinstance(error, InvalidInputError):
        return FailureKind.FINAL
    if isinstance(error, APIError) and (error.status in capacity or error.code in capacity):
        return FailureKind.CAPACITY
    if isinstance(error, UnprocessableEntityError):
        message = error.message.lower()
        if mentions_capacity(message):
            return FailureKind.CAPACITY
        names_field = any(word in message for word in input_words)
        return FailureKind.FINAL if names_field else FailureKind.UNEXPLAINED
    if isinstance(error, BadRequestError):
        return FailureKind.FINAL
    if isinstance(error, DeploymentFailedError):
        shown = getattr(error.history[-1], "note", None) if error.history else None
        return FailureKind.CAPACITY if mentions_capacity(str(shown)) else FailureKind.UNEXPLAINED
    return FailureKind.UNEXPLAINED if isinstance(error, WaitTimeoutError) else FailureKind.FINAL


def tries_left(before: int | None, failure: FailureKind, max_unexplained: int) -> int | None:
    """Return how many alternatives may still be tried after a failure that is not final.

    `before` is how many there were; None, before the first unexplained failure, is any number.
    """
    if before is not None:
        return before - 1
    return max(0, max_unexplained) if failure is FailureKind.UNEXPLAINED else None
