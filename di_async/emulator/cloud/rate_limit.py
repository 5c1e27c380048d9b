"""The sliding request windows of one token, and the tally of everything that came in.

Rules of this file: pure counting on world time; nothing here knows HTTP.
https://docs.digitalocean.com/reference/api/reference/#rate-limit : 5000 an hour and 250 a minute,
and "reset" is when the *oldest* counted request expires, not when the quota refills.
"""

from collections import Counter, deque
from typing import Literal

from attrs import Factory, define, field, frozen

MINUTE = 60.0
HOUR = 3600.0

Window = Literal["minute", "hour"]


@frozen
class Limits:
    """The two windows' sizes, and whether they bite.

    Refused requests do not count by default: the vendor does not say, and if they did, each
    refused retry would make the `retry-after` of the refusals before it untrue.
    """

    per_minute: int = 250
    per_hour: int = 5000
    enforced: bool = True
    count_refused: bool = False


@frozen
class RateLimitStatus:
    """Where a token stands after a request: refused by which window, and what the headers tell."""

    refused_by: Window | None
    remaining: int
    reset_at: float
    retry_in: float = 0.0

    @staticmethod
    def untouched(limits: Limits, now: float) -> "RateLimitStatus":
        """Where a token stands of which nothing was counted."""
        return RateLimitStatus(None, limits.per_hour, now + HOUR)


@define
class Windows:
    """One token's counted requests, newest last."""

    limits: Limits
    minute: deque[float] = Factory(deque)
    hour: deque[float] = Factory(deque)

    def admit(self, now: float) -> RateLimitStatus:
        """Count a request if there is room for it, and say where the token stands."""
        _expire(self.minute, now - MINUTE)
        _expire(self.hour, now - HOUR)
        refused_by = self._full() if self.limits.enforced else None
        if refused_by is None or self.limits.count_refused:
            self.minute.append(now)
            self.hour.append(now)
        return self._standing(now, refused_by)

    def _full(self) -> Window | None:
        if len(self.hour) >= self.limits.per_hour:
            return "hour"
        return "minute" if len(self.minute) >= self.limits.per_minute else None

    def _standing(self, now: float, refused_by: Window | None) -> RateLimitStatus:
        remaining = max(0, self.limits.per_hour - len(self.hour))
        reset_at = (self.hour[0] if self.hour else now) + HOUR
        if refused_by != "minute":
            return RateLimitStatus(refused_by, remaining, reset_at)
        # The per_minute-th newest frees room; it is the oldest unless refusals count, too.
        frees = self.minute[len(self.minute) - self.limits.per_minute] + MINUTE
        # A burst refusal says 0 remaining even when the hour has room: the vendor does.
        return RateLimitStatus("minute", 0, reset_at, frees - now)


@define
class PeakWindow:
    """The most arrivals that any window of `span` seconds has held."""

    span: float
    most: int = 0
    _times: deque[float] = field(factory=deque)

    def add(self, now: float) -> None:
        """Take note of an arrival."""
        _expire(self._times, now - self.span)
        self._times.append(now)
        self.most = max(self.most, len(self._times))


@define
class RequestCounter:
    """Everything that came in, refused or not."""

    by_operation: Counter[str] = Factory(Counter)
    refused: int = 0
    minute: PeakWindow = Factory(lambda: PeakWindow(MINUTE))
    hour: PeakWindow = Factory(lambda: PeakWindow(HOUR))

    def add(self, now: float, operation: str, status: int) -> None:
        """Take note of an answered request."""
        self.by_operation[operation] += 1
        self.refused += status == 429
        self.minute.add(now)
        self.hour.add(now)


def _expire(times: deque[float], until: float) -> None:
    while times and times[0] <= until:
        times.popleft()
