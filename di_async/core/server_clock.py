"""What time it is at a server, from the `Date` headers of its answers.

Where answers have none, a signature that was accepted shows that its time was about right.

This machine's wall clock may be wrong, and may step at any time. Its loop's clock never steps, but
stands still while the machine sleeps. This module reads neither: both are arguments.
"""

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import Enum

from msgspec import Struct

from di_async.core.moment import Moment

__all__ = ["CLOCK_SKEW_S", "SERVER_SKEW_S", "Age", "CallWindow", "ServerClock"]

# Several answers, because one may come from a cache or from a gateway with a wrong clock.
_SAMPLES = 8
CLOCK_SKEW_S = 120.0
"""By how much this machine's clock and a server's may differ without notice."""
SERVER_SKEW_S = 30.0
"""By how much the clocks of one provider may differ."""
# By how much the reckoning of one server's time may be wrong: its `Date` has whole seconds.
_DATE_S = 2.0
# Before this, a stamp stands for "not known": 1970, or the zero time of Go.
_PLACEHOLDER = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
_YEAR_S = 366 * 86400.0


class _Sample(Struct, frozen=True):
    at: Moment
    date: float


class Age(Enum):
    """What a creation stamp shows about a call."""

    BEFORE = "created before the call"
    SINCE = "created by the call, or at about the same time"
    UNKNOWN = "not known"


class CallWindow(Struct, frozen=True):
    """When a call began, in the server's time. Epoch seconds.

    The clocks may disagree, so it is a range: the call began in it.
    """

    earliest: float
    latest: float
    now: float
    by_server: bool = False
    """Reckoned with the server's own clock, not with this machine's."""

    def age(self, created_at: datetime | None) -> Age:
        """Return whether something was created before the call or since, if its stamp shows it."""
        stamp = None if created_at is None else created_at.timestamp()
        if stamp is None or not _PLACEHOLDER < stamp < self.now + _YEAR_S:
            return Age.UNKNOWN
        if stamp < self.earliest - CLOCK_SKEW_S:
            return Age.BEFORE
        # By this machine's clock, a stamp in the future is a sign that the clock is wrong.
        if not self.by_server and stamp > self.now + CLOCK_SKEW_S:
            return Age.UNKNOWN
        skew = SERVER_SKEW_S if self.by_server else CLOCK_SKEW_S
        return Age.SINCE if stamp >= self.latest - skew else Age.UNKNOWN

    def surely_before(self, created_at: datetime | None) -> bool:
        """Return whether the call surely began before something was created."""
        if created_at is None or self.age(created_at) is not Age.SINCE:
            return False
        return created_at.timestamp() > self.surely_begun_at

    @property
    def surely_begun_at(self) -> float:
        """The epoch second, by the server's clock, at which the call had begun for sure."""
        return self.latest + (_DATE_S if self.by_server else CLOCK_SKEW_S)

    def surely_since(self, created_at: datetime | None, tolerance: float) -> bool:
        """Return whether it was created at most `tolerance` seconds before the call, or since."""
        if created_at is None or self.age(created_at) is not Age.SINCE:
            return False
        return created_at.timestamp() >= self.latest - tolerance


class ServerClock:
    """Reckons one server's time. Every answer corrects it."""

    def __init__(self) -> None:
        self._samples: deque[_Sample] = deque(maxlen=_SAMPLES)
        self._accepted: _Sample | None = None

    def learn(self, now: Moment, date: float) -> None:
        """Record the server's time in an answer received now."""
        self._samples.append(_Sample(now, date))

    def accept(self, now: Moment, signed: float) -> None:
        """Record that a signature with this time was accepted, by an answer without a date."""
        self._accepted = _Sample(now, signed)

    def times(self, now: Moment) -> Iterator[float]:
        """Yield the times that it may be at the server, in epoch seconds, the likeliest first.

        They differ where this machine's clock was set, or the machine slept, since the last answer.
        """
        yield self.time(now)
        if self._accepted is not None:
            yield self._accepted.date + (now.loop - self._accepted.at.loop)
        yield now.wall

    def forget(self) -> None:
        """Forget what was learned: the server refused what was reckoned with it."""
        self._samples.clear()

    @property
    def is_known(self) -> bool:
        """Whether an answer has shown the server's time."""
        return bool(self._samples)

    def time(self, now: Moment) -> float:
        """Return the server's time in epoch seconds; this machine's if nothing was learned."""
        last = self._samples[-1] if self._samples else self._accepted
        if last is None:
            return now.wall
        return last.date + (now.wall - last.at.wall)

    def window(self, began: Moment, now: Moment) -> CallWindow:
        """Return when a call began, in the server's time."""
        since = [sample for sample in self._samples if sample.at.loop >= began.loop]
        known = since or list(self._samples)[-1:]
        by_server = bool(known)
        estimates = [
            estimate
            for sample in known or [_Sample(now, now.wall)]
            for estimate in _estimates(sample, began)
        ]
        current = self.time(now)
        return CallWindow(min(estimates), max(estimates), current, by_server)

    def attempt_window(self, began: float, now: Moment) -> CallWindow:
        """Return when an earlier call began, in the server's time.

        Args:
            began: epoch seconds by the clock of the machine that made it, perhaps another one.
            now: the present moment.
        """
        current = self.time(now)
        at = current - max(now.wall - began, 0.0)
        # Not `by_server`: the clocks of two machines differ by more than those of one provider.
        return CallWindow(at, at, current)


def _estimates(sample: _Sample, began: Moment) -> Iterator[float]:
    """Yield the server's time at `began`: by the wall clock, and by the loop's."""
    yield sample.date + (began.wall - sample.at.wall)
    yield sample.date + (began.loop - sample.at.loop)
