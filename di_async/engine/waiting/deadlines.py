"""One timer for the deadlines of all waits: a timer each would cost as much as half the wait."""

import asyncio
import heapq
from collections.abc import Callable

from di_async.engine.waiting.tracker import Waiter

__all__ = ["Deadlines"]

# Those who left are swept out of the heap when they are more than these, and half of it.
_FEW = 64


class Deadlines:
    """Calls back when the time of a waiter is over, unless it has left by then."""

    def __init__(self, on_due: Callable[[Waiter], None]) -> None:
        self._on_due = on_due
        self._heap: list[Waiter] = []
        self._timer: asyncio.TimerHandle | None = None
        self._left = 0

    def add(self, waiter: Waiter) -> None:
        """From now on, if it has a deadline."""
        if waiter.deadline is not None:
            heapq.heappush(self._heap, waiter)
            if self._heap[0] is waiter:
                self._arm()

    def leave(self, waiter: Waiter) -> None:
        """It waits no longer."""
        if waiter.deadline is None or waiter.due:
            return
        waiter.due = True
        self._left += 1
        many = self._left > _FEW and 2 * self._left > len(self._heap)
        if many or self._left == len(self._heap):
            self._heap = [waiter for waiter in self._heap if not waiter.due]
            heapq.heapify(self._heap)
            self._left = 0
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._heap:
            loop = asyncio.get_running_loop()
            at = self._heap[0].until
            self._timer = loop.call_at(at, self._ring, at)

    def _ring(self, at: float) -> None:
        self._timer = None
        until = max(at, asyncio.get_running_loop().time())
        while self._heap and self._heap[0].until <= until:
            waiter = heapq.heappop(self._heap)
            if waiter.due:
                self._left -= 1
            else:
                waiter.due = True
                self._on_due(waiter)
        self._arm()
