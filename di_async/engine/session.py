"""One call: wait for the budget, send, read the answer, perhaps send again."""

import asyncio
import copy
import random
from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from di_async.core.errors import (
    PACED_BY_CLIENT,
    APIError,
    AuthenticationError,
    ClientClosedError,
    ConnectError,
    DIError,
    GatewayError,
    PermissionDeniedError,
    RateLimitError,
)
from di_async.core.http import Priority, Request, Response
from di_async.core.http_time import server_date
from di_async.core.moment import Moment
from di_async.core.protocols import ApiDialect, Transport
from di_async.core.rate_limit import RateLimitInfo, RequestBudget, Slot
from di_async.core.responses import is_own_answer, read_error
from di_async.core.retry import RetryPolicy, decide_retry
from di_async.core.server_clock import CallWindow, ServerClock
from di_async.core.waiting.resource_adapter import CallRecord
from di_async.engine.clock import Clock
from di_async.engine.log import Log

__all__ = ["BudgetQueue", "Session"]

logger = Log("di_async.transport")

# A `Date` has whole seconds, and an answer takes a while. Signatures are valid for much longer.
_CLOCK_TOLERANCE_S = 30.0
_AUTHORIZATION = "Authorization"


def _is_access(refusal: APIError, request: Request) -> bool:
    """Return whether the time of a signature may be the reason, and sending again does no harm.

    No words of the answer decide: what it says of an expired signature is not documented.
    """
    if isinstance(refusal, GatewayError):  # the API's own, perhaps, in a form that is not known
        return refusal.status in (401, 403) and request.repeatable
    return isinstance(refusal, AuthenticationError | PermissionDeniedError)


