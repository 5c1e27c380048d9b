"""Fakes of the vendors' APIs that behave as the real ones do, quirks included.

    async with emulator.running() as emu: ...      # in a running loop
    with emulator.threaded() as emu: ...           # from plain code, in a thread of its own
    World().handle(now, method, path, headers, body)   # no sockets, no clock

Rules of this folder: nothing of the client is imported, so that no mistake can be shared; every
socket is on loopback; pytest and trustme are imported only by who needs them.
"""

from .running import Emulator, Options, running
from .threads import threaded
from .world import Fault, Fixed, Lifecycle, LogNormal, Response, Stats, World

__all__ = [
    "Emulator",
    "Fault",
    "Fixed",
    "Lifecycle",
    "LogNormal",
    "Options",
    "Response",
    "Stats",
    "World",
    "running",
    "threaded",
]
