"""How long a write takes to settle, in world seconds.

No vendor publishes figures. The default of a create is that of our benchmark (5 % of creates
settle within 8 minutes, 95 % within 20); the others use the same spread.
"""

import math
import random
from typing import Protocol

from attrs import field, frozen, validators


class Duration(Protocol):
    """A distribution of durations."""

    def draw(self, rng: random.Random) -> float:
        """Draw one duration in world seconds."""
        ...


@frozen
class Fixed:
    """Always the same duration."""

    seconds: float = field(validator=validators.ge(0))

    def draw(self, rng: random.Random) -> float:
        """Return the fixed duration."""
        return self.seconds


@frozen
class LogNormal:
    """A log-normal duration: its median in seconds, and the sigma of its logarithm."""

    median: float = field(validator=validators.gt(0))
    sigma: float = field(default=0.2785, validator=validators.ge(0))

    def draw(self, rng: random.Random) -> float:
        """Draw one duration: the median times a random factor."""
        return self.median * math.exp(self.sigma * rng.gauss(0.0, 1.0))


def _duration(value: Duration | float) -> Duration:
    return Fixed(float(value)) if isinstance(value, int | float) else value


@frozen
class Lifecycle:
    """How long each action takes, and its irregularities; a plain number is fixed seconds.

    A create is `new` for `new_share` of its duration. A create or update reads `active` already
    `active_early` seconds before it settles, with its pending spec still present (as in the
    vendor's own 202 sample). The data plane answers 503 for `ready_lag` seconds after settling.

    Where a write answers with an operation or a task (Gcore, Exoscale), that operation takes
    `operation_share` of a create or update, and all of a delete.
    """

    create: Duration = field(default=LogNormal(12.65 * 60), converter=_duration)
    update: Duration = field(default=LogNormal(6 * 60), converter=_duration)
    delete: Duration = field(default=LogNormal(90), converter=_duration)
    new_share: float = 0.02
    active_early: float = 0.0
    ready_lag: float = 0.0
    operation_share: float = field(default=0.1, validator=[validators.ge(0), validators.le(1)])
