"""Gcore's operations on tasks, API keys, flavors and capacity. A handler takes (context, call)."""

from urllib.parse import parse_qsl

from attrs import evolve

from di_async.emulator.cloud.http import ApiError, Response, json_response, parse_json_object
from di_async.emulator.cloud.provider import Call

from . import validation
from .catalog import FLAVORS, FLAVORS_BY_NAME
from .outcomes import Context
from .shapes import list_response, page_response
from .store import ApiKey, Task
from .validation import not_found, parse_page

_TASKS_PER_PAGE = 10


def get_task(context: Context, call: Call) -> Response:
    """Return one task."""
    return json_response(200, context.shapes.task(_task(context, call), call.now))


def list_tasks(context: Context, call: Call) -> Response:
    """Return the tasks, by default the newest 10."""
    filters: dict[str, set[str]] = {}  # a parameter may be repeated
    for name, value in parse_qsl(call.request.raw_query):
        filters.setdefault(name.removesuffix("[]"), set()).add(value.lower())
    rows = [task for task in context.store.tasks.values() if _matches(context, call, task, filters)]
    query = call.request.query
    order = query.get("order_by") or query.get("sorting") or "desc"
    rows.sort(key=lambda task: task.number, reverse=order != "asc")
    limit, offset = parse_page(call.request, _TASKS_PER_PAGE)
    on_page = rows[offset : offset + limit]
    return list_response([context.shapes.task(task, call.now) for task in on_page], len(rows))


def acknowledge_task(context: Context, call: Call) -> Response:
    """Mark a task as acknowledged."""
    task = evolve(_task(context, call), acknowledged_at=call.now)
    context.store.tasks[task.id] = task
    return json_response(200, context.shapes.task(task, call.now))


def _matches(context: Context, call: Call, task: Task, filters: dict[str, set[str]]) -> bool:
    values = {
        "state": task.state(call.now),
        "task_type": task.type,
        "project_id": str(context.project_id),
        "is_acknowledged": str(task.acknowledged_at is not None),
    }
    return all(value.lower() in filters[name] for name, value in values.items() if name in filters)


def _task(context: Context, call: Call) -> Task:
    id = call.params["task_id"]
    if id not in context.store.tasks:
        raise not_found(f"task {id}")
    return context.store.tasks[id]


def list_keys(context: Context, call: Call) -> Response:
    """Return the keys, without their secrets."""
    store = context.store
    rows = [context.shapes.key(key, store.users_of(key.name)) for key in store.keys.values()]
    return page_response(call.request, rows)


def get_key(context: Context, call: Call) -> Response:
    """Return one key, without its secret."""
    return _key_response(context, _key(context, call))


def create_key(context: Context, call: Call) -> Response:
    """Create a key; no other response includes its secret."""
    raw = validation.parse_key(parse_json_object(call.request.body))
    if raw["name"] in context.store.keys:
        raise ApiError(409, f"API key with name {raw['name']} already exists")
    key = add_key(context, call.now, raw["name"], raw.get("description"), raw.get("expires_at"))
    return json_response(200, context.shapes.key(key, [], secret=True))


def add_key(
    context: Context,
    now: float,
    name: str,
    description: str | None = None,
    expires_at: str | None = None,
) -> ApiKey:
    """Add a key."""
    key = ApiKey(name, description, expires_at, now, context.ids.new_hex(48))
    context.store.keys[name] = key
    return key


def update_key(context: Context, call: Call) -> Response:
    """Change the description of a key."""
    key = _key(context, call)
    raw = validation.parse_key_patch(parse_json_object(call.request.body))
    key = evolve(key, description=raw.get("description", key.description))
    context.store.keys[key.name] = key
    return _key_response(context, key)


def delete_key(context: Context, call: Call) -> Response:
    """Delete a key; one in use is refused, since no page says what its deployments would do."""
    key = _key(context, call)
    if context.store.users_of(key.name):
        raise ApiError(409, f"API key {key.name} is in use")
    del context.store.keys[key.name]
    return Response(204)


def _key(context: Context, call: Call) -> ApiKey:
    name = call.params["api_key_name"]
    if name not in context.store.keys:
        raise not_found(f"API key {name}")
    return context.store.keys[name]


def _key_response(context: Context, key: ApiKey) -> Response:
    return json_response(200, context.shapes.key(key, context.store.users_of(key.name)))


def list_flavors(context: Context, call: Call) -> Response:
    """Return the flavors."""
    return page_response(call.request, [context.shapes.flavor(flavor) for flavor in FLAVORS])


def get_flavor(context: Context, call: Call) -> Response:
    """Return one flavor."""
    flavor = FLAVORS_BY_NAME.get(call.params["flavor_name"])
    if flavor is None:
        raise not_found(f"flavor {call.params['flavor_name']}")
    return json_response(200, context.shapes.flavor(flavor))


def get_capacity(context: Context, call: Call) -> Response:
    """Return how many of each flavor each region has left."""
    rows = context.shapes.capacity()
    return list_response(rows, len(rows))
