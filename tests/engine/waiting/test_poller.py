"""One poller a client: what is asked, how often, for whom, and what harms nobody."""

import asyncio
import contextvars
import random
from itertools import pairwise

import pytest

from di_async import (
    ClientClosedError,
    NotFoundError,
    PollPolicy,
    RateLimitError,
    RequestBudget,
    ServerError,
    WaitRefusedError,
    WaitTimeoutError,
)
from di_async.core.errors import AuthenticationError, DecodeError, TransportError
from di_async.core.waiting.observation import Action
from tests.engine.support import READ_S, Fleet, Thing, active_at, in_turn, now

pytestmark = pytest.mark.looptime

WORKING = in_turn(Thing("new"))


async def test_two_waits_for_one_id_cost_one_poll() -> None:
    """Nothing is asked twice for the same question."""
    fleet = Fleet(active_at(60))
    await asyncio.gather(*(fleet.change("a").wait() for _ in range(2)))
    times = [at for at, _ in fleet.asked]
    assert len(times) == len(set(times)) == 13


async def test_cancelling_the_first_wait_harms_no_other() -> None:
    """The read goes on for whoever is left."""
    fleet = Fleet(active_at(60))
    first = asyncio.create_task(fleet.change("a").wait())
    second = asyncio.create_task(fleet.change("a").wait())
    await asyncio.sleep(12)
    first.cancel()
    assert (await second).status == "active"
    assert first.cancelled()


@pytest.mark.parametrize("ticks", range(8))
async def test_cancelling_in_the_tick_of_the_first_read_harms_no_other(ticks: int) -> None:
    """However soon after its start a wait is cancelled."""
    fleet = Fleet(active_at(30))
    other = asyncio.create_task(fleet.change("b").wait())
    await asyncio.sleep(7)
    early = asyncio.create_task(fleet.change("a").wait())
    for _ in range(ticks):
        await asyncio.sleep(0)
    early.cancel()
    assert (await other).status == "active"


async def test_many_waits_that_come_and_go_all_end_as_they_should() -> None:
    """Two hundred waits, cancelled, timed out or settled at random, on few ids."""
    fleet, dice = Fleet(active_at(90)), random.Random(7)

    async def one(n: int) -> str:
        await asyncio.sleep(dice.choice([0, 1, 5, 5.01, 10]))
        timeout = dice.choice([0, 5, 10, 15.01, 200])
        task = asyncio.create_task(fleet.change(str(n % 9)).wait(timeout=timeout))
        if dice.random() < 0.4:
            asyncio.get_running_loop().call_later(dice.choice([0, 5, 5.01, 60]), task.cancel)
        await asyncio.wait([task])
        return "cancelled" if task.cancelled() else _end(task)

    ends = await asyncio.gather(*(one(n) for n in range(200)))
    assert set(ends) == {"cancelled", "active", "WaitTimeoutError"}


def _end(task: "asyncio.Task[Thing]") -> str:
    error = task.exception()
    return task.result().status if error is None else type(error).__name__


async def test_it_stops_asking_when_nobody_awaits() -> None:
    """After the last wait is gone not one request more."""
    fleet = Fleet(WORKING)
    with pytest.raises(WaitTimeoutError):
        await fleet.change().wait(timeout=20)
    asked = len(fleet.asked)
    await asyncio.sleep(600)
    assert len(fleet.asked) == asked


async def test_abandoned_id_is_not_asked_about_beside_others() -> None:
    """Only what is awaited is asked about, while other waits go on."""
    fleet = Fleet(active_at(100))
    abandoned = asyncio.create_task(fleet.change("a").wait())
    other = asyncio.create_task(fleet.change("b").wait())
    await asyncio.sleep(12)
    abandoned.cancel()
    await other
    assert max(at for at, id in fleet.asked if id == "a") < 12


async def test_no_task_is_left_when_nobody_awaits() -> None:
    """The poller lives while somebody waits, and starts anew with the next."""
    fleet = Fleet(active_at(0))
    for _ in range(2):
        await fleet.change().wait()
        await asyncio.sleep(0.1)
        assert {task.get_name() for task in asyncio.all_tasks()} & {"di_async poller"} == set()