class BudgetQueue:
    """Holds requests back until a `RequestBudget` allows them, by priority.

    Without a budget every request passes at once, with None for its slot.
    """

    def __init__(self, budget: RequestBudget | None, clock: Clock) -> None:
        self._budget = budget
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._queued: set[asyncio.Future[Slot]] = set()
        self.refused = 0
        """429 answers."""

    def delay(self, priority: Priority) -> float:
        """Return the seconds that a request of this priority would be held back now."""
        if self._budget is None:
            return 0.0
        return self._budget.delay(self._clock.now(), priority, ahead=self._budget.ahead(priority))

    def take(self, priority: Priority) -> Slot | None:
        """Take a slot if one is free; else, and without a budget, return None."""
        return None if self._budget is None else self._budget.take(self._clock.now(), priority)

    async def enter(self, priority: Priority) -> Slot | None:
        """Wait for a slot and take it; the caller must `leave` it.

        Cancelling leaves the queue. Raises `ClientClosedError` when the client is closed.
        """
        budget = self._budget
        if budget is None:
            return None
        slot = self.take(priority)
        if slot is not None:
            return slot
        turn: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()
        first = not budget.ahead(priority)
        budget.join(priority, turn)
        self._queued.add(turn)
        if first or self._timer is None:
            self._release()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave(turn.result(), sent=False)  # it was granted just now
            raise
        finally:
            self._queued.discard(turn)
            budget.leave(priority, turn)

    def leave(self, slot: Slot | None, *, sent: bool) -> None:
        """Record that a request was answered or given up; with `sent` false it was never sent."""
        if self._budget is None or slot is None:
            return
        if sent:
            self._budget.done(self._clock.now(), slot)
        else:
            self._budget.refund(slot)
        if self._queued:
            self._release()

    def used(self) -> tuple[int, int] | None:
        """Return the requests of the last minute and hour; None without a budget."""
        return None if self._budget is None else self._budget.used(self._clock.now())

    def learn(self, now: float, info: RateLimitInfo, slot: Slot | None) -> None:
        """Record what the response to the request of this slot says about the quota."""
        self.refused += info.limited
        if self._budget is not None:
            self._budget.learn(now, info, slot)

    def close(self) -> None:
        """Let no more requests pass; queued ones end with `ClientClosedError`."""
        if self._timer is not None:
            self._timer.cancel()
        for turn in self._queued:
            if not turn.done():
                turn.set_exception(ClientClosedError("the client was closed"))

    def _release(self) -> None:
        """Let the requests pass whose turn it is, and set the timer for the next one."""
        if self._budget is None:
            return
        now = self._clock.now()
        ready, wait = self._budget.release(now)
        for turn, slot in ready:
            if turn.done():
                self._budget.refund(slot)  # cancelled in this turn of the loop
            else:
                turn.set_result(slot)
        if wait is not None:
            self._wake_at(now + max(wait, 0.001))

    def _wake_at(self, when: float) -> None:
        """Set the timer, unless it rings sooner: ringing too soon does no harm."""
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(when, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self._queued:
            self._release()


class Session:
    """Sends a client's requests and returns successful answers."""

    def __init__(
        self,
        transport: Transport,
        dialect: ApiDialect,
        retry: RetryPolicy,
        budget: RequestBudget | None,
        clock: Clock,
    ) -> None:
        self._transport = transport
        self._dialect = dialect
        self._retry = retry
        self._clock = clock
        self._queue = BudgetQueue(budget, clock)
        self._servers: dict[str | None, ServerClock] = {}
        self._closed = False

    async def send(
        self,
        request: Request,
        call: CallRecord | None = None,
        read: Callable[[Response], Any] = lambda response: response,
    ) -> Any:
        """Return what `read` returns for the successful answer, sent again where that is harmless.

        Raises:
            TransportError: there is no answer. APIError: the answer is an error.
            DecodeError: raised by `read`; a transient one counts as a failed attempt.
            RateLimitError: also when the budget would hold the request over `max_delay` seconds.
        """
        call = call or CallRecord()
        attempt = 0
        while True:
            attempt += 1
            try:
                return read(
                    await self.send_once(
                        request, request.priority, call, max_delay=self._retry.max_delay
                    )
                )
            except DIError as error:
                call.last_error = copy.copy(error)
                delay = decide_retry(
                    self._retry,
                    error,
                    attempt=attempt,
                    repeatable=request.repeatable,
                    random=random.random(),  # noqa: S311 - jitter
                )
                if delay is None:
                    raise
                logger.info("%s; trying again in %.1f s (attempt %d)", error, delay, attempt)
            await asyncio.sleep(delay)

    async def send_once(
        self,
        request: Request,
        priority: Priority,
        call: CallRecord,
        *,
        max_delay: float | None = None,
    ) -> Response:
        """Send one attempt, held back as long as the budget requires.

        Raises:
            RateLimitError: also when the budget would hold it back over `max_delay` seconds.
        """
        self._check_open()
        slot = self._queue.take(priority)
        if slot is None:
            if max_delay is not None:  # without a budget the delay is 0
                self._check_delay(request, priority, max_delay)
            slot = await self._queue.enter(priority)
        began = self._clock.moment()
        tried = [self._server(request).time(began)]
        while True:
            try:
                return await self._attempt(request, priority, call, slot, began.loop, tried[-1])
            except APIError as refusal:
                other = self._other_time(request, tried) if _is_access(refusal, request) else None
                if other is None:
                    raise
                logger.info("%s; signing again, with another time", refusal)
            tried.append(other)
            call.not_processed()
            slot = await self._queue.enter(priority)
            began = self._clock.moment()

    def _other_time(self, request: Request, tried: Sequence[float]) -> float | None:
        """Return what else the time may be at the server, if the request is signed with it."""
        for time in self._server(request).times(self._clock.moment()):
            new = all(abs(time - before) > _CLOCK_TOLERANCE_S for before in tried)
            if new and self._is_signed(request, time):
                return time
        return None

    def _is_signed(self, request: Request, now: float) -> bool:
        """Return whether the headers of a request depend on the time."""
        later = now + _CLOCK_TOLERANCE_S
        return self._dialect.headers(request, now) != self._dialect.headers(request, later)

    async def _attempt(
        self,
        request: Request,
        priority: Priority,
        call: CallRecord,
        slot: Slot | None,
        sent_at: float,
        now: float,
    ) -> Response:
        """Send a request whose slot is taken, and leave the slot.

        `sent_at` is the current loop time, `now` the server's time.
        """
        sent = False

        async def before_resend() -> None:
            nonlocal slot
            self._queue.leave(slot, sent=True)
            slot = None
            slot = await self._queue.enter(priority)
            call.sent(self._clock.now())

        try:
            self._check_open()
            headers = self._dialect.headers(request, now)
            sent = True
            call.sent(sent_at)
            response = await self._transport.send(request, headers, before_resend)
            received = self._clock.moment()
            seconds = received.loop - sent_at
            now += seconds
            signed = now if _AUTHORIZATION in headers else None
            self._learn_time(request, response, received, signed)
            self._queue.learn(received.loop, self._quota(response, now), slot)
        except (ConnectError, ClientClosedError) as unsent:
            # Without a close of ours, the caller's session had been closed before.
            if isinstance(unsent, ConnectError) or not self._closed:
                sent = False
                call.never_sent()
            self._check_open()
            raise
        except DIError:
            self._check_open()
            raise
        except asyncio.CancelledError as cancelled:
            if getattr(cancelled, "never_sent", False):
                sent = False
                call.never_sent()
            raise
        finally:
            self._queue.leave(slot, sent=sent)
        logger.debug(
            "%s %s -> %d in %.3f s", request.method, request.path, response.status, seconds
        )
        if not 200 <= response.status < 300:
            error = read_error(self._dialect, request, response, now)
            if error.never_processed:
                call.not_processed()
            raise error
        return response

    def _quota(self, response: Response, now: float) -> RateLimitInfo:
        """Return what a response says about the quota; of a gateway's only how long to wait."""
        info = self._dialect.rate_limit(response, now)
        if is_own_answer(self._dialect, response):
            return info
        return replace(info, limit=None, remaining=None, reset_in=None)

    # -- the server's clock -------------------------------------------------------------------

    def server_time(self, request: Request) -> float:
        """Return the time of the server that a request is for, in epoch seconds."""
        return self._server(request).time(self._clock.moment())

    def time_at(self, base_url: str) -> float:
        """Return the time of the server at this base URL, in epoch seconds."""
        server = self._servers.get(base_url) or self._server(Request("GET", "/"))
        return server.time(self._clock.moment())

    def knows_time(self, request: Request) -> bool:
        """Return whether an answer has shown the time of the server that a request is for."""
        return self._server(request).is_known

    def call_window(self, request: Request, began: Moment) -> CallWindow:
        """Return when a call began, by the clock of the server that answered it."""
        return self._server(request).window(began, self._clock.moment())

    def attempt_window(self, request: Request, began: float) -> CallWindow:
        """Return when an earlier call began: epoch seconds of this or another machine's clock."""
        return self._server(request).attempt_window(began, self._clock.moment())

    def _server(self, request: Request) -> ServerClock:
        server = self._servers.get(request.base)
        if server is None:
            server = self._servers[request.base] = ServerClock()
        return server

    def _learn_time(
        self, request: Request, response: Response, received: Moment, signed: float | None
    ) -> None:
        date = server_date(response.headers)
        if date is not None:
            self._server(request).learn(received, date)
        elif response.status < 300 and signed is not None:
            self._server(request).accept(received, signed)
        elif response.status in (401, 403):
            # The time that it was signed with may be what was wrong.
            self._server(request).forget()

    def used(self) -> tuple[int, int] | None:
        """Return the budget's requests of the last minute and hour; None without a budget."""
        return self._queue.used()

    @property
    def refused(self) -> int:
        """429 answers."""
        return self._queue.refused

    async def close(self) -> None:
        """Close the network; calls still open end with `ClientClosedError`."""
        self._closed = True
        self._queue.close()
        await self._transport.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosedError("The client is closed; create a new one.")

    def _check_delay(self, request: Request, priority: Priority, max_delay: float) -> None:
        delay = self._queue.delay(priority)
        if delay > max_delay:
            raise RateLimitError(
                f"not sent: the request budget is used up for another {delay:.0f} s",
                method=request.method,
                path=request.path,
                status=429,
                code=PACED_BY_CLIENT,
                retry_after=delay,
            )
