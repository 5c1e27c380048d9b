"""The thirteen operations of DigitalOcean's API.

A handler takes (context, call). A choice that the vendor's documentation leaves open is explained
where it is made.
"""

from collections.abc import Iterable, Iterator

import orjson
from attrs import evolve

from di_async.emulator.cloud.http import (
    JSON_HEADERS,
    ApiError,
    Json,
    Response,
    json_response,
    parse_json_object,
)
from di_async.emulator.cloud.provider import Call
from di_async.emulator.cloud.store import stale_views_for

from .catalog import MODELS_BY_SLUG
from .outcomes import BASE, Context, begin_write
from .shapes import page_slice
from .store import Deployment, Instance, Model
from .validation import SpecRequest, parse_name, parse_page, parse_secrets, parse_spec

LIST = f"GET {BASE}"


def list_instances(context: Context, call: Call) -> Response:
    """Return the instances, filtered by region and name; `name` is undocumented but works."""
    region, name = call.request.query.get("region"), call.request.query.get("name")
    rows = context.store.list(call.now)
    if region:
        rows = [instance for instance in rows if instance.region == region]
    if name:
        rows = [instance for instance in rows if instance.name == name]
    on_page = page_slice(rows, *parse_page(call.request.query))
    rendered = [_rendered(context, call, instance) for instance in on_page]
    return _page_response(context, call, "dedicated_inferences", rendered, len(rows))


def get_instance(context: Context, call: Call) -> Response:
    """Return one instance."""
    rendered = _rendered(context, call, _read(context, call))
    return json_response(200, {"dedicated_inference": rendered})


def list_accelerators(context: Context, call: Call) -> Response:
    """Return the GPUs in use, optionally of one slug."""
    slug = call.request.query.get("slug")
    gpus = _gpus(context, _read(context, call))
    rows = [gpu for gpu in gpus if slug in (None, "", gpu["slug"])]
    on_page = page_slice(rows, *parse_page(call.request.query))
    return _page_response(context, call, "accelerators", on_page, len(rows))


def get_accelerator(context: Context, call: Call) -> Response:
    """Return one GPU; the vendor does not wrap it."""
    for gpu in _gpus(context, _read(context, call)):
        if gpu["id"] == call.params["accelerator_id"]:
            return json_response(200, gpu)
    raise not_found()


def get_ca(context: Context, call: Call) -> Response:
    """Return the CA of the data plane."""
    _read(context, call)
    return json_response(200, context.shapes.ca())


def list_tokens(context: Context, call: Call) -> Response:
    """Return the access tokens, without their values."""
    _read(context, call)
    tokens = list(context.store.tokens.get(call.id, {}).values())
    on_page = page_slice(tokens, *parse_page(call.request.query))
    rendered = [context.shapes.token(token, value=False) for token in on_page]
    return _page_response(context, call, "tokens", rendered, len(tokens))


def get_sizes(context: Context, call: Call) -> Response:
    """Return regions and prices."""
    return json_response(200, context.shapes.sizes())


def get_gpu_model_config(context: Context, call: Call) -> Response:
    """Return which model runs on which GPU."""
    return json_response(200, {"gpu_model_configs": context.shapes.models()})


def create(context: Context, call: Call) -> Response:
    """Create an instance and its first access token."""
    body = parse_json_object(call.request.body)
    has_secret = parse_secrets(body)
    spec = parse_spec(_spec_of(body))
    _check_name(context, spec.name, "")
    instance = new_instance(context, call.now, spec, has_secret=has_secret)
    store = context.store
    store.add(instance)
    token = store.add_token(
        instance.id, "auto-generated-during-provisioning", instance.created, managed=True
    )
    _add_stale_views(context, call, instance, None)
    status = store.status(instance, call.now)
    return json_response(202, context.shapes.created(instance, status, token))


def update(context: Context, call: Call) -> Response:
    """Change the spec, the model provider's secret, or both."""
    before = _existing(context, call)
    body = parse_json_object(call.request.body)
    has_secret = parse_secrets(body) or before.has_secret
    if before.in_flight or before.failed or before.current is None:
        raise ApiError(403, "This Dedicated Inference is not yet accepting updates.")
    spec = _updated_spec(context, body, before, before.current)
    ends = _expected_end(spec.models, has_secret=has_secret)
    stamp = context.simulation.timestamp(call.now, before.updated)
    after = context.store.add_write(
        before,
        begin_write(context, "update", call.now, before, ends),
        name=spec.name,
        pending=_deployment(context, spec, before.current.version + 1, stamp),
        has_secret=has_secret,
    )
    _add_stale_views(context, call, after, before)
    rendered = context.shapes.instance(after, context.store.status(after, call.now))
    return json_response(202, {"dedicated_inference": rendered})


def delete(context: Context, call: Call) -> Response:
    """Delete an instance.

    Repeated during the deletion it answers 202 again: a GET still finds the instance, so a 404
    would wrongly report that it no longer exists.
    """
    before = _existing(context, call)
    if not (before.in_flight and before.last_write.action == "delete"):
        write = begin_write(context, "delete", call.now, before, "deleted")
        _add_stale_views(context, call, context.store.add_write(before, write), before)
    return Response(202)


