"""The network, by aiohttp. The only file that imports its client, and that knows its errors.

aiohttp repeats GET, PUT and DELETE by itself on a reused connection that turns out dead. Its
middleware sees each send, so that is where they are counted and paced.
"""

import asyncio
import ipaddress
import logging
import ssl as ssl_module
from collections.abc import Awaitable, Callable, Mapping, Sequence
from urllib.request import getproxies, proxy_bypass

import aiohttp
from msgspec import Struct
from yarl import URL

from di_async.core.errors import (
    ConnectError,
    DecodeError,
    InvalidInputError,
    RequestTimeoutError,
    TransportError,
)
from di_async.core.http import Request, Response

__all__ = ["AiohttpTransport", "TransportOptions", "checked_base_url"]

logger = logging.getLogger("di_async.transport")

MAX_BODY = 64 * 1024 * 1024
# Polls come up to 60 s apart and must not cost a TLS handshake each.
_KEEP_ALIVE_S = 75.0
_CONNECT_S = 10.0

Again = Callable[[], Awaitable[None]]

# First match wins. What never left this machine is a ConnectError: even a write may be repeated.
_ERRORS: tuple[tuple[type[BaseException], type[TransportError], str], ...] = (
    (aiohttp.ClientConnectorCertificateError, ConnectError, "its certificate is not trusted"),
    (aiohttp.ClientSSLError, ConnectError, "the TLS handshake failed"),
    (aiohttp.ClientProxyConnectionError, ConnectError, "the proxy cannot be reached"),
    (aiohttp.ClientHttpProxyError, ConnectError, "the proxy refused"),
    (aiohttp.ClientConnectorDNSError, ConnectError, "its name cannot be resolved"),
    (aiohttp.ClientConnectorError, ConnectError, "no connection"),
    (aiohttp.ConnectionTimeoutError, ConnectError, "connecting took too long"),
    (aiohttp.ServerFingerprintMismatch, ConnectError, "its certificate is not the pinned one"),
    (aiohttp.InvalidURL, ConnectError, "that is no URL"),
    (aiohttp.NonHttpUrlClientError, ConnectError, "that is no http URL"),
    (asyncio.TimeoutError, RequestTimeoutError, "no answer in time"),
    (aiohttp.ServerDisconnectedError, TransportError, "the server closed the connection"),
    (aiohttp.ClientPayloadError, TransportError, "the answer broke off"),
    (aiohttp.ClientError, TransportError, "the exchange failed"),
    (OSError, TransportError, "the exchange failed"),
)


class TransportOptions(Struct, frozen=True, kw_only=True):
    """What a client's constructor was given for the network."""

    base_url: str
    user_agent: str
    request_timeout: float = 30.0
    max_connections: int = 100
    proxy: str | None = None
    ssl: ssl_module.SSLContext | bool | None = None
    session: aiohttp.ClientSession | None = None
    trace_configs: Sequence[aiohttp.TraceConfig] = ()

    def __post_init__(self) -> None:
        if self.session is not None and (self.trace_configs or self.ssl is not None):
            raise InvalidInputError(
                "a session brings its own TLS and trace settings: "
                "give session=, or trace_configs= and ssl=, not both"
            )
        if self.request_timeout <= 0 or self.max_connections < 1:
            raise InvalidInputError("request_timeout and max_connections must be above 0")


