"""`di-async scan`: an inventory with hourly cost and changes in progress."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from attrs import evolve

from di_async import InvalidInputError
from di_async.cli.files import replace_file
from di_async.cli.hints import with_option_names
from di_async.cli.output import Column
from di_async.cli.run import FAILED, Cli
from di_async.cli.settings import option_names
from di_async.cli.typer_commands import command, new_app
from di_async.core.pricing import amount_text

if TYPE_CHECKING:
    from di_async import Inventory
    from di_async.core.inventory import InventoryRow

__all__ = ["app"]

_COLUMNS: "tuple[Column[InventoryRow], ...]" = (
    Column("provider", lambda row: row.client),
    Column("name", lambda row: row.name),
    Column("status", lambda row: row.status, status=True),
    Column("region", lambda row: row.region, minor=True),
    Column("accelerators", lambda row: _accelerators(row), minor=True),
    Column("per hour", lambda row: _cost(row), right=True),
    Column("id", lambda row: row.id),
    Column("models", lambda row: ", ".join(row.models), wide=True),
)
# With the provider, 80 columns have no room for ids and for what a row is about.
_OF_ALL_PROVIDERS = tuple(
    evolve(column, wide=True) if column.title == "id" else column for column in _COLUMNS
)

app = new_app()


@command(app, "scan")
async def scan_fleet(
    cli: Cli,
    region: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this region. Can be repeated.")
    ] = None,
    details: Annotated[
        bool, typer.Option("--details", help="Fetch each resource: one request each.")
    ] = False,
    accelerators: Annotated[
        bool,
        typer.Option(
            "--accelerators", help="List each instance's GPUs: one request each (DigitalOcean)."
        ),
    ] = False,
    all_providers: Annotated[
        bool,
        typer.Option(
            "--all-providers",
            help="Scan every provider that has credentials in the environment, concurrently.",
        ),
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write an HTML page with charts to this file."),
    ] = None,
) -> None:
    """Scan all resources: counts, cost, changes in progress.

    Exoscale: reads all zones and ignores --zone; use --region to select zones. The table is on
    stdout and the totals are on stderr; json and yaml hold both. If a part cannot be read, the
    rest is printed, and the exit code is 1.
    """
    if all_providers:
        _check_all_providers(cli, region)
    with replace_file(html) as write_page:
        found = await _scan(cli, region, details, accelerators, all_providers)
        _print(cli, found, _OF_ALL_PROVIDERS if all_providers else _COLUMNS[1:])
        if html:
            write_page(found.to_html())
            cli.message(f"the page is in {html}")
    if found.errors:
        raise typer.Exit(FAILED)


async def _scan(
    cli: Cli, region: list[str] | None, details: bool, accelerators: bool, all_providers: bool
) -> "Inventory":
    from di_async import scan
    from di_async.cli.bulk_progress import scan_progress
    from di_async.fleet.inventory import ScanError

    if not all_providers:
        async with cli.cloud() as cloud:
            with scan_progress(cli.err) as on_progress:
                found = await scan(
                    cloud.scan_client,
                    regions=region or None,
                    details=details,
                    accelerators=accelerators,
                    on_progress=on_progress,
                )
            if region and not len(found) and (note := await cloud.region_note(*region)):
                cli.message(f"no {cloud.noun} in {', '.join(region)}{note}")
            return found
    async with cli.accounts() as (clients, failures):
        with scan_progress(cli.err) as on_progress:
            found = await scan(
                *clients, details=details, accelerators=accelerators, on_progress=on_progress
            )
    errors = (ScanError(vendor, None, "list", error) for vendor, error in failures)
    return evolve(found, errors=(*found.errors, *errors))


def _check_all_providers(cli: Cli, region: list[str] | None) -> None:
    if region:
        raise InvalidInputError("--region cannot be combined with --all-providers")
    explicit = cli.settings.explicit_options & {"provider", "token_file"}
    if explicit:
        names = " and ".join(option_names(explicit))
        raise InvalidInputError(
            f"{names} cannot be combined with --all-providers, which reads the environment"
        )


def _print(cli: Cli, found: "Inventory", columns: "tuple[Column[InventoryRow], ...]") -> None:
    if cli.out.is_table:
        cli.out.rows(list(found), columns)
        for title, text in found.summary():
            cli.message(f"{title}: {with_option_names(str(text), cli.settings)}")
        return
    cli.out.document(found.to_dict())
    for error in found.errors:
        cli.message(f"failed: {with_option_names(str(error), cli.settings)}")


def _accelerators(row: "InventoryRow") -> str:
    if row.gpus is not None:
        return ", ".join(f"{gpu.slug} {gpu.status or ''}".strip() for gpu in row.gpus)
    return ", ".join(f"{count} x {slug}" for slug, count in row.accelerators or ())


def _cost(row: "InventoryRow") -> str | None:
    return f"{amount_text(row.hourly_cost)} {row.currency}" if row.hourly_cost is not None else None
