"""`di-async demo`."""

import logging
import time
from typing import Annotated

import typer
from rich.console import Console

from di_async import DigitalOcean, PollPolicy, emulator
from di_async.cli.commands.emulate import Dialect
from di_async.cli.demo.crowd import CrowdDemo
from di_async.cli.demo.elsewhere import Elsewhere
from di_async.cli.demo.script import Demo
from di_async.cli.demo.summary import summary
from di_async.cli.demo.view import showing, told
from di_async.cli.options import command
from di_async.cli.run import Cli

__all__ = ["register"]

# Emulated seconds: a settle may be noticed so late.
_TARGET_LAG = 20.0
_HOUR = 3600.0


def register(app: typer.Typer) -> None:
    """Add this command."""
    command(app)(demo)


async def demo(
    cli: Cli,
    seed: Annotated[int, typer.Option(help="Other seeds, other durations.")] = 7,
    dialect: Annotated[
        Dialect, typer.Option(help="As the reference says, or as the vendor's Go client reads.")
    ] = Dialect.DOCUMENTED,
    speed: Annotated[
        float, typer.Option(min=1, max=1000, help="How many times faster than real time.")
    ] = 180.0,
    fleet: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="So many instances instead, told in counts."),
    ] = None,
) -> None:
    """See it all without an account, in some 15 seconds: fleets from create to delete.

    Twelve instances at DigitalOcean, then a deployment each at Exoscale and at Gcore. Runs against
    the embedded emulator on loopback. Nothing leaves this machine.
    """
    if not cli.settings.verbose:  # the steps tell what the log would
        logging.getLogger("di_async").setLevel(logging.ERROR)
    began, console = time.monotonic(), cli.out.console
    polling = PollPolicy(target_lag=_TARGET_LAG / speed)
    async with (
        emulator.running(dialect=dialect.value, time_scale=speed, seed=seed) as emu,
        DigitalOcean(
            emu.token,
            base_url=emu.url,
            polling=polling,
            budget=None,  # counts real minutes; the emulator's are shorter, and its 429s police us
        ) as client,
    ):
        if fleet:
            crowd = CrowdDemo(cli, emu, client, fleet, timeout=max(60.0, 2 * _HOUR / speed))
            await crowd.play()
            _tell(console, list(crowd.summary(time.monotonic() - began)))
            return
        with showing(console) as view:
            view.step(
                "emulator",
                f"{emu.url} on this machine, {dialect} dialect, {speed:g} x faster than real",
            )
            play = Demo(emu, client, view, timeout=max(60.0, _HOUR / speed))
            await play.play()
            elsewhere = Elsewhere(play, polling)
            await elsewhere.play()
        _tell(console, list(summary(play, elsewhere, time.monotonic() - began)))


def _tell(console: Console, figures: list[tuple[str, str]]) -> None:
    lines = [("", ""), *figures, ("", "")]
    lines.append(("next", "`di-async emulate` gives the same API to your own code and tests"))
    if console.is_terminal:
        console.print(told(lines, "green"), soft_wrap=False)
    else:
        for title, text in lines:
            typer.echo(f"{title}: {text}" if title else "")
