"""What runs while a client is open: its session, its poller, and the changes that they serve.

An engine belongs to the event loop that entered its client.
"""

import asyncio
import contextvars
import math
import ssl as ssl_module
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar, Unpack

from attrs import Factory, define, evolve, field
from msgspec import Struct

from di_async.core.errors import ClientClosedError, InvalidInputError
from di_async.core.http import Priority, Request, Response, checked_id
from di_async.core.moment import Moment
from di_async.core.protocols import ApiDialect, Transport
from di_async.core.rate_limit import RequestBudget
from di_async.core.redaction import secret_texts, sent_secrets
from di_async.core.responses import read_success
from di_async.core.retry import RetryPolicy
from di_async.core.server_clock import CLOCK_SKEW_S, CallWindow
from di_async.core.serving import ServingTarget
from di_async.core.waiting.events import StatusChange
from di_async.core.waiting.evidence import CREATE_GRACE_S, Pending
from di_async.core.waiting.observation import Action, Expectation
from di_async.core.waiting.poll_policy import PollPolicy
from di_async.core.waiting.resource_adapter import CallRecord, ResourceAdapter
from di_async.core.waiting.resume_token import ResourceRef, ResumeToken, unpack_expectation
from di_async.engine.budget_loops import begin_use, end_use
from di_async.engine.client_options import NetworkOptions, full_user_agent
from di_async.engine.clock import Clock
from di_async.engine.concurrency import for_each
from di_async.engine.endpoints.connecting import Connector
from di_async.engine.endpoints.serving import OpenTransport, Probe, ServingEndpoint, endpoint_of
from di_async.engine.hooks import EventCallback, Guarded, checked_callback
from di_async.engine.observed_session import ObservedSession
from di_async.engine.observer import (
    BudgetView,
    ObservedClient,
    ObservedWait,
    Observer,
    checked_observer,
)
from di_async.engine.session import Session
from di_async.engine.transport import AiohttpTransport, TransportOptions
from di_async.engine.waiting.account_watch import AccountWatch
from di_async.engine.waiting.change import Change
from di_async.engine.waiting.history import Listener
from di_async.engine.waiting.new_resources import NewResources
from di_async.engine.waiting.poller import Poller
from di_async.engine.waiting.tracker import ChangeTracker
from di_async.engine.waiting.wait_span import BeginSpan, no_span

__all__ = ["Engine"]

R = TypeVar("R")
T = TypeVar("T")


class _Runtime(Struct, frozen=True):
    """What exists between entering and leaving, on one loop."""

    loop: asyncio.AbstractEventLoop
    clock: Clock
    session: Session
    poller: Poller
    observed: ObservedClient | None


