"""The five operations that change something.

Rules of this file: handlers take (site, now, request, id). Where the vendor says nothing the
choice made is argued at its line.
"""

from attrs import evolve

from di_async.emulator.cloud.http import (
    Refusal,
    Request,
    Response,
    json_response,
    parse_object,
)
from di_async.emulator.cloud.store import stale_views_for

from .catalog import MODELS_BY_SLUG
from .context import BASE, ProviderContext, missing
from .outcomes import begin_write
from .records import Deployment, Ending, Instance, Model
from .shapes import Json
from .validation import AskedSpec, parse_name, parse_secrets, parse_spec

CREATE = f"POST {BASE}"
UPDATE = f"PATCH {BASE}/{{id}}"
DELETE = f"DELETE {BASE}/{{id}}"


def create(context: ProviderContext, now: float, request: Request, id: str) -> Response:
    """A new instance."""
    body = parse_object(request.body)
    has_secret = parse_secrets(body)
    asked = parse_spec(_spec_in(body))
    _claim(context, asked.name, "")
    instance = new_instance(context, now, asked, has_secret=has_secret)
    context.store.add(instance)
    token = context.store.add_token(
        instance.id, "auto-generated-during-provisioning", instance.created, managed=True
    )
    _add_stale_view(context, now, CREATE, instance, None)
    return json_response(202, context.shapes.created(instance, context.word(instance, now), token))


def update(context: ProviderContext, now: float, request: Request, id: str) -> Response:
    """A change of the spec, of the provider's secret, or of both."""
    before = context.existing(id)
    body = parse_object(request.body)
    has_secret = parse_secrets(body) or before.has_secret
    if before.in_flight or before.failed or before.current is None:
        raise Refusal(403, "This Dedicated Inference is not yet accepting updates.")
    asked = _asked_update(context, body, before, before.current)
    ends = _ending(asked.models, has_secret=has_secret)
    stamp = context.simulation.stamp(now, before.updated)
    after = context.store.change(
        before,
        begin_write(context, "update", now, before, ends),
        name=asked.name,
        pending=_deployment(context, asked, before.current.version + 1, stamp),
        has_secret=has_secret,
    )
    _add_stale_view(context, now, UPDATE, after, before)
    shown = context.shapes.instance(after, context.word(after, now))
    return json_response(202, {"dedicated_inference": shown})


def delete(context: ProviderContext, now: float, request: Request, id: str) -> Response:
    """The end of an instance.

    Asked again while it is deleting the answer is 202 once more: a GET still finds it, so a 404
    would tell the caller that it is gone while it is not.
    """
    before = context.existing(id)
    if not (before.in_flight and before.change.action == "delete"):
        write = begin_write(context, "delete", now, before, "deleted")
        _add_stale_view(context, now, DELETE, context.store.change(before, write), before)
    return Response(202)


def create_token(context: ProviderContext, now: float, request: Request, id: str) -> Response:
    """A new access token; the only answer with its value."""
    context.existing(id)
    name = parse_name(parse_object(request.body))
    token = context.store.add_token(id, name, context.simulation.stamp(now))
    shown = context.shapes.token(token, value=True)
    return json_response(context.shapes.token_created_status, {"token": shown})


def revoke_token(context: ProviderContext, now: float, request: Request, id: str) -> Response:
    """The end of an access token, at once."""
    context.existing(id)
    if not context.store.revoke(id, request.segments[4]):
        raise missing()
    return Response(204)


def new_instance(
    context: ProviderContext, now: float, asked: AskedSpec, *, has_secret: bool
) -> Instance:
    """An instance that has just been asked for; not in the estate yet."""
    stamp = context.simulation.stamp(now)
    blank = Instance(
        id=context.simulation.new_uuid(),
        name=asked.name,
        region=asked.region,
        vpc_uuid=asked.vpc_uuid or context.default_vpc,
        public=asked.public,
        created=stamp,
        updated=stamp,
        writes=(),
        has_secret=has_secret,
        pending=_deployment(context, asked, max(1, asked.version), stamp),
    )
    ends = _ending(asked.models, has_secret=has_secret)
    return evolve(blank, writes=(begin_write(context, "create", now, blank, ends),))


def _spec_in(body: Json) -> Json:
    spec = body.get("spec")
    if spec is None:
        raise Refusal(400, "spec is required")
    if not isinstance(spec, dict):
        raise Refusal(400, "spec must be an object")
    return spec


def _asked_update(
    context: ProviderContext, body: Json, before: Instance, current: Deployment
) -> AskedSpec:
    if body.get("spec") is not None:
        asked = parse_spec(_spec_in(body), current.models, before.region)
        _check_update(context, asked, before, current)
        return asked
    if not (body.get("access_tokens") or body.get("secrets")):
        raise Refusal(400, "spec is required")
    # A new secret alone rolls the same models out again, as a new version.
    return AskedSpec(
        version=current.version,
        name=before.name,
        region=before.region,
        vpc_uuid=before.vpc_uuid,
        public=before.public,
        models=current.models,
    )


def _check_update(
    context: ProviderContext, asked: AskedSpec, before: Instance, current: Deployment
) -> None:
    same = {
        "region": asked.region == before.region,
        "vpc": asked.vpc_uuid in (None, before.vpc_uuid),
        "enable_public_endpoint": asked.public == before.public,
    }
    for name in same:
        if not same[name]:
            raise Refusal(422, f"spec.{name} cannot be changed after create")
    # A version of 0 is a Go zero value: the vendor's MCP server sends it.
    if asked.version not in (0, current.version):
        raise Refusal(409, f"spec.version {asked.version} does not match version {current.version}")
    _claim(context, asked.name, before.id)


def _claim(context: ProviderContext, name: str, id: str) -> None:
    if context.store.names.get(name, id) != id:
        raise Refusal(409, f"A Dedicated Inference named {name!r} already exists.")


def _deployment(context: ProviderContext, asked: AskedSpec, version: int, stamp: int) -> Deployment:
    return Deployment(
        context.simulation.new_uuid(), version, asked.name, asked.models, stamp, stamp
    )


def _ending(models: tuple[Model, ...], *, has_secret: bool) -> Ending:
    # The schema has secrets as optional and a 202 promises nothing, so a gated model without one
    # is accepted and fails when its weights are fetched; no page tells of a 422.
    gated = any(MODELS_BY_SLUG[model.slug].gated for model in models)
    return "error" if gated and not has_secret else "active"


def _add_stale_view(
    context: ProviderContext, now: float, operation: str, after: Instance, before: Instance | None
) -> None:
    stale_views = stale_views_for(
        context.faults, now, operation, before, id=after.id, region=after.region
    )
    context.store.stale_views.add(after.id, stale_views)
