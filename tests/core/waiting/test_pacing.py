"""The pace: an hour's quota lasts, likely moments are looked at closely, unlikely ones guarded."""

import math
from collections.abc import Sequence

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

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
LAW = DurationDistribution(math.log(759), 0.2785)
POLICY = PollPolicy()
PLENTY = PollQuota(burst=3.5, remaining=4500.0)
BINDING = PollPace(20.0, target_interval=5.0)
GPU = ("create", "atl1", "gpu")
MODE = math.exp(LAW.mu - LAW.sigma**2)


def load(
    count: int, age: float, law: DurationDistribution | None, kind: DurationKey | None = None
) -> PendingLoad:
    """A unit's load, all of one age."""
    return PendingLoad(count=count, oldest=age, youngest=age, distribution=law, kind=kind)


def units(count: int, age: float, law: DurationDistribution | None = LAW) -> list[PendingLoad]:
    """Return pages of equal age, each read once at 0."""
    return [evolve(load(200, age, law, GPU), read_at=0.0) for _ in range(count)]


def pace(loads: Sequence[PendingLoad], quota: PollQuota, policy: PollPolicy = POLICY) -> PollPace:
    """Return the pace at 0."""
    return plan_pace(loads, policy, quota, 0.0)[0]


def due(loads: Sequence[PendingLoad], quota: PollQuota, policy: PollPolicy = POLICY) -> list[float]:
    """Return when each is due, planned at 0."""
    return plan_pace(loads, policy, quota, 0.0)[1]


def simulated(
    count: int,
    quota: float,
    *,
    law: DurationDistribution | None,
    ends_at: float,
    confirm: str = "never",
) -> tuple[int, float, float]:
    """Read whatever is due, second by second: (requests, least and longest pause)."""
    policy, sent = PollPolicy(confirm=confirm), 0  # type: ignore[arg-type]
    read_at, due_at = [0.0] * count, [0.0] * count
    gaps: list[float] = []
    for now in range(1, int(ends_at)):
        if now % 5 == 1:
            told = PollQuota(burst=3.5, remaining=max(quota - sent, 0.02 * quota))
            loads = [evolve(load(200, float(now), law, GPU), read_at=at) for at in read_at]
            due_at = plan_pace(loads, policy, told, float(now))[1]
        for page in (page for page in range(count) if due_at[page] <= now):
            gaps.append(now - read_at[page])
            read_at[page], due_at[page], sent = float(now), math.inf, sent + 1
    return sent, min(gaps), max(gaps)


@pytest.mark.parametrize("count", [10, 50, 100])
@pytest.mark.parametrize("law", [None, LAW])
@pytest.mark.parametrize("quota", [500, 4500])
def test_hours_quota_is_never_overdrawn(
    count: int, law: DurationDistribution | None, quota: int
) -> None:
    """Whatever the number of pages: all their reads of an hour fit into what was left."""
    sent, least, _ = simulated(count, quota, law=law, ends_at=3600 if law is None else 1600)
    assert 0.3 * min(quota, 1600 / 5 * count) <= sent <= 1.02 * quota
    assert least >= 5


def test_quota_that_is_ample_gives_target_lag_and_no_less() -> None:
    """Four pages in their support, far below any limit."""
    told = units(4, 700.0)
    tempo = pace(told, PLENTY)
    assert (tempo.interval, tempo.quota_bound, tempo.confirms_fit) == (5.0, False, True)
    assert set(due(told, PLENTY)) == {5.0}


@ALL
@given(
    count=st.integers(1, 300),
    age=st.floats(0, 5000),
    law=st.sampled_from([None, LAW, DurationDistribution(6.0, 0.4)]),
    left=st.floats(1, 5000),
    proofs=st.integers(0, 20_000),
    confirm=st.sampled_from(["auto", "always", "never"]),
)
def test_no_unit_is_due_sooner_than_target_lag_nor_never(
    count: int, age: float, law: DurationDistribution | None, left: float, proofs: int, confirm: str
) -> None:
    """Whatever the account, law and quota: after `target_lag` at the earliest, and some time."""
    told = units(count, age, law)
    policy = PollPolicy(target_lag=7.0, confirm=confirm)  # type: ignore[arg-type]
    tempo, times = plan_pace(told, policy, PollQuota(3.5, left, proofs), 0.0)
    assert 7.0 <= tempo.interval <= COLD_HORIZON_S + 7.0
    assert all(7.0 - 1e-6 <= at < 1e5 for at in times)


def test_unit_just_read_is_not_due_again_because_its_support_begins() -> None:
    """Two seconds later it would be too soon, likely or not."""
    told = units(1, LAW.quantile(0.0001) - 2.0)
    assert due(told, PLENTY)[0] >= 5.0


@pytest.mark.parametrize(("count", "binding"), [(4, False), (50, True)])
def test_pace_is_bound_by_the_hour_when_there_are_many_pages(count: int, binding: bool) -> None:
    """Fifty cold pages every 5 s would be 36,000 an hour."""
    tempo = pace(units(count, 100.0, None), PLENTY)
    assert tempo.quota_bound is binding


def test_pace_is_bound_by_the_burst_limit() -> None:
    """A hundred pages at 3.5 a second need 28.6 s, however much is left of the hour."""
    tempo = pace(units(100, 700.0), PollQuota(burst=3.5, remaining=1e9))
    assert tempo.interval == pytest.approx(100 / 3.5)


