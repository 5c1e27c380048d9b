"""The only module that reads a clock.

Time is the running loop's, so virtual or scaled time is a property of the loop. Wall-clock time is
the machine's, read at each use, because it steps: after a suspend, or when the machine's clock is
set. Where the loop's time is virtual, its lead over the machine's monotonic clock is added.
"""

import asyncio
import time
from datetime import UTC, datetime

from di_async.core.server_clock import Moment

__all__ = ["Clock"]


class Clock:
    """Loop time in seconds, and the wall-clock time that corresponds to it."""

    __slots__ = ("_lead", "now")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.now = loop.time
        """Seconds of the running loop."""
        self._lead = loop.time() - time.monotonic()

    def wall(self) -> float:
        """Return epoch seconds."""
        return time.time() + (self.now() - time.monotonic() - self._lead)

    def wall_at(self, loop_time: float) -> float:
        """Return the epoch seconds of a loop time, by the present wall clock."""
        return self.wall() - (self.now() - loop_time)

    def loop_at(self, wall: float) -> float:
        """Return the loop time of epoch seconds, by the present wall clock."""
        return self.now() - (self.wall() - wall)

    def moment(self) -> Moment:
        """Return the present time by both clocks."""
        return Moment(self.now(), self.wall())

    def datetime(self) -> datetime:
        """Return the present time as an aware datetime."""
        return datetime.fromtimestamp(self.wall(), UTC)
