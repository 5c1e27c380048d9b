"""Gcore's operations on tasks, API keys, secrets, flavors, prices and capacity."""

from urllib.parse import parse_qsl

from attrs import asdict, evolve, frozen

from di_async.emulator.cloud.http import ApiError, Response, json_response, parse_json_object
from di_async.emulator.cloud.provider import Call

from . import validation
from .catalog import FLAVORS, FLAVORS_BY_NAME, REGIONS, price
from .outcomes import Context
from .shapes import list_response, page_response
from .store import ApiKey, StoredSecret, Task
from .validation import not_found, parse_page

_TASKS_PER_PAGE = 10


@frozen
class AccountOperations(Context):
    """The handlers of tasks, API keys, secrets, flavors, prices and capacity."""

    def get_task(self, call: Call) -> Response:
        """Return one task."""
        return json_response(200, self.shapes.task(self._task(call), call.now))

    def list_tasks(self, call: Call) -> Response:
        """Return the tasks, by default the newest 10."""
        filters: dict[str, set[str]] = {}  # a parameter may be repeated
        for name, value in parse_qsl(call.request.raw_query):
            filters.setdefault(name.removesuffix("[]"), set()).add(value.lower())
        rows = [task for task in self.store.tasks.values() if self._matches(call, task, filters)]
        query = call.request.query
        order = query.get("order_by") or query.get("sorting") or "desc"
        rows.sort(key=lambda task: task.number, reverse=order != "asc")
        limit, offset = parse_page(call.request, _TASKS_PER_PAGE)
        on_page = rows[offset : offset + limit]
        return list_response([self.shapes.task(task, call.now) for task in on_page], len(rows))

    def acknowledge_task(self, call: Call) -> Response:
        """Mark a task as acknowledged."""
        task = evolve(self._task(call), acknowledged_at=call.now)
        self.store.tasks[task.id] = task
        return json_response(200, self.shapes.task(task, call.now))

    def acknowledge_all_tasks(self, call: Call) -> Response:
        """Mark all finished tasks as acknowledged."""
        for task in list(self.store.tasks.values()):
            if task.state(call.now) in ("FINISHED", "ERROR") and task.acknowledged_at is None:
                self.store.tasks[task.id] = evolve(task, acknowledged_at=call.now)
        return Response(204)

    def _matches(self, call: Call, task: Task, filters: dict[str, set[str]]) -> bool:
        values = {
            "state": task.state(call.now),
            "task_type": task.type,
            "project_id": str(self.project_id),
            "is_acknowledged": str(task.acknowledged_at is not None),
        }
        return all(
            value.lower() in filters[name] for name, value in values.items() if name in filters
        )

    def _task(self, call: Call) -> Task:
        id = call.params["task_id"]
        if id not in self.store.tasks:
            raise not_found(f"task {id}")
        return self.store.tasks[id]

    def list_keys(self, call: Call) -> Response:
        """Return the keys, without their secrets."""
        store = self.store
        rows = [self.shapes.key(key, store.users_of(key.name)) for key in store.keys.values()]
        return page_response(call.request, rows)

    def get_key(self, call: Call) -> Response:
        """Return one key, without its secret."""
        return self._key_response(self._key(call))

    def create_key(self, call: Call) -> Response:
        """Create a key; no other response includes its secret."""
        raw = validation.checked(validation.KEY, parse_json_object(call.request.body))
        if raw["name"] in self.store.keys:
            raise ApiError(409, f"API key with name {raw['name']} already exists")
        key = self.add_key(call.now, raw["name"], raw.get("description"), raw.get("expires_at"))
        return json_response(200, self.shapes.key(key, [], secret=True))

    def add_key(
        self, now: float, name: str, description: str | None = None, expires_at: str | None = None
    ) -> ApiKey:
        """Add a key."""
        key = ApiKey(name, description, expires_at, now, self.ids.new_hex(48))
        self.store.keys[name] = key
        return key

    def update_key(self, call: Call) -> Response:
        """Change the description of a key."""
        key = self._key(call)
        raw = validation.checked(validation.KEY_PATCH, parse_json_object(call.request.body))
        key = evolve(key, description=raw.get("description", key.description))
        self.store.keys[key.name] = key
        return self._key_response(key)

    def delete_key(self, call: Call) -> Response:
        """Delete a key; one in use is refused, since no page says what its deployments would do."""
        key = self._key(call)
        if self.store.users_of(key.name):
            raise ApiError(409, f"API key {key.name} is in use")
        del self.store.keys[key.name]
        return Response(204)

    def _key(self, call: Call) -> ApiKey:
        name = call.params["api_key_name"]
        if name not in self.store.keys:
            raise not_found(f"API key {name}")
        return self.store.keys[name]

    def _key_response(self, key: ApiKey) -> Response:
        return json_response(200, self.shapes.key(key, self.store.users_of(key.name)))

    def list_secrets(self, call: Call) -> Response:
        """Return the secrets."""
        return page_response(call.request, [asdict(one) for one in self.store.secrets.values()])

    def get_secret(self, call: Call) -> Response:
        """Return one secret."""
        return json_response(200, asdict(self._secret(call)))

    def create_secret(self, call: Call) -> Response:
        """Store a secret."""
        raw = validation.checked(validation.SECRET, parse_json_object(call.request.body))
        if raw["name"] in self.store.secrets:
            raise ApiError(409, f"Secret with name {raw['name']} already exists")
        return self._save_secret(StoredSecret(raw["name"], raw["type"], raw["data"]))

    def replace_secret(self, call: Call) -> Response:
        """Replace the credentials of a secret."""
        secret = self._secret(call)
        raw = validation.checked(validation.SECRET_PUT, parse_json_object(call.request.body))
        return self._save_secret(evolve(secret, type=raw["type"], data=raw["data"]))

    def delete_secret(self, call: Call) -> Response:
        """Delete a secret."""
        del self.store.secrets[self._secret(call).name]
        return Response(204)

    def _save_secret(self, secret: StoredSecret) -> Response:
        self.store.secrets[secret.name] = secret
        return json_response(200, asdict(secret))

    def _secret(self, call: Call) -> StoredSecret:
        name = call.params["secret_name"]
        if name not in self.store.secrets:
            raise not_found(f"secret {name}")
        return self.store.secrets[name]

    def list_flavors(self, call: Call) -> Response:
        """Return the flavors."""
        return page_response(call.request, [self.shapes.flavor(flavor) for flavor in FLAVORS])

    def get_flavor(self, call: Call) -> Response:
        """Return one flavor."""
        flavor = FLAVORS_BY_NAME.get(call.params["flavor_name"])
        if flavor is None:
            raise not_found(f"flavor {call.params['flavor_name']}")
        return json_response(200, self.shapes.flavor(flavor))

    def get_capacity(self, call: Call) -> Response:
        """Return how many of each flavor each region has left."""
        rows = self.shapes.capacity()
        return list_response(rows, len(rows))

    def get_price(self, call: Call) -> Response:
        """Return the price of a deployment at its maximum scale."""
        raw = validation.parse_price(parse_json_object(call.request.body))
        replicas = sum(container["scale"]["max"] for container in raw["containers"])
        return json_response(200, price(FLAVORS_BY_NAME[raw["flavor_name"]], replicas))

    def list_projects(self, call: Call) -> Response:
        """Return the only project."""
        return list_response([self.shapes.project(call.now)], 1)

    def get_project(self, call: Call) -> Response:
        """Return the project."""
        return json_response(200, self.shapes.project(call.now))

    def list_regions(self, call: Call) -> Response:
        """Return the regions."""
        return page_response(call.request, [self.shapes.region(id) for id in REGIONS])

    def get_region(self, call: Call) -> Response:
        """Return one region."""
        id = call.params["region_id"]
        if id not in map(str, REGIONS):
            raise not_found(f"region {id}")
        return json_response(200, self.shapes.region(int(id)))
