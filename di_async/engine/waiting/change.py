"""What a write returns: a handle on a change that the provider accepted and has yet to make."""

import asyncio
import functools
import math
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from di_async.core.errors import (
    ClientClosedError,
    DeploymentFailedError,
    WaitError,
    own_copy,
)
from di_async.core.printable import printable
from di_async.core.seconds import checked_timeout
from di_async.core.secret import hidden
from di_async.core.waiting.events import StatusChange
from di_async.core.waiting.evidence import (
    Decision,
    Failed,
    Pending,
    Refused,
    Settled,
    Superseded,
    Vanished,
)
from di_async.core.waiting.observation import Action
from di_async.core.waiting.resume_token import ResumeToken, pack_expectation
from di_async.engine.client_bound import ClientBound
from di_async.engine.waiting.event_stream import EventStream
from di_async.engine.waiting.failures import (
    FailureDetails,
    add_advice,
    advice,
    failure_text,
    is_resumable,
    name_of,
)
from di_async.engine.waiting.tracker import ChangeTracker
from di_async.engine.waiting.wait_span import BeginSpan, no_span
from di_async.engine.waiting.waiters import WaitClosedError

if TYPE_CHECKING:
    from di_async.core.capacity import Attempt
    from di_async.engine.endpoints.connecting import Connector
    from di_async.engine.endpoints.serving import Probe, ServingEndpoint
    from di_async.engine.waiting.poller import Poller

__all__ = ["DEFAULT", "Change", "Default", "Timeout", "check_timeout"]

R = TypeVar("R", covariant=True)


class Default(Enum):
    """Stands for an argument that was not given."""

    DEFAULT = "the provider's default"


DEFAULT = Default.DEFAULT
Timeout = float | None | Default
"""Seconds; None waits for ever. If it is not given, the provider's default holds."""


def check_timeout(timeout: Timeout) -> None:
    """Check a timeout that a caller passed. Raises `InvalidInputError`."""
    if not isinstance(timeout, Default):
        checked_timeout(timeout)


@contextmanager
def _new_key_on_error() -> Iterator[Callable[[Any], object]]:
    """Yield a function that takes a key; an error that ends the block then has it, too."""
    keys: list[Any] = []
    try:
        yield keys.append
    except BaseException as error:
        if keys:
            with suppress(AttributeError, TypeError):  # an error with slots
                error.access_token = keys[0]  # type: ignore[attr-defined]
        raise


