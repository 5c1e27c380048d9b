"""Deployments and instances that tests add without a request, in any status."""

from attrs import evolve, field, frozen, validators

from di_async.emulator.cloud.http import ApiError
from di_async.emulator.cloud.seeding import seed_of

from . import validation
from .catalog import FLAVORS
from .outcomes import Context
from .store import Deployment, Generation, Spec, Write

_STATUSES = ("DEPLOYING", "PARTIALLYDEPLOYED", "ACTIVE", "DISABLED", "DELETING", "FAILED")


@frozen(kw_only=True)
class SeedDeployment:
    """A v3 deployment to add, or a v2 instance with `generation=2`.

    A pending write ends `settles_in` world seconds from now, else after a duration drawn from the
    lifecycle. `scale_min=0` makes an ACTIVE one PENDING. v3 shows FAILED as PARTIALLYDEPLOYED with
    an error message.
    """

    name: str | None = None
    generation: Generation = field(default=3, validator=validators.in_((2, 3)))
    status: str = field(default="ACTIVE", validator=validators.in_(_STATUSES))
    settles_in: float | None = field(default=None, validator=validators.optional(validators.ge(0)))
    region_id: int = 7
    scale_min: int = 1
    scale_max: int = 1
    image: str = "vllm/vllm-openai:latest"
    message: str = "Failed to pull image"

    def spec(self, name: str) -> Spec:
        """Return the spec of the request that would have created it."""
        scale = {"min": self.scale_min, "max": self.scale_max}
        raw = {
            "name": name,
            "image": self.image,
            "listening_port": 8000,
            "containers": [{"region_id": self.region_id, "scale": scale}],
        }
        if self.generation == 3:
            return validation.parse_deployment(raw | {"flavor_name": FLAVORS[0].name})
        return validation.parse_instance(raw | {"flavor_id": FLAVORS[0].id})


def add_deployment(context: Context, now: float, **settings: object) -> Deployment:
    """Add a deployment in the requested status; see `SeedDeployment` for the settings."""
    seed = seed_of(SeedDeployment, settings)
    name = seed.name or f"placed-{len(context.store.created)}"
    if context.store.find(seed.generation, name):
        raise ValueError(f"a deployment named {name!r} already exists")
    blank = Deployment(
        id=name if seed.generation == 3 else context.ids.new_uuid(),
        generation=seed.generation,
        name=name,
        spec=_spec(seed, name),
        created_at=now,
    )
    deployment = _in_status(context, now, blank, seed)
    context.store.put(deployment)
    return deployment


def _spec(seed: SeedDeployment, name: str) -> Spec:
    try:
        return seed.spec(name)
    except ApiError as error:
        raise ValueError(error.message) from None


def _in_status(context: Context, now: float, blank: Deployment, seed: SeedDeployment) -> Deployment:
    def written(action: str, deployment: Deployment) -> Write:
        write = context.planned_write(now, action, deployment)
        if seed.settles_in is None:
            return write
        return evolve(write, settles_at=now + seed.settles_in)

    done = evolve(written("create", blank), settles_at=now, outcome="running")
    running = evolve(blank, writes=(done,), has_run=True, version=1)
    match seed.status:
        case "DEPLOYING" | "PARTIALLYDEPLOYED":
            write = written("create", blank)
            at = write.settles_at if seed.status == "DEPLOYING" else now
            return evolve(blank, writes=(evolve(write, task_ends_at=now, containers_at=at),))
        case "DELETING":
            write = written("delete", running)
            write = evolve(write, before=running, task_ends_at=write.settles_at)
            return evolve(running, writes=(done, write))
        case "DISABLED":
            return evolve(running, stopped=True)
        case "FAILED":
            failed = evolve(done, ends="failed", outcome="failed")
            return evolve(running, writes=(failed,), has_run=False, failed=seed.message)
    return running
