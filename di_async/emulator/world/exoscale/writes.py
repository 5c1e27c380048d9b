"""The operations that change something; each answers with an operation.

Rules of this file: handlers take (site, ask). Where the vendor says nothing the choice made is
argued at its line.
"""

from attrs import evolve

from di_async.emulator.world.http import Refusal, Response

from .estate import Story, listed
from .fate import Action, Plan, begin
from .records import Deployment, Model, Thing
from .site import DEPLOYMENTS, MODELS, Ask, Site, accepted, missing
from .wire.catalog import GATED, GPUS, MODEL_SIZE
from .wire.validation import (
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


def create_deployment(site: Site, ask: Ask) -> Response:
    """A new deployment; names need not be unique."""
    asked = parse_deployment(ask.request.body)
    model = _model_of(site, ask, asked)
    _check_gpu(ask, asked.gpu_type)
    _check_capacity(site, ask, "")
    stamp = site.nature.stamp(ask.now)
    made = Deployment(
        id=site.ids.new_uuid(),
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
    law = site.settings.lifecycle.create
    plan = Plan("create", law, "get-deployment", before=None, after=made, stages=_CREATED)
    return _begun(site, ask, add_deployment(site, made), plan)


def update_deployment(site: Site, ask: Ask) -> Response:
    """Another name, engine or parameters; what is left out stays as it is.

    The schema's default version also stands on this request; that leaving it out resets the
    version is not said, so it does not.
    """
    story, before = site.free(ask)
    asked = parse_update(ask.request.body)
    after = evolve(
        before,
        name=asked.name or before.name,
        version=asked.version or before.version,
        parameters=before.parameters if asked.parameters is None else asked.parameters,
    )
    return _begun(site, ask, story, _change(site, "update", "updating", before, after))


def scale_deployment(site: Site, ask: Ask) -> Response:
    """Another number of replicas; at 0 the state is `ready` (no page names another word)."""
    story, before = site.free(ask)
    replicas = parse_replicas(ask.request.body)
    if replicas > before.replicas:
        _check_capacity(site, ask, ask.id)
    after = evolve(before, replicas=replicas)
    return _begun(site, ask, story, _change(site, "scale", "scaling", before, after))


def delete_deployment(site: Site, ask: Ask) -> Response:
    """The end of a deployment: there is no word for it, GET is 404 once the operation is over."""
    story, before = site.free(ask)
    law = site.settings.lifecycle.delete
    plan = Plan("delete", law, "get-deployment", before=before, after=None)
    return _begun(site, ask, story, plan)


def create_model(site: Site, ask: Ask) -> Response:
    """A new model: its weights are fetched, which takes as long as an update of a deployment."""
    asked = parse_model(ask.request.body)
    stamp = site.nature.stamp(ask.now)
    id = site.ids.new_uuid()
    made = Model(id, ask.zone, asked.name, "creating", stamp, stamp, MODEL_SIZE)
    plan = Plan(
        "create",
        site.settings.lifecycle.update,
        "get-model",
        before=None,
        after=made,
        stages=((0.0, "downloading"),),
        # A 200 promises nothing: whether the weights may be had shows when they are fetched.
        good=asked.has_token or not asked.name.startswith(GATED),
    )
    return _begun(site, ask, add_model(site, made), plan)


def delete_model(site: Site, ask: Ask) -> Response:
    """The end of a model that nobody uses."""
    story = site.estate.models.get(ask.id)
    before = story.at(ask.now) if story and story.zone == ask.zone else None
    if story is None or before is None:
        raise missing("Model")
    used_by = [
        other.id
        for other in (held.at(ask.now) for held in site.estate.deployments.values())
        if other is not None and other.model_id == before.id
    ]
    if used_by:
        raise Refusal(412, "The model is in use", body={"deployments": used_by})
    law = site.settings.lifecycle.delete
    plan = Plan("delete", law, "get-model", before=before, after=None)
    return _begun(site, ask, story, plan)


def add_deployment(site: Site, made: Deployment) -> Story[Deployment]:
    """The story of a new deployment, which has a key from the start."""
    story = Story[Deployment](made.id, made.zone)
    site.estate.deployments[made.id] = story
    site.estate.created[made.name] += 1
    site.estate.keys[f"exo_{site.ids.new_hex(40)}"] = made.id
    return story


def add_model(site: Site, made: Model) -> Story[Model]:
    """The story of a new model."""
    story = Story[Model](made.id, made.zone)
    site.estate.models[made.id] = story
    site.estate.created[made.name] += 1
    return story


def _begun(site: Site, ask: Ask, story: Story[Thing], plan: Plan[Thing]) -> Response:
    return accepted(begin(site, ask, story, plan), ask.now)


def _change(
    site: Site, action: Action, word: str, before: Deployment, after: Deployment
) -> Plan[Deployment]:
    law, stages = site.settings.lifecycle.update, ((0.0, word),)
    return Plan(action, law, "get-deployment", before=before, after=after, stages=stages)


def _model_of(site: Site, ask: Ask, asked: AskedDeployment) -> Model:
    for model in listed(site.estate.models, ask.zone, ask.now):
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


def _check_capacity(site: Site, ask: Ask, id: str) -> None:
    fault = site.faults.take(
        ("no_capacity",), ask.now, ask.operation, id=id or None, region=ask.zone
    )
    if fault:
        raise Refusal(412, fault.message or "Insufficient GPUs")
