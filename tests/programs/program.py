"""Play one random program against the emulated account and check what must hold.

The program is drawn from a seed: creates, updates, deletes, waits, cancellations, closes, crashes
(the process ends without closing) and restarts that resume from tokens, while requests are lost,
spoiled or slow. At the end the faults stop, everything that is still waited for settles, and the
account is compared with what the program knows.
"""

import asyncio
import gc
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from attrs import define, field, frozen

from benchmarks.settle.virtual import run_virtual
from di_async import (
    ClientClosedError,
    ConnectError,
    DeploymentFailedError,
    DIError,
    PollPolicy,
    RequestBudget,
    RequestTimeoutError,
    SupersededError,
    TransportError,
)
from di_async.core.http import Request, Response
from di_async.emulator import LogNormal, World
from di_async.emulator.cloud.simulation import Lifecycle
from tests.clouds.support import CLOUDS, Cloud
from tests.fake_network import Answer, Delayed
from tests.faults.faults import HTML, error_body
from tests.faults.scene import Records, SceneNetwork, connect, leftover_tasks, recorded

__all__ = ["ACTIONS", "RESTART", "STEPS", "Result", "play"]

STEPS = 50
PER_MINUTE, PER_HOUR = 120, 2_000
ACTIONS = (
    *("create",) * 3,
    *("update",) * 3,
    *("delete",) * 2,
    *("wait",) * 5,
    *("cancel", "listing"),
    *("pass_time",) * 4,
)
"""The names of steps, as often as they are drawn."""
RESTART = "restart"
_LAST_WAIT_S = 4 * 3600.0


@frozen
class Result:
    """One program: its cloud, what it did, and what did not hold."""

    seed: int
    cloud: str
    steps: tuple[str, ...]
    problems: tuple[str, ...]

    def __str__(self) -> str:
        steps = ", ".join(self.steps)
        return f"seed {self.seed} on {self.cloud}: {'; '.join(self.problems)} ({steps})"


@define
class _Process:
    """One process of the program: a client, its handles and the tasks that wait."""

    client: Any
    network: SceneNetwork
    handles: list[Any] = field(factory=list)
    waits: list[asyncio.Task[Any]] = field(factory=list)


