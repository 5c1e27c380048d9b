"""`di-async wait`: wait for one resource, for all with a change in progress, or resume a wait."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from di_async import InvalidInputError
from di_async.cli.commands.report import Report
from di_async.cli.hints import error_line
from di_async.cli.inputs import WaitTarget
from di_async.cli.options import Timeout
from di_async.cli.output import changes_continue
from di_async.cli.references import UnknownNameError
from di_async.cli.run import FAILED, TIMED_OUT, Cli
from di_async.cli.typer_commands import command, new_app

if TYPE_CHECKING:
    from di_async import Change, WaitReport
    from di_async.cli.clouds.base import Cloud

__all__ = ["app", "wait_for_all"]

app = new_app()


@command(app, "wait")
async def wait_for(
    cli: Cli,
    ref: Annotated[
        str | None,
        typer.Argument(
            metavar="ID|NAME", help="ID or name of the resource to wait for.", show_default=False
        ),
    ] = None,
    target: Annotated[
        WaitTarget | None, typer.Option("--for", help="Target state.", show_default="active")
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN",
            help="Resume the wait of this token; its deadline is kept, unless it has passed or "
            "--timeout is set.",
        ),
    ] = None,
    all_changes: Annotated[
        bool, typer.Option("--all", help="Wait for every resource with a change in progress.")
    ] = False,
    region: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="With --all: only this region. Can be repeated."),
    ] = None,
    timeout: Timeout = None,
) -> None:
    """Wait for a resource, or for all changes in progress.

    With --for deleted, a resource that no read shows counts as deleted, with a warning: it may be
    in another team, zone or project, and be billed there.
    """
    if [ref is not None, resume is not None, all_changes].count(True) != 1:
        raise InvalidInputError("use exactly one of: an ID or name, --all, --resume TOKEN")
    if all_changes and target:
        raise InvalidInputError("--for cannot be combined with --all")
    if region and not all_changes:
        raise InvalidInputError("--region needs --all")
    if all_changes:
        await wait_for_all(cli, region or [], timeout)
        return
    async with cli.cloud() as cloud:
        if resume is not None:
            change = cloud.resume(resume)
        else:
            try:
                id = await cloud.resolve_id(ref or "")
            except UnknownNameError as error:
                if target is not WaitTarget.DELETED:
                    raise
                _report_gone(cli, ref or "", error)
                return
            change = cloud.api.begin_wait(id, deleted=target is WaitTarget.DELETED)
        await Report(cli, cloud, change).conclude(wait=True, timeout=timeout)
        if target is WaitTarget.DELETED and resume is None and change.latest is None:
            where = f"no read has shown it {cloud.location}"
            cli.message(f"warning: {where}; if it exists elsewhere, it still bills", keep=True)


def _report_gone(cli: Cli, ref: str, error: UnknownNameError) -> None:
    cli.message(f"warning: {error}. It counts as deleted")
    if not cli.out.is_table:
        cli.out.document({"name": ref, "action": "delete", "outcome": "settled"})


async def wait_for_all(cli: Cli, regions: Sequence[str], timeout: float | None) -> None:
    """Wait for all changes in progress, with progress, and report each.

    Raises:
        typer.Exit: with 1 if any failed, else with 3 if any is still pending.
    """
    from di_async import wait_all
    from di_async.cli.bulk_progress import BulkProgress, show_progress
    from di_async.engine.waiting.change import DEFAULT

    words = [word for region in regions for word in ("--region", region)]
    resume = f"Resume waiting with: {cli.settings.command_line('wait', '--all', *words)}"
    async with cli.cloud() as cloud:
        changes = await _changes_in_progress(cloud, regions)
        if not changes:
            where = f" in {', '.join(regions)}" if regions else ""
            where += await cloud.region_note(*regions)
            cli.message(f"no changes in progress{where}")
            if not cli.out.is_table:
                cli.out.document([])
            return
        progress = BulkProgress("waiting", cloud.client.stats, changes=changes)
        waiting = wait_all(changes, timeout=DEFAULT if timeout is None else timeout)
        try:
            report = await show_progress(cli.err, progress, waiting)
        except asyncio.CancelledError:
            going = changes_continue(sum(change.outcome is None for change in changes))
            cli.message("", f"Stopped waiting. {going}{resume}", keep=True)
            if not cli.out.is_table:
                ends = {None: "interrupted", "settled": "settled"}
                rows = [_document(one, ends.get(one.outcome, "failed")) for one in changes]
                cli.out.document(rows, keep=True)
            raise
    _print_report(cli, report)
    if report.failed:
        raise typer.Exit(FAILED)
    if report.pending:
        cli.message(f"Pending changes were left unchanged. {resume}")
        raise typer.Exit(TIMED_OUT)


async def _changes_in_progress(
    cloud: "Cloud[Any, Any]", regions: Sequence[str]
) -> "list[Change[Any]]":
    changes: dict[str, Change[Any]] = {}
    for region in dict.fromkeys(regions) or (None,):
        async for resource in cloud.resources(region=region):
            if target := cloud.pending_target(resource):
                id, deleted = cloud.id_of(resource), target is WaitTarget.DELETED
                changes[id] = cloud.api.begin_wait(id, deleted=deleted, seen=resource)
    return list(changes.values())


def _print_report(cli: Cli, report: "WaitReport[Any]") -> None:
    from di_async.cli.bulk_progress import REPORT_COLUMNS

    rows = [(change, "settled") for change in report.succeeded]
    rows += [
        (change, f"failed: {error_line(error, cli.settings)}") for change, error in report.failed
    ]
    rows += [(change, "timed_out") for change in report.pending]
    if cli.out.is_table:
        cli.out.rows(rows, REPORT_COLUMNS)
    else:
        cli.out.document([_document(change, outcome) for change, outcome in rows])


def _document(change: "Change[Any]", outcome: str) -> dict[str, Any]:
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
