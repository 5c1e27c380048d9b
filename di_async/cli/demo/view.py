"""Display of the demo: a live table on a terminal, else plain lines."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from textwrap import shorten
from typing import Protocol

from attrs import define, field
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from di_async.cli.demo.fleet import Row
from di_async.cli.output import format_duration, is_live, rich_table
from di_async.cli.tables import Column, lay_out
from di_async.core.printable import printable

__all__ = ["View", "open_view", "titled_lines"]

# Narrower terminals show no models and notes.
_WIDE = 100
# An empty line, titles, and the last steps above the table.
_OTHER_LINES = 5


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
        self.console.print(printable(f"{title}: {text}"), markup=False)

    def fleet(self, rows: Sequence[Row]) -> None:
        pass

    def event(self, row: Row, text: str) -> None:
        name = f"  {format_duration(row.elapsed):>5}  {row.plan.name:11} {row.plan.region}"
        self.console.print(printable(f"{name}  {text}"), markup=False)


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

    def render(self) -> Text:
        """Return the table: whole columns that fit the width, and rows that fit the height."""
        if not self.rows:
            return Text()
        width = self.console.width
        columns = [column for column in _COLUMNS if width >= _WIDE or not column.wide]
        rows, left_out = _rows_that_fit(self.rows, self.console.height - _OTHER_LINES)
        cells = [[str(column.value(row)) for column in columns] for row in rows]
        if width >= _WIDE:
            _shorten_notes([column.title for column in columns], cells, width)
        table = Text("\n").append_text(rich_table(lay_out(columns, cells, width)))
        return table.append(f"\n... and {left_out} more", style="dim") if left_out else table


def _rows_that_fit(rows: Sequence[Row], height: int) -> tuple[Sequence[Row], int]:
    """Return the rows to show, in order, and how many are left out: those without a wait first."""
    if len(rows) <= height:
        return rows, 0
    by_need = sorted(rows, key=lambda row: not _is_waiting(row))
    shown = by_need[: max(1, height - 1)]
    return [row for row in rows if row in shown], len(rows) - len(shown)


def _shorten_notes(titles: list[str], cells: list[list[str]], width: int) -> None:
    """Shorten the last column, between words, to what the others leave of the width."""
    others = zip(*(row[:-1] for row in (titles, *cells)), strict=True)
    rest = width - sum(max(map(len, column)) + 2 for column in others)
    for row in cells:
        row[-1] = shorten(row[-1].replace(",", ";"), max(rest, 4), placeholder=" ...")


def titled_lines(lines: Iterable[tuple[str, str]], color: str) -> Table:
    """Return a grid with titles on the left and texts, wrapped, on the right."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="right", style=f"bold {color}", min_width=10, no_wrap=True)
    grid.add_column(overflow="fold")
    for title, text in lines:
        grid.add_row(title, Text(printable(text)))
    return grid


def _is_waiting(row: Row) -> bool:
    return row.change is not None and row.ended_at is None


def _state(row: Row) -> str:
    """Return the state, as wide as the longest, so that the columns stay where they are."""
    return f"{'~' if _is_waiting(row) else ' '} {row.state:17}"


_COLUMNS: tuple[Column[Row], ...] = (
    Column("name      ", lambda row: row.plan.name),
    Column("region  ", lambda row: row.plan.region),
    Column("state", _state, status=True),
    Column("elapsed", lambda row: format_duration(row.elapsed) if row.change else "-", right=True),
    Column("model", lambda row: row.plan.model.rpartition("/")[2], wide=True),
    Column("note", lambda row: row.note, wide=True),
)
