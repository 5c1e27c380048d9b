"""How often to read each unit (a list page, or one resource), so that the hour's quota lasts. Pure.

The hour is a bank: what is left of it is spread over the time that the pending changes still need,
and never faster than the burst limit or `target_lag` allow. Within that, the optimal density of
reads follows the square root of how likely a settle is (Keller 1974, doi 10.1287/mnsc.21.3.256);
where the quota binds, unlikely moments are read up to `_STRETCH` times more seldom. Before a law's
support there is next to nothing to see: a rotating sample of units guards against a wrong law.
"""

import math
from collections.abc import Sequence

from msgspec import Struct

from di_async.core.waiting.durations import DurationDistribution
from di_async.core.waiting.poll_policy import PollPolicy

__all__ = ["PendingLoad", "PollPace", "PollQuota", "ReadSchedule", "plan_pace"]

# Without a law a change is thought to need up to an hour: the providers' own limit for a wait.
COLD_HORIZON_S = 3600.0
# ... and a stream of writes keeps every unit in need for ever; half an hour is planned for.
_STREAM_HORIZON_S = 1800.0
# The support of a law begins where this share has settled ...
_FIRST_SHARE = 0.0001
# ... and a unit is thought done when this many of its settles are expected to be missing.
_LAST_COUNT = 0.7
# Reads at unlikely moments may be this much rarer, where the quota binds; a p99 goal wants no more.
_STRETCH = 1.8
# A unit that is late may be late for this much longer than it has been: the bank lasts for it.
_TAIL = 1.5
# Stretching saves about this much, which the bank may spend on the likely moments.
_SAVED = 0.78
# Proofs and sweeps compete: sweeps this much slower than wanted are a fair price for proofs ...
_FAIR = 1.5
# ... and where proofs are insisted on, sweeps keep this share of the quota.
_LEAST_LEFT = 0.4
# From which likeliness on a moment is not stretched any more.
_LIKELY = 0.8
# Guarding reads before the support: one unit of each kind at every tenth of its age, and all
# of them every `max_interval` if that takes no more than this share of the quota.
_SAMPLE_OF_AGE = 0.1
_GUARD_SHARE = 0.01
# No law is trusted to let a unit rest for longer than this share of its age.
_MAX_OF_AGE = 0.2


class PollQuota(Struct, frozen=True, gc=False):
    """What polling may spend: requests a second at once, and what is left of the hour's."""

    burst: float
    remaining: float
    confirms: int = 0
    """How many GETs will be wanted to prove what is found."""
    steady_writes: bool = False
    """More to wait for keeps coming: the bank must not be spent on what is here now."""


class PendingLoad(Struct, frozen=True, gc=False):
    """What one unit holds: how many are pending, between which ages, and their law."""

    count: int
    oldest: float
    youngest: float
    distribution: DurationDistribution | None
    kind: object = None


class ReadSchedule(Struct, eq=False):
    """Something that one request reads."""

    read_at: float = -math.inf
    sent_at: float = -math.inf
    due_at: float = 0.0
    in_flight: bool = False


class PollPace(Struct, frozen=True, gc=False):
    """The pace that was set: seconds between reads of an active unit, and what it is made of."""

    interval: float
    target_interval: float = math.inf
    """What it would be with no end of quota."""
    confirms_fit: bool = True
    """A GET for each settle can be had beside it."""

    @property
    def quota_bound(self) -> bool:
        """The hour's quota, or the burst limit, allows less than the policy wants."""
        return self.interval > self.target_interval


def plan_pace(
    units: Sequence[tuple[ReadSchedule, PendingLoad]],
    policy: PollPolicy,
    quota: PollQuota,
    now: float,
) -> PollPace:
    """Give every unit its `due_at`, and say what the pace is."""
    active, early, need = [], [], 0.0
    for unit, load in units:
        begins, ends = expected_window(load)
        wait = min(ends - max(begins, load.oldest), max(COLD_HORIZON_S, load.oldest))
        need += max(wait, _STREAM_HORIZON_S) if quota.steady_writes else wait
        if load.oldest < begins:
            early.append((unit, load, begins - load.oldest))
        else:
            active.append((unit, load))
    fastest = max(policy.target_lag, len(active) / quota.burst)
    proofs = fastest <= policy.target_lag and need < _FAIR * fastest * (
        quota.remaining - quota.confirms
    )
    left = (
        quota.remaining - quota.confirms
        if proofs or policy.confirm == "always"
        else quota.remaining
    )
    banked = min(need / max(left, _LEAST_LEFT * quota.remaining), COLD_HORIZON_S)
    period = fastest if banked <= policy.target_lag else max(fastest, banked * _SAVED)
    tempo = PollPace(period, policy.target_lag, proofs)
    for unit, load in active:
        unit.due_at = unit.read_at + read_interval(load, tempo, policy)
    _guard(early, policy, quota, now)
    return tempo


def expected_window(load: PendingLoad) -> tuple[float, float]:
    """From which age on settles are to be expected, and by which age the unit should be done."""
    if load.distribution is None:
        return 0.0, max(COLD_HORIZON_S, 1.5 * load.oldest)
    age = load.youngest
    missing = load.distribution.survival(age) * _LAST_COUNT / max(load.count, 1)
    ends = max(load.distribution.quantile(1 - missing), _TAIL * age) + load.oldest - age
    return load.distribution.quantile(_FIRST_SHARE), ends


def read_interval(load: PendingLoad, tempo: PollPace, policy: PollPolicy) -> float:
    """Seconds between two reads of an active unit."""
    if not tempo.quota_bound or load.distribution is None:
        return tempo.interval
    likeness = load.distribution.relative_density(load.oldest)
    if load.youngest != load.oldest:
        likeness = max(likeness, load.distribution.relative_density(load.youngest))
    likely = math.sqrt(likeness) / _LIKELY
    stretched = tempo.interval * min(max(1.0, 1.0 / max(likely, 1e-6)), _STRETCH)
    return max(min(stretched, _MAX_OF_AGE * load.oldest), tempo.interval)


def _guard(
    early: list[tuple[ReadSchedule, PendingLoad, float]],
    policy: PollPolicy,
    quota: PollQuota,
    now: float,
) -> None:
    """Reads before the support: all units now and then where that is cheap, else a sample."""
    every_unit = (
        sum(wait for _, _, wait in early) <= _GUARD_SHARE * quota.remaining * policy.max_interval
    )
    newest: dict[object, float] = {}
    for unit, load, _ in early:
        newest[load.kind] = max(newest.get(load.kind, -math.inf), unit.read_at)
    sampled: set[object] = set()
    for unit, load, wait in sorted(early, key=lambda item: item[0].read_at):
        pause = max(policy.target_lag, _SAMPLE_OF_AGE * load.oldest)
        unit.due_at = max(now + wait, unit.read_at + policy.target_lag)
        if every_unit:
            unit.due_at = min(unit.due_at, unit.read_at + max(pause, policy.max_interval))
        if load.kind not in sampled:  # the one that was read longest ago stands for its kind
            sampled.add(load.kind)
            unit.due_at = min(unit.due_at, newest[load.kind] + pause)
