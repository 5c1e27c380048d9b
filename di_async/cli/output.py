"""Output to stdout: a table, or a complete JSON or YAML document.

On a terminal, tables fit its width. In a pipe they are plain text that is never truncated.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import attrs
import orjson
from attrs import field, frozen

from di_async import Secret
from di_async.cli.settings import Format
from di_async.cli.streams import OutputStream, Streams, current_streams
from di_async.cli.tables import EMPTY, Column, Line, lay_out
from di_async.core.printable import UNSAFE, is_printable, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = [
    "Column",
    "Out",
    "as_json",
    "as_plain",
    "as_yaml",
    "cell_text",
    "changes_continue",
    "format_duration",
    "format_eta",
    "format_time",
    "is_live",
    "new_console",
    "rich_table",
    "style_of",
]

T = TypeVar("T")
# Columns marked `wide` are left out on terminals narrower than this.
_WIDE = 120
_NOT_ASCII = re.compile(r"[^\x00-\x7e]")
_STYLES = {
    **dict.fromkeys(("active", "running", "ready", "settled"), "green"),
    **dict.fromkeys(("error", "failed", "invalid"), "red"),
    **dict.fromkeys(("new", "provisioning", "updating"), "cyan"),
    **dict.fromkeys(("creating", "preparing", "downloading", "scaling"), "cyan"),
    **dict.fromkeys(("deploying", "partiallydeployed"), "cyan"),
    "deleting": "magenta",
    **dict.fromkeys(("disabled", "deleted", "planned"), "dim"),
    **dict.fromkeys(("create", "created"), "green"),
    **dict.fromkeys(("update", "updated", "wait for", "pending"), "cyan"),
    "delete": "magenta",
    "cannot": "red",
}
_MASK = "**********"


def new_console(stream: OutputStream) -> "Console":
    """Return a rich console for a stream. Long lines are not wrapped."""
    from rich.console import Console

    is_terminal = stream.isatty()
    return Console(
        file=stream,  # type: ignore[arg-type] # has what rich uses
        # Not rich's own rule: FORCE_COLOR must not make it draw spinners into a pipe.
        force_terminal=is_terminal,
        color_system=_color_system(is_terminal),
        highlight=False,
        soft_wrap=True,
    )


def _color_system(is_terminal: bool) -> Literal["auto", "standard"] | None:
    """Return rich's colour system. NO_COLOR turns styles off; FORCE_COLOR, on in a pipe."""
    if os.environ.get("NO_COLOR"):
        return None
    if is_terminal:
        return "auto"
    return "standard" if os.environ.get("FORCE_COLOR", "0") not in ("", "0") else None


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


def changes_continue(count: int) -> str:
    """Return that so many changes go on after the command has ended; nothing for 0."""
    if count == 0:
        return ""
    return (
        "1 change continues, and is billed. "
        if count == 1
        else (f"{count} changes continue, and are billed. ")
    )


def format_eta(seconds: float | None) -> str | None:
    """Format an expected time, such as "about 4 min left"; None if it is not known."""
    if seconds is None:
        return None
    if seconds < 60:
        return f"about {max(1, round(seconds))} s left"
    minutes = round(seconds / 60)
    return f"about {minutes} min left" if minutes < 120 else f"about {round(minutes / 60)} h left"


def format_time(time: datetime | None) -> str:
    """Format a time in UTC; "-" for None and for the API's 1970, which means "not yet"."""
    if time is None or time.year <= 1970:
        return "-"
    try:
        return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError):  # "never", as the last day of the year 9999 west of UTC
        return time.isoformat(sep=" ")


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


