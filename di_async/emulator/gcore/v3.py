"""The operations on deployments, as served today: keyed by name, writes answer with tasks.

Rules of this file: handlers take (site, now, request, values of the path).
"""

from di_async.emulator.cloud.http import Request, Response, json_response, parse_object

from . import outcomes, validation, writes
from .catalog import BY_NAME, demand
from .context import V3, V3_ONE, ProviderContext, page_response
from .records import Deployment, Spec

LIST = f"GET {V3}"
GET = f"GET {V3_ONE}"
CREATE = f"POST {V3}"
UPDATE = f"PATCH {V3_ONE}"
DELETE = f"DELETE {V3_ONE}"
START = f"POST {V3_ONE}/start"
STOP = f"POST {V3_ONE}/stop"
LOGS = f"GET {V3_ONE}/logs"
LIMITS = f"POST {V3}/check_limits"

Values = dict[str, str]


def create(context: ProviderContext, now: float, request: Request, values: Values) -> Response:
    """A new deployment."""
    raw = parse_object(request.body)
    spec = validation.deployment(raw)
    _check_keys(context, spec)
    return _tasks(context, now, CREATE, writes.create(context, now, CREATE, 3, spec), raw)


def update(context: ProviderContext, now: float, request: Request, values: Values) -> Response:
    """A change of some fields."""
    before = context.existing(3, values["deployment_name"])
    raw = parse_object(request.body)
    spec = validation.patched(before.spec, raw)
    _check_keys(context, spec)
    after = writes.change(context, now, UPDATE, "update", before, spec=spec)
    return _tasks(context, now, UPDATE, after, raw)


def delete(context: ProviderContext, now: float, request: Request, values: Values) -> Response:
    """The end of a deployment."""
    before = context.existing(3, values["deployment_name"])
    return _tasks(context, now, DELETE, writes.change(context, now, DELETE, "delete", before), {})


def start(context: ProviderContext, now: float, request: Request, values: Values) -> Response:
    """A stopped deployment runs again; one that runs goes on."""
    before = context.existing(3, values["deployment_name"])
    writes.check_unlocked(before, now)
    if before.stopped or (before.in_flight and before.change.action == "stop"):
        writes.change(context, now, START, "start", before, stopped=False)
    return Response(204)


def stop(context: ProviderContext, now: float, request: Request, values: Values) -> Response:
    """A deployment stops, and costs nothing; one that is stopped stays so."""
    before = context.existing(3, values["deployment_name"])
    writes.check_unlocked(before, now)
    if not (before.stopped or (before.in_flight and before.change.action == "stop")):
        writes.change(context, now, STOP, "stop", before)
    return Response(204)


def logs(context: ProviderContext, now: float, request: Request, values: Values) -> Response:
    """What its containers have said; the oldest first unless asked otherwise."""
    order = request.query.get("order_by", "time.asc")
    if order not in ("time.asc", "time.desc"):
        raise validation.invalid({"order_by": "Input should be 'time.asc' or 'time.desc'"})
    rows = context.shapes.logs(context.seen(now, 3, values["deployment_name"]), now)
    rows.sort(key=lambda row: row[0], reverse=order == "time.desc")
    region = request.query.get("region_id")
    said = [line for _, line in rows if region in (None, str(line["region_id"]))]
    return page_response(request, said)


def check_limits(
    context: ProviderContext, now: float, request: Request, values: Values
) -> Response:
    """Whether the quota suffices: what is there, what is used and what would be needed.

    https://gcore.com/docs/api-reference/cloud/everywhere-inference/check-inference-deployment-quota
    """
    raw = validation.limits(parse_object(request.body))
    asked = demand(BY_NAME[raw["flavor_name"]], writes.replicas_in(raw))
    used = writes.usage(context)
    told: dict[str, int] = {}
    for attribute, limit in context.quota.items():
        told[f"{attribute}_limit"] = limit
        told[f"{attribute}_requested"] = asked[attribute]
        told[f"{attribute}_usage"] = used[attribute]
    return json_response(200, told)


def _tasks(
    context: ProviderContext, now: float, operation: str, it: Deployment, raw: Spec
) -> Response:
    return json_response(200, {"tasks": outcomes.add_tasks(context, now, operation, it, raw)})


def _check_keys(context: ProviderContext, spec: Spec) -> None:
    for number, name in enumerate(spec["api_keys"]):
        if name not in context.store.keys:
            raise validation.invalid({f"api_keys.{number}": f"API key {name} does not exist"})
