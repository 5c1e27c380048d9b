"""Tests of the transport over sockets on 127.0.0.1: aiohttp's own behaviour, and its errors."""

import asyncio
import gzip
import inspect
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import aiohttp
import orjson
import pytest
import trustme
from aiohttp import web
from aioresponses import aioresponses
from yarl import URL

from di_async import (
    ClientClosedError,
    ConnectError,
    DecodeError,
    InvalidInputError,
    RequestBudget,
    RequestTimeoutError,
    RetryPolicy,
    TransportError,
)
from di_async.core.http import Request, Response
from di_async.core.waiting.resource_adapter import CallRecord
from di_async.engine import transport as module
from di_async.engine.clock import Clock
from di_async.engine.environment import checked_base_url
from di_async.engine.session import Session
from di_async.engine.transport import AiohttpTransport, TransportOptions
from tests.engine.support import PlainDialect

GET = Request("GET", "/x")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def never(*_: Any) -> None:
    """Fail: a hook for resends that must not happen."""
    raise AssertionError("sent twice")


@asynccontextmanager
async def serving(handler: Handler, **options: Any) -> AsyncIterator[str]:
    """Run a server on 127.0.0.1; yield its base URL."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, **options)
    await site.start()
    scheme = "https" if options else "http"
    yield f"{scheme}://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@asynccontextmanager
async def raw(answers: list[bytes]) -> AsyncIterator[tuple[str, list[str]]]:
    """Run a server of raw bytes, one item for each request; yield its URL and the methods received.

    After its last response it keeps the connection open until the next request, then drops it.
    """
    received: list[str] = []
    open_: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_.add(writer)
        try:
            for reply in [*answers, b""]:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                received.append(head.split(" ", 1)[0])
                writer.write(reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            open_.discard(writer)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", received
    server.close()
    for writer in open_:
        writer.close()
    await server.wait_closed()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@asynccontextmanager
async def opened(base_url: str, **options: Any) -> AsyncIterator[AiohttpTransport]:
    """Yield a transport to that server."""
    values = {"base_url": base_url, "user_agent": "test/1", "request_timeout": 5.0, **options}
    transport = AiohttpTransport(TransportOptions(**values))
    await transport.open()
    yield transport
    await transport.close()


async def echo(request: web.Request) -> web.Response:
    """Return the request as JSON."""
    return web.json_response(
        {
            "method": request.method,
            "path": request.raw_path,
            "headers": {k.lower(): v for k, v in request.headers.items()},
            "body": (await request.text()),
        },
        headers={"X-Request-Id": "r1"},
    )


def echoed(response: Response) -> Any:
    """Return the echoed request."""
    return orjson.loads(response.body)


# --- requests and responses --------------------------------------------------------------------


async def test_request_arrives_as_it_was_written() -> None:
    """A request arrives unchanged; header names of the response are in lower case."""
    request = Request("POST", "/v2/a%2Fb%20c", (("q", "ä &"), ("b", "1")), b'{"x":1}')
    async with serving(echo) as url, opened(url) as transport:
        response = await transport.send(request, {"Authorization": "Bearer t"}, never)
    got = echoed(response)
    assert (got["method"], got["body"]) == ("POST", '{"x":1}')
    assert got["path"] in {"/v2/a%2Fb%20c?q=%C3%A4+%26&b=1", "/v2/a%2Fb%20c?q=%C3%A4%20%26&b=1"}
    assert got["headers"]["authorization"] == "Bearer t"
    assert got["headers"]["user-agent"] == "test/1"
    assert response.headers["x-request-id"] == "r1"


async def test_base_url_with_a_path_keeps_it() -> None:
    """A base URL's path is kept, as for an API behind a gateway."""
    async with serving(echo) as url, opened(f"{url}/prefix") as transport:
        assert echoed(await transport.send(GET, {}, never))["path"] == "/prefix/x"


