"""How many requests one token may still send, and in which order. Two exact sliding windows.

The provider counts every request for an hour (and for a minute) from when it arrived. A slot frees
when the oldest request leaves the window, and `ratelimit-reset` is that moment.
Rules: https://docs.digitalocean.com/reference/api/reference/#rate-limit

This module reads no clock: every method takes `now`, in seconds of the running loop.
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

# A request arrives some time after it was sent, so two sends 60.0 s apart may arrive 59.9 s apart.
# The windows are this much longer than the provider's.
_MARGIN_S = 1.0
# With the hour used up by other processes, only a request shows freed slots: one in this time.
_PROBE_S = 30.0
# After an hourly 429 (it has no `retry-after`) one request after this time, then after twice as
# long and so on: its reset is when the oldest request expires, which may be soon or in an hour.
_BLOCK_S, _MAX_BLOCK_S = 30.0, 300.0
# The same after a waiting time that cannot be true, which a gateway with a wrong clock sends.
_PROBE_ABSURD_S = 1.0
# Traffic that lasts for three of these slots is expected to go on.
_SLOT_S = 300.0
_LULL_S = 90.0
# Two writes a minute are a steady stream.
_STREAM_RATE = 2 / 60


@frozen
class RateLimitInfo:
    """What one response says about the token's quota; None where it does not."""

    limited: bool = False
    retry_after: float | None = None
    limit: int | None = None
    remaining: int | None = None
    reset_in: float | None = None
    absurd: bool = False
    """The waiting time named is longer than any window, so it says nothing."""


@define
class _Window:
    span: float
    stamps: deque[float] = field(factory=deque)

    def used(self, now: float) -> int:
        while self.stamps and self.stamps[0] <= now - self.span:
            self.stamps.popleft()
        return len(self.stamps)

    def delay(self, now: float, allowed: int, ahead: int) -> float:
        """Return the seconds until one more fits below `allowed`, after `ahead` others."""
        short = self.used(now) + ahead + 1 - allowed
        if short <= 0:
            return 0.0
        if not self.stamps:
            return self.span
        rounds, index = divmod(short - 1, len(self.stamps))
        return self.stamps[index] + self.span * (rounds + 1) - now


