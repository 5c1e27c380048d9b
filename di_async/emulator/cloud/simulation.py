"""Simulated time, seeded randomness, and the settings of a world.

`now` and every `*_at` are world time. Headers and timestamps show real time, so that they agree
with the client's own clock.
"""

import random
import uuid
from typing import Literal

from attrs import field, frozen, validators

from .durations import Duration, Lifecycle

Dialect = Literal["documented", "observed"]
Case = Literal["lower", "upper"]

_SAMPLE_TIME = 1704833072.0  # 2024-01-09T20:44:32Z, used in all samples of DigitalOcean


@frozen
class Settings:
    """How a world answers."""

    dialect: Dialect = field(validator=validators.in_(("documented", "observed")))
    lifecycle: Lifecycle
    status_case: Case = field(validator=validators.in_(("lower", "upper")))
    active_word: str
    ca_pem: str
    dataplane_url: str | None
    scheme: Literal["https", "http"]


class IdGenerator:
    """A stream of ids; equal seeds return equal streams."""

    def __init__(self, seed: str) -> None:
        # Not for secrets: ids must repeat with the seed.
        self._rng = random.Random(seed)  # noqa: S311

    def new_uuid(self) -> str:
        """Return a new random UUID."""
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def new_hex(self, digits: int) -> str:
        """Return new hexadecimal digits."""
        return f"{self._rng.getrandbits(digits * 4):0{digits}x}"


class Simulation(IdGenerator):
    """World time, its speed, and the seeded randomness of a world."""

    def __init__(self, seed: int, time_scale: float) -> None:
        super().__init__(f"{seed}/ids")
        if time_scale <= 0:
            raise ValueError(f"time_scale must be above 0, not {time_scale}")
        self.time_scale = time_scale
        self.now: float | None = None
        self._anchor = 0.0
        self._seed = seed
        # Separate streams, so that a fault does not change later ids or durations.
        self._duration_rng = random.Random(f"{seed}/laws")  # noqa: S311
        self.fault_rng = random.Random(f"{seed}/faults")  # noqa: S311

    def advance_to(self, now: float | None) -> float:
        """Advance to `now` and return the time; an earlier `now`, or None, changes nothing."""
        if self.now is None:
            self._anchor = self.now = _SAMPLE_TIME if now is None else now
        elif now is not None:
            self.now = max(self.now, now)
        return self.now

    def real_time(self, at: float) -> float:
        """Convert world time to the time on an unscaled clock beside the client."""
        return self._anchor + (at - self._anchor) / self.time_scale

    def timestamp(self, at: float, after: int | None = None) -> int:
        """Return the whole-second timestamp of `at`, later than the timestamp `after`.

        With a time scale a whole update fits into one second. The vendors' updates never do, so
        the timestamps of one resource always increase.
        """
        stamp = int(self.real_time(at))
        return stamp if after is None else max(stamp, after + 1)

    def draw(self, duration: Duration) -> float:
        """Draw a duration in world seconds."""
        return duration.draw(self._duration_rng)

    def id_stream(self, name: str) -> IdGenerator:
        """Return an independent stream of ids, so that one vendor does not affect another."""
        return IdGenerator(f"{self._seed}/{name}/ids")
