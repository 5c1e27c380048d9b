"""Tests of the poller: what is read, how often, and how waits are isolated from each other."""

import asyncio
import contextvars
import random
from itertools import pairwise

import pytest

from di_async import (
    ClientClosedError,
    DIError,
    GatewayError,
    InvalidInputError,
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
from tests.support import VIRTUAL

pytestmark = VIRTUAL

WORKING = in_turn(Thing("new"))


async def test_two_waits_for_one_id_share_reads() -> None:
    """Two waits for one id share their reads."""
    fleet = Fleet(active_at(60))
    await asyncio.gather(*(fleet.change("a").wait() for _ in range(2)))
    times = [at for at, _ in fleet.reads]
    assert len(times) == len(set(times)) == 13


async def test_cancelling_the_first_wait() -> None:
    """A read goes on for the other waits when the first one is cancelled."""
    fleet = Fleet(active_at(60))
    first = asyncio.create_task(fleet.change("a").wait())
    second = asyncio.create_task(fleet.change("a").wait())
    await asyncio.sleep(12)
    first.cancel()
    assert (await second).status == "active"
    assert first.cancelled()


@pytest.mark.parametrize("ticks", range(8))
async def test_cancelling_in_any_tick_of_the_first_read(ticks: int) -> None:
    """Cancelling a wait in any tick after its start does not affect others."""
    fleet = Fleet(active_at(30))
    other = asyncio.create_task(fleet.change("b").wait())
    await asyncio.sleep(7)
    early = asyncio.create_task(fleet.change("a").wait())
    for _ in range(ticks):
        await asyncio.sleep(0)
    early.cancel()
    assert (await other).status == "active"


async def test_many_waits_that_come_and_go() -> None:
    """Two hundred waits on few ids, cancelled, timed out or settled at random, end correctly."""
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


async def test_no_reads_after_the_last_wait() -> None:
    """No request is sent after the last wait."""
    fleet = Fleet(WORKING)
    with pytest.raises(WaitTimeoutError):
        await fleet.change().wait(timeout=20)
    reads = len(fleet.reads)
    await asyncio.sleep(600)
    assert len(fleet.reads) == reads


async def test_id_is_not_read_after_its_last_wait() -> None:
    """An id is not read after its last wait, while other waits go on."""
    fleet = Fleet(active_at(100))
    abandoned = asyncio.create_task(fleet.change("a").wait())
    other = asyncio.create_task(fleet.change("b").wait())
    await asyncio.sleep(12)
    abandoned.cancel()
    await other
    assert max(at for at, id in fleet.reads if id == "a") < 12


async def test_no_task_is_left_after_the_last_wait() -> None:
    """The poller's task ends with the last wait and starts again with the next."""
    fleet = Fleet(active_at(0))
    for _ in range(2):
        await fleet.change().wait()
        await asyncio.sleep(0.1)
        assert {task.get_name() for task in asyncio.all_tasks()} & {"di_async poller"} == set()


async def test_change_that_is_not_awaited_is_not_read() -> None:
    """A change that is not awaited sends no requests."""
    fleet = Fleet(WORKING)
    fleet.change()
    await asyncio.sleep(600)
    assert fleet.reads == []


async def test_wait_after_an_idle_time() -> None:
    """A wait long after the last one is polled like the first."""
    fleet = Fleet(active_at(500))
    with pytest.raises(WaitTimeoutError):
        await fleet.change().wait(timeout=20)
    await asyncio.sleep(1000)
    await asyncio.wait_for(fleet.change().wait(), 1)


async def test_read_cancelled_by_the_last_wait() -> None:
    """An id whose read was cancelled with its last wait is read for the next wait."""
    fleet = Fleet(active_at(0), read_s=10)
    early = asyncio.create_task(fleet.change().wait())
    await asyncio.sleep(5)
    early.cancel()
    await asyncio.sleep(0)
    assert (await fleet.change().wait(timeout=60)).status == "active"


async def test_waits_started_together() -> None:
    """A hundred waits started together are read immediately, 32 at a time, once each."""
    fleet = Fleet(active_at(0))
    await asyncio.gather(*(fleet.change(str(n)).wait() for n in range(100)))
    assert (len(fleet.reads), fleet.most_in_flight) == (100, 32)
    assert max(at for at, _ in fleet.reads) <= 3.1 * READ_S


async def test_polls_of_one_resource_are_never_closer_than_target_lag() -> None:
    """One id is never read more often than `target_lag`, however many waits come and go."""
    fleet = Fleet(active_at(300), PollPolicy(target_lag=7))
    for _ in range(40):
        with pytest.raises(WaitTimeoutError):
            await fleet.change().wait(timeout=3.3)
    times = [at for at, _ in fleet.reads]
    assert min(b - a for a, b in pairwise(times)) >= 7 - 1e-6


async def test_settle_is_noticed_within_target_lag() -> None:
    """A settle is noticed within `target_lag` when the budget allows."""
    fleet = Fleet(active_at(1001), budget=RequestBudget())
    await fleet.change().wait(timeout=None)
    assert now() <= 1001 + 5 + 0.1


async def test_slow_reads_of_one_id_never_overlap() -> None:
    """A read slower than `target_lag` is not repeated before it ends."""
    fleet = Fleet(active_at(100), PollPolicy(target_lag=1), read_s=4)
    await fleet.change().wait()
    assert fleet.most_in_flight == 1


async def test_polls_run_in_the_context_of_the_entry() -> None:
    """Polls run in the context captured at entry, not in a caller's trace span."""
    span, seen = contextvars.ContextVar("span", default="entry"), set[str]()

    def show(_id: str, _now: float) -> Thing:
        seen.add(span.get())
        return Thing("active")

    fleet = Fleet(show)
    span.set("caller")
    await fleet.change().wait()
    assert seen == {"entry"}


async def test_close_ends_every_open_wait() -> None:
    """Closing ends every wait with `ClientClosedError`, and nothing is read afterwards."""
    fleet = Fleet(WORKING)
    waits = [asyncio.create_task(fleet.change(n).wait()) for n in "aabc"]
    await asyncio.sleep(7)
    await fleet.poller.close()
    ends = await asyncio.gather(*waits, return_exceptions=True)
    assert [type(end) for end in ends] == [ClientClosedError] * 4
    reads = len(fleet.reads)
    await asyncio.sleep(100)
    assert len(fleet.reads) == reads


async def test_close_in_the_middle_of_a_read_leaves_nothing_running() -> None:
    """Closing cancels a read in flight."""
    fleet = Fleet(WORKING, read_s=20)
    wait = asyncio.create_task(fleet.change().wait())
    await asyncio.sleep(5)
    await fleet.poller.close()
    assert fleet.in_flight == 0
    with pytest.raises(ClientClosedError):
        await wait


async def test_wait_after_close_is_refused() -> None:
    """A wait after closing is refused; closing twice does nothing."""
    fleet = Fleet(WORKING)
    await fleet.poller.close()
    await fleet.poller.close()
    with pytest.raises(ClientClosedError):
        await fleet.change().wait()


async def test_predicate_error_reaches_its_caller_only() -> None:
    """A predicate's error reaches its caller unchanged; other waits go on."""
    fleet = Fleet(active_at(60))
    broken = fleet.change(action=Action.PREDICATE, predicate=lambda _: 1 / 0)
    fine = asyncio.create_task(fleet.change().wait())
    with pytest.raises(ZeroDivisionError):
        await broken.wait()
    assert (await fine).status == "active"


@pytest.mark.parametrize(
    "error", [StopIteration(1), StopAsyncIteration(), SystemExit(3), GeneratorExit(), DIError("x")]
)
async def test_odd_predicate_error_reaches_its_caller_only(error: BaseException) -> None:
    """Whatever a predicate raises ends its own wait; other waits go on."""

    def predicate(_: Thing) -> object:
        raise error

    fleet = Fleet(active_at(60))
    fine = asyncio.create_task(fleet.change().wait())
    broken = fleet.change(action=Action.PREDICATE, predicate=predicate)
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - any
        await broken.wait()
    assert error in (caught.value, caught.value.__cause__) or str(caught.value) == "x"
    assert (await fine).status == "active"


async def test_async_predicate_is_an_input_error() -> None:
    """A predicate that returns a coroutine, which is always true, settles nothing."""

    async def never(_: Thing) -> bool:
        raise AssertionError

    broken = Fleet(WORKING).change(action=Action.PREDICATE, predicate=lambda thing: never(thing))
    with pytest.raises(InvalidInputError, match="async"):
        await broken.wait()


async def test_predicate_that_returns_a_future_is_an_input_error() -> None:
    """Whatever would have to be awaited is always true, and settles nothing."""

    def future(_: Thing) -> object:
        return asyncio.get_running_loop().create_future()

    broken = Fleet(WORKING).change(action=Action.PREDICATE, predicate=future)
    with pytest.raises(InvalidInputError, match="async"):
        await broken.wait()


async def test_each_wait_gets_an_error_of_its_own() -> None:
    """Closing ends each wait with an error that no other wait shares."""
    fleet = Fleet(WORKING)
    waits = [asyncio.create_task(fleet.change(str(n)).wait()) for n in range(5)]
    await asyncio.sleep(1)
    await fleet.poller.close()
    errors = await asyncio.gather(*waits, return_exceptions=True)
    assert {type(error) for error in errors} == {ClientClosedError}
    assert len({id(error) for error in errors}) == 5


@pytest.mark.parametrize("rings", [False, True])
async def test_deadline_of_a_wait_that_has_left_concerns_no_other(
    monkeypatch: pytest.MonkeyPatch, rings: bool
) -> None:
    """The deadline of a wait that has left passes without effect, even if its timer rings."""
    fleet = Fleet(WORKING)
    loop, problems = asyncio.get_running_loop(), list[dict[str, object]]()
    loop.set_exception_handler(lambda _, context: problems.append(context))
    left = [asyncio.create_task(fleet.change("a").wait(timeout=s)) for s in (7, 9, 30)]
    others = [asyncio.create_task(fleet.change(id).wait(timeout=20)) for id in ("a", "b")]
    await asyncio.sleep(5 + READ_S / 2)  # while the second read is in flight
    with monkeypatch.context() as patch:
        if rings:
            patch.setattr(asyncio.TimerHandle, "cancel", lambda _: None)
        for task in left:
            task.cancel()
        await asyncio.wait(left)
    results = await asyncio.gather(*others, return_exceptions=True)
    assert [type(result) for result in results] == [WaitTimeoutError] * 2
    assert now() == pytest.approx(20, abs=0.1)
    await asyncio.sleep(20)
    assert problems == []


@pytest.mark.parametrize(
    "error",
    [
        TransportError("reset"),
        ServerError("503", status=503),
        ServerError("501", status=501, transient=False),
        DecodeError("HTML"),
        RateLimitError("429", status=429, retry_after=9.0),
        GatewayError("a gateway's page", status=404),
    ],
)
async def test_transient_errors_end_no_wait(error: Exception) -> None:
    """Resets, 5xx, HTML and 429 delay a wait and are recorded."""
    fleet = Fleet(in_turn(Thing("new"), error, error, Thing("active")))
    change = fleet.change()
    assert (await change.wait()).status == "active"
    assert any(type(error).__name__ in (e.note or "") for e in change.history)


async def test_429_delays_the_next_read_only() -> None:
    """The next read follows `retry-after`; later ones have the usual interval."""
    limited = RateLimitError("slow down", status=429, retry_after=40.0)
    fleet = Fleet(in_turn(limited, Thing("new"), Thing("active")))
    await fleet.change().wait()
    assert [round(at) for at, _ in fleet.reads] == [0, 40, 45]


async def test_failures_in_a_row_lengthen_the_interval() -> None:
    """Failures in a row lengthen the interval up to `max_interval`; one success restores it."""
    broken = [TransportError("reset")] * 8
    fleet = Fleet(in_turn(*broken, Thing("new"), Thing("active")))
    await fleet.change().wait(timeout=None)
    times = [at for at, _ in fleet.reads]
    gaps = [round(b - a) for a, b in pairwise(times)]
    assert gaps == [5, 5, 5, 10, 20, 40, 60, 60, 5]


async def test_refusal_ends_the_wait() -> None:
    """A 401 ends the wait with the API's error as cause; the change stays usable."""
    no = AuthenticationError("revoked", status=401)
    fleet = Fleet(in_turn(no, Thing("active")))
    change = fleet.change()
    with pytest.raises(WaitRefusedError) as caught:
        await change.wait()
    assert caught.value.__cause__ is caught.value.last_error is no
    assert change.outcome is None
    assert (await change.wait()).status == "active"


async def test_polling_stays_within_the_budget_s_rate() -> None:
    """A thousand waits share the polling budget, and each is read."""
    fleet = Fleet(WORKING, budget=RequestBudget(per_minute=60, per_hour=3600, reserve=0.0))
    waits = [asyncio.create_task(fleet.change(str(n)).wait(timeout=None)) for n in range(200)]
    await asyncio.sleep(1800)
    later = [at for at, _ in fleet.reads if at > 900]
    assert len(later) <= 900 * 1.05
    assert len({id for at, id in fleet.reads if at > 900}) == 200
    await fleet.poller.close()
    await asyncio.gather(*waits, return_exceptions=True)


async def test_unexpected_error_ends_its_own_waits_only() -> None:
    """An unexpected error ends the waits it belongs to, as the cause of ours, and no other."""

    def show(id: str, at: float) -> Thing | BaseException:
        if id == "a" and at < 10:
            return ArithmeticError("defect")
        return Thing("new" if id == "b" and at < 60 else "active")

    fleet = Fleet(show)
    other = asyncio.create_task(fleet.change("b").wait())
    with pytest.raises(DIError, match="defect") as caught:
        await fleet.change("a").wait()
    assert isinstance(caught.value.__cause__, ArithmeticError)
    await asyncio.sleep(20)
    assert (await fleet.change("a").wait(timeout=30)).status == "active"
    assert (await other).status == "active"
