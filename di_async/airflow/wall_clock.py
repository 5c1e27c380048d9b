"""The wall clock: the only time that workers and triggerers on several machines share."""

import time
from datetime import UTC, datetime

__all__ = ["epoch_now", "utc_now"]


def epoch_now() -> float:
    """Return epoch seconds."""
    return time.time()


def utc_now() -> datetime:
    """Return the current time as an aware datetime."""
    return datetime.now(UTC)
