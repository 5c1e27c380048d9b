"""A session that reports its requests to the client's observer; used only where there is one."""

from collections.abc import Callable
from typing import Any

from di_async.core.errors import APIError
from di_async.core.http import Priority, Request, Response
from di_async.core.rate_limit import Slot
from di_async.core.waiting.resource_adapter import CallRecord
from di_async.engine.session import Session

__all__ = ["ObservedSession"]

_KINDS = {
    Priority.MUTATION: "write",
    Priority.READ: "read",
    Priority.CONFIRM: "confirm",
    Priority.SCHEDULED: "poll",
}


class ObservedSession(Session):
    """Reports kind, number and answer of the requests of each attempt."""

    def __init__(self, *parts: Any, report: Callable[[str, int, int | None], None]) -> None:
        super().__init__(*parts)
        self._report = report

    async def _attempt(
        self,
        request: Request,
        priority: Priority,
        call: CallRecord,
        slot: Slot | None,
        sent_at: float,
        now: float,
    ) -> Response:
        before, status = call.requests, None
        try:
            response = await super()._attempt(request, priority, call, slot, sent_at, now)
            status = response.status
        except APIError as error:
            status = error.status
            raise
        finally:
            sent = call.requests - before  # silent repeats included, never sent ones not
            if sent > 0:
                self._report("poll_list" if call.is_page else _KINDS[priority], sent, status)
        return response
