"""`di-async watch`: what happens to one deployment, or to all, as it happens."""

import json
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from attrs import define, evolve, field, frozen

from di_async import InvalidInputError, ResourceVanishedError
from di_async.cli.output import (
    Column,
    as_yaml,
    cell_text,
    format_duration,
    is_live,
    rich_table,
    style_of,
)
from di_async.cli.run import Cli
from di_async.cli.settings import Format
from di_async.cli.tables import lay_out
from di_async.cli.typer_commands import command, new_app
from di_async.core.printable import printable

if TYPE_CHECKING:
    from rich.console import Group

    from di_async import StatusChange
    from di_async.cli.clouds.base import Cloud

__all__ = ["app"]

_REFRESH_INTERVAL_S = 1.0

app = new_app()


@command(app)
async def watch(
    cli: Cli,
    ref: Annotated[
        str | None,
        typer.Argument(
            metavar="ID|NAME", help="ID or name of one resource.", show_default="all resources"
        ),
    ] = None,
    region: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this region (not Exoscale).")
    ] = None,
) -> None:
    """Show the status of one resource, or of all, as it changes.

    On a terminal: a table that is kept up to date. Elsewhere: a line for each change; with -o json
    a JSON document in each line. Ends with Ctrl-C, or when the one resource is gone.
    """
    if ref is not None and region is not None:
        raise InvalidInputError("use an ID or name, or --region, not both")
    cli.stop_when_stdout_fails()
    async with cli.cloud() as cloud:
        id = None if ref is None else await cloud.resolve_id(ref)
        if region is not None and (note := await cloud.region_note(region)):
            cli.message(f"region {region} is not known{note}")
        events = cloud.api.watch(id, region=region)
        if cli.out.is_table and is_live(cli.out.console):
            await _show_screen(cli, cloud, events, id, ref or region or cloud.scope)
            return
        write = _line if cli.out.is_table else _document
        async for event in _until_gone(events, id):
            text = write(str(cloud.provider), event, yaml=cli.out.format is Format.YAML)
            cli.streams.out.write(text)
            cli.streams.out.flush()


async def _until_gone(
    events: "AsyncIterator[StatusChange]", id: str | None
) -> "AsyncIterator[StatusChange]":
    """Yield the events; the one resource that is watched may vanish. Then it has no status."""
    try:
        async for event in events:
            if event.outcome == "vanished":
                event = evolve(event, status=None, previous=event.status)
            yield event
    except ResourceVanishedError as error:
        if id is None or not any(event.status for event in error.history):
            raise


def _name(event: "StatusChange") -> str:
    return str(getattr(event.resource, "name", None) or event.id)


def _line(provider: str, event: "StatusChange", *, yaml: bool) -> str:
    """Return an event as a line of text."""
    status = " -> ".join(filter(None, (event.previous, event.status or "gone")))
    at = event.at.astimezone().strftime("%H:%M:%S")
    return printable("  ".join(filter(None, (at, _name(event), status, event.note)))) + "\n"


def _document(provider: str, event: "StatusChange", *, yaml: bool) -> str:
    """Return an event as a JSON document in one line, or as a YAML document."""
    plain = {
        "at": event.at.isoformat(),
        "id": event.id,
        "name": getattr(event.resource, "name", None),
        "provider": provider,
        "status": event.status,
        "previous": event.previous,
        "note": event.note,
        "elapsed": round(event.elapsed, 3),
    }
    if yaml:
        return f"---\n{as_yaml(plain)}"
    # JSON escapes all control characters but this one.
    return json.dumps(plain).replace("\x7f", "\\u007f") + "\n"


@frozen
class _Row:
    """One resource on the screen."""

    name: str
    status: str
    changed_at: float | None
    """None: it had this status when the watch began."""
    event: "StatusChange"
    pending: bool = False
    """A change is in progress."""


COLUMNS: tuple[Column[_Row], ...] = (
    Column("name", lambda row: row.name),
    Column("status", lambda row: row.status, status=True),
    Column("since", lambda row: _since(row), right=True),
    Column("before", lambda row: row.event.previous, minor=True),
    Column("id", lambda row: row.event.id, wide=True),
    Column("note", lambda row: row.event.note, wide=True),
)


def _rank(row: _Row) -> tuple[bool, float, str]:
    return not row.pending, -(row.changed_at or 0.0), row.name


def _since(row: _Row) -> str | None:
    return None if row.changed_at is None else format_duration(time.monotonic() - row.changed_at)


@define(eq=False)
class _Screen:
    """The latest state of each resource."""

    title: str
    is_pending: Callable[[Any], bool] = lambda _: False
    size: Callable[[], tuple[int, int]] = shutil.get_terminal_size
    rows: dict[str, _Row] = field(factory=dict)
    started_at: float = field(factory=time.monotonic)

    def update(self, event: "StatusChange") -> None:
        """Show an event; the first of each resource is its current state."""
        known = self.rows.get(event.id)
        gone = event.status is None and known is not None
        status = event.status or ("gone" if gone else known.status if known else "unknown")
        changed = known is None or status != known.status
        is_first = known is None and event.previous is None and event.elapsed < 1
        at = known.changed_at if known else None
        if changed and not is_first:
            at = time.monotonic()
        name = _name(event) if event.resource is not None or known is None else known.name
        pending = event.resource is not None and self.is_pending(event.resource)
        self.rows[event.id] = _Row(name, status, at, event, pending)

    def __rich__(self) -> "Group":
        """Render what fits: changes in progress first, then what changed last, then all others."""
        from rich.console import Group
        from rich.text import Text

        width, height = self.size()
        rows = sorted(self.rows.values(), key=_rank)
        room = max(1, height - 5)
        head = Text(self.title, style="bold cyan", no_wrap=True, overflow="ellipsis")
        head.append(f"  {format_duration(time.monotonic() - self.started_at)}", style="not bold")
        counts = Text(no_wrap=True, overflow="ellipsis")
        for status, count in Counter(row.status for row in rows).most_common():
            counts.append(f"{count} {printable(status)}  ", style=style_of(status))
        parts: list[Any] = [head, counts]
        if rows:
            columns = [column for column in COLUMNS if width >= 120 or not column.wide]
            cells = [[cell_text(column.value(row)) for column in columns] for row in rows[:room]]
            parts.append(rich_table(lay_out(columns, cells, width)))
        if len(rows) > room:
            parts.append(Text(f"... and {len(rows) - room} more", style="dim"))
        return Group(*parts)


async def _show_screen(
    cli: Cli,
    cloud: "Cloud[Any, Any]",
    events: "AsyncIterator[StatusChange]",
    id: str | None,
    title: str | None,
) -> None:
    """Show the table until the events end."""
    from rich.live import Live

    from di_async.cli.bulk_progress import refreshing

    screen = _Screen(
        printable(" ".join(filter(None, (cloud.provider, title)))),
        lambda resource: cloud.pending_target(resource) is not None,
    )
    try:
        with (
            Live(screen, console=cli.out.console, auto_refresh=False, screen=True) as live,
            refreshing(live.refresh, _REFRESH_INTERVAL_S),
        ):
            async for event in _until_gone(events, id):
                screen.update(event)
    finally:  # the screen is gone with the terminal's alternate buffer; its last state stays
        cli.out.console.print(screen)
