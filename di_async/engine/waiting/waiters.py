"""The callers that await one change. No I/O: an idle wait costs one future."""

import asyncio

from msgspec import Struct

from di_async.core.errors import ClientClosedError, own_copy
from di_async.core.waiting.evidence import Decision, Pending, check_deadline

__all__ = ["WaitClosedError", "Waiter", "Waiters"]


class WaitClosedError(ClientClosedError):
    """The client of this wait was closed; the wait raises it with what is known of its change.

    A class of its own, as a predicate may raise the `ClientClosedError` of another client.
    """


class Waiter(Struct, eq=False):
    """One caller that awaits a decision, or with `any_news` the next step of the history."""

    future: asyncio.Future[Decision]
    deadline: float | None = None
    any_news: bool = False
    reads_at_start: int | None = None
    """With `timeout=0`: the tracker's read count; one more read is due before it may end."""

    def resolve(self, decision: Decision) -> None:
        """End the wait with this decision."""
        if not self.future.done():
            self.future.set_result(decision)


class Waiters(list[Waiter]):
    """All callers that await one change."""

    __slots__ = ()  # there is one list for each change

    def wake(self, decision: Decision, now: float, *, news: bool) -> None:
        """End the waits that this decision ends, or whose deadline has passed.

        Args:
            decision: the decision about the change.
            now: the loop's time in seconds.
            news: the history has a new step, so waiters for any news are woken as well.
        """
        for waiter in tuple(self):
            own = check_deadline(decision, now=now, deadline=waiter.deadline)
            if not isinstance(own, Pending) or (news and waiter.any_news):
                waiter.resolve(own)

    def notify(self) -> None:
        """Wake the waiters for any news; they check again, and may wait on."""
        for waiter in self:
            if waiter.any_news:
                waiter.resolve(Pending())

    def abort(self, error: BaseException) -> None:
        """End every wait with this error, each with a copy of its own."""
        if isinstance(error, StopIteration):  # which a future does not take
            stopped, error = error, RuntimeError("StopIteration was raised")
            error.__cause__ = stopped
        for waiter in self:
            if not waiter.future.done():
                waiter.future.set_exception(own_copy(error))
