"""Responses as the API returns them, and clients that receive them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from di_async.core.http import Request, Response
from di_async.gcore import Gcore, InferenceDeployment, InferenceInstance
from di_async.gcore.models import CODEC
from tests.support import ScriptTransport, Step, answer

SAMPLES = Path(__file__).parents[1] / "data" / "samples" / "gcore"
KEY = "1234$" + "5ec4e7" * 8
PROJECT = 42
ID = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
TASK = "d478ae29-dedc-4869-82f0-96104425f565"
NAME = "my-instance"
V2 = "/cloud/v2/inference/deployments"
V3 = f"/cloud/v3/inference/{PROJECT}/deployments"
ONE = f"{V3}/{NAME}"
TASK_PATH = f"/cloud/v1/tasks/{TASK}"
HIDDEN = "planted-PLANTED-99"
"""A secret that must not appear in any output."""


def sample(name: str) -> Any:
    """Return the vendor's example of this name."""
    return orjson.loads((SAMPLES / f"{name}.json").read_bytes())


def a_container(**fields: Any) -> dict[str, Any]:
    """Return a container in one region with one to three replicas."""
    return {"region_id": 7, "scale": {"min": 1, "max": 3}, **fields}


def a_spec(**fields: Any) -> dict[str, Any]:
    """Return the smallest valid v3 deployment."""
    return {
        "name": NAME,
        "flavor_name": "inference-16vcpu-232gib-1xh100-80gb",
        "image": "nginx:latest",
        "listening_port": 8080,
        "containers": [a_container()],
        **fields,
    }


def shown(status: str = "ACTIVE", **fields: Any) -> dict[str, Any]:
    """Return a v3 deployment as GET shows it."""
    return {
        **a_spec(),
        "project_id": PROJECT,
        "auth_enabled": False,
        "status": status,
        "address": "https://example.com",
        "created_at": "2025-12-28T19:14:44.180394",
        "credentials_name": "",
        "description": "",
        "envs": {"KEY": HIDDEN},
        "command": None,
        "object_references": [],
        "timeout": 120,
        **fields,
    }


def an_instance(status: str = "ACTIVE", **fields: Any) -> dict[str, Any]:
    """Return a v2 instance as GET shows it: the vendor's example."""
    return {**sample("update_200"), "status": status, **fields}


def a_task(state: str = "FINISHED", **fields: Any) -> dict[str, Any]:
    """Return a task as GET shows it."""
    return {
        "id": TASK,
        "state": state,
        "task_type": "create_inference_instance",
        "error": None,
        "created_on": "2026-05-23T05:07:31",
        "created_resources": {"inference_instances": [NAME]},
        **fields,
    }


def deployment(raw: Mapping[str, Any]) -> InferenceDeployment:
    """Return the model of a v3 deployment."""
    return CODEC.structure(raw, InferenceDeployment)


def instance(raw: Mapping[str, Any]) -> InferenceInstance:
    """Return the model of a v2 instance."""
    return CODEC.structure(raw, InferenceInstance)


AnyRoutes = Mapping[str, Any]
"""The response to each route, or a list of responses."""


def no_such(what: str = "Inference instance") -> Response:
    """Return the API's own 404."""
    return answer(404, {"exception_class": "NotFoundError", "message": f"{what} not found"})


def accepted() -> Response:
    """Return the response to a v3 write."""
    return answer(200, {"tasks": [TASK]})


class Routes(ScriptTransport):
    """Returns responses by `METHOD path` in order; the last one of a route is repeated."""

    def __init__(self, routes: AnyRoutes) -> None:
        super().__init__((), latency_s=0.05)
        self.routes: dict[str, list[Step]] = {
            route: list(steps) if isinstance(steps, list | tuple) else [steps]
            for route, steps in routes.items()
        }

    def step_for(self, request: Request) -> Step:
        """Return the next response of the route."""
        steps = self.routes[f"{request.method} {request.path}"]
        return steps.pop(0) if len(steps) > 1 else steps[0]

    def asked(self, method: str, path: str | None = None) -> list[Request]:
        """Return the requests with this method, to all paths or to one."""
        return [r for r in self.requests if r.method == method and path in (None, r.path)]


@asynccontextmanager
async def routed(routes: AnyRoutes, **options: Any) -> AsyncIterator[tuple[Gcore, Routes]]:
    """Yield a client that receives responses by route."""
    network = Routes(routes)
    options = {"project_id": PROJECT, **options}
    async with Gcore(KEY, transport=network, **options) as client:
        yield client, network


@asynccontextmanager
async def scripted(*steps: Step, **options: Any) -> AsyncIterator[tuple[Gcore, ScriptTransport]]:
    """Yield a client that receives these responses in order."""
    network = ScriptTransport(steps)
    options = {"project_id": PROJECT, **options}
    async with Gcore(KEY, transport=network, **options) as client:
        yield client, network


def sent(request: Request) -> Any:
    """Return the decoded body of a request."""
    assert request.body is not None
    return orjson.loads(request.body)
