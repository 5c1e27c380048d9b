"""Models: what can be deployed (`models`, `catalog`), and what was imported (`custom-models`)."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from di_async import InvalidInputError
from di_async.cli.commands.report import delete_and_report, wait_and_report
from di_async.cli.confirm import Force, confirm_delete
from di_async.cli.inputs import read_hf_token
from di_async.cli.options import HFToken, Timeout, Wait
from di_async.cli.output import Column, format_time
from di_async.cli.providers import digitalocean_for
from di_async.cli.references import find_one
from di_async.cli.run import Cli
from di_async.cli.settings import Provider
from di_async.cli.typer_commands import command, new_app, new_group

if TYPE_CHECKING:
    from di_async import Change
    from di_async.cli.clouds.base import Cloud
    from di_async.cli.clouds.digitalocean import DigitalOceanCloud

__all__ = ["app"]

_CATALOG: tuple[Column[Any], ...] = (
    Column("model", lambda model: model.model_id),
    Column("creator", lambda model: model.creator),
    Column("availability", lambda model: ",".join(model.availability)),
    Column("context", lambda model: model.context_window, right=True, wide=True),
    Column("name", lambda model: model.name, wide=True),
)
_CUSTOM: tuple[Column[Any], ...] = (
    Column("name", lambda model: model.name),
    Column("status", lambda model: model.status, status=True),
    Column("source", lambda model: _source(model)),
    Column("GB", lambda m: m.total_size_bytes and f"{m.total_size_bytes / 1e9:.1f}", right=True),
    Column("id", lambda model: model.id),
    Column("created", lambda model: format_time(model.created_at), wide=True),
    Column("error", lambda model: model.error_message, prose=True),
)
_Model = Annotated[str, typer.Argument(metavar="MODEL", help="ID or name of the custom model.")]

app = new_app()
group = new_group("custom-models", "Manage models imported by the team (DigitalOcean).")
app.add_typer(group)


def _source(model: Any) -> str | None:
    source = model.source_ref
    if source is None:
        return None
    return source.repo_id or "/".join(filter(None, (source.bucket, source.prefix))) or None


class CustomModelStatus(StrEnum):
    """Values of `custom-models list --status`."""

    IMPORTING = "importing"
    READY = "ready"
    FAILED = "failed"


class ModelAction(StrEnum):
    """What `models` can do. Without an action it lists."""

    LIST = "list"
    CREATE = "create"
    GET = "get"
    WAIT = "wait"
    DELETE = "delete"


def _confirm(action: ModelAction | None, name: str | None, *, force: bool) -> None:
    if action is ModelAction.DELETE and name is not None:
        confirm_delete(f"the model {name}", force=force)


@command(app, before=_confirm)
async def models(
    cli: Cli,
    action: Annotated[
        ModelAction | None,
        typer.Argument(
            metavar="ACTION",
            help="list is the default. Exoscale: create downloads the model NAME into the zone; "
            "get, wait and delete are for a model in the zone.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="ID|NAME",
            help="Its ID, or its name exactly as on Hugging Face.",
            show_default=False,
        ),
    ] = None,
    hf_token: HFToken = False,
    force: Force = False,
    timeout: Timeout = None,
) -> None:
    """List models that can be deployed, or manage one (Exoscale)."""
    if action is ModelAction.LIST:
        action = None
    if (action is None) != (name is None):
        actions = "|".join(word for word in ModelAction if word is not ModelAction.LIST)
        raise InvalidInputError(f"use `models`, or `models {actions} NAME`")
    if hf_token and action is not ModelAction.CREATE:
        raise InvalidInputError("--hf-token needs `models create NAME`")
    if force and action is not ModelAction.DELETE:
        raise InvalidInputError("--force needs `models delete NAME`")
    async with cli.cloud() as cloud:
        if action is not None and name is not None:
            await _manage(cli, cloud, action, name, hf_token=hf_token, timeout=timeout)
            return
        found, columns = await cloud.models()
    cli.rows(found, columns, none=f"no models {cloud.location}")


async def _manage(
    cli: Cli,
    cloud: "Cloud[Any, Any]",
    action: ModelAction,
    name: str,
    *,
    hf_token: bool,
    timeout: float | None,
) -> None:
    if action is ModelAction.CREATE:
        token = read_hf_token(wanted=hf_token)
        change = await cli.finish(cloud.create_model(name, token))
        model = await wait_and_report(cli, change, timeout=timeout)
    else:
        if cloud.provider is not Provider.EXOSCALE:
            raise cloud.unsupported(f"models {action}")
        known = [model async for model in cloud.client.models.list()]
        model = find_one(known, name, "model", cloud.settings.command_line("models"))
        if action is ModelAction.DELETE:
            await delete_and_report(cli, cloud.client.models.delete(model.id), timeout=timeout)
            return
        if action is ModelAction.WAIT:
            model = await wait_and_report(
                cli, cloud.client.models.begin_wait(model.id), timeout=timeout
            )
    cli.out.one(model, [(key, getattr(model, key)) for key in ("name", "id", "state")])


@command(app)
async def catalog(
    cli: Cli,
    search: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only models whose name contains this.")
    ] = None,
    all: Annotated[
        bool, typer.Option("--all", help="Also those that cannot be deployed, only called.")
    ] = False,
) -> None:
    """List the model catalog (DigitalOcean).

    Shows the models that can be deployed on dedicated GPUs.
    """
    async with digitalocean_for(cli, "catalog") as cloud:
        availability = None if all else "dedicated"
        known = cloud.client.model_catalog(availability=availability, search=search)
        found = [model async for model in known]
    matching = f" with {search!r} in their name" if search else ""
    cli.rows(found, _CATALOG, none=f"no models{matching}")


# -- custom models ------------------------------------------------------------------------------


@command(group, "import")
async def import_model(
    cli: Cli,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new model.")],
    repo: Annotated[
        str | None, typer.Option(metavar="OWNER/NAME", help="Repository on Hugging Face.")
    ] = None,
    commit: Annotated[
        str | None, typer.Option(metavar="SHA", help="Commit of the repository.")
    ] = None,
    bucket: Annotated[str | None, typer.Option(metavar="NAME", help="Spaces bucket.")] = None,
    prefix: Annotated[str | None, typer.Option(metavar="PATH", help="Folder in it.")] = None,
    region: Annotated[
        str | None, typer.Option(metavar="NAME", help="Region of the bucket.")
    ] = None,
    gpu_region: Annotated[
        str | None, typer.Option(metavar="NAME", help="Where it will be deployed.")
    ] = None,
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="Free text.")] = None,
    tag: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="A tag; may be repeated.")
    ] = None,
    hf_token: HFToken = False,
    wait: Wait = True,
    timeout: Timeout = None,
) -> None:
    """Import a model from Hugging Face (--repo) or a Spaces bucket (--bucket).

    Waits until it is ready. Importing accepts the vendor's terms and conditions.
    """
    if (repo is None) == (bucket is None):
        raise InvalidInputError("use --repo OWNER/NAME, or --bucket NAME")
    token = read_hf_token(wanted=hf_token)
    async with digitalocean_for(cli, "custom-models") as cloud:
        from di_async.digitalocean import ModelSource

        source = ModelSource(
            repo_id=repo, commit_sha=commit, bucket=bucket, prefix=prefix, region=region
        )
        change = await cli.finish(
            cloud.client.custom_models.import_model(
                name,
                source=source,
                description=description,
                tags=tag or (),
                hf_token=token,
                preferred_gpu_region=gpu_region,
            )
        )
        await _conclude(cli, change, wait=wait, timeout=timeout)


@command(group, "list")
async def list_custom(
    cli: Cli,
    status: Annotated[
        CustomModelStatus | None,
        typer.Option(case_sensitive=False, help="Only those with this status."),
    ] = None,
) -> None:
    """List the custom models of the team."""
    async with digitalocean_for(cli, "custom-models") as cloud:
        found = [model async for model in cloud.client.custom_models.list(status=status)]
    cli.rows(found, _CUSTOM, none="no custom models")


@command(group, "get")
async def get_custom(cli: Cli, model: _Model) -> None:
    """Show a custom model."""
    async with digitalocean_for(cli, "custom-models") as cloud:
        found = await cloud.client.custom_models.get(await _resolve(cloud, model))
    cli.out.record(found, _CUSTOM, keep=True)


@command(group, "wait")
async def wait_custom(cli: Cli, model: _Model, timeout: Timeout = None) -> None:
    """Wait until a custom model is ready."""
    async with digitalocean_for(cli, "custom-models") as cloud:
        change = cloud.client.custom_models.begin_wait(await _resolve(cloud, model))
        await _conclude(cli, change, wait=True, timeout=timeout)


def _confirm_custom(model: str, *, force: bool) -> None:
    confirm_delete(f"the custom model {model}", force=force)


@command(group, "delete", before=_confirm_custom)
async def delete_custom(
    cli: Cli, model: _Model, force: Force = False, timeout: Timeout = None
) -> None:
    """Delete a custom model permanently."""
    async with digitalocean_for(cli, "custom-models") as cloud:
        id = await _resolve(cloud, model)
        await delete_and_report(cli, cloud.client.custom_models.delete(id), timeout=timeout)


async def _resolve(cloud: "DigitalOceanCloud", ref: str) -> str:
    known = [model async for model in cloud.client.custom_models.list()]
    listing = cloud.settings.command_line("custom-models", "list")
    return find_one(known, ref, "custom model", listing).id


async def _conclude(cli: Cli, change: "Change[Any]", *, wait: bool, timeout: float | None) -> None:
    model = await wait_and_report(cli, change, timeout=timeout) if wait else change.latest
    cli.out.record(model, _CUSTOM, keep=True)
