"""`di-async demo --fleet N`: so many creates at once, waited for together, and deleted again."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any

from attrs import define, field

from di_async import Change, DigitalOcean, WaitReport, wait_all
from di_async.cli.crowd import Crowd, shown
from di_async.cli.demo.fleet import ORDERS
from di_async.cli.demo.script import DemoError
from di_async.cli.run import Cli
from di_async.digitalocean import DedicatedInferenceSpec
from di_async.emulator import Emulator
from di_async.engine.together import each

__all__ = ["CrowdDemo"]

_Work = Callable[[Any], Coroutine[Any, Any, None]]
# Writes a minute, of 250 requests that the API takes: the rest is for looking.
_CREATES, _DELETES = 120, 70
_AT_ONCE = 16
_SHARE_FAILING = 0.02


@define
class CrowdDemo:
    """One performance. Times are the emulator's."""

    cli: Cli
    emu: Emulator
    client: DigitalOcean
    count: int
    timeout: float
    _told: list[tuple[str, str]] = field(factory=list)

    async def play(self) -> None:
        """All of it. Raises `DemoError` if anything is not as it must be."""
        api = self.client.dedicated_inferences
        self.emu.fault("error", on="POST /v2/dedicated-inferences", probability=_SHARE_FAILING,
                       times=None)  # fmt: skip
        created, deleted = self._crowd("creates"), self._crowd("deletes")
        report = await shown(self.cli.err, created, self._create(created.changes))
        self._judge(len(report.pending), [change.id for change in report.succeeded])
        failed = f", {len(report.failed)} failed (we made that happen)" if report.failed else ""
        self._told.append(("created", f"{len(report.succeeded)} proven active{failed}"))
        self._tell_slowest("slowest", list(report.succeeded))
        report = await shown(self.cli.err, deleted, self._delete(created.changes, deleted.changes))
        if not report.ok or [di async for di in api.list()]:
            raise DemoError(f"something is left: {report}")
        told = f"{len(report.succeeded)}, each proven by a 404; the list is empty"
        self._told.append(("deleted", told))

    async def _create(self, created: list[Change[Any]]) -> WaitReport[Any]:
        async def create(number: int) -> None:
            created.append(await self.client.dedicated_inferences.create(_spec(number)))

        await self._paced(_CREATES, range(self.count), create)
        return await wait_all(created, timeout=self.timeout)

    async def _delete(
        self, created: list[Change[Any]], deleted: list[Change[Any]]
    ) -> WaitReport[Any]:
        """Each is waited for from its own beginning, so that their proofs come one by one."""
        async with asyncio.TaskGroup() as waits:

            async def delete(change: Change[Any]) -> None:
                deleted.append(await self.client.dedicated_inferences.delete(change.id))
                waits.create_task(wait_all(deleted[-1:], timeout=self.timeout))

            await self._paced(_DELETES, created, delete)
        return await wait_all(deleted, timeout=0)

    def summary(self, took: float) -> Iterator[tuple[str, str]]:
        """Title and text of each line; every figure is measured."""
        yield from self._told
        stats, limits = self.emu.stats, self.emu.world.limits
        most = f"{stats.max_60s} in a minute and {stats.max_3600s} in an hour"
        allowed = f"(limits {limits.per_minute} and {limits.per_hour})"
        yield "requests", f"{stats.total} in all, at most {most} {allowed}; {stats.refused} refused"
        speed = self.emu.world.time_scale
        yield "took", f"{took:.1f} s; other times are the emulator's, {speed:g} x faster"

    def _crowd(self, title: str) -> Crowd:
        speed = self.emu.world.time_scale
        return Crowd(f"{self.count} {title}", self.client.stats, self.emu.now, speed=speed)

    def _judge(self, pending: int, active: list[str]) -> None:
        wrong = [id for id in active if self.emu.truth(id).status != "active"]
        if pending or wrong:
            raise DemoError(f"{pending} never settled, {len(wrong)} are not what they were told")

    def _tell_slowest(self, title: str, changes: list[Change[Any]]) -> None:
        if changes:
            slowest = max(changes, key=lambda change: change.history[-1].elapsed)
            minutes = slowest.history[-1].elapsed * self.emu.world.time_scale / 60
            name = getattr(slowest.latest, "name", None)
            self._told.append((title, f"{name}: {minutes:.0f} minutes until active"))

    async def _paced(
        self,
        per_minute: float,
        items: Iterable[Any],
        work: Callable[[Any], Coroutine[Any, Any, None]],
    ) -> None:
        """Work on all of these, never faster than so many in an emulated minute."""
        loop, turn = asyncio.get_running_loop(), itertools.count()
        pause = 60.0 / per_minute / self.emu.world.time_scale
        began = loop.time()

        async def one(item: Any) -> None:
            await asyncio.sleep(max(0.0, began + next(turn) * pause - loop.time()))
            await work(item)

        await each(items, one, at_once=_AT_ONCE)


def _spec(number: int) -> DedicatedInferenceSpec:
    orders = [order for order in ORDERS if not order.gated]
    order = orders[number % len(orders)]
    return DedicatedInferenceSpec.of(
        f"fleet-{number:04}",
        region=order.region,
        model_slug=order.model,
        accelerator_slug=order.gpu,
    )