@pytest.mark.parametrize("status", [204, 301, 307, 404, 500])
async def test_any_status_is_a_response_and_no_redirect_is_followed(status: int) -> None:
    """Any status is a response; no redirect is followed, since it would forward the token."""
    received: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        received.append(request.path)
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    async with serving(answer) as url, opened(url) as transport:
        assert (await transport.send(GET, {}, never)).status == status
    assert received == ["/x"]


async def test_connection_is_reused() -> None:
    """Two requests use one connection."""
    peers = set()

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return web.Response()

    async with serving(answer) as url, opened(url) as transport:
        for _ in range(3):
            await transport.send(GET, {}, never)
    assert len(peers) == 1


async def test_cookies_are_not_kept() -> None:
    """A cookie is not sent with the next request."""

    async def answer(request: web.Request) -> web.Response:
        response = web.json_response(dict(request.cookies))
        response.set_cookie("a", "b")
        return response

    async with serving(answer) as url, opened(url) as transport:
        await transport.send(GET, {}, never)
        assert echoed(await transport.send(GET, {}, never)) == {}


# --- silent retries ----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_silent_retries_on_a_dead_connection_are_counted(method: str) -> None:
    """These methods are resent by aiohttp on a dead connection; both sends are counted."""
    budget = RequestBudget()
    async with raw([OK]) as (url, received), opened(url) as transport:
        clock = Clock(asyncio.get_running_loop())
        session = Session(transport, PlainDialect(), RetryPolicy(attempts=1), budget, clock)
        await session.send(GET)
        call = CallRecord()
        await session.send(Request(method, "/x"), call)
    assert received == ["GET", method, method]
    assert call.requests == 2
    assert budget.used(clock.now())[1] == 3


@pytest.mark.parametrize(
    "write",
    [
        Request("POST", "/x", body=b"{}"),
        Request("PATCH", "/x", body=b"{}"),
        Request("DELETE", "/x", by_name=True),
    ],
)
async def test_writes_are_not_resent_on_a_dead_connection(write: Request) -> None:
    """Writes are not resent by aiohttp on a dead connection; they fail."""
    async with raw([OK]) as (url, received), opened(url) as transport:
        await transport.send(GET, {}, never)
        with pytest.raises(TransportError) as caught:
            await transport.send(write, {}, never)
    assert not caught.value.never_processed
    assert received == ["GET", write.method]


