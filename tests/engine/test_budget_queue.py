"""Tests of the budget's queue: what the provider counts, and what joining and leaving cost."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping

import pytest

from di_async import ConnectError, RequestBudget, RetryPolicy
from di_async.core.http import Priority, Request, Response
from di_async.engine.clock import Clock
from di_async.engine.session import BudgetQueue, Session
from tests.engine.support import PlainDialect, now
from tests.fake_network import FakeNetwork, answer
from tests.support import VIRTUAL

pytestmark = VIRTUAL

GET = Request("GET", "/x")


class FewConnections(FakeNetwork):
    """A network with a limited number of connections, each taken until its answer."""

    def __init__(self, connections: int, answered_in: float) -> None:
        super().__init__(lambda request: answer(), latency_s=answered_in)
        self._free = asyncio.Semaphore(connections)

    async def send(
        self, request: Request, headers: Mapping[str, str], again: Callable[[], Awaitable[None]]
    ) -> Response:
        async with self._free:
            return await super().send(request, headers, again)


@pytest.mark.parametrize(("connections", "answered_in"), [(100, 3.0), (10, 1.0), (3, 0.2)])
async def test_minute_holds_while_requests_wait_for_a_connection(
    connections: int, answered_in: float
) -> None:
    """No minute of the provider's holds more than the limit, however slow connections are."""
    network, budget = FewConnections(connections, answered_in), RequestBudget()
    clock = Clock(asyncio.get_running_loop())
    calls = Session(network, PlainDialect(), RetryPolicy(max_delay=1e6), budget, clock)
    await asyncio.gather(*(calls.send(GET) for _ in range(600)))
    sent = sorted(network.times("GET"))
    most = max(sum(at <= other < at + 60 for other in sent) for at in sent)
    assert len(sent) == 600
    assert most <= 250


async def test_request_in_flight_holds_its_slot() -> None:
    """A slot is free a window after the answer, not after the request was allowed."""
    network, budget = FakeNetwork(lambda request: answer(), latency_s=20.0), RequestBudget(1)
    clock = Clock(asyncio.get_running_loop())
    calls = Session(network, PlainDialect(), RetryPolicy(max_delay=1e6), budget, clock)
    await asyncio.gather(calls.send(GET), calls.send(GET))
    assert network.times("GET") == [0, pytest.approx(81, abs=0.1)]


async def test_refund_lets_the_next_one_pass() -> None:
    """A request that was never sent gives its slot to the next one in the queue."""
    network = FakeNetwork([ConnectError("refused"), answer(), answer()])
    clock = Clock(asyncio.get_running_loop())
    retry = RetryPolicy(attempts=1, max_delay=1e6)
    calls = Session(network, PlainDialect(), retry, RequestBudget(1), clock)
    first, second = (asyncio.create_task(calls.send(GET)) for _ in range(2))
    with pytest.raises(ConnectError):
        await first
    assert (await second).status == 200
    assert now() < 1


async def test_thousands_join_and_leave_in_linear_time() -> None:
    """Queueing four times as many calls, and cancelling them, runs four times as much code."""

    async def calls_made(queued: int) -> int:
        budget = RequestBudget(per_minute=1)
        queue = BudgetQueue(budget, Clock(asyncio.get_running_loop()))
        budget.record(now())
        calls = 0

        def count(*_: object) -> None:
            nonlocal calls
            calls += 1

        sys.setprofile(count)
        tasks = [asyncio.create_task(queue.enter(Priority.READ)) for _ in range(queued)]
        await asyncio.sleep(0)
        waiting = budget.ahead(Priority.READ)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        sys.setprofile(None)
        assert (waiting, budget.ahead(Priority.SCHEDULED)) == (queued, 0)
        return calls

    few, many = await calls_made(500), await calls_made(2000)
    assert many < 5 * few  # 16 if it were quadratic


async def test_queue_keeps_the_order() -> None:
    """Queued calls pass in their order of arrival, without those that were cancelled."""
    passed: list[int] = []
    queue = BudgetQueue(RequestBudget(per_minute=1), Clock(asyncio.get_running_loop()))

    async def call(number: int) -> None:
        slot = await queue.enter(Priority.READ)
        passed.append(number)
        queue.leave(slot, sent=True)

    tasks = [asyncio.create_task(call(number)) for number in range(6)]
    await asyncio.sleep(1)
    tasks[2].cancel()
    tasks[3].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert passed == [0, 1, 4, 5]
    assert now() == pytest.approx(3 * 61, abs=1)