def as_json(value: Any, *, encoding: str = "utf-8") -> str:
    """Return a JSON document. What a terminal or the encoding cannot show is escaped."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    except TypeError:  # half an emoji, or a number that is too large for orjson
        text = json.dumps(value, indent=2)
    escaped = "\n".join(map(_escape_json, text.split("\n")))
    return escaped if _is_unicode(encoding) else _NOT_ASCII.sub(_json_escape, escaped)


def as_yaml(value: Any, *, encoding: str = "utf-8") -> str:
    """Return a YAML document. What a terminal or the encoding cannot show is escaped."""
    import yaml

    if _is_unicode(encoding):
        text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
        if is_printable(text.replace("\n", "")):
            return text
    return str(yaml.safe_dump(value, sort_keys=False))


def _is_unicode(encoding: str) -> bool:
    return encoding.lower().replace("-", "").replace("_", "").startswith("utf")


def _escape_json(line: str) -> str:
    return line if is_printable(line) else re.sub(UNSAFE, _json_escape, line)


def _json_escape(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1] if match[0] != "\x7f" else "\\u007f"


@frozen(slots=False)
class Out:
    """Writer for stdout, in the selected format. Text of servers is made printable here."""

    format: Format
    streams: Streams = field(factory=current_streams)

    @cached_property
    def console(self) -> "Console":
        """The rich console of stdout, made on first use."""
        return new_console(self.streams.out)

    @property
    def is_table(self) -> bool:
        """Whether the output is a table rather than a document."""
        return self.format is Format.TABLE

    def document(self, value: Any, *, keep: bool = False) -> None:
        """Write one JSON or YAML document. `keep`: it must not be lost if stdout fails."""
        encode = as_yaml if self.format is Format.YAML else as_json
        text = encode(as_plain(value), encoding=self.streams.out.encoding)
        self._write(f"{text.rstrip()}\n", keep=keep)

    def text(self, text: str) -> None:
        """Write lines of plain text."""
        lines = text.removesuffix("\n").split("\n")
        self._write("".join(f"{printable(line)}\n" for line in lines))

    def rows(
        self,
        rows: Sequence[T],
        columns: Sequence[Column[T]],
        details: Callable[[T], Iterable[str]] = lambda _: (),
    ) -> None:
        """Write a table, or a document that is a list. `details`: the lines below a row."""
        if not self.is_table:
            self.document(list(rows))
            return
        width = self._width
        if width is not None and width < _WIDE:
            columns = [column for column in columns if not column.wide]
        if rows:
            cells = [[cell_text(column.value(row)) for column in columns] for row in rows]
            below = [[printable(line) for line in details(row)] for row in rows]
            self.table(lay_out(columns, cells, width, below))

    def table(self, lines: Sequence[Line]) -> None:
        """Write a table that is laid out, its titles first."""
        if not self._has_styles:
            texts = ("".join(piece.text for piece in line).rstrip() for line in lines)
            self._write("".join(f"{text}\n" for text in texts))
            return
        self.console.print(rich_table(lines), soft_wrap=True)

    def one(self, value: Any, fields: Iterable[tuple[str, object]], *, keep: bool = False) -> None:
        """Write one value: a line per non-empty field, or a document, in one piece.

        `keep`: it must not be lost if stdout fails.
        """
        if not self.is_table:
            self.document(value, keep=keep)
            return
        lines = [(title, printable(str(item))) for title, item in fields if item not in (None, "")]
        width = max((len(title) for title, _ in lines), default=0)
        if keep or not self._has_styles:
            text = "".join(f"{title:{width}}  {item}\n" for title, item in lines)
            self._write(text, keep=keep)
            return
        from rich.text import Text

        shown = Text()
        for title, item in lines:
            shown.append(f"{title:{width}}  ", style="bold")
            shown.append(f"{item}\n", style=style_of(item) or "not bold")
        self.console.print(shown, end="")

    def record(self, value: T, columns: Sequence[Column[T]], *, keep: bool = False) -> None:
        """Write one value as `one` does: a line per column, or a document."""
        self.one(value, [(one.title, one.value(value)) for one in columns], keep=keep)

    def _write(self, text: str, *, keep: bool = False) -> None:
        if keep:
            self.streams.save(text)
        else:
            self.streams.write(text)

    @property
    def _width(self) -> int | None:
        """The width of the terminal; None in a pipe."""
        if not self.streams.out.isatty():
            return None
        # Not rich's width, which is 80 on every dumb terminal.
        return shutil.get_terminal_size().columns

    @property
    def _has_styles(self) -> bool:
        """Whether styles are shown. In a plain pipe, rich need not be imported to know."""
        wanted = _color_system(self.streams.out.isatty()) is not None
        return wanted and self.console.color_system is not None


def cell_text(value: object) -> str:
    """Return what a table shows of a value."""
    return EMPTY if value in (None, "") else printable(str(value))


def rich_table(lines: Sequence[Line]) -> "Text":
    """Return a table that is laid out as text for rich: titles in bold, a rule, and the rows."""
    from rich.text import Text

    titles, *rows = lines
    table = Text("".join(piece.text for piece in titles).rstrip(), style="bold", end="")
    for line in rows:
        shown = Text(style="not bold")
        for piece in line:
            shown.append(piece.text, style=style_of(piece.status.strip(" ~")))
        shown.rstrip()
        table.append("\n").append_text(shown)
    table.end = "\n"
    return table
