"""How long a write takes to settle.

Rules of this file: world seconds only; a law draws from the generator it is given.
No vendor publishes a figure. The create law is the one of our benchmark (5 % of creates within
8 minutes, 95 % within 20); the others keep its spread.
"""

import math
import random
from typing import Protocol

from attrs import field, frozen, validators


class Duration(Protocol):
    """A law that durations are drawn from."""

    def draw(self, rng: random.Random) -> float:
        """One duration in world seconds."""
        ...


@frozen
class Fixed:
    """Always the same duration."""

    seconds: float = field(validator=validators.ge(0))

    def draw(self, rng: random.Random) -> float:
        """The fixed duration."""
        return self.seconds


@frozen
class LogNormal:
    """A log-normal duration, told by its median in seconds and the sigma of its logarithm."""

    median: float = field(validator=validators.gt(0))
    sigma: float = field(default=0.2785, validator=validators.ge(0))

    def draw(self, rng: random.Random) -> float:
        """One duration, off the median by a random factor."""
        return self.median * math.exp(self.sigma * rng.gauss(0.0, 1.0))


def _law(value: Duration | float) -> Duration:
    return Fixed(float(value)) if isinstance(value, int | float) else value


@frozen
class Lifecycle:
    """How long each action takes, and the oddities on the way; plain numbers are fixed seconds.

    `new_share` of a create is spent as `new`. `active_early` seconds before it really settles a
    create or update already says `active`, its pending spec still there (the vendor's own 202
    sample does). `ready_lag` seconds after settling the data plane still answers 503.

    Where a write answers with an operation or a task (Gcore, Exoscale), that one takes
    `operation_share` of a create or update and all of a delete.
    """

    create: Duration = field(default=LogNormal(12.65 * 60), converter=_law)
    update: Duration = field(default=LogNormal(6 * 60), converter=_law)
    delete: Duration = field(default=LogNormal(90), converter=_law)
    new_share: float = 0.02
    active_early: float = 0.0
    ready_lag: float = 0.0
    operation_share: float = field(default=0.1, validator=[validators.ge(0), validators.le(1)])
