"""The only module that reads a clock.

Time is the running loop's, so virtual or scaled time is a property of the loop. Wall-clock time is
the machine's, read at each use, because it steps: after a suspend, or when the machine's clock is
set. Where the loop's time is virtual, its lead over the machine's monotonic clock is added.
"""

import asyncio
import time
from datetime import UTC, datetime

from di_async.core.moment import Moment

__all__ = ["Clock"]

# The two clocks are read one after the other, and are set a little faster or slower all the time.
# Smaller differences are not a step, so that the same loop time is always the same wall-clock time.
_STEP_S = 0.05


class Clock:
    """Loop time in seconds, and the wall-clock time that corresponds to it."""

    __slots__ = ("_anchor", "_lead", "now")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.now = loop.time
        """Seconds of the running loop."""
        self._lead = loop.time() - time.monotonic()
        self._anchor = time.time() - loop.time()

    def _offset(self) -> float:
        """Return by how much the wall-clock time is ahead of the loop's, after any step of it."""
        offset = time.time() - time.monotonic() - self._lead
        if abs(offset - self._anchor) > _STEP_S:
            self._anchor = offset
        return self._anchor

    def wall(self) -> float:
        """Return epoch seconds."""
        return self.now() + self._offset()

    def steady(self) -> float:
        """Return seconds that all loops of this process share, and that do not step."""
        return self.now() - self._lead

    def wall_at(self, loop_time: float) -> float:
        """Return the epoch seconds of a loop time, by the present wall clock."""
        return loop_time + self._offset()

    def loop_at(self, wall: float) -> float:
        """Return the loop time of epoch seconds, by the present wall clock."""
        return wall - self._offset()

    def moment(self) -> Moment:
        """Return the present time by both clocks."""
        now = self.now()
        return Moment(now, now + self._offset())

    def datetime(self) -> datetime:
        """Return the present time as an aware datetime."""
        return datetime.fromtimestamp(self.wall(), UTC)
