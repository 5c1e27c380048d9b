"""How many requests one token may still send, and who goes first. Two exact sliding windows.

The provider counts every request for an hour (and for a minute) from when it arrived, so a slot
frees when the oldest request leaves the window, and `ratelimit-reset` names just that moment.
Rules: https://docs.digitalocean.com/reference/api/reference/#rate-limit

No clock here: every method is told `now`, in seconds of the running loop.
"""

import heapq
import itertools
from collections import deque
from math import floor
from typing import Any

from attrs import define, field, frozen

from di_async.core.errors import InvalidInputError
from di_async.core.wire import Priority

__all__ = ["RateNews", "RequestBudget"]

# The provider sees a request some network time after we stamped it, so two sends 60.0 s apart
# may arrive 59.9 s apart: windows are kept this much longer than the provider's.
_MARGIN_S = 1.0
# With the hour used up by others we learn of freed slots only by asking: one probe in this time.
_PROBE_S = 30.0
# A 429 without a date: half the shorter window is soon enough to see whether it has eased.
_UNDATED_BLOCK_S = 30.0


@frozen
class RateNews:
    """What one answer told about the token's quota; None where it was silent."""

    limited: bool = False
    retry_after: float | None = None
    limit: int | None = None
    remaining: int | None = None
    reset_in: float | None = None


@define
class _Window:
    span: float
    stamps: deque[float] = field(factory=deque)

    def used(self, now: float) -> int:
        while self.stamps and self.stamps[0] <= now - self.span:
            self.stamps.popleft()
        return len(self.stamps)

    def delay(self, now: float, allowed: int, ahead: int) -> float:
        """Seconds until one more fits below `allowed`, with `ahead` others going first."""
        short = self.used(now) + ahead + 1 - allowed
        if short <= 0:
            return 0.0
        if not self.stamps:
            return self.span
        rounds, index = divmod(short - 1, len(self.stamps))
        return self.stamps[index] + self.span * (rounds + 1) - now


class RequestBudget:
    """The request quota of one token. Clients given the same object share it (one event loop).

    Args:
        per_minute: requests in any 60 seconds (the provider's burst limit).
        per_hour: requests in any 3,600 seconds.
        reserve: the share of both that polling never takes, so that a delete always gets through.

    What other processes send on the same token is learned from `ratelimit-remaining`.

    """

    def __init__(self, per_minute: int = 250, per_hour: int = 5000, reserve: float = 0.1) -> None:
        if per_minute < 1 or per_hour < 1:
            raise InvalidInputError("a RequestBudget needs at least one request in each window")
        if not 0 <= reserve < 1:
            raise InvalidInputError("RequestBudget(reserve=...) is a share: 0 <= reserve < 1")
        self.per_minute, self.per_hour, self.reserve = per_minute, per_hour, reserve
        self._minute = _Window(60.0 + _MARGIN_S)
        self._hour = _Window(3600.0 + _MARGIN_S)
        self._hour_limit = per_hour
        self._foreign = 0
        self._blocked_until = float("-inf")
        self._last_spent = float("-inf")
        self._queue: list[tuple[Priority, int, Any]] = []
        self._turn = itertools.count()

    def __repr__(self) -> str:
        return (
            f"RequestBudget(per_minute={self.per_minute}, per_hour={self.per_hour}, "
            f"reserve={self.reserve})"
        )

    def delay(self, now: float, priority: Priority, *, ahead: int = 0) -> float:
        """Seconds until a request of this priority may go; 0 means now."""
        minute = self._minute.delay(now, self._share(self.per_minute, priority), ahead)
        hour_share = self._share(self._hour_limit, priority) - self._foreign
        hour = self._hour.delay(now, hour_share, ahead)
        if hour > 0 and self._foreign:
            hour = min(hour, max(0.0, self._last_spent + _PROBE_S - now))
        return max(minute, hour, self._blocked_until - now, 0.0)

    def spend(self, now: float) -> None:
        """Count one request as sent now."""
        self._last_spent = now
        self._minute.stamps.append(now)
        self._hour.stamps.append(now)

    def refund(self, stamp: float) -> None:
        """Take the one sent at `stamp` back: it turned out never to have reached the wire."""
        for window in (self._minute, self._hour):
            if stamp in window.stamps:
                window.stamps.remove(stamp)

    def learn(self, now: float, news: RateNews) -> None:
        """Correct the counts by what an answer said.

        A burst 429 carries `retry-after` and a `remaining` of 0 that says nothing about the hour;
        an hourly 429 carries no `retry-after`, and its reset is when one slot frees.
        """
        if news.limit is not None and news.limit > 0:
            self._hour_limit = min(self.per_hour, news.limit)
        if news.limited:
            told = news.retry_after if news.retry_after is not None else news.reset_in
            block = _UNDATED_BLOCK_S if told is None else max(told, 1.0)
            self._blocked_until = max(self._blocked_until, now + block)
        elif news.remaining is not None:
            limit = news.limit or self.per_hour
            theirs = limit - news.remaining - self._hour.used(now)
            self._foreign = max(0, theirs)

    @property
    def burst(self) -> float:
        """Requests a second that polling may spend at the most."""
        return self._share(self.per_minute, Priority.SWEEP) / self._minute.span

    def left(self, now: float) -> float:
        """Requests that polling may still spend of this hour's; never quite none."""
        share = self._share(self._hour_limit, Priority.SWEEP)
        return max(share - self._foreign - self._hour.used(now), 0.02 * share)

    def used(self, now: float) -> tuple[int, int]:
        """Own requests in the last minute and in the last hour."""
        return self._minute.used(now), self._hour.used(now)

    # -- those who wait for their turn; a ticket is whatever the driver wants back ------------

    def join(self, priority: Priority, ticket: Any) -> None:
        """Queue up: higher priorities first, then in order of arrival."""
        heapq.heappush(self._queue, (priority, next(self._turn), ticket))

    def ahead(self, priority: Priority) -> int:
        """How many wait that would go before a newcomer of this priority."""
        return sum(1 for queued in self._queue if queued[0] <= priority)

    def release(self, now: float) -> tuple[list[Any], float | None]:
        """The tickets whose turn it is (counted as sent), and seconds until the next look."""
        ready: list[Any] = []
        while self._queue:
            wait = self.delay(now, self._queue[0][0])
            if wait > 0:
                return ready, wait
            ready.append(heapq.heappop(self._queue)[2])
            self.spend(now)
        return ready, None

    def leave(self, ticket: Any) -> None:
        """Give the turn up, if it has not come yet (the caller was cancelled)."""
        if not any(queued[2] is ticket for queued in self._queue):
            return
        self._queue = [queued for queued in self._queue if queued[2] is not ticket]
        heapq.heapify(self._queue)

    def _share(self, limit: int, priority: Priority) -> int:
        return max(1, floor(limit * (1 - self.reserve))) if priority is Priority.SWEEP else limit
