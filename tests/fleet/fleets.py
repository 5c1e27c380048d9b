"""Fleets over three clouds, for the tests of `apply`."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from di_async import Fleet
from di_async.emulator import World
from di_async.engine.client import Client
from tests.clouds.ensuring import ENSURABLE, a_body
from tests.clouds.support import Cloud

PROVIDERS = {"digitalocean": "digitalocean", "gcore-v3": "gcore", "exoscale": "exoscale"}


def an_entry(cloud: Cloud, name: str = "web-1", replicas: int = 1, **more: Any) -> dict[str, Any]:
    """Return an entry of a fleet file."""
    return {"provider": PROVIDERS[cloud.name], "spec": a_body(cloud, name, replicas), **more}


def a_fleet(*entries: dict[str, Any], name: str | None = "chat") -> Fleet:
    """Return a fleet of these entries."""
    raw = {"deployments": list(entries)}
    return Fleet.from_dict(raw if name is None else {"fleet": name, **raw}, source="fleet.yaml")


def large_fleet(each: int, *, changed: int = 0) -> Fleet:
    """Return a fleet of this many deployments in each cloud; the first ones have two replicas."""
    entries = [an_entry(cloud, f"w-{n:02}") for n in range(each) for cloud in ENSURABLE]
    for number in range(changed):
        cloud = ENSURABLE[number % len(ENSURABLE)]
        entries[number] = an_entry(cloud, entries[number]["spec"]["name"], 2)
    return a_fleet(*entries)


@asynccontextmanager
async def clients_of(world: World, **options: Any) -> AsyncIterator[tuple[Client, ...]]:
    """Yield an entered client for each cloud, on the virtual clock."""
    async with AsyncExitStack() as stack:
        yield tuple(
            [await stack.enter_async_context(one.client(world, **options)) for one in ENSURABLE]
        )
