"""`di-async wait --all`: every instance of the account with which something is under way."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import typer

from di_async import Change, DigitalOcean, WaitReport, wait_all
from di_async.cli.crowd import Crowd, shown, state_of
from di_async.cli.output import Column
from di_async.cli.run import FAILED, TIMED_OUT, Cli
from di_async.core.stages import ResumeToken, Stage
from di_async.digitalocean.lifecycle import is_pending
from di_async.engine.change import DEFAULT, Timeout

__all__ = ["wait_for_all", "waiting_token"]

_COLUMNS: tuple[Column[tuple[Change[Any], str]], ...] = (
    Column("name", lambda row: getattr(row[0].latest, "name", None)),
    Column("state", lambda row: state_of(row[0]), status=True),
    Column("outcome", lambda row: row[1]),
    Column("id", lambda row: row[0].id),
)


def waiting_token(client: DigitalOcean, id: str, action: str) -> str:
    """A wait that begins now, as a token: `resume` gives a change, whose events can be shown."""
    return ResumeToken(
        provider=client.provider,
        base_url=client.base_url,
        stage=Stage("dedicated-inference", id),
        action=action,
        started_at=time.time(),
    ).encode()


async def wait_for_all(cli: Cli, region: Sequence[str], timeout: float | None) -> None:
    """Wait for them, show it, and report each.

    Raises:
        typer.Exit: with 1 if any failed, else with 3 if any is still pending.
    """
    async with cli.client() as client:
        changes = await _under_way(client, region)
        if not changes:
            cli.say("nothing is under way" + (f" in {', '.join(region)}" if region else ""))
        crowd = Crowd("waiting", client.stats, changes=changes)
        try:
            seconds: Timeout = DEFAULT if timeout is None else timeout
            report = await shown(cli.err, crowd, wait_all(changes, timeout=seconds))
        except asyncio.CancelledError:
            cli.say(f"\nStopped waiting. What was under way ({len(changes)}) goes on, and bills.")
            cli.say("Go on waiting with: di-async wait --all")
            raise
    _tell(cli, report)
    if report.failed:
        raise typer.Exit(FAILED)
    if report.pending:
        cli.say("What is pending was left alone. Go on waiting with: di-async wait --all")
        raise typer.Exit(TIMED_OUT)


async def _under_way(client: DigitalOcean, regions: Sequence[str]) -> list[Change[Any]]:
    changes = []
    for region in dict.fromkeys(regions) or (None,):
        async for di in client.dedicated_inferences.list(region=region):
            if is_pending(di.status, di.pending_deployment_spec is not None):
                action = "delete" if di.status == "deleting" else "active"
                token = waiting_token(client, di.id, action)
                change = client.dedicated_inferences.resume(token)
                change.initial = di  # what is shown until the first look
                changes.append(change)
    return changes


def _tell(cli: Cli, report: WaitReport[Any]) -> None:
    rows = [(change, "settled") for change in report.succeeded]
    rows += [(change, f"failed: {error}") for change, error in report.failed]
    rows += [(change, "timed_out") for change in report.pending]
    if cli.out.for_people:
        cli.out.rows(rows, _COLUMNS)
    else:
        cli.out.document([_document(change, outcome) for change, outcome in rows])


def _document(change: Change[Any], outcome: str) -> dict[str, Any]:
    word, _, error = outcome.partition(": ")
    return {
        "id": change.id,
        "name": getattr(change.latest, "name", None),
        "action": change.action,
        "outcome": word,
        "error": error or None,
        "status": getattr(change.latest, "status", None),
        "requests": change.requests,
        "resume_token": change.resume_token,
    }
