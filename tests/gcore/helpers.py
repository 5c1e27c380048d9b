"""Clients that receive responses by route, or in order."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson

from di_async.core.http import Request
from di_async.gcore import Gcore
from tests.builders.gcore import NAME, PROJECT, TASK
from tests.fake_network import FakeNetwork, Step

KEY = "1234$" + "5ec4e7" * 8
V2 = "/cloud/v2/inference/deployments"
V3 = f"/cloud/v3/inference/{PROJECT}/deployments"
ONE = f"{V3}/{NAME}"
TASK_PATH = f"/cloud/v1/tasks/{TASK}"


@asynccontextmanager
async def routed(
    routes: Mapping[str, Any], **options: Any
) -> AsyncIterator[tuple[Gcore, FakeNetwork]]:
    """Yield a client that receives responses by route."""
    network = FakeNetwork(routes, latency_s=0.05)
    options = {"project_id": PROJECT, **options}
    async with Gcore(KEY, transport=network, **options) as client:
        yield client, network


@asynccontextmanager
async def scripted(*steps: Step, **options: Any) -> AsyncIterator[tuple[Gcore, FakeNetwork]]:
    """Yield a client that receives these responses in order."""
    network = FakeNetwork(steps)
    options = {"project_id": PROJECT, **options}
    async with Gcore(KEY, transport=network, **options) as client:
        yield client, network


def sent(request: Request) -> Any:
    """Return the decoded body of a request."""
    assert request.body is not None
    return orjson.loads(request.body)
