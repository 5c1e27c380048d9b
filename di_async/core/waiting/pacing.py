"""How often to read, so that the hour's quota lasts. Pure.

One request reads a list page or a single resource; both are called a unit here. The hour's quota is
treated as a bank: what is left of it is spread over the time that the pending changes still need,
never faster than the burst limit or `target_lag` allow. Within that, the optimal density of reads
follows the square root of the density of settles (Keller 1974, doi 10.1287/mnsc.21.3.256): where
the quota binds, units at unlikely ages are read up to `_MAX_STRETCH` times less often. Before the
expected window opens, a rotating sample of units guards against a wrong distribution.
"""

import math
from collections.abc import Sequence

from msgspec import Struct

from di_async.core.waiting.durations import DurationDistribution
from di_async.core.waiting.observation import DurationKey
from di_async.core.waiting.poll_policy import PollPolicy

__all__ = ["PendingLoad", "PollPace", "PollQuota", "expected_window", "plan_pace", "read_interval"]

# Without a distribution a change may need up to an hour: the providers' own limit for a wait.
COLD_HORIZON_S = 3600.0
# While more changes keep coming, each unit counts as if it were read for half an hour at least.
_STEADY_HORIZON_S = 1800.0
# The expected window opens when this share has settled ...
_FIRST_SHARE = 0.0001
# ... and closes when this many of the unit's settles are expected to be missing.
_LAST_COUNT = 0.7
# At unlikely ages a unit is read at most this much less often; a low p99 allows no more.
_MAX_STRETCH = 1.8
# The window of a unit that is overdue closes at its age times this.
_OVERDUE_FACTOR = 1.5
# Stretching saves about this share, which likely ages may use.
_SAVED_SHARE = 0.78
# Confirming GETs may slow list reads down by this much ...
_MAX_SLOWDOWN = 1.5
# ... and with confirm="always", list reads keep this share of the quota.
_LIST_SHARE = 0.4
# From this square root of the relative density on, an age is not stretched.
_LIKELY = 0.8
# Guard reads before the window: one unit of each kind at every tenth of its age; all of them
# every `max_interval` if that takes at most this share of the quota.
_SAMPLE_OF_AGE = 0.1
_GUARD_SHARE = 0.01
# No distribution stretches an interval beyond this share of the age.
_MAX_OF_AGE = 0.2


class PollQuota(Struct, frozen=True):
    """What polling may spend: requests a second at most, and how many of the hour are left."""

    burst: float
    remaining: float
    confirms: int = 0
    """How many GETs will be needed to confirm what list pages show."""
    steady_calls: bool = False
    """More changes keep coming, so the bank must not be spent on the current ones."""


class PendingLoad(Struct, frozen=True):
    """What one unit shows: how many pending changes, their ages and their distribution."""

    count: int
    oldest: float
    youngest: float
    distribution: DurationDistribution | None
    kind: DurationKey | None = None
    read_at: float = -math.inf
    """When the unit was read last."""


class PollPace(Struct, frozen=True):
    """The pace of all units together."""

    interval: float
    """Seconds between two reads of a unit inside its expected window."""
    target_interval: float = math.inf
    """What the interval would be with an unlimited quota."""
    confirms_fit: bool = True
    """A GET for each settle fits the quota, too."""

    @property
    def quota_bound(self) -> bool:
        """Whether the quota or the burst limit allows less than the policy wants."""
        return self.interval > self.target_interval


def plan_pace(
    loads: Sequence[PendingLoad], policy: PollPolicy, quota: PollQuota, now: float
) -> tuple[PollPace, list[float]]:
    """Return the pace, and for each unit when it is due."""
    windows = [expected_window(load) for load in loads]
    need = 0.0
    for load, (opens, closes) in zip(loads, windows, strict=True):
        wait = min(closes - max(opens, load.oldest), COLD_HORIZON_S)
        need += max(wait, _STEADY_HORIZON_S) if quota.steady_calls else wait
    open_now = [load.oldest >= opens for load, (opens, _) in zip(loads, windows, strict=True)]
    fastest = max(policy.target_lag, sum(open_now) / quota.burst)
    left = quota.remaining - quota.confirms
    fits = fastest <= policy.target_lag and need < _MAX_SLOWDOWN * fastest * left
    if not fits and policy.confirm != "always":
        left = quota.remaining
    banked = min(need / max(left, _LIST_SHARE * quota.remaining), COLD_HORIZON_S)
    interval = fastest if banked <= policy.target_lag else max(fastest, banked * _SAVED_SHARE)
    pace = PollPace(interval, policy.target_lag, fits)
    due = [0.0] * len(loads)
    early: list[tuple[int, float]] = []
    for i, load in enumerate(loads):
        if open_now[i]:
            due[i] = load.read_at + read_interval(load, pace)
        else:
            early.append((i, windows[i][0] - load.oldest))
    for i, at in _guard_reads(loads, early, policy, quota, now):
        due[i] = at
    return pace, due


def expected_window(load: PendingLoad) -> tuple[float, float]:
    """Return the ages between which a unit's changes are expected to settle."""
    distribution = load.distribution
    if distribution is None:
        return 0.0, max(COLD_HORIZON_S, 1.5 * load.oldest)
    age = load.youngest
    missing = distribution.survival(age) * _LAST_COUNT / max(load.count, 1)
    closes = max(distribution.quantile(1 - missing), _OVERDUE_FACTOR * age) + load.oldest - age
    return distribution.quantile(_FIRST_SHARE), closes


def read_interval(load: PendingLoad, pace: PollPace) -> float:
    """Return the seconds between two reads of a unit inside its expected window."""
    if not pace.quota_bound or load.distribution is None:
        return pace.interval
    density = load.distribution.relative_density(load.oldest)
    if load.youngest != load.oldest:
        density = max(density, load.distribution.relative_density(load.youngest))
    likely = math.sqrt(density) / _LIKELY
    stretched = pace.interval * min(max(1.0, 1.0 / max(likely, 1e-6)), _MAX_STRETCH)
    return max(min(stretched, _MAX_OF_AGE * load.oldest), pace.interval)


def _guard_reads(
    loads: Sequence[PendingLoad],
    early: Sequence[tuple[int, float]],
    policy: PollPolicy,
    quota: PollQuota,
    now: float,
) -> list[tuple[int, float]]:
    """Return when to read units whose window opens in so many seconds.

    All of them now and then where that is cheap, otherwise one of each kind.
    """
    affordable = _GUARD_SHARE * quota.remaining * policy.max_interval
    every_unit = sum(wait for _, wait in early) <= affordable
    newest: dict[DurationKey | None, float] = {}
    for i, _ in early:
        load = loads[i]
        newest[load.kind] = max(newest.get(load.kind, -math.inf), load.read_at)
    due, sampled = [], set[DurationKey | None]()
    for i, wait in sorted(early, key=lambda one: loads[one[0]].read_at):
        load = loads[i]
        pause = max(policy.target_lag, _SAMPLE_OF_AGE * load.oldest)
        at = max(now + wait, load.read_at + policy.target_lag)
        if every_unit:
            at = min(at, load.read_at + max(pause, policy.max_interval))
        if load.kind not in sampled:  # the one that was read longest ago stands for its kind
            sampled.add(load.kind)
            at = min(at, newest[load.kind] + pause)
        due.append((i, at))
    return due
