"""What stdout gets: a table for people, or JSON or YAML that is complete, for programs.

On a terminal the table is rich's and fits its width; in a pipe it is plain text, nothing cut off.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Generic, TypeVar

import attrs
import orjson
import typer
from attrs import field, frozen
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from di_async.core.secret import Secret

__all__ = ["Column", "Format", "Out", "as_plain", "style_of", "when"]

T = TypeVar("T")
# Below this many columns of the terminal, columns that are only nice to have are left out.
_WIDE = 120
_STYLES = {
    **dict.fromkeys(("active", "running", "ready", "settled"), "green"),
    **dict.fromkeys(("error", "failed", "invalid"), "red"),
    **dict.fromkeys(("new", "provisioning", "updating"), "cyan"),
    **dict.fromkeys(("creating", "preparing", "downloading", "scaling"), "cyan"),
    **dict.fromkeys(("deploying", "partiallydeployed"), "cyan"),
    "deleting": "magenta",
    **dict.fromkeys(("disabled", "deleted", "ordered"), "dim"),
}
_MASK = "**********"


class Format(StrEnum):
    """The forms of output."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


@frozen
class Column(Generic[T]):
    """One column of a table: its title, and what stands in it."""

    title: str
    value: Callable[[T], object]
    wide: bool = False
    right: bool = False
    status: bool = False


def style_of(status: str) -> str:
    """How a status word looks on a terminal; clouds differ in case."""
    return _STYLES.get(status.lower(), "")


def when(time: datetime | None) -> str:
    """A time for people; the API's 1970 for "not yet" is none."""
    if time is None or time.year <= 1970:
        return "-"
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def as_plain(value: Any) -> Any:
    """`value` in JSON's types: decimals and times as text, what is or may be secret masked."""
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
    """What a model's own repr masks stays so: environments and headers may hold tokens."""
    masks = callable(field.repr) and isinstance(value, Mapping)
    return dict.fromkeys(value, _MASK) if masks else value


@frozen
class Out:
    """Stdout, in the form asked for."""

    format: Format
    console: Console = field(factory=lambda: Console(highlight=False, soft_wrap=True))

    @property
    def for_people(self) -> bool:
        """Whether the reader is a person rather than a program."""
        return self.format is Format.TABLE

    def document(self, value: Any) -> None:
        """One JSON or YAML document."""
        plain = as_plain(value)
        if self.format is Format.YAML:
            import yaml

            typer.echo(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True), nl=False)
        else:
            typer.echo(orjson.dumps(plain, option=orjson.OPT_INDENT_2).decode())

    def rows(self, rows: Sequence[T], columns: Sequence[Column[T]]) -> None:
        """Many of a kind: a table, or a document that is a list."""
        if not self.for_people:
            self.document(list(rows))
        elif rows:
            self._table([c for c in columns if not c.wide or self._is_wide], rows)

    def one(self, value: Any, fields: Iterable[tuple[str, object]]) -> None:
        """One thing: its fields line by line, or a document."""
        if not self.for_people:
            self.document(value)
            return
        told = [(title, str(item)) for title, item in fields if item not in (None, "")]
        width = max((len(title) for title, _ in told), default=0)
        for title, item in told:
            line = Text(f"{title:{width}}  ", style="bold" if self.console.is_terminal else "")
            self.console.print(line.append(item, style=style_of(item) or "not bold"))

    @property
    def _is_wide(self) -> bool:
        return not self.console.is_terminal or self.console.width >= _WIDE

    def _table(self, columns: Sequence[Column[T]], rows: Sequence[T]) -> None:
        cells = [[_cell(c.value(row)) for c in columns] for row in rows]
        if self.console.is_terminal:
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


def _rich_table(columns: Sequence[Column[Any]], cells: list[list[str]]) -> Table:
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
