"""How many requests one token may still send, and in which order. Two sliding windows.

The provider counts a request for an hour (and for a minute) from when it arrives. That is some time
between sending it, which may be long after it was allowed if it waits for a connection, and its
response. So a request takes its slot from when it is allowed until a window after its response.

A slot frees when the oldest request leaves the window, and `ratelimit-reset` is that moment.
Rules: https://docs.digitalocean.com/reference/api/reference/#rate-limit

This module reads no clock: every method takes `now`, in seconds of the running loop.
"""

import heapq
import math
from collections import OrderedDict, deque
from typing import Any

from msgspec import Struct, field

from di_async.core.errors import InvalidInputError
from di_async.core.http import Priority
from di_async.core.http_time import LONGEST_HOLD_S
from di_async.core.shared_token import HOUR_S, OtherTraffic, RecentCount, fair_share, sendable

__all__ = ["RateLimitInfo", "RequestBudget", "Slot"]

_POLLING = int(Priority.CONFIRM)  # this priority and all after it
# A cancelled request may still arrive a little later. The windows are this much longer than the
# provider's.
_MARGIN_S = 1.0
# Where other processes, or a lower limit in a header, leave nothing, only a request shows whether
# that still holds: a call is sent when this time has passed since the last request, a read of
# polling after the longer time.
_PROBE_S, _POLL_PROBE_S = 30.0, 120.0
# After an hourly 429 (it has no `retry-after`) requests stop for this time, then for twice as long
# and so on: its reset is when the oldest request expires, which may be soon or in an hour.
_BLOCK_S, _MAX_BLOCK_S = 30.0, 300.0
# A longer `retry-after` is wrong: requests stop for this time, then for twice as long and so on.
_SHORTEST_BLOCK_S = 1.0
# Others' requests on the way cannot be seen: this share of the minute is left to them, and a slot
# for each of four processes at least.
_OTHERS_MARGIN, _LEAST_MARGIN = 0.04, 4
# Whether there are others is known for this long after a response; what they sent, for the shorter
# time.
_KNOWN_S, _FRESH_S = 60.0, 2.0
# After this time others have seen a request: it has arrived, and they act on no older responses.
_SEEN_S = _FRESH_S + 1.0
# Others are silent if their recent requests have faded to this count: a single one does in 80 s.
_FADED = 0.5
# From this part of the hour's quota on, silent others may be waiting for the hour to end.
_MUCH_OF_HOUR = 0.5
# When to look again where others must see earlier requests first.
_LOOK_AGAIN_S = 0.25
# Own calls are counted in bins of this length; what lasts for three of them is expected to go on.
_BIN_S = 300.0
_LULL_S = 90.0
# Two own calls a minute are a steady stream.
_STREAM_RATE = 2 / 60


class RateLimitInfo(Struct, frozen=True):
    """What one response says about the token's quota; None where it does not."""

    limited: bool = False
    retry_after: float | None = None
    limit: int | None = None
    remaining: int | None = None
    reset_in: float | None = None
    absurd: bool = False
    """The waiting time named is longer than any window, so it says nothing."""


class Slot(Struct, eq=False):
    """The place of one request in the windows, from when it is allowed."""

    taken_at: float
    answered_before: int
    """How many requests of the budget had been answered then."""


class Window(Struct):
    span: float
    stamps: deque[float] = field(default_factory=deque)
    """When requests were answered."""

    def used(self, now: float) -> int:
        while self.stamps and self.stamps[0] <= now - self.span:
            self.stamps.popleft()
        return len(self.stamps)

    def count(self, now: float) -> int:
        """Return how many are in the window, without removing expired ones.

        Another thread may call this.
        """
        return sum(at > now - self.span for at in tuple(self.stamps))

    def delay(self, now: float, allowed: int, ahead: int) -> float:
        """Return the seconds until one more fits below `allowed`, after `ahead` own requests.

        Those in flight and queued are ahead; a slot frees no sooner than a window after now.
        """
        short = self.used(now) + ahead + 1 - allowed
        if short <= 0:
            return 0.0
        if not self.stamps:
            return self.span
        rounds, index = divmod(short - 1, len(self.stamps))
        return self.stamps[index] + self.span * (rounds + 1) - now

    def delay_beside(self, now: float, allowed: int, ahead: int, others: OtherTraffic) -> float:
        """Return the seconds until one more fits where other processes have sent requests, too."""
        short = self.used(now) + ahead + 1 + others.expected_within(now, self.span) - allowed
        if short <= 0:
            return 0.0
        own = ((at + self.span, 1.0) for at in self.stamps)
        for at, count in heapq.merge(own, others.leaving(now, self.span)):
            short -= count
            if short <= 0:
                return at - now
        return self.span


