"""The one place that reads a clock.

Time is the running loop's, so that virtual or scaled time is a property of the loop. Wall time is
anchored once and then follows the loop, so that both tell the same story under a virtual loop too.
"""

import asyncio
import time
from datetime import UTC, datetime

__all__ = ["Clock"]


class Clock:
    """Loop seconds and the wall-clock time that goes with them."""

    __slots__ = ("_anchor", "_told", "now")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.now = loop.time
        """Seconds of the running loop."""
        self._anchor = time.time() - loop.time()
        self._told = self._anchor, datetime.fromtimestamp(self._anchor, UTC)

    def wall(self) -> float:
        """Epoch seconds."""
        return self._anchor + self.now()

    def wall_at(self, loop_time: float) -> float:
        """Epoch seconds of a loop time."""
        return self._anchor + loop_time

    def loop_at(self, wall: float) -> float:
        """The loop time of some epoch seconds."""
        return wall - self._anchor

    def datetime(self) -> datetime:
        """Now, as an aware datetime."""
        at = self.wall()
        if self._told[0] != at:  # all that a page tells is told of one moment
            self._told = at, datetime.fromtimestamp(at, UTC)
        return self._told[1]
