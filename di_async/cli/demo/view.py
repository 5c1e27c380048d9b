"""Display of the demo: a live table on a terminal, else plain lines."""

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
from di_async.cli.output import format_duration, is_live, style_of

__all__ = ["View", "open_view", "titled_lines"]

# Narrower terminals show no models and notes.
_WIDE = 100


class View(Protocol):
    """What a scenario reports."""

    def step(self, title: str, text: str) -> None:
        """Report a step that is done."""

    def fleet(self, rows: Sequence[Row]) -> None:
        """Set the instances to show."""

    def event(self, row: Row, text: str) -> None:
        """Report an event of an instance."""


@contextmanager
def open_view(console: Console) -> Iterator[View]:
    """Yield the view that suits the console."""
    if not is_live(console):
        yield _LineView(console)
        return
    view = _TableView(console)
    with Live(
        get_renderable=view.render, console=console, refresh_per_second=10, transient=False
    ) as live:
        yield view
        live.refresh()


@define
class _LineView:
    """Prints a line per step and event, with the emulated time."""

    console: Console

    def step(self, title: str, text: str) -> None:
        self.console.print(f"{title}: {text}", markup=False)

    def fleet(self, rows: Sequence[Row]) -> None:
        pass

    def event(self, row: Row, text: str) -> None:
        name = f"  {format_duration(row.elapsed):>5}  {row.plan.name:11} {row.plan.region}"
        self.console.print(f"{name}  {text}", markup=False)


@define
class _TableView:
    """Prints the steps above a live table of all instances."""

    console: Console
    rows: Sequence[Row] = field(factory=tuple)

    def step(self, title: str, text: str) -> None:
        self.console.print(titled_lines([(title, text)], "cyan"), soft_wrap=False)

    def fleet(self, rows: Sequence[Row]) -> None:
        self.rows = rows

    def event(self, row: Row, text: str) -> None:
        pass

    def render(self) -> Table | Text:
        if not self.rows:
            return Text()
        wide = self.console.width >= _WIDE
        table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold", expand=wide)
        table.add_column("name", no_wrap=True, min_width=10)
        table.add_column("region", no_wrap=True, min_width=6)
        table.add_column("state", no_wrap=True, min_width=14)
        table.add_column("elapsed", justify="right", no_wrap=True, min_width=7)
        table.add_column("requests", justify="right", no_wrap=True, min_width=8)
        if wide:
            table.add_column("model", no_wrap=True, overflow="ellipsis", max_width=24)
            table.add_column("note", no_wrap=True, overflow="ellipsis", ratio=1)
        for row in self.rows:
            table.add_row(*_cells(row)[: len(table.columns)])
        return table


def titled_lines(lines: Iterable[tuple[str, str]], color: str) -> Table:
    """Return a grid with titles on the left and texts, wrapped, on the right."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="right", style=f"bold {color}", min_width=10, no_wrap=True)
    grid.add_column(overflow="fold")
    for title, text in lines:
        grid.add_row(title, Text(text))
    return grid


def _cells(row: Row) -> tuple[str | Text, ...]:
    waiting = row.change is not None and row.ended_at is None
    mark = "~" if waiting else " "
    return (
        row.plan.name,
        row.plan.region,
        Text(f"{mark} {row.state}", style=style_of(row.state) or "yellow"),
        format_duration(row.elapsed) if row.change else "-",
        str(row.requests),
        row.plan.model.rpartition("/")[2],
        Text(row.note, style="dim"),
    )
