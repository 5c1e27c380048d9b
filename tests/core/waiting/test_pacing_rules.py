"""The pace in exact figures: each constant and each bound, at its edge."""

import math

import pytest

from di_async.core.waiting.durations import DurationDistribution
from di_async.core.waiting.pacing import (
    PendingLoad,
    PollPace,
    PollQuota,
    expected_window,
    plan_pace,
    read_interval,
)
from di_async.core.waiting.poll_policy import PollPolicy

LAW = DurationDistribution(math.log(759), 0.2785)
POLICY = PollPolicy()
BEGINS = LAW.quantile(0.0001)


def load(
    count: int, age: float, law: DurationDistribution | None = LAW, read_at: float = 0.0
) -> PendingLoad:
    """Return the load of pending changes that all have the same age."""
    return PendingLoad(count=count, oldest=age, youngest=age, distribution=law, read_at=read_at)


def test_defaults() -> None:
    """Nothing was read yet, and nothing is under way."""
    quota = PollQuota(burst=3.5, remaining=100.0)
    assert load(1, 0.0, read_at=-math.inf) == PendingLoad(1, 0.0, 0.0, LAW)
    assert (quota.confirms, quota.steady_writes, PollPace(5.0).confirms_fit) == (0, False, True)


def test_stream_plans_for_half_an_hour() -> None:
    """Fifty pages that need 1,800 s each share 2,000 requests: one in 45 s, less what is saved."""
    units = [load(200, 1100.0) for _ in range(50)]
    tempo, _ = plan_pace(units, POLICY, PollQuota(3.5, 2000.0, steady_writes=True), 0.0)
    assert tempo.interval == pytest.approx(0.78 * 50 * 1800 / 2000, abs=1e-9)


@pytest.mark.parametrize(("left", "confirmed"), [(480.0, False), (480.1, True)])
def test_when_confirming_reads_are_affordable(left: float, confirmed: bool) -> None:
    """An hour of one page, read every 5 s, may take 1.5 times as long for them and no more."""
    tempo, _ = plan_pace(
        [load(1, 0.0, None)], POLICY, PollQuota(3.5, left + 20.0, confirms=20), 0.0
    )
    assert tempo.confirms_fit is confirmed


def test_late_changes_are_expected_for_half_their_age_again() -> None:
    """At 5,000 s the distribution says nothing any more."""
    assert expected_window(load(1, 5000.0)) == (BEGINS, 7500.0)


@pytest.mark.parametrize("count", [0, 1])
def test_support_of_a_single_change(count: int) -> None:
    """It is expected to be done when 0.7 of it is still missing."""
    assert expected_window(load(count, 0.0))[1] == pytest.approx(LAW.quantile(0.3))


def test_support_begins_inclusively() -> None:
    """From the first moment of the support on, a unit is read at the pace."""
    _, due = plan_pace([load(200, BEGINS)], POLICY, PollQuota(3.5, 4500.0), 100.0)
    assert due == [5.0]


def test_new_change_is_not_stretched() -> None:
    """Nothing settles at age 0; a share of the age would be no interval at all."""
    assert read_interval(load(1, 0.0), PollPace(20.0, target_interval=5.0)) == 20.0


@pytest.mark.parametrize(("left", "at"), [(800.0, 51.0), (799.0, 200.0)])
def test_guarding_reads_take_a_hundredth_of_the_quota(left: float, at: float) -> None:
    """All units are read every `max_interval` while that costs no more; else only a sample."""
    law = DurationDistribution(math.log(800), 0.2)
    age = law.quantile(0.0001) - 200.0
    policy = PollPolicy(max_interval=50.0)
    loads = [load(200, age, law), load(200, age, law, read_at=1.0)]
    _, due = plan_pace(loads, policy, PollQuota(3.5, left), 0.0)
    assert due[1] == pytest.approx(at)
