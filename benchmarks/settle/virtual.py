"""Virtual time: an asyncio loop that jumps to its next timer, with a matching wall clock.

This module is independent of di_async. Sockets are not supported: a wait for one raises an error
instead of hanging. Hours pass in the time that the callbacks take.
"""

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

__all__ = ["EPOCH", "VirtualLoop", "run_virtual"]

T = TypeVar("T")

# Wall-clock time of virtual second 0 (2027-01-15), fixed so that runs repeat exactly.
EPOCH = 1_800_000_000.0
# Iterations of the loop at one time after which a task surely spins.
_SPINNING = 2_000_000
# asyncio's longest single wait.
_LONGEST_STEP_S = 86_400.0


class _Jump(selectors.SelectSelector):
    """A selector that does not wait and reports the time it should have waited to the loop."""

    def __init__(self, pass_time: Callable[[float | None], None]) -> None:
        super().__init__()
        self._pass_time = pass_time

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._pass_time(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` starts at 0 and advances only when no callback is ready."""

    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        self._moment = 0.0
        self._still = 0
        super().__init__(_Jump(self._pass_time))

    def time(self) -> float:
        """Return virtual seconds since the loop was made."""
        return self._moment

    def _pass_time(self, timeout: float | None) -> None:
        if timeout is None:
            raise RuntimeError("every task waits and no timer is set: this would hang for ever")
        if timeout <= 0:
            self._still += 1
            if self._still > _SPINNING:
                self._still = 0  # tasks can still be cancelled
                raise RuntimeError(f"time stands still at {self._moment}: something spins")
            return
        self._still = 0
        if timeout < _LONGEST_STEP_S:
            self._moment = self._scheduled[0].when()  # exact, where a sum may be rounded
        else:
            self._moment += timeout


def run_virtual(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `main` in virtual time and return its result; `time.time()` is virtual too."""
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
