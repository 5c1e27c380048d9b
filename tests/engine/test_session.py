"""Tests of a single call: budget, send, decide, retry."""

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
from tests.support import VIRTUAL

pytestmark = VIRTUAL

GET, POST, DELETE = (Request(method, "/x") for method in ("GET", "POST", "DELETE"))
LOST = TransportError("reset")


def session(
    *steps: Step, budget: RequestBudget | None = None, retry: RetryPolicy | None = None
) -> tuple[Session, FakeNetwork]:
    """Return a session over scripted responses."""
    transport = FakeNetwork(steps)
    clock = Clock(asyncio.get_running_loop())
    made = Session(transport, PlainDialect(), retry or RetryPolicy(), budget, clock)
    return made, transport


async def test_success_is_returned() -> None:
    """A success is returned after one send, without a delay."""
    calls, transport = session(answer(204))
    assert (await calls.send(GET)).status == 204
    assert len(transport.requests) == 1


@pytest.mark.parametrize("request_", [GET, DELETE])
@pytest.mark.parametrize("failure", [LOST, answer(503), answer(429)])
async def test_repeatable_request_is_retried(request_: Request, failure: Step) -> None:
    """A repeatable request is retried after resets, 5xx and 429, with growing delays."""
    calls, transport = session(failure, failure, answer())
    assert (await calls.send(request_)).status == 200
    assert len(transport.requests) == 3
    assert 0.75 <= now() - 0.03 <= 1.5


@pytest.mark.parametrize("failure", [LOST, answer(503)])
async def test_post_is_not_retried_after_an_ambiguous_failure(failure: Step) -> None:
    """A POST is not retried after a reset or a 5xx: it may have been processed."""
    calls, transport = session(failure, answer())
    with pytest.raises((TransportError, ServerError)):
        await calls.send(POST)
    assert len(transport.requests) == 1


@pytest.mark.parametrize("failure", [ConnectError("refused"), answer(429)])
async def test_post_is_retried_when_it_was_not_processed(failure: Step) -> None:
    """A POST is retried if it was never sent or was answered 429."""
    calls, _ = session(failure, answer(201))
    assert (await calls.send(POST)).status == 201


async def test_attempts_are_bounded_and_the_last_error_is_raised() -> None:
    """Four sends at most; the fourth error is raised."""
    calls, transport = session(*(answer(500 + n) for n in (0, 2, 3, 4)), answer())
    with pytest.raises(ServerError) as caught:
        await calls.send(GET)
    assert caught.value.status == 504
    assert len(transport.requests) == 4


@pytest.mark.parametrize("status", [400, 404, 409, 410])
async def test_other_status_is_final(status: int) -> None:
    """Other statuses are raised after one send, with method, path and status."""
    calls, transport = session(answer(status))
    with pytest.raises(APIError) as caught:
        await calls.send(GET)
    attributes = (caught.value.method, caught.value.path, caught.value.status)
    assert attributes == ("GET", "/x", status)
    assert len(transport.requests) == 1


async def test_retry_after_delays_the_retry() -> None:
    """A retry waits for `retry-after`; so does every other call of the budget."""
    limited = answer(429, retry_after="8")
    calls, transport = session(limited, answer(), answer(), budget=RequestBudget())
    other = asyncio.create_task(calls.send(GET))
    await asyncio.sleep(1)
    await calls.send(GET)
    assert now() >= 8
    await other
    assert len(transport.requests) == 3


async def test_retry_after_beyond_max_delay_raises() -> None:
    """A `retry-after` beyond `max_delay` raises `RateLimitError` immediately."""
    calls, _ = session(answer(429, retry_after="31"))
    with pytest.raises(RateLimitError) as caught:
        await calls.send(GET)
    assert caught.value.retry_after == 31
    assert now() < 1


async def test_pacing_beyond_max_delay_raises() -> None:
    """Pacing beyond `max_delay` raises `RateLimitError`; nothing is sent."""
    budget = RequestBudget(per_minute=1, per_hour=100)
    calls, transport = session(answer(), answer(), budget=budget)
    await calls.send(GET)
    with pytest.raises(RateLimitError) as caught:
        await calls.send(POST)
    assert caught.value.code == "paced_by_client"
    assert caught.value.retry_after == pytest.approx(61, abs=0.1)
    assert len(transport.requests) == 1


