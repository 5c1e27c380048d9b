"""`di-async scan`: what there is, what it costs, what is under way."""

from contextlib import nullcontext
from typing import Annotated

import typer
from attrs import evolve, frozen
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from di_async import InvalidInputError, Inventory, scan
from di_async.cli.live import is_live
from di_async.cli.options import command
from di_async.cli.output import Column
from di_async.cli.run import FAILED, Cli
from di_async.core.inventory import InventoryRow
from di_async.fleet.inventory import ScanError
from di_async.fleet.ports import ScanClient
from di_async.fleet.scanning import OnProgress, ScanProgress

__all__ = ["register"]

_ROWS: tuple[Column[InventoryRow], ...] = (
    Column("provider", lambda row: row.client),
    Column("name", lambda row: row.name),
    Column("status", lambda row: row.status, status=True),
    Column("region", lambda row: row.region),
    Column("accelerators", lambda row: _accelerators(row)),
    Column("per hour", lambda row: _cost(row), right=True),
    Column("id", lambda row: row.id),
    Column("models", lambda row: ", ".join(row.models), wide=True),
)


def register(app: typer.Typer) -> None:
    """Add this command."""
    command(app, "scan")(scan_fleet)


async def scan_fleet(
    cli: Cli,
    region: Annotated[
        list[str] | None, typer.Option(help="Only this one; may be given several times.")
    ] = None,
    details: Annotated[
        bool, typer.Option("--details", help="GET each instance: a request each.")
    ] = False,
    accelerators: Annotated[
        bool,
        typer.Option(
            "--accelerators", help="List each one's GPUs, too: a request each (DigitalOcean)."
        ),
    ] = False,
    all_providers: Annotated[
        bool,
        typer.Option(
            "--all-providers",
            help="Every provider whose credentials are in the environment, all at once.",
        ),
    ] = False,
) -> None:
    """All there is at once: counts, hourly cost, and what is under way.

    Of Exoscale all zones are read, whatever --zone says; --region names one or more. The table is
    on stdout, the sums beside it on stderr; json and yaml hold both. What could not be read is
    told, with exit code 1; the rest is there all the same.
    """
    asked = _Asked(region or None, details, accelerators)
    if all_providers:
        if region:
            raise InvalidInputError("--region: each provider has regions of its own")
        alone = sorted(cli.settings.by_hand & {"provider", "token_file"})
        if alone:
            told = ", ".join(f"--{name.replace('_', '-')}" for name in alone)
            raise InvalidInputError(f"{told}: --all-providers takes all from the environment")
        async with cli.accounts() as (clients, failures):
            found = await asked.scan(cli, *clients)
        errors = (ScanError(who, None, "list", error) for who, error in failures)
        found = evolve(found, errors=(*found.errors, *errors))
    else:
        async with cli.cloud() as cloud:
            found = await asked.scan(cli, cloud.scannable)
    _tell(cli, found, _ROWS[1:] if not all_providers else _ROWS)
    if found.errors:
        raise typer.Exit(FAILED)


@frozen
class _Asked:
    """What is to be found out."""

    regions: list[str] | None
    details: bool
    accelerators: bool

    async def scan(self, cli: Cli, *clients: ScanClient) -> Inventory:
        """All of it, with progress shown meanwhile."""
        with _progress(cli.err) as tell:
            return await scan(
                *clients,
                regions=self.regions,
                details=self.details,
                accelerators=self.accelerators,
                on_progress=tell,
            )


def _tell(cli: Cli, found: Inventory, columns: tuple[Column[InventoryRow], ...]) -> None:
    if not cli.out.for_people:
        cli.out.document(found.to_dict())
    else:
        cli.out.rows(list(found), columns)
        for title, text in found.told():
            cli.say(f"{title}: {text}")
        return
    for error in found.errors:
        cli.say(f"failed: {error}")


def _progress(console: Console) -> "nullcontext[OnProgress] | _Bars":
    return _Bars(console) if is_live(console) else nullcontext(_lines(console))


def _lines(console: Console) -> OnProgress:
    """Where nothing can move: how many requests are to come, before they are sent."""

    def tell(news: ScanProgress) -> None:
        if news.what != "list" and news.done == 0 and news.total:
            console.print(f"{news.what}: {news.total} requests", markup=False)

    return tell


class _Bars:
    """A bar for each part of a scan."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self._progress = Progress(*columns, console=console, transient=True)
        self._tasks: dict[tuple[str, str | None], TaskID] = {}

    def __enter__(self) -> OnProgress:
        self._progress.start()
        return self._tell

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def _tell(self, news: ScanProgress) -> None:
        key = (news.what, news.region)
        if key not in self._tasks:
            title = " ".join(filter(None, key))
            self._tasks[key] = self._progress.add_task(title, total=news.total)
        self._progress.update(self._tasks[key], completed=news.done, total=news.total)


def _accelerators(row: InventoryRow) -> str:
    if row.gpus is not None:
        return ", ".join(f"{gpu.slug} {gpu.status or ''}".strip() for gpu in row.gpus)
    return ", ".join(f"{count} x {slug}" for slug, count in row.accelerators or ())


def _cost(row: InventoryRow) -> str | None:
    return f"{row.hourly_cost} {row.currency}" if row.hourly_cost is not None else None
