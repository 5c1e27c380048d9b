"""Send requests with aiohttp. The only module that drives its client and knows its errors.

aiohttp repeats GET, PUT and DELETE by itself when a reused connection turns out to be closed. A
middleware sees each of these sends, so that they are counted and paced.
"""

import asyncio
import ssl as ssl_module
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import aiohttp
from attrs import evolve, field, frozen
from msgspec import Struct
from yarl import URL

from di_async.core.errors import (
    ClientClosedError,
    ConnectError,
    DecodeError,
    DIError,
    InvalidInputError,
    RequestTimeoutError,
    TransportError,
)
from di_async.core.http import Request, Response
from di_async.core.seconds import checked_seconds
from di_async.core.secret import Secret, reveal
from di_async.engine.environment import is_loopback
from di_async.engine.log import Log
from di_async.engine.proxy import NO_PROXY, environment_proxy, parse_proxy

__all__ = ["AiohttpTransport", "TransportOptions"]

logger = Log("di_async.transport")

MAX_BODY = 64 * 1024 * 1024
MAX_HEADER, MAX_HEADERS = 64 * 1024, 1000
# Polls are up to 60 s apart and must not cost a TLS handshake each.
_KEEP_ALIVE_S = 75.0
_CONNECT_S = 10.0
_ENDPOINT_S = 60.0  # a server that loads a model may hold a request for long

_TLS_SETTINGS = (ssl_module.SSLContext, bool, aiohttp.Fingerprint, type(None))

BeforeResend = Callable[[], Awaitable[None]]

# The first match counts. A ConnectError was never sent, so even a write may be retried.
_ERRORS: tuple[tuple[type[BaseException], type[TransportError], str], ...] = (
    (aiohttp.ClientConnectorCertificateError, ConnectError, "the certificate is not trusted"),
    (aiohttp.ClientSSLError, ConnectError, "the TLS handshake failed"),
    (aiohttp.ClientProxyConnectionError, ConnectError, "the proxy cannot be reached"),
    (aiohttp.ClientHttpProxyError, ConnectError, "the proxy refused"),
    (aiohttp.ClientConnectorDNSError, ConnectError, "the host name cannot be resolved"),
    (aiohttp.ClientConnectorError, ConnectError, "no connection"),
    (aiohttp.ConnectionTimeoutError, ConnectError, "connecting took too long"),
    (aiohttp.ServerFingerprintMismatch, ConnectError, "the certificate is not the pinned one"),
    (aiohttp.InvalidURL, ConnectError, "invalid URL"),
    (aiohttp.NonHttpUrlClientError, ConnectError, "not an http URL"),
    (asyncio.TimeoutError, RequestTimeoutError, "no response within the timeout"),
    (aiohttp.ServerDisconnectedError, TransportError, "the server closed the connection"),
    (aiohttp.ClientPayloadError, TransportError, "the response ended early"),
    (aiohttp.ClientError, TransportError, "the exchange failed"),
    (OSError, TransportError, "the exchange failed"),
    (ValueError, TransportError, "the HTTP library refused the exchange"),
)


@frozen(kw_only=True)
class TransportOptions:
    """The network settings of a client."""

    base_url: str
    user_agent: str
    request_timeout: float = 30.0
    max_connections: int = 100
    proxy: str | Secret | None = field(default=None, repr=False)
    ssl: ssl_module.SSLContext | bool | None = None
    session: aiohttp.ClientSession | None = None
    trace_configs: Sequence[aiohttp.TraceConfig] = ()

    def __attrs_post_init__(self) -> None:
        if self.session is not None and (self.trace_configs or self.ssl is not None):
            raise InvalidInputError(
                "a session uses its own TLS and trace settings; "
                "pass session=, or trace_configs= and ssl=, not both"
            )
        if not isinstance(self.ssl, _TLS_SETTINGS):
            raise InvalidInputError("ssl: expected an ssl.SSLContext, True or False")
        traces: Any = self.trace_configs
        is_list = isinstance(traces, list | tuple)
        if not is_list or not all(isinstance(one, aiohttp.TraceConfig) for one in traces):
            raise InvalidInputError("trace_configs: expected a list of aiohttp.TraceConfig")
        checked_seconds(self.request_timeout, "request_timeout", positive=True)
        if not isinstance(self.max_connections, int) or self.max_connections < 1:
            raise InvalidInputError("max_connections: expected a number above 0")
        if self.session is not None and not isinstance(self.session, aiohttp.ClientSession):
            raise InvalidInputError("session: expected an aiohttp.ClientSession")
        if self.proxy is not None and not isinstance(self.proxy, str | Secret):
            raise InvalidInputError("proxy: expected its URL as text")


