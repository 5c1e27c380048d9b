"""Deployments that are simply there: a fleet to list, something half rolled out to wait for.

Rules of this file: for tests only; no request leads here.
"""

from typing import Literal

from attrs import evolve, field, frozen, validators

from . import validation
from .catalog import FLAVORS
from .context import ProviderContext
from .outcomes import timed
from .records import Action, Deployment, Generation, Write

Status = Literal["DEPLOYING", "PARTIALLYDEPLOYED", "ACTIVE", "DISABLED", "DELETING", "FAILED"]
_STATUSES = ("DEPLOYING", "PARTIALLYDEPLOYED", "ACTIVE", "DISABLED", "DELETING", "FAILED")


@frozen(kw_only=True)
class Placing:
    """What to place: a v3 deployment, or a v2 instance with `generation=2`.

    What is under way ends `settles_in` world seconds from now, else after a duration drawn from
    the lifecycle. `scale_min=0` makes an ACTIVE one PENDING. FAILED is told as PARTIALLYDEPLOYED
    with an error message in v3.
    """

    name: str | None = None
    generation: Generation = field(default=3, validator=validators.in_((2, 3)))
    status: Status = field(default="ACTIVE", validator=validators.in_(_STATUSES))
    settles_in: float | None = None
    region_id: int = 7
    scale_min: int = 1
    scale_max: int = 1
    image: str = "vllm/vllm-openai:latest"
    message: str = "Failed to pull image"


def place(context: ProviderContext, now: float, placing: Placing) -> Deployment:
    """A new deployment in the state asked for."""
    name = placing.name or f"placed-{len(context.store.created)}"
    if context.store.named(placing.generation, name):
        raise ValueError(f"there is a deployment named {name!r} already")
    id = name if placing.generation == 3 else context.ids.new_uuid()
    blank = Deployment(id, placing.generation, name, _spec(placing, name), now)
    placed = _in_status(context, now, blank, placing)
    context.store.put(placed)
    return placed


def _spec(placing: Placing, name: str) -> dict[str, object]:
    raw = {
        "name": name,
        "image": placing.image,
        "listening_port": 8000,
        "containers": [
            {
                "region_id": placing.region_id,
                "scale": {"min": placing.scale_min, "max": placing.scale_max},
            }
        ],
    }
    if placing.generation == 3:
        return validation.deployment(raw | {"flavor_name": FLAVORS[0].name})
    return validation.instance(raw | {"flavor_id": FLAVORS[0].id})


def _in_status(
    context: ProviderContext, now: float, blank: Deployment, placing: Placing
) -> Deployment:
    done = evolve(
        _written(context, now, blank, "create", placing), settles_at=now, outcome="running"
    )
    running = evolve(blank, writes=(done,), has_run=True, version=1)
    match placing.status:
        case "DEPLOYING" | "PARTIALLYDEPLOYED":
            write = _written(context, now, blank, "create", placing)
            at = write.settles_at if placing.status == "DEPLOYING" else now
            return evolve(blank, writes=(evolve(write, task_ends_at=now, containers_at=at),))
        case "DELETING":
            write = _written(context, now, running, "delete", placing)
            write = evolve(write, before=running, task_ends_at=write.settles_at)
            return evolve(running, writes=(done, write))
        case "DISABLED":
            return evolve(running, stopped=True)
        case "FAILED":
            failed = evolve(done, ends="failed", outcome="failed")
            return evolve(running, writes=(failed,), has_run=False, failed=placing.message)
    return running


def _written(
    context: ProviderContext, now: float, it: Deployment, action: Action, placing: Placing
) -> Write:
    write = timed(context, now, action, it)
    if placing.settles_in is None:
        return write
    return evolve(write, settles_at=now + placing.settles_in)
