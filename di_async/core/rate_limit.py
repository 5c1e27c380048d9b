"""How many requests one token may still send, and who goes first. Two exact sliding windows.

The provider counts every request for an hour (and for a minute) from when it arrived, so a slot
frees when the oldest request leaves the window, and `ratelimit-reset` names just that moment.
Rules: https://docs.digitalocean.com/reference/api/reference/#rate-limit

No clock here: every method is told `now`, in seconds of the running loop.
"""

import heapq
import itertools
import math
from collections import deque
from typing import Any

from attrs import define, field, frozen

from di_async.core.errors import InvalidInputError
from di_async.core.http import Priority

__all__ = ["RateLimitInfo", "RequestBudget"]

# The provider sees a request some network time after we stamped it, so two sends 60.0 s apart
# may arrive 59.9 s apart: windows are kept this much longer than the provider's.
_MARGIN_S = 1.0
# With the hour used up by others we learn of freed slots only by asking: one probe in this time.
_PROBE_S = 30.0
# After a 429 of the hour (it has no `retry-after`) one probe after this time, then after twice as
# long and so on: its reset is when the oldest request expires, which may be soon or in an hour.
_BLOCK_S, _MAX_BLOCK_S = 30.0, 300.0
# What goes on for three of these is taken to go on: somebody else's traffic, or a stream of writes.
_SLOT_S = 300.0
_LULL_S = 90.0
# Two writes a minute are a stream.
_STREAM_RATE = 2 / 60


@frozen
class RateLimitInfo:
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


