"""`di-async tokens`: the access tokens of an instance's endpoint (DigitalOcean)."""

from typing import TYPE_CHECKING, Annotated

import typer

from di_async.cli.commands.report import finish_and_report, report_stored, token_document
from di_async.cli.files import new_file, write_token
from di_async.cli.options import Ref, TokenOut
from di_async.cli.output import Column, format_time
from di_async.cli.providers import digitalocean_for
from di_async.cli.references import find_one
from di_async.cli.run import Cli
from di_async.cli.typer_commands import command, new_app, new_group

if TYPE_CHECKING:
    from di_async.digitalocean import AccessToken

__all__ = ["app"]

_TOKENS: "tuple[Column[AccessToken], ...]" = (
    Column("name", lambda t: t.name),
    Column("id", lambda t: t.id),
    Column("created", lambda t: format_time(t.created_at), wide=True),
    Column("managed", lambda t: "yes" if t.is_managed else "no", wide=True),
)

app = new_app()
group = new_group("tokens", "Manage the access tokens of an endpoint (DigitalOcean).")
app.add_typer(group)


@command(group, "list")
async def list_tokens(cli: Cli, ref: Ref) -> None:
    """List the tokens of an instance, without their values."""
    async with digitalocean_for(cli, "tokens") as cloud:
        found = [token async for token in cloud.api.list_tokens(await cloud.resolve_id(ref))]
    cli.rows(found, _TOKENS, none="no tokens")


@command(group)
async def create(
    cli: Cli,
    ref: Ref,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new token.")],
    token_out: TokenOut = None,
) -> None:
    """Create a token. Its value is shown only once."""
    with new_file(token_out) as file:
        async with digitalocean_for(cli, "tokens") as cloud:
            id = await cloud.resolve_id(ref)
            token = await cli.finish(cloud.api.create_token(id, name))
            failure = write_token(file, token.value.reveal()) if token.value else None
            in_file = file is not None and failure is None
            document = token_document(token, token_out if in_file else None) or {}
            fields = [(key, document.get(key)) for key in ("name", "id", "value")]
            cli.out.one(document, fields, keep=True)
            report_stored(cli, "token", token_out, failure)


@command(group)
async def revoke(
    cli: Cli,
    ref: Ref,
    token: Annotated[
        str, typer.Argument(metavar="TOKEN", help="ID or name of the token, from `tokens list`.")
    ],
) -> None:
    """Revoke a token permanently."""
    async with digitalocean_for(cli, "tokens") as cloud:
        id = await cloud.resolve_id(ref)
        tokens = [known async for known in cloud.api.list_tokens(id)]
        listing = cloud.settings.command_line("tokens", "list", ref)
        token_id = find_one(tokens, token, "token", listing).id
        revoking, document = cloud.api.revoke_token(id, token_id), {"id": token_id, "revoked": True}
        await finish_and_report(cli, revoking, f"revoked {token_id}", document)