class AiohttpTransport:
    """Sends over an aiohttp session of its own, or one that the caller owns and closes."""

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        self._session = options.session
        # On the same connections. Only writes are traced, because a trace costs time.
        self._writing: aiohttp.ClientSession | None = None
        self._base = URL(options.base_url)
        # Middlewares of a request replace the session's, which have no public attribute.
        self._middlewares = tuple(getattr(options.session, "_middlewares", ()))
        self._proxy = parse_proxy(options.proxy)
        # Our own session sends it by default.
        self._user_agent = {} if options.session is None else {"User-Agent": options.user_agent}
        self._timeout = aiohttp.ClientTimeout(
            total=options.request_timeout, sock_connect=min(_CONNECT_S, options.request_timeout)
        )

    async def open(self) -> None:
        """Create the session; read proxy settings once, as `trust_env` would for each request.

        Raises:
            InvalidInputError: a proxy is not supported, or the caller's session is of another loop.
        """
        options, host = self._options, self._base.host or ""
        from_environment = options.session is None or options.session.trust_env
        if self._proxy.url is None and from_environment and not is_loopback(host):
            proxy = environment_proxy(self._base.scheme, host)
            self._proxy = proxy if options.session is None else NO_PROXY  # it uses its own
        if options.session is not None:
            _check_loop(options.session)
            return
        connector = aiohttp.TCPConnector(
            limit=options.max_connections,
            keepalive_timeout=_KEEP_ALIVE_S,
            ssl=True if options.ssl is None else options.ssl,
        )
        self._session = self._new_session(connector)
        self._writing = self._new_session(connector, _progress_trace())

    def _new_session(
        self, connector: aiohttp.TCPConnector, *traces: aiohttp.TraceConfig
    ) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=connector,
            headers={"User-Agent": self._options.user_agent},
            trace_configs=[*self._options.trace_configs, *traces] or None,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    @property
    def tls(self) -> ssl_module.SSLContext | bool | None:
        """The TLS setting of the client."""
        return self._options.ssl

    @property
    def proxy(self) -> Secret | None:
        """The URL of the client's own proxy, with its scheme; not that of the environment."""
        proxy = reveal(self._options.proxy)
        if not proxy or not proxy.strip():
            return None
        return Secret(proxy if "://" in proxy else f"http://{proxy}")

    def endpoint(self, base_url: str, tls: ssl_module.SSLContext | None) -> "AiohttpTransport":
        """Return a transport to an inference endpoint, with this client's proxy.

        It uses the caller's session, unless the endpoint needs a TLS setting of its own.
        """
        options = evolve(
            self._options,
            base_url=base_url,
            ssl=self._options.ssl if tls is None else tls,
            request_timeout=_ENDPOINT_S,
            session=self._options.session if tls is None else None,
            trace_configs=(),
        )
        return AiohttpTransport(options)

    async def close(self) -> None:
        """Close the session unless the caller owns it."""
        sessions = self._writing, self._session
        self._session = self._writing = None
        for session in sessions:
            if session is not None and self._options.session is None:
                await session.close()

    async def send(
        self, request: Request, headers: Mapping[str, str], before_resend: BeforeResend
    ) -> Response:
        """Send once; see `core.protocols.Transport`."""
        session = self._session if request.method == "GET" else self._writing or self._session
        if session is None or session.closed:
            raise ClientClosedError("the aiohttp session was closed, so nothing can be sent")
        base = self._base if request.base is None else URL(request.base)
        url = base.with_path(base.raw_path.rstrip("/") + request.path, encoded=True)
        progress = None
        if session is self._writing:
            progress = _Progress()
            _progress.set(progress)
        try:
            answer = await session.request(
                request.method,
                url.with_query(request.params) if request.params else url,
                data=request.body,
                headers=self._sent_headers(url, headers),
                timeout=self._timeout,
                proxy=self._proxy.url,
                proxy_headers=self._proxy.headers() if self._proxy.url else None,
                allow_redirects=False,
                raise_for_status=False,
                middlewares=(*self._middlewares, _SendCounter(request, headers, before_resend)),
                auto_decompress=True,
                max_line_size=MAX_HEADER,
                max_field_size=MAX_HEADER,
                max_headers=MAX_HEADERS,
            )
            try:
                return Response(answer.status, answer.headers, await _body(answer, request))
            finally:
                if not answer.closed:  # reading all of it returned the connection to the pool
                    answer.release()
        except asyncio.CancelledError as cancelled:
            # A caller's session is not traced; its requests count as sent.
            if progress is not None and not progress.sent:
                cancelled.never_sent = True  # type: ignore[attr-defined]
            raise
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            failure = _our_error(error, request, url)
        raise failure  # outside, so that the library's error is not its context

    def _sent_headers(self, url: URL, headers: Mapping[str, str]) -> dict[str, str]:
        """Return what is sent. Do not keep it in a variable: tracebacks may show those."""
        sent = {**self._user_agent, **headers}
        if self._proxy.url and url.scheme == "http":  # https: they are sent with CONNECT
            sent.update(self._proxy.headers())
        # A session's own credentials or .netrc exclude this header; `_SendCounter` sets it later.
        sent.pop("Authorization", None)
        return sent


