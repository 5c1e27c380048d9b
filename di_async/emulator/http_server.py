"""The HTTP server: aiohttp.web over a function that answers requests, and its certificates.

It does not know any API. It reads requests, and writes, delays, cuts or resets responses.
"""

import asyncio
import logging
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from .cloud.http import Response

HOSTS = ("localhost", "127.0.0.1")
WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - only where the user names them
Answer = Callable[[web.BaseRequest, bytes], Response]
_MAX_PORT = 65535
_LINGER_ZERO = struct.pack("ii", 1, 0)


def _is_defect(record: logging.LogRecord) -> bool:
    """Return whether a record is about more than a client's malformed request, answered 400."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError | web.RequestPayloadError)


logger = logging.getLogger("di_async.emulator")
logger.addFilter(_is_defect)


class CertificateAuthority:
    """A new CA, and server contexts with certificates signed by it."""

    def __init__(self) -> None:
        try:
            import trustme  # only those who use sockets need it
        except ModuleNotFoundError as error:
            msg = "the emulator's TLS needs trustme: pip install 'di-async[emulator]'"
            raise ModuleNotFoundError(msg, name="trustme") from error
        self._ca: trustme.CA = trustme.CA(organization_name="di-async emulator")
        self.pem: str = self._ca.cert_pem.bytes().decode()

    def server_context(self, host: str = HOSTS[1]) -> ssl.SSLContext:
        """Return a server's context for the loopback names and this one."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*{*HOSTS, host} - WILDCARDS).configure_cert(context)
        return context


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; raise OSError if the port is taken or the host is not ours."""
    if not isinstance(port, int) or not 0 <= port <= _MAX_PORT:  # the resolver wraps others around
        raise ValueError(f"port: expected a whole number from 0 to {_MAX_PORT}, not {port!r}")
    # URLs call both of these 127.0.0.1, but "localhost" may resolve to ::1, and "::" be IPv6 alone.
    name = HOSTS[1] if host in HOSTS else host
    dual = host == "::" and socket.has_dualstack_ipv6()
    try:
        family, *_, address = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=512, dualstack_ipv6=dual)
    except (OSError, UnicodeError) as error:
        # Python appends the address, which the message names already.
        text = error.strerror if isinstance(error, OSError) else "not a host name"
        reason = str(text).partition(" (while ")[0]
        msg = f"the emulator cannot listen on {host}:{port}: {reason}"
        if not isinstance(error, OSError):
            raise OSError(msg) from error
        raise OSError(error.errno, msg) from error


@asynccontextmanager
async def serving(
    sock: socket.socket, answer: Answer, time_scale: float, tls: ssl.SSLContext | None
) -> AsyncIterator[None]:
    """Serve on the socket during the block."""
    closing = asyncio.Event()
    handler = _handler(answer, time_scale, closing)
    # Polls may be a minute apart, and must still find their connection open.
    server = web.Server(handler, keepalive_timeout=120, access_log=None, logger=logger)
    runner = web.ServerRunner(server, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.SockSite(runner, sock, ssl_context=tls).start()
        yield
    finally:
        closing.set()
        await runner.cleanup()


def _handler(
    answer: Answer, time_scale: float, closing: asyncio.Event
) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        try:
            body = await request.read()
        except ConnectionError:  # the client has gone; nobody reads the answer
            return web.Response()
        except web.RequestPayloadError:
            refused = web.Response(status=400, text="the body is not in its content-encoding")
            refused.force_close()  # what follows cannot be read
            return refused
        response = answer(request, body)
        if response.delay_s:
            # Not beyond the end of the server.
            with suppress(TimeoutError):
                async with asyncio.timeout(response.delay_s / time_scale):
                    await closing.wait()
        if response.drop or closing.is_set():
            _reset(request)
            return web.Response()
        if response.cut or response.chunks:
            return await _send_in_pieces(request, response)
        return web.Response(status=response.status, headers=response.headers, body=response.body)

    return handle


def _reset(request: web.BaseRequest) -> None:
    if request.transport is None:  # the client has disconnected
        return
    # Without lingering, closing sends a TCP reset, as a crashed proxy does.
    sock = request.transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    request.transport.abort()


async def _send_in_pieces(request: web.BaseRequest, response: Response) -> web.StreamResponse:
    stream = web.StreamResponse(status=response.status, headers=response.headers)
    if response.cut:
        stream.content_length = len(response.body)
    await stream.prepare(request)
    for chunk in response.chunks or (response.body[: len(response.body) // 2],):
        await stream.write(chunk)
    if response.cut and request.transport is not None:
        request.transport.close()
    return stream
