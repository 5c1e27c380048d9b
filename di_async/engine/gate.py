"""Holds requests back until the budget lets them through, in order of priority."""

import asyncio

from di_async.core.budget import RateNews, RequestBudget
from di_async.core.wire import Priority
from di_async.engine.clock import Clock

__all__ = ["Gate"]


class Gate:
    """Drives a `RequestBudget` on the running loop. Without a budget everything passes."""

    def __init__(self, budget: RequestBudget | None, clock: Clock) -> None:
        self._budget = budget
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None

    def hold(self, priority: Priority) -> float:
        """Seconds that a request of this priority would be held back now."""
        if self._budget is None:
            return 0.0
        return self._budget.delay(self._clock.now(), priority, ahead=self._budget.ahead(priority))

    async def enter(self, priority: Priority) -> None:
        """Wait for a slot and take it. Cancelling gives the place in the queue up."""
        budget = self._budget
        if budget is None:
            return
        now = self._clock.now()
        if not budget.ahead(priority) and budget.delay(now, priority) == 0:
            budget.spend(now)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        budget.join(priority, turn)
        self._release()
        try:
            await turn
        finally:
            if turn.cancelled():
                budget.leave(turn)

    def learn(self, news: RateNews) -> None:
        """Pass on what an answer told about the quota."""
        if self._budget is not None:
            self._budget.learn(self._clock.now(), news)

    def refund(self) -> None:
        """The request just let through never reached the wire."""
        if self._budget is not None:
            self._budget.refund()

    def close(self) -> None:
        """Stop the timer; those still queued are cancelled by their owners."""
        if self._timer is not None:
            self._timer.cancel()

    def _release(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._budget is None:
            return
        ready, wait = self._budget.release(self._clock.now())
        for turn in ready:
            if not turn.done():
                turn.set_result(None)
        if wait is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(wait, 0.001), self._release)
