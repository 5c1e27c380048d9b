"""Lay out tables as text. On a terminal they fit its width; in a pipe nothing is left out.

Columns that do not fit are left out whole, and lists are broken at commas. Sentences that do not
fit are below their rows. Ids, numbers and words are never cut.
"""

import textwrap
import unicodedata
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Generic, TypeVar

from attrs import frozen

__all__ = ["EMPTY", "Column", "Line", "Piece", "display_width", "lay_out"]

T = TypeVar("T")
_GAP = "  "
_INDENT = "    "
EMPTY = "-"
"""The cell of a value that is not there."""


@frozen
class Column(Generic[T]):
    """One column of a table: its title, and the function that returns a row's value."""

    title: str
    value: Callable[[T], object]
    wide: bool = False
    """Left out first where the terminal is too narrow."""
    minor: bool = False
    """Left out next."""
    prose: bool = False
    """A sentence. Where the terminal is too narrow, it is below its row."""
    right: bool = False
    status: bool = False

    @property
    def rank(self) -> int:
        """Importance: columns of the lowest rank are left out first; ids are not, unless `wide`."""
        if self.title == "id" and not self.wide:
            return 3
        return 0 if self.wide or self.prose else 1 if self.minor else 2


@frozen
class Piece:
    """Text of a line: a padded cell, and the status word that decides its style."""

    text: str
    status: str = ""


Line = list[Piece]


def lay_out(
    columns: Sequence[Column[T]],
    cells: Sequence[Sequence[str]],
    width: int | None,
    details: Sequence[Sequence[str]] = (),
) -> list[Line]:
    """Return the lines of a table, titles first.

    `width` is that of a terminal, if it is one. `details` are texts below each row.
    """
    titles = [column.title if width is not None else column.title.upper() for column in columns]
    widths = _fit(columns, titles, cells, width)
    lines = _row_lines(columns, titles, widths, False)
    moved = [n for n, column in enumerate(columns) if column.prose and n not in widths]
    for row, texts in zip_longest(cells, details, fillvalue=()):
        lines += _row_lines(columns, row, widths, True)
        below = [row[n] for n in moved if row[n] != EMPTY] + list(texts)
        lines += [line for text in below for line in _detail_lines(text, width)]
    return lines


def _detail_lines(text: str, width: int | None) -> list[Line]:
    """Return a text below a row, indented; on a terminal it is broken at spaces."""
    if width is None:
        return [[Piece(_INDENT + text)]]
    parts = textwrap.wrap(
        text,
        max(width, 2 * len(_INDENT)),
        initial_indent=_INDENT,
        subsequent_indent=_INDENT + _GAP,
        break_on_hyphens=False,
    )
    return [[Piece(part)] for part in parts]


def display_width(text: str) -> int:
    """Return how many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def _fit(
    columns: Sequence[Column[T]],
    titles: Sequence[str],
    cells: Sequence[Sequence[str]],
    width: int | None,
) -> dict[int, int]:
    """Return the columns to show, as indexes, and the width of each."""
    by_column = list(zip(titles, *cells, strict=True))
    natural = {n: max(map(display_width, texts)) for n, texts in enumerate(by_column)}
    if width is None:
        return natural
    smallest = {
        n: max(display_width(part) for text in texts for part in _parts(text))
        for n, texts in enumerate(by_column)
    }
    shown = set(natural)
    while len(shown) > 1 and _total(smallest, shown) > width:
        droppable = [n for n in shown if columns[n].rank < 3]
        if not droppable:
            break
        shown.remove(min(droppable, key=lambda n: (columns[n].rank, -n)))
    return _widen({n: smallest[n] for n in sorted(shown)}, natural, width)


def _total(widths: dict[int, int], shown: set[int]) -> int:
    return sum(widths[n] for n in shown) + len(_GAP) * (len(shown) - 1)


def _widen(widths: dict[int, int], natural: dict[int, int], width: int) -> dict[int, int]:
    """Give the columns that are narrower than their text what is left of the width."""
    spare = max(0, width - _total(widths, set(widths)))
    for n, least in widths.items():
        more = min(spare, natural[n] - least)
        widths[n], spare = least + more, spare - more
    return widths


def _row_lines(
    columns: Sequence[Column[T]], row: Sequence[str], widths: dict[int, int], is_data: bool
) -> list[Line]:
    parts = {n: _break(row[n], width) for n, width in widths.items()}
    lines: list[Line] = []
    for number in range(max(map(len, parts.values()), default=0)):
        line: Line = []
        for n, width in widths.items():
            text = parts[n][number] if number < len(parts[n]) else ""
            padding = " " * (width - display_width(text))
            status = row[n] if is_data and columns[n].status else ""
            padded = padding + text if columns[n].right else text + padding
            line.append(Piece((_GAP if line else "") + padded, status))
        lines.append(line)
    return lines


def _break(text: str, width: int) -> list[str]:
    """Break a list at its commas, so that each line fits."""
    if display_width(text) <= width:
        return [text]
    lines: list[str] = []
    for part in _parts(text):
        if lines and display_width(f"{lines[-1]} {part}") <= width:
            lines[-1] = f"{lines[-1]} {part}"
        else:
            lines.append(part)
    return lines


def _parts(text: str) -> list[str]:
    *heads, last = text.split(",")
    return [f"{head.strip()}," for head in heads] + [last.strip()]
