"""One call: budget, send, judge, repeat."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import pytest

from di_async import (
    APIError,
    BadRequestError,
    ClientClosedError,
    ConnectError,
    RateLimitError,
    RequestBudget,
    RetryPolicy,
    ServerError,
    TransportError,
)
from di_async.core.http import Priority, Request, Response
from di_async.core.waiting.resource_adapter import CallRecord
from di_async.engine.clock import Clock
from di_async.engine.session import Session
from tests.engine.support import PlainDialect, now
from tests.fake_network import FakeNetwork, Step, answer

pytestmark = pytest.mark.looptime

GET, POST, DELETE = (Request(method, "/x") for method in ("GET", "POST", "DELETE"))
LOST = TransportError("reset")


def session(
    *steps: Step, budget: RequestBudget | None = None, retry: RetryPolicy | None = None
) -> tuple[Session, FakeNetwork]:
    """A session over a script."""
    transport = FakeNetwork(steps)
    clock = Clock(asyncio.get_running_loop())
    made = Session(transport, PlainDialect(), retry or RetryPolicy(), budget, clock)
    return made, transport


async def test_success_is_given_as_it_came() -> None:
    """One send, no delay."""
    calls, transport = session(answer(204))
    assert (await calls.send(GET)).status == 204
    assert len(transport.requests) == 1


@pytest.mark.parametrize("request_", [GET, DELETE])
@pytest.mark.parametrize("trouble", [LOST, answer(503), answer(429)])
async def test_what_is_repeatable_is_repeated_after_trouble(
    request_: Request, trouble: Step
) -> None:
    """Resets, 5xx and 429, after a pause that grows."""
    calls, transport = session(trouble, trouble, answer())
    assert (await calls.send(request_)).status == 200
    assert len(transport.requests) == 3
    assert 0.75 <= now() - 0.03 <= 1.5


@pytest.mark.parametrize("trouble", [LOST, answer(503)])
async def test_post_is_not_repeated_after_ambiguous_trouble(trouble: Step) -> None:
    """It may have happened."""
    calls, transport = session(trouble, answer())
    with pytest.raises((TransportError, ServerError)):
        await calls.send(POST)
    assert len(transport.requests) == 1


@pytest.mark.parametrize("trouble", [ConnectError("refused"), answer(429)])
async def test_post_is_repeated_when_it_surely_was_not_processed(trouble: Step) -> None:
    """Never connected, or told to come later."""
    calls, _ = session(trouble, answer(201))
    assert (await calls.send(POST)).status == 201


async def test_attempts_are_bounded_and_the_last_error_is_raised() -> None:
    """Four sends, then the fourth's story."""
    calls, transport = session(*(answer(500 + n) for n in (0, 2, 3, 4)), answer())
    with pytest.raises(ServerError) as caught:
        await calls.send(GET)
    assert caught.value.status == 504
    assert len(transport.requests) == 4


@pytest.mark.parametrize("status", [301, 400, 404, 409])
async def test_a_no_is_final(status: int) -> None:
    """With method, path and status."""
    calls, transport = session(answer(status))
    with pytest.raises(APIError) as caught:
        await calls.send(GET)
    told = (caught.value.method, caught.value.path, caught.value.status)
    assert told == ("GET", "/x", status)
    assert len(transport.requests) == 1


async def test_retry_after_is_waited_for() -> None:
    """By the retry, and by the budget for every other call."""
    limited = answer(429, retry_after="8")
    calls, transport = session(limited, answer(), answer(), budget=RequestBudget())
    other = asyncio.create_task(calls.send(GET))
    await asyncio.sleep(1)
    await calls.send(GET)
    assert now() >= 8
    await other
    assert len(transport.requests) == 3


async def test_retry_after_beyond_max_delay_is_told_instead_of_blocking() -> None:
    """At once, with how long it would be."""
    calls, _ = session(answer(429, retry_after="31"))
    with pytest.raises(RateLimitError) as caught:
        await calls.send(GET)
    assert caught.value.retry_after == 31
    assert now() < 1


async def test_pacing_beyond_max_delay_is_told_instead_of_blocking() -> None:
    """Our own budget counts as the provider's: nothing is sent."""
    budget = RequestBudget(per_minute=1, per_hour=100)
    calls, transport = session(answer(), answer(), budget=budget)
    await calls.send(GET)
    with pytest.raises(RateLimitError) as caught:
        await calls.send(POST)
    assert caught.value.code == "paced_by_client"
    assert caught.value.retry_after == pytest.approx(61, abs=0.1)
    assert len(transport.requests) == 1


