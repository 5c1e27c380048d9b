"""Instances that are simply there: a fleet to list, something half provisioned to wait for.

Rules of this file: for tests only; no request leads here.
"""

import math
from typing import Literal

from attrs import evolve, field, frozen, validators

from .context import ProviderContext
from .outcomes import begin_write
from .records import Accelerator, Action, Ending, Instance, Model, Write
from .validation import AskedSpec
from .writes import new_instance

Status = Literal["new", "provisioning", "active", "updating", "deleting", "error"]
_STATUSES = ("new", "provisioning", "active", "updating", "deleting", "error")


@frozen(kw_only=True)
class Placing:
    """What to place.

    What is under way ends `settles_in` world seconds from now or at `settles_at` (world time),
    else after a duration drawn from the lifecycle. `created` is an epoch stamp.
    """

    name: str | None = None
    region: str = "atl1"
    status: str = field(default="active", validator=validators.in_(_STATUSES))
    settles_in: float | None = None
    settles_at: float | None = None
    public: bool = True
    vpc_uuid: str | None = None
    model_slug: str = "mistral/mistral-7b-instruct-v3"
    accelerator_slug: str = "gpu-mi300x1-192gb"
    scale: int = 1
    version: int = 1
    created: int | None = None

    def end(self, now: float, write: Write) -> float:
        """When what is under way ends."""
        if self.settles_in is not None:
            return now + self.settles_in
        return write.settles_at if self.settles_at is None else self.settles_at


def place(context: ProviderContext, now: float, placing: Placing) -> Instance:
    """A new instance in the state asked for."""
    asked = _asked(placing, f"placed-{len(context.store.created)}")
    instance = new_instance(context, now, asked, has_secret=True)
    if placing.created is not None:
        instance = evolve(instance, created=placing.created, updated=placing.created)
    placed = _in_status(context, now, instance, placing)
    context.store.add(placed)
    return placed


def _asked(placing: Placing, name: str) -> AskedSpec:
    gpus = Accelerator(placing.accelerator_slug, "prefill_decode", placing.scale)
    slug = placing.model_slug
    model = Model(slug, "hugging_face", (gpus,), provider_model_id=slug)
    return AskedSpec(
        version=placing.version,
        name=placing.name or name,
        region=placing.region,
        vpc_uuid=placing.vpc_uuid,
        public=placing.public,
        models=(model,),
    )


def _in_status(
    context: ProviderContext, now: float, instance: Instance, placing: Placing
) -> Instance:
    write = instance.change
    match placing.status:
        case "new" | "provisioning":
            provisions_at = math.inf if placing.status == "new" else now
            ends_at = placing.end(now, write)
            write = evolve(write, settles_at=ends_at, provisions_at=provisions_at)
            return evolve(instance, writes=(write,))
        case "error":
            write = evolve(write, settles_at=now, ends="error", outcome="error")
            return evolve(instance, writes=(write,), failed=True)
    done = evolve(write, settles_at=now, ends="active", outcome="active")
    running = _running(context, evolve(instance, writes=(done,)))
    return running if placing.status == "active" else _changing(context, now, running, placing)


def _running(context: ProviderContext, instance: Instance) -> Instance:
    pending = instance.pending
    current = context.store.deployed(pending, instance.updated) if pending else None
    return evolve(instance, current=current, pending=None)


def _changing(
    context: ProviderContext, now: float, instance: Instance, placing: Placing
) -> Instance:
    updating = placing.status == "updating"
    action: Action = "update" if updating else "delete"
    ends: Ending = "active" if updating else "deleted"
    write = begin_write(context, action, now, instance, ends)
    write = evolve(write, settles_at=placing.end(now, write))
    pending = instance.current and evolve(
        instance.current, id=context.simulation.new_uuid(), version=instance.current.version + 1
    )
    return evolve(instance, writes=(*instance.writes, write), pending=pending if updating else None)
