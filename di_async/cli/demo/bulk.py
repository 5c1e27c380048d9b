"""`di-async demo --fleet N`: N creates, waited for together, and deleted again."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import TypeVar

from attrs import define, field

from di_async import Change, DigitalOcean, WaitReport, wait_all
from di_async.cli.bulk_progress import BulkProgress, show_progress
from di_async.cli.demo.fleet import PLANS
from di_async.cli.demo.scenario import DemoError
from di_async.cli.run import Cli
from di_async.digitalocean import DedicatedInference, DedicatedInferenceSpec
from di_async.emulator import Emulator
from di_async.engine.concurrency import for_each

__all__ = ["BulkDemo"]

T = TypeVar("T")
Create = Change[DedicatedInference]

# The API allows 250 requests a minute; the rest is left for polling.
_CREATES_PER_MINUTE, _DELETES_PER_MINUTE = 120, 70
_CONCURRENCY = 16
_FAILURE_RATE = 0.02


@define
class BulkDemo:
    """Creates and deletes many instances. Times are the emulator's."""

    cli: Cli
    emu: Emulator
    client: DigitalOcean
    count: int
    timeout: float
    _summary: list[tuple[str, str]] = field(init=False, factory=list)

    async def run(self) -> None:
        """Run all steps.

        Raises:
            DemoError: a step did not end as expected.
        """
        api = self.client.dedicated_inferences
        self.emu.fault(
            "error", on="POST /v2/dedicated-inferences", probability=_FAILURE_RATE, times=None
        )
        created: list[Create] = []
        progress = self._progress("creates", created)
        report = await show_progress(self.cli.err, progress, self._create(created))
        self._check_creates(report)
        failed = f", {len(report.failed)} failed (injected faults)" if report.failed else ""
        self._summary.append(("created", f"{len(report.succeeded)} confirmed active{failed}"))
        self._add_slowest(list(report.succeeded))
        deleted: list[Change[None]] = []
        progress = self._progress("deletes", deleted)
        deletes = await show_progress(self.cli.err, progress, self._delete(created, deleted))
        if not deletes.ok or [di async for di in api.list()]:
            raise DemoError(f"some instances were not deleted: {deletes}")
        text = f"{len(deletes.succeeded)}, each confirmed by a 404; the list is empty"
        self._summary.append(("deleted", text))

    def summary(self, took: float) -> Iterator[tuple[str, str]]:
        """Return title and text of each line; every figure is measured."""
        yield from self._summary
        stats, limits = self.emu.stats, self.emu.world.limits
        peak = f"{stats.max_60s} in a minute and {stats.max_3600s} in an hour"
        allowed = f"(limits {limits.per_minute} and {limits.per_hour})"
        yield "requests", f"{stats.total}, at most {peak} {allowed}; {stats.refused} refused"
        speed = self.emu.world.time_scale
        yield "took", f"{took:.1f} s; other times are the emulator's, {speed:g} x faster"

    async def _create(self, created: list[Create]) -> WaitReport[DedicatedInference]:
        async def create(number: int) -> None:
            created.append(await self.client.dedicated_inferences.create(_spec(number)))

        await self._run_paced(_CREATES_PER_MINUTE, range(self.count), create)
        return await wait_all(created, timeout=self.timeout)

    async def _delete(self, created: list[Create], deleted: list[Change[None]]) -> WaitReport[None]:
        """Start each wait with its delete, which spreads the confirming GETs over time."""
        async with asyncio.TaskGroup() as waits:

            async def delete(change: Create) -> None:
                deleted.append(await self.client.dedicated_inferences.delete(change.id))
                waits.create_task(wait_all(deleted[-1:], timeout=self.timeout))

            await self._run_paced(_DELETES_PER_MINUTE, created, delete)
        return await wait_all(deleted, timeout=0)

    def _progress(self, noun: str, changes: "list[Create] | list[Change[None]]") -> BulkProgress:
        return BulkProgress(
            f"{self.count} {noun}",
            self.client.stats,
            self.emu.now,
            changes=changes,
            speed=self.emu.world.time_scale,
        )

    def _check_creates(self, report: WaitReport[DedicatedInference]) -> None:
        pending = len(report.pending)
        wrong = [c.id for c in report.succeeded if self.emu.truth(c.id).status != "active"]
        if pending or wrong:
            raise DemoError(f"{pending} never settled, {len(wrong)} are not active as reported")

    def _add_slowest(self, changes: list[Create]) -> None:
        if changes:
            slowest = max(changes, key=lambda change: change.history[-1].elapsed)
            minutes = slowest.history[-1].elapsed * self.emu.world.time_scale / 60
            name = slowest.latest.name if slowest.latest else slowest.id
            self._summary.append(("slowest", f"{name}: {minutes:.0f} minutes until active"))

    async def _run_paced(
        self,
        per_minute: float,
        items: Iterable[T],
        work: Callable[[T], Coroutine[object, object, None]],
    ) -> None:
        """Run `work` for each item, at most `per_minute` times an emulated minute."""
        loop, turn = asyncio.get_running_loop(), itertools.count()
        interval = 60.0 / per_minute / self.emu.world.time_scale
        started_at = loop.time()

        async def run(item: T) -> None:
            await asyncio.sleep(max(0.0, started_at + next(turn) * interval - loop.time()))
            await work(item)

        await for_each(items, run, concurrency=_CONCURRENCY)


def _spec(number: int) -> DedicatedInferenceSpec:
    plans = [plan for plan in PLANS if not plan.gated]
    plan = plans[number % len(plans)]
    return DedicatedInferenceSpec.of(
        f"fleet-{number:04}",
        region=plan.region,
        model_slug=plan.model,
        accelerator_slug=plan.gpu,
    )
