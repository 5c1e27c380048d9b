"""The entry point of the demo, and its summary."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterator
from typing import Literal

from di_async import DigitalOcean, PollPolicy, emulator
from di_async.cli.demo.bulk import BulkDemo
from di_async.cli.demo.fleet import WITHOUT_CAPACITY, cost
from di_async.cli.demo.other_clouds import OtherCloudsDemo
from di_async.cli.demo.scenario import FleetDemo
from di_async.cli.demo.view import open_view, titled_lines
from di_async.cli.output import format_duration
from di_async.cli.run import Cli

__all__ = ["run_demo", "summary"]

_TARGET_LAG_S = 20.0  # emulated
_HOUR_S = 3600.0


async def run_demo(
    cli: Cli,
    *,
    seed: int,
    dialect: Literal["documented", "observed"],
    speed: float,
    fleet: int | None,
) -> None:
    """Run the demo and print its summary. `fleet` selects the bulk demo of so many instances."""
    cli.stop_when_stdout_fails()
    try:
        await _run(cli, seed=seed, dialect=dialect, speed=speed, fleet=fleet)
    except asyncio.CancelledError:
        if cli.streams.out.failure is None:
            cli.message("Stopped. The emulator and everything in it are gone.")
        raise


async def _run(
    cli: Cli,
    *,
    seed: int,
    dialect: Literal["documented", "observed"],
    speed: float,
    fleet: int | None,
) -> None:
    if not cli.settings.verbose:  # the log would repeat the steps
        logging.getLogger("di_async").setLevel(logging.ERROR)
    started_at, console = time.monotonic(), cli.out.console
    polling = PollPolicy(target_lag=_TARGET_LAG_S / speed)
    async with (
        emulator.running(dialect=dialect, time_scale=speed, seed=seed) as emu,
        DigitalOcean(
            emu.token,
            base_url=emu.url,
            polling=polling,
            budget=None,  # a budget counts real minutes; the emulator's are shorter
        ) as client,
    ):
        if fleet:
            bulk = BulkDemo(cli, emu, client, fleet, timeout=max(60.0, 2 * _HOUR_S / speed))
            await bulk.run()
            _print(cli, list(bulk.summary(time.monotonic() - started_at)))
            return
        with open_view(console) as view:
            view.step("emulator", f"{emu.url}, {dialect} dialect, {speed:g} x faster than real")
            demo = FleetDemo(emu, client, view, timeout=max(60.0, _HOUR_S / speed))
            await demo.run()
            others = OtherCloudsDemo(demo, polling)
            await others.run()
        _print(cli, list(summary(demo, others, time.monotonic() - started_at)))


def _print(cli: Cli, lines: list[tuple[str, str]]) -> None:
    lines = [("", ""), *lines, ("", "")]
    lines.append(("next", "`di-async emulate` serves the same API to your own code and tests"))
    console = cli.out.console
    if console.is_terminal:
        console.print(titled_lines(lines, "green"), soft_wrap=False)
    else:
        cli.out.text("\n".join(f"{title}: {text}" if title else "" for title, text in lines))


def summary(demo: FleetDemo, others: OtherCloudsDemo, took: float) -> Iterator[tuple[str, str]]:
    """Return title and text of each line; every figure is measured, except the computed cost."""
    rows = demo.rows
    failed = next(row for row in rows if row.plan.name == WITHOUT_CAPACITY)
    active = [row for row in rows if row.active_after is not None]
    slowest = max(active, key=lambda row: row.active_after or 0)
    yield "created", f"{len(rows)} instances in 3 regions: {len(active)} active, 1 failed"
    yield "failed", f"{failed.plan.name}: {_failure_reason(str(failed.error))}"
    for text, times in Counter(demo.evidence).most_common():
        yield "evidence", f"{times} x {text}"
    yield "scaled", demo.scaled
    after = format_duration(slowest.active_after or 0)
    yield "slowest", f"{slowest.plan.name}: {after} until active"
    yield from others.summary()
    stats, limit = demo.emu.stats, demo.emu.world.limits.per_minute
    peak = f"at most {stats.max_60s} in a minute (DigitalOcean's limit: {limit})"
    yield "requests", f"{stats.total}, {peak}; {stats.refused} refused with 429"
    hours = sum(row.gpu_seconds() for row in rows) / 3600
    dollars = cost(rows, demo.sizes)
    yield "cost", f"${dollars} for {hours:.1f} GPU hours at DigitalOcean's prices (emulated)"
    yield "remaining", "nothing; each delete was confirmed by a 404, and all lists are empty"
    speed = demo.emu.world.time_scale
    yield "took", f"{took:.1f} s; other times are the emulator's, {speed:g} x faster"


def _failure_reason(message: str) -> str:
    reason = message.partition(" failed: ")[2]
    return reason.partition(". Last status")[0]
