"""One interface to every cloud, for tests that run on all of them."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest

from di_async import Change, DigitalOcean, PollPolicy
from di_async.core.waiting.resource_adapter import Capabilities
from di_async.emulator import Lifecycle, World
from di_async.emulator.gcore.catalog import FLAVORS
from di_async.engine.client import Client
from di_async.engine.resource_api import ResourceApi
from di_async.exoscale import Exoscale
from di_async.gcore import Gcore
from tests import support
from tests.builders.digitalocean import a_spec
from tests.fake_network import EmulatorNetwork

VIRTUAL = support.VIRTUAL
REAL = support.REAL
CREATE_S, UPDATE_S, DELETE_S = 600.0, 300.0, 120.0
NEVER = "00000000-0000-4000-8000-000000000000"


def a_world(**options: Any) -> World:
    """Return a world with fixed durations."""
    lifecycle = Lifecycle(create=CREATE_S, update=UPDATE_S, delete=DELETE_S)
    return World(**{"seed": 0, "lifecycle": lifecycle, **options})


def _network(world: World, options: dict[str, Any]) -> Any:
    return {"transport": EmulatorNetwork(world), **options}


class Cloud(ABC):
    """One cloud, as the tests use it."""

    name: ClassVar[str]
    POST: ClassVar[str]
    GET: ClassVar[str]
    LIST: ClassVar[str]
    CHANGE: ClassVar[str]
    """The operation of `grow`."""
    DELETE: ClassVar[str]
    STEPS: ClassVar[tuple[str, ...]] = ()
    """What else a wait may read."""
    never: ClassVar[str] = NEVER
    """An id that nothing has."""

    @abstractmethod
    def make(self, world: World, **options: Any) -> Client:
        """Return a client of this world."""

    @abstractmethod
    def api(self, client: Any) -> Any:
        """Return the part of the client with the resource's calls."""

    @abstractmethod
    async def create(self, client: Any, name: str, **more: Any) -> Change[Any]:
        """Send a create and return its change."""

    @abstractmethod
    async def grow(self, client: Any, id: str, **more: Any) -> Change[Any]:
        """Send an update to two replicas and return its change."""

    @abstractmethod
    def size(self, resource: Any) -> int:
        """Return the number of replicas of a resource."""

    def prepare(self, world: World) -> None:  # noqa: B027 - most need nothing
        """Add what a create requires."""

    async def settled(self, client: Any, name: str) -> str:
        """Create a resource, wait until it is ready, and return its id."""
        change = await self.create(client, name)
        await change.wait()
        return change.id

    async def delete(self, client: Any, id: str) -> Change[Any]:
        """Send a delete and return its change."""
        change: Change[Any] = await self.api(client).delete(id)
        return change

    def can(self, client: Any) -> Capabilities:
        """Return the capabilities of this cloud's API."""
        api: ResourceApi[Any] = self.api(client)
        return api.capabilities

    @asynccontextmanager
    async def client(self, world: World, **options: Any) -> AsyncIterator[Any]:
        """Yield an entered client on the virtual clock, prepared for creates."""
        self.prepare(world)
        async with self.make(world, **{"polling": PollPolicy(), **options}) as client:
            yield client


class OnDigitalOcean(Cloud):
    name = "digitalocean"
    LIST = "GET /v2/dedicated-inferences"
    POST = "POST /v2/dedicated-inferences"
    GET, CHANGE, DELETE = (
        f"{verb} /v2/dedicated-inferences/{{id}}" for verb in ("GET", "PATCH", "DELETE")
    )

    def make(self, world: World, **options: Any) -> Client:
        return DigitalOcean(world.token, **_network(world, options))

    def api(self, client: DigitalOcean) -> Any:
        return client.dedicated_inferences

    async def create(self, client: DigitalOcean, name: str, **more: Any) -> Change[Any]:
        return await client.dedicated_inferences.create(a_spec(name), **more)

    async def grow(self, client: DigitalOcean, id: str, **more: Any) -> Change[Any]:
        return await client.dedicated_inferences.scale(id, 2, **more)

    def size(self, resource: Any) -> int:
        scale: int = resource.spec.model_deployments[0].accelerators[0].scale
        return scale


