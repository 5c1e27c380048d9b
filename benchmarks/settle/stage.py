"""The stage of a scenario: a world, its clients, and a record of every wait.

CPU of the world and of this harness is measured apart from the clients'. A wait's record is
completed from the world's truth after the run.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from attrs import define, field

from benchmarks.settle.metrics import Wait
from benchmarks.settle.virtual import EPOCH
from benchmarks.settle.wire import Handling, Latency, Stopwatch, WorldTransport
from di_async import (
    APIError,
    Change,
    DeploymentFailedError,
    DIError,
    DigitalOcean,
    OutcomeUnknownError,
    PollPolicy,
    RateLimitError,
    RequestBudget,
    TransportError,
    WaitTimeoutError,
)
from di_async.core.waiting.observation import Action, Expectation
from di_async.core.waiting.resume_token import ResourceRef as Reading
from di_async.core.waiting.resume_token import ResumeToken, pack_expectation
from di_async.emulator import World
from di_async.emulator.digitalocean.store import Write

__all__ = ["Actor", "Stage", "attach"]


@define
class Actor:
    """One process: a client with its own budget, and its requests."""

    client: DigitalOcean
    transport: WorldTransport


@define
class Stage:
    """The state and the results of a scenario."""

    world: World
    seed: int
    polling: PollPolicy
    latency_s: float = 0.1
    on_ready: Callable[[], None] = lambda: None
    unsent: int = 0
    """Writes that ended in an error, so that there was nothing to wait for."""
    budget: RequestBudget | None = None
    wrap_world: Callable[[World], Handling] = lambda world: world
    """What stands between the clients and the world."""
    actors: list[Actor] = field(factory=list)
    waits: list[Wait] = field(factory=list)
    foreign_at: list[float] = field(factory=list)
    """When requests of another client were accepted."""
    harness_cpu: Stopwatch = field(factory=Stopwatch)
    chance: random.Random = field(init=False)
    _tasks: list[asyncio.Task[None]] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.chance = random.Random(f"{self.seed}/stage")

    @asynccontextmanager
    async def actor(self) -> AsyncIterator[Actor]:
        """Yield a client that has just been started."""
        seed = self.seed * 100 + len(self.actors)
        transport = WorldTransport(self.wrap_world(self.world), Latency(seed, self.latency_s))
        budget = RequestBudget() if self.budget is None else self.budget
        async with DigitalOcean(
            self.world.token, transport=transport, polling=self.polling, budget=budget
        ) as client:
            actor = Actor(client, transport)
            self.actors.append(actor)
            yield actor

    async def follow(self, actor: Actor, change: Change[Any], timeout: float) -> None:
        """Wait for a change, and record when and how that ended."""
        self.harness_cpu.start()
        now = asyncio.get_running_loop().time
        write = len(self.world.truth(change.id).writes) - 1
        wait = Wait(change.id, now(), write, process=self.actors.index(actor))
        self.waits.append(wait)
        self.harness_cpu.stop()
        try:
            await change.wait(timeout=timeout)
            wait.outcome = "ok"
        except WaitTimeoutError:
            wait.outcome = "timeout"
        except DeploymentFailedError:
            wait.outcome = "failed"
        except DIError as error:
            wait.outcome = f"{type(error).__name__}: {error}"
        self.harness_cpu.start()
        wait.returned_at = now()
        wait.proof_at = actor.transport.proof_of(change.id)
        self.harness_cpu.stop()

    async def write_and_follow(
        self, actor: Actor, write: Callable[[], Awaitable[Change[Any]]], timeout: float
    ) -> None:
        """Write, retry after a refusal that permits it, then wait, as a caller does."""
        while True:
            try:
                change = await write()
            except RateLimitError as error:
                await asyncio.sleep(error.retry_after or 30.0)
            except (APIError, TransportError, OutcomeUnknownError):
                self.unsent += 1
                return
            else:
                await self.follow(actor, change, timeout)
                return

    def ready(self) -> None:
        """Start measuring costs: everything is set up."""
        self.on_ready()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine until `finish`."""
        self._tasks.append(asyncio.get_running_loop().create_task(work))

    async def finish(self) -> None:
        """Wait for all spawned coroutines, and raise their errors: defects of the harness."""
        while self._tasks:
            tasks, self._tasks = self._tasks, []
            await asyncio.gather(*tasks)

    def complete(self) -> None:
        """Fill in what the world knows about each wait's change."""
        for wait in self.waits:
            now = self.world.now
            assert now is not None
            write = self.world.digitalocean.store.truth(wait.id, now).writes[wait.write]
            wait.ends_at = write.settles_at - EPOCH
            wait.ends_well = write.ends != "error"
            assert isinstance(write, Write)
            if write.regress_after is not None:
                wait.fails_at = wait.ends_at + write.regress_after


def attach(client: DigitalOcean, id: str) -> Change[Any]:
    """Return the change of a create that another process began at second 0."""
    expectation = Expectation(action=Action.CREATE, accepted_at=0.0, target_spec_version=1)
    token = ResumeToken(
        provider="digitalocean",
        base_url=client.base_url,
        resource=Reading("dedicated-inference", id),
        action=expectation.action,
        baseline=pack_expectation(expectation),
        started_at=EPOCH,
    )
    return client.dedicated_inferences.resume(token.encode())
