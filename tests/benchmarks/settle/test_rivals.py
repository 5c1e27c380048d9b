"""Tests of the rivals: as described in `rivals`, within both windows, matching the world."""

import math

import orjson
import pytest

from benchmarks.settle.rivals import PAGE, RIVALS, Limiter, even_list, figures
from benchmarks.settle.runs import Run
from benchmarks.settle.virtual import EPOCH
from benchmarks.settle.worlds import BASE, build_world, durations

TEN_THOUSAND = durations(Run("A", 10_000), 0)


@pytest.mark.parametrize("name", RIVALS)
@pytest.mark.parametrize("n", [50, 10_000])
def test_all_settles_are_noticed_within_the_windows(name: str, n: int) -> None:
    """Every settle is noticed once, none early, without a 429."""
    play = RIVALS[name](TEN_THOUSAND[:n], 0)
    of = figures(play)
    assert len(play.delays) == n
    assert min(play.delays) >= 0
    assert of["max_60s"] <= 250
    assert of["max_3600s"] <= 5000


def test_even_list_at_ten_thousand() -> None:
    """The even list at ten thousand has a p99 near 36 s with some 2,300 requests."""
    of = figures(even_list(TEN_THOUSAND, 0))
    assert 34 <= of["p99"] <= 36.1
    assert 2250 <= of["requests"] <= 2450


def test_per_id_polling_at_ten_thousand() -> None:
    """Per-id polling takes two hours: p99 7,130 s, p50 3,600 s."""
    of = figures(RIVALS["per-id 5 s"](TEN_THOUSAND, 0))
    assert of["p50"] == pytest.approx(3600, rel=0.05)
    assert of["p99"] == pytest.approx(7130, rel=0.02)


def test_unplanned_sweeps_go_blind() -> None:
    """The naive list uses up the hour's quota in 20 minutes: p99 2,411 s."""
    assert figures(RIVALS["naive list 5 s"](TEN_THOUSAND, 0))["p99"] == pytest.approx(
        2411, rel=0.02
    )


def test_one_clairvoyant_get_each() -> None:
    """One GET each is immediate for 50; for 10,000 the p50 of the last 5,000 is an hour."""
    few, many = (
        figures(RIVALS["floor: clairvoyant GETs"](TEN_THOUSAND[:n], 0)) for n in (50, 10_000)
    )
    assert (few["max"], few["requests"]) == (0, 50)
    assert many["p99"] == pytest.approx(3875, rel=0.02)


def test_limiter_uses_the_windows_up() -> None:
    """The limiter permits 250 immediately, then each as an earlier one leaves the minute."""
    limiter = Limiter()
    sent = [limiter.send(0.0) for _ in range(501)]
    assert sent[249] == 0
    assert sent[250] == sent[499] == pytest.approx(60, abs=1e-5)
    assert sent[500] == pytest.approx(120, abs=1e-5)


def test_world_shows_what_rivals_assume() -> None:
    """A page of the world has as many active rows as settles, at each request of an even list."""
    run = Run("A", PAGE)
    world, settles = build_world(run, 0), durations(run, 0)
    for lasts in settles:
        world.add_instance(now=EPOCH, status="provisioning", settles_in=lasts)
    headers = {"authorization": f"Bearer {world.token}", "host": "api.digitalocean.com"}
    for at in even_list(settles, 0).sent[::10]:
        answer = world.handle(EPOCH + at, "GET", f"{BASE}?per_page={PAGE}", headers)
        rows = orjson.loads(answer.body)["dedicated_inferences"]
        assert sum(row["status"] == "active" for row in rows) == sum(s <= at for s in settles)


def test_durations_are_those_of_the_scenario() -> None:
    """Five per cent of creates take less than 8 minutes, and 95 % less than 20."""
    logs = sorted(math.log(lasts) for lasts in TEN_THOUSAND)
    assert math.exp(logs[500]) == pytest.approx(480, rel=0.03)
    assert math.exp(logs[9500]) == pytest.approx(1200, rel=0.03)
