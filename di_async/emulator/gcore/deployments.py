"""Gcore's operations on instances (v2) and deployments (v3).

v2 is keyed by UUID, and its writes answer with the object. v3 is keyed by name, and its writes
answer with tasks. A handler takes (context, call). No page says which HTTP status goes with
which `exception_class`; each choice is explained where it is made.
"""

from collections.abc import Mapping

from attrs import evolve

from di_async.emulator.cloud.http import ApiError, Response, json_response, parse_json_object
from di_async.emulator.cloud.provider import Call, Handler

from . import validation
from .catalog import FLAVORS_BY_ID, FLAVORS_BY_NAME, Flavor, capacity, demand
from .outcomes import Context, add_stale_views, add_tasks, begin_write
from .shapes import list_response, page_response
from .store import Deployment, Generation, Spec, status
from .validation import not_found, parse_page

# -- reads of both generations -----------------------------------------------------------------


def list_handler(generation: Generation) -> Handler[Context]:
    """Return the handler that lists a generation, one page at a time."""

    def list_deployments(context: Context, call: Call) -> Response:
        rows = [one for one in context.store.list(call.now) if one.generation == generation]
        limit, offset = parse_page(call.request)
        on_page = rows[offset : offset + limit]
        return list_response([_rendered(context, call, one) for one in on_page], len(rows))

    return list_deployments


def get_handler(generation: Generation) -> Handler[Context]:
    """Return the handler that returns one deployment of a generation."""

    def get_deployment(context: Context, call: Call) -> Response:
        return json_response(200, _rendered(context, call, _read(context, call, generation)))

    return get_deployment


# -- v2 ----------------------------------------------------------------------------------------


def create_instance(context: Context, call: Call) -> Response:
    """Create an instance."""
    spec = _instance_spec(context, call)
    return json_response(200, _rendered(context, call, _create(context, call, 2, spec)))


def replace_instance(context: Context, call: Call) -> Response:
    """Replace an instance's whole spec: fields that the request omits are dropped."""
    before = _existing(context, call, 2)
    spec = _instance_spec(context, call)
    _check_name(context, 2, spec["name"], before.id)
    after = _change(context, call, "update", before, spec=spec, name=spec["name"])
    return json_response(200, _rendered(context, call, after))


def delete_instance(context: Context, call: Call) -> Response:
    """Delete an instance; the response is undocumented, so it is the object, too."""
    after = _change(context, call, "delete", _existing(context, call, 2))
    return json_response(200, _rendered(context, call, after))


def _instance_spec(context: Context, call: Call) -> Spec:
    raw = parse_json_object(call.request.body)
    spec = validation.parse_instance(raw)
    if raw.get("project_id") not in (None, context.project_id):
        raise not_found(f"project {raw['project_id']}")
    return spec


# -- v3 ----------------------------------------------------------------------------------------


def create_deployment(context: Context, call: Call) -> Response:
    """Create a deployment."""
    raw = parse_json_object(call.request.body)
    spec = validation.parse_deployment(raw)
    _check_keys(context, spec)
    return _tasks_response(context, call, _create(context, call, 3, spec), raw)


def update_deployment(context: Context, call: Call) -> Response:
    """Change some fields."""
    before = _existing(context, call, 3)
    raw = parse_json_object(call.request.body)
    spec = validation.parse_patch(before.spec, raw)
    _check_keys(context, spec)
    after = _change(context, call, "update", before, spec=spec)
    return _tasks_response(context, call, after, raw)


def delete_deployment(context: Context, call: Call) -> Response:
    """Delete a deployment."""
    after = _change(context, call, "delete", _existing(context, call, 3))
    return _tasks_response(context, call, after, {})


def start_deployment(context: Context, call: Call) -> Response:
    """Start a stopped deployment; a running one is unchanged."""
    before = _existing(context, call, 3)
    _check_unlocked(before, call.now)
    if before.stopped or _is_stopping(before):
        _change(context, call, "start", before, stopped=False)
    return Response(204)


def stop_deployment(context: Context, call: Call) -> Response:
    """Stop a deployment; a stopped one is unchanged."""
    before = _existing(context, call, 3)
    _check_unlocked(before, call.now)
    if not (before.stopped or _is_stopping(before)):
        _change(context, call, "stop", before)
    return Response(204)


def get_logs(context: Context, call: Call) -> Response:
    """Return the log lines of its containers, the oldest first by default."""
    query = call.request.query
    order = query.get("order_by", "time.asc")
    if order not in ("time.asc", "time.desc"):
        raise validation.invalid({"order_by": "Input should be 'time.asc' or 'time.desc'"})
    rows = context.shapes.logs(_read(context, call, 3), call.now)
    rows.sort(key=lambda row: row[0], reverse=order == "time.desc")
    region = query.get("region_id")
    lines = [line for _, line in rows if region in (None, str(line["region_id"]))]
    return page_response(call.request, lines)


def check_limits(context: Context, call: Call) -> Response:
    """Return the quota, its usage, and what the request would need.

    https://gcore.com/docs/api-reference/cloud/everywhere-inference/check-inference-deployment-quota
    """
    raw = validation.parse_limits(parse_json_object(call.request.body))
    needed = demand(FLAVORS_BY_NAME[raw["flavor_name"]], _max_replicas(raw))
    used = _usage(context)
    limits: dict[str, int] = {}
    for attribute, limit in context.store.quota.items():
        limits[f"{attribute}_limit"] = limit
        limits[f"{attribute}_requested"] = needed[attribute]
        limits[f"{attribute}_usage"] = used[attribute]
    return json_response(200, limits)


