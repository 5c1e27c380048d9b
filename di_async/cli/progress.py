"""Progress of one wait or one scan: a live display on a terminal, else a line per change."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from attrs import define, field
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.spinner import Spinner
from rich.text import Text

from di_async import Change, StatusChange
from di_async.cli.hints import resume_line
from di_async.cli.output import format_duration, is_live
from di_async.cli.run import Cli
from di_async.fleet.scanning import OnProgress, ScanProgress

__all__ = ["follow", "scan_progress"]

R = TypeVar("R")
_UUID_LENGTH = 36


async def follow(cli: Cli, change: Change[R], *, timeout: float | None) -> R:
    """Wait for a change with progress on stderr.

    Returns or raises what `change.wait` does. On Ctrl-C, prints how to resume the wait.
    """
    options = {} if timeout is None else {"timeout": timeout}
    try:
        with _wait_progress(cli.err, change) as progress:
            async for event in change.events(**options):
                progress.update(event)
        return await change.wait()
    except asyncio.CancelledError:
        cli.message(
            f"\nStopped waiting. The {change.action} of {change.id} continues, and is billed."
        )
        cli.message(resume_line(cli.settings, change.resume_token))
        raise


class _WaitProgress(Protocol):
    def update(self, event: StatusChange) -> None: ...


@contextmanager
def _wait_progress(console: Console, change: Change[Any]) -> Iterator[_WaitProgress]:
    if not is_live(console):
        yield _EventLines(console)
        return
    line = _LiveLine(change)
    with Live(line, console=console, refresh_per_second=8, transient=True):
        yield line


@define
class _EventLines:
    """Prints a line per event."""

    console: Console

    def update(self, event: StatusChange) -> None:
        self.console.print(_event_line(event), markup=False)


def _event_line(event: StatusChange) -> str:
    id = event.id[:8] if len(event.id) == _UUID_LENGTH else event.id
    status = " -> ".join(filter(None, (event.previous, event.status)))
    line = "  ".join(filter(None, (f"{id} {event.elapsed:8.1f} s", status, event.note)))
    return f"{line} (x{event.times})" if event.times > 1 else line


@define
class _LiveLine:
    """Shows a spinner, the elapsed time and the last event in one line."""

    change: Change[Any]
    event: StatusChange | None = None
    started_at: float = field(factory=time.monotonic)
    spinner: Spinner = field(factory=lambda: Spinner("line", style="cyan"))

    def update(self, event: StatusChange) -> None:
        self.event = event

    def __rich__(self) -> Spinner:
        status = self.event.status if self.event and self.event.status else "..."
        name = getattr(self.change.latest, "name", None) or self.change.id
        text = Text(f"{self.change.action} {name}: ", no_wrap=True, overflow="ellipsis")
        text.append(status, style="bold")
        text.append(f"  {format_duration(time.monotonic() - self.started_at)}")
        if self.event and self.event.note:
            text.append(f"  {self.event.note}", style="dim")
        self.spinner.update(text=text)
        return self.spinner


@contextmanager
def scan_progress(console: Console) -> Iterator[OnProgress]:
    """Yield the callback that shows a scan's progress."""
    if not is_live(console):
        yield _RequestLines(console).update
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        yield _Bars(bars).update


@define
class _RequestLines:
    """Prints how many requests a part of the scan needs, before they are sent."""

    console: Console

    def update(self, progress: ScanProgress) -> None:
        if progress.what != "list" and progress.done == 0 and progress.total:
            self.console.print(f"{progress.what}: {progress.total} requests", markup=False)


@define
class _Bars:
    """Shows a bar for each part of the scan."""

    bars: Progress
    tasks: dict[tuple[str, str | None], TaskID] = field(factory=dict)

    def update(self, progress: ScanProgress) -> None:
        key = (progress.what, progress.region)
        if key not in self.tasks:
            title = " ".join(filter(None, key))
            self.tasks[key] = self.bars.add_task(title, total=progress.total)
        self.bars.update(self.tasks[key], completed=progress.done, total=progress.total)