def test_less_left_is_a_slower_pace() -> None:
    """Half the bank, twice the pause."""
    periods = [pace(units(50, 700.0), PollQuota(3.5, left)).interval for left in (2000, 1000)]
    assert periods[1] == pytest.approx(2 * periods[0], rel=0.01)


def test_stream_of_writes_is_saved_for() -> None:
    """Where more keeps coming, what is here now does not get the whole bank."""
    calm, stream = (
        pace(units(50, 1100.0), PollQuota(3.5, 2000, 0, steady_writes=s)).interval
        for s in (False, True)
    )
    assert stream > 1.2 * calm


# --- proofs ------------------------------------------------------------------------------------


def proofs(count: int, pages: int, confirm: str = "auto") -> PollPace:
    """The pace beside so many GETs to come."""
    policy = PollPolicy(confirm=confirm)  # type: ignore[arg-type]
    return pace(units(pages, 200.0), PollQuota(3.5, 4500.0, count), policy)


def test_proofs_are_had_where_they_slow_nothing() -> None:
    """A thousand waits on five pages."""
    tempo = proofs(1000, 5)
    assert tempo.confirms_fit
    assert tempo.interval == 5.0


def test_proofs_are_not_had_where_they_would_eat_the_hour() -> None:
    """Ten thousand GETs are more than an hour allows."""
    assert not proofs(10_000, 50).confirms_fit


def test_proofs_that_are_insisted_on_slow_sweeps_but_do_not_end_them() -> None:
    """`always`: the pace leaves room for GETs, and keeps a share for itself."""
    paces = [proofs(10_000, 50, confirm).interval for confirm in ("auto", "always")]
    assert paces[0] < paces[1] <= 2.6 * paces[0]


# --- likely and unlikely moments ---------------------------------------------------------------


def test_bound_pace_stretches_at_unlikely_moments_and_not_beyond_its_bounds() -> None:
    """Between once and 1.8 times the period; the likeliest age is not stretched at all."""
    rests = {age: read_interval(load(200, age, LAW), BINDING) for age in (350.0, MODE, 2500.0)}
    assert rests[MODE] == 20.0
    assert rests[350.0] == rests[2500.0] == pytest.approx(36.0)


@pytest.mark.parametrize(("oldest", "youngest"), [(2500.0, MODE), (MODE, 350.0)])
def test_a_page_is_as_likely_as_the_likelier_of_its_ends(oldest: float, youngest: float) -> None:
    """Whichever of the two is in the likely age sets the pace."""
    both = PendingLoad(count=200, oldest=oldest, youngest=youngest, distribution=LAW)
    assert read_interval(both, BINDING) == 20.0


def test_stretching_never_rests_for_longer_than_a_share_of_the_age() -> None:
    """No law is trusted so far: a fifth of its age at the most, but not below the pace."""
    assert read_interval(load(2, 110.0, DurationDistribution(6, 0.2)), BINDING) == pytest.approx(
        22.0
    )
    assert read_interval(load(2, 50.0, DurationDistribution(6, 0.2)), BINDING) == 20.0


@pytest.mark.parametrize("tempo", [PollPace(5.0, target_interval=5.0), BINDING])
def test_nothing_is_stretched_without_a_law_or_a_need(tempo: PollPace) -> None:
    """An ample quota needs no thrift, and without a law no moment is less likely."""
    law = None if tempo.quota_bound else LAW
    assert read_interval(load(200, 350.0, law), tempo) == tempo.interval


# --- before the support ------------------------------------------------------------------------


def test_support_begins_where_settles_begin_and_ends_when_hardly_any_is_left() -> None:
    """Of two hundred, more are expected to be late than of one."""
    (begins, one), (_, many) = (expected_window(load(n, 0.0, LAW)) for n in (1, 200))
    assert LAW.survival(begins) == pytest.approx(0.9999, abs=1e-5)
    assert 600 < one < many < 2500


def test_cold_horizon_is_an_hour_or_half_as_much_again() -> None:
    """Without a law; what is older than that is late for as long again by half."""
    assert [expected_window(load(1, age, None)) for age in (0.0, 7200.0)] == [
        (0, 3600),
        (0, 10_800),
    ]


def test_units_before_the_support_are_guarded_by_a_sample() -> None:
    """Fifty pages at age 100: one of them at a tenth of its age, the others when it begins."""
    told, begins = units(50, 100.0), LAW.quantile(0.0001)
    times = sorted(due(told, PollQuota(3.5, 50.0)))
    assert times[0] == pytest.approx(10.0)
    assert times[1:] == [pytest.approx(begins - 100.0)] * 49


def test_sample_rotates() -> None:
    """The unit that was read longest ago stands for its kind."""
    told = units(3, 100.0)
    told[1] = evolve(told[1], read_at=-50.0)
    times = due(told, PollQuota(3.5, 1.0))
    assert times.index(min(times)) == 1


def test_each_kind_has_a_sample_of_its_own() -> None:
    """A wrong law of one region would not show on the pages of another."""
    kinds = [("create", region, "gpu") for region in ("atl1", "tor1")]
    told = [evolve(load(200, 100.0, LAW, kinds[n % 2]), read_at=0.0) for n in range(10)]
    assert sum(at == pytest.approx(10.0) for at in due(told, PollQuota(3.5, 1.0))) == 2


def test_few_units_are_all_looked_at_now_and_then() -> None:
    """Where it is cheap, none is silent for longer than `max_interval`."""
    told = units(3, 100.0)
    assert sorted(due(told, PLENTY)) == pytest.approx([10.0, 60.0, 60.0])
