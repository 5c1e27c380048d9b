"""Helpers of the tests over sockets: planted secrets, and servers that misbehave."""

import asyncio
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from di_async import DigitalOcean, PollPolicy
from di_async.emulator import Emulator, Lifecycle, Options

ACCOUNT_TOKEN = "dop_v1_" + "ab12" * 16
HF_TOKEN = "hf_" + "plantedPLANTED99"
FAST: Options = {
    "seed": 0,
    "time_scale": 100.0,
    "lifecycle": Lifecycle(create=10, update=8, delete=5),
}
QUICKLY = PollPolicy(target_lag=0.05)


def a_client(emu: Emulator, **options: Any) -> DigitalOcean:
    """Return a client of an emulator that polls often."""
    return DigitalOcean(emu.token, base_url=emu.url, polling=QUICKLY, **options)


def all_text(error: BaseException) -> str:
    """Return all that an error could bring into a log: text, attributes, traceback, causes."""
    text = "".join(traceback.format_exception(error))
    return f"{error} {error!r} {error.args} {vars(error)} {text}"


@asynccontextmanager
async def server(answer: bytes, *, close: bool = True) -> AsyncIterator[str]:
    """Run a server that answers every request with these bytes; yield its URL."""
    over = asyncio.Event()
    talks: set[asyncio.Task[Any]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.current_task())  # type: ignore[arg-type]
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        if not close:
            await over.wait()
        writer.close()
        await writer.wait_closed()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        host, port = listening.sockets[0].getsockname()
        yield f"http://{host}:{port}"
    finally:
        over.set()
        await asyncio.gather(*talks, return_exceptions=True)
        listening.close()
        await listening.wait_closed()


def http(status: str, body: bytes, *headers: str, length: int | None = None) -> bytes:
    """Return the bytes of an HTTP response."""
    size = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {size}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body
