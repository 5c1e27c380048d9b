"""Fakes of the vendors' APIs, with their known peculiarities.

    async with emulator.running() as emu: ...      # in a running loop
    with emulator.threaded() as emu: ...           # from plain code, in a thread of its own
    World().handle(now, method, path, headers, body)   # without sockets and clock

Nothing of the client is imported here, so that no mistake is shared. All sockets are on loopback.
pytest and trustme are imported only where they are needed. The names below load on first use,
since every pytest run imports this module where the package is installed.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cloud.faults import Fault
    from .cloud.http import Response
    from .cloud.simulation import Fixed, Lifecycle, LogNormal
    from .emulator import Emulator, Options, running, threaded
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
    "Emulator": "emulator",
    "Fault": "cloud.faults",
    "Fixed": "cloud.simulation",
    "Lifecycle": "cloud.simulation",
    "LogNormal": "cloud.simulation",
    "Options": "emulator",
    "Response": "cloud.http",
    "Stats": "world",
    "World": "world",
    "running": "emulator",
    "threaded": "emulator",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f".{_MODULES[name]}", __name__)
    value = globals()[name] = getattr(module, name)
    return value
