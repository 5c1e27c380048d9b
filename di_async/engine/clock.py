"""The only module that reads a clock.

Time is the running loop's, so virtual or scaled time is a property of the loop. Wall-clock time is
read once and then follows the loop, so that both agree under a virtual loop, too.
"""

import asyncio
import time
from datetime import UTC, datetime

__all__ = ["Clock"]


class Clock:
    """Loop time in seconds, and the wall-clock time that corresponds to it."""

    __slots__ = ("_anchor", "now")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.now = loop.time
        """Seconds of the running loop."""
        self._anchor = time.time() - loop.time()

    def wall(self) -> float:
        """Return epoch seconds."""
        return self._anchor + self.now()

    def wall_at(self, loop_time: float) -> float:
        """Return the epoch seconds of a loop time."""
        return self._anchor + loop_time

    def loop_at(self, wall: float) -> float:
        """Return the loop time of epoch seconds."""
        return wall - self._anchor

    def datetime(self) -> datetime:
        """Return the present time as an aware datetime."""
        return datetime.fromtimestamp(self.wall(), UTC)