# --- bodies ------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["length", "chunked", "gzip"])
async def test_huge_body_is_rejected(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A huge body is rejected: announced, chunked, or small on the wire and large in memory."""
    monkeypatch.setattr(module, "MAX_BODY", 100_000)
    body = b"x" * 3_000_000

    async def answer(request: web.Request) -> web.StreamResponse:
        if how == "length":
            return web.Response(body=body)
        if how == "gzip":
            headers = {"Content-Encoding": "gzip"}
            return web.Response(body=gzip.compress(body), headers=headers)
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(body)
        return response

    async with serving(answer) as url, opened(url) as transport:
        with pytest.raises(DecodeError, match=f"^GET {GET.path}: .*larger than 100000 bytes"):
            await transport.send(GET, {}, never)


async def test_compressed_and_chunked_bodies_are_read() -> None:
    """Compressed and chunked bodies within the limit are read."""

    async def answer(_: web.Request) -> web.Response:
        headers = {"Content-Encoding": "gzip"}
        return web.Response(body=gzip.compress(b"{}" * 1000), headers=headers)

    async with serving(answer) as url, opened(url) as transport:
        assert (await transport.send(GET, {}, never)).body == b"{}" * 1000


@pytest.mark.parametrize("size", [9_000, 60_000])
async def test_large_headers_are_read(size: int) -> None:
    """A header of a gateway, such as a cookie, may have up to 64 KiB."""
    reply = b"HTTP/1.1 200 OK\r\nSet-Cookie: " + b"x" * size + b"\r\nContent-Length: 2\r\n\r\n{}"
    async with raw([reply]) as (url, _), opened(url) as transport:
        assert (await transport.send(GET, {}, never)).body == b"{}"


async def test_larger_headers_are_named() -> None:
    """A larger header is an error that says so, and is not met again and again."""
    reply = b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\nContent-Length: 2\r\n\r\n{}"
    async with raw([reply]) as (url, _), opened(url) as transport:
        with pytest.raises(DecodeError, match=rf"^GET {GET.path}: .* 65536 bytes") as caught:
            await transport.send(GET, {}, never)
    assert caught.value.transient is False


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nContent-Length: nonsense\r\n\r\n",
        b"SMTP ready\r\n\r\n",
        b"",
    ],
)
async def test_truncated_or_invalid_response_is_a_transport_error(reply: bytes) -> None:
    """A truncated or invalid response is a transport error."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, opened(url) as transport:
        with pytest.raises(TransportError) as caught:
            await transport.send(Request("POST", "/x"), {}, never)
    assert (caught.value.method, caught.value.path) == ("POST", "/x")
    assert not caught.value.never_processed


# --- connections, timeouts, certificates -------------------------------------------------------


async def test_refused_connection_is_a_connect_error(unused_tcp_port: int) -> None:
    """A refused connection is a `ConnectError`: even a write may be retried."""
    async with opened(f"http://127.0.0.1:{unused_tcp_port}") as transport:
        with pytest.raises(ConnectError, match="no connection") as caught:
            await transport.send(GET, {}, never)
    assert caught.value.never_processed


async def test_unknown_host_is_a_connect_error() -> None:
    """A host name that does not resolve is a `ConnectError` (`.invalid`, RFC 6761)."""
    async with opened("https://nowhere.invalid") as transport:
        with pytest.raises(ConnectError, match=r"cannot be resolved|no connection"):
            await transport.send(GET, {}, never)


async def test_silent_server_is_a_timeout() -> None:
    """A silent server raises a `TimeoutError` after `request_timeout` seconds."""
    release = asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        await release.wait()
        return web.Response()

    async with serving(answer) as url, opened(url, request_timeout=0.05) as transport:
        with pytest.raises(TimeoutError) as caught:
            await transport.send(GET, {}, never)
        release.set()
    assert isinstance(caught.value, RequestTimeoutError)
    assert not caught.value.never_processed


@asynccontextmanager
async def tls_server() -> AsyncIterator[tuple[str, trustme.CA]]:
    """Run an https server with a private CA."""
    ca, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    async with serving(echo, ssl_context=context) as url:
        yield url, ca


async def test_untrusted_certificate_is_a_connect_error() -> None:
    """An untrusted certificate is a `ConnectError`: nothing was sent."""
    async with tls_server() as (url, _), opened(url) as transport:
        with pytest.raises(ConnectError, match="certificate is not trusted"):
            await transport.send(GET, {}, never)


async def test_certificate_trusted_by_the_ssl_argument() -> None:
    """A certificate trusted by the `ssl` argument is accepted."""
    async with tls_server() as (url, ca):
        context = ssl.create_default_context()
        ca.configure_trust(context)
        async with opened(url, ssl=context) as transport:
            assert (await transport.send(GET, {}, never)).status == 200


async def test_tls_to_a_plain_server_is_a_connect_error() -> None:
    """TLS to a plain server is a `ConnectError`: the handshake fails first."""
    async with serving(echo) as url, opened(url.replace("http:", "https:")) as transport:
        with pytest.raises(ConnectError):
            await transport.send(GET, {}, never)


# --- errors of aiohttp -------------------------------------------------------------------------


def foreign_errors() -> list[type[BaseException]]:
    """Return every client error class that aiohttp exports."""
    found = (getattr(aiohttp, name) for name in aiohttp.__all__)
    return [c for c in found if inspect.isclass(c) and issubclass(c, aiohttp.ClientError)]


@pytest.mark.parametrize("kind", foreign_errors(), ids=lambda c: c.__name__)
def test_every_client_error_of_aiohttp_is_mapped(kind: type[BaseException]) -> None:
    """The first matching row of the table maps each error of aiohttp."""
    error = kind.__new__(kind)
    table = module._ERRORS  # noqa: SLF001 - the table is what is tested
    ours = next(mine for theirs, mine, _ in table if isinstance(error, theirs))
    connecting = (
        aiohttp.ClientConnectorError,
        aiohttp.ClientSSLError,
        aiohttp.ConnectionTimeoutError,
        aiohttp.ServerFingerprintMismatch,
        aiohttp.InvalidURL,
        aiohttp.ClientHttpProxyError,
        aiohttp.NonHttpUrlClientError,
    )
    if issubclass(kind, connecting):
        assert ours is ConnectError
    elif issubclass(kind, TimeoutError):
        assert ours is RequestTimeoutError
    else:
        assert ours is TransportError


def test_no_row_of_the_error_table_is_unreachable() -> None:
    """No row of the table is unreachable behind a more general one."""
    kinds = [kind for kind, _, _ in module._ERRORS]  # noqa: SLF001
    hidden = [(b, a) for i, a in enumerate(kinds) for b in kinds[i + 1 :] if issubclass(b, a)]
    assert hidden == []


# --- the caller's own session ------------------------------------------------------------------


async def test_own_session_keeps_its_middlewares_and_stays_open() -> None:
    """A caller's session keeps its middlewares and stays open after closing."""
    seen: list[str] = []

    async def middleware(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        seen.append(request.method)
        request.headers["X-Mine"] = "1"
        return await handler(request)

    async with serving(echo) as url, aiohttp.ClientSession(middlewares=[middleware]) as session:
        async with opened(url, session=session) as transport:
            got = echoed(await transport.send(GET, {}, never))
        assert not session.closed
    assert (seen, got["headers"]["x-mine"]) == (["GET"], "1")


@pytest.mark.parametrize("how", ["netrc", "auth", "headers"])
async def test_own_session_with_other_credentials(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our token is sent in place of a session's .netrc, auth or headers."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of `auth`
        auth = aiohttp.BasicAuth("me", "secret") if how == "auth" else None
        headers = {"authorization": "Basic bWU6c2VjcmV0"} if how == "headers" else {}
        session = aiohttp.ClientSession(auth=auth, headers=headers, trust_env=how == "netrc")
    async with serving(echo) as url, session, opened(url, session=session) as transport:
        response = await transport.send(GET, {"Authorization": "Bearer ours"}, never)
    assert echoed(response)["headers"]["authorization"] == "Bearer ours"


async def test_own_session_that_does_not_decompress() -> None:
    """A session with `auto_decompress=False` serves all the same."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"})

    session = aiohttp.ClientSession(auto_decompress=False)
    async with serving(answer) as url, session, opened(url, session=session) as transport:
        assert (await transport.send(GET, {}, never)).body == b"{}"


async def test_own_session_that_was_closed_ends_everything() -> None:
    """After the caller closed their session, nothing can be sent, and waiting would not help."""
    session = aiohttp.ClientSession()
    await session.close()
    async with opened("http://127.0.0.1:9", session=session) as transport:
        with pytest.raises(ClientClosedError):
            await transport.send(GET, {}, never)


async def test_own_session_of_another_loop_is_refused() -> None:
    """Nothing could be sent over it; opening says so, and not each request in its own words."""

    async def made() -> aiohttp.ClientSession:
        session = aiohttp.ClientSession()
        await session.close()
        return session

    session = await asyncio.to_thread(asyncio.run, made())
    with pytest.raises(InvalidInputError, match="session: it belongs to another event loop"):
        async with opened("http://127.0.0.1:9", session=session):
            pass


async def test_send_after_close() -> None:
    """A send after closing raises `ClientClosedError`."""
    async with opened("http://127.0.0.1:9") as transport:
        await transport.close()
        with pytest.raises(ClientClosedError, match="closed"):
            await transport.send(GET, {}, never)


@pytest.mark.parametrize("more", [{"ssl": False}, {"trace_configs": (aiohttp.TraceConfig(),)}])
async def test_own_session_excludes_tls_and_trace_settings(more: dict[str, Any]) -> None:
    """A caller's session excludes TLS and trace settings, which would be ignored."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ValueError, match="a session uses its own"):
            TransportOptions(base_url="https://x.test", user_agent="t", session=session, **more)


@pytest.mark.parametrize("more", [{"request_timeout": 0}, {"max_connections": 0}])
def test_invalid_settings_are_rejected(more: dict[str, Any]) -> None:
    """Invalid settings are rejected at construction."""
    with pytest.raises(InvalidInputError, match=r"(above|more than) 0"):
        TransportOptions(base_url="https://x.test", user_agent="t", **more)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ssl", 5, "expected an ssl.SSLContext, True or False"),
        ("ssl", "ca.pem", "expected an ssl.SSLContext, True or False"),
        ("trace_configs", 5, "expected a list of aiohttp.TraceConfig"),
        ("trace_configs", None, "expected a list of aiohttp.TraceConfig"),
        ("trace_configs", [5], "expected a list of aiohttp.TraceConfig"),
        ("trace_configs", aiohttp.TraceConfig(), "expected a list of aiohttp.TraceConfig"),
    ],
)
def test_settings_of_another_kind_are_refused(name: str, value: Any, expected: str) -> None:
    """When the client is made, and not by aiohttp when it is entered."""
    with pytest.raises(InvalidInputError, match=f"{name}: {expected}"):
        TransportOptions(base_url="https://x.test", user_agent="t", **{name: value})


async def test_trace_configs_are_passed_through() -> None:
    """`trace_configs` reach aiohttp: each request is traced."""
    traced: list[str] = []
    config = aiohttp.TraceConfig()

    async def start(_session: object, _context: object, params: Any) -> None:
        traced.append(params.method)

    config.on_request_start.append(start)
    async with serving(echo) as url, opened(url, trace_configs=(config,)) as transport:
        await transport.send(GET, {}, never)
    assert traced == ["GET"]


# --- proxies -----------------------------------------------------------------------------------


async def test_proxy_of_the_environment_is_used_and_looked_up_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The environment's proxy is used with `trust_env`, and looked up once."""
    received: list[str] = []

    async def proxy(request: web.Request) -> web.Response:
        received.append(str(request.url))
        return web.Response()

    for name in ("NO_PROXY", "no_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with serving(proxy) as url:
        monkeypatch.setenv("HTTP_PROXY", url)
        async with opened("http://api.test") as transport:
            monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
            await transport.send(GET, {}, never)
    assert received == ["http://api.test/x"]


async def test_explicit_proxy_overrides_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An explicit proxy overrides the environment's, also for this machine."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with serving(echo) as url, opened("http://127.0.0.1:9", proxy=url) as transport:
        assert (await transport.send(GET, {}, never)).status == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_loopback_never_goes_through_the_environment_s_proxy(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loopback and hosts in NO_PROXY bypass the environment's proxy."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with serving(echo) as url, opened(url.replace("127.0.0.1", host)) as transport:
        assert (await transport.send(GET, {}, never)).status == 200


async def test_proxy_that_cannot_be_reached_is_a_connect_error(unused_tcp_port: int) -> None:
    """An unreachable proxy is a `ConnectError`."""
    proxy = f"http://127.0.0.1:{unused_tcp_port}"
    async with opened("http://api.test", proxy=proxy) as transport:
        with pytest.raises(ConnectError, match="proxy"):
            await transport.send(GET, {}, never)


async def test_proxy_that_refuses_is_a_connect_error() -> None:
    """A proxy that refuses CONNECT is a `ConnectError`: the request never reached the API."""

    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=407)

    async with serving(refuse) as url, opened("https://api.test", proxy=url) as transport:
        with pytest.raises(ConnectError, match="the proxy refused"):
            await transport.send(GET, {}, never)


# --- base URLs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["https://api.test", "https://api.test/v/", "http://127.0.0.1:80", "http://localhost",
     "http://LOCALHOST:1", "http://[::1]:8080"],
)  # fmt: skip
def test_base_url_is_taken_without_its_slash(url: str) -> None:
    """URLs with https, or http to this machine, are accepted without their trailing slash."""
    assert checked_base_url(url) == str(URL(url)).rstrip("/")


