"""Protocols for observers of a client: requests, waits and their outcomes, and the budget.

The engine calls these protocols; `di_async.telemetry` implements them for OpenTelemetry. A client
without an observer makes none of these objects, and its session is a plain `Session`.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from msgspec import Struct

from di_async.core.errors import (
    ClientClosedError,
    DeploymentFailedError,
    InvalidInputError,
    ResourceVanishedError,
    SupersededError,
    WaitRefusedError,
    WaitTimeoutError,
)
from di_async.core.rate_limit import RequestBudget
from di_async.core.waiting.events import StatusChange
from di_async.core.waiting.evidence import Settled
from di_async.core.waiting.observation import Action
from di_async.engine.clock import Clock
from di_async.engine.hooks import Guarded
from di_async.engine.waiting.tracker import ChangeTracker
from di_async.engine.waiting.wait_span import WaitSpan

__all__ = [
    "BudgetView",
    "ClientObserver",
    "ObservedClient",
    "ObservedWait",
    "Observer",
    "WaitInfo",
    "WaitObserver",
    "WaitResult",
    "checked_observer",
]

# Time stamps come in whole seconds, and so does the server's `Date`.
_STAMP_S = 1.0
_OUTCOMES: tuple[tuple[type[BaseException], str], ...] = (
    (WaitTimeoutError, "timeout"),
    (DeploymentFailedError, "failed"),
    (ResourceVanishedError, "vanished"),
    (SupersededError, "superseded"),
    (WaitRefusedError, "refused"),
    (ClientClosedError, "closed"),
    (asyncio.CancelledError, "cancelled"),
    (GeneratorExit, "cancelled"),
)


class WaitInfo(Struct, frozen=True, kw_only=True):
    """A wait that begins; None where something is not known yet."""

    call: str
    """`wait`, `events` or `connect`."""
    provider: str
    kind: str
    id: str
    action: str
    name: str | None
    region: str | None


class WaitResult(Struct, frozen=True, kw_only=True):
    """How a wait ended.

    Attributes:
        outcome: `settled`, `failed`, `vanished`, `superseded`, `refused`, `timeout`, `closed`,
            `cancelled`, `abandoned` (a stream of events that was left early) or `error`.
        error: what was raised.
        status: the last status word.
        seconds: how long the caller waited.
        requests: how many requests the change has cost until now.
        settle_delay: seconds from the provider's `updated_at` to the return, by the server's clock.
        settle_delay_bound: seconds to the return from when the last read was sent that showed
            progress, or from the wait's start if that is later.
    """

    outcome: str
    error: BaseException | None
    status: str
    name: str | None
    region: str | None
    seconds: float
    requests: int
    settle_delay: float | None
    settle_delay_bound: float | None


class WaitObserver(Protocol):
    """Follows one wait."""

    def step(self, event: StatusChange) -> None:
        """Record a new step of the change."""

    def ended(self, result: WaitResult) -> None:
        """Record the end of the wait; called once."""


class ClientObserver(Protocol):
    """Follows one client, from entering to closing."""

    def requests_sent(self, kind: str, count: int, status: int | None) -> None:
        """Record requests that were sent, and the status of the answer to the last one.

        `kind` is `write`, `read`, `confirm`, `poll` or `poll_list`.
        """

    def wait_begun(self, wait: WaitInfo) -> WaitObserver:
        """Record that a wait begins, in the context of its caller."""
        ...

    def closed(self) -> None:
        """Record that the client is closed."""


class BudgetView(Struct, frozen=True):
    """What is left of a budget, readable from any thread."""

    budget: RequestBudget
    clock: Clock

    def left(self) -> tuple[int, int]:
        """Return how many requests the minute and the hour have left."""
        return self.budget.left(self.clock.now())


class Observer(Protocol):
    """What a client takes as `telemetry=`."""

    def open_client(self, provider: str, budget: BudgetView | None) -> ClientObserver:
        """Return the observer of a client that is entered now."""
        ...


def checked_observer(observer: Any) -> Observer | None:
    """Return a caller's `telemetry=`.

    Raises:
        InvalidInputError: it is something else.
    """
    if observer is not None and not callable(getattr(observer, "open_client", None)):
        raise InvalidInputError("telemetry: expected a di_async.telemetry.Telemetry")
    found: Observer | None = observer
    return found


class ObservedClient:
    """A client's observer, whose errors are logged once and dropped."""

    def __init__(self, provider: str, observer: Observer) -> None:
        self.provider = provider
        self.observer = observer
        self.guard = Guarded("telemetry", type(observer))
        self._own: ClientObserver | None = None

    def opened(self, budget: BudgetView | None) -> None:
        """Report that the client is entered."""
        self._own = self.guard.run(self.observer.open_client, self.provider, budget)

    def requests_sent(self, kind: str, count: int, status: int | None) -> None:
        """Report requests that were sent."""
        if self._own is not None:
            self.guard.run(self._own.requests_sent, kind, count, status)

    def wait_begun(self, wait: WaitInfo) -> WaitObserver | None:
        """Report that a wait begins."""
        return None if self._own is None else self.guard.run(self._own.wait_begun, wait)

    def closed(self) -> None:
        """Report that the client is closed."""
        if self._own is not None:
            self.guard.run(self._own.closed)


