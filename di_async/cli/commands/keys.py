"""`di-async keys`: API keys for the endpoints of deployments (Gcore, Exoscale)."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from di_async import InvalidInputError
from di_async.cli.commands.report import delete_and_report, finish_and_report, report_stored
from di_async.cli.confirm import Force, confirm_delete
from di_async.cli.files import new_file, write_token
from di_async.cli.options import Timeout, TokenOut
from di_async.cli.output import Column, format_time
from di_async.cli.providers import cloud_for
from di_async.cli.references import find_one
from di_async.cli.run import Cli
from di_async.cli.settings import Provider
from di_async.cli.typer_commands import command, new_app, new_group

if TYPE_CHECKING:
    from di_async.cli.clouds.base import Cloud

__all__ = ["app"]

_GCORE_COLUMNS: tuple[Column[Any], ...] = (
    Column("name", lambda key: key.name),
    Column("description", lambda key: key.description),
    Column("expires", lambda key: format_time(key.expires_at)),
    Column("deployments", lambda key: ",".join(key.deployment_names), wide=True),
    Column("created", lambda key: format_time(key.created_at), wide=True),
)
_EXOSCALE_COLUMNS: tuple[Column[Any], ...] = (
    Column("name", lambda key: key.name),
    Column("scope", lambda key: key.scope),
    Column("id", lambda key: key.id),
    Column("created", lambda key: format_time(key.created_at), wide=True),
)
_Key = Annotated[str, typer.Argument(metavar="KEY", help="Name of the key; Exoscale: or its ID.")]

app = new_app()
group = new_group("keys", "Manage API keys of endpoints (Gcore, Exoscale).")
app.add_typer(group)


@command(group, "list")
async def list_keys(cli: Cli) -> None:
    """List the API keys, without their values."""
    async with cloud_for(cli, "keys") as cloud:
        found = [key async for key in cloud.client.api_keys.list()]
    cli.rows(found, _columns(cloud), none="no API keys")


@command(group)
async def create(
    cli: Cli,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new key.")],
    description: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What it is for (Gcore).")
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When it stops working, in ISO 8601, UTC (Gcore)."),
    ] = None,
    scope: Annotated[
        str | None,
        typer.Option(
            metavar="ID|NAME|public",
            help="The deployment that accepts it; public: every one, as Exoscale documents it.",
            show_default="public",
        ),
    ] = None,
    token_out: TokenOut = None,
) -> None:
    """Create an API key. Its value is shown only once.

    Gcore: a deployment accepts the keys that its spec names in api_keys.
    """
    given = {"--description": description, "--expires": expires, "--scope": scope}
    with new_file(token_out) as file:
        async with cloud_for(cli, "keys") as cloud:
            _check_options(cli, given)
            if cloud.provider is Provider.EXOSCALE:
                where = scope or "public"
                id = where if where == "public" else await cloud.resolve_id(where)
                writing = cloud.client.api_keys.create(name, scope=id)
            else:
                writing = cloud.client.api_keys.create(
                    name, description=description, expires_at=expires
                )
            key = await cli.finish(writing)
            value = key.value if cloud.provider is Provider.EXOSCALE else key.secret
            failure = write_token(file, value.reveal()) if value else None
            in_file = file is not None and failure is None
            document = {
                "name": key.name,
                "id": getattr(key, "id", key.name),
                "value": value.reveal() if value and not in_file else None,
                **({"file": str(token_out)} if in_file else {}),
            }
            cli.out.one(document, document.items(), keep=True)
            report_stored(cli, "key", token_out, failure)


@command(group)
async def get(cli: Cli, key: _Key) -> None:
    """Show an API key, without its value."""
    async with cloud_for(cli, "keys") as cloud:
        found = await _find(cloud, key)
    cli.out.record(found, _columns(cloud))


def _confirm(key: str, *, force: bool) -> None:
    confirm_delete(f"the API key {key}", force=force)


@command(group, before=_confirm)
async def delete(cli: Cli, key: _Key, force: Force = False, timeout: Timeout = None) -> None:
    """Delete an API key permanently. Requests with it are refused from then on."""
    async with cloud_for(cli, "keys") as cloud:
        if cloud.provider is Provider.EXOSCALE:
            id = (await _find(cloud, key)).id
            await delete_and_report(cli, cloud.client.api_keys.delete(id), timeout=timeout)
        else:
            deleting, document = cloud.client.api_keys.delete(key), {"id": key, "deleted": True}
            await finish_and_report(cli, deleting, f"deleted {key}", document)


def _columns(cloud: "Cloud[Any, Any]") -> tuple[Column[Any], ...]:
    return _EXOSCALE_COLUMNS if cloud.provider is Provider.EXOSCALE else _GCORE_COLUMNS


def _check_options(cli: Cli, given: dict[str, str | None]) -> None:
    """Check that the provider has the options. Raises `InvalidInputError`."""
    supported = (
        {"--scope"}
        if cli.settings.provider is Provider.EXOSCALE
        else {"--description", "--expires"}
    )
    wrong = [name for name, value in given.items() if value is not None and name not in supported]
    if wrong:
        raise InvalidInputError(
            f"{', '.join(wrong)}: not supported by `keys create` with --provider "
            f"{cli.settings.provider}; supported: {', '.join(sorted(supported))}"
        )


async def _find(cloud: "Cloud[Any, Any]", ref: str) -> Any:
    """Return the key of this name, or at Exoscale of this id."""
    if cloud.provider is not Provider.EXOSCALE:
        return await cloud.client.api_keys.get(ref)
    known = [key async for key in cloud.client.api_keys.list()]
    return find_one(known, ref, "API key", cloud.settings.command_line("keys", "list"))
