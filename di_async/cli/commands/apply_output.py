"""What `di-async apply` prints: the plan, the report, and one-time tokens."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve

from di_async import InvalidInputError
from di_async.cli.hints import error_line, hint, with_option_names
from di_async.cli.output import Column
from di_async.cli.run import Cli
from di_async.cli.settings import Provider, Settings

if TYPE_CHECKING:
    from di_async import DIError
    from di_async.fleet.apply_report import Applied, ApplyReport

__all__ = [
    "document",
    "print_interrupted",
    "print_not_on_offer",
    "print_plan",
    "print_report",
    "print_tokens",
    "token_lines",
]

_LISTED = 20
# Options in hints that `apply` refuses, and what it has instead.
_INSTEAD = {
    "--zone (EXOSCALE_ZONE)": "the zone in the file",
    "--zone, EXOSCALE_ZONE": "the zone in the file",
    " (or the two lines of --token-file)": "",
    " or --token-file": "",
    "add --ready-timeout 600 to wait for its end.": "run the same command again after it.",
    ", or use --ready-timeout SECONDS": "",
}
_PLANNED = {"created": "create", "updated": "update", "deleted": "delete", "failed": "cannot"}

PLAN_COLUMNS: "tuple[Column[Applied], ...]" = (
    Column("plan", lambda r: _planned_word(r), status=True),
    Column("provider", lambda r: r.provider),
    Column("region", lambda r: r.region, minor=True),
    Column("name", lambda r: r.name),
    Column("per hour", lambda r: r.hourly_price and f"{r.hourly_price.amount:,.2f}", right=True),
    Column("currency", lambda r: r.hourly_price and r.hourly_price.currency, minor=True),
)
REPORT_COLUMNS: "tuple[Column[Applied], ...]" = (
    Column("outcome", lambda r: _outcome(r), status=True),
    Column("provider", lambda r: r.provider),
    Column("region", lambda r: r.region, minor=True),
    Column("name", lambda r: r.name),
    Column("resource id", lambda r: r.id, wide=True),
)


def _planned_word(result: "Applied") -> str:
    if result.action == "unchanged":
        return "wait for"
    return _PLANNED[result.action]


def _outcome(result: "Applied") -> str:
    if result.error is None:
        return result.action
    return "pending" if result.pending else "failed"


def print_plan(cli: Cli, plan: "ApplyReport") -> None:
    """Print what would be done, and the totals."""
    if cli.out.is_table:
        shown = [r for r in plan.results if r.action != "unchanged" or not r.active]
        cli.out.rows(shown, PLAN_COLUMNS, details=lambda result: _details(cli, result))
    cli.message(*_totals(plan))
    _print_warnings(cli, plan, prune=False)


def _details(cli: Cli, result: "Applied") -> Iterator[str]:
    """Yield the lines below a row of the plan."""
    if result.action == "updated":
        yield from result.diff
    if result.error is not None:
        yield _error_text(cli, result, result.error)


def _error_text(cli: Cli, result: "Applied", error: "DIError") -> str:
    """Return an error's message with the names of options, and of keys of the file."""
    if not isinstance(error, InvalidInputError):
        return error_line(error, _settings_of(cli, result)).replace("; see --zone", "")
    text = str(error).replace("pass open_to_world=True", "set `open_to_world: true` in the file")
    return with_option_names(text, _settings_of(cli, result), spec=bool(error.problems))


def _totals(plan: "ApplyReport") -> Iterator[str]:
    yield plan.summary()
    sums = [f"{amount:,.2f} {currency}/h" for currency, amount in plan.hourly.items()]
    if plan.unknown_price:
        sums.append(f"{plan.unknown_price} of unknown price")
    if sums:
        yield f"the whole fleet: {', '.join(sums)}"


def print_not_on_offer(cli: Cli, plan: "ApplyReport") -> None:
    """Print which deployments the provider will probably refuse."""
    if plan.not_on_offer:
        cli.message("warning: not on offer:", *_listed(plan.not_on_offer))


