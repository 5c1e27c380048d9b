"""A client on a script, and the instance that most of these tests are about."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from di_async import DigitalOcean
from tests.builders.digitalocean import Body
from tests.builders.digitalocean import an_instance as any_instance
from tests.fake_network import FakeNetwork, Step

TOKEN = "dop_v1_" + "5ec4e7" * 8


@asynccontextmanager
async def scripted_client(
    *steps: Step, **options: Any
) -> AsyncIterator[tuple[DigitalOcean, FakeNetwork]]:
    """Yield a client whose every request is answered from a list."""
    network = FakeNetwork(steps)
    async with DigitalOcean(TOKEN, transport=network, **options) as client:
        yield client, network


def an_instance(**fields: Any) -> Body:
    """Return an active instance with two GPUs at spec version 3."""
    return any_instance(**{"version": 3, "scale": 2, **fields})
