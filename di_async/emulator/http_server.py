"""The sockets: aiohttp.web over a world.

Rules of this file: no decision about any API. It reads requests, asks the world, and does to the
connection what the answer says: write, delay, cut, reset.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from aiohttp import web

from .cloud.http import Response

Ask = Callable[[web.BaseRequest, bytes], Response]
_LINGER_ZERO = struct.pack("ii", 1, 0)


def listen(port: int) -> socket.socket:
    """A listening socket on loopback; OSError if the port is taken."""
    try:
        return socket.create_server(("127.0.0.1", port), backlog=512)
    except OSError as error:
        msg = f"the emulator cannot listen on 127.0.0.1:{port}: {error.strerror}"
        raise OSError(error.errno, msg) from error


@asynccontextmanager
async def serving(
    sock: socket.socket, ask: Ask, time_scale: float, tls: ssl.SSLContext | None
) -> AsyncIterator[None]:
    """A server that answers on the socket for as long as the block lasts."""
    closing = asyncio.Event()
    # Polls may be a minute apart and must find their connection open.
    server = web.Server(_handler(ask, time_scale, closing), keepalive_timeout=120, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.SockSite(runner, sock, ssl_context=tls).start()
        yield
    finally:
        closing.set()
        await runner.cleanup()


def _handler(
    ask: Ask, time_scale: float, closing: asyncio.Event
) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        answer = ask(request, await request.read())
        if answer.delay_s:
            await _delay(answer.delay_s / time_scale, closing)
        if answer.drop or closing.is_set():
            _reset(request)
            return web.Response()
        if answer.cut or answer.chunks:
            return await _piecewise(request, answer)
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)

    return handle


async def _delay(seconds: float, closing: asyncio.Event) -> None:
    """Wait, but not beyond the end of the server: nobody should wait for a late answer then."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await closing.wait()


def _reset(request: web.BaseRequest) -> None:
    if request.transport is None:  # the client has left already
        return
    # Without lingering the close is a TCP reset: what a crashed proxy looks like.
    sock = request.transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    request.transport.abort()


async def _piecewise(request: web.BaseRequest, answer: Response) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    if answer.cut:
        response.content_length = len(answer.body)
    await response.prepare(request)
    for chunk in answer.chunks or (answer.body[: len(answer.body) // 2],):
        await response.write(chunk)
    if answer.cut and request.transport is not None:
        request.transport.close()
    return response
