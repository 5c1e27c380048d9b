"""Commands that only look: instances, accelerators, CA, sizes, models."""

from pathlib import Path
from typing import Annotated

import attrs
import typer

from di_async.cli.commands.files import new_file
from di_async.cli.commands.finding import id_of
from di_async.cli.commands.showing import (
    ACCELERATORS,
    INSTANCES,
    MODELS,
    SIZES,
    instance_fields,
)
from di_async.cli.options import Ref, command
from di_async.cli.run import Cli
from di_async.digitalocean import Size

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    command(app, "list")(list_instances)
    command(app)(get)
    command(app)(accelerators)
    command(app)(ca)
    command(app)(sizes)
    command(app)(models)


async def list_instances(
    cli: Cli,
    name: Annotated[str | None, typer.Option(help="Only the one of this name.")] = None,
    region: Annotated[str | None, typer.Option(help="Only those of this region.")] = None,
) -> None:
    """The team's instances."""
    async with cli.client() as client:
        listing = client.dedicated_inferences.list(name=name, region=region)
        rows = [row async for row in listing]
    if not rows:
        cli.say("no instances" + (" like that" if name or region else " in this team"))
    cli.out.rows(rows, INSTANCES)


async def get(cli: Cli, ref: Ref) -> None:
    """One instance, in full."""
    async with cli.client() as client:
        di = await client.dedicated_inferences.get(await id_of(client, ref))
    cli.out.one(di, instance_fields(di))


async def accelerators(
    cli: Cli,
    ref: Ref,
    gpu: Annotated[str | None, typer.Option(metavar="SLUG", help="Only of this size.")] = None,
) -> None:
    """The GPUs that an instance uses."""
    async with cli.client() as client:
        id = await id_of(client, ref)
        rows = [a async for a in client.dedicated_inferences.list_accelerators(id, slug=gpu)]
    if not rows:
        cli.say("no accelerators" + (" like that" if gpu else ""))
    cli.out.rows(rows, ACCELERATORS)


async def ca(
    cli: Cli,
    ref: Ref,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="A new file for it.")] = None,
) -> None:
    """The certificate authority behind an instance's private endpoint, as PEM."""
    with new_file(out) as file:
        async with cli.client() as client:
            found = await client.dedicated_inferences.ca_certificate(await id_of(client, ref))
        if file:
            file.write(found.pem)
            cli.say(f"written to {out}")
        elif cli.out.for_people:
            typer.echo(found.pem, nl=not found.pem.endswith("\n"))
        else:
            cli.out.document(found)


async def sizes(cli: Cli) -> None:
    """What GPUs cost, and in which regions they can be had."""
    async with cli.client() as client:
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
    """Which models run on which GPUs, and which need a Hugging Face token (gated)."""
    async with cli.client() as client:
        found = await client.dedicated_inferences.gpu_model_configs()
    cli.out.rows(found, MODELS)
