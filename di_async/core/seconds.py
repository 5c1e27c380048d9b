"""Checks of the seconds that callers pass, such as timeouts and delays."""

from di_async.core.errors import InvalidInputError
from di_async.core.printable import short_repr

__all__ = ["MAX_SECONDS", "checked_seconds", "checked_timeout"]

MAX_SECONDS = 100 * 366 * 86400.0
"""A hundred years: event loops cannot set timers much later."""


def checked_seconds(seconds: float, name: str, *, positive: bool = False) -> float:
    """Return seconds that a caller passed, checked: every timeout and delay goes through here.

    Raises:
        InvalidInputError: not a number, NaN, negative, or above a hundred years; zero, with
            `positive`.
    """
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if number and 0 <= seconds <= MAX_SECONDS and not (positive and seconds == 0):
        return seconds
    least = "more than 0" if positive else "0 or more"
    raise InvalidInputError(
        f"{name}: expected a number of seconds, {least} and at most 100 years, "
        f"not {short_repr(seconds)}"
    )


def checked_timeout(timeout: float | None) -> float | None:
    """Return a timeout in seconds; None waits for ever. Raises as `checked_seconds` does."""
    if timeout is None:
        return None
    try:
        return checked_seconds(timeout, "timeout")
    except InvalidInputError as error:
        raise InvalidInputError(f"{error.message}; pass None to wait for ever") from None
