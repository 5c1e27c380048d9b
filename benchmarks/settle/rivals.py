"""Other ways to wait, as policies in the same burst: the same settle times, a correct limiter each.

The API is simulated without the emulator: a row reads active from its settle time on, as in the
emulator without faults (a test compares both), and requests take no time, in the rivals' favour.
Every request passes both exact windows in the order of its due time, without a reserve or a margin.

per-id 5 s     GET each id every 5 s (huggingface_hub, gradient)
per-id exp     GET each id after 0.5, 1, 2, ... 10 s (Terraform)
per-id smithy  GET each id after random(2, min(120, 2 * 2^k)) s (AWS)
even list      each page of 200 every max(5 s, what the hour's quota allows), evenly staggered;
               pages without pending waits are skipped
naive list     all pages every 5 s until none is pending
clairvoyant    one GET each, at its settle
"""

import heapq
import math
import random
from collections import deque
from collections.abc import Callable, Sequence

from attrs import define, field, frozen

from benchmarks.settle.metrics import most_in, percentile

__all__ = ["PAGE", "RIVALS", "Limiter", "Play", "figures"]

PAGE = 200
PER_MINUTE, PER_HOUR = 250, 5000
_LAG_S = 5.0
# Keeps a rounded sum of floats outside the window that it is to leave.
_TICK_S = 1e-6


@define
class Limiter:
    """Both windows, exact: when a request that is due at some time may be sent."""

    sent: list[float] = field(factory=list)
    _minute: deque[float] = field(factory=deque)
    _hour: deque[float] = field(factory=deque)

    def send(self, at: float) -> float:
        """Return the time at which it is sent, not before the previous one."""
        if self.sent:
            at = max(at, self.sent[-1])
        if len(self._minute) == PER_MINUTE:
            at = max(at, self._minute.popleft() + 60.0 + _TICK_S)
        if len(self._hour) == PER_HOUR:
            at = max(at, self._hour.popleft() + 3600.0 + _TICK_S)
        for log in (self._minute, self._hour, self.sent):
            log.append(at)
        return at


@frozen
class Play:
    """What a policy did: when it noticed each settle, and every request."""

    delays: list[float]
    sent: list[float]


Policy = Callable[[Sequence[float], int], Play]
"""From settle times and a seed."""


def _per_id(pause: Callable[[int, random.Random], float]) -> Policy:
    def play(settles: Sequence[float], seed: int) -> Play:
        chance, limiter, delays = random.Random(f"{seed}/rival"), Limiter(), [0.0] * len(settles)
        due = [(0.0, id, 0) for id in range(len(settles))]
        while due:
            wanted, id, tries = heapq.heappop(due)
            at = limiter.send(wanted)
            if at >= settles[id]:
                delays[id] = at - settles[id]
            else:
                heapq.heappush(due, (at + pause(tries, chance), id, tries + 1))
        return Play(delays, limiter.sent)

    return play


def even_list(settles: Sequence[float], seed: int, *, period: float | None = None) -> Play:
    """The simple rival, compared with every figure of ours."""
    pages = _pages(settles)
    if period is None:
        period = max(_LAG_S, len(pages) * 3600.0 / PER_HOUR)
    due = [(number * period / len(pages), number) for number in range(len(pages))]
    return _sweep(pages, due, period)


def naive_list(settles: Sequence[float], seed: int) -> Play:
    """Read all pages every 5 s, whatever has settled."""
    whole = _pages(settles)
    last = max(settles)
    limiter, delays = Limiter(), []
    began, since = 0.0, [-math.inf] * len(whole)
    while True:
        for number, page in enumerate(whole):
            at = limiter.send(began)
            delays += [at - settle for settle in page if since[number] < settle <= at]
            since[number] = at
        if min(since) >= last:
            return Play(delays, limiter.sent)
        began = max(began + _LAG_S, limiter.sent[-1])


def _sweep(pages: list[list[float]], due: list[tuple[float, int]], period: float) -> Play:
    limiter, delays = Limiter(), []
    heapq.heapify(due)
    while due:
        wanted, number = heapq.heappop(due)
        at = limiter.send(wanted)
        page = pages[number]
        delays += [at - settle for settle in page if settle <= at]
        pages[number] = [settle for settle in page if settle > at]
        if pages[number]:
            heapq.heappush(due, (at + period, number))
    return Play(delays, limiter.sent)


def clairvoyant(settles: Sequence[float], seed: int) -> Play:
    """Send one GET each at the first time that it can succeed."""
    limiter = Limiter()
    return Play([limiter.send(settle) - settle for settle in sorted(settles)], limiter.sent)


def _pages(settles: Sequence[float]) -> list[list[float]]:
    return [list(settles[at : at + PAGE]) for at in range(0, len(settles), PAGE)]


def _smithy(tries: int, chance: random.Random) -> float:
    return chance.uniform(2.0, min(120.0, 2.0 * 2.0 ** min(tries, 10)))


RIVALS: dict[str, Policy] = {
    "per-id 5 s": _per_id(lambda tries, chance: 5.0),
    "per-id exp 0.5-10 s": _per_id(lambda tries, chance: min(10.0, 0.5 * 2.0 ** min(tries, 10))),
    "per-id smithy 2-120 s": _per_id(_smithy),
    "naive list 5 s": naive_list,
    "even list": even_list,
    "floor: clairvoyant GETs": clairvoyant,
}


def figures(play: Play) -> dict[str, float]:
    """Return the same figures as for our runs, as far as they apply."""
    delays = sorted(play.delays)
    return {
        "waits": float(len(delays)),
        "mean": sum(delays) / len(delays),
        "p50": percentile(delays, 0.50),
        "p95": percentile(delays, 0.95),
        "p99": percentile(delays, 0.99),
        "max": delays[-1],
        "requests": float(len(play.sent)),
        "refused": 0.0,
        "max_60s": float(most_in(play.sent, 60.0)),
        "max_3600s": float(most_in(play.sent, 3600.0)),
    }
