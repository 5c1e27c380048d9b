"""Commands that only look: what there is, its logs, accelerators, CA, sizes, models."""

from pathlib import Path
from typing import Annotated

import attrs
import typer

from di_async.cli.commands.files import new_file
from di_async.cli.commands.finding import digitalocean_id
from di_async.cli.commands.showing import ACCELERATORS, SIZES
from di_async.cli.options import Ref, command
from di_async.cli.output import when
from di_async.cli.run import Cli
from di_async.digitalocean import Size

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    command(app, "list")(list_all)
    command(app)(get)
    command(app)(logs)
    command(app)(accelerators)
    command(app)(ca)
    command(app)(sizes)
    command(app)(models)


async def list_all(
    cli: Cli,
    name: Annotated[str | None, typer.Option(help="Only those of this name.")] = None,
    region: Annotated[
        str | None, typer.Option(help="Only those of this region (Exoscale: see --zone).")
    ] = None,
) -> None:
    """What there is: the team's instances, the zone's or project's deployments."""
    async with cli.cloud() as cloud:
        rows = [row async for row in cloud.rows(name=name, region=region)]
        where = "like that" if name or region else cloud.where
    if not rows:
        cli.say(f"no {cloud.plural} {where}")
    cli.out.rows(rows, cloud.columns)


async def get(cli: Cli, ref: Ref) -> None:
    """One of them, in full."""
    async with cli.cloud() as cloud:
        found = await cloud.get(await cloud.id_of(ref))
    cli.out.one(found, cloud.fields(found))


async def logs(
    cli: Cli,
    ref: Ref,
    tail: Annotated[int, typer.Option(min=1, max=10000, help="So many lines.")] = 100,
) -> None:
    """What a deployment has logged, the latest last (Exoscale, Gcore)."""
    async with cli.cloud() as cloud:
        lines = await cloud.logs(ref, tail)
    if not cli.out.for_people:
        cli.out.document(lines)
        return
    if not lines:
        cli.say("nothing was logged")
    for line in lines:
        typer.echo(f"{when(line.time)}  {line.message}")


async def accelerators(
    cli: Cli,
    ref: Ref,
    gpu: Annotated[str | None, typer.Option(metavar="SLUG", help="Only of this size.")] = None,
) -> None:
    """The GPUs that an instance uses (DigitalOcean)."""
    async with cli.digitalocean() as client:
        id = await digitalocean_id(cli, client, ref)
        rows = [a async for a in client.dedicated_inferences.list_accelerators(id, slug=gpu)]
    if not rows:
        cli.say("no accelerators" + (" like that" if gpu else ""))
    cli.out.rows(rows, ACCELERATORS)


async def ca(
    cli: Cli,
    ref: Ref,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="A new file for it.")] = None,
) -> None:
    """The authority behind an instance's private endpoint, as PEM (DigitalOcean)."""
    with new_file(out) as file:
        async with cli.digitalocean() as client:
            id = await digitalocean_id(cli, client, ref)
            found = await client.dedicated_inferences.ca_certificate(id)
        if file:
            file.write(found.pem)
            cli.say(f"written to {out}")
        elif cli.out.for_people:
            typer.echo(found.pem, nl=not found.pem.endswith("\n"))
        else:
            cli.out.document(found)


async def sizes(cli: Cli) -> None:
    """What GPUs cost, and in which regions they can be had (DigitalOcean)."""
    async with cli.digitalocean() as client:
        found = await client.dedicated_inferences.sizes()
    if cli.out.for_people:
        cli.out.rows(_by_price(found.sizes), SIZES)
        cli.say(f"regions enabled: {', '.join(found.enabled_regions)}")
    else:
        cli.out.document(found)


def _by_price(sizes: tuple[Size, ...]) -> list[Size]:
    """One row a price: the API may tell each region's on its own."""
    rows: dict[object, Size] = {}
    for size in sizes:
        key = (size.gpu_slug, size.price_per_hour, size.currency)
        known = rows.setdefault(key, size)
        regions = dict.fromkeys((*known.regions, *size.regions))
        rows[key] = attrs.evolve(known, regions=tuple(regions))
    return list(rows.values())


async def models(cli: Cli) -> None:
    """What can be deployed (DigitalOcean: on which GPUs; Exoscale: which must be ready)."""
    async with cli.cloud() as cloud:
        found, columns = await cloud.models()
    if not found:
        cli.say(f"no models {cloud.where}")
    cli.out.rows(found, columns)
