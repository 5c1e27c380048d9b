"""One call: wait for the budget, send, judge the answer, perhaps send again."""

import asyncio
import logging
import random

from di_async.core.errors import ClientClosedError, ConnectError, DIError, RateLimitError
from di_async.core.http import Priority, Request, Response
from di_async.core.protocols import ApiDialect, CallRecord, Transport
from di_async.core.rate_limit import RequestBudget
from di_async.core.retry import RetryPolicy, decide_retry
from di_async.engine.clock import Clock
from di_async.engine.gate import Gate

__all__ = ["Session"]

logger = logging.getLogger("di_async.transport")


class Session:
    """Everything between "this request" and "its successful answer", for one client."""

    def __init__(
        self,
        transport: Transport,
        conventions: ApiDialect,
        retry: RetryPolicy,
        budget: RequestBudget | None,
        clock: Clock,
    ) -> None:
        self._transport = transport
        self._conventions = conventions
        self.retry = retry
        self.clock = clock
        self._gate = Gate(budget, clock)
        self._closed = False

    async def call(self, request: Request, trip: CallRecord | None = None) -> Response:
        """The successful answer to a request, repeated where that does no harm.

        Raises:
            TransportError: no answer. APIError: an answer that says no.
            RateLimitError: also when our own pacing would hold it for over `max_delay` seconds.
        """
        trip = trip or CallRecord()
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self.once(request, request.priority, trip, self.retry.max_delay)
            except DIError as error:
                delay = decide_retry(
                    self.retry,
                    error,
                    attempt=attempt,
                    repeatable=request.repeatable,
                    random=random.random(),  # noqa: S311 - jitter, no secret
                )
                if delay is None:
                    raise
                logger.info("%s; again in %.1f s (%d sent)", error, delay, attempt)
            await asyncio.sleep(delay)

    async def once(
        self, request: Request, priority: Priority, trip: CallRecord, longest: float | None = None
    ) -> Response:
        """One attempt, held back for as long as the budget wants. Never repeated by us.

        Raises:
            RateLimitError: also when that would be for over `longest` seconds.
        """
        self._check_open()
        stamp = self._gate.at_once(priority)
        if stamp is None:
            if longest is not None:
                self._refuse_long_hold(request, priority, longest)
            stamp = await self._gate.enter(priority)
            self._check_open()
        sent_at = self.clock.now()
        if sent_at < trip.started_at:
            trip.started_at = sent_at
        trip.sends += 1
        trip.maybe_processed += 1

        async def again() -> None:
            await self._gate.enter(priority)
            trip.sends += 1
            trip.maybe_processed += 1

        try:
            response = await self._transport.send(
                request, self._conventions.headers(request, self.clock.wall()), again
            )
        except ConnectError:
            self._gate.refund(stamp)
            trip.sends -= 1
            trip.maybe_processed -= 1
            self._check_open()
            raise
        except DIError:
            self._check_open()
            raise
        if logger.isEnabledFor(logging.DEBUG):
            told = (request.method, request.path, response.status, self.clock.now() - sent_at)
            logger.debug("%s %s -> %d in %.3f s", *told)
        self._gate.learn(self._conventions.rate_limit(response, self.clock.wall()))
        if not 200 <= response.status < 300:
            error = self._conventions.error(request, response, self.clock.wall())
            trip.maybe_processed -= error.never_processed
            raise error
        return response

    def told(self) -> tuple[tuple[int, int] | None, int]:
        """The budget's requests in the last minute and hour (None without one), and 429s."""
        return self._gate.used(), self._gate.refused

    async def close(self) -> None:
        """End it all: calls still open end with `ClientClosedError`."""
        self._closed = True
        self._gate.close()
        await self._transport.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosedError("this client is closed: enter a new one with `async with`")

    def _refuse_long_hold(self, request: Request, priority: Priority, longest: float) -> None:
        hold = self._gate.hold(priority)
        if hold > longest:
            raise RateLimitError(
                f"not sent: the request budget is used up for another {hold:.0f} s",
                method=request.method,
                path=request.path,
                status=429,
                code="paced_by_client",
                retry_after=hold,
            )
