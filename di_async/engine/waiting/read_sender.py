"""Send one read and deliver its answer: a GET, a list page, or a read for an account watch.

A defect while an answer is delivered ends the waits of that answer alone; other reads go on.
"""

import math
from collections.abc import Awaitable, Callable
from typing import Any

from di_async.core.errors import ClientClosedError, NotFoundError, RateLimitError, defect
from di_async.core.http import Priority
from di_async.core.pagination import Page
from di_async.core.rate_limit import RequestBudget
from di_async.core.waiting.poll_policy import PollPolicy
from di_async.core.waiting.poll_schedule import ReadOne, ReadPage
from di_async.core.waiting.resource_adapter import CallRecord
from di_async.core.waiting.resume_token import ResourceRef
from di_async.engine.clock import Clock
from di_async.engine.concurrency import in_chunks
from di_async.engine.log import Log
from di_async.engine.waiting.account_watch import SweepRead
from di_async.engine.waiting.resource_poller import ResourcePoller
from di_async.engine.waiting.tracker import ChangeTracker

__all__ = ["PollerRead", "ReadSender"]

logger = Log("di_async.poller")

# After this many failures in a row, no requests are sent for a while.
_FAILURES = 3

PollerRead = ReadOne[ChangeTracker[Any]] | ReadPage | SweepRead


class ReadSender:
    """Sends the reads of one client, counts them, and pauses after repeated failures."""

    def __init__(
        self,
        policy: PollPolicy,
        budget: RequestBudget | None,
        clock: Clock,
        trusts_rows: Callable[[], bool],
    ) -> None:
        self._policy = policy
        self._budget = budget
        self._clock = clock
        self._trusts_rows = trusts_rows
        self._failures = 0
        self.paused_until = -math.inf
        """Loop time before which no reads should be sent."""
        self.gets = 0
        """Requests for single resources and operations."""
        self.lists = 0
        """Requests for list pages."""

    async def send(self, poller: ResourcePoller, read: PollerRead) -> None:
        """Send a read and deliver the answer."""
        try:
            match read:
                case ReadOne():
                    await self._get(poller, read)
                case ReadPage():
                    await self._list(poller, read)
                case SweepRead():
                    await self._read_for_sweep(poller, read)
        except ClientClosedError:
            raise
        except Exception as error:
            logger.defect("a defect: an answer could not be delivered", error)
            self._contain(poller, read, error)

    def _contain(self, poller: ResourcePoller, read: PollerRead, error: Exception) -> None:
        """End the waits that a defect affects, and no others."""
        match read:
            case ReadOne():
                poller.schedule.read_cancelled(read)
                for tracker in read.entry.watchers:
                    tracker.waiters.abort(defect(error))
            case ReadPage():
                poller.page_failed(read, error, CallRecord())
            case SweepRead():
                read.sweep.cancelled()
                read.sweep.abort(defect(error))

    async def _get(self, poller: ResourcePoller, read: ReadOne[ChangeTracker[Any]]) -> None:
        call, priority = CallRecord(), Priority.CONFIRM if read.confirms else Priority.SCHEDULED
        answer = await self._answer(poller.adapter.get(read.entry.ref, priority, call))
        self.gets += call.requests
        poller.get_done(read, answer, call)

    async def _list(self, poller: ResourcePoller, read: ReadPage) -> None:
        call = CallRecord(is_page=True)
        page = await self._answer(poller.adapter.list_page(read.number, call, read.region))
        self.lists += call.requests
        if isinstance(page, Page):
            keys = await in_chunks(page.rows, poller.row_key)
            poller.page_done(read, page, keys, call, trust_rows=self._trusts_rows())
        else:
            poller.page_failed(read, page, call)

    async def _read_for_sweep(self, poller: ResourcePoller, read: SweepRead) -> None:
        call, sweep = CallRecord(is_page=read.page is not None), read.sweep
        if read.page is not None:
            answer = await self._answer(poller.adapter.list_page(read.page, call, sweep.region))
            self.lists += call.requests
        else:
            ref = ResourceRef(poller.adapter.kind, str(read.id))
            answer = await self._answer(poller.adapter.get(ref, Priority.CONFIRM, call))
            self.gets += call.requests
        gone = isinstance(answer, NotFoundError) and read.page is None
        if isinstance(answer, Exception) and not gone:
            sweep.failed(read, answer, call)
        elif isinstance(answer, Page):
            keys = await in_chunks(answer.rows, poller.row_key)
            await sweep.page_done(read, answer, keys, call)
        else:
            sweep.get_done(read, answer, call)

    async def _answer(self, reading: Awaitable[Any]) -> Any:
        """Return what was read, or the error in its place; pause after repeated failures."""
        try:
            answer = await reading
        except ClientClosedError:
            raise
        except Exception as error:
            answer = error
        failed = isinstance(answer, Exception) and not isinstance(
            answer, NotFoundError | RateLimitError
        )
        self._failures = self._failures + 1 if failed else 0
        now = self._clock.now()
        if self._failures >= _FAILURES:
            pause = self._policy.target_lag * 2.0 ** min(self._failures - _FAILURES, 30)
            self.paused_until = now + min(pause, self._policy.max_interval)
        if isinstance(answer, RateLimitError) and answer.retry_after and self._budget is None:
            self.paused_until = max(self.paused_until, now + answer.retry_after)
        return answer