async def test_pacing_within_max_delay_delays_the_call() -> None:
    """Pacing within `max_delay` delays the call."""
    budget = RequestBudget(per_minute=1, per_hour=100)
    calls, _ = session(answer(), answer(), budget=budget, retry=RetryPolicy(max_delay=90))
    await calls.send(GET)
    await calls.send(GET)
    assert now() == pytest.approx(61, abs=0.1)


async def test_attempt_of_the_poller_is_single_and_never_refused() -> None:
    """A poller's attempt is sent once and held as long as the budget requires."""
    budget = RequestBudget(per_minute=1, per_hour=100)
    calls, transport = session(answer(), answer(503), budget=budget)
    await calls.send(GET)
    with pytest.raises(ServerError):
        await calls.send_once(GET, Priority.SCHEDULED, CallRecord())
    assert now() == pytest.approx(61, abs=0.1)
    assert len(transport.requests) == 2


async def test_call_record_holds_first_send_and_count() -> None:
    """A call record holds the first send and the number of sends, also of a failed call."""
    calls, _ = session(LOST, LOST, answer())
    record = CallRecord()
    await asyncio.sleep(5)
    await calls.send(GET, record)
    assert (record.started_at, record.requests) == (5, 3)


async def test_connection_never_made_costs_nothing() -> None:
    """A connection that was never made counts neither in the budget nor in the call record."""
    budget = RequestBudget()
    calls, _ = session(ConnectError("x"), ConnectError("x"), answer(), budget=budget)
    record = CallRecord()
    await calls.send(GET, record)
    assert (budget.used(now())[1], record.requests) == (1, 1)


class Repeating(FakeNetwork):
    """A network that silently resends each request, as aiohttp does on a dead connection."""

    async def send(
        self, request: Request, headers: Mapping[str, str], again: Callable[[], Awaitable[None]]
    ) -> Response:
        await again()
        return await super().send(request, headers, again)


async def test_silent_retries_are_counted_and_budgeted() -> None:
    """Silent retries count in the budget and in the call record."""
    budget, record = RequestBudget(), CallRecord()
    clock = Clock(asyncio.get_running_loop())
    calls = Session(Repeating([answer()]), PlainDialect(), RetryPolicy(), budget, clock)
    await calls.send(GET, record)
    assert (budget.used(now())[1], record.requests) == (2, 2)


async def test_closed_session_sends_nothing() -> None:
    """A closed session raises `ClientClosedError`."""
    calls, transport = session(answer())
    await calls.close()
    with pytest.raises(ClientClosedError):
        await calls.send(GET)
    assert transport.requests == []


async def test_call_queued_for_the_budget_ends_when_the_session_closes() -> None:
    """A call queued for the budget ends when the session closes."""
    budget = RequestBudget(per_minute=1, per_hour=100)
    calls, _ = session(answer(), budget=budget, retry=RetryPolicy(max_delay=90))
    await calls.send(GET)
    queued = asyncio.create_task(calls.send(GET))
    await asyncio.sleep(1)
    await calls.close()
    with pytest.raises(ClientClosedError):
        await queued
    assert now() < 2


@pytest.mark.parametrize("failure", [LOST, ConnectError("x"), answer(503)])
async def test_call_between_two_attempts_ends_when_the_session_closes(failure: Step) -> None:
    """A call between two attempts makes no further one after closing."""
    calls, transport = session(failure, answer())
    call = asyncio.create_task(calls.send(GET))
    await asyncio.sleep(0.05)
    await calls.close()
    with pytest.raises(ClientClosedError):
        await call
    assert len(transport.requests) == 1


@pytest.mark.parametrize("failure", [LOST, ConnectError("x")])
async def test_call_interrupted_by_closing(failure: Step) -> None:
    """A call interrupted by closing raises `ClientClosedError`, not a network error."""
    calls, transport = session(failure)
    transport.latency_s = 5
    call = asyncio.create_task(calls.send(GET))
    await asyncio.sleep(1)
    await calls.close()
    with pytest.raises(ClientClosedError):
        await call


async def test_cancelled_call_is_cancelled() -> None:
    """Cancellation is neither wrapped nor retried."""
    calls, transport = session(answer(503), answer())
    call = asyncio.create_task(calls.send(GET))
    await asyncio.sleep(0.02)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert len(transport.requests) == 1


async def test_error_of_the_dialect_is_raised() -> None:
    """The dialect makes the error; the session raises it unchanged."""
    calls, _ = session(answer(400))
    with pytest.raises(BadRequestError, match="GET /x: 400: no"):
        await calls.send(GET)