async def test_a_change_that_nobody_awaits_is_never_asked_about() -> None:
    """A handle costs nothing."""
    fleet = Fleet(WORKING)
    fleet.change()
    await asyncio.sleep(600)
    assert fleet.asked == []


async def test_it_starts_again_after_idling() -> None:
    """A wait long after the last one is served like the first."""
    fleet = Fleet(active_at(500))
    with pytest.raises(WaitTimeoutError):
        await fleet.change().wait(timeout=20)
    await asyncio.sleep(1000)
    await asyncio.wait_for(fleet.change().wait(), 1)


async def test_read_cancelled_by_the_last_wait_leaves_its_id_usable() -> None:
    """The next wait for the same id is asked for, not forgotten."""
    fleet = Fleet(active_at(0), read_s=10)
    early = asyncio.create_task(fleet.change().wait())
    await asyncio.sleep(5)
    early.cancel()
    await asyncio.sleep(0)
    assert (await fleet.change().wait(timeout=60)).status == "active"


async def test_registrations_of_one_tick_are_planned_together() -> None:
    """A hundred waits started at once are asked about at once, as many as may fly, once each."""
    fleet = Fleet(active_at(0))
    await asyncio.gather(*(fleet.change(str(n)).wait() for n in range(100)))
    assert (len(fleet.asked), fleet.most_in_flight) == (100, 32)
    assert max(at for at, _ in fleet.asked) <= 3.1 * READ_S


async def test_polls_of_one_resource_are_never_closer_than_target_lag() -> None:
    """However many wait for it, and however often they come and go."""
    fleet = Fleet(active_at(300), PollPolicy(target_lag=7))
    for _ in range(40):
        with pytest.raises(WaitTimeoutError):
            await fleet.change().wait(timeout=3.3)
    times = [at for at, _ in fleet.asked]
    assert min(b - a for a, b in pairwise(times)) >= 7 - 1e-6


async def test_settle_is_noticed_within_target_lag() -> None:
    """When the budget allows."""
    fleet = Fleet(active_at(1001), budget=RequestBudget())
    await fleet.change().wait(timeout=None)
    assert now() <= 1001 + 5 + 0.1


async def test_slow_reads_of_one_id_never_overlap() -> None:
    """An answer slower than the lag is waited for, not asked for again."""
    fleet = Fleet(active_at(100), PollPolicy(target_lag=1), read_s=4)
    await fleet.change().wait()
    assert fleet.most_in_flight == 1


async def test_it_runs_in_the_context_captured_at_entry() -> None:
    """No caller's trace span collects everybody's polls."""
    who, seen = contextvars.ContextVar("who", default="entry"), set[str]()

    def show(_id: str, _now: float) -> Thing:
        seen.add(who.get())
        return Thing("active")

    fleet = Fleet(show)
    who.set("caller")
    await fleet.change().wait()
    assert seen == {"entry"}


async def test_close_ends_every_open_wait() -> None:
    """With `ClientClosedError`, and nothing is asked afterwards."""
    fleet = Fleet(WORKING)
    waits = [asyncio.create_task(fleet.change(n).wait()) for n in "aabc"]
    await asyncio.sleep(7)
    await fleet.poller.close()
    ends = await asyncio.gather(*waits, return_exceptions=True)
    assert [type(end) for end in ends] == [ClientClosedError] * 4
    asked = len(fleet.asked)
    await asyncio.sleep(100)
    assert len(fleet.asked) == asked


async def test_close_in_the_middle_of_a_read_leaves_nothing_running() -> None:
    """The read in flight is cancelled."""
    fleet = Fleet(WORKING, read_s=20)
    wait = asyncio.create_task(fleet.change().wait())
    await asyncio.sleep(5)
    await fleet.poller.close()
    assert fleet.in_flight == 0
    with pytest.raises(ClientClosedError):
        await wait


