"""The network for real: sockets on 127.0.0.1, what aiohttp does by itself, and its errors."""

import asyncio
import gzip
import inspect
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
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
from di_async.engine.session import Session
from di_async.engine.transport import AiohttpTransport, TransportOptions, checked_base_url
from tests.engine.support import PlainDialect

GET = Request("GET", "/x")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def never(*_: Any) -> None:
    """`again`, where no repeat is expected."""
    raise AssertionError("sent twice")


@asynccontextmanager
async def serving(handler: Handler, **options: Any) -> AsyncIterator[str]:
    """A server on 127.0.0.1; its base URL."""
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
    """A server of bytes: one list item for each request on one connection; what was asked.

    After its last answer it keeps the connection open until the next request, then drops it.
    """
    asked: list[str] = []
    open_: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_.add(writer)
        try:
            for reply in [*answers, b""]:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                asked.append(head.split(" ", 1)[0])
                writer.write(reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            open_.discard(writer)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    server.close()
    for writer in open_:
        writer.close()
    await server.wait_closed()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@asynccontextmanager
async def opened(base_url: str, **options: Any) -> AsyncIterator[AiohttpTransport]:
    """A transport to that server."""
    told = {"base_url": base_url, "user_agent": "test/1", "request_timeout": 5.0, **options}
    transport = AiohttpTransport(TransportOptions(**told))
    await transport.open()
    yield transport
    await transport.close()


async def echo(request: web.Request) -> web.Response:
    """What arrived."""
    return web.json_response(
        {
            "method": request.method,
            "path": request.raw_path,
            "headers": {k.lower(): v for k, v in request.headers.items()},
            "body": (await request.text()),
        },
        headers={"X-Request-Id": "r1"},
    )


def told(response: Response) -> Any:
    """The echo."""
    return orjson.loads(response.body)


# --- what goes out and comes back --------------------------------------------------------------


async def test_request_arrives_as_it_was_written() -> None:
    """Quoted path, query in order, body bytes, headers; the answer's names in lower case."""
    request = Request("POST", "/v2/a%2Fb%20c", (("q", "ä &"), ("b", "1")), b'{"x":1}')
    async with serving(echo) as url, opened(url) as transport:
        response = await transport.send(request, {"Authorization": "Bearer t"}, never)
    got = told(response)
    assert (got["method"], got["body"]) == ("POST", '{"x":1}')
    assert got["path"] in {"/v2/a%2Fb%20c?q=%C3%A4+%26&b=1", "/v2/a%2Fb%20c?q=%C3%A4%20%26&b=1"}
    assert got["headers"]["authorization"] == "Bearer t"
    assert got["headers"]["user-agent"] == "test/1"
    assert response.headers["x-request-id"] == "r1"


async def test_base_url_with_a_path_keeps_it() -> None:
    """An API behind a gateway's prefix."""
    async with serving(echo) as url, opened(f"{url}/prefix") as transport:
        assert told(await transport.send(GET, {}, never))["path"] == "/prefix/x"


@pytest.mark.parametrize("status", [204, 301, 307, 404, 500])
async def test_any_status_is_an_answer_and_no_redirect_is_followed(status: int) -> None:
    """A redirect would carry the token to whoever it names."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    async with serving(answer) as url, opened(url) as transport:
        assert (await transport.send(GET, {}, never)).status == status
    assert asked == ["/x"]


async def test_connection_is_reused() -> None:
    """Two requests, one handshake."""
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
    """One answer's cookie is not sent with the next request."""

    async def answer(request: web.Request) -> web.Response:
        response = web.json_response(dict(request.cookies))
        response.set_cookie("a", "b")
        return response

    async with serving(answer) as url, opened(url) as transport:
        await transport.send(GET, {}, never)
        assert told(await transport.send(GET, {}, never)) == {}


# --- silent repeats ----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_silent_repeats_on_a_dead_connection_are_counted_and_budgeted(method: str) -> None:
    """These are sent twice by aiohttp itself; both sends are known, on the wire and here."""
    budget = RequestBudget()
    async with raw([OK]) as (url, asked), opened(url) as transport:
        clock = Clock(asyncio.get_running_loop())
        session = Session(transport, PlainDialect(), RetryPolicy(attempts=1), budget, clock)
        await session.send(GET)
        call = CallRecord()
        await session.send(Request(method, "/x"), call)
    assert asked == ["GET", method, method]
    assert call.requests == 2
    assert budget.used(clock.now())[1] == 3


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_writes_are_not_repeated_on_a_dead_connection(method: str) -> None:
    """They fail, and whoever made them looks what became of them."""
    async with raw([OK]) as (url, asked), opened(url) as transport:
        await transport.send(GET, {}, never)
        with pytest.raises(TransportError) as caught:
            await transport.send(Request(method, "/x", body=b"{}"), {}, never)
    assert not caught.value.never_processed
    assert asked == ["GET", method]


# --- bodies ------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["length", "chunked", "gzip"])
async def test_huge_body_is_given_up(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it comes: told, chunked, or small on the wire and large in memory."""
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
        with pytest.raises(DecodeError, match="larger than 100000 bytes"):
            await transport.send(GET, {}, never)


async def test_compressed_and_chunked_bodies_are_read() -> None:
    """Within the bound they are as good as any."""

    async def answer(_: web.Request) -> web.Response:
        headers = {"Content-Encoding": "gzip"}
        return web.Response(body=gzip.compress(b"{}" * 1000), headers=headers)

    async with serving(answer) as url, opened(url) as transport:
        assert (await transport.send(GET, {}, never)).body == b"{}" * 1000


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nContent-Length: nonsense\r\n\r\n",
        b"SMTP ready\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
        b"",
    ],
)
async def test_answer_that_breaks_off_or_is_no_http_is_a_transport_error(reply: bytes) -> None:
    """Cut bodies, cut chunks, false compression, other protocols, silence."""

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


# --- no connection, no time, no trust ----------------------------------------------------------


async def test_nobody_listening_is_a_connect_error(unused_tcp_port: int) -> None:
    """The request never left: even a write may be repeated."""
    async with opened(f"http://127.0.0.1:{unused_tcp_port}") as transport:
        with pytest.raises(ConnectError, match="no connection") as caught:
            await transport.send(GET, {}, never)
    assert caught.value.never_processed


async def test_name_that_does_not_exist_is_a_connect_error() -> None:
    """`.invalid` never resolves (RFC 6761)."""
    async with opened("https://nowhere.invalid") as transport:
        with pytest.raises(ConnectError, match=r"cannot be resolved|no connection"):
            await transport.send(GET, {}, never)


async def test_silent_server_is_a_timeout_of_ours() -> None:
    """After `request_timeout` seconds, and it is a `TimeoutError`."""
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
    """An https server whose CA nobody knows."""
    ca, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    async with serving(echo, ssl_context=context) as url:
        yield url, ca


async def test_untrusted_certificate_is_a_connect_error() -> None:
    """Nothing was sent to whoever that is."""
    async with tls_server() as (url, _), opened(url) as transport:
        with pytest.raises(ConnectError, match="certificate is not trusted"):
            await transport.send(GET, {}, never)


async def test_certificate_of_a_given_context_is_trusted() -> None:
    """`ssl=` reaches the connector."""
    async with tls_server() as (url, ca):
        context = ssl.create_default_context()
        ca.configure_trust(context)
        async with opened(url, ssl=context) as transport:
            assert (await transport.send(GET, {}, never)).status == 200


async def test_tls_to_a_plain_server_is_a_connect_error() -> None:
    """The handshake fails before anything is sent."""
    async with serving(echo) as url, opened(url.replace("http:", "https:")) as transport:
        with pytest.raises(ConnectError):
            await transport.send(GET, {}, never)


# --- foreign errors ----------------------------------------------------------------------------


def foreign_errors() -> list[type[BaseException]]:
    """Every client error class that aiohttp exports."""
    found = (getattr(aiohttp, name) for name in aiohttp.__all__)
    return [c for c in found if inspect.isclass(c) and issubclass(c, aiohttp.ClientError)]


@pytest.mark.parametrize("kind", foreign_errors(), ids=lambda c: c.__name__)
def test_every_client_error_of_aiohttp_is_one_of_ours(kind: type[BaseException]) -> None:
    """The first row of the table that fits says which; one that never sent is a ConnectError."""
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


def test_no_row_of_the_table_hides_a_later_one() -> None:
    """A more general class above a special one would never let it through."""
    kinds = [kind for kind, _, _ in module._ERRORS]  # noqa: SLF001
    hidden = [(b, a) for i, a in enumerate(kinds) for b in kinds[i + 1 :] if issubclass(b, a)]
    assert hidden == []


# --- the caller's own session ------------------------------------------------------------------


async def test_own_session_keeps_its_middlewares_and_stays_open() -> None:
    """Ours is added, not put in their place; closing is its owner's."""
    seen: list[str] = []

    async def middleware(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        seen.append(request.method)
        request.headers["X-Mine"] = "1"
        return await handler(request)

    async with serving(echo) as url, aiohttp.ClientSession(middlewares=[middleware]) as session:
        async with opened(url, session=session) as transport:
            got = told(await transport.send(GET, {}, never))
        assert not session.closed
    assert (seen, got["headers"]["x-mine"]) == (["GET"], "1")


async def test_own_session_that_was_closed_is_a_transport_error() -> None:
    """Not a RuntimeError out of aiohttp, which would end everybody's waits."""
    session = aiohttp.ClientSession()
    await session.close()
    async with opened("http://127.0.0.1:9", session=session) as transport:
        with pytest.raises(TransportError):
            await transport.send(GET, {}, never)


async def test_send_after_close_is_a_transport_error() -> None:
    """The session above makes a `ClientClosedError` of it."""
    async with opened("http://127.0.0.1:9") as transport:
        await transport.close()
        with pytest.raises(TransportError, match="closed"):
            await transport.send(GET, {}, never)


@pytest.mark.parametrize("more", [{"ssl": False}, {"trace_configs": (aiohttp.TraceConfig(),)}])
async def test_own_session_excludes_tls_and_trace_settings(more: dict[str, Any]) -> None:
    """They would be ignored silently."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ValueError, match="a session uses its own"):
            TransportOptions(base_url="https://x.test", user_agent="t", session=session, **more)


@pytest.mark.parametrize("more", [{"request_timeout": 0}, {"max_connections": 0}])
def test_settings_that_could_never_send_are_refused(more: dict[str, Any]) -> None:
    """At construction."""
    with pytest.raises(InvalidInputError, match="above 0"):
        TransportOptions(base_url="https://x.test", user_agent="t", **more)


async def test_trace_configs_are_passed_through() -> None:
    """Each request is traced by aiohttp's own hooks."""
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
    """Not per request, and without `trust_env`."""
    asked: list[str] = []

    async def proxy(request: web.Request) -> web.Response:
        asked.append(str(request.url))
        return web.Response()

    for name in ("NO_PROXY", "no_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with serving(proxy) as url:
        monkeypatch.setenv("HTTP_PROXY", url)
        async with opened("http://api.test") as transport:
            monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
            await transport.send(GET, {}, never)
    assert asked == ["http://api.test/x"]


async def test_given_proxy_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the environment's, and also for this machine."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with serving(echo) as url, opened("http://127.0.0.1:9", proxy=url) as transport:
        assert (await transport.send(GET, {}, never)).status == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_loopback_never_goes_through_the_environment_s_proxy(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor what NO_PROXY names."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with serving(echo) as url, opened(url.replace("127.0.0.1", host)) as transport:
        assert (await transport.send(GET, {}, never)).status == 200


async def test_proxy_that_cannot_be_reached_is_a_connect_error(unused_tcp_port: int) -> None:
    """Never sent."""
    proxy = f"http://127.0.0.1:{unused_tcp_port}"
    async with opened("http://api.test", proxy=proxy) as transport:
        with pytest.raises(ConnectError, match="proxy"):
            await transport.send(GET, {}, never)


async def test_proxy_that_refuses_is_a_connect_error() -> None:
    """A CONNECT that is answered with 407 never reached the API."""

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
    """Any host by https, by http this machine."""
    assert checked_base_url(url) == str(URL(url)).rstrip("/")


@pytest.mark.parametrize(
    "url",
    ["http://api.test", "http://10.0.0.1", "http://127.0.0.1.evil.test", "ftp://x", "x", "", None,
     "https://", "https://u:p@api.test", "https://api.test?x=1", "https://api.test#x",
     "http://localhost.evil.test", "https://[", "http://0.0.0.0"],
)  # fmt: skip
def test_base_url_that_is_none_or_would_leak_the_token_is_refused(url: Any) -> None:
    """Unencrypted to another machine, with credentials, with a query, or no URL at all."""
    with pytest.raises(InvalidInputError, match="base_url"):
        checked_base_url(url)


# --- aioresponses ------------------------------------------------------------------------------


class MockedResponse(aiohttp.ClientResponse):
    """What aioresponses makes lacks a stream writer for aiohttp >= 3.14 (aioresponses#289)."""

    def __init__(self, *args: Any, **options: Any) -> None:
        options.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*args, **options)


async def test_users_of_aioresponses_can_mock_us() -> None:
    """The third-party mock sees our requests and its answers come through."""
    with aioresponses() as mocked:
        mocked.get("https://api.test/x?a=1", payload={"ok": 1}, response_class=MockedResponse)
        async with opened("https://api.test") as transport:
            response = await transport.send(Request("GET", "/x", (("a", "1"),)), {}, never)
    assert told(response) == {"ok": 1}


@pytest.mark.parametrize(
    "error", [aiohttp.ServerDisconnectedError(), OSError(5, "io"), TimeoutError()]
)
async def test_error_raised_by_a_mock_becomes_ours(error: Exception) -> None:
    """With the original as its cause and the host in its message."""
    with aioresponses() as mocked:
        mocked.get("https://api.test/x", exception=cast("Any", error))
        async with opened("https://api.test") as transport:
            with pytest.raises(TransportError, match=r"GET /x: .*https://api\.test") as caught:
                await transport.send(GET, {}, never)
    assert caught.value.__cause__ is error
