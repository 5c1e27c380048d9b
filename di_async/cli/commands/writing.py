"""Commands that change something: create, update, scale, delete; and wait."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from di_async import Change, InvalidInputError
from di_async.cli.commands.files import new_file
from di_async.cli.commands.finding import HFToken, SpecFile, id_of, provider_tokens, read_spec
from di_async.cli.commands.settling import Report
from di_async.cli.commands.waiting import wait_for_all, waiting_token
from di_async.cli.options import Ref, Timeout, Wait, command
from di_async.cli.run import INTERRUPTED, Cli

__all__ = ["TokenOut", "register"]

TokenOut = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="A new file (mode 0600) for the token; it is not printed then."
    ),
]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    command(app)(create)
    command(app)(update)
    command(app)(scale)
    command(app, before=confirm)(delete)
    command(app, "wait")(wait_for)


async def create(
    cli: Cli,
    spec: SpecFile = None,
    name: Annotated[str | None, typer.Option(help="Letters, digits, '-' and '_'.")] = None,
    region: Annotated[str | None, typer.Option(help="Such as atl1, nyc2 or tor1.")] = None,
    model: Annotated[
        str | None, typer.Option(metavar="SLUG", help="See `di-async models`.")
    ] = None,
    gpu: Annotated[str | None, typer.Option(metavar="SLUG", help="See `di-async sizes`.")] = None,
    scale: Annotated[int | None, typer.Option(min=1, help="GPUs.", show_default="1")] = None,
    vpc: Annotated[str | None, typer.Option(metavar="UUID", help="Else the region's own.")] = None,
    public: Annotated[
        bool | None, typer.Option("--public/--private", show_default="public")
    ] = None,
    hf_token: HFToken = False,
    token_out: TokenOut = None,
    wait: Wait = True,
    timeout: Timeout = None,
) -> None:
    """Make an instance, and wait until it is proven active.

    The endpoint's access token is shown by the API only once, and so on stdout only once: as soon
    as the create is accepted (table), or in the document (json, yaml) that comes however the wait
    ends. With --token-out it goes to a file instead.
    """
    tokens = provider_tokens(hugging_face=hf_token)
    easy = {"--model": model, "--gpu": gpu, "--scale": scale}
    changes = _fields(name=name, region=region, vpc=vpc, enable_public_endpoint=public)
    wanted = read_spec(spec, changes) if spec else _easy_spec(changes, model, gpu, scale)
    if spec and any(value is not None for value in easy.values()):
        raise InvalidInputError(f"{', '.join(easy)} make a spec of their own: not with --spec")
    with new_file(token_out) as file:
        async with cli.client() as client:
            change = await client.dedicated_inferences.create(wanted, access_tokens=tokens)
            value = change.access_token and change.access_token.value
            if file and value:
                file.write(value.reveal() + "\n")
                file.flush()
                cli.say(f"the access token is in {token_out}")
            _tell_new(cli, change, show_token=file is None)
            await Report(cli, change, token_out).conclude(wait=wait, timeout=timeout)


def _tell_new(cli: Cli, change: Change[Any], *, show_token: bool) -> None:
    token = change.access_token and change.access_token.value
    if cli.out.for_people:
        shown = token.reveal() if token and show_token else None
        cli.out.one(None, [("id", change.id), ("access token", shown)])
    if token and show_token:
        cli.say("Store the access token now: the API never shows it again.")


def _fields(**given: Any) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _easy_spec(
    fields: dict[str, Any], model: str | None, gpu: str | None, scale: int | None
) -> dict[str, Any]:
    needed = {
        "--name": fields.get("name"),
        "--region": fields.get("region"),
        "--model": model,
        "--gpu": gpu,
    }
    lacking = [option for option, value in needed.items() if not value]
    if lacking:
        raise InvalidInputError(
            f"give --spec FILE, or {', '.join(needed)} (missing: {', '.join(lacking)})"
        )
    accelerators = [{"accelerator_slug": gpu, "scale": scale or 1}]
    return {**fields, "model_deployments": [{"model_slug": model, "accelerators": accelerators}]}


async def update(
    cli: Cli,
    ref: Ref,
    spec: SpecFile = None,
    name: Annotated[str | None, typer.Option(help="The new name.")] = None,
    hf_token: HFToken = False,
    ready_timeout: Annotated[
        float,
        typer.Option(min=0, metavar="SECONDS", help="Ask again for so long while it is refused."),
    ] = 0,
    wait: Wait = True,
    timeout: Timeout = None,
) -> None:
    """Change an instance, and wait until this very change is proven active.

    The spec may hold only what changes; version, immutable fields and model ids are filled in.
    """
    tokens = provider_tokens(hugging_face=hf_token)
    changes = _fields(name=name)
    wanted = read_spec(spec, changes) if spec else changes or None
    if wanted is None and tokens is None:
        raise InvalidInputError("nothing to update: give --spec, --name or --hf-token")
    async with cli.client() as client:
        change = await client.dedicated_inferences.update(
            await id_of(client, ref), spec=wanted, access_tokens=tokens, ready_timeout=ready_timeout
        )
        await Report(cli, change).conclude(wait=wait, timeout=timeout)


async def scale(
    cli: Cli,
    ref: Ref,
    replicas: Annotated[int, typer.Argument(min=1, help="How many GPUs it shall have.")],
    model: Annotated[str | None, typer.Option(metavar="SLUG", help="If there are several.")] = None,
    gpu: Annotated[str | None, typer.Option(metavar="SLUG", help="If there are several.")] = None,
    type: Annotated[str | None, typer.Option(help="If there are several.")] = None,
    ready_timeout: Annotated[
        float,
        typer.Option(min=0, metavar="SECONDS", help="Ask again for so long while it is refused."),
    ] = 0,
    wait: Wait = True,
    timeout: Timeout = None,
) -> None:
    """Give an instance more or fewer GPUs, and wait until that is proven active."""
    async with cli.client() as client:
        change = await client.dedicated_inferences.scale(
            await id_of(client, ref),
            replicas,
            model=model,
            accelerator_slug=gpu,
            type=type,
            ready_timeout=ready_timeout,
        )
        await Report(cli, change).conclude(wait=wait, timeout=timeout)


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
    """Delete an instance, and wait until the API says 404: it bills until then.

    An id that is not there is a warning, not an error: with the token of the wrong team it would
    look just so, and go on billing.
    """
    async with cli.client() as client:
        change = await client.dedicated_inferences.delete(await id_of(client, ref))
        await Report(cli, change).conclude(wait=wait, timeout=timeout)


class Goal(StrEnum):
    """What `di-async wait` can wait for."""

    ACTIVE = "active"
    DELETED = "deleted"


async def wait_for(
    cli: Cli,
    ref: Annotated[
        str | None, typer.Argument(metavar="[ID|NAME]", help="The instance.", show_default=False)
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
    """Wait for an instance, for all that is under way, or go on with an earlier wait."""
    if [ref is not None, resume is not None, everything].count(True) != 1:
        raise InvalidInputError("wait for what? Give an id, a name, --all, or --resume TOKEN")
    if everything and goal:
        raise InvalidInputError("--all waits for each to end as it will: not with --for")
    if region and not everything:
        raise InvalidInputError("--region goes with --all")
    if everything:
        await wait_for_all(cli, region or [], timeout)
        return
    async with cli.client() as client:
        action = "delete" if goal is Goal.DELETED else "active"
        token = resume or waiting_token(client, await id_of(client, ref or ""), action)
        change = client.dedicated_inferences.resume(token)
        await Report(cli, change).conclude(wait=True, timeout=timeout)
