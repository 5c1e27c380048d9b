"""The pure half of the emulator: what the vendors' servers know and decide.

Rules of this folder: no asyncio, no clock, no sockets; time is an argument and chance comes from
a seeded `random.Random` alone. Each provider is a folder beside this file that fills a `Provider`.
"""

from .durations import Fixed, Lifecycle, LogNormal
from .faults import Fault
from .http import Response
from .world import Stats, World

__all__ = ["Fault", "Fixed", "Lifecycle", "LogNormal", "Response", "Stats", "World"]