class _Progress(Struct):
    """How far one request has come."""

    sent: bool = False
    """Its headers were written to a connection."""


_progress: ContextVar[_Progress | None] = ContextVar("di_async.progress", default=None)


async def _headers_sent(*_: Any) -> None:
    progress = _progress.get()
    if progress is not None:
        progress.sent = True


def _progress_trace() -> aiohttp.TraceConfig:
    """Return a trace that notes in `_progress` when a request is being sent."""
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_headers_sent)
    return trace


class _SendCounter:
    """A middleware that awaits `before_resend` before each repeated send of one request.

    aiohttp repeats each DELETE on a connection that was closed; one by name is not sent again. It
    also sets our authorization in place of the session's.
    """

    __slots__ = ("_before_resend", "_headers", "_repeatable", "_sends")

    def __init__(
        self, request: Request, headers: Mapping[str, str], before_resend: BeforeResend
    ) -> None:
        self._before_resend = before_resend
        self._repeatable = request.repeatable
        self._headers = headers
        self._sends = 0

    def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> Awaitable[aiohttp.ClientResponse]:
        self._sends += 1
        authorization = self._headers.get("Authorization")
        if authorization is not None:
            request.headers["Authorization"] = authorization
        return handler(request) if self._sends == 1 else self._repeat(request, handler)

    async def _repeat(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if not self._repeatable:
            raise aiohttp.ServerDisconnectedError
        await self._before_resend()
        return await handler(request)


def _check_loop(session: aiohttp.ClientSession) -> None:
    """Raise `InvalidInputError` for a session that belongs to another event loop."""
    loop = getattr(session, "_loop", None)  # the public property is deprecated
    known = isinstance(loop, asyncio.AbstractEventLoop)  # not so for a mock
    if known and loop is not asyncio.get_running_loop():
        raise InvalidInputError(
            "session: it belongs to another event loop (and thread); create one in this loop"
        )


def _body(answer: aiohttp.ClientResponse, request: Request) -> Awaitable[bytes]:
    length = answer.content_length
    if length is not None and length <= MAX_BODY and "Content-Encoding" not in answer.headers:
        return answer.read()
    return _bounded_body(answer, request)


async def _bounded_body(answer: aiohttp.ClientResponse, request: Request) -> bytes:
    chunks, size = [], 0
    async for chunk in answer.content.iter_any():
        size += len(chunk)
        if size > MAX_BODY:
            raise DecodeError(
                f"the response is larger than {MAX_BODY} bytes",
                method=request.method,
                path=request.path,
                status=answer.status,
            )
        chunks.append(chunk)
    return b"".join(chunks)


def _our_error(error: BaseException, request: Request, url: URL) -> DIError:
    if isinstance(error, aiohttp.ClientResponseError) and "Got more than" in error.message:
        return DecodeError(
            f"a header of the response is larger than {MAX_HEADER} bytes ({url.origin()})",
            method=request.method,
            path=request.path,
        )
    ours, story = next((ours, story) for kind, ours, story in _ERRORS if isinstance(error, kind))
    if isinstance(error, aiohttp.ClientSSLError) and "WRONG_VERSION_NUMBER" in str(error):
        story = "the server does not speak TLS; is it an http:// URL?"
    detail = error.strerror if isinstance(error, OSError) and error.strerror else None
    text = f"{request.method} {request.path}: {story} ({url.origin()})"
    text = f"{text}: {detail}" if detail else text
    logger.debug("%s [%s]", text, type(error).__name__)
    failure = ours(text, method=request.method, path=request.path)
    failure.__cause__ = _public_cause(error)
    return failure


def _public_cause(error: BaseException) -> BaseException | None:
    """Return the cause to show: the error without frames, whose variables hold what was sent.

    aiohttp's own errors may hold headers, proxies and their credentials; then it is the system's
    error that caused them, or none.
    """
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        error = error.certificate_error
    elif isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    elif isinstance(error, aiohttp.ClientResponseError | aiohttp.InvalidURL):
        return None
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