@define(kw_only=True, eq=False, repr=False)
class Engine:
    """The parts of one client; the provider's own methods work through this."""

    transport: Transport
    dialect: ApiDialect
    retry: RetryPolicy
    polling: PollPolicy
    budget: RequestBudget | None
    on_event: Guarded | None = None
    telemetry: Observer | None = None
    before_close: set[Callable[[], Coroutine[Any, Any, None]]] = field(factory=set, init=False)
    """Called and awaited before the client is closed, as they still need it. They do not raise."""
    _runtime: _Runtime | None = field(default=None, init=False)
    _closed: bool = field(default=False, init=False)
    _new: NewResources = field(factory=NewResources, init=False)
    _connector: Connector = field(
        default=Factory(lambda self: Connector(self.endpoint), takes_self=True), init=False
    )

    @classmethod
    def make(
        cls,
        base_url: str,
        dialect: ApiDialect,
        *,
        retry: RetryPolicy | None = None,
        polling: PollPolicy | None = None,
        budget: RequestBudget | None = None,
        user_agent: str | None = None,
        transport: Transport | None = None,
        allow_insecure: bool = False,
        on_event: EventCallback | None = None,
        telemetry: Observer | None = None,
        **network: Unpack[NetworkOptions],
    ) -> "Engine":
        """Return the engine of a client with these `ClientOptions`.

        Raises:
            InvalidInputError: (a `ValueError`) settings that exclude each other.
        """
        if budget is not None and not isinstance(budget, RequestBudget):
            raise InvalidInputError("budget: expected a RequestBudget, or None for no pacing")
        if retry is not None and not isinstance(retry, RetryPolicy):
            raise InvalidInputError("retry: expected a RetryPolicy")
        if polling is not None and not isinstance(polling, PollPolicy):
            raise InvalidInputError("polling: expected a PollPolicy")
        options = TransportOptions(
            base_url=base_url, user_agent=full_user_agent(user_agent), **network
        )
        return cls(
            transport=transport or AiohttpTransport(options),
            dialect=dialect,
            retry=retry or RetryPolicy(),
            polling=polling or PollPolicy(),
            budget=budget,
            on_event=checked_callback("on_event", on_event),
            telemetry=checked_observer(telemetry),
        )

    async def open(self, provider: str = "") -> None:
        """Bind to the running loop; `provider` is the name that the observer gets.

        Where this fails, the client stays closed.

        Raises:
            ClientClosedError: it was entered before, or no asyncio loop runs.
            InvalidInputError: the budget is used on another loop, the session belongs to another
                loop, or a proxy is not supported.
        """
        if self._runtime is not None or self._closed:
            raise ClientClosedError("A client is entered once; create a new one.")
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise ClientClosedError(
                "di_async runs on asyncio (or uvloop) only, and no asyncio loop is running here; "
                "trio is not supported."
            ) from None
        if self.budget is not None:
            begin_use(self.budget, loop)
        clock = Clock(loop)
        parts = (self.transport, self.dialect, self.retry, self.budget, clock)
        observed = None
        if self.telemetry is None:
            session = Session(*parts)
        else:
            observed = ObservedClient(provider, self.telemetry)
            session = ObservedSession(*parts, report=observed.requests_sent)
        poller = Poller(self.polling, self.budget, clock, contextvars.copy_context())
        self._runtime = _Runtime(loop, clock, session, poller, observed)
        try:
            await self.transport.open()
        except BaseException:
            self._closed = True
            self._end_use(loop)
            raise
        if observed is not None:
            observed.opened(None if self.budget is None else BudgetView(self.budget, clock))

    async def close(self) -> None:
        """End everything that is open. Closing twice does nothing."""
        try:
            if self._runtime is not None and not self._closed:
                self.running  # noqa: B018 - raise on another loop
                done: set[Callable[[], Coroutine[Any, Any, None]]] = set()
                while new := self.before_close - done:
                    await for_each(new, lambda end: end())
                    done |= new
        finally:
            await self._close()

    async def _close(self) -> None:
        if self._closed:
            return
        runtime = self._runtime and self.running
        self._closed = True
        self._connector.close()
        if runtime is not None:
            try:
                await runtime.poller.close()
            finally:  # also if this is cancelled
                try:
                    await runtime.session.close()
                finally:
                    self._end_use(runtime.loop)
                    if runtime.observed is not None:
                        runtime.observed.closed()

    def _end_use(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.budget is not None:
            end_use(self.budget, loop)

    @property
    def running(self) -> _Runtime:
        """The runtime, if the caller is on its loop.

        Raises:
            ClientClosedError: closed, not entered, or another loop or thread.
        """
        if self._closed:
            raise ClientClosedError("The client is closed; create a new one.")
        if self._runtime is None:
            raise ClientClosedError(
                "Enter the client first: `async with ... as client`, or `with` for a "
                "di_async.blocking client."
            )
        try:
            loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        if loop is not self._runtime.loop:
            raise ClientClosedError(
                "This client belongs to the event loop (and thread) that entered it; "
                "create one client for each loop."
            )
        return self._runtime

    @property
    def clock(self) -> Clock:
        """Loop time and wall-clock time; also of a closed client, whose answers still count."""
        return (self._runtime or self.running).clock

    def call_window(self, request: Request, began: Moment) -> CallWindow:
        """Return when a call that sent this request began, by the server's clock."""
        return (self._runtime or self.running).session.call_window(request, began)

    def attempt_window(self, request: Request, began: float) -> CallWindow:
        """Return when an earlier call, at this epoch second, began by the server's clock."""
        return (self._runtime or self.running).session.attempt_window(request, began)

    # -- requests -----------------------------------------------------------------------------

    async def json(
        self,
        request: Request,
        read: Callable[[Any], T],
        call: CallRecord | None = None,
        decode: Callable[[bytes], Any] | None = None,
    ) -> T:
        """Return what `read` returns for the answer to a request.

        `read` and `decode` are those of `read_success`; where they fail, the attempt has failed.
        """
        session = self.running.session

        def answer(response: Response) -> T:
            now = session.server_time
            return read_success(self.dialect, request, response, now, read, decode=decode)

        result: T = await session.send(request, call, answer)
        return result

    async def json_once(
        self,
        request: Request,
        read: Callable[[Any], T],
        priority: Priority,
        call: CallRecord,
        decode: Callable[[bytes], Any] | None = None,
    ) -> T:
        """Return what `read` returns for one attempt; polling tries again in its own time."""
        session = self.running.session
        response = await session.send_once(request, priority, call)
        now = session.server_time
        return read_success(self.dialect, request, response, now, read, decode=decode)

    # -- endpoints ----------------------------------------------------------------------------

    def open_endpoint(self, base_url: str, tls: ssl_module.SSLContext | None) -> Transport:
        """Return a transport to an inference endpoint; None: the client's own TLS setting."""
        opener: OpenTransport | None = getattr(self.transport, "endpoint", None)
        if opener is None:
            raise InvalidInputError("the client's transport= cannot reach inference endpoints")
        return opener(base_url, tls)

    def endpoint(
        self, id: str, target: ServingTarget, client_url: str, probe: Probe
    ) -> ServingEndpoint:
        """Return the endpoint of a deployment; no request is sent."""
        return endpoint_of(
            id,
            target,
            self.open_endpoint,
            tls=getattr(self.transport, "tls", None),
            client_url=client_url,
            probe=probe,
            proxy=getattr(self.transport, "proxy", None),
        )

    # -- waits --------------------------------------------------------------------------------

    def change(
        self,
        adapter: ResourceAdapter[R],
        id: str,
        expectation: Expectation,
        *,
        operations: Sequence[ResourceRef] = (),
        predicate: Callable[[R], object] | None = None,
        initial: Any = None,
        access_token: Any = None,
        adopted: bool = False,
        already_gone: bool = False,
        settled_by: str | None = None,
        deletes: bool = False,
        place: tuple[str, str] | None = None,
        name: str | None = None,
        longest_grace: float = math.inf,
        write: Request | None = None,
        previous_spec: Any = None,
    ) -> Change[Any]:
        """Return a handle on a write that was accepted just now, or on a wait that begins now.

        `operations` must finish, in this order, before the resource is judged. `place` (region
        and accelerator) and `name` are for writes whose answer does not show them. With `deletes`
        it is a delete of this client, and its proof ends the other waits of the resource.
        `longest_grace` bounds, in seconds, how long a 404 proves nothing because the resource is
        new. `write` is the request that was accepted, and `previous_spec` what the resource had
        before: their secrets are masked in the reasons of failures, and those of `write` in logs.
        """
        if expectation.action is not Action.CREATE:
            grace_until = min(
                self.creation_grace(adapter, id), expectation.accepted_at + longest_grace
            )
            latest = max(grace_until, expectation.grace_until)
            expectation = evolve(expectation, grace_until=latest)
        tracker = ChangeTracker(
            adapter,
            id,
            expectation,
            self.clock,
            initial=initial,
            predicate=predicate,
            operations=operations,
            settled_by=settled_by,
            place=place,
            name=name,
            listeners=self._listeners,
            secrets=partial(_known_secrets, write, previous_spec),
        )
        self._new.add(tracker, adopted=adopted)
        if deletes:
            self._record_delete(tracker)
        return Change(
            tracker,
            self._poller,
            connector=self._connector,
            begin_span=self._begin_span,
            access_token=access_token,
            adopted=adopted,
            already_gone=already_gone,
            previous_spec=previous_spec,
            redact=self._redact(write),
        )

    def creation_grace(self, adapter: ResourceAdapter[Any], id: str) -> float:
        """Return the loop time until which a 404 proves nothing about a resource made just now."""
        return self._new.grace_until(adapter, id, self.clock.now())

    def _record_delete(self, deleting: ChangeTracker[Any]) -> None:
        """Report a delete to all waits of the resource: now, and once it is proven."""

        def record() -> None:
            poller = None if self._runtime is None else self._runtime.poller
            adapter, id = deleting.adapter, deleting.target.id
            watchers = () if poller is None else poller.watchers(adapter, id)
            self._new.record_delete(deleting, watchers)
            self._connector.record_delete(deleting)

        def on_step(_: StatusChange) -> None:
            if not isinstance(deleting.decision, Pending):
                record()

        record()
        deleting.history.add_listener(on_step)

    def watch(self, adapter: ResourceAdapter[Any], region: str | None) -> AccountWatch:
        """Return a stream of what happens to all resources, or to those of a region."""
        self.running  # noqa: B018 - raise here, not at the first event
        return AccountWatch(adapter, region, self._poller)

    def resume(self, adapter: ResourceAdapter[R], text: str) -> Change[Any]:
        """Return the change of a resume token, if it belongs to this client's API."""
        token, clock = ResumeToken.decode(text), self.clock
        of_token = (token.provider, token.base_url, token.scope, token.resource.kind)
        if of_token != (adapter.provider, adapter.base_url, adapter.scope, adapter.kind):
            raise InvalidInputError(
                f"this resume token is for a {_whose(token.resource.kind, token)}, "
                f"not for a {_whose(adapter.kind, adapter)}"
            )
        if token.action == Action.PREDICATE:
            raise InvalidInputError("A wait for a predicate cannot be resumed; start a new one.")
        checked_id(token.resource.id)
        for operation in token.operations:
            checked_id(operation.id)
            if operation.kind not in adapter.capabilities.operations:
                raise InvalidInputError(
                    f"a wait for a {adapter.noun} has no operation of kind {operation.kind[:40]!r}"
                )
        now = clock.now()
        expectation = unpack_expectation(token, accepted_at=now)
        if expectation.sent is not None and not adapter.reads_sent(expectation.sent):
            raise InvalidInputError("this resume token is damaged; copy it again")
        if token.grace_until is not None:
            # The other process's clock may differ.
            grace_until = clock.loop_at(token.grace_until) + CLOCK_SKEW_S
            expectation = evolve(expectation, grace_until=min(grace_until, now + CREATE_GRACE_S))
        tracker = ChangeTracker(
            adapter,
            token.resource.id,
            expectation,
            clock,
            started_at=min(clock.loop_at(token.started_at), now),
            operations=token.operations,
            listeners=self._listeners,
        )
        if now < tracker.started_at + CREATE_GRACE_S:
            self._new.add(tracker)
        until = math.inf if token.endless else token.deadline_at
        if token.deadline_at is not None:
            # This machine's clock may be behind: no wait is longer than the whole change had.
            longest = token.deadline_at - token.started_at
            until = min(token.deadline_at, clock.wall() + longest) if longest > 0 else None
        return Change(
            tracker,
            self._poller,
            connector=self._connector,
            begin_span=self._begin_span,
            resumed_until=until,
            redact=self._redact(None),
        )

    def _redact(self, write: Request | None) -> Callable[[str], str]:
        return partial(self.dialect.redact, write or Request("GET", "/"))

    @property
    def _begin_span(self) -> BeginSpan:
        runtime = self._runtime
        if runtime is None or runtime.observed is None:
            return no_span
        return partial(ObservedWait, runtime.observed, runtime.session.time_at)

    @property
    def _listeners(self) -> tuple[Listener, ...]:
        return () if self.on_event is None else (self.on_event,)

    def _poller(self) -> Poller:
        return self.running.poller


def _known_secrets(write: Request | None, previous_spec: Any) -> set[str]:
    """Return the secrets of a write and of the spec before it, which a failure may quote."""
    return (set() if write is None else sent_secrets(write)) | secret_texts(previous_spec)


def _whose(kind: str, owner: "ResumeToken | ResourceAdapter[Any]") -> str:
    scope = f" ({owner.scope})" if owner.scope else ""
    return f"{kind} of {owner.provider}{scope} at {owner.base_url}"
