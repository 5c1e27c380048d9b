"""Commands that read: list, get, logs, accelerators, ca, sizes, hardware."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer

from di_async.cli.files import new_file
from di_async.cli.options import Ref
from di_async.cli.output import Column, format_time
from di_async.cli.providers import digitalocean_for
from di_async.cli.run import FAILED, Cli
from di_async.cli.typer_commands import command, new_app
from di_async.core.pricing import amount_text
from di_async.core.printable import printable

if TYPE_CHECKING:
    from di_async.digitalocean import Accelerator, Size

__all__ = ["app"]

_ACCELERATORS: "tuple[Column[Accelerator], ...]" = (
    Column("name", lambda a: a.name),
    Column("gpu", lambda a: a.slug),
    Column("status", lambda a: a.status, status=True),
    Column("id", lambda a: a.id),
    Column("role", lambda a: a.role, wide=True),
    Column("created", lambda a: format_time(a.created_at), wide=True),
)
_SIZES: "tuple[Column[Size], ...]" = (
    Column("gpu", lambda s: s.gpu_slug),
    Column("per hour", lambda s: s.price_per_hour and amount_text(s.price_per_hour), right=True),
    Column("currency", lambda s: s.currency),
    Column("regions", lambda s: ",".join(s.regions)),
)

app = new_app()


@command(app, "list")
async def list_all(
    cli: Cli,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only resources of this name.")
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only resources in this region (not Exoscale)."),
    ] = None,
) -> None:
    """List instances or deployments."""
    async with cli.cloud() as cloud:
        found = [resource async for resource in cloud.resources(name=name, region=region)]
        where = "that match" if name or region else cloud.location
        if region and not name and not found:
            where = f"in region {region}{await cloud.region_note(region)}"
    cli.rows(found, cloud.columns, none=f"no {cloud.noun} {where}")


@command(app)
async def get(cli: Cli, ref: Ref) -> None:
    """Show one instance or deployment."""
    async with cli.cloud() as cloud:
        resource = await cloud.api.get(await cloud.resolve_id(ref))
    cli.out.one(resource, cloud.fields(resource))


@command(app)
async def logs(
    cli: Cli,
    ref: Ref,
    tail: Annotated[
        int, typer.Option(min=1, max=10000, metavar="N", help="Number of lines.")
    ] = 100,
) -> None:
    """Show the log of a deployment (Exoscale, Gcore)."""
    async with cli.cloud() as cloud:
        lines = await cloud.logs(ref, tail)
    if not cli.out.is_table:
        cli.out.document(lines)
        return
    if not lines:
        cli.message("the log is empty")
    else:
        cli.out.text("\n".join(f"{format_time(line.time)}  {_one_line(line)}" for line in lines))


def _one_line(line: Any) -> str:
    """Return the message of a log line; what it holds cannot start a line of its own."""
    return printable(str(line.message or "").rstrip())


@command(app)
async def accelerators(
    cli: Cli,
    ref: Ref,
    gpu: Annotated[str | None, typer.Option(metavar="SLUG", help="Only GPUs of this size.")] = None,
) -> None:
    """List the GPUs of an instance (DigitalOcean)."""
    async with digitalocean_for(cli, "accelerators") as cloud:
        id = await cloud.resolve_id(ref)
        found = [one async for one in cloud.api.list_accelerators(id, slug=gpu)]
    of_size = f" of size {gpu}" if gpu else ""
    cli.rows(found, _ACCELERATORS, none=f"no accelerators{of_size}")


@command(app)
async def ca(
    cli: Cli,
    ref: Ref,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it to a new file instead of stdout.")
    ] = None,
) -> None:
    """Show the CA certificate of an instance (DigitalOcean).

    It is in PEM format and signs the certificate of the private endpoint.
    """
    with new_file(out) as file:
        async with digitalocean_for(cli, "ca") as cloud:
            found = await cloud.api.ca_certificate(await cloud.resolve_id(ref))
        if file:
            file.write(found.pem)
            cli.message(f"written to {out}")
        elif cli.out.is_table:
            cli.out.text(found.pem)
        else:
            cli.out.document(found)


@command(app)
async def sizes(cli: Cli) -> None:
    """List GPU sizes with prices and regions (DigitalOcean)."""
    async with digitalocean_for(cli, "sizes") as cloud:
        found = await cloud.api.sizes()
    if cli.out.is_table:
        cli.out.rows(_merge_regions(found.sizes), _SIZES)
        cli.message(f"enabled regions: {', '.join(found.enabled_regions)}")
    else:
        cli.out.document(found)


def _merge_regions(sizes: "Iterable[Size]") -> "list[Size]":
    """Merge sizes of equal price: the API may list each region on its own."""
    rows: dict[object, Size] = {}
    for size in sizes:
        key = (size.gpu_slug, size.price_per_hour, size.currency)
        row = rows.setdefault(key, size)
        regions = dict.fromkeys((*row.regions, *size.regions))
        rows[key] = attrs.evolve(row, regions=tuple(regions))
    return list(rows.values())


@command(app)
async def hardware(
    cli: Cli,
    model: Annotated[
        str | None,
        typer.Option(metavar="SLUG", help="Only what runs this model (DigitalOcean, Exoscale)."),
    ] = None,
    region: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this region (Exoscale: zone).")
    ] = None,
    gpu: Annotated[
        str | None, typer.Option(metavar="SLUG", help="Only this GPU size, family or flavor.")
    ] = None,
    all: Annotated[
        bool, typer.Option("--all", help="Also what cannot be deployed now, with the reason.")
    ] = False,
) -> None:
    """List what can be deployed, where, and its hourly price.

    The price is that of one GPU or replica, the cheapest first. The command that creates the first
    row is printed on stderr; -o json and yaml have one for each row. DigitalOcean and Exoscale do
    not show how many GPUs are free, Exoscale shows no prices. If a zone cannot be read, the others
    are listed, and the exit code is 1.
    """
    async with cli.cloud() as cloud:
        from di_async.cli.clouds import offers

        found = offers.cheapest_first(await cloud.offers(model, region))
        note = await cloud.region_note(region) if region and not found else ""
        warning = await cloud.model_warning(model) if model else None
    if warning:
        cli.message(f"warning: {warning}")
    unread = [one for one in found if one.is_unread]
    found = [
        one
        for one in found
        if not one.is_unread and gpu in (None, one.accelerator) and (all or not one.reason)
    ]
    if not found:
        advice = "" if all or note else "; --all says why"
        cli.message(f"nothing can be deployed that matches{note or advice}")
    rows = [*found, *unread] if all or not cli.out.is_table else found
    cli.out.rows(rows, (*offers.COLUMNS, offers.REASON) if all else offers.COLUMNS)
    command = found[0].command if found and not warning else None
    if command and cli.out.is_table:
        cli.message(f"Create the first: {command}")
    if unread:
        raise typer.Exit(FAILED)
