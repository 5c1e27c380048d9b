"""Shared helpers: a client whose responses are scripted, and its requests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson

from di_async.core.http import Request
from di_async.exoscale import Exoscale
from tests import support
from tests.builders.exoscale import ID
from tests.fake_network import FakeNetwork, Step

KEY = "EXO" + "x" * 24
SECRET = "s3cr3t" * 7
DEPLOYMENTS = "/v2/ai/deployment"
ONE = f"{DEPLOYMENTS}/{ID}"
VIRTUAL = support.VIRTUAL


@asynccontextmanager
async def scripted(*steps: Step, **options: Any) -> AsyncIterator[tuple[Exoscale, FakeNetwork]]:
    """Yield a client whose responses come from a list."""
    network = FakeNetwork(steps)
    async with Exoscale(KEY, SECRET, transport=network, **options) as client:
        yield client, network


def sent(network: FakeNetwork) -> list[str]:
    """Return the requests, in order."""
    return [str(sent) for sent in network.sent]


def body(request: Request) -> Any:
    """Return the JSON that a request carried."""
    assert request.body is not None
    return orjson.loads(request.body)
