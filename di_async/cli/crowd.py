"""How many waits look at once: counts by state, what they cost, and who has waited longest."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from attrs import define, field
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from di_async import Change
from di_async.cli.live import clock, is_live
from di_async.cli.output import style_of
from di_async.engine.stats import Stats

__all__ = ["Crowd", "shown", "state_of"]

T = TypeVar("T")

# Plain lines come so often (seconds), if there is something new to tell.
_PLAIN_EVERY_S = 2.0
_TICK_S = 0.25
_SLOWEST = 5


def state_of(change: Change[Any]) -> str:
    """What is known of it, in a word."""
    if change.outcome == "settled":
        gone = change.action == "delete"
        return "deleted" if gone else getattr(change.latest, "status", None) or "active"
    asked = "deleting" if change.action == "delete" else "unknown"
    return change.outcome or getattr(change.latest, "status", None) or asked


@define(eq=False)
class Crowd:
    """Changes that are waited for together."""

    title: str
    stats: Callable[[], Stats]
    now: Callable[[], float] = time.monotonic
    changes: list[Change[Any]] = field(factory=list)
    speed: float = 1.0
    """How much faster than real the waits' world is."""
    began: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.began = self.now()

    def line(self) -> str:
        """All of it in one line."""
        return f"{self.title}: {self._counts()}; {self._requests()}; {clock(self.elapsed)}"

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return self.now() - self.began

    def slowest(self) -> list[Change[Any]]:
        """Those still open that have waited longest."""
        still = [change for change in self.changes if change.outcome is None]
        return sorted(still, key=lambda change: -change.elapsed)[:_SLOWEST]

    def render(self) -> Table:
        """As a small table that moves."""
        table = Table.grid(padding=(0, 2))
        table.add_row(Text(self.title, style="bold cyan"), clock(self.elapsed))
        for state, count in Counter(map(state_of, self.changes)).most_common():
            table.add_row(Text(state, style=style_of(state)), str(count))
        table.add_row("requests", self._requests())
        for change in self.slowest():
            name = getattr(change.latest, "name", None) or change.id
            waited = clock(change.elapsed * self.speed)
            table.add_row("slowest", f"{name} {state_of(change)} {waited}")
        return table

    def _counts(self) -> str:
        states = Counter(map(state_of, self.changes))
        return ", ".join(f"{count} {state}" for state, count in states.most_common()) or "none yet"

    def _requests(self) -> str:
        stats = self.stats()
        return f"{stats.lists} lists, {stats.gets} GETs, {stats.refused} refused"


async def shown(console: Console, crowd: Crowd, work: Awaitable[T]) -> T:
    """What the work gives; the crowd is shown while it goes on."""
    with _display(console, crowd) as tell:
        ticking = asyncio.ensure_future(_tick(tell))
        try:
            return await work
        finally:
            ticking.cancel()


async def _tick(tell: Callable[[], None]) -> None:
    while True:
        tell()
        await asyncio.sleep(_TICK_S)


@contextmanager
def _display(console: Console, crowd: Crowd) -> Iterator[Callable[[], None]]:
    """Shows it for as long as the block lasts; what it gives is called every now and then."""
    if is_live(console):
        # Drawn from the loop, not from rich's own thread: the client belongs to the loop's.
        with Live(get_renderable=crowd.render, console=console, auto_refresh=False) as live:
            yield live.refresh
            live.refresh()
        return
    told_at, told = -_PLAIN_EVERY_S, ""

    def tell() -> None:
        nonlocal told_at, told
        if time.monotonic() - told_at >= _PLAIN_EVERY_S and crowd.line() != told:
            told_at, told = time.monotonic(), crowd.line()
            console.print(told, markup=False)

    yield tell
    console.print(crowd.line(), markup=False)
