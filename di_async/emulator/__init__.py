"""Fakes of the vendors' APIs that behave as the real ones do, quirks included.

    async with emulator.running() as emu: ...      # in a running loop
    with emulator.threaded() as emu: ...           # from plain code, in a thread of its own
    World().handle(now, method, path, headers, body)   # no sockets, no clock

Rules of this folder: nothing of the client is imported, so that no mistake can be shared; every
socket is on loopback; pytest and trustme are imported only by who needs them. The names below
come on first use, since pytest passes through here in every run where the package is installed.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cloud.durations import Fixed, Lifecycle, LogNormal
    from .cloud.faults import Fault
    from .cloud.http import Response
    from .serving import Emulator, Options, running
    from .threads import threaded
    from .world import Stats, World

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

_MODULES = {
    "Emulator": "serving",
    "Fault": "cloud.faults",
    "Fixed": "cloud.durations",
    "Lifecycle": "cloud.durations",
    "LogNormal": "cloud.durations",
    "Options": "serving",
    "Response": "cloud.http",
    "Stats": "world",
    "World": "world",
    "running": "serving",
    "threaded": "threads",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f".{_MODULES[name]}", __name__)
    value = globals()[name] = getattr(module, name)
    return value
