"""Tests of the pace in exact figures: each constant and each limit."""

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

DISTRIBUTION = DurationDistribution(math.log(759), 0.2785)
POLICY = PollPolicy()
BEGINS = DISTRIBUTION.quantile(0.0001)


def load(
    count: int,
    age: float,
    distribution: DurationDistribution | None = DISTRIBUTION,
    read_at: float = 0.0,
) -> PendingLoad:
    """Return the load of pending changes that all have the same age."""
    return PendingLoad(
        count=count, oldest=age, youngest=age, distribution=distribution, read_at=read_at
    )


def test_defaults() -> None:
    """By default nothing was read and nothing is in flight."""
    quota = PollQuota(burst=3.5, remaining=100.0)
    assert load(1, 0.0, read_at=-math.inf) == PendingLoad(1, 0.0, 0.0, DISTRIBUTION)
    assert (quota.confirms, quota.steady_calls, PollPace(5.0).confirms_fit) == (0, False, True)


def test_stream_plans_for_half_an_hour() -> None:
    """A stream of writes plans for half an hour: 50 pages share 2,000 requests."""
    units = [load(200, 1100.0) for _ in range(50)]
    planned, _ = plan_pace(units, POLICY, PollQuota(3.5, 2000.0, steady_calls=True), 0.0)
    assert planned.interval == pytest.approx(0.78 * 50 * 1800 / 2000, abs=1e-9)


@pytest.mark.parametrize(("left", "confirmed"), [(480.0, False), (480.1, True)])
def test_when_confirming_reads_are_affordable(left: float, confirmed: bool) -> None:
    """Confirming GETs may lengthen the interval by half and no more."""
    planned, _ = plan_pace(
        [load(1, 0.0, None)], POLICY, PollQuota(3.5, left + 20.0, confirms=20), 0.0
    )
    assert planned.confirms_fit is confirmed


def test_horizon_of_late_changes() -> None:
    """A late change is expected for half its age again."""
    assert expected_window(load(1, 5000.0)) == (BEGINS, 7500.0)


@pytest.mark.parametrize("count", [0, 1])
def test_expected_window_of_a_single_change(count: int) -> None:
    """A single change is expected to be done when 0.7 of it is still missing."""
    assert expected_window(load(count, 0.0))[1] == pytest.approx(DISTRIBUTION.quantile(0.3))


def test_expected_window_starts_inclusively() -> None:
    """A page is read at the pace from the first moment of its expected window."""
    _, due = plan_pace([load(200, BEGINS)], POLICY, PollQuota(3.5, 4500.0), 100.0)
    assert due == [5.0]


def test_new_change_is_not_stretched() -> None:
    """A change of age 0 is not stretched."""
    assert read_interval(load(1, 0.0), PollPace(20.0, target_interval=5.0)) == 20.0


@pytest.mark.parametrize(("left", "at"), [(800.0, 51.0), (799.0, 200.0)])
def test_sample_reads_take_a_hundredth_of_the_quota(left: float, at: float) -> None:
    """Pages are all read every `max_interval` within a hundredth of the quota; else one is."""
    distribution = DurationDistribution(math.log(800), 0.2)
    age = distribution.quantile(0.0001) - 200.0
    policy = PollPolicy(max_interval=50.0)
    loads = [load(200, age, distribution), load(200, age, distribution, read_at=1.0)]
    _, due = plan_pace(loads, policy, PollQuota(3.5, left), 0.0)
    assert due[1] == pytest.approx(at)
