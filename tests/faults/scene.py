"""One client and one emulated account, on a virtual clock, with a record of all that happened."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from email.utils import formatdate
from typing import Any

from attrs import define, evolve, field

from di_async import DigitalOcean, PollPolicy
from di_async.core.http import Request, Response
from di_async.emulator import Lifecycle, World
from di_async.emulator.digitalocean.store import accelerator_id
from di_async.exoscale import Exoscale
from di_async.gcore import Gcore
from tests.clouds.support import Cloud
from tests.fake_network import Answer, Delayed, EmulatorNetwork

__all__ = [
    "LIFECYCLE",
    "PLACED",
    "Records",
    "Scene",
    "SceneNetwork",
    "connect",
    "leftover_tasks",
    "recorded",
    "scene",
]

LIFECYCLE = Lifecycle(create=40, update=30, delete=20)
PLACED = "placed-one"
"""The name of the resource that every scene begins with."""
LATENCY_S = 0.05
# Enough for tasks, timers and cancelled reads to end.
_SETTLE_S = 1.0

Execute = Callable[[], Answer]
Alter = Callable[[Request, Execute], Answer]
"""Returns the answer to a request, which `execute` carries out."""


@define
class Records(logging.Handler):
    """The messages that the package logged."""

    texts: list[str] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        super().__init__(logging.DEBUG)

    def __hash__(self) -> int:
        return id(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a warning's or an info's text."""
        if record.levelno >= logging.INFO:
            self.texts.append(record.getMessage())


class SceneNetwork(EmulatorNetwork):
    """The emulator's world with a `Date` header, whose answers a fault may alter."""

    def __init__(self, world: World) -> None:
        super().__init__(world, LATENCY_S)
        self.alter: Alter | None = None
        self.writes: list[tuple[Request, int]] = []
        """Writes that the world has carried out, with the status of the answer."""

    def _answer(self, request: Request, headers: Any) -> Answer:
        def execute() -> Answer:
            found = super(SceneNetwork, self)._answer(request, headers)
            inner = found.answer if isinstance(found, Delayed) else found
            if isinstance(inner, Response):
                if request.method != "GET" and inner.status < 300:
                    self.writes.append((request, inner.status))
                date = formatdate(self.now(), usegmt=True)
                dated = evolve(inner, headers={"date": date, **inner.headers})
                return evolve(found, answer=dated) if isinstance(found, Delayed) else dated
            return found

        return execute() if self.alter is None else self.alter(request, execute)


@define
class Scene:
    """An account with one ready resource, and a client of it."""

    cloud: Cloud
    world: World
    network: SceneNetwork
    client: Any
    placed: str
    """The id of the resource."""
    records: Records
    extra: dict[str, Any] = field(factory=dict)
    """What else there is: the ids of a token, a model, an operation; the change of a write."""

    @property
    def api(self) -> Any:
        """The resource's calls."""
        return self.cloud.api(self.client)

    @property
    def now(self) -> float:
        """The loop's time."""
        return asyncio.get_running_loop().time()

    async def calm(self, seconds: float = _SETTLE_S) -> None:
        """Let what was cancelled or set off end."""
        await asyncio.sleep(seconds)


@contextmanager
def recorded() -> Iterator[Records]:
    """Yield what the package logs during the block."""
    logger, records = logging.getLogger("di_async"), Records()
    level, propagate = logger.level, logger.propagate
    logger.addHandler(records)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield records
    finally:
        logger.removeHandler(records)
        logger.setLevel(level)
        logger.propagate = propagate


def connect(cloud: Cloud, world: World, network: EmulatorNetwork, **settings: Any) -> Any:
    """Return a client of the cloud's account in this world."""
    if cloud.name == "digitalocean":
        return DigitalOcean(world.token, transport=network, **settings)
    if cloud.name == "exoscale":
        account = world.exoscale
        return Exoscale(account.api_key, account.api_secret, transport=network, **settings)
    return Gcore(world.gcore.api_key, world.gcore.project_id, transport=network, **settings)


def _place(cloud: Cloud, world: World, now: float) -> tuple[str, dict[str, Any]]:
    """Add the resource that every scene begins with; return its id, and other ids."""
    if cloud.name == "digitalocean":
        instance = world.add_instance(now=now, name=PLACED)
        assert instance.current is not None
        model = instance.current.models[0]
        gpu = accelerator_id(model, model.accelerators[0], 0)
        token = world.add_token(instance.id, "first", now=now)
        return instance.id, {"token": token.id, "accelerator": gpu}
    if cloud.name == "exoscale":
        model_id = world.add_exoscale_model(name="free/model", now=now).id
        deployment = world.add_exoscale_deployment(now=now, name=PLACED)
        return deployment.id, {"model": model_id}
    generation = 2 if cloud.name == "gcore-v2" else 3
    found = world.add_gcore_deployment(now=now, name=PLACED, generation=generation)
    return found.id, {}


@asynccontextmanager
async def scene(cloud: Cloud, **options: Any) -> AsyncIterator[Scene]:
    """Yield a scene on the running (virtual) loop."""
    world = World("documented", seed=7, lifecycle=LIFECYCLE, rate_limits=False)
    cloud.prepare(world)
    network = SceneNetwork(world)
    settings = {"polling": PollPolicy(), "budget": None, **options}
    with recorded() as records:
        async with connect(cloud, world, network, **settings) as client:
            placed, extra = _place(cloud, world, network.now())
            yield Scene(cloud, world, network, client, placed, records, extra)


def leftover_tasks() -> list[asyncio.Task[Any]]:
    """Return all unfinished tasks but the present one."""
    return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


Call = Callable[[Scene], Awaitable[Any]]
