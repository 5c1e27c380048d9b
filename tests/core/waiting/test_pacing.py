"""Tests of the pace: within the hour's quota, frequent at likely moments, rare at others."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from di_async.core.waiting.durations import DurationDistribution
from di_async.core.waiting.observation import DurationKey
from di_async.core.waiting.pacing import (
    COLD_HORIZON_S,
    PendingLoad,
    PollPace,
    PollQuota,
    expected_window,
    plan_pace,
    read_interval,
)
from di_async.core.waiting.poll_policy import PollPolicy

ALL = settings(max_examples=40, deadline=None)
DISTRIBUTION = DurationDistribution(math.log(759), 0.2785)
POLICY = PollPolicy()
PLENTY = PollQuota(burst=3.5, remaining=4500.0)
BINDING = PollPace(20.0, target_interval=5.0)
GPU = ("create", "atl1", "gpu")
MODE = math.exp(DISTRIBUTION.mu - DISTRIBUTION.sigma**2)


def load(
    count: int,
    age: float,
    distribution: DurationDistribution | None,
    kind: DurationKey | None = None,
) -> PendingLoad:
    """Return a load whose changes all have one age."""
    return PendingLoad(count=count, oldest=age, youngest=age, distribution=distribution, kind=kind)


def units(
    count: int, age: float, distribution: DurationDistribution | None = DISTRIBUTION
) -> list[PendingLoad]:
    """Return pages of equal age, each read once at 0."""
    return [replace(load(200, age, distribution, GPU), read_at=0.0) for _ in range(count)]


def pace(loads: Sequence[PendingLoad], quota: PollQuota, policy: PollPolicy = POLICY) -> PollPace:
    """Return the pace at time 0."""
    return plan_pace(loads, policy, quota, 0.0)[0]


def due(loads: Sequence[PendingLoad], quota: PollQuota, policy: PollPolicy = POLICY) -> list[float]:
    """Return the due times of these loads, planned at time 0."""
    return plan_pace(loads, policy, quota, 0.0)[1]


def simulated(
    count: int,
    quota: float,
    *,
    distribution: DurationDistribution | None,
    ends_at: float,
    confirm: str = "never",
) -> tuple[int, float, float]:
    """Read whatever is due, second by second; return requests and the extreme intervals."""
    policy, sent = PollPolicy(confirm=confirm), 0  # type: ignore[arg-type]
    read_at, due_at = [0.0] * count, [0.0] * count
    gaps: list[float] = []
    for now in range(1, int(ends_at)):
        if now % 5 == 1:
            available = PollQuota(burst=3.5, remaining=max(quota - sent, 0.02 * quota))
            loads = [
                replace(load(200, float(now), distribution, GPU), read_at=at) for at in read_at
            ]
            due_at = plan_pace(loads, policy, available, float(now))[1]
        for page in (page for page in range(count) if due_at[page] <= now):
            gaps.append(now - read_at[page])
            read_at[page], due_at[page], sent = float(now), math.inf, sent + 1
    return sent, min(gaps), max(gaps)


@pytest.mark.parametrize("count", [10, 50, 100])
@pytest.mark.parametrize("distribution", [None, DISTRIBUTION])
@pytest.mark.parametrize("quota", [500, 4500])
def test_hours_quota_is_never_overdrawn(
    count: int, distribution: DurationDistribution | None, quota: int
) -> None:
    """The reads of an hour fit the quota, whatever the number of pages."""
    sent, least, _ = simulated(
        count, quota, distribution=distribution, ends_at=3600 if distribution is None else 1600
    )
    assert 0.3 * min(quota, 1600 / 5 * count) <= sent <= 1.02 * quota
    assert least >= 5


def test_ample_quota_reads_every_target_lag() -> None:
    """With an ample quota pages are read every `target_lag`."""
    loads = units(4, 700.0)
    planned = pace(loads, PLENTY)
    assert (planned.interval, planned.quota_bound, planned.confirms_fit) == (5.0, False, True)
    assert set(due(loads, PLENTY)) == {5.0}


@ALL
@given(
    count=st.integers(1, 300),
    age=st.floats(0, 5000),
    distribution=st.sampled_from([None, DISTRIBUTION, DurationDistribution(6.0, 0.4)]),
    left=st.floats(1, 5000),
    expected_gets=st.integers(0, 20_000),
    confirm=st.sampled_from(["auto", "always", "never"]),
)
def test_every_page_is_due_after_target_lag(
    count: int,
    age: float,
    distribution: DurationDistribution | None,
    left: float,
    expected_gets: int,
    confirm: str,
) -> None:
    """Every page is due after `target_lag` at the earliest, at some finite time."""
    loads = units(count, age, distribution)
    policy = PollPolicy(target_lag=7.0, confirm=confirm)  # type: ignore[arg-type]
    planned, times = plan_pace(loads, policy, PollQuota(3.5, left, expected_gets), 0.0)
    assert 7.0 <= planned.interval <= COLD_HORIZON_S + 7.0
    assert all(7.0 - 1e-6 <= at < 1e5 for at in times)


def test_page_just_read_is_not_due_when_its_window_starts() -> None:
    """A page just read is not due again when its expected window starts."""
    loads = units(1, DISTRIBUTION.quantile(0.0001) - 2.0)
    assert due(loads, PLENTY)[0] >= 5.0


@pytest.mark.parametrize(("count", "binding"), [(4, False), (50, True)])
def test_pace_is_bound_by_the_hour(count: int, binding: bool) -> None:
    """Many pages are limited by the hour's quota: fifty every 5 s would need 36,000."""
    planned = pace(units(count, 100.0, None), PLENTY)
    assert planned.quota_bound is binding