@pytest.mark.parametrize(
    "url",
    ["http://api.test", "http://10.0.0.1", "http://127.0.0.1.evil.test", "ftp://x", "x", "", None,
     "https://", "https://u:p@api.test", "https://api.test?x=1", "https://api.test#x",
     "http://localhost.evil.test", "https://[", "http://0.0.0.0"],
)  # fmt: skip
def test_invalid_or_insecure_base_url_is_rejected(url: Any) -> None:
    """Invalid URLs, http to another machine, credentials and queries are rejected."""
    with pytest.raises(InvalidInputError, match="base_url"):
        checked_base_url(url)


# --- aioresponses ------------------------------------------------------------------------------


class MockedResponse(aiohttp.ClientResponse):
    """A response for aioresponses, which lacks a stream writer (aioresponses#289)."""

    def __init__(self, *args: Any, **options: Any) -> None:
        options.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*args, **options)


async def test_aioresponses_can_mock_the_transport() -> None:
    """The aioresponses package can mock the transport."""
    with aioresponses() as mocked:
        mocked.get("https://api.test/x?a=1", payload={"ok": 1}, response_class=MockedResponse)
        async with opened("https://api.test") as transport:
            response = await transport.send(Request("GET", "/x", (("a", "1"),)), {}, never)
    assert echoed(response) == {"ok": 1}