def create_token(context: Context, call: Call) -> Response:
    """Create an access token; no other response includes its value."""
    _existing(context, call)
    name = parse_name(parse_json_object(call.request.body))
    token = context.store.add_token(call.id, name, context.simulation.timestamp(call.now))
    rendered = context.shapes.token(token, value=True)
    return json_response(context.shapes.token_created_status, {"token": rendered})


def revoke_token(context: Context, call: Call) -> Response:
    """Revoke an access token at once."""
    _existing(context, call)
    if not context.store.revoke_token(call.id, call.params["token_id"]):
        raise not_found()
    return Response(204)


def new_instance(context: Context, now: float, spec: SpecRequest, *, has_secret: bool) -> Instance:
    """Return a newly requested instance, not stored yet."""
    stamp = context.simulation.timestamp(now)
    instance = Instance(
        id=context.ids.new_uuid(),
        name=spec.name,
        region=spec.region,
        vpc_uuid=spec.vpc_uuid or context.default_vpc,
        public=spec.public,
        created=stamp,
        updated=stamp,
        has_secret=has_secret,
        pending=_deployment(context, spec, max(1, spec.version), stamp),
    )
    ends = _expected_end(spec.models, has_secret=has_secret)
    return evolve(instance, writes=(begin_write(context, "create", now, instance, ends),))


def not_found() -> ApiError:
    """Return the vendor's 404."""
    return ApiError(404, "The resource you requested could not be found.")


def _existing(context: Context, call: Call) -> Instance:
    """Return the instance itself, for writes."""
    if call.id not in context.store.items:
        raise not_found()
    return context.store.items[call.id]


def _read(context: Context, call: Call) -> Instance:
    """Return the instance as reads see it."""
    instance = context.store.get(call.id, call.now)
    if instance is None:
        raise not_found()
    return instance


def _rendered(context: Context, call: Call, instance: Instance) -> orjson.Fragment:
    fault = context.faults.take(
        ("unknown_status",), call.now, call.operation, id=instance.id, region=instance.region
    )
    status = fault.word if fault else context.store.status(instance, call.now)
    return context.shapes.rendered(instance, status, row=call.operation == LIST)


def _page_response(
    context: Context, call: Call, key: str, rows: Iterable[object], total: int
) -> Response:
    """Return one page of a list, with links and the total."""
    request = call.request
    page, per_page = parse_page(request.query)
    host = request.headers.get("host", "api.digitalocean.com")
    url = f"{context.settings.scheme}://{host}{request.path}"
    links = context.shapes.links(url, request.query, page, per_page, total)
    body = {key: list(rows), "links": links, "meta": {"total": total}}
    return Response(200, dict(JSON_HEADERS), orjson.dumps(body))


def _gpus(context: Context, instance: Instance) -> Iterator[Json]:
    # Only running ones: a GPU that is not assigned yet has no id.
    for model in instance.current.models if instance.current else ():
        for entry in model.accelerators:
            for number in range(entry.scale):
                yield context.shapes.accelerator(instance, model, entry, number)


def _spec_of(body: Json) -> Json:
    spec = body.get("spec")
    if spec is None:
        raise ApiError(400, "spec is required")
    if not isinstance(spec, dict):
        raise ApiError(400, "spec must be an object")
    return spec


def _updated_spec(
    context: Context, body: Json, before: Instance, current: Deployment
) -> SpecRequest:
    if body.get("spec") is not None:
        spec = parse_spec(_spec_of(body), current.models, before.region)
        _check_update(context, spec, before, current)
        return spec
    if not (body.get("access_tokens") or body.get("secrets")):
        raise ApiError(400, "spec is required")
    # A new secret alone rolls the same models out again, as a new version.
    return SpecRequest(
        version=current.version,
        name=before.name,
        region=before.region,
        vpc_uuid=before.vpc_uuid,
        public=before.public,
        models=current.models,
    )


def _check_update(
    context: Context, spec: SpecRequest, before: Instance, current: Deployment
) -> None:
    unchanged = {
        "region": spec.region == before.region,
        "vpc": spec.vpc_uuid in (None, before.vpc_uuid),
        "enable_public_endpoint": spec.public == before.public,
    }
    for name in unchanged:
        if not unchanged[name]:
            raise ApiError(422, f"spec.{name} cannot be changed after create")
    # The vendor's MCP server sends version 0, the zero value of Go.
    if spec.version not in (0, current.version):
        raise ApiError(409, f"spec.version {spec.version} does not match version {current.version}")
    _check_name(context, spec.name, before.id)


def _check_name(context: Context, name: str, id: str) -> None:
    if context.store.names.get(name, id) != id:
        raise ApiError(409, f"A Dedicated Inference named {name!r} already exists.")


def _deployment(context: Context, spec: SpecRequest, version: int, stamp: int) -> Deployment:
    return Deployment(context.ids.new_uuid(), version, spec.name, spec.models, stamp, stamp)


def _expected_end(models: tuple[Model, ...], *, has_secret: bool) -> str:
    # Secrets are optional in the schema and no page documents a 422, so a gated model without one
    # is accepted and fails when its weights are downloaded.
    gated = any(MODELS_BY_SLUG[model.slug].gated for model in models)
    return "error" if gated and not has_secret else "active"


def _add_stale_views(
    context: Context, call: Call, after: Instance, before: Instance | None
) -> None:
    views = stale_views_for(
        context.faults, call.now, call.operation, before, id=after.id, region=after.region
    )
    context.store.views.add(after.id, views)
