"""Time and chance, as a world has them.

Rules of this file: no clock and no entropy; both come in as arguments. `now` and every `*_at` are
world time; what headers and stamps tell is real time, so a client's own clock agrees with them.
"""

import random
import uuid

from .durations import Duration

_SAMPLE_MOMENT = 1704833072.0  # 2024-01-09T20:44:32Z, the moment of all the vendor's samples


class Ids:
    """A stream of ids; equal seeds give equal streams."""

    def __init__(self, seed: str) -> None:
        # Repeatable is what they are for.
        self._ids = random.Random(seed)  # noqa: S311

    def new_uuid(self) -> str:
        """A fresh random UUID."""
        return str(uuid.UUID(int=self._ids.getrandbits(128), version=4))

    def new_hex(self, digits: int) -> str:
        """Fresh hexadecimal digits."""
        return f"{self._ids.getrandbits(digits * 4):0{digits}x}"


class Simulation(Ids):
    """The moment a world has reached, how fast it runs, and its seeded chance."""

    def __init__(self, seed: int, time_scale: float) -> None:
        super().__init__(f"{seed}/ids")
        if time_scale <= 0:
            raise ValueError(f"time_scale must be above 0, not {time_scale}")
        self.time_scale = time_scale
        self.now: float | None = None
        self._anchor = 0.0
        self._seed = seed
        # Streams of their own keep ids, durations and mishaps apart.
        self._laws = random.Random(f"{seed}/laws")  # noqa: S311
        self.fault_rng = random.Random(f"{seed}/faults")  # noqa: S311

    def advance_to(self, now: float | None) -> float:
        """Move on to `now`, or stay; time never runs backwards, however calls are ordered."""
        if self.now is None:
            self._anchor = self.now = _SAMPLE_MOMENT if now is None else now
        elif now is not None:
            self.now = max(self.now, now)
        return self.now

    def told(self, at: float) -> float:
        """World time as an unscaled clock beside the client would tell it."""
        return self._anchor + (at - self._anchor) / self.time_scale

    def stamp(self, at: float, after: int | None = None) -> int:
        """A whole-second stamp of `at`, later than the stamp `after`.

        Scaled, a whole update fits into one second; the vendor's never does, so stamps of one
        instance always move on.
        """
        told = int(self.told(at))
        return told if after is None else max(told, after + 1)

    def draw(self, law: Duration) -> float:
        """A duration in world seconds."""
        return law.draw(self._laws)

    def ids_of(self, name: str) -> Ids:
        """A stream of ids apart from all others: one vendor's draws leave another's alone."""
        return Ids(f"{self._seed}/{name}/ids")
