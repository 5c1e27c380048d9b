"""How a wait looks while it goes on: one live line on a terminal, else a line for each change."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from attrs import define, field
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from di_async import Change, StatusChange
from di_async.cli.hints import resume_line
from di_async.cli.run import Cli

__all__ = ["clock", "follow", "is_live"]

R = TypeVar("R")
_UUID = 36  # characters, of which eight tell people enough


def is_live(console: Console) -> bool:
    """Whether a display that moves makes sense there."""
    return console.is_terminal and not console.is_dumb_terminal


def clock(seconds: float) -> str:
    """`m:ss`, or `h:mm:ss`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


async def follow(cli: Cli, change: Change[R], *, timeout: float | None) -> R:
    """What `change.wait` gives or raises, shown while it goes on; Ctrl-C says how to resume it."""
    given = {} if timeout is None else {"timeout": timeout}
    try:
        with _progress(cli.err, change) as progress:
            async for event in change.events(**given):
                progress.tell(event)
        return await change.wait()
    except asyncio.CancelledError:
        cli.say(
            f"\nStopped waiting. The {change.action} of {change.id} goes on without us, and bills."
        )
        cli.say(resume_line(cli.settings, change.resume_token))
        raise


class _Progress(Protocol):
    def tell(self, event: StatusChange) -> None: ...


@contextmanager
def _progress(console: Console, change: Change[Any]) -> Iterator[_Progress]:
    if not is_live(console):
        yield _Lines(console)
        return
    line = _Line(change)
    with Live(line, console=console, refresh_per_second=8, transient=True):
        yield line


@define
class _Lines:
    console: Console

    def tell(self, event: StatusChange) -> None:
        self.console.print(_told(event), markup=False)


def _told(event: StatusChange) -> str:
    """An event as a line. What has not been looked at yet has no status."""
    who = event.id[:8] if len(event.id) == _UUID else event.id
    moved = " -> ".join(filter(None, (event.previous, event.status)))
    told = "  ".join(filter(None, (f"{who} {event.elapsed:8.1f} s", moved, event.note)))
    return f"{told} (x{event.times})" if event.times > 1 else told


@define
class _Line:
    """One line that turns, counts the seconds, and shows the last thing learned."""

    change: Change[Any]
    event: StatusChange | None = None
    began: float = field(factory=time.monotonic)
    spinner: Spinner = field(factory=lambda: Spinner("line", style="cyan"))

    def tell(self, event: StatusChange) -> None:
        self.event = event

    def __rich__(self) -> Spinner:
        status = self.event.status if self.event and self.event.status else "..."
        name = getattr(self.change.latest, "name", None) or self.change.id
        text = Text(f"{self.change.action} {name}: ", no_wrap=True, overflow="ellipsis")
        text.append(status, style="bold")
        text.append(f"  {clock(time.monotonic() - self.began)}")
        if self.event and self.event.note:
            text.append(f"  {self.event.note}", style="dim")
        self.spinner.update(text=text)
        return self.spinner
