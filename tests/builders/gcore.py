"""Gcore's specs, deployments (v3), instances (v2), tasks and answers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from di_async.core.http import Response
from di_async.gcore import InferenceDeployment, InferenceInstance
from di_async.gcore.models import CODEC
from tests.fake_network import answer

PROJECT = 42
ID = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
TASK = "d478ae29-dedc-4869-82f0-96104425f565"
NAME = "my-instance"
HIDDEN = "planted-PLANTED-99"
"""A secret that must be seen nowhere."""
SAMPLES = Path(__file__).parents[1] / "data" / "samples" / "gcore"


def sample(name: str) -> Any:
    """Return the vendor's example of that name."""
    return orjson.loads((SAMPLES / f"{name}.json").read_bytes())


def a_container(**fields: Any) -> dict[str, Any]:
    """Return one region with one to three replicas."""
    return {"region_id": 7, "scale": {"min": 1, "max": 3}, **fields}


def a_spec(**fields: Any) -> dict[str, Any]:
    """Return the least that makes a v3 deployment."""
    return {
        "name": NAME,
        "flavor_name": "inference-16vcpu-232gib-1xh100-80gb",
        "image": "nginx:latest",
        "listening_port": 8080,
        "containers": [a_container()],
        **fields,
    }


def a_deployment(status: str = "ACTIVE", **fields: Any) -> dict[str, Any]:
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


def no_such(what: str = "Inference instance") -> Response:
    """Return the API's 404."""
    return answer(404, {"exception_class": "NotFoundError", "message": f"{what} not found"})


def accepted() -> Response:
    """Return the answer to a v3 write."""
    return answer(200, {"tasks": [TASK]})


def read_deployment(raw: Mapping[str, Any]) -> InferenceDeployment:
    """Return the model of a v3 deployment as it came over the wire."""
    return CODEC.structure(raw, InferenceDeployment)


def read_instance(raw: Mapping[str, Any]) -> InferenceInstance:
    """Return the model of a v2 instance as it came over the wire."""
    return CODEC.structure(raw, InferenceInstance)
