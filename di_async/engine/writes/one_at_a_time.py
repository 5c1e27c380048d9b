"""Work that only one task of this process may do at a time, across clients, loops and threads."""

import asyncio
import os
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

__all__ = ["one_at_a_time"]

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 1.0
# Key -> the task that works on it. `setdefault` is atomic, also between threads.
_held: dict[Hashable, object] = {}
# The tasks of the parent process do not run in a forked child, and would never release a key.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_held.clear)


@asynccontextmanager
async def one_at_a_time(key: Hashable) -> AsyncIterator[None]:
    """Hold the key while the block runs; wait while another task holds it."""
    mine, pause = object(), _FIRST_PAUSE_S
    while _held.setdefault(key, mine) is not mine:
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_S)
    try:
        yield
    finally:
        del _held[key]
