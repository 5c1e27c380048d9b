"""Proxies: their credentials are sent, and shown nowhere."""

import asyncio
import base64
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from di_async import ConnectError, Secret
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
    """The environment's proxy is wrapped before anything can show it."""
    monkeypatch.setenv("https_proxy", f"http://user:{PASSWORD}@proxy.test")
    monkeypatch.delenv("no_proxy", raising=False)
    found = environment_proxy("https", "api.test")
    assert found == Secret(f"http://user:{PASSWORD}@proxy.test")


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
