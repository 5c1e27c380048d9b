"""What the tests of Gcore share: answers as the API gives them, and a client on them."""

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
"""A secret that must be seen nowhere."""


def sample(name: str) -> Any:
    """The vendor's example of that name."""
    return orjson.loads((SAMPLES / f"{name}.json").read_bytes())


def a_container(**fields: Any) -> dict[str, Any]:
    """One region, one to three replicas."""
    return {"region_id": 7, "scale": {"min": 1, "max": 3}, **fields}


def a_spec(**fields: Any) -> dict[str, Any]:
    """The least that makes a v3 deployment."""
    return {
        "name": NAME,
        "flavor_name": "inference-16vcpu-232gib-1xh100-80gb",
        "image": "nginx:latest",
        "listening_port": 8080,
        "containers": [a_container()],
        **fields,
    }


def shown(status: str = "ACTIVE", **fields: Any) -> dict[str, Any]:
    """A v3 deployment as GET shows it."""
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
    """A v2 instance as GET shows it: the vendor's example."""
    return {**sample("update_200"), "status": status, **fields}


def a_task(state: str = "FINISHED", **fields: Any) -> dict[str, Any]:
    """A task as GET shows it."""
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
    """The model of what v3 shows."""
    return CODEC.structure(raw, InferenceDeployment)


def instance(raw: Mapping[str, Any]) -> InferenceInstance:
    """The model of what v2 shows."""
    return CODEC.structure(raw, InferenceInstance)


AnyRoutes = Mapping[str, Any]
"""What answers each route: a step, or a list of them."""


def no_such(what: str = "Inference instance") -> Response:
    """The API's 404."""
    return answer(404, {"exception_class": "NotFoundError", "message": f"{what} not found"})


def accepted() -> Response:
    """A v3 write's answer."""
    return answer(200, {"tasks": [TASK]})


class Routes(ScriptTransport):
    """Answers by `METHOD path`, one after the other; the last of a route is given for ever."""

    def __init__(self, routes: AnyRoutes) -> None:
        super().__init__((), latency_s=0.05)
        self.routes: dict[str, list[Step]] = {
            route: list(steps) if isinstance(steps, list | tuple) else [steps]
            for route, steps in routes.items()
        }

    def step_for(self, request: Request) -> Step:
        """What comes next on its route."""
        steps = self.routes[f"{request.method} {request.path}"]
        return steps.pop(0) if len(steps) > 1 else steps[0]

    def asked(self, method: str, path: str | None = None) -> list[Request]:
        """The requests of one method, of all paths or of one."""
        return [r for r in self.requests if r.method == method and path in (None, r.path)]


@asynccontextmanager
async def routed(routes: AnyRoutes, **options: Any) -> AsyncIterator[tuple[Gcore, Routes]]:
    """A client whose requests are answered by route."""
    network = Routes(routes)
    options = {"project_id": PROJECT, **options}
    async with Gcore(KEY, transport=network, **options) as client:
        yield client, network


@asynccontextmanager
async def scripted(*steps: Step, **options: Any) -> AsyncIterator[tuple[Gcore, ScriptTransport]]:
    """A client whose requests are answered from one list."""
    network = ScriptTransport(steps)
    options = {"project_id": PROJECT, **options}
    async with Gcore(KEY, transport=network, **options) as client:
        yield client, network


def sent(request: Request) -> Any:
    """A request's body."""
    assert request.body is not None
    return orjson.loads(request.body)
