"""The figures of a run, computed from records of waits and requests.

A delay is the time from when the world was settled (or from when the wait began, if that was
later) to when `wait()` returned. False success: the world was not settled for this change when the
newest delivered read of the instance was handled. Missed: the world ended the change, and the wait
did not report it before its deadline. Percentiles are nearest-rank.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise

from attrs import define, frozen

__all__ = [
    "Result",
    "Wait",
    "blindness",
    "judge",
    "mean_ratio",
    "most_in",
    "percentile",
    "unseen",
    "wait_figures",
]


@define
class Wait:
    """One wait, and how the world saw its change, in loop seconds."""

    id: str
    began_at: float
    write: int = -1
    """Which of the instance's writes it waits for."""
    ends_at: float = math.inf
    """When the world ends this change; infinite if it never does."""
    ends_well: bool = True
    fails_at: float = math.inf
    """When a settled instance went bad later."""
    returned_at: float | None = None
    outcome: str = "open"
    """`ok`, `failed`, `timeout`, `open`, or the name of another error."""
    process: int = 0
    """Which of the clients waits."""
    proof_at: float | None = None
    """When the world handled the newest read of it that had been delivered."""


@frozen
class Result:
    """`right`, `false` (success reported too early), `missed`, or `wrong` (anything else)."""

    kind: str
    delay: float | None = None


def judge(wait: Wait) -> Result:
    """Compare the end of a wait with the world."""
    if wait.outcome == "ok":
        true = wait.ends_well and wait.proof_at is not None and wait.proof_at >= wait.ends_at
        return Result("right", _delay(wait, wait.ends_at)) if true else Result("false")
    if wait.outcome == "failed":
        failed_at = min(math.inf if wait.ends_well else wait.ends_at, wait.fails_at)
        true = wait.proof_at is not None and wait.proof_at >= failed_at
        return Result("right", _delay(wait, failed_at)) if true else Result("wrong")
    if wait.outcome in {"timeout", "open"}:
        over_at = math.inf if wait.returned_at is None else wait.returned_at
        ended = wait.ends_at < over_at and wait.ends_at < math.inf
        stuck = wait.outcome == "timeout" and not ended
        return Result("right") if stuck else Result("missed")
    return Result("wrong")


def _delay(wait: Wait, from_when: float) -> float:
    assert wait.returned_at is not None
    return wait.returned_at - max(from_when, wait.began_at)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile of sorted values; nan without values."""
    if not values:
        return math.nan
    return values[max(0, math.ceil(share * len(values)) - 1)]


def most_in(times: Iterable[float], span: float) -> int:
    """Return the most of these times in any window [t, t + span)."""
    ordered = sorted(times)
    most = first = 0
    for last, moment in enumerate(ordered):
        while ordered[first] <= moment - span:
            first += 1
        most = max(most, last - first + 1)
    return most


def blindness(answered: Sequence[float], began_at: float, ended_at: float) -> float:
    """Return the longest time without an answered read between these two times."""
    seen = [began_at, *(t for t in sorted(answered) if began_at < t < ended_at), ended_at]
    return max(later - sooner for sooner, later in pairwise(seen))


def unseen(
    own: Sequence[float], others: Sequence[float], round_trip_s: float, span: float = 60.0
) -> int:
    """Return the most requests of others, within `span`, that a sender could not know of.

    A response reports (by `ratelimit-remaining`) what the token had sent when its request arrived;
    it is received a round trip later. Both sequences are sorted times of accepted requests.
    """
    most = 0
    for moment in own:
        known = bisect_right(own, moment - round_trip_s) - 1
        since = max(own[known] if known >= 0 else -math.inf, moment - span)
        most = max(most, bisect_right(others, moment) - bisect_right(others, since))
    return most


def mean_ratio(waits: Iterable[Wait]) -> float:
    """Return the largest mean delay of a process, divided by the smallest; 1 for one process."""
    delays: dict[int, list[float]] = {}
    for wait in waits:
        delay = judge(wait).delay
        if delay is not None:
            delays.setdefault(wait.process, []).append(delay)
    means = [sum(of) / len(of) for of in delays.values()]
    return max(means) / min(means) if means and min(means) > 0 else math.nan


def wait_figures(waits: Iterable[Wait]) -> dict[str, float]:
    """Return delays (of those that ended rightly) and counts of the others."""
    results = [judge(wait) for wait in waits]
    delays = sorted(v.delay for v in results if v.delay is not None)
    count = {kind: sum(v.kind == kind for v in results) for kind in ("false", "missed", "wrong")}
    return {
        "waits": float(len(results)),
        "timeouts": float(sum(v.kind == "right" and v.delay is None for v in results)),
        "mean": sum(delays) / len(delays) if delays else math.nan,
        "p50": percentile(delays, 0.50),
        "p95": percentile(delays, 0.95),
        "p99": percentile(delays, 0.99),
        "max": delays[-1] if delays else math.nan,
        **{kind: float(many) for kind, many in count.items()},
    }
