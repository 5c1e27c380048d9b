"""Models and deployments that are simply there: a fleet to list, something to wait for.

Rules of this file: for tests only; no request leads here. What is under way has no operation that
anybody could ask for, and blocks no write unless it is `creating`.
"""

import math

from attrs import field, frozen, validators

from .catalog import DEFAULT_ZONE, ENGINE_VERSION, MODEL_SIZE, ZONES
from .context import DEPLOYMENTS, MODELS, ProviderContext
from .records import Deployment, Model, Operation, Thing, Write
from .writes import add_deployment, add_model

_STATES = ("creating", "preparing", "deploying", "ready", "scaling", "updating", "error")
_MODEL_STATES = ("created", "creating", "downloading", "ready", "error")
_ACTIONS = {"scaling": "scale", "updating": "update"}
MODEL_NAME = "mistralai/Mistral-7B-Instruct-v0.3"


@frozen(kw_only=True)
class Placing:
    """What both can be placed with.

    What is under way becomes `ready` in `settles_in` world seconds, else after a duration drawn
    from the lifecycle; infinite is never. `created` is an epoch stamp.
    """

    zone: str = field(default=DEFAULT_ZONE, validator=validators.in_(ZONES))
    settles_in: float | None = None
    created: int | None = None


@frozen(kw_only=True)
class PlacedModel(Placing):
    """A model to place."""

    name: str = MODEL_NAME
    state: str = field(default="ready", validator=validators.in_(_MODEL_STATES))


@frozen(kw_only=True)
class PlacedDeployment(Placing):
    """A deployment to place; its model is placed, too, unless the zone has one of that name."""

    name: str | None = None
    state: str = field(default="ready", validator=validators.in_(_STATES))
    model_name: str = MODEL_NAME
    gpu_type: str = "gpua5000"
    gpu_count: int = 1
    replicas: int = 1
    version: str = ENGINE_VERSION
    parameters: tuple[str, ...] = field(default=(), converter=tuple)
    visibility: str = field(default="private", validator=validators.in_(("private", "public")))


def place_model(context: ProviderContext, now: float, placing: PlacedModel) -> Model:
    """A new model in the state asked for."""
    stamp = context.simulation.stamp(now) if placing.created is None else placing.created
    id, state = context.ids.new_uuid(), placing.state
    made = Model(id, placing.zone, placing.name, state, stamp, stamp, MODEL_SIZE)
    write, marks = _course(context, now, made, placing, MODELS)
    add_model(context, made).begin(write, marks)
    return made


def place_deployment(context: ProviderContext, now: float, placing: PlacedDeployment) -> Deployment:
    """A new deployment in the state asked for."""
    model = _model(context, now, placing)
    stamp = context.simulation.stamp(now) if placing.created is None else placing.created
    made = Deployment(
        id=context.ids.new_uuid(),
        zone=placing.zone,
        name=placing.name or f"placed-{len(context.store.deployments)}",
        state=placing.state,
        model_id=model.id,
        model_name=model.name,
        gpu_type=placing.gpu_type,
        gpu_count=placing.gpu_count,
        replicas=placing.replicas,
        version=placing.version,
        parameters=placing.parameters,
        created=stamp,
        updated=stamp,
        state_details="No GPU became free" if placing.state == "error" else "",
        visibility=placing.visibility,
        reachable=placing.state in ("ready", "scaling", "updating"),
    )
    write, marks = _course(context, now, made, placing, DEPLOYMENTS)
    add_deployment(context, made).begin(write, marks)
    return made


def _model(context: ProviderContext, now: float, placing: PlacedDeployment) -> Model:
    for story in context.store.models.values():
        model = story.at(now)
        if model and (model.zone, model.name) == (placing.zone, placing.model_name):
            return model
    return place_model(context, now, PlacedModel(zone=placing.zone, name=placing.model_name))


def _course(
    context: ProviderContext, now: float, made: Thing, placing: Placing, path: str
) -> tuple[Write, list[tuple[float, Thing | None]]]:
    done = made.state in ("ready", "error")
    lasts = 0.0 if done else placing.settles_in
    if lasts is None:
        lasts = context.simulation.draw(context.settings.lifecycle.create)
    settles_at = now + lasts
    marks: list[tuple[float, Thing | None]] = [(now, made)]
    if not done and settles_at < math.inf:
        marks.append(
            (settles_at, made.turned("ready", context.simulation.stamp(settles_at, made.updated)))
        )
    operation = Operation(
        id=context.ids.new_uuid(),
        zone=made.zone,
        target=made.id,
        link=f"{path}/{made.id}",
        command="get-model" if path == MODELS else "get-deployment",
        ends_at=settles_at if made.state == "creating" else now,
    )
    action = _ACTIONS.get(made.state, "create")
    write = Write(action, now, operation, settles_at, "error" if made.state == "error" else "ready")
    return write, marks
