"""A clock for emulators that moves when it is read."""

import time

__all__ = ["SteppingClock"]


class SteppingClock:
    """A clock for an emulator that advances by `step` seconds with every read.

    The world advances with its requests, however fast or slow the machine is.
    """

    def __init__(self, step: float) -> None:
        self.now = time.time()  # signatures expire by real time
        self.step = step

    def read(self) -> float:
        """Return the time, and advance it for the next read."""
        self.now += self.step
        return self.now