@define
class TrafficEstimate:
    """What is sent beside the polling, in slots of time: is it a burst or does it go on?"""

    slots: dict[int, float] = field(factory=dict)
    last_at: float = -math.inf

    def add(self, now: float, count: float = 1.0) -> None:
        self.last_at = now
        slot = int(now // _SLOT_S)
        if slot not in self.slots:
            self.slots = {s: n for s, n in self.slots.items() if s >= slot - 13}
        self.slots[slot] = self.slots.get(slot, 0.0) + count

    def in_hour(self, now: float) -> float:
        slot = int(now // _SLOT_S)
        return sum(n for s, n in self.slots.items() if s > slot - 12)

    def steady(self, now: float) -> float:
        """Requests a second that went on for three slots, and still do: no burst is so long."""
        if now - self.last_at > _LULL_S:
            return 0.0
        slot = int(now // _SLOT_S)
        return min(self.slots.get(slot - i, 0.0) for i in (1, 2, 3)) / _SLOT_S

    def expected_growth(self, now: float) -> float:
        """By how much an hour of this will hold more than the last one did."""
        return max(0.0, 3600.0 * self.steady(now) - self.in_hour(now))


class RequestBudget:
    """The request quota of one token. Clients given the same object share it (one event loop).

    Args:
        per_minute: requests in any 60 seconds (the provider's burst limit).
        per_hour: requests in any 3,600 seconds.
        reserve: the share of both that polling, confirming GETs included, never takes, so that a
            delete always gets through.

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
        self._foreign_seen: deque[tuple[float, int]] = deque()
        self._foreign_counted = (-math.inf, 0)
        self._foreign_flow, self._own_flow = TrafficEstimate(), TrafficEstimate()
        self._blocks = 0
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
        per_minute, per_hour = self.per_minute, self._hour_limit
        if priority >= Priority.CONFIRM:
            per_minute, per_hour = self._share(per_minute), self._share(per_hour)
        # Nearly always: even with those that have left the windows since there are few enough.
        few = len(self._minute.stamps) + ahead < per_minute
        if few and len(self._hour.stamps) + ahead < per_hour and not self._foreign:
            return max(self._blocked_until - now, 0.0)
        theirs = self._foreign_in_minute(now) if self._foreign else 0
        minute = self._minute.delay(now, max(1, per_minute - theirs), ahead)
        hour = self._hour.delay(now, per_hour - self._foreign, ahead)
        if hour > 0 and self._foreign:
            hour = min(hour, max(0.0, self._last_spent + _PROBE_S - now))
        return max(minute, hour, self._blocked_until - now, 0.0)

    def take(self, now: float, priority: Priority) -> bool:
        """Count one request as sent now, if it may go and nobody stands before it."""
        if (self._queue and self.ahead(priority)) or self.delay(now, priority) > 0:
            return False
        self.record(now, priority)
        return True

    def record(self, now: float, priority: Priority = Priority.READ) -> None:
        """Count one request as sent now."""
        if priority < Priority.CONFIRM:
            self._own_flow.add(now)
        self._last_spent = now
        self._minute.stamps.append(now)
        self._hour.stamps.append(now)

    def refund(self, stamp: float) -> None:
        """Take the one sent at `stamp` back: it turned out never to have reached the wire."""
        for window in (self._minute, self._hour):
            if stamp in window.stamps:
                window.stamps.remove(stamp)

    def learn(self, now: float, news: RateLimitInfo) -> None:
        """Correct the counts by what an answer said.

        A burst 429 carries `retry-after` and a `remaining` of 0 that says nothing about the hour;
        an hourly 429 carries no `retry-after`, and its reset is when one slot frees.
        """
        if news.limit is not None and news.limit > 0:
            self._hour_limit = min(self.per_hour, news.limit)
        if news.limited:
            self._block(now, news)
            return
        self._blocks = 0
        if news.remaining is not None:
            limit = news.limit or self.per_hour
            self._see_foreign(now, limit - news.remaining - self._hour.used(now))

    def _block(self, now: float, news: RateLimitInfo) -> None:
        if news.retry_after is not None:
            block = news.retry_after
        elif now < self._blocked_until:
            return  # the same storm, told once more
        else:
            block = min(_BLOCK_S * 2.0**self._blocks, _MAX_BLOCK_S)
            block = block if news.reset_in is None else min(block, news.reset_in)
            self._blocks = min(self._blocks + 1, 10)
        self._blocked_until = max(self._blocked_until, now + max(block, 1.0))

    def _see_foreign(self, now: float, theirs: int) -> None:
        """What others have sent in this hour; it lags by what is under way, so never below 0."""
        self._foreign = max(0, theirs)
        if not self._foreign_seen or self._foreign_seen[-1][1] != self._foreign:
            self._foreign_seen.append((now, self._foreign))
        self._forget_foreign(now)
        counted_at, counted = self._foreign_counted
        if now - counted_at >= self._minute.span:
            self._foreign_flow.add(now, max(0, self._foreign - counted))
            self._foreign_counted = now, self._foreign

    def _forget_foreign(self, now: float) -> None:
        """Keep what was seen within a minute, and the last sight before it to compare with."""
        seen = self._foreign_seen
        while len(seen) > 1 and seen[1][0] <= now - self._minute.span:
            seen.popleft()

    def _foreign_in_minute(self, now: float) -> int:
        self._forget_foreign(now)
        return max(0, self._foreign - self._foreign_seen[0][1]) if self._foreign_seen else 0

    @property
    def foreign(self) -> int:
        """Requests of this hour that others sent on the same token, as far as answers told."""
        return self._foreign

    @property
    def burst(self) -> float:
        """Requests a second that polling may spend at the most."""
        return self._share(self.per_minute) / self._minute.span

    def remaining(self, now: float) -> float:
        """Requests that polling may still spend of this hour's; never quite none.

        What others, and own writes, have been sending for a while is expected to go on.
        """
        share = self._share(self._hour_limit)
        to_come = self._own_flow.expected_growth(now) + self._foreign_flow.expected_growth(now)
        return max(share - self._foreign - self._hour.used(now) - to_come, 0.02 * share)

    def steady(self, now: float) -> bool:
        """Own writes come in a stream: there will always be something to poll for."""
        return self._own_flow.steady(now) > _STREAM_RATE

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
            priority, _, ticket = heapq.heappop(self._queue)
            ready.append(ticket)
            self.record(now, priority)
        return ready, None

    def leave(self, ticket: Any) -> None:
        """Give the turn up, if it has not come yet (the caller was cancelled)."""
        if not any(queued[2] is ticket for queued in self._queue):
            return
        self._queue = [queued for queued in self._queue if queued[2] is not ticket]
        heapq.heapify(self._queue)

    def _share(self, limit: int) -> int:
        """What polling may take of a limit."""
        return max(1, math.floor(limit * (1 - self.reserve)))
