"""What the tests of Exoscale share: a client on a script, and answers as the API writes them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from di_async.core.http import Request, Response
from di_async.exoscale import Deployment, DeploymentSpec, Exoscale
from di_async.exoscale.models import CODEC
from tests.support import ScriptTransport, Step, answer

SAMPLES = Path(__file__).parents[1] / "data" / "samples" / "exoscale"
KEY = "EXO" + "x" * 24
SECRET = "s3cr3t" * 7
ID = "00000000-0000-4000-8000-000000000001"
OPERATION = "00000000-0000-4000-8000-00000000000f"
MODEL = "openai/gpt-oss-120b"
DEPLOYMENTS = "/v2/ai/deployment"
ONE = f"{DEPLOYMENTS}/{ID}"
EARLY, LATE = "2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z"
VIRTUAL = pytest.mark.looptime(noop_cycles=1)
FULL = {"inference-engine-version": "0.19.0", "inference-engine-parameters": ["--x", "1"]}


def sample(name: str) -> Any:
    """The vendor's example of that name."""
    return orjson.loads((SAMPLES / f"{name}.json").read_bytes())


@asynccontextmanager
async def scripted(*steps: Step, **options: Any) -> AsyncIterator[tuple[Exoscale, ScriptTransport]]:
    """A client whose every request is answered from a list."""
    transport = ScriptTransport(steps)
    async with Exoscale(KEY, SECRET, transport=transport, **options) as client:
        yield client, transport


def a_deployment(state: str = "ready", **fields: Any) -> dict[str, Any]:
    """A deployment as a list row shows it; keyword `_` stands for `-`."""
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


def in_full(state: str = "ready", **fields: Any) -> dict[str, Any]:
    """The same as a GET shows it."""
    return {**a_deployment(state), **FULL, **{k.replace("_", "-"): v for k, v in fields.items()}}


def read(raw: Any) -> Deployment:
    """The model of a deployment as it came over the wire."""
    return CODEC.structure(raw, Deployment)


def operation(state: str = "pending", reference: str | None = ID, **fields: Any) -> dict[str, Any]:
    """An operation, about our deployment unless told otherwise."""
    about = {"reference": {"id": reference}} if reference else {}
    return {"id": OPERATION, "state": state, **about, **fields}


def problem(status: int, title: str = "Some Title", detail: str = "some detail") -> Response:
    """An error answer as it is documented today."""
    return answer(
        status, {"type": "about:blank", "title": title, "status": status, "detail": detail}
    )


def listed(*rows: dict[str, Any], key: str = "deployments") -> Response:
    """An answer that lists these."""
    return answer(200, {key: list(rows)})


def a_spec(name: str = "web", **fields: Any) -> DeploymentSpec:
    """A spec that breaks no rule."""
    return DeploymentSpec(**{"name": name, "model": MODEL, "gpu_type": "gpua5000", **fields})


def sent(transport: ScriptTransport) -> list[str]:
    """What was asked, in order."""
    return [f"{request.method} {request.path}" for request in transport.requests]


def body(request: Request) -> Any:
    """The JSON that a request carried."""
    assert request.body is not None
    return orjson.loads(request.body)
