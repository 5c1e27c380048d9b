"""Instances that tests add without a request, in any status."""

import math

from attrs import evolve, field, frozen, validators

from di_async.emulator.cloud.seeding import seed_of

from .catalog import REGIONS, SIZES_BY_SLUG, SLUG
from .operations import Operations
from .store import Accelerator, Instance, Model, Write
from .validation import NAME, SpecRequest

_NAME = validators.optional(validators.matches_re(NAME))
_NOT_NEGATIVE = validators.optional(validators.ge(0))
_STATUSES = ("new", "provisioning", "active", "updating", "deleting", "error")


@frozen(kw_only=True)
class SeedInstance:
    """An instance to add.

    A pending write ends `settles_in` world seconds from now or at `settles_at` (world time), else
    after a duration drawn from the lifecycle. `created` is an epoch timestamp.
    """

    name: str | None = field(default=None, validator=_NAME)
    region: str = field(default="atl1", validator=validators.in_(REGIONS))
    status: str = field(default="active", validator=validators.in_(_STATUSES))
    settles_in: float | None = field(default=None, validator=_NOT_NEGATIVE)
    settles_at: float | None = None
    public: bool = True
    vpc_uuid: str | None = None
    model_slug: str = field(
        default="mistral/mistral-7b-instruct-v3", validator=validators.matches_re(SLUG)
    )
    accelerator_slug: str = field(
        default="gpu-mi300x1-192gb", validator=validators.in_(list(SIZES_BY_SLUG))
    )
    scale: int = field(default=1, validator=validators.ge(1))
    version: int = field(default=1, validator=validators.ge(0))
    created: int | None = None

    def end_of(self, write: Write, now: float) -> float:
        """Return when a pending write ends."""
        if self.settles_in is not None:
            return now + self.settles_in
        return write.settles_at if self.settles_at is None else self.settles_at

    def spec(self, default_name: str) -> SpecRequest:
        """Return the spec of the request that would have created it."""
        gpus = Accelerator(self.accelerator_slug, "prefill_decode", self.scale)
        slug = self.model_slug
        return SpecRequest(
            version=self.version,
            name=self.name or default_name,
            region=self.region,
            vpc_uuid=self.vpc_uuid,
            public=self.public,
            models=(Model(slug, "hugging_face", (gpus,), provider_model_id=slug),),
        )


def add_instance(api: Operations, now: float, **settings: object) -> Instance:
    """Add an instance in the requested status; see `SeedInstance` for the settings."""
    seed = seed_of(SeedInstance, settings)
    spec = seed.spec(f"placed-{len(api.store.created)}")
    if spec.name in api.store.names:
        raise ValueError(f"an instance named {spec.name!r} already exists")
    instance = api.new_instance(now, spec, has_secret=True)
    if seed.created is not None:
        instance = evolve(instance, created=seed.created, updated=seed.created)
    instance = _in_status(api, now, instance, seed)
    api.store.add(instance)
    return instance


def _in_status(api: Operations, now: float, instance: Instance, seed: SeedInstance) -> Instance:
    write = instance.last_write
    match seed.status:
        case "new" | "provisioning":
            provisions_at = math.inf if seed.status == "new" else now
            ends_at = seed.end_of(write, now)
            write = evolve(write, settles_at=ends_at, provisions_at=provisions_at)
            return instance.with_last_write(write)
        case "error":
            write = evolve(write, settles_at=now, ends="error", outcome="error")
            return evolve(instance.with_last_write(write), failed=True)
    done = evolve(write, settles_at=now, ends="active", outcome="active")
    running = api.store.deployed(instance.with_last_write(done))
    return running if seed.status == "active" else _changing(api, now, running, seed)


def _changing(api: Operations, now: float, instance: Instance, seed: SeedInstance) -> Instance:
    action, ends = ("update", "active") if seed.status == "updating" else ("delete", "deleted")
    write = api.planned_write(action, now, ends)
    write = evolve(write, settles_at=seed.end_of(write, now))
    pending = None
    if action == "update" and instance.current:
        version = instance.current.version + 1
        pending = evolve(instance.current, id=api.ids.new_uuid(), version=version)
    return evolve(instance, writes=(*instance.writes, write), pending=pending)
