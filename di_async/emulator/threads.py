"""The emulator in a thread of its own, for plain code and for any async framework.

Rules of this file: one thread, one loop; both are gone when the block ends.
"""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Unpack

from .serving import Emulator, Options, running

_Started = tuple[Emulator, asyncio.AbstractEventLoop, asyncio.Event]


@contextmanager
def threaded(**options: Unpack[Options]) -> Iterator[Emulator]:
    """An emulator in its own thread for as long as the block lasts; options as in `running`."""
    started: Future[_Started] = Future()
    thread = threading.Thread(
        target=lambda: asyncio.run(_serve(started, options)),
        name="di-async-emulator",
        daemon=True,
    )
    thread.start()
    try:
        emulator, loop, stop = started.result()
        try:
            yield emulator
        finally:
            loop.call_soon_threadsafe(stop.set)
    finally:
        thread.join()


async def _serve(started: "Future[_Started]", options: Options) -> None:
    stop = asyncio.Event()
    try:
        async with running(**options) as emulator:
            started.set_result((emulator, asyncio.get_running_loop(), stop))
            await stop.wait()
    except Exception as error:
        if started.done():  # it ran and ended badly; the thread's own hook will tell
            raise
        started.set_exception(error)
