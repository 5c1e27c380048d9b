"""`di-async ensure`: bring one deployment, found by its name, to a spec."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from di_async import InvalidInputError
from di_async.cli.commands.report import Report
from di_async.cli.inputs import WriteOptions, read_hf_token, read_spec
from di_async.cli.options import (
    AllowUnknownPrice,
    HFToken,
    MaxHourly,
    NameTimeout,
    OpenToWorld,
    SpecFile,
    Timeout,
    Wait,
)
from di_async.cli.prices import PriceLimit
from di_async.cli.run import Cli
from di_async.cli.typer_commands import command, new_app

if TYPE_CHECKING:
    from di_async import Ensured

__all__ = ["app"]

app = new_app()


@command(app)
async def ensure(
    cli: Cli,
    spec: SpecFile = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Send no write; show what would be done.")
    ] = False,
    name_timeout: NameTimeout = 0,
    hf_token: HFToken = False,
    open_to_world: OpenToWorld = False,
    max_hourly: MaxHourly = None,
    allow_unknown_price: AllowUnknownPrice = False,
    wait: Wait = True,
    timeout: Timeout = None,
) -> None:
    """Create or update the deployment of a spec, or do nothing.

    The spec's name decides which deployment it is. Waits until it is verified active. After a
    crash or a lost response, run it again: it finds what exists (Exoscale: after two minutes, as
    lists lag). --max-hourly is checked before a create or an update.
    """
    if spec is None:
        raise InvalidInputError("ensure needs a spec: use --spec FILE, or --spec - for stdin")
    limit = PriceLimit.parse(max_hourly, allow_unknown=allow_unknown_price)
    options = WriteOptions(
        spec=read_spec(spec),
        hf_token=read_hf_token(wanted=hf_token),
        open_to_world=open_to_world or None,
    )
    async with cli.cloud() as cloud:
        cloud.check_options("create", options)
        ensuring = cloud.ensure(
            options,
            dry_run=dry_run,
            name_timeout=name_timeout,
            max_hourly=limit.by_currency or None,
            allow_unknown_price=limit.allow_unknown,
        )
        done = await cli.finish(ensuring)
        _print_done(cli, done, dry_run=dry_run)
        if done.change is None:
            if not cli.out.is_table:
                cli.out.document(_document(done))
            return
        report = Report(cli, cloud, done.change, ensured=_document(done))
        await report.conclude(wait=wait, timeout=timeout)


def _print_done(cli: Cli, done: "Ensured[Any]", *, dry_run: bool) -> None:
    """Print what was done and why; the one-time token of a create is printed once."""
    if done.duplicates:
        cli.message(
            f"warning: {len(done.duplicates)} more of that name exist and bill: "
            f"{', '.join(done.duplicates)}",
            keep=True,
        )
    if not cli.out.is_table:
        return
    would = "would be " if dry_run and done.action != "unchanged" else ""
    token = done.change.access_token if done.change is not None else None
    fields = [
        ("ensured", f"{would}{done.action}"),
        ("id", done.id),
        *(("differs", line) for line in done.diff),
        ("access token", token.value.reveal() if token and token.value else None),
    ]
    cli.out.one(None, fields, keep=True)
    if token:
        cli.message("Store the access token now: the API never returns it again.")


def _document(done: "Ensured[Any]") -> dict[str, Any]:
    return {
        "ensured": done.action,
        "id": done.id,
        "diff": list(done.diff),
        "duplicates": list(done.duplicates),
    }
