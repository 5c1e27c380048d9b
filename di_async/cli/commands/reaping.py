"""`di-async reap`: delete temporary deployments that have expired."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from di_async.cli.hints import with_option_names
from di_async.cli.output import Column, format_time
from di_async.cli.run import FAILED, Cli
from di_async.cli.typer_commands import command, new_app

if TYPE_CHECKING:
    from di_async.engine.deployments.reap import Reaped

__all__ = ["app"]

_COLUMNS: "tuple[Column[tuple[str, Reaped]], ...]" = (
    Column("outcome", lambda row: row[0], status=True),
    Column("name", lambda row: row[1].name),
    Column("region", lambda row: row[1].region, minor=True),
    Column("expires", lambda row: format_time(_expiry(row[1])), minor=True),
    Column("per hour", lambda row: _price(row[1]), right=True),
    Column("id", lambda row: row[1].id),
)

app = new_app()


@command(app, "reap")
async def reap_expired(
    cli: Cli,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Delete nothing; show what would be deleted.")
    ] = False,
    prefix: Annotated[
        str, typer.Option(metavar="TEXT", help="Prefix of the names, as passed to temporary().")
    ] = "tmp",
) -> None:
    """Delete expired temporary deployments, and nothing else.

    It deletes what `di-async run` and `temporary()` have left, once the expiry in its name has
    passed by the provider's clock. Exit code 1 if a deletion could not be proven; it may bill.
    """
    from di_async import reap

    async with cli.cloud() as cloud:
        try:
            report = await reap(cloud.client, dry_run=dry_run, prefix=prefix)
        except asyncio.CancelledError:
            left = "Stopped. What has expired and is not deleted bills: run the same command again."
            cli.message("", left, keep=True)
            raise
    done = "would be deleted" if dry_run else "deleted"
    rows = [(done, row) for row in report.deleted]
    rows += [("kept", row) for row in report.kept]
    rows += [("failed", row) for row in report.failed]
    if cli.out.is_table:
        if rows:
            cli.out.rows(rows, _COLUMNS)
        counts = f"{len(report.deleted)} {done}, {len(report.kept)} not expired"
        cli.message(f"{counts}, {len(report.failed)} failed")
    else:
        cli.out.document({"reaped": [_document(outcome, row) for outcome, row in rows]})
    for row in report.failed:
        cli.message(f"failed: {with_option_names(str(row), cli.settings)}")
    if report.failed:
        raise typer.Exit(FAILED)


def _expiry(row: "Reaped") -> datetime | None:
    return None if row.expires_at is None else datetime.fromtimestamp(row.expires_at, UTC)


def _price(row: "Reaped") -> str | None:
    return None if row.hourly_price is None else str(row.hourly_price)


def _document(outcome: str, row: "Reaped") -> dict[str, Any]:
    expiry = _expiry(row)
    return {
        "outcome": outcome,
        "provider": row.provider,
        "id": row.id,
        "name": row.name,
        "region": row.region,
        "expires_at": expiry and expiry.isoformat(timespec="seconds"),
        "hourly_price": _price(row),
        "error": None if row.error is None else str(row.error),
    }
