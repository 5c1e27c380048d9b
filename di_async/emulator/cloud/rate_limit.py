"""Sliding rate-limit windows of one token, and counters of all requests.

https://docs.digitalocean.com/reference/api/reference/#rate-limit : 5000 an hour and 250 a minute.
"reset" is when the *oldest* counted request expires, not when the quota refills.
"""

from collections import Counter, deque
from typing import Literal

from attrs import Factory, define, field, frozen
from attrs.validators import ge, instance_of

MINUTE = 60.0
HOUR = 3600.0

Window = Literal["minute", "hour"]


@frozen
class RateLimits:
    """The sizes of both windows, and whether they are enforced.

    Refused requests do not count by default. The vendor does not say; if they counted, each
    refused retry would falsify the `retry-after` of the refusals before it.
    """

    per_minute: int = field(default=250, validator=[instance_of(int), ge(1)])
    per_hour: int = field(default=5000, validator=[instance_of(int), ge(1)])
    enforced: bool = True
    count_refused: bool = False


@frozen
class RateLimitStatus:
    """The state of a token after a request: which window refused it, and the header values."""

    refused_by: Window | None
    remaining: int
    reset_at: float
    retry_in: float = 0.0


@define
class RateLimiter:
    """The counted requests of one token, newest last."""

    limits: RateLimits
    minute: deque[float] = Factory(deque)
    hour: deque[float] = Factory(deque)

    def admit(self, now: float) -> RateLimitStatus:
        """Count a request if there is room for it, and return the token's status."""
        _expire(self.minute, now - MINUTE)
        _expire(self.hour, now - HOUR)
        refused_by = self._full_window() if self.limits.enforced else None
        if refused_by is None or self.limits.count_refused:
            self.minute.append(now)
            self.hour.append(now)
        return self._status(now, refused_by)

    def _full_window(self) -> Window | None:
        if len(self.hour) >= self.limits.per_hour:
            return "hour"
        return "minute" if len(self.minute) >= self.limits.per_minute else None

    def _status(self, now: float, refused_by: Window | None) -> RateLimitStatus:
        remaining = max(0, self.limits.per_hour - len(self.hour))
        reset_at = (self.hour[0] if self.hour else now) + HOUR
        if refused_by != "minute":
            return RateLimitStatus(refused_by, remaining, reset_at)
        # The per_minute-th newest frees a slot; it is the oldest unless refusals count, too.
        frees_at = self.minute[len(self.minute) - self.limits.per_minute] + MINUTE
        # As with the vendor, a burst refusal shows 0 remaining even when the hour has room.
        return RateLimitStatus("minute", 0, reset_at, frees_at - now)


@define
class PeakWindow:
    """The largest number of requests within any window of `span` seconds."""

    span: float
    most: int = 0
    _times: deque[float] = field(factory=deque)

    def add(self, now: float) -> None:
        """Count a request."""
        _expire(self._times, now - self.span)
        self._times.append(now)
        self.most = max(self.most, len(self._times))


@define
class RequestCounter:
    """Counts of all requests, refused or not."""

    by_operation: Counter[str] = Factory(Counter)
    refused: int = 0
    minute: PeakWindow = Factory(lambda: PeakWindow(MINUTE))
    hour: PeakWindow = Factory(lambda: PeakWindow(HOUR))

    def add(self, now: float, operation: str, status: int) -> None:
        """Count an answered request."""
        self.by_operation[operation] += 1
        self.refused += status == 429
        self.minute.add(now)
        self.hour.add(now)


def _expire(times: deque[float], until: float) -> None:
    while times and times[0] <= until:
        times.popleft()
