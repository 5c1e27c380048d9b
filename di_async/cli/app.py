"""The typer app `di-async`: its own options, and those that all commands share."""

import inspect
from typing import Annotated, Any

import typer

from di_async.cli.command_table import LazyGroup
from di_async.cli.options import read_shared_options
from di_async.cli.typer_commands import EXIT_CODES, new_group, with_shared_options

__all__ = ["app"]

app = new_group(
    "di-async",
    "Manage dedicated inference at DigitalOcean, Exoscale and Gcore. "
    "Write commands wait until their change is verified. `di-async demo` needs no account.",
    epilog="Options from --output to --debug can also follow the command's name.\n\n" + EXIT_CODES,
    cls=LazyGroup,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"di-async {version('di-async')}")
        raise typer.Exit


_Version = Annotated[
    bool,
    typer.Option(
        "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
    ),
]


def _own_options(version: _Version = False) -> None:
    """Declare the options of `di-async` itself."""


def _store_shared_options(ctx: typer.Context, version: bool, **values: Any) -> None:
    ctx.obj = read_shared_options(ctx, **values)


app.callback()(
    with_shared_options(
        _store_shared_options, inspect.signature(_own_options).parameters.values(), None
    )
)