@define
class TrafficEstimate:
    """Requests besides polling, by time slot: a burst, or steady traffic?"""

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
        """Return requests a second that have lasted for three slots, longer than any burst."""
        if now - self.last_at > _LULL_S:
            return 0.0
        slot = int(now // _SLOT_S)
        return min(self.slots.get(slot - i, 0.0) for i in (1, 2, 3)) / _SLOT_S

    def expected_growth(self, now: float) -> float:
        """Return by how much the next hour will exceed the last one."""
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
        for number in (per_minute, per_hour):
            if not isinstance(number, int | float) or not 1 <= number < math.inf:
                raise InvalidInputError("per_minute, per_hour: expected 1 or more, and finite")
        if not isinstance(reserve, int | float) or not 0 <= reserve < 1:
            raise InvalidInputError("reserve: expected a share, 0 <= reserve < 1")
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
        """Return the seconds until a request of this priority may be sent; 0 means now."""
        per_minute, per_hour = self.per_minute, self._hour_limit
        if priority >= Priority.CONFIRM:
            per_minute, per_hour = self._share(per_minute), self._share(per_hour)
        # The usual case, decided without removing expired requests.
        few = len(self._minute.stamps) + ahead < per_minute
        if few and len(self._hour.stamps) + ahead < per_hour and not self._foreign:
            return max(self._blocked_until - now, 0.0)
        foreign = self._foreign_in_minute(now) if self._foreign else 0
        minute = self._minute.delay(now, max(1, per_minute - foreign), ahead)
        hour = self._hour.delay(now, per_hour - self._foreign, ahead)
        if hour > 0 and self._foreign:
            hour = min(hour, max(0.0, self._last_spent + _PROBE_S - now))
        return max(minute, hour, self._blocked_until - now, 0.0)

    def take(self, now: float, priority: Priority) -> bool:
        """Count one request as sent now if it may be sent; return whether it was."""
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
        """Remove the request counted at `stamp`: it was never sent."""
        for window in (self._minute, self._hour):
            if stamp in window.stamps:
                window.stamps.remove(stamp)

    def learn(self, now: float, info: RateLimitInfo) -> None:
        """Correct the counts by what a response says.

        A burst 429 carries `retry-after` and a `remaining` of 0 that says nothing about the hour;
        an hourly 429 carries no `retry-after`, and its reset is when one slot frees.
        """
        if info.limit is not None and info.limit > 0:
            self._hour_limit = min(self.per_hour, info.limit)
        if info.limited:
            self._block(now, info)
            return
        self._blocks = 0
        if info.remaining is not None:
            limit = info.limit or self.per_hour
            self._see_foreign(now, limit - info.remaining - self._hour.used(now))

    def _block(self, now: float, info: RateLimitInfo) -> None:
        if info.retry_after is not None:
            block = info.retry_after
        elif now < self._blocked_until:
            return  # another answer of the same refusal
        else:
            first = _PROBE_ABSURD_S if info.absurd else _BLOCK_S
            block = min(first * 2.0**self._blocks, _MAX_BLOCK_S)
            block = block if info.reset_in is None else min(block, info.reset_in)
            self._blocks = min(self._blocks + 1, 10)
        self._blocked_until = max(self._blocked_until, now + max(block, 1.0))

    def _see_foreign(self, now: float, count: int) -> None:
        """Record what other processes sent in this hour; never below 0, as it lags."""
        self._foreign = max(0, count)
        if not self._foreign_seen or self._foreign_seen[-1][1] != self._foreign:
            self._foreign_seen.append((now, self._foreign))
        self._forget_foreign(now)
        counted_at, counted = self._foreign_counted
        if now - counted_at >= self._minute.span:
            self._foreign_flow.add(now, max(0, self._foreign - counted))
            self._foreign_counted = now, self._foreign

    def _forget_foreign(self, now: float) -> None:
        """Keep the counts of the last minute, and one before it to compare with."""
        seen = self._foreign_seen
        while len(seen) > 1 and seen[1][0] <= now - self._minute.span:
            seen.popleft()

    def _foreign_in_minute(self, now: float) -> int:
        self._forget_foreign(now)
        return max(0, self._foreign - self._foreign_seen[0][1]) if self._foreign_seen else 0

    @property
    def foreign(self) -> int:
        """This hour's requests of other processes on the token, as far as known."""
        return self._foreign

    @property
    def burst(self) -> float:
        """Requests a second that polling may send at most."""
        return self._share(self.per_minute) / self._minute.span

    def remaining(self, now: float) -> float:
        """Return how many of this hour's requests polling may still send; always above 0.

        Steady traffic of other processes, and of own writes, is expected to go on.
        """
        share = self._share(self._hour_limit)
        to_come = self._own_flow.expected_growth(now) + self._foreign_flow.expected_growth(now)
        return max(share - self._foreign - self._hour.used(now) - to_come, 0.02 * share)

    def steady(self, now: float) -> bool:
        """Return whether own writes keep coming, so that there is always something to poll."""
        return self._own_flow.steady(now) > _STREAM_RATE

    def used(self, now: float) -> tuple[int, int]:
        """Return own requests of the last minute and of the last hour."""
        return self._minute.used(now), self._hour.used(now)

    # -- queued requests; a ticket is any object of the caller --------------------------------

    def join(self, priority: Priority, ticket: Any) -> None:
        """Queue a request: higher priorities first, then in order of arrival."""
        heapq.heappush(self._queue, (priority, next(self._turn), ticket))

    def ahead(self, priority: Priority) -> int:
        """Return how many queued requests go before a new one of this priority."""
        return sum(1 for queued in self._queue if queued[0] <= priority)

    def release(self, now: float) -> tuple[list[Any], float | None]:
        """Return the tickets that may be sent (now counted), and the seconds until the next."""
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
        """Remove a queued request whose caller was cancelled."""
        if not any(queued[2] is ticket for queued in self._queue):
            return
        self._queue = [queued for queued in self._queue if queued[2] is not ticket]
        heapq.heapify(self._queue)

    def _share(self, limit: int) -> int:
        """Return the part of a limit that polling may use."""
        return max(1, math.floor(limit * (1 - self.reserve)))