@define
class _Program:
    seed: int
    cloud: Cloud
    chance: random.Random
    world: World
    records: Records
    steps: list[str] = field(factory=list)
    problems: list[str] = field(factory=list)
    tokens: dict[str, tuple[str, int]] = field(factory=dict)
    """Resume tokens that the program has kept outside of its processes, with the write's number."""
    writes: dict[int, int] = field(factory=dict)
    """Which write of its resource each handle is about."""
    kept: list[Any] = field(factory=list)
    known: set[str] = field(factory=set)
    """Ids that a handle or an error has shown."""
    said: list[str] = field(factory=list)
    """What errors and notes said."""
    creates: list[str] = field(factory=list)
    faulty: bool = True

    # -- faults -----------------------------------------------------------------------------

    def alter(self, request: Request, execute: Callable[[], Answer]) -> Answer:
        """Spoil one answer in eight, half of them after the request was carried out."""
        if not self.faulty or self.chance.random() > 0.125:
            return execute()
        if self.chance.random() < 0.1:
            return _slow(execute(), self.chance.uniform(1.0, 29.0))
        if self.chance.random() < 0.5:
            done = _is_success(execute())
            return self.chance.choice(_ANSWERS if done else _SPOILED)(self)
        return self.chance.choice(_REFUSALS)(self)

    def api_error(self, *statuses: int, **headers: str) -> Answer:
        """Return an error of the API with one of these statuses."""
        status = self.chance.choice(statuses)
        return Response(status, headers, error_body(self.cloud.name, status))

    def gateway_page(self) -> Answer:
        """Return another system's page."""
        status = self.chance.choice((200, 401, 403, 404, 502, 503))
        return Response(status, {"content-type": "text/html"}, HTML)

    def limited(self) -> Answer:
        """Return a 429."""
        wait = self.chance.choice(("1", "7", "soon", "100000000", ""))
        return self.api_error(429, **{"retry-after": wait})

    # -- steps ------------------------------------------------------------------------------

    async def create(self, process: _Process) -> None:
        name = f"p{self.seed}-{len(self.creates)}"
        self.creates.append(name)
        await self._write(process, lambda: self.cloud.create(process.client, name))

    async def update(self, process: _Process) -> None:
        if change := self._some(process):
            await self._write(process, lambda: self.cloud.grow(process.client, change.id))

    async def delete(self, process: _Process) -> None:
        if change := self._some(process):
            await self._write(process, lambda: self.cloud.delete(process.client, change.id))

    async def wait(self, process: _Process) -> None:
        if change := self._some(process):
            timeout = self.chance.choice((0, 5.0, 300.0, 3600.0, None))
            process.waits.append(asyncio.ensure_future(self.waited(change, timeout)))

    async def cancel(self, process: _Process) -> None:
        if process.waits:
            self.chance.choice(process.waits).cancel()

    async def listing(self, process: _Process) -> None:
        with suppress(DIError):
            await self.cloud.api(process.client).list().collect()

    async def pass_time(self, process: _Process) -> None:
        await asyncio.sleep(self.chance.choice((0.0, 0.3, 10.0, 120.0, 900.0)))

    def _some(self, process: _Process) -> Any:
        return self.chance.choice(process.handles) if process.handles else None

    async def _write(self, process: _Process, send: Callable[[], Any]) -> None:
        """Send a write; one in six is cancelled in flight."""
        task = asyncio.ensure_future(_awaited(send()))
        if self.chance.random() < 1 / 6:
            await asyncio.wait([task], timeout=self.chance.choice((0.0, 0.01, 0.07, 1.0, 20.0)))
            task.cancel()
        await asyncio.wait([task])
        try:
            change = task.result()
        except (DIError, asyncio.CancelledError) as error:
            self.hear(error)
        else:
            self.keep(process, change)

    def keep(self, process: _Process, change: Any) -> None:
        """Remember a handle, and its token as a program would store it."""
        process.handles.append(change)
        self.known.add(change.id)
        number = len(self.world.truth(change.id).writes) - 1
        self.tokens[change.id] = change.resume_token, number
        self.kept.append(change)  # so that `id` stays its own
        self.writes[id(change)] = number

    def hear(self, error: BaseException) -> None:
        """Remember what an error says."""
        self.said += [str(error), *getattr(error, "__notes__", ())]
        found: list[Any] = [*getattr(error, "candidates", ()), getattr(error, "write_result", None)]
        self.known |= {str(getattr(one, "id", None)) for one in found}

    async def waited(self, change: Any, timeout: float | None) -> None:
        """Wait, and compare what the wait says with the truth."""
        try:
            await change.wait(timeout=timeout)
        except DeploymentFailedError:
            self._judge(change, failed=True)
        except SupersededError:
            pass  # another write of this program came later
        except (ClientClosedError, asyncio.CancelledError) as error:
            self.hear(error)
            raise
        except DIError as error:
            self.hear(error)
        else:
            self._judge(change, failed=False)

    def _judge(self, change: Any, *, failed: bool) -> None:
        truth = self.world.truth(change.id)
        if failed:
            if all(
                write.ends not in {"error", "failed", "failure", "timeout"}
                for write in truth.writes
            ):
                self.problems.append(f"the wait for {change!r} failed, the account did not")
        elif change.action == "delete":
            if truth.exists:
                self.problems.append(f"{change!r} is settled, but {change.id} is {truth.status}")
        else:
            write = truth.writes[self.writes[id(change)]]
            # An adopted update that changed nothing may have no write of its own.
            if write.outcome == "pending" and write.action != "delete":
                self.problems.append(f"{change!r} is settled, but its write is pending")


_SPOILED: tuple[Callable[[_Program], Answer], ...] = (
    lambda _: TransportError("the server closed the connection"),
    lambda _: Delayed(30.0, RequestTimeoutError("no response within the timeout")),
    lambda program: program.gateway_page(),
    lambda program: program.api_error(500, 502, 503),
)
# To a request that was refused or not carried out, `{}` would be a lie that nothing reveals.
_ANSWERS: tuple[Callable[[_Program], Answer], ...] = (
    *_SPOILED,
    lambda _: Response(200, {"content-type": "application/json"}, b"{}"),
)
_REFUSALS: tuple[Callable[[_Program], Answer], ...] = (
    *_SPOILED,
    lambda _: ConnectError("no connection"),
    _Program.limited,
)


async def _awaited(work: Any) -> Any:
    return await work


def _is_success(answer: Answer) -> bool:
    inner = answer.answer if isinstance(answer, Delayed) else answer
    return isinstance(inner, Response) and inner.status < 300


def _slow(answer: Answer, seconds: float) -> Answer:
    inner = answer.answer if isinstance(answer, Delayed) else answer
    return Delayed(seconds, inner)


def play(seed: int, steps: Sequence[str] | None = None) -> Result:
    """Play the program of a seed; `steps` replaces the names of its steps."""
    cloud = CLOUDS[seed % len(CLOUDS)]
    drawn = random.Random(f"{seed}/steps")
    names = [_draw_step(drawn) for _ in range(STEPS)] if steps is None else steps
    return run_virtual(lambda: _play(seed, cloud, names))