async def test_wait_after_close_is_refused() -> None:
    """Closed is closed; closing twice does nothing."""
    fleet = Fleet(WORKING)
    await fleet.poller.close()
    await fleet.poller.close()
    with pytest.raises(ClientClosedError):
        await fleet.change().wait()


async def test_predicate_error_reaches_its_caller_only() -> None:
    """As it was raised; others go on."""
    fleet = Fleet(active_at(60))
    broken = fleet.change(action=Action.PREDICATE, predicate=lambda _: 1 / 0)
    fine = asyncio.create_task(fleet.change().wait())
    with pytest.raises(ZeroDivisionError):
        await broken.wait()
    assert (await fine).status == "active"


@pytest.mark.parametrize(
    "error",
    [
        TransportError("reset"),
        ServerError("503", status=503),
        ServerError("501", status=501, transient=False),
        DecodeError("HTML"),
        RateLimitError("429", status=429, retry_after=9.0),
        NotFoundError("a gateway's page", status=404, transient=True),
    ],
)
async def test_passing_trouble_is_survived(error: Exception) -> None:
    """Resets, 5xx, HTML and 429 while polling delay the end and are recorded."""
    fleet = Fleet(in_turn(Thing("new"), error, error, Thing("active")))
    change = fleet.change()
    assert (await change.wait()).status == "active"
    assert any(type(error).__name__ in (e.note or "") for e in change.history)


async def test_429_is_obeyed_and_is_no_failure() -> None:
    """The next read comes after `retry-after`, the ones after that at the usual pace."""
    limited = RateLimitError("slow down", status=429, retry_after=40.0)
    fleet = Fleet(in_turn(limited, Thing("new"), Thing("active")))
    await fleet.change().wait()
    assert [round(at) for at, _ in fleet.asked] == [0, 40, 45]


async def test_failures_in_a_row_ease_the_pace_up_to_max_interval() -> None:
    """A server in lasting trouble is asked less; one good answer restores the pace."""
    broken = [TransportError("reset")] * 8
    fleet = Fleet(in_turn(*broken, Thing("new"), Thing("active")))
    await fleet.change().wait(timeout=None)
    times = [at for at, _ in fleet.asked]
    gaps = [round(b - a) for a, b in pairwise(times)]
    assert gaps == [5, 5, 5, 10, 20, 40, 60, 60, 5]


async def test_refusal_ends_the_wait_at_once_with_its_error_as_cause() -> None:
    """401 does not get better by asking; the change itself is not over."""
    no = AuthenticationError("revoked", status=401)
    fleet = Fleet(in_turn(no, Thing("active")))
    change = fleet.change()
    with pytest.raises(WaitRefusedError) as caught:
        await change.wait()
    assert caught.value.__cause__ is caught.value.last_error is no
    assert change.outcome is None
    assert (await change.wait()).status == "active"


async def test_polling_stays_within_the_budget_s_rate() -> None:
    """A thousand waits share what polling may spend, none is left out."""
    fleet = Fleet(WORKING, budget=RequestBudget(per_minute=60, per_hour=3600, reserve=0.0))
    waits = [asyncio.create_task(fleet.change(str(n)).wait(timeout=None)) for n in range(200)]
    await asyncio.sleep(1800)
    later = [at for at, _ in fleet.asked if at > 900]
    assert len(later) <= 900 * 1.05
    assert len({id for at, id in fleet.asked if at > 900}) == 200
    await fleet.poller.close()
    await asyncio.gather(*waits, return_exceptions=True)


async def test_error_that_is_nobody_s_ends_its_own_waits_and_no_other() -> None:
    """A defect in a transport, or a caller's middleware that raises, is told as it was raised."""

    def show(id: str, at: float) -> Thing | BaseException:
        if id == "a" and at < 10:
            return ArithmeticError("defect")
        return Thing("new" if id == "b" and at < 60 else "active")

    fleet = Fleet(show)
    other = asyncio.create_task(fleet.change("b").wait())
    with pytest.raises(ArithmeticError, match="defect"):
        await fleet.change("a").wait()
    await asyncio.sleep(20)
    assert (await fleet.change("a").wait(timeout=30)).status == "active"
    assert (await other).status == "active"
