"""`di-async apply`: create and update the deployments of a fleet file."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from attrs import evolve, field, frozen

from di_async import DIError, InvalidInputError
from di_async.cli.commands import apply_output
from di_async.cli.confirm import can_ask, confirmed
from di_async.cli.files import new_file, write_token
from di_async.cli.inputs import read_hf_token, read_input
from di_async.cli.options import (
    AllowUnknownPrice,
    HFToken,
    MaxHourly,
    NameTimeout,
    Timeout,
    TokenOut,
)
from di_async.cli.output import changes_continue, is_live
from di_async.cli.prices import PriceLimit
from di_async.cli.run import FAILED, TIMED_OUT, Cli
from di_async.cli.settings import Provider, option_names
from di_async.cli.signals import finish_write
from di_async.cli.typer_commands import command, new_app

if TYPE_CHECKING:
    from di_async import Change
    from di_async.engine.client import Client
    from di_async.fleet.apply_report import ApplyReport
    from di_async.fleet.applying import FleetRun
    from di_async.fleet.fleet_file import Fleet

__all__ = ["app"]

app = new_app()


@command(app, "apply")
async def apply_fleet(
    cli: Cli,
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="Fleet file in YAML or JSON; '-' reads stdin.")
    ],
    plan: Annotated[
        bool,
        typer.Option(
            "--plan", "--dry-run", help="Show what would be done and its price; change nothing."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune",
            help="Delete what an earlier apply of this fleet made and is no longer in the file.",
        ),
    ] = False,
    max_hourly: MaxHourly = None,
    allow_unknown_price: AllowUnknownPrice = False,
    concurrency: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Deployments that are read or written at a time."),
    ] = 10,
    name_timeout: NameTimeout = 0,
    hf_token: HFToken = False,
    token_out: TokenOut = None,
    timeout: Timeout = None,
) -> None:
    """Create and update the deployments of a fleet file.

    They may be on several providers. Prints a plan with prices and asks for confirmation; waits
    until all are active. One failure does not stop the others. Deployments that match the file
    are left unchanged, so it can be run again, also after Ctrl-C or a crash. The documentation's
    page "Fleets" has the file's format.

    Credentials are read from the environment. --max-hourly is the limit for the whole fleet.
    """
    from di_async import Fleet
    from di_async.fleet.applying import check_fleet_price

    limit = PriceLimit.parse(max_hourly, allow_unknown=allow_unknown_price)
    _check_settings(cli)
    fleet = Fleet.from_text(read_input(file, "fleet file"), source="stdin" if file == "-" else file)
    if not (yes or plan) and not can_ask():
        raise InvalidInputError(
            "apply asks for confirmation, and stdin is not a terminal: use --yes"
        )
    token = read_hf_token(wanted=hf_token)
    more = {"access_tokens": {"hugging_face_token": token}} if token else {}
    options = {"digitalocean": more}
    with new_file(token_out) as tokens:
        async with _clients(cli, fleet) as (clients, unsearched):
            work = _Apply(cli, clients, token_out)
            run = work.prepare(fleet, options, concurrency, timeout, name_timeout)
            with _reading(cli, len(run.items)):
                planned = await run.plan(prune=prune, priced=True)
            planned = evolve(planned, unsearched=(*planned.unsearched, *unsearched))
            if planned.has_work or planned.failed:
                apply_output.print_plan(cli, planned)
                check_fleet_price(
                    planned, limit.by_currency or None, allow_unknown_price=limit.allow_unknown
                )
                apply_output.print_not_on_offer(cli, planned)
            if plan or not planned.has_work:
                _conclude(cli, planned if plan else evolve(planned, dry_run=False))
                return
            if not yes and not await confirmed(cli, "Apply this plan?"):
                cli.message("nothing was changed")
                raise typer.Exit(FAILED)
            report = None
            try:
                report = await work.carry_out(run, planned)
            finally:
                done = report or run.report(planned)
                failure = _write_tokens(done, tokens)
                in_file = None if failure or tokens is None else token_out
                apply_output.print_tokens(cli, done.results, in_file)
                if failure:
                    cli.message(f"cannot write the access tokens to {token_out}: {failure}")
                if report is None:
                    apply_output.print_interrupted(cli, done, in_file)
            _conclude(cli, done, in_file, planned=True, prune=prune)


def _check_settings(cli: Cli) -> None:
    explicit = cli.settings.explicit_options & {"provider", "token_file", "zone"}
    if explicit:
        names = " and ".join(option_names(explicit))
        raise InvalidInputError(
            f"{names} cannot be combined with `apply`: the file names providers and places, and "
            "credentials are in the environment"
        )


@asynccontextmanager
async def _clients(
    cli: Cli, fleet: "Fleet"
) -> "AsyncIterator[tuple[list[Client], list[tuple[str, DIError]]]]":
    """Connect to the providers of a fleet, and to others that an earlier apply may have used.

    Yields the clients, and the errors of others that could not be connected to.
    """
    from di_async.cli.clouds import cloud_class

    clients: list[Client] = []
    unsearched: list[tuple[str, DIError]] = []
    async with AsyncExitStack() as stack:
        for provider in (Provider.DIGITALOCEAN, Provider.EXOSCALE, Provider.GCORE):
            cloud = cloud_class(provider)
            needed = str(provider) in fleet.providers
            has_credentials = any(one.value for one in cloud.credentials)
            if not needed and (fleet.name is None or not has_credentials):
                continue
            try:
                settings = evolve(cli.settings, provider=provider, by_environment=True)
                client = cloud.connect(settings)
            except DIError as error:
                if needed:
                    raise
                unsearched.append((str(provider), error))
            else:
                clients.append(await stack.enter_async_context(client))
        yield clients, unsearched


@contextmanager
def _reading(cli: Cli, count: int) -> Iterator[None]:
    """Show on a terminal that deployments are being read."""
    if not is_live(cli.err):
        yield
        return
    with cli.err.status(f"reading {count} deployment{'s' * (count != 1)}", spinner="line"):
        yield


@frozen
class _Apply:
    """One run with its progress."""

    cli: Cli
    clients: "Sequence[Client]"
    token_out: Path | None
    changes: "list[Change[Any]]" = field(factory=list)

    def prepare(
        self,
        fleet: "Fleet",
        options: dict[str, dict[str, Any]],
        concurrency: int,
        timeout: float | None,
        name_timeout: float,
    ) -> "FleetRun":
        from di_async.engine.waiting.change import DEFAULT
        from di_async.fleet.applying import FleetRun

        return FleetRun.prepare(
            fleet,
            self.clients,
            concurrency=concurrency,
            timeout=DEFAULT if timeout is None else timeout,
            name_timeout=name_timeout,
            options=options,
            on_change=self.changes.append,
            finish=self._finish_once(),
        )

    def _finish_once(self) -> Any:
        """Return what awaits a write; that it is finished first is announced once."""
        announced: list[bool] = []

        def announce() -> None:
            if not announced:
                announced.append(True)
                self.cli.message("Stopping after the responses to the requests in flight.")

        return lambda write: finish_write(write, announce)

    async def carry_out(self, run: "FleetRun", planned: "ApplyReport") -> "ApplyReport":
        from di_async.cli.bulk_progress import BulkProgress, show_progress, sum_of_stats

        progress = BulkProgress(
            f"applying {len(planned.changed) + len(planned.unsettled)}",
            lambda: sum_of_stats([one.stats() for one in self.clients]),
            changes=self.changes,
        )
        try:
            return await show_progress(self.cli.err, progress, run.carry_out(planned))
        except asyncio.CancelledError:
            going = sum(change.outcome is None for change in self.changes)
            again = _run_again(run.report(planned), self.token_out)
            self.cli.message("", f"Stopped. {changes_continue(going)}{again} to go on.", keep=True)
            raise


def _run_again(done: "ApplyReport", token_file: Path | None) -> str:
    """Return the advice to run the command again; a file that holds tokens is not overwritten."""
    held = token_file is not None and apply_output.token_lines(done.results)
    return "Run the same command again" + (", with another file for --token-out," if held else "")


def _write_tokens(done: "ApplyReport", file: Any) -> str | None:
    """Write the one-time tokens to a file, a line each; return what failed."""
    lines = apply_output.token_lines(done.results)
    return write_token(file, "\n".join(lines)) if lines else None


def _conclude(
    cli: Cli, report: "ApplyReport", token_file: Path | None = None, **printed: bool
) -> None:
    """Print the report, and end with an exit code unless all is well."""
    apply_output.print_report(cli, report, token_file, **printed)
    if report.failed or report.unsearched:
        raise typer.Exit(FAILED)
    if report.pending:
        again = _run_again(report, token_file)
        cli.message(f"Pending changes go on, and are billed. {again} to wait.")
        raise typer.Exit(TIMED_OUT)
