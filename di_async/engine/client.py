"""What every provider's client is: entered once, bound to one loop, owner of all that runs.

No cancel scope stays open between entering and leaving, so the two may happen in different tasks
(pytest fixtures, start-up and shut-down hooks of web frameworks).
"""

import asyncio
import contextvars
import math
import os
import ssl as ssl_module
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self, TypedDict, TypeVar, Unpack

import aiohttp
from msgspec import Struct
from msgspec.structs import replace

from di_async.core.codec import loads
from di_async.core.errors import ClientClosedError, DecodeError, InvalidInputError
from di_async.core.http import Priority, Request, Response, json_bytes, query
from di_async.core.pagination import Page, RawPage
from di_async.core.protocols import ApiDialect, CallRecord, Source, Transport
from di_async.core.rate_limit import RequestBudget
from di_async.core.retry import RetryPolicy
from di_async.core.secret import Secret
from di_async.core.waiting.evidence import Action, Expectation
from di_async.core.waiting.poll_policy import PollPolicy
from di_async.core.waiting.resume_token import ResourceRef, ResumeToken, unpack_expectation
from di_async.engine.clock import Clock
from di_async.engine.session import Session
from di_async.engine.transport import AiohttpTransport, TransportOptions
from di_async.engine.waiting.account_watch import AccountWatch, Sweep
from di_async.engine.waiting.change import Change
from di_async.engine.waiting.poller import Poller
from di_async.engine.waiting.stats import Stats
from di_async.engine.waiting.tracker import ChangeTracker

__all__ = ["Client", "ClientOptions", "Engine", "credential", "full_user_agent"]

R = TypeVar("R")
# A constant: asking the installed package's metadata costs as much as a tenth of all imports.
VERSION = "0.1.0"


def full_user_agent(own: str | None) -> str:
    """The User-Agent to send; a caller's own comes first."""
    ours = f"di_async/{VERSION}"
    return f"{own} {ours}" if own else ours


def credential(given: str | Secret | None, what: str, *variables: str) -> Secret:
    """A secret given, or found in one of these environment variables.

    Raises:
        InvalidInputError: (a `ValueError`) it is nowhere, or cannot stand in a header.
    """
    if isinstance(given, Secret):
        given = given.reveal()
    found = given if given is not None else next(filter(None, map(os.environ.get, variables)), "")
    value = found.strip().strip("'")
    if not value:
        raise InvalidInputError(f"no {what}: give it, or set {' or '.join(variables)}")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise InvalidInputError(f"the {what} holds characters that no token has")
    return Secret(value)


class Runtime(Struct, frozen=True):
    """What exists between entering and leaving, on one loop."""

    loop: asyncio.AbstractEventLoop
    clock: Clock
    session: Session
    poller: Poller


class NetworkOptions(TypedDict, total=False):
    """How a client reaches the network; all may be left out."""

    request_timeout: float
    """Seconds for one request; default 30."""
    max_connections: int
    """At most this many at a time; default 100."""
    proxy: str | None
    """Its URL; not given, the environment's (looked up once, on entering)."""
    ssl: ssl_module.SSLContext | bool | None
    """A TLS context."""
    session: aiohttp.ClientSession | None
    """An aiohttp session of yours; it stays open, and brings its own TLS and tracing."""
    trace_configs: Sequence[aiohttp.TraceConfig]
    """aiohttp trace configs for the client's own session."""


class ClientOptions(NetworkOptions, total=False):
    """What every provider's client takes besides its credentials; all may be left out."""

    retry: RetryPolicy | None
    """How often one call is sent."""
    polling: PollPolicy | None
    """How closely waits are followed."""
    budget: RequestBudget | None
    """The request quota; give several clients of one account the same object. None: no pacing."""
    user_agent: str | None
    """Comes before ours."""
    transport: Transport | None
    """A stand-in for the network, for tests."""


