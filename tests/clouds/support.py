"""One face for every cloud: how its client is made, and how it says the same few things."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest

from di_async import Change, DigitalOcean, PollPolicy
from di_async.core.ports import Capabilities
from di_async.emulator import Lifecycle, World
from di_async.engine.client import Client
from di_async.engine.resources import Resources
from tests.support import WorldTransport, a_spec

VIRTUAL = pytest.mark.looptime(noop_cycles=1)
CREATE_S, UPDATE_S, DELETE_S = 600.0, 300.0, 120.0
NEVER = "00000000-0000-4000-8000-000000000000"


def a_world(**options: Any) -> World:
    """A world with fixed durations."""
    lifecycle = Lifecycle(create=CREATE_S, update=UPDATE_S, delete=DELETE_S)
    return World(**{"seed": 0, "lifecycle": lifecycle, **options})


class Cloud(ABC):
    """One cloud, as the suite speaks to it."""

    name: ClassVar[str]
    POST: ClassVar[str]
    GET: ClassVar[str]
    LIST: ClassVar[str]
    CHANGE: ClassVar[str]
    """The operation of `grow`."""
    DELETE: ClassVar[str]
    never: ClassVar[str] = NEVER
    """An id that nothing has."""

    @abstractmethod
    def make(self, world: World, **options: Any) -> Client:
        """A client in this world."""

    @abstractmethod
    def api(self, client: Any) -> Any:
        """Where its calls are."""

    @abstractmethod
    async def create(self, client: Any, name: str) -> Change[Any]:
        """A create that was accepted."""

    @abstractmethod
    async def grow(self, client: Any, id: str, **more: Any) -> Change[Any]:
        """An update, to two replicas, that was accepted."""

    @abstractmethod
    def size(self, resource: Any) -> int:
        """How many replicas a resource shows."""

    async def prepare(self, client: Any) -> None:
        """What must be there before a create."""

    async def delete(self, client: Any, id: str) -> Change[Any]:
        """A delete that was accepted."""
        change: Change[Any] = await self.api(client).delete(id)
        return change

    def can(self, client: Any) -> Capabilities:
        """What this cloud's API can promise."""
        api: Resources[Any] = self.api(client)
        return api.capabilities

    @asynccontextmanager
    async def client(self, world: World, **options: Any) -> AsyncIterator[Any]:
        """An entered client, on the virtual clock, with what a create needs."""
        async with self.make(world, **{"polling": PollPolicy(), **options}) as client:
            await self.prepare(client)
            yield client


class OnDigitalOcean(Cloud):
    name = "digitalocean"
    LIST = "GET /v2/dedicated-inferences"
    POST = "POST /v2/dedicated-inferences"
    GET, CHANGE, DELETE = (
        f"{verb} /v2/dedicated-inferences/{{id}}" for verb in ("GET", "PATCH", "DELETE")
    )

    def make(self, world: World, **options: Any) -> Client:
        return DigitalOcean(world.token, transport=WorldTransport(world), **options)

    def api(self, client: DigitalOcean) -> Any:
        return client.dedicated_inferences

    async def create(self, client: DigitalOcean, name: str) -> Change[Any]:
        return await client.dedicated_inferences.create(a_spec(name))

    async def grow(self, client: DigitalOcean, id: str, **more: Any) -> Change[Any]:
        return await client.dedicated_inferences.scale(id, 2, **more)

    def size(self, resource: Any) -> int:
        scale: int = resource.spec.model_deployments[0].accelerators[0].scale
        return scale


CLOUDS: tuple[Cloud, ...] = (OnDigitalOcean(),)
everywhere = pytest.mark.parametrize("cloud", CLOUDS, ids=lambda cloud: cloud.name)


def now() -> float:
    """The loop's (virtual) time."""
    return asyncio.get_running_loop().time()


def asked(world: World, method: str = "GET") -> list[tuple[float, str]]:
    """When and which paths were asked for by this method."""
    return [(at, path) for at, verb, path, _ in world.requests if verb == method]