async def test_pacing_within_max_delay_is_waited_for() -> None:
    """A short hold is no error."""
    budget = RequestBudget(per_minute=1, per_hour=100)
    calls, _ = session(answer(), answer(), budget=budget, retry=RetryPolicy(max_delay=90))
    await calls.send(GET)
    await calls.send(GET)
    assert now() == pytest.approx(61, abs=0.1)


async def test_poller_s_attempt_is_single_and_held_for_as_long_as_it_takes() -> None:
    """It asks again in its own time."""
    budget = RequestBudget(per_minute=1, per_hour=100)
    calls, transport = session(answer(), answer(503), budget=budget)
    await calls.send(GET)
    with pytest.raises(ServerError):
        await calls.send_once(GET, Priority.SWEEP, CallRecord())
    assert now() == pytest.approx(61, abs=0.1)
    assert len(transport.requests) == 2


async def test_trip_tells_first_send_and_all_sends() -> None:
    """Also of a call that failed on the way."""
    calls, _ = session(LOST, LOST, answer())
    trip = CallRecord()
    await asyncio.sleep(5)
    await calls.send(GET, trip)
    assert (trip.started_at, trip.requests) == (5, 3)


async def test_connection_never_made_costs_nothing() -> None:
    """Neither in the budget nor in the trip."""
    budget = RequestBudget()
    calls, _ = session(ConnectError("x"), ConnectError("x"), answer(), budget=budget)
    trip = CallRecord()
    await calls.send(GET, trip)
    assert (budget.used(now())[1], trip.requests) == (1, 1)


class Repeating(FakeNetwork):
    """Repeats each request silently before it answers, as aiohttp does on a dead connection."""

    async def send(
        self, request: Request, headers: Mapping[str, str], again: Callable[[], Awaitable[None]]
    ) -> Response:
        await again()
        return await super().send(request, headers, again)


async def test_silent_repeats_are_counted_and_budgeted() -> None:
    """Every request on the wire counts."""
    budget, trip = RequestBudget(), CallRecord()
    clock = Clock(asyncio.get_running_loop())
    calls = Session(Repeating([answer()]), PlainDialect(), RetryPolicy(), budget, clock)
    await calls.send(GET, trip)
    assert (budget.used(now())[1], trip.requests) == (2, 2)


async def test_closed_session_sends_nothing() -> None:
    """`ClientClosedError`, not a transport's story."""
    calls, transport = session(answer())
    await calls.close()
    with pytest.raises(ClientClosedError):
        await calls.send(GET)
    assert transport.requests == []


async def test_call_queued_for_the_budget_ends_when_the_session_closes() -> None:
    """It is not left hanging for ever."""
    budget = RequestBudget(per_minute=1, per_hour=100)
    calls, _ = session(answer(), budget=budget, retry=RetryPolicy(max_delay=90))
    await calls.send(GET)
    queued = asyncio.create_task(calls.send(GET))
    await asyncio.sleep(1)
    await calls.close()
    with pytest.raises(ClientClosedError):
        await queued
    assert now() < 2


@pytest.mark.parametrize("trouble", [LOST, ConnectError("x"), answer(503)])
async def test_call_between_two_attempts_ends_when_the_session_closes(trouble: Step) -> None:
    """The next attempt is not made."""
    calls, transport = session(trouble, answer())
    call = asyncio.create_task(calls.send(GET))
    await asyncio.sleep(0.05)
    await calls.close()
    with pytest.raises(ClientClosedError):
        await call
    assert len(transport.requests) == 1


@pytest.mark.parametrize("trouble", [LOST, ConnectError("x")])
async def test_call_that_closing_broke_off_says_so(trouble: Step) -> None:
    """Not "the server closed the connection": we did."""
    calls, transport = session(trouble)
    transport.latency_s = 5
    call = asyncio.create_task(calls.send(GET))
    await asyncio.sleep(1)
    await calls.close()
    with pytest.raises(ClientClosedError):
        await call


async def test_cancelled_call_is_cancelled() -> None:
    """Cancellation is neither wrapped nor repeated."""
    calls, transport = session(answer(503), answer())
    call = asyncio.create_task(calls.send(GET))
    await asyncio.sleep(0.02)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert len(transport.requests) == 1


async def test_error_is_raised_as_the_provider_words_it() -> None:
    """Conventions make the error; the session only raises it."""
    calls, _ = session(answer(400))
    with pytest.raises(BadRequestError, match="GET /x: 400: no"):
        await calls.send(GET)