class Engine(Struct, kw_only=True):
    """One client's moving parts; the provider's own methods work through this."""

    transport: Transport
    dialect: ApiDialect
    retry: RetryPolicy
    polling: PollPolicy
    budget: RequestBudget | None
    _runtime: Runtime | None = None
    _closed: bool = False

    @classmethod
    def make(
        cls,
        base_url: str,
        conventions: ApiDialect,
        *,
        retry: RetryPolicy | None = None,
        polling: PollPolicy | None = None,
        budget: RequestBudget | None = None,
        user_agent: str | None = None,
        transport: Transport | None = None,
        **network: Unpack[NetworkOptions],
    ) -> "Engine":
        """The engine of a client with these `ClientOptions`.

        Raises:
            InvalidInputError: (a `ValueError`) settings that exclude each other.
        """
        if budget is not None and not isinstance(budget, RequestBudget):
            raise InvalidInputError("budget is a RequestBudget, or None for no pacing")
        options = TransportOptions(
            base_url=base_url, user_agent=full_user_agent(user_agent), **network
        )
        return cls(
            transport=transport or AiohttpTransport(options),
            dialect=conventions,
            retry=retry or RetryPolicy(),
            polling=polling or PollPolicy(),
            budget=budget,
        )

    async def open(self) -> None:
        """Bind to the running loop."""
        if self._runtime is not None or self._closed:
            raise RuntimeError("a client is entered once: make a new one for each `async with`")
        loop = asyncio.get_running_loop()
        clock = Clock(loop)
        session = Session(self.transport, self.dialect, self.retry, self.budget, clock)
        poller = Poller(self.polling, self.budget, clock, contextvars.copy_context())
        self._runtime = Runtime(loop, clock, session, poller)
        await self.transport.open()

    async def close(self) -> None:
        """End all that is open; twice does nothing."""
        if self._closed:
            return
        runtime = self._runtime and self.running
        self._closed = True
        if runtime is not None:
            await runtime.poller.close()
            await runtime.session.close()

    @property
    def running(self) -> Runtime:
        """The runtime, if the caller is where it belongs.

        Raises:
            RuntimeError: not entered, or another loop or thread. ClientClosedError: closed.
        """
        if self._closed:
            raise ClientClosedError("this client is closed: enter a new one with `async with`")
        if self._runtime is None:
            raise RuntimeError("enter the client first: `async with ... as client`")
        try:
            loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        if loop is not self._runtime.loop:
            raise RuntimeError(
                "this client belongs to the event loop (and thread) that entered it: "
                "make one client for each loop"
            )
        return self._runtime

    @property
    def clock(self) -> Clock:
        """Loop time and wall time."""
        return self.running.clock

    async def json(
        self,
        request: Request,
        call: CallRecord | None = None,
        read: Callable[[bytes], Any] | None = None,
    ) -> Any:
        """The decoded answer to a request; None where there is no body.

        `read` makes of a body something else than the value in its JSON.
        """
        response = await self.running.session.call(request, call)
        return _decoded(request, response, read)

    async def json_once(self, request: Request, priority: Priority, call: CallRecord) -> Any:
        """The same in a single attempt: a poller asks again in its own time."""
        return _decoded(request, await self.running.session.once(request, priority, call))

    async def raw_page(
        self, request: Request, priority: Priority, call: CallRecord, read: Callable[[bytes], Page]
    ) -> RawPage:
        """A list page in a single attempt, to be read when somebody wants it."""
        response = await self.running.session.once(request, priority, call)
        return RawPage(response.body, partial(_decoded, request, response, read))

    def change(
        self,
        source: Source[R],
        id: str,
        expectation: Expectation,
        *,
        steps: Sequence[ResourceRef] = (),
        predicate: Callable[[R], object] | None = None,
        initial: Any = None,
        access_token: Any = None,
        adopted: bool = False,
        already_gone: bool = False,
        settled_by: str | None = None,
        shown_at_once: bool | None = None,
    ) -> Change[Any]:
        """A handle on a write that was accepted just now, or on a wait that begins now.

        `steps` have to end, in their order, before the resource is judged.
        """
        tracker = ChangeTracker(
            source, id, expectation, self.clock, predicate=predicate, steps=steps
        )
        return Change(
            tracker,
            self._poller,
            initial=initial,
            access_token=access_token,
            adopted=adopted,
            already_gone=already_gone,
            settled_by=settled_by,
            shown_at_once=shown_at_once,
        )

    def watch(self, source: Source[Any], sweep: Sweep) -> AccountWatch:
        """A stream of what happens to all that these sweeps show."""
        self.running  # noqa: B018 - told here, not at the first event
        return AccountWatch(source, sweep, self.polling, self.budget, lambda: self.clock)

    def resumed(self, source: Source[R], text: str) -> Change[Any]:
        """The change that a token tells of, if it belongs to this client's API."""
        token, clock = ResumeToken.decode(text), self.clock
        told = (token.provider, token.base_url, token.scope, token.resource.kind)
        if told != (source.provider, source.base_url, source.scope, source.kind):
            raise InvalidInputError(
                f"this resume token is for a {_whose(token.resource.kind, token)}, "
                f"not for a {_whose(source.kind, source)}"
            )
        if token.action == Action.PREDICATE:
            raise InvalidInputError(
                "a wait for a predicate cannot be resumed: no token holds the predicate"
            )
        started_at = min(clock.loop_at(token.started_at), clock.now())
        expectation = unpack_expectation(token, accepted_at=clock.now())
        tracker = ChangeTracker(
            source, token.resource.id, expectation, clock, started_at=started_at, steps=token.steps
        )
        until = math.inf if token.endless else token.deadline_at
        return Change(tracker, self._poller, resumed_until=until)

    def _poller(self) -> Poller:
        return self.running.poller


