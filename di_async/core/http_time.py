"""Read the times in HTTP headers: dates, waiting times, and resets of quotas.

A time in a header is reckoned with the `Date` of the same answer, which the same clock wrote. Every
result is bounded: a wrong clock at a gateway must not stop a client for years.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_tz
from functools import lru_cache

from msgspec import Struct

__all__ = [
    "LONGEST_HOLD_S",
    "NO_HOLD",
    "Hold",
    "parse_http_date",
    "parse_number",
    "read_hold",
    "retry_after",
    "seconds_until_reset",
    "server_date",
]

LONGEST_HOLD_S = 3600.0
"""No quota has a longer window, so a longer waiting time is not one."""
_MAX_LENGTH = 64
# Dates outside these years come from a clock that was never set.
_EARLIEST, _LATEST = 1_577_836_800.0, 4_102_444_800.0  # 2020-01-01, 2100-01-01
_MAX_AGE_S = 86400.0
# The zones that exist: from -12:00 to +14:00, in quarters of an hour.
_WEST_S, _EAST_S, _QUARTER_S = -12 * 3600, 14 * 3600, 900
# Epoch times in larger units than seconds: (from this value on, units in a second).
_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))


def parse_number(text: str | None) -> float | None:
    """Return a header's number; None if it is not one."""
    if text is None or len(text) > _MAX_LENGTH:
        return None
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


@lru_cache(maxsize=32)  # answers of the same second have the same date
def parse_http_date(date: str | None) -> float | None:
    """Return the epoch seconds of an HTTP date; None if it is not one.

    All three forms are read (RFC 9110, 5.6.7), and each is GMT unless it has another zone.
    """
    if date is None or len(date) > _MAX_LENGTH:
        return None
    try:
        parts = parsedate_tz(date)
        if parts is None:
            return None
        year, month, day, hour, minute, second = parts[:6]
        offset = parts[9] or 0
        if not _WEST_S <= offset <= _EAST_S or offset % _QUARTER_S:
            return None
        leap = second == 60  # a leap second
        time = datetime(year, month, day, hour, minute, second - leap, tzinfo=UTC)
        return time.timestamp() + leap - offset
    except (TypeError, ValueError, OverflowError, IndexError):
        return None


def server_date(headers: Mapping[str, str]) -> float | None:
    """Return the server's time in an answer, in epoch seconds; None if it has no credible one.

    A cache passes on the date of an older answer, and its `Age`.
    """
    date = parse_http_date(headers.get("date"))
    if date is None or not _EARLIEST <= date <= _LATEST:
        return None
    age = parse_number(headers.get("age")) or 0.0
    return date + age if 0 <= age <= _MAX_AGE_S else None


class Hold(Struct, frozen=True):
    """What `Retry-After` says."""

    seconds: float | None = None
    """Seconds to wait, at most `LONGEST_HOLD_S`; None if no credible time is named."""
    absurd: bool = False
    """A time is named that is longer than any quota's window."""


NO_HOLD = Hold()


def read_hold(headers: Mapping[str, str], now: float) -> Hold:
    """Return the waiting time in headers: milliseconds, seconds or a date (RFC 9110, 10.2.3).

    Args:
        headers: of the answer.
        now: the server's time if the answer has no `Date`, in epoch seconds.
    """
    absurd = False
    for seconds in _holds(headers, now):
        if seconds is not None and 0 <= seconds <= LONGEST_HOLD_S:
            return Hold(seconds)
        absurd = absurd or (seconds is not None and seconds > LONGEST_HOLD_S)
    return Hold(absurd=absurd)


def _holds(headers: Mapping[str, str], now: float) -> tuple[float | None, ...]:
    milliseconds = parse_number(headers.get("retry-after-ms"))
    text = headers.get("retry-after")
    until = parse_http_date(text)
    date = server_date(headers)
    return (
        None if milliseconds is None else milliseconds / 1000,
        parse_number(text),
        None if until is None else max(0.0, until - (now if date is None else date)),
    )


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds to wait, at most `LONGEST_HOLD_S`; None if no credible time is named."""
    return read_hold(headers, now).seconds


def seconds_until_reset(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds until `ratelimit-reset`, at most `LONGEST_HOLD_S`.

    The value is an epoch time (of seconds or of a smaller unit), or the seconds left. None if it
    is not a number, or lies in the past, where it says nothing.
    """
    value = parse_number(headers.get("ratelimit-reset"))
    if value is None:
        return None
    if value < _EARLIEST / 2:
        left = value
    else:
        date = server_date(headers)
        left = _epoch_seconds(value) - (now if date is None else date)
    return min(left, LONGEST_HOLD_S) if left >= 0 else None


def _epoch_seconds(value: float) -> float:
    for least, per_second in _UNITS:
        if value >= least:
            return value / per_second
    return value
