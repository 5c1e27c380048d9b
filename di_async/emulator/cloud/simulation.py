"""Simulated time, seeded randomness, durations of writes, and the settings of a world.

`now` and every `*_at` are world time. Headers and timestamps show real time, so that they agree
with the client's own clock. No vendor publishes how long a write takes. The default of a create is
that of our benchmark (5 % settle within 8 minutes, 95 % within 20); the others have its spread.
"""

import math
import random
import uuid
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from attrs import Attribute, field, frozen, validators

Dialect = Literal["documented", "observed"]
Case = Literal["lower", "upper"]

_SAMPLE_TIME = 1704833072.0  # 2024-01-09T20:44:32Z, used in all samples of DigitalOcean


class Duration(Protocol):
    """A distribution of durations."""

    def draw(self, rng: random.Random) -> float:
        """Draw one duration in world seconds."""
        ...


@frozen
class Fixed:
    """Always the same duration.

    Args:
        seconds: the duration.
    """

    seconds: float = field(validator=validators.ge(0))

    def draw(self, rng: random.Random) -> float:
        """Return the fixed duration."""
        return self.seconds


@frozen
class LogNormal:
    """A log-normal duration.

    Args:
        median: seconds.
        sigma: the standard deviation of the duration's logarithm.
    """

    median: float = field(validator=validators.gt(0))
    sigma: float = field(default=0.2785, validator=validators.ge(0))

    def draw(self, rng: random.Random) -> float:
        """Draw one duration: the median times a random factor."""
        return self.median * math.exp(self.sigma * rng.gauss(0.0, 1.0))


def _duration(value: Duration | float) -> Duration:
    return Fixed(float(value)) if isinstance(value, int | float) else value


def _check_duration(_: object, attribute: "Attribute[Any]", value: object) -> None:
    if not callable(getattr(value, "draw", None)):
        expected = "seconds, or a distribution such as LogNormal(60)"
        raise ValueError(f"{attribute.name}: expected {expected}, not {value!r}")  # noqa: TRY004 - as for the other values


def _check_seconds(_: object, attribute: "Attribute[Any]", value: object) -> None:
    if not isinstance(value, int | float) or not value >= 0:
        raise ValueError(f"{attribute.name}: expected seconds, 0 or more, not {value!r}")


def _check_share(_: object, attribute: "Attribute[Any]", value: object) -> None:
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{attribute.name}: expected a number from 0 to 1, not {value!r}")


@frozen
class Lifecycle:
    """How long each action takes, and its irregularities. A plain number is fixed seconds.

    Args:
        create: the duration of a create.
        update: the duration of an update or a scale.
        delete: the duration of a delete.
        new_share: the part of a create's duration for which its status is `new`.
        active_early: seconds before it settles at which a create or update reads `active`, with its
            pending spec still present (as in the vendor's own 202 sample).
        ready_lag: seconds after settling for which the endpoint answers 503.
        list_lead: the last seconds of `ready_lag` in which the endpoint lists its models, as a
            server does while it loads them.
        wake_lag: seconds for which a deployment that is scaled to zero answers 503 after the
            request that wakes it.
        name_lag: seconds for which a deleted name stays taken after GET answers 404.
        operation_share: the part of a create's or update's duration after which its operation or
            task (Gcore, Exoscale) has ended. That of a delete takes all of it.

    Raises:
        ValueError: a value is not of its kind, such as a negative number of seconds.
    """

    create: Duration = field(
        default=LogNormal(12.65 * 60), converter=_duration, validator=_check_duration
    )
    update: Duration = field(
        default=LogNormal(6 * 60), converter=_duration, validator=_check_duration
    )
    delete: Duration = field(default=LogNormal(90), converter=_duration, validator=_check_duration)
    new_share: float = field(default=0.02, validator=_check_share)
    active_early: float = field(default=0.0, validator=_check_seconds)
    ready_lag: float = field(default=0.0, validator=_check_seconds)
    list_lead: float = field(default=0.0, validator=_check_seconds)
    wake_lag: float = field(default=0.0, validator=_check_seconds)
    name_lag: float = field(default=0.0, validator=_check_seconds)
    operation_share: float = field(default=0.1, validator=_check_share)


@frozen
class Settings:
    """How a world answers."""

    dialect: Dialect = field(validator=validators.in_(("documented", "observed")))
    lifecycle: Lifecycle = field(validator=validators.instance_of(Lifecycle))
    status_case: Case = field(validator=validators.in_(("lower", "upper")))
    active_word: str = field(validator=validators.min_len(1))
    ca_pem: str
    dataplane_url: str | None
    scheme: Literal["https", "http"]
    engine_version: str = field(validator=validators.matches_re(r"\d+\.\d+\.\d+"))


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
        if not 0 < time_scale < math.inf:
            raise ValueError(f"time_scale must be a number above 0, not {time_scale}")
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


def timestamp_text(stamp: int) -> str:
    """Return a timestamp as RFC 3339 text."""
    return datetime.fromtimestamp(stamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