class Change(ClientBound, Generic[R]):
    """An accepted write. Nothing is polled unless someone awaits `wait` or `events`.

    `await change` is short for `await change.wait()`.

    Attributes:
        access_token: the one-time token of a create; the API shows its value only once.
        adopted: the response to the write was lost, and its effect was found by reading.
        already_gone: a delete found nothing to delete.
        attempts: the tries of `create_first_available`, each an `Attempt`.
        previous_spec: the spec before an update or a scale, to go back to. None for all other
            changes, and if it was not shown in full.
    """

    attempts: "tuple[Attempt, ...]" = ()
    _instead = "store `change.resume_token`; `resume` restores the change from it"

    def __init__(
        self,
        tracker: ChangeTracker[Any],
        poller: "Callable[[], Poller]",
        *,
        connector: "Connector",
        redact: Callable[[str], str],
        begin_span: BeginSpan = no_span,
        access_token: Any = None,
        adopted: bool = False,
        already_gone: bool = False,
        resumed_until: float | None = None,
        previous_spec: Any = None,
    ) -> None:
        self._tracker = tracker
        self._poller = poller
        self._connector = connector
        self._begin_span = begin_span
        self._details = FailureDetails(tracker, redact, updates_spec=previous_spec is not None)
        self._resumed_until = self._deadline_at = resumed_until
        self.access_token = access_token
        self.adopted = adopted
        self.already_gone = already_gone
        self.previous_spec = previous_spec

    def __repr__(self) -> str:
        return f"<Change {self.action} {printable(self.id)}: {self.outcome or 'pending'}>"

    def __await__(self) -> Generator[Any, None, R]:
        return self.wait().__await__()

    @property
    def id(self) -> str:
        """The id of the resource that changes."""
        return self._tracker.target.id

    @property
    def action(self) -> str:
        """`create`, `update`, `delete`, ..."""
        return self._tracker.expectation.action.value

    @property
    def initial(self) -> Any:
        """The decoded answer to the write; None after `resume`."""
        return self._tracker.initial

    @property
    def latest(self) -> R | None:
        """The resource as read last, or as the write's answer shows it."""
        return cast("R | None", self._tracker.resource)

    @property
    def outcome(self) -> str | None:
        """`settled`, `failed`, `vanished` or `superseded`; None while nothing is proven."""
        decision = self._tracker.decision
        return None if isinstance(decision, Pending) else type(decision).__name__.lower()

    @property
    def history(self) -> tuple[StatusChange, ...]:
        """The steps so far, oldest first; of more than 1,000, the latest."""
        return tuple(self._tracker.history.steps)

    @property
    def requests(self) -> int:
        """Requests that the waits for this change have sent so far."""
        return self._tracker.requests

    @property
    def elapsed(self) -> float:
        """Seconds since the write was accepted, or since the wait began."""
        return self._tracker.elapsed

    @property
    def eta(self) -> float | None:
        """Seconds until it is expected to settle; None if that is not known, or it is settled.

        It is the median for changes of the same action, region and GPU. This client, or the
        `DurationModel` of its `PollPolicy`, needs to have seen 20 of them settle. What has settled
        since is taken into account every 20 seconds, while such a change is awaited.
        """
        try:
            return self._poller().eta(self._tracker)
        except ClientClosedError:
            return None

    @property
    def resume_token(self) -> str:
        """Text from which `resume` restores this change in any process. It holds no secret.

        It holds the deadline of the last `wait`, `events` or `connect`. Before the first of these
        there is none, unless the change was resumed. A deadline that has passed when the resumed
        wait begins counts as none: the wait gets the provider's default timeout.
        """
        tracker, adapter = self._tracker, self._tracker.adapter
        endless = self._deadline_at == math.inf
        return ResumeToken(
            provider=adapter.provider,
            base_url=adapter.base_url,
            scope=adapter.scope,
            resource=tracker.target,
            operations=tracker.operations,
            action=self.action,
            baseline=pack_expectation(tracker.expectation),
            started_at=tracker.clock.wall_at(tracker.started_at),
            deadline_at=None if endless else self._deadline_at,
            endless=endless,
            grace_until=tracker.grace_until,
        ).encode()

    async def wait(self, *, timeout: Timeout = DEFAULT) -> R:
        """Return the resource once it is proven settled, or None after a delete.

        Safe to call concurrently and repeatedly.

        Args:
            timeout: seconds for the whole wait; None waits for ever, 0 sends one read. Default:
                what a resumed token has left; the provider's default if that is nothing, or if
                this change was not resumed.

        Raises:
            WaitTimeoutError: not settled in time.
            DeploymentFailedError: the provider reports a failure. `.logs` has the last lines of
                the deployment's log, fetched within 3 seconds, and within `timeout`.
            ResourceVanishedError: GET answers 404 where a resource was expected.
            SupersededError: a later change or deletion replaced this one.
            WaitRefusedError: the provider refuses the reads (401, 403, 422).
            ClientClosedError: the client was closed; `.resume_token` continues the wait.

        A timeout, an error or a cancellation leaves the resource alone: it exists, and bills,
        until it is deleted.
        """
        seconds = self._seconds(timeout)
        until = None if seconds is None else self._tracker.clock.now() + seconds
        if not isinstance(self._tracker.decision, Pending):
            return await self._result(self._tracker.decision, until)
        with self._begin_span(self._tracker, "wait"):
            return await self._wait(seconds, until)

    async def _wait(self, seconds: float | None, until: float | None) -> R:
        decision = self._tracker.decision
        if isinstance(decision, Pending):
            decision = await self._next_decision(seconds, any_news=False)
        return await self._result(decision, until)

    def events(self, *, timeout: Timeout = DEFAULT) -> "EventStream[R]":
        """Return an async iterator over all steps, past and future; iterating it polls.

        It ends when the change has settled, and raises what `wait` raises. Leaving the loop early
        ends the polling, not the change. `timeout` is in seconds, as in `wait`.
        """
        check_timeout(timeout)  # here, and not at the first step
        follow = functools.partial(self._next_decision, any_news=True)
        seconds = functools.partial(self._seconds, timeout)
        return EventStream(self._tracker, follow, self._result, seconds, self._begin_span)

    async def connect(
        self,
        *,
        timeout: Timeout = DEFAULT,
        access_token: Any = None,
        private: bool = False,
        probe: "Probe" = "chat",
        mint_token: str | None = None,
    ) -> "ServingEndpoint":
        """Wait for the change, then until the models answer; return the endpoint.

        The endpoint answers once it has listed its models and completed one token with each. The
        history shows when the change settled and when the endpoint answered. Probes are sent to
        the endpoint, at most 3 seconds apart, and not to the provider's API, which is read now and
        then: others may have stopped or deleted the deployment.

        Args:
            timeout: seconds for the wait and the answer together; see `wait`.
            access_token: the endpoint's key: text, a `Secret`, or what created it. Default: the
                one-time token of this create, or what the API reveals.
            private: connect to the private endpoint, and trust only the deployment's own CA.
            probe: "chat", "models" (listing them is enough), or a coroutine function that takes
                the endpoint: it counts as answering unless the result is False. Errors of
                connections and HTTP libraries count as "not yet", except refusals such as 401.
            mint_token: create a key of this name once the change has settled, and use it. If this
                call fails after that, `.access_token` of the error is the key, a `Secret`. Pass it
                to the next call: the API never shows it again.

        Raises:
            InvalidInputError: no key is known, or nothing serves, also if it was stopped meanwhile;
                the message says what to do.
            WaitTimeoutError: it did not settle, or did not answer, in time.
            WaitRefusedError: the endpoint refuses (401, 403, a certificate that is not trusted),
                or the API refuses to show its key or CA.
            SupersededError, ResourceVanishedError: it is being deleted, or gone.
            ClientClosedError: the client was closed.
            WaitError: what `wait` raises.

        A timeout, an error or a cancellation leaves the deployment alone; it bills.
        """
        key = hidden(access_token)
        del access_token
        tracker = self._tracker
        options = self._connector.check(
            tracker,
            access_token=key,
            own_token=self.access_token,
            private=private,
            probe=probe,
            mint_token=mint_token,
        )
        seconds = self._seconds(timeout)
        until = None if seconds is None else tracker.clock.now() + seconds
        with self._begin_span(tracker, "connect") as span, _new_key_on_error() as on_key:
            resource = await self._wait(seconds, until)
            span.settled()
            try:
                endpoint = await self._connector.connect(
                    tracker, resource, options, probe, until, on_key=on_key
                )
            except WaitError as error:
                raise self._completed(error) from error.__cause__
            except ClientClosedError as closed:
                raise self._closed(closed) from closed.__cause__
            except asyncio.CancelledError as cancelled:
                add_advice(cancelled, tracker)
                raise
        if isinstance(endpoint, Superseded | Vanished):  # the key is gone, too
            raise self._failure(endpoint)
        endpoint.history = self.history
        return endpoint

    async def _next_decision(self, seconds: float | None, *, any_news: bool) -> Decision:
        try:
            poller = self._poller()
            waiter = poller.join(self._tracker, timeout=seconds, any_news=any_news)
        except ClientClosedError as closed:
            raise self._closed(closed) from closed.__cause__
        try:
            return await waiter.future
        except WaitClosedError as closed:
            raise self._closed(closed) from closed.__cause__
        except asyncio.CancelledError as cancelled:
            add_advice(cancelled, self._tracker)
            raise
        finally:
            poller.leave(self._tracker, waiter)

    def _seconds(self, timeout: Timeout) -> float | None:
        clock = self._tracker.clock
        if isinstance(timeout, Default):
            left = (self._resumed_until or 0.0) - clock.wall()
            timeout = left if left > 0 else self._tracker.adapter.default_timeout
            timeout = None if timeout == math.inf else timeout
        else:
            timeout = checked_timeout(timeout)
        self._deadline_at = math.inf if timeout is None else clock.wall() + timeout
        return timeout

    # -- outcome ------------------------------------------------------------------------------

    async def _result(self, decision: Decision, until: float | None) -> R:
        """Return the resource or raise the error; a failure's details are read before `until`."""
        tracker = self._tracker
        if isinstance(decision, Settled):
            deleted = tracker.expectation.action is Action.DELETE
            return cast("R", None if deleted else tracker.latest)
        never_seen = isinstance(decision, Vanished) and decision.is_unknown
        missing = tracker.evidence.last_error
        if never_seen and tracker.expectation.action is Action.ACTIVE and missing is not None:
            raise own_copy(missing)
        if isinstance(decision, Failed):
            try:
                await self._details.read(until)
            except asyncio.CancelledError as cancelled:
                add_advice(cancelled, self._tracker)
                raise
        raise self._failure(decision)

    def _failure(self, decision: Decision) -> WaitError:
        tracker = self._tracker
        kind, text = failure_text(tracker, decision)
        error = kind(
            text, advice=advice(tracker, decision), last_error=tracker.last_error, **self._known()
        )
        if isinstance(error, DeploymentFailedError):
            self._details.add_to(error)
        if isinstance(decision, Refused | Vanished):
            error.__cause__ = tracker.last_error
        return error

    def _closed(self, error: ClientClosedError) -> ClientClosedError:
        """Return the error of a closed client with what is known about this change."""
        tracker, known = self._tracker, self._known()
        what = f"{tracker.adapter.noun} {name_of(tracker)}. {advice(tracker)}"
        return ClientClosedError(
            f"{error.message.rstrip('.')}: {what}",
            id=known["id"],
            resume_token=known["resume_token"],
        )

    def _completed(self, error: WaitError) -> WaitError:
        """Return the error of an endpoint with what is known about its change."""
        error.advice = error.advice or advice(self._tracker)
        for name, value in self._known().items():
            setattr(error, name, value)
        return error

    def _known(self) -> dict[str, Any]:
        """Return the attributes of an error that every wait knows."""
        tracker = self._tracker
        return {
            "id": self.id,
            "resource": self.latest,
            "initial": self.initial,
            "history": self.history,
            "elapsed": tracker.elapsed,
            "requests": tracker.requests,
            "resume_token": self.resume_token if is_resumable(tracker) else None,
        }
