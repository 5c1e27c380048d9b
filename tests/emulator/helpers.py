"""A sample spec, and a client of a world with a clock."""

from typing import Any

import orjson
from attrs import define, frozen

from di_async.emulator import Response, World

NOW = 1704833072.0  # 2024-01-09T20:44:32Z, the moment of the vendor's samples
BASE = "/v2/dedicated-inferences"
VPC = "997615ce-132d-4bae-9270-9ee21b395e5d"
MODEL = "mistral/mistral-7b-instruct-v3"
GATED = "meta-llama/Llama-3.1-8B-Instruct"
GPU = "gpu-mi300x1-192gb"


def a_spec(**changes: object) -> dict[str, Any]:
    """Return the vendor's sample spec, with changes."""
    spec: dict[str, Any] = {
        "version": 1,
        "name": "new-dedicated-inference",
        "region": "atl1",
        "vpc": {"uuid": VPC},
        "enable_public_endpoint": True,
        "model_deployments": [a_model()],
    }
    return spec | changes


def a_model(**changes: object) -> dict[str, Any]:
    """Return the vendor's sample model deployment, with changes."""
    model: dict[str, Any] = {
        "model_slug": MODEL,
        "model_provider": "hugging_face",
        "workload_config": {},
        "accelerators": [{"scale": 2, "type": "prefill_decode", "accelerator_slug": GPU}],
    }
    return model | changes


@frozen
class Reply:
    """A response with its parsed body."""

    status: int
    json: Any
    headers: dict[str, str]
    raw: Response

    @property
    def one(self) -> Any:
        """The instance in the body."""
        return self.json["dedicated_inference"]


@define
class ApiClient:
    """A client of a world, the time of its requests, and its token."""

    world: World
    now: float = NOW
    token: str = ""

    def request(self, method: str, path: str, json: object = None, **headers: str) -> Reply:
        """Send a control-plane request; `path` may omit the base."""
        target = path if path.startswith(("/v2", "/_", "/cloud", "/zones")) else BASE + path
        sent = {"Authorization": f"Bearer {self.token or self.world.token}", **headers}
        body = b"" if json is None else orjson.dumps(json)
        return _reply(self.world.handle(self.now, method, target, sent, body))

    def request_dataplane(self, method: str, path: str, token: str, json: object = None) -> Reply:
        """Send a data-plane request."""
        body = b"" if json is None else orjson.dumps(json)
        sent = {"Authorization": f"Bearer {token}"}
        return _reply(self.world.serve(self.now, method, path, sent, body))

    def create(self, **changes: object) -> str:
        """Return the id of a new instance."""
        reply = self.request("POST", "", {"spec": a_spec(**changes)})
        assert reply.status == 202, reply.json
        return str(reply.one["id"])

    def update(self, id: str, **changes: object) -> Reply:
        """Patch the spec."""
        return self.request("PATCH", f"/{id}", {"spec": a_spec(**changes)})

    def active(self, **changes: object) -> str:
        """Return the id of an instance whose create has settled."""
        id = self.create(**changes)
        self.now += 3600
        return id

    def status(self, id: str) -> str:
        """Return the status that a GET shows, or `404`."""
        reply = self.request("GET", f"/{id}")
        return str(reply.one["status"]) if reply.status == 200 else str(reply.status)

    def rows(self, query: str = "") -> list[Any]:
        """Return the rows of a list."""
        rows: list[Any] = self.request("GET", query).json["dedicated_inferences"]
        return rows


def _reply(raw: Response) -> Reply:
    is_json = "json" in raw.headers.get("content-type", "")
    return Reply(raw.status, orjson.loads(raw.body) if is_json else None, raw.headers, raw)
