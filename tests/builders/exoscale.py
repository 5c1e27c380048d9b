"""Exoscale's specs, deployments, operations and answers."""

from pathlib import Path
from typing import Any

import orjson

from di_async.core.http import Response
from di_async.exoscale import Deployment, DeploymentSpec
from di_async.exoscale.models import CODEC
from tests.fake_network import answer

ID = "00000000-0000-4000-8000-000000000001"
OPERATION = "00000000-0000-4000-8000-00000000000f"
MODEL = "openai/gpt-oss-120b"
EARLY, LATE = "2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z"
FULL = {"inference-engine-version": "0.19.0", "inference-engine-parameters": ["--x", "1"]}
"""What a GET shows and a list row does not."""
SAMPLES = Path(__file__).parents[1] / "data" / "samples" / "exoscale"


def sample(name: str) -> Any:
    """Return the vendor's example of that name."""
    return orjson.loads((SAMPLES / f"{name}.json").read_bytes())


def a_spec(name: str = "web", **fields: Any) -> DeploymentSpec:
    """Return a spec that breaks no rule."""
    return DeploymentSpec(**{"name": name, "model": MODEL, "gpu_type": "gpua5000", **fields})


def a_row(state: str = "ready", **fields: Any) -> dict[str, Any]:
    """Return a deployment as a list row shows it; `_` in field names stands for `-`."""
    return {
        "id": ID,
        "name": "web",
        "state": state,
        "gpu-type": "gpua5000",
        "gpu-count": 2,
        "replicas": 1,
        "service-level": "pro",
        "deployment-url": "https://web.example/v1",
        "model": {"id": "00000000-0000-4000-8000-00000000000a", "name": MODEL},
        "visibility": "private",
        "created-at": EARLY,
        "updated-at": EARLY,
        **{key.replace("_", "-"): value for key, value in fields.items()},
    }


def a_deployment(state: str = "ready", **fields: Any) -> dict[str, Any]:
    """Return a deployment as GET shows it."""
    return {**a_row(state), **FULL, **{k.replace("_", "-"): v for k, v in fields.items()}}


def operation(state: str = "pending", reference: str | None = ID, **fields: Any) -> dict[str, Any]:
    """Return an operation; it is about our deployment unless another is given."""
    about = {"reference": {"id": reference}} if reference else {}
    return {"id": OPERATION, "state": state, **about, **fields}


def problem(status: int, title: str = "Some Title", detail: str = "some detail") -> Response:
    """Return an error answer as it is documented today."""
    return answer(
        status, {"type": "about:blank", "title": title, "status": status, "detail": detail}
    )


def listed(*rows: dict[str, Any], key: str = "deployments") -> Response:
    """Return an answer that lists these rows."""
    return answer(200, {key: list(rows)})


def read(raw: Any) -> Deployment:
    """Return the model of a deployment as it came over the wire."""
    return CODEC.structure(raw, Deployment)
