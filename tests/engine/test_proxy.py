"""Proxies: their credentials are sent, and shown nowhere."""

import asyncio
import base64
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from di_async import ConnectError, InvalidInputError, Secret
from di_async.core.http import Request
from di_async.engine.proxy import Proxy, environment_proxy, parse_proxy
from di_async.engine.transport import AiohttpTransport, TransportOptions

PASSWORD = "planted-p%40ss"
GET = Request("GET", "/x")


async def never() -> None:
    """Fail: nothing is sent twice here."""
    raise AssertionError


@pytest.mark.parametrize("given", [None, "", Secret("")])
def test_no_proxy(given: str | Secret | None) -> None:
    """No proxy has neither a URL nor headers."""
    assert parse_proxy(given) == Proxy()
    assert parse_proxy(given).headers() == {}


@pytest.mark.parametrize("wrap", [str, Secret])
def test_credentials_leave_the_url(wrap: type[str] | type[Secret]) -> None:
    """User and password are decoded, and move from the URL into a header."""
    proxy = parse_proxy(wrap(f"http://user:{PASSWORD}@proxy.test:3128"))
    assert proxy.url == "http://proxy.test:3128"
    encoded = base64.b64encode(b"user:planted-p@ss").decode()
    assert proxy.headers() == {"Proxy-Authorization": f"Basic {encoded}"}
    assert "planted" not in repr(proxy)
    assert encoded not in repr(proxy)


def test_proxy_of_the_environment_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's credentials are kept out of the proxy's repr."""
    monkeypatch.setenv("https_proxy", f"http://user:{PASSWORD}@proxy.test")
    monkeypatch.delenv("no_proxy", raising=False)
    found = environment_proxy("https", "api.test")
    assert (found.url, found.authorization is not None) == ("http://proxy.test", True)
    assert "planted" not in repr(found)


def test_proxy_without_a_scheme_speaks_http() -> None:
    """A host and port alone mean an http proxy, as for curl."""
    assert parse_proxy("127.0.0.1:3128").url == "http://127.0.0.1:3128"
    assert parse_proxy(f"user:{PASSWORD}@proxy.test:3128").url == "http://proxy.test:3128"


@pytest.mark.parametrize("kind", ["socks5", "socks5h", "socks4", "ftp"])
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "all_proxy"])
async def test_other_kinds_of_proxy_are_refused_when_entering(
    kind: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent through a proxy of another kind; the error names variable and kind."""
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, f"{kind}://user:{PASSWORD}@127.0.0.1:1")
    options = TransportOptions(base_url="https://api.test", user_agent="a")
    with pytest.raises(InvalidInputError, match=f"{variable}: {kind} proxies") as caught:
        await AiohttpTransport(options).open()
    assert "planted" not in str(caught.value)


async def test_proxy_of_a_session_that_trusts_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A caller's session would speak HTTP to a SOCKS proxy as well."""
    monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    async with aiohttp.ClientSession(trust_env=True) as session:
        options = TransportOptions(base_url="https://api.test", user_agent="a", session=session)
        with pytest.raises(InvalidInputError, match="socks5"):
            await AiohttpTransport(options).open()


@pytest.mark.parametrize(
    "given", ["http://", "http://a:port", f"http://u:{PASSWORD}#x@h:1", "http://[::1", "h:99999"]
)
def test_proxy_that_is_not_a_url(given: str) -> None:
    """What is not a URL is named without showing it: it may hold a password."""
    with pytest.raises(InvalidInputError, match="HTTPS_PROXY: expected the URL") as caught:
        parse_proxy(given, "HTTPS_PROXY")
    assert "planted" not in str(caught.value)


@asynccontextmanager
async def refusing_proxy(received: list[bytes]) -> AsyncIterator[int]:
    """Run a proxy that answers everything with 407; yield its port."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_credentials_reach_the_proxy_and_no_traceback(scheme: str) -> None:
    """The proxy receives the credentials; the error of its refusal shows them nowhere."""
    received: list[bytes] = []
    encoded = base64.b64encode(b"user:planted-p@ss").decode()
    async with refusing_proxy(received) as port:
        options = TransportOptions(
            base_url=f"{scheme}://api.test",
            user_agent="a",
            proxy=f"http://user:{PASSWORD}@127.0.0.1:{port}",
        )
        assert "planted" not in repr(options)
        transport = AiohttpTransport(options)
        await transport.open()
        try:
            if scheme == "http":
                assert (await transport.send(GET, {}, never)).status == 407
            else:
                with pytest.raises(ConnectError, match="the proxy refused") as caught:
                    await transport.send(GET, {}, never)
                assert caught.value.__cause__ is caught.value.__context__ is None
                frames = traceback.extract_tb(caught.value.__traceback__)
                assert not [frame for frame in frames if "aiohttp" in frame.filename]
        finally:
            await transport.close()
    assert encoded in received[0].decode()
    assert PASSWORD not in received[0].decode()


async def test_error_of_a_connection_shows_the_systems_error_only() -> None:
    """The cause of a failed connection is the system's error, without frames of the library."""
    transport = AiohttpTransport(TransportOptions(base_url="http://127.0.0.1:1", user_agent="a"))
    await transport.open()
    try:
        with pytest.raises(ConnectError) as caught:
            await transport.send(GET, {"Authorization": "Bearer planted"}, never)
    finally:
        await transport.close()
    cause = caught.value.__cause__
    assert type(cause) is ConnectionRefusedError
    assert cause.__traceback__ is None
    assert cause.__context__ is None