class TrafficEstimate(Struct):
    """Requests besides polling, by bins of five minutes: a burst, or steady traffic?"""

    bins: dict[int, float] = field(default_factory=dict)
    last_at: float = -math.inf

    def add(self, now: float, count: float = 1.0) -> None:
        self.last_at = now
        bin = int(now // _BIN_S)
        if bin not in self.bins:
            self.bins = {s: n for s, n in self.bins.items() if s >= bin - 13}
        self.bins[bin] = self.bins.get(bin, 0.0) + count

    def in_hour(self, now: float) -> float:
        bin = int(now // _BIN_S)
        return sum(n for s, n in self.bins.items() if s > bin - 12)

    def steady(self, now: float) -> float:
        """Return requests a second that have lasted for three bins, longer than any burst."""
        if now - self.last_at > _LULL_S:
            return 0.0
        bin = int(now // _BIN_S)
        return min(self.bins.get(bin - i, 0.0) for i in (1, 2, 3)) / _BIN_S

    def expected_growth(self, now: float) -> float:
        """Return by how much the next hour will exceed the last one."""
        return max(0.0, 3600.0 * self.steady(now) - self.in_hour(now))


class RequestBudget:
    """The request quota of one token. Clients given the same object share it.

    They must be of one event loop: entering a client raises `InvalidInputError` while one of
    another running loop is open.

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
        self._minute = Window(60.0 + _MARGIN_S)
        self._hour = Window(3600.0 + _MARGIN_S)
        self._hour_limit = per_hour
        self._in_flight = self._answered = 0
        self._unseen: deque[float] = deque()
        self._known_at = -math.inf
        self._others = OtherTraffic()
        self._own_recent = RecentCount()
        self._own_flow = TrafficEstimate()
        self._blocks = 0
        self._blocked_until = self._last_spent = -math.inf
        self._queues: tuple[OrderedDict[Any, None], ...] = tuple(OrderedDict() for _ in Priority)

    def __repr__(self) -> str:
        return (
            f"RequestBudget(per_minute={self.per_minute}, per_hour={self.per_hour}, "
            f"reserve={self.reserve})"
        )

    def delay(self, now: float, priority: Priority, *, ahead: int = 0) -> float:
        """Return the seconds until a request of this priority may be sent, or until to look again.

        0 means now.
        """
        polling = priority >= _POLLING
        per_minute = self._without_reserve(self.per_minute) if polling else self.per_minute
        per_hour = self._without_reserve(self.per_hour) if polling else self.per_hour
        before = ahead + self._in_flight
        hold = max(
            self._blocked_until - now,
            self._minute.delay(now, per_minute, before),
            self._hour.delay(now, per_hour, before),
        )
        if self._others.total or self._hour_limit < self.per_hour:
            self._others.expire(now)
            probe_s = _POLL_PROBE_S if polling else _PROBE_S
            beside = self._delay_beside(now, polling=polling, before=before)
            hold = max(hold, min(beside, self._last_spent + probe_s - now))
        if hold > 0:
            return hold
        return _LOOK_AGAIN_S if self._must_look_first(now, polling=polling) else 0.0

    def _delay_beside(self, now: float, *, polling: bool, before: int) -> float:
        """Return the seconds until what others sent, and the provider's limit, leave room."""
        minute, hour = self._limits_beside_others(now, polling=polling)
        return max(
            self._minute.delay_beside(now, minute, before, self._others),
            self._hour.delay(now, hour, before),
        )

    def _must_look_first(self, now: float, *, polling: bool) -> bool:
        """Return whether a request must wait, as others have yet to see too many earlier ones.

        A response, or some seconds, then show what is free. A process that knows that it is alone
        need not wait.
        """
        alone = self._alone(now)
        known = now - self._known_at <= _KNOWN_S
        if known and alone:
            return False
        unseen = self._unseen_at(now)
        if not unseen:
            return False
        minute, hour = self._limits_beside_others(now, polling=polling)
        minute -= self._minute.used(now)
        minute -= math.ceil(self._others.expected_within(now, self._minute.span))
        hour -= self._hour.used(now)
        free = min(minute, hour) - self._in_flight + unseen
        fresh = now - self._known_at <= _FRESH_S
        return unseen >= sendable(free, fresh=fresh, known=known or not alone)

    def _unseen_at(self, now: float) -> int:
        """Return how many requests others have not seen yet, and forget all older ones."""
        while self._unseen and self._unseen[0] <= now - _SEEN_S:
            self._unseen.popleft()
        return len(self._unseen)

    def _alone(self, now: float) -> bool:
        """Return whether no other process uses the token, or is waiting for the hour to end."""
        if self._others.recent.get(now) >= _FADED:
            return False
        if not self._others.total:
            return True
        return self._hour.used(now) + self._others.total < _MUCH_OF_HOUR * self._hour_limit

    def _limits_beside_others(self, now: float, *, polling: bool) -> tuple[int, int]:
        """Return how many requests of the minute and of the hour are not left to others."""
        minute, hour = self._minute_beside_others(now), self._hour_limit - self._others.total
        if polling:
            minute -= self.per_minute - self._without_reserve(self.per_minute)
            hour -= self._hour_limit - self._without_reserve(self._hour_limit)
        return minute, hour

    def _minute_beside_others(self, now: float) -> int:
        if self._alone(now):
            return self.per_minute
        margin = max(_LEAST_MARGIN, math.ceil(self.per_minute * _OTHERS_MARGIN))
        return self.per_minute - min(margin, self.per_minute // 2)

    def take(self, now: float, priority: Priority) -> Slot | None:
        """Take a slot if a request may be sent now; else return None."""
        if any(self._queues[: priority + 1]) or self.delay(now, priority) > 0:
            return None
        return self.start(now, priority)

    def start(self, now: float, priority: Priority = Priority.READ) -> Slot:
        """Take a slot for a request, whatever the windows say."""
        if priority < _POLLING:
            self._own_flow.add(now)
        self._own_recent.add(now)
        self._last_spent = now
        self._in_flight += 1
        self._unseen_at(now)
        self._unseen.append(now)
        return Slot(now, self._answered)

    def done(self, now: float, slot: Slot) -> None:
        """Record that a request was answered, or given up: its slot frees a window from now."""
        self._in_flight -= 1
        self._answered += 1
        self._minute.stamps.append(now)
        self._hour.stamps.append(now)

    def refund(self, slot: Slot) -> None:
        """Return the slot of a request that never left this machine."""
        self._in_flight -= 1
        if slot.taken_at in self._unseen:
            self._unseen.remove(slot.taken_at)

    def record(self, now: float, priority: Priority = Priority.READ) -> None:
        """Count one request as sent and answered now."""
        self.done(now, self.start(now, priority))
        self._unseen.pop()

    def learn(self, now: float, info: RateLimitInfo, slot: Slot | None = None) -> None:
        """Correct the counts by what a response, to the request of this slot, says.

        A burst 429 carries `retry-after` and a `remaining` of 0 that says nothing about the hour;
        an hourly 429 carries no `retry-after`, and its reset is when one slot frees.
        """
        self._known_at = now
        if info.limit is not None and info.limit > 0:
            self._hour_limit = min(self.per_hour, info.limit)
        if info.limited:
            self._block(now, info)
            return
        self._blocks = 0
        if info.remaining is not None:
            limit = info.limit if info.limit is not None and info.limit > 0 else self.per_hour
            self._see_others(now, limit - min(max(info.remaining, 0), limit), info, slot)

    def _block(self, now: float, info: RateLimitInfo) -> None:
        wait = info.retry_after
        if wait is not None and 0 < wait <= LONGEST_HOLD_S:
            self._blocked_until = max(self._blocked_until, now + max(wait, _SHORTEST_BLOCK_S))
            return
        if now < self._blocked_until:
            return  # another answer of the same refusal
        doubled = 2.0**self._blocks
        block = _SHORTEST_BLOCK_S
        if wait is None and not info.absurd:
            block = _BLOCK_S * doubled
            # A reset in the past is wrong, or about a slot that another process has taken.
            if info.reset_in is not None and info.reset_in > 0:
                block = min(block, info.reset_in)
        self._blocks = min(self._blocks + 1, 10)
        block = min(max(block, _SHORTEST_BLOCK_S * doubled), _MAX_BLOCK_S)
        self._blocked_until = now + block

    def _see_others(self, now: float, counted: int, info: RateLimitInfo, slot: Slot | None) -> None:
        """Compare the token's count of this hour with that of this process.

        Requests that were in flight together with this one may or may not be included.
        """
        own = self._hour.used(now) + self._in_flight
        unsure = self._in_flight
        if slot is not None:
            unsure += self._answered - slot.answered_before - 1
        reset_in = info.reset_in or 0.0
        # NaN is not above 0.
        oldest_age = max(0.0, HOUR_S - reset_in) if reset_in > 0 else HOUR_S
        self._others.observe(now, counted - own, counted - own + unsure, oldest_age)

    @property
    def foreign(self) -> int:
        """This hour's requests of other processes on the token, as far as known."""
        return self._others.total

    def burst(self, now: float) -> float:
        """Return how many requests a second polling may send at most.

        That is this process's share, or what others leave of the minute if that is more.
        """
        limit = self._without_reserve(self.per_minute)
        spare = 1 - self._others.expected_within(now, self._minute.span) / limit
        return limit / self._minute.span * max(self.fair_share(now), spare)

    def fair_share(self, now: float) -> float:
        """Return the part of the token's quota that polling plans with, 0 to 1."""
        return fair_share(self._own_recent.get(now), self._others.recent.get(now))

    def remaining(self, now: float) -> float:
        """Return how many of this hour's requests polling may still send; always above 0.

        Steady own calls are expected to go on. Other processes are left their share.
        """
        self._others.expire(now)
        share = self._without_reserve(self._hour_limit)
        used = self._hour.used(now) + self._in_flight + self._others.total
        left = share - used - self._own_flow.expected_growth(now)
        return max(left * self.fair_share(now), 0.02 * share)

    def steady(self, now: float) -> bool:
        """Return whether own calls keep coming, so that there is always something to poll."""
        return self._own_flow.steady(now) > _STREAM_RATE

    def used(self, now: float) -> tuple[int, int]:
        """Return own requests of the last minute and of the last hour, those in flight included."""
        return self._minute.used(now) + self._in_flight, self._hour.used(now) + self._in_flight

    def left(self, now: float) -> tuple[int, int]:
        """Return how many requests the minute and the hour have left; 0 while a 429 blocks.

        Polling leaves the reserve to other requests. This method changes nothing, so it may be
        called from another thread.
        """
        if now < self._blocked_until:
            return 0, 0
        minute = self.per_minute - self._counted(now, self._minute)
        hour = self._hour_limit - self._counted(now, self._hour)
        return max(0, minute), max(0, hour)

    def _counted(self, now: float, window: Window) -> int:
        others = self._others.known_within(now, window.span)
        return window.count(now) + self._in_flight + others

    # -- queued requests; a ticket is any hashable object of the caller -----------------------

    def join(self, priority: Priority, ticket: Any) -> None:
        """Queue a request: higher priorities first, then in order of arrival."""
        self._queues[priority][ticket] = None

    def ahead(self, priority: Priority) -> int:
        """Return how many queued requests go before a new one of this priority."""
        return sum(map(len, self._queues[: priority + 1]))

    def release(self, now: float) -> tuple[list[tuple[Any, Slot]], float | None]:
        """Return the tickets that may be sent with their slots, and the seconds until the next."""
        ready: list[tuple[Any, Slot]] = []
        for priority, queue in zip(Priority, self._queues, strict=True):
            while queue:
                wait = self.delay(now, priority)
                if wait > 0:
                    return ready, wait
                ticket, _ = queue.popitem(last=False)
                ready.append((ticket, self.start(now, priority)))
        return ready, None

    def leave(self, priority: Priority, ticket: Any) -> None:
        """Remove a queued request whose caller was cancelled."""
        self._queues[priority].pop(ticket, None)

    def _without_reserve(self, limit: int) -> int:
        """Return the part of a limit that polling may use."""
        return max(1, math.floor(limit * (1 - self.reserve)))
