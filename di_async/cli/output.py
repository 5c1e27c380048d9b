"""Output to stdout: a table, or a complete JSON or YAML document.

On a terminal, tables fit its width. In a pipe they are plain text that is never truncated.
"""

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs
import orjson
import typer
from attrs import frozen

from di_async import Secret
from di_async.cli.settings import Format

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = [
    "Column",
    "Out",
    "as_plain",
    "format_duration",
    "format_time",
    "is_live",
    "new_console",
    "style_of",
]

T = TypeVar("T")
# Environment variables that make rich treat a pipe as a terminal.
_FORCE_TERMINAL = frozenset({"FORCE_COLOR", "TTY_COMPATIBLE"})
# Columns marked `wide` are left out on terminals narrower than this.
_WIDE = 120
_STYLES = {
    **dict.fromkeys(("active", "running", "ready", "settled"), "green"),
    **dict.fromkeys(("error", "failed", "invalid"), "red"),
    **dict.fromkeys(("new", "provisioning", "updating"), "cyan"),
    **dict.fromkeys(("creating", "preparing", "downloading", "scaling"), "cyan"),
    **dict.fromkeys(("deploying", "partiallydeployed"), "cyan"),
    "deleting": "magenta",
    **dict.fromkeys(("disabled", "deleted", "planned"), "dim"),
}
_MASK = "**********"


@frozen
class Column(Generic[T]):
    """One column of a table: its title, and the function that returns a row's value."""

    title: str
    value: Callable[[T], object]
    wide: bool = False
    right: bool = False
    status: bool = False


def new_console(*, stderr: bool = False) -> "Console":
    """Return a rich console for stdout or stderr. Long lines are not wrapped."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def is_live(console: "Console") -> bool:
    """Return whether the console can show a display that updates in place."""
    return console.is_terminal and not console.is_dumb_terminal


def style_of(status: str) -> str:
    """Return the style of a status word, in any case."""
    return _STYLES.get(status.lower(), "")


def format_duration(seconds: float) -> str:
    """Format seconds as `m:ss` or `h:mm:ss`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_time(time: datetime | None) -> str:
    """Format a time in UTC; "-" for None and for the API's 1970, which means "not yet"."""
    if time is None or time.year <= 1970:
        return "-"
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def as_plain(value: Any) -> Any:
    """Convert to JSON types: decimals and times become text, and secrets are masked."""
    if attrs.has(type(value)) and not isinstance(value, Secret):
        fields = attrs.fields(type(value))
        return {a.name: as_plain(_unless_secret(a, getattr(value, a.name))) for a in fields}
    if isinstance(value, Mapping):
        return {str(key): as_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal | Secret) else value


def _unless_secret(field: "attrs.Attribute[Any]", value: Any) -> Any:
    """Mask what the model's repr masks: environment variables and headers may hold tokens."""
    masked = callable(field.repr) and isinstance(value, Mapping)
    return dict.fromkeys(value, _MASK) if masked else value


@frozen(slots=False)
class Out:
    """Writer for stdout, in the selected format."""

    format: Format
    _console: "Console | None" = None

    @cached_property
    def console(self) -> "Console":
        """The rich console of stdout, made on first use."""
        return self._console or new_console()

    @property
    def is_table(self) -> bool:
        """Whether the output is a table rather than a document."""
        return self.format is Format.TABLE

    def document(self, value: Any) -> None:
        """Write one JSON or YAML document."""
        plain = as_plain(value)
        if self.format is Format.YAML:
            import yaml

            typer.echo(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True), nl=False)
        else:
            typer.echo(orjson.dumps(plain, option=orjson.OPT_INDENT_2).decode())

    def rows(self, rows: Sequence[T], columns: Sequence[Column[T]]) -> None:
        """Write a table, or a document that is a list."""
        if not self.is_table:
            self.document(list(rows))
        elif rows:
            self._table([c for c in columns if not c.wide or self._is_wide], rows)

    def one(self, value: Any, fields: Iterable[tuple[str, object]]) -> None:
        """Write one value: a line per non-empty field, or a document."""
        if not self.is_table:
            self.document(value)
            return
        from rich.text import Text

        lines = [(title, str(item)) for title, item in fields if item not in (None, "")]
        width = max((len(title) for title, _ in lines), default=0)
        for title, item in lines:
            line = Text(f"{title:{width}}  ", style="bold" if self.console.is_terminal else "")
            self.console.print(line.append(item, style=style_of(item) or "not bold"))

    @property
    def _is_terminal(self) -> bool:
        piped = self._console is None and not sys.stdout.isatty()
        if piped and not _FORCE_TERMINAL & os.environ.keys():
            return False  # without the import of rich
        return self.console.is_terminal

    @property
    def _is_wide(self) -> bool:
        return not self._is_terminal or self.console.width >= _WIDE

    def _table(self, columns: Sequence[Column[T]], rows: Sequence[T]) -> None:
        cells = [[_cell(c.value(row)) for c in columns] for row in rows]
        if self._is_terminal:
            self.console.print(_rich_table(columns, cells), soft_wrap=False)
            return
        titles = [c.title.upper() for c in columns]
        widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
        for line in (titles, *cells):
            padded = (
                cell.rjust(width) if column.right else cell.ljust(width)
                for cell, width, column in zip(line, widths, columns, strict=True)
            )
            typer.echo("  ".join(padded).rstrip())


def _cell(value: object) -> str:
    return "-" if value in (None, "") else str(value)


def _rich_table(columns: Sequence[Column[Any]], cells: list[list[str]]) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            overflow="fold",
            no_wrap=column.title == "id",
        )
    for row in cells:
        table.add_row(
            *(
                Text(cell, style=style_of(cell) if column.status else "")
                for cell, column in zip(row, columns, strict=True)
            )
        )
    return table
