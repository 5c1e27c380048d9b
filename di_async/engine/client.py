"""What every provider's client is: entered once, bound to one loop, owner of all that runs.

No cancel scope stays open between entering and leaving, so the two may happen in different tasks
(pytest fixtures, start-up and shut-down hooks of web frameworks).
"""

import asyncio
import contextvars
import math
import ssl as ssl_module
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypedDict, TypeVar, Unpack

import aiohttp
from attrs import define, evolve, field, frozen

from di_async.core.errors import ClientClosedError, InvalidInputError
from di_async.core.http import Priority, Request, Response, checked_id, json_bytes, query
from di_async.core.protocols import ApiDialect, Transport
from di_async.core.rate_limit import RequestBudget
from di_async.core.responses import any_body, read_success
from di_async.core.retry import RetryPolicy
from di_async.core.server_clock import CLOCK_SKEW_S, CallWindow, Moment
from di_async.core.serving import ServingTarget
from di_async.core.version import __version__
from di_async.core.waiting.events import StatusChange
from di_async.core.waiting.evidence import CREATE_GRACE_S, Pending
from di_async.core.waiting.observation import Action, Expectation
from di_async.core.waiting.poll_policy import PollPolicy
from di_async.core.waiting.resource_adapter import CallRecord, ResourceAdapter
from di_async.core.waiting.resume_token import ResourceRef, ResumeToken, unpack_expectation
from di_async.engine.clock import Clock
from di_async.engine.cut_off import report_if_cut_off
from di_async.engine.environment import log_base_url
from di_async.engine.frames import clears_constructor, clears_frames
from di_async.engine.hooks import EventCallback, Guarded, checked_callback
from di_async.engine.observed_session import ObservedSession
from di_async.engine.observer import (
    BudgetView,
    Observe,
    ObservedClient,
    ObservedWait,
    Observer,
    checked_observer,
    not_observed,
)
from di_async.engine.serving import OpenTransport, Probe, ServingEndpoint, endpoint_of
from di_async.engine.session import Session
from di_async.engine.transport import AiohttpTransport, TransportOptions
from di_async.engine.waiting.account_watch import AccountWatch
from di_async.engine.waiting.change import Change
from di_async.engine.waiting.new_resources import NewResources
from di_async.engine.waiting.poller import Poller
from di_async.engine.waiting.stats import Stats
from di_async.engine.waiting.tracker import ChangeTracker, Listener

if TYPE_CHECKING:
    from di_async.engine.deployable import Deployable

__all__ = ["Client", "ClientOptions", "Engine", "full_user_agent"]

R = TypeVar("R")
T = TypeVar("T")


def full_user_agent(own: str | None) -> str:
    """Return the User-Agent to send; a caller's own comes first."""
    if own is not None and not (isinstance(own, str) and own.isascii() and own.isprintable()):
        raise InvalidInputError("user_agent: expected printable ASCII text")
    ours = f"di_async/{__version__}"
    return f"{own} {ours}" if own else ours


@frozen
class _Runtime:
    """What exists between entering and leaving, on one loop."""

    loop: asyncio.AbstractEventLoop
    clock: Clock
    session: Session
    poller: Poller
    observed: ObservedClient | None


class NetworkOptions(TypedDict, total=False):
    """How a client reaches the network; all are optional."""

    request_timeout: float
    """Seconds for one request; default 30."""
    max_connections: int
    """At most this many at a time; default 100."""
    proxy: str | None
    """Its URL; default: the environment's, read once when the client is entered."""
    ssl: ssl_module.SSLContext | bool | None
    """A TLS context."""
    session: aiohttp.ClientSession | None
    """An aiohttp session of yours; it is not closed, and uses its own TLS and tracing."""
    trace_configs: Sequence[aiohttp.TraceConfig]
    """aiohttp trace configs for the client's own session."""


