"""A client of the emulated Gcore, and the vendor's sample requests."""

from typing import Any
from urllib.parse import quote

import orjson
from attrs import define, frozen

from di_async.emulator import Lifecycle, Response, World

NOW = 1704833072.5  # 2024-01-09T20:44:32.5Z
FLAVOR = "inference-16vcpu-232gib-1xh100-80gb"
FLAVOR_ID = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
V2 = "/cloud/v2/inference/deployments"
V3 = "/cloud/v3/inference/{project_id}/deployments"
KEYS = "/cloud/v3/inference/{project_id}/api_keys"
TASKS = "/cloud/v1/tasks"
# Of a create of 1000 s: its task is NEW for 20 s and over after 100 s, containers are there
# after 300 s. An update takes half of that; a delete 100 s, and so does its task.
LIFECYCLE = Lifecycle(create=1000, update=500, delete=100)


def a_container(**scale: object) -> dict[str, Any]:
    """Return one container, in region 7."""
    return {"region_id": 7, "scale": {"min": 1, "max": 3, **scale}}


def a_deployment(**changes: object) -> dict[str, Any]:
    """Return a v3 request, with changes."""
    request: dict[str, Any] = {
        "name": "my-instance",
        "image": "nginx:latest",
        "listening_port": 80,
        "flavor_name": FLAVOR,
        "containers": [a_container()],
    }
    return request | changes


def an_instance(**changes: object) -> dict[str, Any]:
    """Return a v2 request, with changes."""
    request = a_deployment()
    del request["flavor_name"]
    return request | {"flavor_id": FLAVOR_ID} | changes


@frozen
class Reply:
    """A response with its parsed body."""

    status: int
    json: Any
    raw: Response


@define
class ApiClient:
    """A client of a world's Gcore, and the time of its requests."""

    world: World
    now: float = NOW
    scheme: str = "APIKey"
    key: str = ""

    def request(self, method: str, path: str, json: object = None) -> Reply:
        """Send a control-plane request; `{project_id}` in a path is filled in."""
        target = path.replace("{project_id}", str(self.world.gcore.project_id))
        sent = {"Authorization": f"{self.scheme} {self.key or self.world.gcore.api_key}"}
        body = b"" if json is None else orjson.dumps(json)
        return _reply(self.world.handle(self.now, method, target, sent, body))

    def request_dataplane(self, name: str, path: str, json: object = None, **headers: str) -> Reply:
        """Send a request to a deployment's own endpoint."""
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        body = b"" if json is None else orjson.dumps(json)
        method = "GET" if json is None else "POST"
        return _reply(self.world.serve(self.now, method, f"/gcore/{quote(name)}{path}", sent, body))

    def task_of(self, reply: Reply) -> str:
        """Return the only task of a write's response."""
        assert reply.status == 200, reply.json
        (task,) = reply.json["tasks"]
        return str(task)

    def create(self, **changes: object) -> str:
        """Return the task of a new deployment."""
        return self.task_of(self.request("POST", V3, a_deployment(**changes)))

    def active(self, **changes: object) -> None:
        """Create a deployment and let it settle."""
        self.create(**changes)
        self.now += 1000

    def update(self, **changes: object) -> Reply:
        """Patch `my-instance`."""
        return self.request("PATCH", f"{V3}/my-instance", changes)

    def get(self, name: str = "my-instance") -> Any:
        """Return a deployment."""
        reply = self.request("GET", f"{V3}/{name}")
        assert reply.status == 200, reply.json
        return reply.json

    def status(self, name: str = "my-instance") -> str:
        """Return the status that a GET shows, or `404`."""
        reply = self.request("GET", f"{V3}/{name}")
        return str(reply.json["status"]) if reply.status == 200 else str(reply.status)

    def task(self, id: str) -> Any:
        """Return a task."""
        return self.request("GET", f"{TASKS}/{id}").json

    def after(self, seconds: float) -> "ApiClient":
        """Advance the time and return the client."""
        self.now += seconds
        return self


def _reply(raw: Response) -> Reply:
    is_json = "json" in raw.headers.get("content-type", "")
    return Reply(raw.status, orjson.loads(raw.body) if is_json else None, raw)
