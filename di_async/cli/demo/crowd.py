"""`di-async demo --fleet N`: so many creates at once, waited for together, and deleted again."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from attrs import define, field

from di_async import Change, DigitalOcean
from di_async.cli.commands.waiting import report_live
from di_async.cli.crowd import Crowd
from di_async.cli.demo.fleet import ORDERS
from di_async.cli.demo.script import DemoError
from di_async.cli.run import Cli
from di_async.digitalocean import DedicatedInferenceSpec
from di_async.emulator import Emulator
from di_async.engine.together import each

__all__ = ["CrowdDemo"]

# Writes a minute, of 250 requests that the API takes: the rest is for looking.
_CREATES, _DELETES = 150, 100
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
        created: list[Change[Any]] = []
        specs = (_spec(n) for n in range(self.count))

        async def create(spec: DedicatedInferenceSpec) -> None:
            created.append(await api.create(spec))

        crowd = self._crowd("creates", created)
        await self._paced(_CREATES, specs, create)
        report = await report_live(self.cli, crowd, timeout=self.timeout)
        self._judge(len(report.pending), [change.id for change in report.succeeded])
        failed = f", {len(report.failed)} failed (we made that happen)" if report.failed else ""
        self._told.append(("created", f"{len(report.succeeded)} proven active{failed}"))
        self._tell_slowest("slowest", list(report.succeeded))
        deleted: list[Change[Any]] = []

        async def delete(change: Change[Any]) -> None:
            deleted.append(await api.delete(change.id))

        crowd = self._crowd("deletes", deleted)
        await self._paced(_DELETES, iter(created), delete)
        report = await report_live(self.cli, crowd, timeout=self.timeout)
        if not report.ok or [di async for di in api.list()]:
            raise DemoError(f"something is left: {report}")
        self._told.append(("deleted", f"{len(deleted)}, each proven by a 404; the list is empty"))

    def summary(self, took: float) -> Iterator[tuple[str, str]]:
        """Title and text of each line; every figure is measured."""
        yield from self._told
        stats, limits = self.emu.stats, self.emu.world.limits
        yield (
            "requests",
            f"{stats.total} in all, at most {stats.max_60s} in a minute and {stats.max_3600s} in "
            f"an hour (limits {limits.per_minute}, {limits.per_hour}); {stats.refused} refused",
        )
        speed = self.emu.world.time_scale
        yield "took", f"{took:.1f} s; other times are the emulator's, {speed:g} x faster"

    def _crowd(self, title: str, changes: list[Change[Any]]) -> Crowd:
        speed = self.emu.world.time_scale
        return Crowd(f"{self.count} {title}", self.client.stats, self.emu.now, changes, speed)

    def _judge(self, pending: int, active: list[str]) -> None:
        wrong = [id for id in active if self.emu.truth(id).outcome != "active"]
        if pending or wrong:
            raise DemoError(f"{pending} never settled, {len(wrong)} are not what they were told")

    def _tell_slowest(self, title: str, changes: list[Change[Any]]) -> None:
        if changes:
            slowest = max(changes, key=lambda change: change.history[-1].elapsed)
            minutes = slowest.history[-1].elapsed * self.emu.world.time_scale / 60
            name = getattr(slowest.latest, "name", None)
            self._told.append((title, f"{name}: {minutes:.0f} minutes until active"))

    async def _paced(
        self, per_minute: float, items: Iterator[Any], work: Callable[[Any], Awaitable[None]]
    ) -> None:
        """Work on all of these, never faster than so many in an emulated minute."""
        loop, began, turn = asyncio.get_running_loop(), None, itertools.count()
        pause = 60.0 / per_minute / self.emu.world.time_scale
        began = loop.time()

        async def one(item: Any) -> None:
            await asyncio.sleep(max(0.0, began + next(turn) * pause - loop.time()))
            await work(item)

        await each(items, one, at_once=_AT_ONCE)


def _spec(number: int) -> DedicatedInferenceSpec:
    order = next(
        itertools.islice(itertools.cycle([o for o in ORDERS if not o.gated]), number, None)
    )
    return DedicatedInferenceSpec.of(
        f"fleet-{number:04}",
        region=order.region,
        model_slug=order.model,
        accelerator_slug=order.gpu,
    )