class ClientOptions(NetworkOptions, total=False):
    """What every provider's client takes besides its credentials; all are optional."""

    retry: RetryPolicy | None
    """How often one call is sent."""
    allow_insecure: bool
    """Allow http to any machine, as DI_ASYNC_ALLOW_HTTP=1 does: for networks that you trust."""
    polling: PollPolicy | None
    """How closely waits are followed."""
    budget: RequestBudget | None
    """The request quota; give several clients of one account the same object. None: no pacing."""
    user_agent: str | None
    """Sent before the package's own."""
    transport: Transport | None
    """A test double for the network."""
    on_event: EventCallback | None
    """A plain function, called with each `StatusChange` of each wait."""
    telemetry: Observer | None
    """A `di_async.telemetry.Telemetry`: spans and metrics; needs the extra `otel`."""


@define(kw_only=True)
class Engine:
    """The parts of one client; the provider's own methods work through this."""

    transport: Transport
    dialect: ApiDialect
    retry: RetryPolicy
    polling: PollPolicy
    budget: RequestBudget | None
    on_event: Guarded | None = None
    telemetry: Observer | None = None
    _runtime: _Runtime | None = field(default=None, init=False)
    _closed: bool = field(default=False, init=False)
    _new: NewResources = field(factory=NewResources, init=False)

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
        """Bind to the running loop; `provider` is the name that the observer gets."""
        if self._runtime is not None or self._closed:
            raise ClientClosedError("A client is entered once; create a new one.")
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise ClientClosedError(
                "di_async runs on asyncio (or uvloop) only, and no asyncio loop is running here; "
                "trio is not supported."
            ) from None
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
        await self.transport.open()
        if observed is not None:
            observed.opened(None if self.budget is None else BudgetView(self.budget, clock))

    async def close(self) -> None:
        """End everything that is open. Closing twice does nothing."""
        if self._closed:
            return
        runtime = self._runtime and self.running
        self._closed = True
        if runtime is not None:
            try:
                await runtime.poller.close()
                await runtime.session.close()
            finally:
                if runtime.observed is not None:
                    runtime.observed.closed()

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
                "Enter the client first: `async with ... as client`, or `with` if it is of "
                "di_async.blocking."
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
        answer = partial(self._answer, request, read, decode)
        result: T = await self.running.session.send(request, call, answer)
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
        response = await self.running.session.send_once(request, priority, call)
        return self._answer(request, read, decode, response)

    def _answer(
        self,
        request: Request,
        read: Callable[[Any], T],
        decode: Callable[[bytes], Any] | None,
        response: Response,
    ) -> T:
        # Not `running`: an answer that arrives as the client closes still counts.
        wall = (self._runtime or self.running).session.server_time(request)
        return read_success(self.dialect, request, response, wall, read, decode=decode)

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
        tls = getattr(self.transport, "tls", None)
        return endpoint_of(
            id, target, self.open_endpoint, tls=tls, client_url=client_url, probe=probe
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
        longest_grace: float = math.inf,
        write: Request | None = None,
        previous_spec: Any = None,
    ) -> Change[Any]:
        """Return a handle on a write that was accepted just now, or on a wait that begins now.

        `operations` must finish, in this order, before the resource is judged. `place` is region
        and accelerator, where the answer to the write does not show them. With `deletes` it is a
        delete of this client, and its proof ends the other waits of the resource. `longest_grace`
        bounds, in seconds, how long a 404 proves nothing because the resource is new. `write` is
        the request that was accepted, whose secrets are masked in logs; `previous_spec` what the
        resource had before.
        """
        if expectation.action is not Action.CREATE:
            grace_until = min(
                self.creation_grace(adapter, id), expectation.accepted_at + longest_grace
            )
            expectation = evolve(expectation, grace_until=grace_until)
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
            listeners=self._listeners,
        )
        self._new.add(tracker, adopted=adopted)
        if deletes:
            self._record_delete(tracker)
        return Change(
            tracker,
            self._poller,
            endpoint=self.endpoint,
            observe=self._observe,
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

        def on_step(_: StatusChange) -> None:
            if not isinstance(deleting.decision, Pending):
                record()

        record()
        deleting.add_listener(on_step)

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
        return Change(
            tracker,
            self._poller,
            endpoint=self.endpoint,
            observe=self._observe,
            resumed_until=until,
            redact=self._redact(None),
        )

    def _redact(self, write: Request | None) -> Callable[[str], str]:
        return partial(self.dialect.redact, write or Request("GET", "/"))

    @property
    def _observe(self) -> Observe:
        runtime = self._runtime
        if runtime is None or runtime.observed is None:
            return not_observed
        return partial(ObservedWait, runtime.observed, runtime.session.time_at)

    @property
    def _listeners(self) -> tuple[Listener, ...]:
        return () if self.on_event is None else (self.on_event,)

    def _poller(self) -> Poller:
        return self.running.poller


class Client:
    """The part of a client that is the same for every provider."""

    provider: str = ""
    base_url: str = ""
    _url_variable: str | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):  # its arguments are credentials
            constructor: Any = clears_constructor(cls.__init__)
            cls.__init__ = constructor  # type: ignore[method-assign]

    def __init__(self, base_url: str, engine: Engine, *, variable: str | None = None) -> None:
        self.base_url = base_url
        """The URL that requests are sent to."""
        self._url_variable = variable
        """The environment variable that the base URL came from."""
        self._engine = engine
        log_base_url(type(self).__name__, base_url, variable)

    def __repr__(self) -> str:
        source = f" (from {self._url_variable})" if self._url_variable else ""
        return f"<{type(self).__name__} {self.base_url}{source}>"

    def __enter__(self) -> NoReturn:
        raise TypeError(f"use `async with {type(self).__name__}(...)`, not `with`")

    def __exit__(self, *error: object) -> None:
        """Do nothing: `__enter__` raises. Python looks this up first."""

    async def __aenter__(self) -> Self:
        """Bind the client to the running loop.

        Raises:
            ClientClosedError: it was entered before, or no asyncio loop runs; create a new one.
        """
        await self._engine.open(self.provider)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End every open wait and call with `ClientClosedError`, and close the network.

        Accepted changes continue at the provider, and bill. Closing twice does nothing.
        """
        await self._engine.close()

    def require_open(self) -> None:
        """Check that requests can be sent: entered, not closed, and on the loop that entered it.

        Raises:
            ClientClosedError: they cannot. `scan`, `reap` and `apply` raise it before they begin.
        """
        self._engine.running  # noqa: B018 - it raises

    async def deployables(self) -> "Sequence[Deployable[Any]]":
        """Return the deployments that `reap` searches. Exoscale's zones are read."""
        return ()

    def deployable(self, region: str | None = None) -> "Deployable[Any]":
        """Return the deployments that `apply` works on; Exoscale: those of a zone. No I/O.

        Raises:
            InvalidInputError: the client has none.
        """
        raise InvalidInputError(f"{type(self).__name__} has no deployments to work on")

    def stats(self) -> Stats:
        """Return what its waits cost and how they are paced now. No I/O."""
        runtime = self._engine.running
        minute, hour = runtime.session.used() or (None, None)
        refused = runtime.session.refused
        return evolve(runtime.poller.stats(), minute=minute, hour=hour, refused=refused)

    @clears_frames
    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
    ) -> Any:
        """Return the decoded JSON answer of any other endpoint; None where it has no body.

        Authentication, budget, retries and errors are those of every call. A POST or PATCH is
        sent again only if the provider cannot have processed it.

        Raises:
            APIError: the API refused the request.
            TransportError: there is no response.
            DecodeError: the answer is not JSON.
        """
        if not (isinstance(method, str) and method.isascii() and method.isalpha()):
            raise InvalidInputError("method: expected a word such as GET or POST")
        if not (isinstance(path, str) and path.isascii() and path.isprintable()) or " " in path:
            raise InvalidInputError("path: expected printable ASCII text; percent-encode the rest")
        if not path.startswith("/") or path.startswith("//") or "?" in path or "#" in path:
            raise InvalidInputError("path: expected one leading '/' and no query; use params=")
        request = Request(method.upper(), path, query(params or {}), json_bytes(json))
        call = CallRecord()
        if request.method in ("GET", "HEAD"):
            return await self._engine.json(request, any_body, call)

        def story() -> str:
            return f"the {request.method} {path} was cut off; it may have been carried out"

        with report_if_cut_off(call, story):
            return await self._engine.json(request, any_body, call)


def _whose(kind: str, owner: "ResumeToken | ResourceAdapter[Any]") -> str:
    scope = f" ({owner.scope})" if owner.scope else ""
    return f"{kind} of {owner.provider}{scope} at {owner.base_url}"
