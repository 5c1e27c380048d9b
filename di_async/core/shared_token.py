"""What other processes send on the same token, and how much of its quota is this process's share.

Processes on one token do not talk to each other. Each sees, in the headers of its own responses,
how many requests the token has sent within the hour. What exceeds its own count, others sent.

`sendable` and `fair_share` are pure. `sendable` keeps the sum within the limit: with up to four
processes, each may send a quarter of what is free before the others see those requests.
`fair_share` divides what polling plans with: a share grows with the use, but less than in
proportion, so that the shares become equal within some minutes.
"""

import math
from collections import deque
from collections.abc import Iterator
from itertools import takewhile

__all__ = ["HOUR_S", "OtherTraffic", "RecentCount", "fair_share", "sendable"]

HOUR_S = 3600.0
# The memory of recent traffic. A share follows changes of the others within some minutes.
_MEMORY_S = 120.0
# Requests seen within this time of each other are kept as one entry.
_ENTRY_S = 1.0
# Requests between two responses count as sent just now: they may have been. Of a longer gap only
# those that an even rate would send in its last `_GAP_S` do. The rest is spread, as
# so many entries.
_GAP_S = 120.0
_PIECES = 60
# Without a response, others are expected to go on for this long.
_PROJECTED_S = 15.0
# Each process may use this part of what is free before it sees what others did.
_OPENING = 1 / 4
# A process that has not seen a response for a minute does not know whether it is alone. It may use
# that part, and at least so many requests.
_OPENING_BLIND = 4
# A share grows with the present use, but less than in proportion, so that shares become equal.
_SHARE_AT_MOST, _SHARE_POWER, _LEAST_SHARE = 0.95, 0.8, 0.2


def sendable(free: float, *, fresh: bool, known: bool) -> float:
    """Return how many requests may be sent that other processes have not seen.

    Args:
        free: the requests that fit the limit, as far as known, with those not seen by others.
        fresh: a response has just been received.
        known: a response has shown whether there are others, so `free` counts them.
    """
    if free < 1:
        return 0.0
    if not known:
        return max(_OPENING_BLIND, free * _OPENING)
    return max(1.0, free * _OPENING) if fresh else 1.0


def fair_share(own: float, others: float) -> float:
    """Return this process's share of the token, 0 to 1, from the recent requests of both."""
    if others < 1:
        return 1.0
    used = own / (own + others)
    return max(_LEAST_SHARE, _SHARE_AT_MOST * math.pow(used, _SHARE_POWER))


class RecentCount:
    """A count that forgets: each request fades within a few minutes."""

    def __init__(self) -> None:
        self._value = 0.0
        self._at = -math.inf

    def add(self, now: float, count: float = 1.0) -> None:
        """Count requests now."""
        self._value, self._at = self.get(now) + count, now

    def get(self, now: float) -> float:
        """Return the faded count."""
        return self._value * math.exp(min(0.0, self._at - now) / _MEMORY_S) if self._value else 0.0


class OtherTraffic:
    """Requests of other processes within the hour, by the time at which they were probably sent."""

    def __init__(self) -> None:
        self.total = 0
        """Within the hour before the last response or `expire`, as far as known."""
        self.seen_at = -math.inf
        """When a response was received last."""
        self.unsure = 0
        """How many more they may have been: own requests that were in flight."""
        self.recent = RecentCount()
        self._entries: deque[list[float]] = deque()
        """Pairs of a time and a count, oldest first."""

    def observe(self, now: float, at_least: int, at_most: int, oldest_age: float) -> None:
        """Record that others sent so many requests within the hour.

        Args:
            now: when the response was received.
            at_least: the token's count less everything that this process may have added to it.
            at_most: the token's count less what this process surely added to it.
            oldest_age: the age in seconds of the oldest request that the token's count includes.
        """
        self.expire(now)
        gap = now - self.seen_at if self.seen_at > -math.inf else oldest_age
        self.seen_at, at_most = now, max(at_most, 0)
        if at_least > self.total:
            self._add(now, at_least - self.total, min(gap, HOUR_S))
        self.unsure = max(0, at_most - self.total)
        while self._entries and self.total > at_most:
            taken = min(self.total - at_most, int(self._entries[0][1]))
            self._entries[0][1] -= taken
            self.total -= taken
            if not self._entries[0][1]:
                self._entries.popleft()

    def expected_within(self, now: float, span: float) -> float:
        """Return how many were sent in the last `span` seconds, those not yet seen included."""
        count = sum(many for _, many in self._entries_since(now - span))
        unseen = min(max(0.0, now - self.seen_at), _PROJECTED_S)
        return count + self.unsure + unseen * self.recent.get(now) / _MEMORY_S

    def known_within(self, now: float, span: float) -> int:
        """Return how many are known to be of the last `span` seconds; any thread may call this."""
        return sum(int(many) for at, many in tuple(self._entries) if at > now - span)

    def leaving(self, now: float, span: float) -> list[tuple[float, float]]:
        """Return when those of the last `span` seconds leave it, and how many, soonest first."""
        return [(at + span, many) for at, many in self._entries_since(now - span)][::-1]

    def _entries_since(self, since: float) -> Iterator[list[float]]:
        """Yield the entries after a time, the newest first."""
        return takewhile(lambda entry: entry[0] > since, reversed(self._entries))

    def expire(self, now: float) -> None:
        """Forget what is older than an hour."""
        while self._entries and self._entries[0][0] <= now - HOUR_S:
            self.total -= int(self._entries.popleft()[1])

    def _add(self, now: float, count: int, gap: float) -> None:
        """Add requests that were sent at unknown times within the last `gap` seconds."""
        faded = gap / _MEMORY_S
        self.recent.add(now, count * (1 - math.exp(-faded)) / faded if faded else count)
        self.total += count
        early = 0 if gap <= _GAP_S else int(count * (1 - _GAP_S / gap))
        for piece in range(_PIECES if early else 0):
            share = early * (piece + 1) // _PIECES - early * piece // _PIECES
            if share:
                self._entries.append([now - gap + (gap - _GAP_S) * (piece + 1) / _PIECES, share])
        count -= early
        if self._entries and self._entries[-1][0] > now - _ENTRY_S:
            self._entries[-1][1] += count
        else:
            self._entries.append([now, count])
