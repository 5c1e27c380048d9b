"""Progress of one wait: a live line on a terminal, else a line per event."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define, field
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from di_async import Change, StatusChange
from di_async.cli.hints import goes_on, left_alone, resume_lines, with_option_names
from di_async.cli.output import format_duration, format_eta, is_live
from di_async.cli.run import Cli
from di_async.cli.settings import Settings
from di_async.core.printable import printable

if TYPE_CHECKING:
    from di_async.engine.endpoints.serving import ServingEndpoint

__all__ = ["follow", "follow_connect"]

R = TypeVar("R")
_UUID_LENGTH = 36
_CHECK_INTERVAL_S = 0.2


async def follow(cli: Cli, change: Change[R], *, timeout: float | None) -> R:
    """Wait for a change with progress on stderr.

    Returns or raises what `change.wait` does. On Ctrl-C, prints how to resume the wait.
    """
    options = {} if timeout is None else {"timeout": timeout}
    try:
        with _wait_progress(cli.err, change, cli.settings) as show:
            async for event in change.events(**options):
                show(event)
        return await change.wait()
    except asyncio.CancelledError as cancelled:
        lines = resume_lines(cli.settings, change)
        cli.message("", f"Stopped waiting. {_left(cli, change, cancelled)}", *lines, keep=True)
        raise


def _left(cli: Cli, change: Change[Any], cancelled: BaseException) -> str:
    """Return what goes on after a wait was cancelled."""
    if goes_on(change.action, " ".join(getattr(cancelled, "__notes__", ()))):
        return f"The {change.action} of {change.id} continues, and is billed."
    return left_alone(change.action, change.id, cli.settings)


async def follow_connect(cli: Cli, change: Change[Any], **options: Any) -> "ServingEndpoint":
    """Return the endpoint of a change once it answers, with progress on stderr.

    `options` are those of `change.connect`. On Ctrl-C nothing is left running here.
    """
    connecting = asyncio.ensure_future(change.connect(**options))
    try:
        with _wait_progress(cli.err, change, cli.settings) as show:
            shown: tuple[str | None, str | None] | None = None
            while not connecting.done():
                await asyncio.wait([connecting], timeout=_CHECK_INTERVAL_S)
                last = change.history[-1] if change.history else None
                if last is not None and (last.status, last.note) != shown:
                    shown = last.status, last.note
                    show(last)
    finally:
        connecting.cancel()
        await asyncio.wait([connecting])
    return connecting.result()


@contextmanager
def _wait_progress(
    console: Console, change: Change[Any], settings: Settings
) -> Iterator[Callable[[StatusChange], None]]:
    """Show the progress; yield the function that shows an event."""
    if not is_live(console):

        def print_event(event: StatusChange) -> None:
            line = with_option_names(_event_line(event, change.eta), settings)
            console.print(line, markup=False)

        yield print_event
        return
    line = _LiveLine(change)
    with Live(line, console=console, refresh_per_second=8, transient=True), _each_second(line.tick):
        yield line.update


@contextmanager
def _each_second(tick: Callable[[], None]) -> Iterator[None]:
    """Call `tick` now and each second from the event loop, which owns the change."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle | None = None

    def run() -> None:
        nonlocal timer
        tick()
        timer = loop.call_later(1, run)

    run()
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()


def _event_line(event: StatusChange, eta: float | None) -> str:
    id = event.id[:8] if len(event.id) == _UUID_LENGTH else event.id
    elapsed = f"{id} {event.elapsed:8.1f} s"
    status = " -> ".join(filter(None, (event.previous, event.status)))
    line = "  ".join(filter(None, (elapsed, format_eta(eta), status, event.note)))
    return printable(f"{line} (x{event.times})" if event.times > 1 else line)


@define
class _LiveLine:
    """Shows a spinner, the elapsed time and the last event in one line."""

    change: Change[Any]
    event: StatusChange | None = None
    eta: float | None = None
    started_at: float = field(factory=time.monotonic)
    spinner: Spinner = field(factory=lambda: Spinner("line", style="cyan"))

    def update(self, event: StatusChange) -> None:
        self.event = event

    def tick(self) -> None:
        """Read the expected time; only the event loop's thread may do so."""
        self.eta = self.change.eta

    def __rich__(self) -> Spinner:
        status = self.event.status if self.event and self.event.status else "..."
        name = printable(getattr(self.change.latest, "name", None) or self.change.id)
        text = Text(f"{self.change.action} {name}: ", no_wrap=True, overflow="ellipsis")
        text.append(printable(status), style="bold")
        text.append(f"  {format_duration(time.monotonic() - self.started_at)}")
        if left := format_eta(self.eta):
            text.append(f"  {left}")
        if self.event and self.event.note:
            text.append(f"  {printable(self.event.note)}", style="dim")
        self.spinner.update(text=text)
        return self.spinner