def _draw_step(chance: random.Random) -> str:
    return RESTART if chance.random() < 0.06 else chance.choice(ACTIONS)


async def _play(seed: int, cloud: Cloud, steps: Sequence[str]) -> Result:
    chance = random.Random(f"{seed}/program")
    lifecycle = Lifecycle(
        create=LogNormal(400.0, 0.5), update=LogNormal(120.0, 0.5), delete=LogNormal(60.0, 0.5)
    )
    world = World(
        "documented", seed=seed, lifecycle=lifecycle, per_minute=PER_MINUTE, per_hour=PER_HOUR
    )
    cloud.prepare(world)
    with recorded() as records:
        program = _Program(seed, cloud, chance, world, records)
        random.seed(seed)  # the client's own jitter
        budget = RequestBudget(per_minute=PER_MINUTE, per_hour=PER_HOUR)
        try:
            await _run(program, steps, budget)
        except Exception as error:
            program.problems.append(f"raised {error!r}")
        _check_account(program)
        if left := leftover_tasks():
            program.problems.append(f"{len(left)} tasks are left: {left[:2]}")
    return Result(seed, cloud.name, tuple(program.steps), tuple(program.problems))


async def _run(program: _Program, steps: Sequence[str], budget: RequestBudget) -> None:
    process = await _started(program, budget)
    for step in steps:
        if step == RESTART:
            process = await _restarted(program, process, budget)
            continue
        program.steps.append(step)
        await getattr(program, step)(process)
    program.faulty = False
    for change in process.handles:
        process.waits.append(asyncio.ensure_future(program.waited(change, _LAST_WAIT_S)))
    await _ended(program, process)
    _check_poller(program, process)
    await process.client.aclose()
    await asyncio.sleep(1.0)
    del process
    gc.collect()


async def _started(program: _Program, budget: RequestBudget) -> _Process:
    network = SceneNetwork(program.world)
    network.alter = program.alter
    client = connect(program.cloud, program.world, network, polling=PollPolicy(), budget=budget)
    await client.__aenter__()
    return _Process(client, network)


async def _restarted(program: _Program, old: _Process, budget: RequestBudget) -> _Process:
    """Close or crash the process, start another one, and resume some waits from their tokens."""
    crashes = program.chance.random() < 0.5
    program.steps.append("crash" if crashes else "close")
    if crashes:
        for wait in old.waits:
            wait.cancel()
    await old.client.aclose()
    await _ended(program, old)
    process = await _started(program, budget)
    api = program.cloud.api(process.client)
    for resource, (token, number) in program.tokens.items():
        if program.chance.random() < 0.7:
            change = api.resume(token)
            if change.id != resource:
                program.problems.append(f"the token of {resource} resumed {change.id}")
            process.handles.append(change)
            program.kept.append(change)  # so that `id` stays its own
            program.writes[id(change)] = number
    return process


async def _ended(program: _Program, process: _Process) -> None:
    if process.waits:
        done, late = await asyncio.wait(process.waits, timeout=2 * _LAST_WAIT_S)
        for wait in late:
            program.problems.append(f"a wait does not end: {wait}")
            wait.cancel()
        for wait in done:
            error = None if wait.cancelled() else wait.exception()
            if error is not None and not isinstance(error, DIError):
                program.problems.append(f"a wait raised {error!r}")


def _check_poller(program: _Program, process: _Process) -> None:
    """Check that nothing is watched any more once all waits have ended."""
    stats = process.client.stats()
    if stats.awaited:
        program.problems.append(f"{stats.awaited} resources are still watched")


def _check_account(program: _Program) -> None:
    """Check that one create made one resource at most, that all are known, and the windows."""
    world = program.world
    texts = " ".join((*program.said, *program.records.texts))
    for name in program.creates:
        made = world.created.get(name, 0)
        if made > 1:
            program.problems.append(f"{name} was created {made} times")
        ids = _ids_of(world, program.cloud, name)
        if made and not (ids & program.known or name in texts):
            program.problems.append(f"{name} ({ids}) exists, and nothing names it")
    stats = world.stats
    if stats.refused and program.cloud.name == "digitalocean":
        program.problems.append(f"the server refused {stats.refused} requests for their rate")
    if stats.max_60s > PER_MINUTE or stats.max_3600s > PER_HOUR:
        program.problems.append(f"{stats.max_60s} a minute, {stats.max_3600s} an hour")


def _ids_of(world: World, cloud: Cloud, name: str) -> set[str]:
    rows = (row for provider in world.providers for row in provider.state_rows(world.now or 0.0))
    return {str(row["id"]) for row in rows if row.get("name") == name}
