"""`di-async tokens`: the access tokens of an instance's endpoint (DigitalOcean)."""

from typing import Annotated

import typer

from di_async.cli.commands.files import new_file
from di_async.cli.commands.finding import digitalocean_id
from di_async.cli.commands.settling import token_document
from di_async.cli.commands.showing import TOKENS
from di_async.cli.commands.writing import TokenOut
from di_async.cli.options import Ref, command
from di_async.cli.run import Cli

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        no_args_is_help=True,
        help="The access tokens of an endpoint (DigitalOcean).",
    )
    command(group, "list")(list_tokens)
    command(group)(create)
    command(group)(revoke)
    app.add_typer(group, name="tokens")


async def list_tokens(cli: Cli, ref: Ref) -> None:
    """The tokens, without their values."""
    async with cli.digitalocean() as client:
        id = await digitalocean_id(cli, client, ref)
        rows = [token async for token in client.dedicated_inferences.list_tokens(id)]
    if not rows:
        cli.say("no tokens")
    cli.out.rows(rows, TOKENS)


async def create(
    cli: Cli,
    ref: Ref,
    name: Annotated[str, typer.Argument(help="What to call it.")],
    token_out: TokenOut = None,
) -> None:
    """Make a token. Its value is on stdout this once: the API never shows it again."""
    with new_file(token_out) as file:
        async with cli.digitalocean() as client:
            id = await digitalocean_id(cli, client, ref)
            token = await client.dedicated_inferences.create_token(id, name)
        document = token_document(token, token_out) or {}
        if file and token.value:
            file.write(token.value.reveal() + "\n")
            cli.say(f"the token is in {token_out}")
        fields = [(key, document.get(key)) for key in ("name", "id", "value")]
        cli.out.one(document, fields)


async def revoke(
    cli: Cli, ref: Ref, token_id: Annotated[str, typer.Argument(help="From `tokens list`.")]
) -> None:
    """Revoke a token, at once and for good."""
    async with cli.digitalocean() as client:
        id = await digitalocean_id(cli, client, ref)
        await client.dedicated_inferences.revoke_token(id, token_id)
    cli.say(f"{token_id} is revoked")
    if not cli.out.for_people:
        cli.out.document({"id": token_id, "revoked": True})
