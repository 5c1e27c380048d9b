"""The typer app: which commands there are, and what `--help` says of all of them."""

import inspect
from importlib.metadata import version
from typing import Annotated, Any

import typer

from di_async.cli import options
from di_async.cli.commands import emulate, reading, scanning, tokens, writing
from di_async.cli.demo import command as demo

__all__ = ["app"]

app = typer.Typer(
    name="di-async",
    help="Dedicated inference at DigitalOcean, Exoscale and Gcore: changes that are awaited until "
    "they are proven. "
    "`di-async demo` shows it all without an account.",
    epilog=options.EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"di-async {version('di-async')}")
        raise typer.Exit


_Version = Annotated[
    bool,
    typer.Option(
        "--version", callback=_tell_version, is_eager=True, help="Show the version and exit."
    ),
]


def _top(version: _Version = False) -> None:
    """What `di-async` takes of its own."""


def _before_the_command(ctx: typer.Context, version: bool, **told: Any) -> None:
    """Keep the shared options that stand before a command's name."""
    ctx.obj = options.take_shared(ctx, **told)


app.callback()(
    options.with_shared(_before_the_command, inspect.signature(_top).parameters.values(), None)
)
for register in (
    demo.register,
    reading.register,
    scanning.register,
    writing.register,
    tokens.register,
):
    register(app)
emulate.register(app)
