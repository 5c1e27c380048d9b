"""A clock for emulators that moves when it is read."""

import time

__all__ = ["AskedTime"]


class AskedTime:
    """A clock for an emulator: it moves by `step` seconds whenever it is read, thus asked.

    The world goes on with what is asked of it, however fast or slow the machine is.
    """

    def __init__(self, step: float) -> None:
        self.now = time.time()  # signatures expire by the real time
        self.step = step

    def read(self) -> float:
        """The moment it shows; the next one is later."""
        self.now += self.step
        return self.now
