"""The operations that change something; each answers with an operation.

Rules of this file: handlers take (site, ask). Where the vendor says nothing the choice made is
argued at its line.
"""

from attrs import evolve

from di_async.emulator.cloud.http import Refusal, Response

from .catalog import GATED, GPUS, MODEL_SIZE
from .context import DEPLOYMENTS, MODELS, Ask, ProviderContext, accepted, missing
from .outcomes import Action, Plan, begin
from .records import Deployment, Model, Thing
from .store import Timeline, listed
from .validation import (
    AskedDeployment,
    parse_deployment,
    parse_model,
    parse_replicas,
    parse_update,
    wrong,
)

CREATE = f"POST {DEPLOYMENTS}"
UPDATE = f"PATCH {DEPLOYMENTS}/{{id}}"
SCALE = f"POST {DEPLOYMENTS}/{{id}}/scale"
DELETE = f"DELETE {DEPLOYMENTS}/{{id}}"
CREATE_MODEL = f"POST {MODELS}"
DELETE_MODEL = f"DELETE {MODELS}/{{id}}"
# The order of the words is our reading of their names.
_CREATED = ((0.0, "preparing"), (0.4, "deploying"))


def create_deployment(context: ProviderContext, ask: Ask) -> Response:
    """A new deployment; names need not be unique."""
    asked = parse_deployment(ask.request.body)
    model = _model_of(context, ask, asked)
    _check_gpu(ask, asked.gpu_type)
    _check_capacity(context, ask, "")
    stamp = context.simulation.stamp(ask.now)
    made = Deployment(
        id=context.ids.new_uuid(),
        zone=ask.zone,
        name=asked.name,
        state="creating",
        model_id=model.id,
        model_name=model.name,
        gpu_type=asked.gpu_type,
        gpu_count=asked.gpu_count,
        replicas=asked.replicas,
        version=asked.version,
        parameters=asked.parameters,
        created=stamp,
        updated=stamp,
    )
    law = context.settings.lifecycle.create
    plan = Plan("create", law, "get-deployment", before=None, after=made, stages=_CREATED)
    return _begun(context, ask, add_deployment(context, made), plan)


def update_deployment(context: ProviderContext, ask: Ask) -> Response:
    """Another name, engine or parameters; what is left out stays as it is.

    The schema's default version also stands on this request; that leaving it out resets the
    version is not said, so it does not.
    """
    story, before = context.free(ask)
    asked = parse_update(ask.request.body)
    after = evolve(
        before,
        name=asked.name or before.name,
        version=asked.version or before.version,
        parameters=before.parameters if asked.parameters is None else asked.parameters,
    )
    return _begun(context, ask, story, _change(context, "update", "updating", before, after))


def scale_deployment(context: ProviderContext, ask: Ask) -> Response:
    """Another number of replicas; at 0 the state is `ready` (no page names another word)."""
    story, before = context.free(ask)
    replicas = parse_replicas(ask.request.body)
    if replicas > before.replicas:
        _check_capacity(context, ask, ask.id)
    after = evolve(before, replicas=replicas)
    return _begun(context, ask, story, _change(context, "scale", "scaling", before, after))


def delete_deployment(context: ProviderContext, ask: Ask) -> Response:
    """The end of a deployment: there is no word for it, GET is 404 once the operation is over."""
    story, before = context.free(ask)
    law = context.settings.lifecycle.delete
    plan = Plan("delete", law, "get-deployment", before=before, after=None)
    return _begun(context, ask, story, plan)


def create_model(context: ProviderContext, ask: Ask) -> Response:
    """A new model: its weights are fetched, which takes as long as an update of a deployment."""
    asked = parse_model(ask.request.body)
    stamp = context.simulation.stamp(ask.now)
    id = context.ids.new_uuid()
    made = Model(id, ask.zone, asked.name, "creating", stamp, stamp, MODEL_SIZE)
    plan = Plan(
        "create",
        context.settings.lifecycle.update,
        "get-model",
        before=None,
        after=made,
        stages=((0.0, "downloading"),),
        # A 200 promises nothing: whether the weights may be had shows when they are fetched.
        good=asked.has_token or not asked.name.startswith(GATED),
    )
    return _begun(context, ask, add_model(context, made), plan)


def delete_model(context: ProviderContext, ask: Ask) -> Response:
    """The end of a model that nobody uses."""
    story = context.store.models.get(ask.id)
    before = story.at(ask.now) if story and story.zone == ask.zone else None
    if story is None or before is None:
        raise missing("Model")
    used_by = [
        other.id
        for other in (held.at(ask.now) for held in context.store.deployments.values())
        if other is not None and other.model_id == before.id
    ]
    if used_by:
        raise Refusal(412, "The model is in use", body={"deployments": used_by})
    law = context.settings.lifecycle.delete
    plan = Plan("delete", law, "get-model", before=before, after=None)
    return _begun(context, ask, story, plan)


def add_deployment(context: ProviderContext, made: Deployment) -> Timeline[Deployment]:
    """The story of a new deployment, which has a key from the start."""
    story = Timeline[Deployment](made.id, made.zone)
    context.store.deployments[made.id] = story
    context.store.created[made.name] += 1
    context.store.keys[f"exo_{context.ids.new_hex(40)}"] = made.id
    return story


def add_model(context: ProviderContext, made: Model) -> Timeline[Model]:
    """The story of a new model."""
    story = Timeline[Model](made.id, made.zone)
    context.store.models[made.id] = story
    context.store.created[made.name] += 1
    return story


def _begun(
    context: ProviderContext, ask: Ask, story: Timeline[Thing], plan: Plan[Thing]
) -> Response:
    return accepted(begin(context, ask, story, plan), ask.now)


def _change(
    context: ProviderContext, action: Action, word: str, before: Deployment, after: Deployment
) -> Plan[Deployment]:
    law, stages = context.settings.lifecycle.update, ((0.0, word),)
    return Plan(action, law, "get-deployment", before=before, after=after, stages=stages)


def _model_of(context: ProviderContext, ask: Ask, asked: AskedDeployment) -> Model:
    for model in listed(context.store.models, ask.zone, ask.now):
        if asked.model_id in (None, model.id) and asked.model_name in (None, model.name):
            # 412 is for want of GPUs, so a model that is not ready is the request's fault.
            if model.state != "ready":
                raise wrong("model", f"is not ready: it is {model.state}")
            return model
    raise wrong("model", "does not exist in this zone")


def _check_gpu(ask: Ask, family: str) -> None:
    offered = GPUS[ask.zone]
    if family not in offered:
        raise wrong("gpu-type", f"must be one of: {', '.join(offered) or 'none in this zone'}")
    if not offered[family]:
        raise Refusal(403, f"Your organization may not use {family}")


def _check_capacity(context: ProviderContext, ask: Ask, id: str) -> None:
    fault = context.faults.take(
        ("no_capacity",), ask.now, ask.operation, id=id or None, region=ask.zone
    )
    if fault:
        raise Refusal(412, fault.message or "Insufficient GPUs")
