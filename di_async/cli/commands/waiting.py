"""`di-async wait --all`: all with which something is under way."""

import asyncio
from collections.abc import Sequence
from typing import Any

import typer

from di_async import Change, WaitReport, wait_all
from di_async.cli.clouds import Cloud, Goal
from di_async.cli.crowd import Crowd, shown, state_of
from di_async.cli.output import Column
from di_async.cli.run import FAILED, TIMED_OUT, Cli
from di_async.engine.change import DEFAULT, Timeout

__all__ = ["wait_for_all"]

_COLUMNS: tuple[Column[tuple[Change[Any], str]], ...] = (
    Column("name", lambda row: getattr(row[0].latest, "name", None)),
    Column("state", lambda row: state_of(row[0]), status=True),
    Column("outcome", lambda row: row[1]),
    Column("id", lambda row: row[0].id),
)


async def wait_for_all(cli: Cli, region: Sequence[str], timeout: float | None) -> None:
    """Wait for them, show it, and report each.

    Raises:
        typer.Exit: with 1 if any failed, else with 3 if any is still pending.
    """
    again = f"Go on waiting with: {cli.settings.line('wait', '--all')}"
    async with cli.cloud() as cloud:
        changes = await _under_way(cloud, region)
        if not changes:
            cli.say("nothing is under way" + (f" in {', '.join(region)}" if region else ""))
        crowd = Crowd("waiting", cloud.client.stats, changes=changes)
        try:
            seconds: Timeout = DEFAULT if timeout is None else timeout
            report = await shown(cli.err, crowd, wait_all(changes, timeout=seconds))
        except asyncio.CancelledError:
            cli.say(f"\nStopped waiting. What was under way ({len(changes)}) goes on, and bills.")
            cli.say(again)
            raise
    _tell(cli, report)
    if report.failed:
        raise typer.Exit(FAILED)
    if report.pending:
        cli.say(f"What is pending was left alone. {again}")
        raise typer.Exit(TIMED_OUT)


async def _under_way(cloud: Cloud[Any, Any], regions: Sequence[str]) -> list[Change[Any]]:
    changes: dict[str, Change[Any]] = {}
    for region in dict.fromkeys(regions) or (None,):
        async for found in cloud.rows(region=region):
            if goal := cloud.under_way(found):
                id, deleted = cloud.id_in(found), goal is Goal.DELETED
                changes[id] = cloud.api.begin_wait(id, deleted=deleted, seen=found)
    return list(changes.values())


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
