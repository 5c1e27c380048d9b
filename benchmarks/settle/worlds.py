"""The worlds of the scenarios: durations and faults from the run's seed.

Creates are log-normal, median 12.65 minutes, sigma 0.2785 (5 % within 8, 95 % within 20 minutes).
"""

import random

from attrs import frozen

from benchmarks.settle.runs import Run
from benchmarks.settle.virtual import EPOCH
from di_async.emulator import Fixed, Lifecycle, LogNormal, World

__all__ = [
    "BASE",
    "CREATES",
    "MEDIAN_S",
    "SIGMA",
    "STRANGE_PAUSE_S",
    "build_world",
    "durations",
    "foreign_read",
]

BASE = "/v2/dedicated-inferences"
MEDIAN_S = 12.65 * 60
SIGMA = 0.2785
CREATES = LogNormal(MEDIAN_S, SIGMA)
# Interval of another client that sends 30 % of the hour's quota.
STRANGE_PAUSE_S = 3600.0 / (0.3 * 5000)
_STEPS = 20


@frozen
class _Mixture:
    """One distribution with some probability, else another."""

    share: float
    first: Fixed | LogNormal
    second: Fixed | LogNormal

    def draw(self, rng: random.Random) -> float:
        return (self.first if rng.random() < self.share else self.second).draw(rng)


# G: the image is on the host already, or must be fetched.
_CACHED_OR_NOT = _Mixture(0.5, LogNormal(180, 0.2), LogNormal(960, 0.2))
_UPDATES = _Mixture(0.05, Fixed(0.5), LogNormal(360))


def durations(run: Run, seed: int) -> list[float]:
    """Return how long each of the run's creates takes, in seconds."""
    distribution = _CACHED_OR_NOT if run.scenario == "G" else CREATES
    chance = random.Random(f"{seed}/durations")
    return [distribution.draw(chance) for _ in range(run.n)]


def build_world(run: Run, seed: int) -> World:
    """Return the world of this scenario at second 0 with its faults."""
    early = 120.0 if run.scenario == "C2" else 0.0
    world = World(
        run.dialect,
        seed=seed,
        lifecycle=Lifecycle(create=CREATES, update=_UPDATES, active_early=early),
    )
    if run.scenario == "F":
        for number in range(round(3600.0 / STRANGE_PAUSE_S), 0, -1):
            foreign_read(world, -number * STRANGE_PAUSE_S)
    world.truth("", EPOCH)  # sets its clock
    if run.scenario == "C":
        _spread(world, "stale", f"PATCH {BASE}/{{id}}", 20.0)
    if run.scenario == "E":
        _chaos(world, seed)
    return world


def foreign_read(world: World, at: float) -> bool:
    """Send a request of another client on the same token; return whether it was accepted."""
    headers = {"authorization": f"Bearer {world.token}", "host": "api.digitalocean.com"}
    return world.handle(EPOCH + at, "GET", f"{BASE}/sizes", headers).status != 429


def _chaos(world: World, seed: int) -> None:
    create = f"POST {BASE}"
    for lost in (False, True):
        world.fault("status", status=503, probability=0.01, times=None, after_commit=lost)
        world.fault("reset", probability=0.005, times=None, after_commit=lost)
    _spread(world, "not_found", create, 30.0)
    world.fault("regress", on=create, probability=0.01, times=None, seconds=30.0)
    world.fault("stuck", on=create, probability=0.01, times=None)


def _spread(world: World, kind: str, on: str, longest_s: float) -> None:
    """Delay every such write by 0 to `longest_s` seconds, uniformly."""
    for step in range(_STEPS):
        seconds = longest_s * (step + 0.5) / _STEPS
        chance = 1.0 / (_STEPS - step)
        world.fault(kind, on=on, times=None, seconds=seconds, probability=chance)
