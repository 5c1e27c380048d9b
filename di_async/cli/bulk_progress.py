"""Progress of many waits (counts by state, requests, the slowest waits) and of scans."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from attrs import define, field
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from di_async import Change
from di_async.cli.output import Column, format_duration, is_live, style_of
from di_async.core.printable import printable
from di_async.engine.waiting.stats import Stats
from di_async.fleet.scanning import OnProgress, ScanProgress

__all__ = [
    "REPORT_COLUMNS",
    "BulkProgress",
    "refreshing",
    "scan_progress",
    "show_progress",
    "state_of",
    "sum_of_stats",
]

T = TypeVar("T")

_LINE_INTERVAL_S = 2.0
_REPEAT_INTERVAL_S = 60.0
"""In a pipe: how often a line is printed although no state has changed."""
_REFRESH_INTERVAL_S = 0.25
_SLOWEST = 5
_UNREAD = {"create": "creating", "update": "updating", "delete": "deleting"}
"""The state of a change whose resource no read has shown, by its action."""


def state_of(change: Change[Any]) -> str:
    """Return the state of a change as one word."""
    if change.outcome == "settled":
        deleted = change.action == "delete"
        return (
            "deleted" if deleted else printable(getattr(change.latest, "status", None) or "active")
        )
    unread = _UNREAD.get(change.action, "unknown")
    return printable(change.outcome or getattr(change.latest, "status", None) or unread)


REPORT_COLUMNS: tuple[Column[tuple[Change[Any], str]], ...] = (
    Column("name", lambda row: getattr(row[0].latest, "name", None)),
    Column("state", lambda row: state_of(row[0]), status=True),
    Column("outcome", lambda row: row[1]),
    Column("id", lambda row: row[0].id),
)


@define(eq=False)
class BulkProgress:
    """Changes that are waited for together."""

    title: str
    stats: Callable[[], Stats]
    now: Callable[[], float] = time.monotonic
    changes: list[Change[Any]] = field(factory=list)
    speed: float = 1.0
    """Factor from the real time of a wait to the time shown."""
    started_at: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.started_at = self.now()

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.now() - self.started_at

    def slowest(self) -> list[Change[Any]]:
        """Return the open changes that have waited longest."""
        pending = [change for change in self.changes if change.outcome is None]
        return sorted(pending, key=lambda change: -change.elapsed)[:_SLOWEST]

    def line(self) -> str:
        """Render as one line."""
        elapsed = format_duration(self.elapsed)
        return f"{self.title}: {self.states() or 'none yet'}; {self._requests()}; {elapsed}"

    def states(self) -> str:
        """Return how many changes are in each state, the most frequent first."""
        states = Counter(map(state_of, self.changes))
        return ", ".join(f"{count} {state}" for state, count in states.most_common())

    def table(self) -> Table:
        """Render as a small table."""
        table = Table.grid(padding=(0, 2))
        table.add_row(Text(self.title, style="bold cyan"), format_duration(self.elapsed))
        for state, count in Counter(map(state_of, self.changes)).most_common():
            table.add_row(Text(state, style=style_of(state)), str(count))
        table.add_row("requests", self._requests())
        for change in self.slowest():
            name = printable(getattr(change.latest, "name", None) or change.id)
            waited = format_duration(change.elapsed * self.speed)
            table.add_row("slowest", f"{name} {state_of(change)} {waited}")
        return table

    def _requests(self) -> str:
        stats = self.stats()
        return f"{stats.lists} lists, {stats.gets} GETs, {stats.refused} refused"


def sum_of_stats(all_stats: Sequence[Stats]) -> Stats:
    """Return the requests of several clients as one."""
    return Stats(
        gets=sum(one.gets for one in all_stats),
        lists=sum(one.lists for one in all_stats),
        refused=sum(one.refused for one in all_stats),
    )


async def show_progress(console: Console, progress: BulkProgress, work: Awaitable[T]) -> T:
    """Await `work` and return its result; show the progress meanwhile."""
    with _display(console, progress) as refresh, refreshing(refresh, _REFRESH_INTERVAL_S):
        return await work


@contextmanager
def refreshing(refresh: Callable[[], None], seconds: float) -> Iterator[None]:
    """Call a function every so many seconds while the block runs."""

    async def refresh_often() -> None:
        while True:
            refresh()
            await asyncio.sleep(seconds)

    task = asyncio.ensure_future(refresh_often())
    try:
        yield
    finally:
        task.cancel()


@contextmanager
def _display(console: Console, progress: BulkProgress) -> Iterator[Callable[[], None]]:
    """Show the progress; yield the function that refreshes it."""
    if is_live(console):
        # Not refreshed from rich's thread: the client belongs to the event loop's thread.
        with Live(get_renderable=progress.table, console=console, auto_refresh=False) as live:
            yield live.refresh
            live.refresh()
        return
    printed_at, printed = -math.inf, ""

    def refresh() -> None:
        nonlocal printed_at, printed
        states = progress.states()
        interval = _REPEAT_INTERVAL_S if states == printed else _LINE_INTERVAL_S
        if progress.now() - printed_at >= interval:
            printed_at, printed = progress.now(), states
            console.print(progress.line(), markup=False)

    yield refresh
    console.print(progress.line(), markup=False)


@contextmanager
def scan_progress(console: Console) -> Iterator[OnProgress]:
    """Yield the callback that shows a scan's progress."""
    if not is_live(console):

        def print_requests(progress: ScanProgress) -> None:
            """Print how many requests a part of the scan needs, before they are sent."""
            if progress.what != "list" and progress.done == 0 and progress.total:
                console.print(f"{progress.what}: {progress.total} requests", markup=False)

        yield print_requests
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        tasks: dict[tuple[str, str | None], TaskID] = {}

        def update(progress: ScanProgress) -> None:
            """Show a bar for each part of the scan."""
            key = (progress.what, progress.region)
            if key not in tasks:
                title = escape(printable(" ".join(filter(None, key))))
                tasks[key] = bars.add_task(title, total=progress.total)
            bars.update(tasks[key], completed=progress.done, total=progress.total)

        yield update
