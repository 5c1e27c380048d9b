"""How the demo looks while it runs: a table that moves, or plain lines."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from attrs import define, field
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from di_async.cli.demo.fleet import Row
from di_async.cli.live import clock, is_live
from di_async.cli.output import style_of

__all__ = ["View", "showing", "told"]

# Narrower terminals do without the notes.
_WIDE = 100


class View(Protocol):
    """What the script tells its audience."""

    def step(self, title: str, text: str) -> None:
        """Something was done."""

    def fleet(self, rows: Sequence[Row]) -> None:
        """These are the instances from now on."""

    def news(self, row: Row, moved: str) -> None:
        """A row has learned something."""


@contextmanager
def showing(console: Console) -> Iterator[View]:
    """A view that fits where the console writes to."""
    if not is_live(console):
        yield _Plain(console)
        return
    view = _Table(console)
    with Live(
        get_renderable=view.render, console=console, refresh_per_second=10, transient=False
    ) as live:
        yield view
        live.refresh()


@define
class _Plain:
    """One line for each status change, stamped with emulated time."""

    console: Console

    def step(self, title: str, text: str) -> None:
        self.console.print(f"{title}: {text}", markup=False)

    def fleet(self, rows: Sequence[Row]) -> None:
        pass

    def news(self, row: Row, moved: str) -> None:
        stamp = f"  {clock(row.elapsed):>5}  {row.order.name:11} {row.order.region}"
        self.console.print(f"{stamp}  {moved}", markup=False)


@define
class _Table:
    """Steps scroll by above one table of all instances, which stays."""

    console: Console
    rows: Sequence[Row] = field(factory=tuple)

    def step(self, title: str, text: str) -> None:
        self.console.print(told([(title, text)], "cyan"), soft_wrap=False)

    def fleet(self, rows: Sequence[Row]) -> None:
        self.rows = rows

    def news(self, row: Row, moved: str) -> None:
        pass

    def render(self) -> Table | Text:
        if not self.rows:
            return Text()
        wide = self.console.width >= _WIDE
        table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold", expand=wide)
        table.add_column("name", no_wrap=True, min_width=10)
        table.add_column("region", no_wrap=True, min_width=6)
        table.add_column("model", no_wrap=True, overflow="ellipsis", max_width=24 if wide else 19)
        table.add_column("state", no_wrap=True, min_width=14)
        table.add_column("elapsed", justify="right", no_wrap=True, min_width=7)
        table.add_column("requests", justify="right", no_wrap=True, min_width=8)
        if wide:
            table.add_column("note", no_wrap=True, overflow="ellipsis", ratio=1)
        for row in self.rows:
            table.add_row(*_cells(row)[: len(table.columns)])
        return table


def told(lines: Iterable[tuple[str, str]], color: str) -> Table:
    """Titles on the left, texts on the right, which fold within their column."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="right", style=f"bold {color}", min_width=10, no_wrap=True)
    grid.add_column(overflow="fold")
    for title, text in lines:
        grid.add_row(title, Text(text))
    return grid


def _cells(row: Row) -> tuple[str | Text, ...]:
    waiting = row.change is not None and row.ended is None
    mark = "~" if waiting else " "
    return (
        row.order.name,
        row.order.region,
        row.order.model.rpartition("/")[2],
        Text(f"{mark} {row.state}", style=style_of(row.state) or "yellow"),
        clock(row.elapsed) if row.change else "-",
        str(row.requests),
        Text(row.note, style="dim"),
    )
