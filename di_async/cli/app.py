"""The typer app: all commands, and the shared options before a command's name.

Modules that this file imports must not import a provider, the engine, the emulator or rich: the
commands import them when they run, so that `--help` starts at once.
"""

import inspect
from typing import Annotated, Any

import typer

from di_async.cli import options
from di_async.cli.commands import (
    account,
    applying,
    emulator,
    ensuring,
    keys,
    models,
    reading,
    reaping,
    running,
    scanning,
    serving,
    tokens,
    waiting,
    watching,
    writing,
)

__all__ = ["app"]

app = options.new_group(
    "di-async",
    "Manage dedicated inference at DigitalOcean, Exoscale and Gcore. "
    "Write commands wait until their change is confirmed. `di-async demo` needs no account.",
    epilog="Options from --output to --debug can also follow the command's name.\n\n"
    + options.EXIT_CODES,
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
    ctx.obj = options.read_shared_options(ctx, **values)


app.callback()(
    options.with_shared_options(
        _store_shared_options, inspect.signature(_own_options).parameters.values(), None
    )
)
for title, modules in (
    ("Commands that read", (reading, models, scanning, watching)),
    ("Commands that change", (writing, ensuring, applying)),
    ("Commands that wait or use a deployment", (waiting, serving, tokens)),
    ("Keys, secrets, tasks and quota", (keys, account)),
    ("Temporary deployments", (running, reaping)),
    ("Without an account", (emulator,)),
):
    with options.section(app, title):
        for module in modules:
            module.register(app)