class Client:
    """The part of a client that is the same for every provider."""

    def __init__(self, base_url: str, engine: Engine) -> None:
        self.base_url = base_url
        self._engine = engine

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.base_url}>"

    async def __aenter__(self) -> Self:
        """Bind the client to the running loop.

        Raises:
            RuntimeError: it was entered before; make a new one.
        """
        await self._engine.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End every open wait and call with `ClientClosedError` and let go of the network.

        What the provider has accepted goes on there, and bills. Closing twice does nothing.
        """
        await self._engine.close()

    def stats(self) -> Stats:
        """What its waits cost and how they are paced, now. No I/O."""
        runtime = self._engine.running
        used, refused = runtime.session.told()
        minute, hour = used or (None, None)
        return replace(runtime.poller.stats(), minute=minute, hour=hour, refused=refused)

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
    ) -> Any:
        """The decoded JSON answer of any other endpoint (None where there is no body).

        The same authentication, budget, retries and errors as everywhere; a POST or PATCH is
        never repeated unless it surely was not processed.

        Raises:
            APIError, TransportError, DecodeError: see `core.errors`.
        """
        if not path.startswith("/") or path.startswith("//") or "?" in path or "#" in path:
            raise InvalidInputError("path starts with one '/' and holds no query: use params=")
        return await self._engine.json(
            Request(method.upper(), path, query(params or {}), json_bytes(json))
        )


def _decoded(
    request: Request, response: Response, read: Callable[[bytes], Any] | None = None
) -> Any:
    if read is None and not response.body.strip():
        return None
    try:
        return (read or loads)(response.body)
    except DecodeError as error:
        error.method, error.path, error.status = request.method, request.path, response.status
        error.request_id = response.headers.get("x-request-id")
        raise


def _whose(kind: str, told: "ResumeToken | Source[Any]") -> str:
    """A kind of resource, and where it is."""
    scope = f" ({told.scope})" if told.scope else ""
    return f"{kind} of {told.provider}{scope} at {told.base_url}"
