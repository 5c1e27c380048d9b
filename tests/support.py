"""Clocks that need no real time: the loop's, and one for emulators."""

import time

import pytest

__all__ = ["REAL", "VIRTUAL", "SteppingClock"]

VIRTUAL = pytest.mark.virtual
"""The test's loop has a virtual clock, which moves as soon as nothing is ready."""
REAL = pytest.mark.virtual(False)
"""The test needs real time, in a module that is marked `VIRTUAL`."""


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