def test_pace_is_bound_by_the_burst_limit() -> None:
    """Many pages are limited by the burst rate: a hundred at 3.5 a second need 28.6 s."""
    planned = pace(units(100, 700.0), PollQuota(burst=3.5, remaining=1e9))
    assert planned.interval == pytest.approx(100 / 3.5)


def test_less_quota_is_a_slower_pace() -> None:
    """Half the remaining quota doubles the interval."""
    periods = [pace(units(50, 700.0), PollQuota(3.5, left)).interval for left in (2000, 1000)]
    assert periods[1] == pytest.approx(2 * periods[0], rel=0.01)


def test_stream_of_writes_reserves_quota() -> None:
    """A steady stream of writes leaves part of the quota unused."""
    calm, stream = (
        pace(units(50, 1100.0), PollQuota(3.5, 2000, 0, steady_calls=s)).interval
        for s in (False, True)
    )
    assert stream > 1.2 * calm


# --- confirming GETs ---------------------------------------------------------------------------


def expected_gets(count: int, pages: int, confirm: str = "auto") -> PollPace:
    """Return the pace with this many expected GETs."""
    policy = PollPolicy(confirm=confirm)  # type: ignore[arg-type]
    return pace(units(pages, 200.0), PollQuota(3.5, 4500.0, count), policy)


def test_confirming_gets_fit() -> None:
    """GETs fit for a thousand waits on five pages."""
    planned = expected_gets(1000, 5)
    assert planned.confirms_fit
    assert planned.interval == 5.0


def test_confirming_gets_do_not_fit() -> None:
    """Ten thousand GETs do not fit the hour's quota."""
    assert not expected_gets(10_000, 50).confirms_fit


def test_confirm_always_slows_list_reads() -> None:
    """`always` leaves room for GETs and keeps a share for list reads."""
    paces = [expected_gets(10_000, 50, confirm).interval for confirm in ("auto", "always")]
    assert paces[0] < paces[1] <= 2.6 * paces[0]


# --- likely and unlikely moments ---------------------------------------------------------------


def test_bound_pace_stretches_at_unlikely_moments() -> None:
    """A limited pace stretches up to 1.8 times at unlikely ages, and not at the likeliest."""
    rests = {
        age: read_interval(load(200, age, DISTRIBUTION), BINDING) for age in (350.0, MODE, 2500.0)
    }
    assert rests[MODE] == 20.0
    assert rests[350.0] == rests[2500.0] == pytest.approx(36.0)


@pytest.mark.parametrize(("oldest", "youngest"), [(2500.0, MODE), (MODE, 350.0)])
def test_page_is_as_likely_as_the_likelier_of_its_ends(oldest: float, youngest: float) -> None:
    """A page is as likely to settle as the likelier of its ends."""
    both = PendingLoad(count=200, oldest=oldest, youngest=youngest, distribution=DISTRIBUTION)
    assert read_interval(both, BINDING) == 20.0


def test_stretching_is_limited_by_the_age() -> None:
    """Stretching adds at most a fifth of the age, and never goes below the pace."""
    assert read_interval(load(2, 110.0, DurationDistribution(6, 0.2)), BINDING) == pytest.approx(
        22.0
    )
    assert read_interval(load(2, 50.0, DurationDistribution(6, 0.2)), BINDING) == 20.0


@pytest.mark.parametrize("planned", [PollPace(5.0, target_interval=5.0), BINDING])
def test_nothing_is_stretched_without_a_distribution_or_a_bound(planned: PollPace) -> None:
    """Nothing is stretched with an ample quota or without a distribution."""
    distribution = None if planned.quota_bound else DISTRIBUTION
    assert read_interval(load(200, 350.0, distribution), planned) == planned.interval


# --- before the expected window ----------------------------------------------------------------


def test_expected_window_depends_on_the_count() -> None:
    """The expected window starts earlier and ends later for more changes."""
    (begins, one), (_, many) = (expected_window(load(n, 0.0, DISTRIBUTION)) for n in (1, 200))
    assert DISTRIBUTION.survival(begins) == pytest.approx(0.9999, abs=1e-5)
    assert 600 < one < many < 2500


def test_cold_horizon() -> None:
    """The cold horizon is an hour, or one and a half times the age."""
    assert [expected_window(load(1, age, None)) for age in (0.0, 7200.0)] == [
        (0, 3600),
        (0, 10_800),
    ]


def test_pages_before_the_window_are_sampled() -> None:
    """Of fifty pages before their window, one is read at a tenth of its age."""
    loads, begins = units(50, 100.0), DISTRIBUTION.quantile(0.0001)
    times = sorted(due(loads, PollQuota(3.5, 50.0)))
    assert times[0] == pytest.approx(10.0)
    assert times[1:] == [pytest.approx(begins - 100.0)] * 49


def test_sample_rotates() -> None:
    """The page that was read longest ago is the sample of its kind."""
    loads = units(3, 100.0)
    loads[1] = replace(loads[1], read_at=-50.0)
    times = due(loads, PollQuota(3.5, 1.0))
    assert times.index(min(times)) == 1


def test_each_kind_has_a_sample_of_its_own() -> None:
    """Each kind has its own sample: a wrong distribution would not show on another's."""
    kinds = [("create", region, "gpu") for region in ("atl1", "tor1")]
    loads = [replace(load(200, 100.0, DISTRIBUTION, kinds[n % 2]), read_at=0.0) for n in range(10)]
    assert sum(at == pytest.approx(10.0) for at in due(loads, PollQuota(3.5, 1.0))) == 2


def test_few_pages_are_all_read_every_max_interval() -> None:
    """Few pages before their window are read every `max_interval`."""
    loads = units(3, 100.0)
    assert sorted(due(loads, PLENTY)) == pytest.approx([10.0, 60.0, 60.0])