def _tasks_response(context: Context, call: Call, deployment: Deployment, raw: Spec) -> Response:
    return json_response(200, {"tasks": add_tasks(context, call, deployment, raw)})


def _is_stopping(deployment: Deployment) -> bool:
    return deployment.in_flight and deployment.last_write.action == "stop"


def _check_keys(context: Context, spec: Spec) -> None:
    for number, name in enumerate(spec["api_keys"]):
        if name not in context.store.keys:
            raise validation.invalid({f"api_keys.{number}": f"API key {name} does not exist"})


# -- both generations --------------------------------------------------------------------------


def _existing(context: Context, call: Call, generation: Generation) -> Deployment:
    """Return the deployment itself, for writes."""
    return _of_generation(context.store.items.get(call.id), generation, call.id)


def _read(context: Context, call: Call, generation: Generation) -> Deployment:
    """Return the deployment as reads see it."""
    return _of_generation(context.store.get(call.id, call.now), generation, call.id)


def _of_generation(found: Deployment | None, generation: Generation, id: str) -> Deployment:
    if found is None or found.generation != generation:
        raise not_found(id)
    return found


def _rendered(context: Context, call: Call, deployment: Deployment) -> dict[str, object]:
    value = context.shapes.deployment(deployment, call.now)
    fault = context.faults.take(("unknown_status",), call.now, call.operation, id=deployment.id)
    return value | {"status": fault.word if fault else status(deployment, call.now)}


def _create(context: Context, call: Call, generation: Generation, spec: Spec) -> Deployment:
    name: str = spec["name"]
    _check_name(context, generation, name)
    blank = Deployment(
        id=name if generation == 3 else context.ids.new_uuid(),
        generation=generation,
        name=name,
        spec=spec,
        created_at=call.now,
    )
    _check_capacity(context, call, blank, None)
    created = evolve(blank, writes=(begin_write(context, call, "create", blank),))
    context.store.put(created)
    add_stale_views(context, call, created, None)
    return created


def _change(
    context: Context, call: Call, action: str, before: Deployment, **changes: object
) -> Deployment:
    _check_unlocked(before, call.now)
    after = evolve(before, **changes)  # type: ignore[arg-type]
    if action == "update":
        _check_capacity(context, call, after, before)
    write = evolve(begin_write(context, call, action, after), before=before)
    # An earlier error message is cleared, except by a delete or stop.
    failed = before.failed if action in ("delete", "stop") else ""
    after = evolve(after, writes=(*before.writes, write), failed=failed)
    context.store.put(after)
    add_stale_views(context, call, after, before)
    return after


def _check_name(
    context: Context, generation: Generation, name: str, owner: str | None = None
) -> None:
    holder = context.store.find(generation, name)
    if holder and holder.id != owner:
        raise ApiError(409, f"Inference instance with name {name} already exists")


def _check_unlocked(deployment: Deployment, now: float) -> None:
    # The vendor's SDK calls the 409 a lock and tries again.
    if deployment.in_flight and now < deployment.last_write.task_ends_at:
        raise ApiError(409, f"Inference instance {deployment.name} is locked by another task")


def _check_capacity(
    context: Context, call: Call, deployment: Deployment, before: Deployment | None
) -> None:
    flavor = _flavor_of(deployment)
    already = set(before.regions) if before and _flavor_of(before) is flavor else set()
    for region in deployment.regions:
        if region in already:
            continue
        fault = context.faults.take(
            ("no_capacity",), call.now, call.operation, id=deployment.id, region=str(region)
        )
        if fault or not capacity(region, flavor):
            message = fault.message if fault else None
            default = f"Flavor {flavor.name} has no capacity in region {region}"
            raise ApiError(403, message or default)
    _check_quota(context, deployment, before)


def _check_quota(context: Context, deployment: Deployment, before: Deployment | None) -> None:
    used, needed = _usage(context, without=before), _demand_of(deployment)
    for attribute, limit in context.store.quota.items():
        over = used[attribute] + needed[attribute] - limit
        if over > 0 and needed[attribute]:
            info = {
                "attribute": f"{attribute}_limit",
                "current_usage": used[attribute],
                "requested_usage": needed[attribute],
                "limit": limit,
            }
            message = f"Quota limit for {attribute}_limit exceeded by {over}"
            raise ApiError(400, message, exception_class="QuotaLimitExceed", info=info)


def _usage(context: Context, without: Deployment | None = None) -> dict[str, int]:
    """Return what the project's deployments count for, by quota."""
    used = dict.fromkeys(context.store.quota, 0)
    for deployment in context.store.items.values():
        if without is None or deployment.id != without.id:
            for attribute, count in _demand_of(deployment).items():
                used[attribute] += count
    return used


def _demand_of(deployment: Deployment) -> dict[str, int]:
    """Return what a deployment counts for with all of its replicas."""
    return demand(_flavor_of(deployment), _max_replicas(deployment.spec))


def _max_replicas(spec: Spec) -> int:
    return sum(container["scale"]["max"] for container in spec["containers"])


def _flavor_of(deployment: Deployment) -> Flavor:
    flavors: Mapping[str, Flavor] = FLAVORS_BY_NAME if deployment.generation == 3 else FLAVORS_BY_ID
    return flavors[deployment.spec["flavor_name" if deployment.generation == 3 else "flavor_id"]]
