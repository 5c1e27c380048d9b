"""Read the timestamps in API responses and in stored files."""

from datetime import MAXYEAR, UTC, datetime, timedelta
from typing import Any

__all__ = ["parse_time"]

_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_SECOND = timedelta(seconds=1)


def parse_time(value: Any, _: object = None) -> datetime | None:
    """Return an aware datetime (UTC if no zone is given), or None for anything unreadable.

    Every result can be converted to UTC.
    """
    try:
        time = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        return _leap_second(value)
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    if 1 < time.year < 9999:
        return None if value.isdigit() else time  # an epoch time may look like a date
    return _within_calendar(time)


def _leap_second(value: Any) -> datetime | None:
    """Return the second after 23:59:59 for a time of 23:59:60, which Python does not know."""
    if not isinstance(value, str) or value[16:19] != ":60":
        return None
    before = parse_time(f"{value[:16]}:59{value[19:]}")
    return before and min(before, _LAST - _SECOND) + _SECOND


def _within_calendar(time: datetime) -> datetime:
    """Return a time of the first or last year so that it is within these in UTC, too."""
    try:
        time.astimezone(UTC)
    except OverflowError:
        return _LAST if time.year == MAXYEAR else _FIRST
    return time