class _OnGcore(Cloud):
    def make(self, world: World, **options: Any) -> Client:
        gcore = world.gcore
        return Gcore(gcore.api_key, gcore.project_id, **_network(world, options))

    def size(self, resource: Any) -> int:
        most: int = resource.containers[0].scale.max
        return most

    def body(self, name: str) -> dict[str, Any]:
        """Return the fields of a request."""
        return {
            "name": name,
            "image": "nginx:latest",
            "listening_port": 8080,
            "containers": _containers(1),
        }

    async def grow(self, client: Any, id: str, **more: Any) -> Change[Any]:
        change: Change[Any] = await self.api(client).update(id, containers=_containers(2), **more)
        return change

    async def create(self, client: Any, name: str, **more: Any) -> Change[Any]:
        change: Change[Any] = await self.api(client).create(self.body(name), **more)
        return change


def _containers(replicas: int) -> list[dict[str, Any]]:
    return [{"region_id": 7, "scale": {"min": replicas, "max": replicas}}]


class OnGcoreInstances(_OnGcore):
    name = "gcore-v2"
    LIST = "GET /cloud/v2/inference/deployments"
    POST = "POST /cloud/v2/inference/deployments"
    GET, CHANGE, DELETE = (
        f"{verb} /cloud/v2/inference/deployments/{{id}}" for verb in ("GET", "PUT", "DELETE")
    )

    def api(self, client: Gcore) -> Any:
        return client.inference_instances

    def body(self, name: str) -> dict[str, Any]:
        return {**super().body(name), "flavor_id": FLAVORS[0].id}


class OnGcoreDeployments(_OnGcore):
    name = "gcore-v3"
    never = "never-there"
    LIST = "GET /cloud/v3/inference/{project}/deployments"
    POST = "POST /cloud/v3/inference/{project}/deployments"
    GET, CHANGE, DELETE = (
        f"{verb} /cloud/v3/inference/{{project}}/deployments/{{id}}"
        for verb in ("GET", "PATCH", "DELETE")
    )
    STEPS = ("GET /cloud/v1/tasks/{id}",)

    def api(self, client: Gcore) -> Any:
        return client.inference_deployments

    def body(self, name: str) -> dict[str, Any]:
        return {**super().body(name), "flavor_name": FLAVORS[0].name}


class OnExoscale(Cloud):
    name = "exoscale"
    LIST = "GET /v2/ai/deployment"
    POST = "POST /v2/ai/deployment"
    GET, DELETE = (f"{verb} /v2/ai/deployment/{{id}}" for verb in ("GET", "DELETE"))
    CHANGE = "POST /v2/ai/deployment/{id}/scale"
    STEPS = ("GET /v2/operation/{id}",)

    def make(self, world: World, **options: Any) -> Client:
        key, secret = world.exoscale.api_key, world.exoscale.api_secret
        return Exoscale(key, secret, **_network(world, options))

    def prepare(self, world: World) -> None:
        world.add_exoscale_model(name="openai/gpt-oss-20b")

    def api(self, client: Exoscale) -> Any:
        return client.deployments

    async def create(self, client: Exoscale, name: str, **more: Any) -> Change[Any]:
        model = {"name": "openai/gpt-oss-20b"}
        return await client.deployments.create(
            {"name": name, "model": model, "gpu-type": "gpua5000"}, **more
        )

    async def grow(self, client: Exoscale, id: str, **more: Any) -> Change[Any]:
        return await client.deployments.scale(id, 2, **more)

    def size(self, resource: Any) -> int:
        replicas: int = resource.replicas
        return replicas


CLOUDS: tuple[Cloud, ...] = (
    OnDigitalOcean(),
    OnGcoreInstances(),
    OnGcoreDeployments(),
    OnExoscale(),
)
everywhere = pytest.mark.parametrize("cloud", CLOUDS, ids=lambda cloud: cloud.name)


def on(*names: str) -> pytest.MarkDecorator:
    """Return the parameters of a test for these clouds alone."""
    clouds = [cloud for cloud in CLOUDS if cloud.name in names]
    assert len(clouds) == len(names)
    return pytest.mark.parametrize("cloud", clouds, ids=lambda cloud: cloud.name)


def now() -> float:
    """Return the loop's (virtual) time."""
    return asyncio.get_running_loop().time()


def requests_of(world: World, method: str = "GET") -> list[tuple[float, str]]:
    """Return time and path of the requests with this method."""
    return [(at, path) for at, verb, path, _ in world.requests if verb == method]
