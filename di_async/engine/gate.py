"""Holds requests back until the budget lets them through, in order of priority."""

import asyncio

from di_async.core.errors import ClientClosedError
from di_async.core.http import Priority
from di_async.core.rate_limit import RateLimitInfo, RequestBudget
from di_async.engine.clock import Clock

__all__ = ["Gate"]


class Gate:
    """Drives a `RequestBudget` on the running loop. Without a budget everything passes."""

    def __init__(self, budget: RequestBudget | None, clock: Clock) -> None:
        self._budget = budget
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._queued: set[asyncio.Future[float]] = set()
        self.refused = 0
        """Answers that said the quota is used up."""

    def hold(self, priority: Priority) -> float:
        """Seconds that a request of this priority would be held back now."""
        if self._budget is None:
            return 0.0
        return self._budget.delay(self._clock.now(), priority, ahead=self._budget.ahead(priority))

    def at_once(self, priority: Priority) -> float | None:
        """Take a slot if there is one now, and give the stamp to `refund`; else None."""
        budget = self._budget
        if budget is None:
            return 0.0
        now = self._clock.now()
        return now if budget.take(now, priority) else None

    async def enter(self, priority: Priority) -> float:
        """Wait for a slot and take it; gives the stamp to `refund`.

        Cancelling gives the place in the queue up. Raises `ClientClosedError` on closing.
        """
        stamp, budget = self.at_once(priority), self._budget
        if stamp is not None or budget is None:
            return stamp or 0.0
        turn: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        budget.join(priority, turn)
        self._queued.add(turn)
        self._release()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                budget.refund(turn.result())  # its turn had just come
                self._release()
            raise
        finally:
            self._queued.discard(turn)
            budget.leave(turn)

    def used(self) -> tuple[int, int] | None:
        """Requests in the last minute and in the last hour; None without a budget."""
        return None if self._budget is None else self._budget.used(self._clock.now())

    def learn(self, news: RateLimitInfo) -> None:
        """Pass on what an answer told about the quota."""
        self.refused += news.limited
        if self._budget is not None:
            self._budget.learn(self._clock.now(), news)

    def refund(self, stamp: float) -> None:
        """The request let through at `stamp` never reached the wire."""
        if self._budget is not None:
            self._budget.refund(stamp)

    def close(self) -> None:
        """Let nobody through any more: those still queued end with `ClientClosedError`."""
        if self._timer is not None:
            self._timer.cancel()
        for turn in self._queued:
            if not turn.done():
                turn.set_exception(ClientClosedError("the client was closed meanwhile"))

    def _release(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._budget is None:
            return
        now = self._clock.now()
        ready, wait = self._budget.release(now)
        for turn in ready:
            if not turn.done():
                turn.set_result(now)
        if wait is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(wait, 0.001), self._release)
