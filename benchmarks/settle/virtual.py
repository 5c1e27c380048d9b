"""Virtual time: an asyncio loop that jumps to its next timer, and a wall clock that goes along.

Rules of this file: nothing of ours is known here. No sockets: whoever waits for one waits for ever,
which is told as an error instead of hanging. Hours pass in the time that the callbacks take.
"""

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

__all__ = ["EPOCH", "VirtualLoop", "run_virtual"]

T = TypeVar("T")

# Wall-clock time of virtual second 0 (2027-01-15): fixed, so that runs repeat to the last stamp.
EPOCH = 1_800_000_000.0
# Loop turns without a step of time after which something surely spins.
_SPINNING = 2_000_000
# asyncio never waits for longer at a time.
_LONGEST_STEP_S = 86_400.0


class _Jump(selectors.SelectSelector):
    """Waits for nothing: hands the time it should have waited to the loop."""

    def __init__(self, pass_time: Callable[[float | None], None]) -> None:
        super().__init__()
        self._pass_time = pass_time

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._pass_time(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` starts at 0 and moves only when nothing is ready."""

    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        self._moment = 0.0
        self._still = 0
        super().__init__(_Jump(self._pass_time))

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._moment

    def _pass_time(self, timeout: float | None) -> None:
        if timeout is None:
            raise RuntimeError("every task waits and no timer is set: this would hang for ever")
        if timeout <= 0:
            self._still += 1
            if self._still > _SPINNING:
                self._still = 0  # the tasks may yet be cancelled
                raise RuntimeError(f"time stands still at {self._moment}: something spins")
            return
        self._still = 0
        # The timer's own moment, not a sum that may fall short of it by a rounding.
        due = self._scheduled[0].when() if timeout < _LONGEST_STEP_S else 0.0
        self._moment = max(self._moment + timeout, due)


def run_virtual(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What `main` returns, run to its end in virtual time; `time.time()` tells virtual time too."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner, _virtual_wall(runner.get_loop()):
        return runner.run(main())


@contextmanager
def _virtual_wall(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    real = time.time
    time.time = lambda: EPOCH + loop.time()
    try:
        yield
    finally:
        time.time = real
