"""Models and deployments that tests add without a request, in any state.

A pending write has no operation that a request could read, and blocks no write unless the
deployment is `creating`.
"""

import math

from attrs import field, frozen, validators

from di_async.emulator.cloud.seeding import seed_of

from .catalog import DEFAULT_ZONE, FAMILIES, MODEL_SIZE, ZONES
from .outcomes import Context
from .store import Deployment, Model, Operation, R, States, Write

_STATES = ("creating", "preparing", "deploying", "ready", "scaling", "updating", "error")
_MODEL_STATES = ("created", "creating", "downloading", "ready", "error")
_ACTIONS = {"scaling": "scale", "updating": "update"}
MODEL_NAME = "mistralai/Mistral-7B-Instruct-v0.3"


@frozen(kw_only=True)
class Seed:
    """The settings of both models and deployments.

    A pending write becomes `ready` in `settles_in` world seconds, else after a duration drawn from
    the lifecycle; infinite is never. `created` is an epoch timestamp.
    """

    zone: str = field(default=DEFAULT_ZONE, validator=validators.in_(ZONES))
    settles_in: float | None = field(default=None, validator=validators.optional(validators.ge(0)))
    created: int | None = None


@frozen(kw_only=True)
class SeedModel(Seed):
    """A model to add."""

    name: str = field(default=MODEL_NAME, validator=validators.min_len(1))
    state: str = field(default="ready", validator=validators.in_(_MODEL_STATES))


@frozen(kw_only=True)
class SeedDeployment(Seed):
    """A deployment to add; its model is added, too, unless the zone has one of that name."""

    name: str | None = field(default=None, validator=validators.optional(validators.min_len(1)))
    state: str = field(default="ready", validator=validators.in_(_STATES))
    model_name: str = MODEL_NAME
    gpu_type: str = field(default="gpua5000", validator=validators.in_(list(FAMILIES)))
    gpu_count: int = field(default=1, validator=[validators.ge(1), validators.le(8)])
    replicas: int = field(default=1, validator=validators.ge(0))
    version: str | None = None
    """None: the emulator's default."""
    parameters: tuple[str, ...] = field(default=(), converter=tuple)
    visibility: str = field(default="private", validator=validators.in_(("private", "public")))


def add_model(context: Context, now: float, **settings: object) -> Model:
    """Add a model in the requested state; see `SeedModel` for the settings."""
    seed = seed_of(SeedModel, settings)
    stamp = context.simulation.timestamp(now) if seed.created is None else seed.created
    model = Model(
        id=context.ids.new_uuid(),
        zone=seed.zone,
        name=seed.name,
        state=seed.state,
        created=stamp,
        updated=stamp,
        size=MODEL_SIZE,
    )
    write, states = _create(context, now, model, seed)
    context.store.add_model(model).begin(write, states)
    return model


def add_deployment(context: Context, now: float, **settings: object) -> Deployment:
    """Add a deployment in the requested state; see `SeedDeployment` for the settings."""
    seed = seed_of(SeedDeployment, settings)
    model = _model(context, now, seed)
    stamp = context.simulation.timestamp(now) if seed.created is None else seed.created
    deployment = Deployment(
        id=context.ids.new_uuid(),
        zone=seed.zone,
        name=seed.name or f"placed-{len(context.store.deployments)}",
        state=seed.state,
        model_id=model.id,
        model_name=model.name,
        gpu_type=seed.gpu_type,
        gpu_count=seed.gpu_count,
        replicas=seed.replicas,
        version=seed.version or context.settings.engine_version,
        parameters=seed.parameters,
        created=stamp,
        updated=stamp,
        state_details="No GPU became free" if seed.state == "error" else "",
        visibility=seed.visibility,
        reachable=seed.state in ("ready", "scaling", "updating"),
    )
    write, states = _create(context, now, deployment, seed)
    context.store.add_deployment(deployment, context.new_api_key()).begin(write, states)
    return deployment


def _model(context: Context, now: float, seed: SeedDeployment) -> Model:
    for timeline in context.store.models.values():
        model = timeline.at(now)
        if model and (model.zone, model.name) == (seed.zone, seed.model_name):
            return model
    return add_model(context, now, zone=seed.zone, name=seed.model_name)


def _create(context: Context, now: float, resource: R, seed: Seed) -> tuple[Write, States[R]]:
    """Return the write that leads to a seeded resource, and its states."""
    done = resource.state in ("ready", "error")
    lasts = 0.0 if done else seed.settles_in
    if lasts is None:
        lasts = context.simulation.draw(context.settings.lifecycle.create)
    settles_at = now + lasts
    states: States[R] = [(now, resource)]
    if not done and settles_at < math.inf:
        updated = context.simulation.timestamp(settles_at, resource.updated)
        states.append((settles_at, resource.with_state("ready", updated)))
    ends_at = settles_at if resource.state == "creating" else now
    operation = Operation.on(resource, context.ids.new_uuid(), ends_at)
    action = _ACTIONS.get(resource.state, "create")
    ends = "error" if resource.state == "error" else "ready"
    return Write(action, now, operation, settles_at, ends), states
