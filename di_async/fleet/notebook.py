"""An inventory as notebooks show it: a summary and a table. Pure; all text is escaped."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from di_async.fleet.markup import escape

__all__ = ["notebook_html"]

# A notebook becomes slow with more rows.
_MAX_ROWS = 500
_COLUMNS = ("name", "status", "region", "models", "accelerators", "hourly_cost", "currency", "id")


def notebook_html(summary: Iterable[tuple[str, str]], rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the summary and a table of the first rows."""
    return "".join(_parts(summary, rows))


def _parts(summary: Iterable[tuple[str, str]], rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "<table>"
    yield from (f"<tr><th>{escape(t)}</th><td>{escape(text)}</td></tr>" for t, text in summary)
    yield "</table><table><thead><tr>"
    yield from (f"<th>{escape(name.replace('_', ' '))}</th>" for name in _COLUMNS)
    yield "</tr></thead><tbody>"
    for row in rows[:_MAX_ROWS]:
        yield f"<tr>{''.join(f'<td>{escape(_cell(row[name]))}</td>' for name in _COLUMNS)}</tr>"
    yield "</tbody></table>"
    if len(rows) > _MAX_ROWS:
        yield f"<p>... and {len(rows) - _MAX_ROWS} more: <code>.to_rows()</code> returns all.</p>"


def _cell(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{count} x {slug}" for slug, count in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "-" if value in (None, "") else str(value)