def _listed(lines: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a list, the first ones if there are many."""
    yield from (f"  {line}" for line in lines[:_LISTED])
    if len(lines) > _LISTED:
        yield f"  ... and {len(lines) - _LISTED} more"


def _print_warnings(cli: Cli, report: "ApplyReport", *, prune: bool) -> None:
    for result in report.results:
        if result.duplicates:
            cli.message(
                f"warning: {len(result.duplicates)} more named {result.name} exist and bill: "
                f"{', '.join(result.duplicates)}",
                keep=True,
            )
    tried = {result.id for result in report.results if result.error is not None}
    leftovers = [one for one in report.leftovers if one.id not in tried]
    if leftovers:
        what = "not deleted, as not all else succeeded" if prune else "billed"
        cli.message(
            f"warning: made by an earlier apply, not in the file, and {what} ({len(leftovers)}):",
            *_listed([f"{one.provider} {one.name}" for one in leftovers]),
            *(() if prune else ("--prune deletes them",)),
        )
    for provider, error in report.unsearched:
        why = with_option_names(str(error), cli.settings)
        cli.message(f"failed: {provider} was not searched for earlier deployments: {why}")


def print_report(
    cli: Cli,
    report: "ApplyReport",
    token_file: Path | None = None,
    *,
    planned: bool = False,
    prune: bool = False,
) -> None:
    """Print what was done: on stdout what changed or failed, on stderr the counts.

    Of a plan, which was printed before, only a document is left to print.

    `planned`: the plan has shown the warnings. `prune`: what is left over was to be deleted.
    """
    if not cli.out.is_table:
        cli.out.document(document(cli, report, token_file=token_file), keep=True)
    if report.dry_run and (report.has_work or report.failed):
        return
    if cli.out.is_table:
        cli.out.rows([r for r in report.results if _is_shown(r)], REPORT_COLUMNS)
    for result in report.results:
        if result.error is not None:
            text = _error_text(cli, result, result.error)
            cli.message(f"{_outcome(result)}: {result.name}: {text}")
    cli.message(*dict.fromkeys(filter(None, (_hint_of(cli, one) for one in report.failed))))
    cli.message(report.summary())
    if prune or not planned:
        _print_warnings(cli, report, prune=prune)


def _hint_of(cli: Cli, result: "Applied") -> str | None:
    """Return what to do about a failure, as `create` prints it."""
    if result.error is None:
        return None
    found = hint(result.error, _settings_of(cli, result))
    for option, instead in _INSTEAD.items():
        found = found and found.replace(option, instead)
    return found


def _settings_of(cli: Cli, result: "Applied") -> Settings:
    """Return the settings that select the provider and zone of a deployment."""
    provider = Provider(result.provider)
    zone = result.region if provider is Provider.EXOSCALE else None
    return evolve(cli.settings, provider=provider, zone=zone)


def print_interrupted(cli: Cli, done: "ApplyReport", token_file: Path | None) -> None:
    """Print what was done until the command was stopped, as a document."""
    if not cli.out.is_table:
        found = document(cli, done, interrupted=True, token_file=token_file)
        cli.out.document(found, keep=True)


def _is_shown(result: "Applied") -> bool:
    return result.action != "unchanged" or result.error is not None


def token_lines(results: "Iterable[Applied]") -> list[str]:
    """Return the one-time tokens, each after the name of its deployment."""
    return [
        f"{result.name} {result.access_token.value.reveal()}"
        for result in results
        if result.access_token is not None and result.access_token.value is not None
    ]


def print_tokens(cli: Cli, results: "Sequence[Applied]", file: Path | None) -> None:
    """Print the one-time tokens, if no file holds them; documents have them."""
    lines = token_lines(results)
    if not lines or not cli.out.is_table:
        return
    if file is not None:
        cli.message(f"{len(lines)} access tokens are in {file}")
        return
    cli.out.one(None, [("access token", line) for line in lines], keep=True)
    cli.message("Store the access tokens now: the API never returns them again.")


def document(
    cli: Cli, report: "ApplyReport", *, interrupted: bool = False, token_file: Path | None = None
) -> dict[str, Any]:
    """Return the report as a document."""
    return {
        "plan": report.dry_run,
        "ok": report.ok and not interrupted,
        "interrupted": interrupted,
        "counts": report.counts,
        "hourly": {currency: str(amount) for currency, amount in report.hourly.items()},
        "unknown_price": report.unknown_price,
        "not_on_offer": list(report.not_on_offer),
        "deployments": [
            _entry(cli, result, token_file, interrupted=interrupted) for result in report.results
        ],
        "leftovers": [
            {"provider": one.provider, "name": one.name, "region": one.region, "id": one.id}
            for one in report.leftovers
        ],
        "unsearched": [{"provider": name, "error": str(e)} for name, e in report.unsearched],
    }


def _entry(
    cli: Cli, result: "Applied", token_file: Path | None, *, interrupted: bool
) -> dict[str, Any]:
    from di_async.cli.commands.report import token_document

    is_open = interrupted and not result.active and result.action != "deleted"

    return {
        "provider": result.provider,
        "name": result.name,
        "region": result.region,
        "action": result.action,
        "outcome": _outcome(result) if result.error else "pending" if is_open else "ok",
        "active": result.active,
        "id": result.id,
        "diff": list(result.diff),
        "hourly_price": result.hourly_price and str(result.hourly_price.amount),
        "currency": result.hourly_price and result.hourly_price.currency,
        "duplicates": list(result.duplicates),
        "access_token": token_document(result.access_token, token_file),
        "error": None if result.error is None else _error_text(cli, result, result.error),
    }