def checked_base_url(base_url: str) -> str:
    """`base_url` without a trailing slash; https, or http to this machine itself.

    Raises:
        InvalidInputError: (a `ValueError`) it would send the token in the clear, or is no URL.
    """
    try:
        url = URL(base_url)
    except (TypeError, ValueError) as error:
        raise InvalidInputError("base_url is not a URL") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise InvalidInputError("base_url must be an https:// URL with a host")
    if url.user or url.password or url.query_string or url.fragment:
        raise InvalidInputError("base_url must hold no user, password, query or fragment")
    if url.scheme == "http" and not _is_loopback(url.host):
        raise InvalidInputError(
            f"base_url http://{url.host} would send the token unencrypted: use https "
            "(http is for this machine's loopback only)"
        )
    return str(url).rstrip("/")


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class AiohttpTransport:
    """Sends over an aiohttp session: its own, or one that the caller owns and closes."""

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        self._session = options.session
        self._base = URL(options.base_url)
        # Naming any for a request replaces the session's own, and aiohttp shows them nowhere else.
        self._middlewares = tuple(getattr(options.session, "_middlewares", ()))
        self._proxy = options.proxy
        # A session of ours says so by itself.
        self._who = {} if options.session is None else {"User-Agent": options.user_agent}
        self._timeout = aiohttp.ClientTimeout(
            total=options.request_timeout, sock_connect=min(_CONNECT_S, options.request_timeout)
        )

    async def open(self) -> None:
        """Make the session, and look proxies up once: `trust_env` would do so per request."""
        options = self._options
        if options.session is not None:
            return
        connector = aiohttp.TCPConnector(
            limit=options.max_connections,
            keepalive_timeout=_KEEP_ALIVE_S,
            ssl=True if options.ssl is None else options.ssl,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers={"User-Agent": options.user_agent},
            trace_configs=list(options.trace_configs) or None,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self._proxy = options.proxy or _environment_proxy(URL(options.base_url))

    async def close(self) -> None:
        """Close the session, unless it is the caller's."""
        session, self._session = self._session, None
        if session is not None and self._options.session is None:
            await session.close()

    async def send(self, request: Request, headers: Mapping[str, str], again: Again) -> Response:
        """Send once; see `core.protocols.Transport`."""
        session = self._session
        if session is None or session.closed:
            raise TransportError("the aiohttp session is closed")
        base = self._base if request.base is None else URL(request.base)
        url = base.with_path(base.raw_path.rstrip("/") + request.path, encoded=True)
        try:
            answer = await session.request(
                request.method,
                url.with_query(request.params) if request.params else url,
                data=request.body,
                headers={**self._who, **headers} if self._who else headers,
                timeout=self._timeout,
                proxy=self._proxy,
                allow_redirects=False,
                raise_for_status=False,
                middlewares=(*self._middlewares, _SendCounter(again)),
            )
            try:
                return Response(answer.status, answer.headers, await _body(answer))
            finally:
                answer.release()  # back to the pool if all was read, else closed
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            raise _our_error(error, request, url) from error


class _SendCounter:
    """Sees each send of one request; from the second on, it asks first."""

    __slots__ = ("_again", "_sends")

    def __init__(self, again: Again) -> None:
        self._again = again
        self._sends = 0

    def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> Awaitable[aiohttp.ClientResponse]:
        self._sends += 1
        return handler(request) if self._sends == 1 else self._repeat(request, handler)

    async def _repeat(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        await self._again()
        return await handler(request)


def _body(answer: aiohttp.ClientResponse) -> Awaitable[bytes]:
    length = answer.content_length
    if length is not None and length <= MAX_BODY and "Content-Encoding" not in answer.headers:
        return answer.read()
    return _bounded_body(answer)


async def _bounded_body(answer: aiohttp.ClientResponse) -> bytes:
    chunks, size = [], 0
    async for chunk in answer.content.iter_any():
        size += len(chunk)
        if size > MAX_BODY:
            raise DecodeError(f"the answer is larger than {MAX_BODY} bytes", status=answer.status)
        chunks.append(chunk)
    return b"".join(chunks)


def _our_error(error: BaseException, request: Request, url: URL) -> TransportError:
    ours, story = next((ours, story) for kind, ours, story in _ERRORS if isinstance(error, kind))
    detail = error.strerror if isinstance(error, OSError) and error.strerror else None
    told = f"{request.method} {request.path}: {story} ({url.origin()})"
    told = f"{told}: {detail}" if detail else told
    logger.debug("%s [%s]", told, type(error).__name__)
    return ours(told, method=request.method, path=request.path)


def _environment_proxy(base_url: URL) -> str | None:
    host = base_url.host or ""
    if _is_loopback(host) or proxy_bypass(host):
        return None
    proxies = getproxies()
    return proxies.get(base_url.scheme) or proxies.get("all")
