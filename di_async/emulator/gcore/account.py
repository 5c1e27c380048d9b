"""What belongs to the project or to nobody: tasks, keys, flavours, capacity.

Rules of this file: handlers take (site, now, request, values of the path).
"""

from urllib.parse import parse_qsl

from attrs import evolve

from di_async.emulator.cloud.http import (
    Refusal,
    Request,
    Response,
    json_response,
    parse_object,
)

from . import validation
from .catalog import BY_NAME, FLAVORS
from .context import ProviderContext, list_response, missing, page_of, page_response
from .records import ApiKey, Task

KEYS = "/cloud/v3/inference/{project_id}/api_keys"
KEY = f"{KEYS}/{{api_key_name}}"
_TASKS_PER_PAGE = 10

Values = dict[str, str]


def get_task(context: ProviderContext, now: float, request: Request, values: Values) -> Response:
    """One task."""
    return json_response(200, context.shapes.task(_task(context, values), now))


def list_tasks(context: ProviderContext, now: float, request: Request, values: Values) -> Response:
    """The tasks, the newest first unless asked otherwise; 10 of them unless asked."""
    asked = _Filter(request)
    rows = [task for task in context.store.tasks.values() if asked.lets_through(context, task, now)]
    order = request.query.get("order_by") or request.query.get("sorting") or "desc"
    rows.sort(key=lambda task: task.number, reverse=order != "asc")
    limit, offset = page_of(request, _TASKS_PER_PAGE)
    shown = [context.shapes.task(task, now) for task in rows[offset : offset + limit]]
    return list_response(shown, len(rows))


def acknowledge(context: ProviderContext, now: float, request: Request, values: Values) -> Response:
    """A task that somebody has taken note of."""
    task = evolve(_task(context, values), acknowledged_at=now)
    context.store.tasks[task.id] = task
    return json_response(200, context.shapes.task(task, now))


class _Filter:
    """Which tasks a list asks for; a parameter may be given several times."""

    def __init__(self, request: Request) -> None:
        self._asked: dict[str, set[str]] = {}
        for name, value in parse_qsl(request.raw_query):
            self._asked.setdefault(name.removesuffix("[]"), set()).add(value.lower())

    def lets_through(self, context: ProviderContext, task: Task, now: float) -> bool:
        """Whether a task is among them."""
        facts = {
            "state": task.state(now),
            "task_type": task.type,
            "project_id": str(context.project_id),
            "is_acknowledged": str(task.acknowledged_at is not None),
        }
        return all(
            fact.lower() in self._asked[name] for name, fact in facts.items() if name in self._asked
        )


def _task(context: ProviderContext, values: Values) -> Task:
    try:
        return context.store.tasks[values["task_id"]]
    except KeyError:
        raise missing(f"task {values['task_id']}") from None


def list_keys(context: ProviderContext, now: float, request: Request, values: Values) -> Response:
    """The keys, without their secrets."""
    rows = [
        context.shapes.key(key, context.store.users_of(key.name))
        for key in context.store.keys.values()
    ]
    return page_response(request, rows)


def get_key(context: ProviderContext, now: float, request: Request, values: Values) -> Response:
    """One key, without its secret."""
    key = _key(context, values)
    return json_response(200, context.shapes.key(key, context.store.users_of(key.name)))


def create_key(context: ProviderContext, now: float, request: Request, values: Values) -> Response:
    """A new key; the only answer with its secret."""
    raw = validation.key(parse_object(request.body))
    if raw["name"] in context.store.keys:
        raise Refusal(409, f"API key with name {raw['name']} already exists")
    key = new_key(context, now, raw["name"], raw.get("description"), raw.get("expires_at"))
    return json_response(200, context.shapes.key(key, [], secret=True))


def new_key(
    context: ProviderContext,
    now: float,
    name: str,
    description: str | None = None,
    expires_at: str | None = None,
) -> ApiKey:
    """A key that is there from now on."""
    key = ApiKey(name, description, expires_at, now, context.ids.new_hex(48))
    context.store.keys[name] = key
    return key


def update_key(context: ProviderContext, now: float, request: Request, values: Values) -> Response:
    """Another description for a key."""
    key = _key(context, values)
    raw = validation.key_patch(parse_object(request.body))
    key = evolve(key, description=raw.get("description", key.description))
    context.store.keys[key.name] = key
    return json_response(200, context.shapes.key(key, context.store.users_of(key.name)))


def delete_key(context: ProviderContext, now: float, request: Request, values: Values) -> Response:
    """The end of a key. One in use is refused: no page tells what became of its deployments."""
    key = _key(context, values)
    if context.store.users_of(key.name):
        raise Refusal(409, f"API key {key.name} is in use")
    del context.store.keys[key.name]
    return Response(204)


def _key(context: ProviderContext, values: Values) -> ApiKey:
    try:
        return context.store.keys[values["api_key_name"]]
    except KeyError:
        raise missing(f"API key {values['api_key_name']}") from None


def list_flavors(
    context: ProviderContext, now: float, request: Request, values: Values
) -> Response:
    """The sizes for sale."""
    return page_response(request, [context.shapes.flavor(flavor) for flavor in FLAVORS])


def get_flavor(context: ProviderContext, now: float, request: Request, values: Values) -> Response:
    """One size."""
    flavor = BY_NAME.get(values["flavor_name"])
    if flavor is None:
        raise missing(f"flavor {values['flavor_name']}")
    return json_response(200, context.shapes.flavor(flavor))


def get_capacity(
    context: ProviderContext, now: float, request: Request, values: Values
) -> Response:
    """What each region has left of each size."""
    rows = context.shapes.capacity()
    return list_response(rows, len(rows))
