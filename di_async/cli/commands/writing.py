"""Commands that change something: create, update, scale, start, stop, delete; and wait."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from di_async import Change, InvalidInputError
from di_async.cli.clouds import Goal, Order
from di_async.cli.commands.files import new_file
from di_async.cli.commands.finding import HFToken, SpecFile, provider_tokens, read_spec
from di_async.cli.commands.settling import Report
from di_async.cli.commands.waiting import wait_for_all
from di_async.cli.options import Ref, Timeout, Wait, command
from di_async.cli.run import INTERRUPTED, Cli

__all__ = ["TokenOut", "register"]

TokenOut = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="A new file (mode 0600) for the token; it is not printed then."
    ),
]
ReadyTimeout = Annotated[
    float | None,
    typer.Option(
        min=0,
        metavar="SECONDS",
        help="Ask again for so long while it is refused (not Gcore).",
        show_default="0",
    ),
]
OpenToWorld = Annotated[
    bool,
    typer.Option(
        "--open-to-world", help="Gcore: yes, without API keys, so that everybody may call it."
    ),
]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    command(app)(create)
    command(app)(update)
    command(app)(scale)
    command(app)(start)
    command(app)(stop)
    command(app, before=confirm)(delete)
    command(app, "wait")(wait_for)


async def create(
    cli: Cli,
    spec: SpecFile = None,
    name: Annotated[str | None, typer.Option(help="What to call it.")] = None,
    region: Annotated[
        str | None, typer.Option(help="DigitalOcean: such as atl1, nyc2 or tor1.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="SLUG", help="See `di-async models`.")
    ] = None,
    gpu: Annotated[
        str | None,
        typer.Option(metavar="SLUG", help="See `di-async sizes`; Exoscale: such as gpua5000."),
    ] = None,
    scale: Annotated[
        int | None,
        typer.Option(min=1, help="GPUs; Exoscale: replicas of one GPU.", show_default="1"),
    ] = None,
    vpc: Annotated[
        str | None, typer.Option(metavar="UUID", help="DigitalOcean: else the region's own.")
    ] = None,
    public: Annotated[
        bool | None, typer.Option("--public/--private", help="DigitalOcean.", show_default="public")
    ] = None,
    hf_token: HFToken = False,
    token_out: TokenOut = None,
    open_to_world: OpenToWorld = False,
    wait: Wait = True,
    timeout: Timeout = None,
) -> None:
    """Make an instance or a deployment, and wait until it is proven to serve.

    DigitalOcean takes a spec file or the options; Exoscale a file or --name, --model, --gpu and
    --scale; Gcore a file, and --name.

    DigitalOcean shows the endpoint's access token only once, and so it is on stdout only once: as
    soon as the create is accepted (table), or in the document (json, yaml) that comes however the
    wait ends. With --token-out it goes to a file instead.
    """
    order = Order(
        spec=read_spec(spec) if spec else None,
        name=name,
        region=region,
        model=model,
        gpu=gpu,
        scale=scale,
        vpc=vpc,
        public=public,
        hf_token=provider_tokens(hugging_face=hf_token),
        open_to_world=open_to_world or None,
    )
    with new_file(token_out) as file:
        async with cli.cloud() as cloud:
            cloud.check("create", order)
            change = await cloud.create(order)
            value = change.access_token and change.access_token.value
            if file and value:
                file.write(value.reveal() + "\n")
                file.flush()
                cli.say(f"the access token is in {token_out}")
            _tell_new(cli, change, show_token=file is None)
            await Report(cli, cloud, change, token_out).conclude(wait=wait, timeout=timeout)


def _tell_new(cli: Cli, change: Change[Any], *, show_token: bool) -> None:
    token = change.access_token and change.access_token.value
    if cli.out.for_people:
        shown = token.reveal() if token and show_token else None
        cli.out.one(None, [("id", change.id), ("access token", shown)])
    if token and show_token:
        cli.say("Store the access token now: the API never shows it again.")


async def update(
    cli: Cli,
    ref: Ref,
    spec: SpecFile = None,
    name: Annotated[str | None, typer.Option(help="The new name (not Gcore's v3).")] = None,
    hf_token: HFToken = False,
    open_to_world: OpenToWorld = False,
    ready_timeout: ReadyTimeout = None,
    wait: Wait = True,
    timeout: Timeout = None,
) -> None:
    """Change something, and wait until this very change is proven to be in effect.

    The file may hold only what changes; what the API wants besides is filled in.
    """
    order = Order(
        spec=read_spec(spec) if spec else None,
        name=name,
        hf_token=provider_tokens(hugging_face=hf_token),
        open_to_world=open_to_world or None,
        ready_timeout=ready_timeout,
    )
    if not order.given & {"spec", "name", "hf_token"}:
        raise InvalidInputError("nothing to update: give --spec, --name or --hf-token")
    async with cli.cloud() as cloud:
        cloud.check("update", order)
        change = await cloud.update(await cloud.id_of(ref), order)
        await Report(cli, cloud, change).conclude(wait=wait, timeout=timeout)


async def scale(
    cli: Cli,
    ref: Ref,
    replicas: Annotated[
        int,
        typer.Argument(
            min=0, help="GPUs (DigitalOcean, 1 or more), or replicas (Exoscale, Gcore; 0 is none)."
        ),
    ],
    model: Annotated[str | None, typer.Option(metavar="SLUG", help="If there are several.")] = None,
    gpu: Annotated[str | None, typer.Option(metavar="SLUG", help="If there are several.")] = None,
    type: Annotated[str | None, typer.Option(help="If there are several.")] = None,
    region: Annotated[
        str | None, typer.Option(metavar="ID", help="Gcore: if there are several.")
    ] = None,
    ready_timeout: ReadyTimeout = None,
    wait: Wait = True,
    timeout: Timeout = None,
) -> None:
    """Give it more or fewer GPUs or replicas, and wait until that is proven.

    Gcore: the least and the most become the same; with 0 the least alone, so that it sleeps while
    nobody asks.
    """
    order = Order(
        scale=replicas,
        model=model,
        gpu=gpu,
        type=type,
        region=region,
        ready_timeout=ready_timeout,
    )
    async with cli.cloud() as cloud:
        cloud.check("scale", order)
        change = await cloud.scale(await cloud.id_of(ref), order)
        await Report(cli, cloud, change).conclude(wait=wait, timeout=timeout)


async def start(cli: Cli, ref: Ref, wait: Wait = True, timeout: Timeout = None) -> None:
    """Start what was stopped, and wait until it serves or sleeps (Gcore)."""
    async with cli.cloud() as cloud:
        change = await cloud.start(ref)
        await Report(cli, cloud, change).conclude(wait=wait, timeout=timeout)


async def stop(cli: Cli, ref: Ref, wait: Wait = True, timeout: Timeout = None) -> None:
    """Stop a deployment without deleting it, and wait until it is proven stopped (Gcore)."""
    async with cli.cloud() as cloud:
        change = await cloud.stop(ref)
        await Report(cli, cloud, change).conclude(wait=wait, timeout=timeout)


def confirm(ref: str, *, force: bool) -> None:
    """Ask before a delete. Outside the event loop, where Ctrl-C ends a prompt."""
    if force:
        return
    if not sys.stdin.isatty():
        raise InvalidInputError("delete asks first and nobody can answer here: add --force")
    try:
        sure = typer.confirm(f"Delete {ref}? Its endpoint ends for good.", err=True)
    except typer.Abort:
        raise typer.Exit(INTERRUPTED) from None
    if not sure:
        typer.echo("nothing was deleted", err=True)
        raise typer.Exit(1)


async def delete(
    cli: Cli,
    ref: Ref,
    force: Annotated[bool, typer.Option("--force", "-f", help="Do not ask.")] = False,
    wait: Wait = True,
    timeout: Timeout = None,
) -> None:
    """Delete it, and wait until the API says 404: it bills until then.

    An id that is not there is a warning, not an error: with the token of the wrong team, in the
    wrong zone or project it would look just so, and go on billing.
    """
    async with cli.cloud() as cloud:
        change = await cloud.delete(await cloud.id_of(ref))
        await Report(cli, cloud, change).conclude(wait=wait, timeout=timeout)


async def wait_for(
    cli: Cli,
    ref: Annotated[
        str | None,
        typer.Argument(metavar="[ID|NAME]", help="What for.", show_default=False),
    ] = None,
    goal: Annotated[
        Goal | None, typer.Option("--for", help="Until it is that.", show_default="active")
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(metavar="TOKEN", help="Go on with a wait that ended early, in its own time."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="For all with which something is under way.")
    ] = False,
    region: Annotated[
        list[str] | None,
        typer.Option(help="With --all: only in this one; may be given several times."),
    ] = None,
    timeout: Timeout = None,
) -> None:
    """Wait for one, for all that is under way, or go on with an earlier wait."""
    if [ref is not None, resume is not None, everything].count(True) != 1:
        raise InvalidInputError("wait for what? Give an id, a name, --all, or --resume TOKEN")
    if everything and goal:
        raise InvalidInputError("--all waits for each to end as it will: not with --for")
    if region and not everything:
        raise InvalidInputError("--region goes with --all")
    if everything:
        await wait_for_all(cli, region or [], timeout)
        return
    async with cli.cloud() as cloud:
        if resume is not None:
            change = cloud.resume(resume)
        else:
            id = await cloud.id_of(ref or "")
            change = cloud.api.begin_wait(id, deleted=goal is Goal.DELETED)
        await Report(cli, cloud, change).conclude(wait=True, timeout=timeout)
