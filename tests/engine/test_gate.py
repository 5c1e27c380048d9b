"""Those who queue for the budget: order, giving up, and nobody forgotten."""

import asyncio
import random
from bisect import bisect_right

import pytest

from di_async import ClientClosedError, RequestBudget
from di_async.core.http import Priority
from di_async.core.rate_limit import RateLimitInfo
from di_async.engine.clock import Clock
from di_async.engine.gate import Gate
from tests.engine.support import now

pytestmark = pytest.mark.looptime


def gate(budget: RequestBudget | None) -> Gate:
    """A gate on the running loop."""
    return Gate(budget, Clock(asyncio.get_running_loop()))


async def test_without_a_budget_everything_passes() -> None:
    """At once, and nothing is ever held."""
    free = gate(None)
    await asyncio.gather(*(free.enter(Priority.SWEEP) for _ in range(1000)))
    free.learn(RateLimitInfo(limited=True, retry_after=9.0))
    free.refund(0.0)
    assert (now(), free.hold(Priority.SWEEP)) == (0, 0)


async def test_higher_priorities_pass_first_and_equals_in_order() -> None:
    """Whoever came first, a write goes before a sweep."""
    narrow, passed = gate(RequestBudget(per_minute=1, per_hour=1000)), list[str]()
    await narrow.enter(Priority.READ)

    async def enter(name: str, priority: Priority) -> None:
        await narrow.enter(priority)
        passed.append(name)

    wants = [("sweep", 3), ("read 1", 1), ("confirm", 2), ("read 2", 1), ("write", 0)]
    await asyncio.gather(*(enter(name, Priority(p)) for name, p in wants))
    assert passed == ["write", "read 1", "read 2", "confirm", "sweep"]
    assert now() == pytest.approx(5 * 61, abs=0.1)


async def test_cancelled_one_gives_its_place_up() -> None:
    """The next one takes the slot at the same moment."""
    budget = RequestBudget(per_minute=1, per_hour=1000)
    narrow = gate(budget)
    await narrow.enter(Priority.READ)
    first, second = (asyncio.create_task(narrow.enter(Priority.READ)) for _ in range(2))
    await asyncio.sleep(10)
    first.cancel()
    await second
    assert now() == pytest.approx(61, abs=0.01)
    assert budget.used(now())[1] == 2


async def test_turn_cancelled_before_it_was_used_goes_to_the_next() -> None:
    """Cancelled in the very tick in which its turn came: nothing was sent, nothing is counted."""
    budget = RequestBudget(per_minute=1, per_hour=1000)
    narrow = gate(budget)
    stamp = await narrow.enter(Priority.READ)
    waiting = asyncio.create_task(narrow.enter(Priority.READ))
    await asyncio.sleep(1)
    narrow.refund(stamp)
    newcomer = asyncio.create_task(narrow.enter(Priority.READ))
    if not budget.used(now())[1]:  # an eager task has entered already
        await asyncio.sleep(0)
    assert budget.used(now())[1] == 1, "the newcomer's arrival lets the first one through"
    waiting.cancel()
    await newcomer
    assert waiting.cancelled()
    assert (now(), budget.used(now())[1]) == (1, 1)


async def test_hold_counts_those_who_queue_already() -> None:
    """What a newcomer would wait, not what the first one does."""
    narrow = gate(RequestBudget(per_minute=1, per_hour=1000))
    await narrow.enter(Priority.READ)
    queued = [asyncio.create_task(narrow.enter(Priority.READ)) for _ in range(2)]
    await asyncio.sleep(1)
    assert narrow.hold(Priority.READ) == pytest.approx(3 * 61 - 1)
    assert narrow.hold(Priority.MUTATION) == pytest.approx(60)
    await asyncio.gather(*queued)


async def test_refund_makes_room_for_the_next() -> None:
    """A request that never reached the wire costs nothing."""
    narrow = gate(RequestBudget(per_minute=1, per_hour=1000))
    narrow.refund(await narrow.enter(Priority.READ))
    await narrow.enter(Priority.READ)
    assert now() == 0


async def test_closing_ends_those_who_queue() -> None:
    """Nobody is left hanging."""
    narrow = gate(RequestBudget(per_minute=1, per_hour=1000))
    await narrow.enter(Priority.READ)
    queued = [asyncio.create_task(narrow.enter(Priority.READ)) for _ in range(3)]
    await asyncio.sleep(1)
    narrow.close()
    ends = await asyncio.gather(*queued, return_exceptions=True)
    assert [type(end) for end in ends] == [ClientClosedError] * 3


async def test_two_gates_share_one_budget() -> None:
    """The closing of one client neither forgets nor overtakes the other's callers."""
    budget = RequestBudget(per_minute=1, per_hour=1000)
    one, other = gate(budget), gate(budget)
    await one.enter(Priority.READ)
    theirs = asyncio.create_task(one.enter(Priority.READ))
    await asyncio.sleep(1)
    ours = asyncio.create_task(other.enter(Priority.READ))
    await asyncio.sleep(1)
    one.close()
    await ours
    assert now() == pytest.approx(61, abs=0.01)
    assert isinstance(theirs.exception(), ClientClosedError)


@pytest.mark.parametrize("seed", range(6))
async def test_nobody_is_forgotten_and_no_window_is_overrun(seed: int) -> None:
    """Three hundred callers, some cancelled at random: the rest all pass, within the quota."""
    dice, sent = random.Random(seed), list[float]()
    narrow = gate(RequestBudget(per_minute=20, per_hour=200, reserve=0.2))

    async def call() -> None:
        await asyncio.sleep(dice.uniform(0, 200))
        await narrow.enter(dice.choice(list(Priority)))
        sent.append(now())

    tasks = [asyncio.create_task(call()) for _ in range(300)]
    for task in tasks:
        if dice.random() < 0.3:
            asyncio.get_running_loop().call_later(dice.uniform(0, 300), task.cancel)
    await asyncio.wait(tasks)
    passed = [task for task in tasks if not task.cancelled()]
    assert len(sent) == len(passed) > 150
    for span, most in ((60, 20), (3600, 200)):
        assert all(bisect_right(sent, s + span - 0.001) - i <= most for i, s in enumerate(sent))