class ObservedWait(WaitSpan):
    """One wait, reported to the client's observer."""

    def __init__(
        self,
        client: ObservedClient,
        server_time: Callable[[str], float],
        tracker: ChangeTracker[Any],
        call: str,
    ) -> None:
        self._client = client
        self._tracker = tracker
        self._server_time = server_time
        self._began_at = tracker.clock.now()
        self._delays: tuple[float | None, float | None] | None = None
        adapter = tracker.adapter
        info = WaitInfo(
            call=call,
            provider=adapter.provider,
            kind=adapter.kind,
            id=tracker.target.id,
            action=tracker.expectation.action.value,
            name=tracker.name,
            region=tracker.region,
        )
        self._observer = client.wait_begun(info)
        if self._observer is not None:
            tracker.history.add_listener(self._step)

    def settled(self) -> None:
        """Record that the change has settled; the call may go on, as `connect` does."""
        if self._delays is None:
            self._delays = settle_delays(self._tracker, self._began_at, self._server_time)

    def end(self, error: BaseException | None = None, outcome: str | None = None) -> None:
        """Report the end of the wait, once."""
        observer, self._observer = self._observer, None
        if observer is None:
            return
        tracker = self._tracker
        tracker.history.remove_listener(self._step)
        if error is None:
            self.settled()
        delay, bound = self._delays or (None, None)
        result = WaitResult(
            outcome=outcome or _outcome(error),
            error=error,
            status=tracker.status,
            name=tracker.name,
            region=tracker.region,
            seconds=tracker.clock.now() - self._began_at,
            requests=tracker.requests,
            settle_delay=delay,
            settle_delay_bound=bound,
        )
        self._client.guard.run(observer.ended, result)

    def _step(self, event: StatusChange) -> None:
        if self._observer is not None:
            self._client.guard.run(self._observer.step, event)


def settle_delays(
    tracker: ChangeTracker[Any], began_at: float, server_time: Callable[[str], float]
) -> tuple[float | None, float | None]:
    """Return the delay from settling to now, and an upper bound of it; None where not known.

    A stamp counts only between the last read that showed progress and the read that settled.
    """
    action, read_at = tracker.expectation.action, tracker.settled_read_at
    if not isinstance(tracker.decision, Settled) or read_at is None or action is Action.PREDICATE:
        return None, None  # when a predicate came true is not what the stamp shows
    since = tracker.unsettled_at
    if since is None:
        if action is Action.ACTIVE:
            return None, None  # it may have been active for days
        since = tracker.started_at
    now = tracker.clock.now()
    bound = max(0.0, now - max(since, began_at))
    seen = tracker.evidence.observation
    stamp = seen.version.updated_at if seen is not None else None
    if stamp is None or action is Action.DELETE:
        return None, bound
    delay = server_time(tracker.adapter.base_url) - stamp.timestamp()
    plausible = now - read_at - _STAMP_S <= delay <= bound + _STAMP_S
    return (max(0.0, delay) if plausible else None), bound


def _outcome(error: BaseException | None) -> str:
    if error is None:
        return "settled"
    return next((name for kind, name in _OUTCOMES if isinstance(error, kind)), "error")
