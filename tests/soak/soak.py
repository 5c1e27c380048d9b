"""Keep one client busy for virtual weeks, and measure its memory and its maps.

An account of many resources, with creates, updates and deletes all the time, waits that end,
time out or are cancelled, streams that are left, listings that are broken off, and faults. The
memory is tracemalloc's, without the emulator, this harness and their tests.
"""

import asyncio
import gc
import random
import tracemalloc
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from attrs import define, field, frozen

from benchmarks.settle.virtual import run_virtual
from di_async import DIError, PollPolicy, RequestBudget
from di_async.emulator import LogNormal, World
from di_async.emulator.cloud.simulation import Lifecycle
from tests.clouds.support import Cloud
from tests.fake_network import EmulatorNetwork
from tests.faults.scene import connect, leftover_tasks

__all__ = ["MOST_GROWTH", "Figures", "soak"]

MOST_GROWTH = 1.05
"""The last quarter's memory, as a multiple of the second's."""
_HOUR_S = 3600.0
_SAMPLES = 16
# A map may be fuller now and then; one that leaks grows with every resource that ever was.
_MAP_GROWTH, _MAP_SLACK = 1.5, 100
_BOUNDS = {"ResourcePoller._last_reads": 1_000}
"""Maps that fill up to a bound."""
_FOREIGN = tuple(
    tracemalloc.Filter(False, pattern)
    for pattern in (
        "*/emulator/*",
        "*di_async.emulator*",  # methods that attrs has generated
        "*/tests/*",
        "*/benchmarks/*",
        "*/attr/_make.py",  # the emulator's stored values are copies by `evolve`,
        "*/attr/_funcs.py",  # which older versions of attrs have here
        "*/uuid.py",  # its ids
        tracemalloc.__file__,
    )
)


@frozen
class Figures:
    """What a soak measured."""

    cloud: str
    days: float
    resources: int
    writes: int
    requests: int
    memory: tuple[float, ...]
    """Mean kilobytes of each quarter."""
    maps: Mapping[str, tuple[int, int]]
    """The largest size of each map in the second and the last quarter."""
    problems: tuple[str, ...]

    @property
    def growth(self) -> float:
        """The last quarter's memory, as a multiple of the second's."""
        return self.memory[3] / self.memory[1]

    def __str__(self) -> str:
        memory = ", ".join(f"{kilobytes:,.0f}" for kilobytes in self.memory)
        largest = sorted(self.maps.items(), key=lambda item: -item[1][1])[:5]
        maps = ", ".join(f"{name} {size}" for name, (_, size) in largest)
        return (
            f"{self.cloud}: {self.days:g} days, {self.resources} resources, {self.writes:,} "
            f"writes, {self.requests:,} requests; kB by quarter {memory}; last to second "
            f"{self.growth:.3f}; {len(self.maps)} maps, the largest: {maps}"
        )


@define
class _Soak:
    cloud: Cloud
    world: World
    network: EmulatorNetwork
    client: Any
    chance: random.Random
    ids: list[str]
    resources: int
    writes: int = 0
    memory: list[float] = field(factory=list)
    maps: list[dict[str, int]] = field(factory=list)
    tasks: set[asyncio.Task[None]] = field(factory=set)

    async def churn(self, until: float, pause_s: float) -> None:
        """Write, wait, cancel, stream and list until a time."""
        loop = asyncio.get_running_loop()
        while loop.time() < until:
            await asyncio.sleep(self.chance.expovariate(1 / pause_s))
            task = loop.create_task(self._one())
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _one(self) -> None:
        with suppress(DIError):
            match self.chance.randrange(12):
                case 0 | 1 | 2 | 3:
                    await self._replace()
                case 4 | 5 | 6:
                    await self._follow(await self.cloud.grow(self.client, self._some()))
                case 7:
                    await self._leave_early()
                case 8:
                    async for _ in self.cloud.api(self.client).list():
                        break
                case 9:
                    await self.cloud.api(self.client).list().collect()
                case _:
                    await self.cloud.api(self.client).wait_until_active(self._some(), timeout=600)

    async def _replace(self) -> None:
        """Delete one resource and create another."""
        change = await self.cloud.create(self.client, f"soak-{self.writes}")
        self.ids.append(change.id)
        await self._follow(change)
        while len(self.ids) > self.resources:
            id = self.ids.pop(self.chance.randrange(len(self.ids)))
            try:
                change = await self.cloud.delete(self.client, id)
            except DIError:
                self.ids.append(id)  # busy; another task tries again
                break
            await self._follow(change)

    async def _follow(self, change: Any) -> None:
        self.writes += 1
        timeout = self.chance.choice((60.0, 1800.0, 7200.0))
        if self.chance.random() < 0.1:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.chance.uniform(1.0, 300.0)):
                    await change.wait(timeout=timeout)
            return
        await change.wait(timeout=timeout)

    async def _leave_early(self) -> None:
        """Take a few events of the account, and leave."""
        with suppress(TimeoutError):
            async with asyncio.timeout(120):
                seen = 0
                async for _ in self.cloud.api(self.client).watch():
                    seen += 1
                    if seen > 5:
                        break

    def _some(self) -> str:
        return self.chance.choice(self.ids)

    def measure(self) -> None:
        """Record memory and map sizes."""
        gc.collect()
        snapshot = tracemalloc.take_snapshot().filter_traces(_FOREIGN)
        self.memory.append(sum(trace.size for trace in snapshot.traces) / 1000)
        self.maps.append(dict(_sizes(self.client)))


