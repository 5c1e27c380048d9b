"""Seconds that callers pass: timeouts and delays."""

import math
from typing import Any

import pytest

from di_async import InvalidInputError
from di_async.core.seconds import checked_seconds, checked_timeout


@pytest.mark.parametrize(
    "seconds", [math.nan, math.inf, -math.inf, -1, 10**400, True, "5", None, []]
)
def test_odd_seconds_are_rejected(seconds: Any) -> None:
    """Seconds are a finite number of at least 0; None is only a timeout's "for ever"."""
    with pytest.raises(
        InvalidInputError, match="delay: expected a number of seconds, 0 or more and at most 100"
    ):
        checked_seconds(seconds, "delay")
    if seconds is not None:
        with pytest.raises(InvalidInputError, match="None to wait for ever"):
            checked_timeout(seconds)


def test_valid_seconds_are_returned() -> None:
    """Valid seconds are returned as they are; 0 only where it makes sense."""
    assert (checked_seconds(0, "delay"), checked_seconds(1.5, "delay")) == (0, 1.5)
    assert checked_timeout(None) is None
    with pytest.raises(InvalidInputError, match="more than 0 and at most 100 years"):
        checked_seconds(0, "delay", positive=True)