@pytest.mark.parametrize(
    "error", [aiohttp.ServerDisconnectedError(), OSError(5, "io"), TimeoutError()]
)
async def test_error_raised_by_a_mock_is_mapped(error: Exception) -> None:
    """An error raised by a mock becomes a transport error with its cause and host."""
    with aioresponses() as mocked:
        mocked.get("https://api.test/x", exception=cast("Any", error))
        async with opened("https://api.test") as transport:
            with pytest.raises(TransportError, match=r"GET /x: .*https://api\.test") as caught:
                await transport.send(GET, {}, never)
    assert caught.value.__cause__ is error


# --- cancelled before anything was sent ---------------------------------------------------------


@pytest.mark.parametrize("connections", [1, 2])
async def test_cancelled_before_sending_is_not_counted(connections: int) -> None:
    """A write cancelled while it waits for a free connection was never sent; in flight it was."""
    arrived, release = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        if request.method == "POST":
            arrived.set()
        await release.wait()
        return web.json_response({})

    async with (
        serving(slow) as url,
        opened(url, max_connections=connections) as transport,
    ):
        clock, budget = Clock(asyncio.get_running_loop()), RequestBudget()
        session = Session(transport, PlainDialect(), RetryPolicy(attempts=1), budget, clock)
        first = asyncio.ensure_future(session.send(GET))
        await asyncio.sleep(0)
        call = CallRecord()
        write = asyncio.ensure_future(session.send(Request("POST", "/x", body=b"{}"), call))
        if connections == 1:
            for _ in range(50):
                await asyncio.sleep(0)
        else:
            await arrived.wait()
        write.cancel()
        with pytest.raises(asyncio.CancelledError):
            await write
        release.set()
        await first
    assert (call.requests, call.maybe_processed) == (connections - 1, connections - 1)
    assert budget.used(clock.now())[1] == connections