def soak(cloud: Cloud, days: float, resources: int, pause_s: float, seed: int = 0) -> Figures:
    """Run the soak in virtual time; a write or read begins every `pause_s` seconds."""
    tracemalloc.start()
    try:
        return run_virtual(lambda: _run(cloud, days, resources, pause_s, seed))
    finally:
        tracemalloc.stop()


async def _run(cloud: Cloud, days: float, resources: int, pause_s: float, seed: int) -> Figures:
    random.seed(seed)  # the client's own jitter
    lifecycle = Lifecycle(
        create=LogNormal(500.0, 0.3), update=LogNormal(200.0, 0.3), delete=LogNormal(80.0, 0.3)
    )
    world = World(seed=seed, lifecycle=lifecycle)
    cloud.prepare(world)
    for status in (502, 503):
        world.fault("status", status=status, probability=0.005, times=None)
    network = EmulatorNetwork(world)
    options = {"polling": PollPolicy(target_lag=30.0, max_interval=120.0)}
    client = connect(cloud, world, network, budget=RequestBudget(), **options)
    async with client:
        ids = [_placed(cloud, world, network.now()) for _ in range(resources)]
        work = _Soak(cloud, world, network, client, random.Random(f"{seed}/soak"), ids, resources)
        whole = days * 24 * _HOUR_S
        churn = asyncio.ensure_future(work.churn(whole, pause_s))
        for _ in range(_SAMPLES):
            await asyncio.sleep(whole / _SAMPLES)
            network.sent = []  # the harness keeps no requests
            world.requests.clear()
            work.measure()
        await churn
        for task in list(work.tasks):
            task.cancel()
        await asyncio.gather(*work.tasks, return_exceptions=True)
    problems = [f"left a task: {task}" for task in leftover_tasks()]
    memory = tuple(sum(part) / len(part) for part in _quarters(work.memory))
    second, last = _quarters(work.maps)[1], _quarters(work.maps)[3]
    maps = {name: (_most(second, name), _most(last, name)) for name in {*second[-1], *last[-1]}}
    problems += [
        f"{name} grew from {before} to {after}"
        for name, (before, after) in maps.items()
        if after > max(before * _MAP_GROWTH + _MAP_SLACK, _BOUNDS.get(name, 0))
    ]
    total = world.stats.total
    return Figures(cloud.name, days, resources, work.writes, total, memory, maps, tuple(problems))


def _quarters(values: list[Any]) -> list[list[Any]]:
    size = len(values) // 4
    return [values[at : at + size] for at in range(0, 4 * size, size)]


def _most(samples: list[dict[str, int]], name: str) -> int:
    return max(sample.get(name, 0) for sample in samples)


def _placed(cloud: Cloud, world: World, now: float) -> str:
    if cloud.name == "digitalocean":
        return world.add_instance(now=now).id
    if cloud.name == "exoscale":
        return world.add_exoscale_deployment(now=now).id
    return world.add_gcore_deployment(now=now, generation=2 if cloud.name == "gcore-v2" else 3).id


# -- maps -----------------------------------------------------------------------------------------


def _sizes(root: Any) -> Iterator[tuple[str, int]]:
    """Yield `Class.attribute` and the size of every collection that belongs to the client."""
    seen: set[int] = set()
    largest: dict[str, int] = {}
    to_visit = deque([root])
    while to_visit:
        value = to_visit.popleft()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, dict):
            to_visit.extend([*value.keys(), *value.values()])
        elif isinstance(value, list | tuple | set | frozenset | deque):
            to_visit.extend(value)
        elif _is_ours(value):
            for name, inner in _attributes(value):
                if isinstance(inner, dict | list | set | deque):
                    key = f"{type(value).__name__}.{name}"
                    largest[key] = max(largest.get(key, 0), len(inner))
                to_visit.append(inner)
    yield from largest.items()


def _is_ours(value: Any) -> bool:
    module = type(value).__module__
    return module.startswith("di_async") and not module.startswith("di_async.emulator")


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    names = {*getattr(value, "__dict__", {})}
    for kind in type(value).__mro__:
        slots = getattr(kind, "__slots__", ())
        names |= {slots} if isinstance(slots, str) else {*slots}
    for name in sorted(names - {"__weakref__", "__dict__"}):
        try:
            yield name, getattr(value, name)
        except (AttributeError, RuntimeError):
            continue
