"""What every command can be told, and how: once, here. A command is a coroutine of its own wants.

`command(app)` turns `async def get(cli: Cli, ref: Ref)` into a typer command that also takes the
shared options, which may stand before the command's name as well.
"""

import inspect
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import attrs
import typer

from di_async.cli.output import Format
from di_async.cli.run import execute
from di_async.cli.settings import Provider, Settings
from di_async.gcore.client import PROJECT_VARIABLES

__all__ = ["EXIT_CODES", "Ref", "Timeout", "Wait", "command", "take_shared", "with_shared"]

EXIT_CODES = (
    "Exit codes: 0 settled (or done), 1 failed, 2 wrong usage (nothing was sent), "
    "3 timed out, 130 Ctrl-C (a wait then says how to resume it)."
)
Work = Callable[..., Coroutine[Any, Any, None]]

_PANEL = "Shared options"

Ref = Annotated[
    str,
    typer.Argument(metavar="ID|NAME", help="Which one; with --provider gcore a name is an id."),
]
Wait = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Wait until it is proven settled, or only send.")
]
Timeout = Annotated[
    float | None,
    typer.Option(
        min=0,
        metavar="SECONDS",
        help="For the whole wait; 0 takes one look.",
        show_default="3600; Gcore: 7200",
    ),
]

_Output = Annotated[
    Format | None,
    typer.Option(
        "--output",
        "-o",
        help="What stdout gets; json and yaml are complete but for secrets. Progress goes to "
        "stderr.",
        show_default="table",
        rich_help_panel=_PANEL,
    ),
]
_Provider = Annotated[
    Provider | None,
    typer.Option(
        envvar="DI_ASYNC_PROVIDER",
        help="Whose cloud; gcore is its v3, gcore-v2 the older API.",
        show_default="digitalocean",
        rich_help_panel=_PANEL,
    ),
]
_Zone = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        envvar="EXOSCALE_ZONE",
        help="Exoscale: everything is in one zone.",
        show_default="ch-gva-2",
        rich_help_panel=_PANEL,
    ),
]
_Project = Annotated[
    str | None,
    typer.Option(
        metavar="ID",
        envvar=list(PROJECT_VARIABLES),
        help="Gcore: its number; deployments (v3) live in one.",
        rich_help_panel=_PANEL,
    ),
]
_BaseUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="DI_ASYNC_BASE_URL",
        help="Another API, such as the one of `di-async emulate`; Exoscale: with {zone} in it.",
        rich_help_panel=_PANEL,
    ),
]
_TokenFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Holds the token or key (Exoscale: a line for the key, one for its secret); else the "
        "environment's DIGITALOCEAN_TOKEN, EXOSCALE_API_KEY and EXOSCALE_API_SECRET, or "
        "GCORE_API_KEY. (As arguments they would show in the process list.)",
        rich_help_panel=_PANEL,
    ),
]
_TargetLag = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        min=0.01,
        envvar="DI_ASYNC_TARGET_LAG",
        help="How late a wait may notice that it is over.",
        show_default="5",
        rich_help_panel=_PANEL,
    ),
]
_Verbose = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        help="Log to stderr; twice (-vv) for every request.",
        rich_help_panel=_PANEL,
    ),
]
_Debug = Annotated[
    bool, typer.Option("--debug", help="Tracebacks for errors.", rich_help_panel=_PANEL)
]


def take_shared(
    ctx: typer.Context,
    output: _Output = None,
    provider: _Provider = None,
    zone: _Zone = None,
    project: _Project = None,
    base_url: _BaseUrl = None,
    token_file: _TokenFile = None,
    target_lag: _TargetLag = None,
    verbose: _Verbose = 0,
    debug: _Debug = False,
) -> Settings:
    """The shared options as settings, on top of those that stood before the command's name."""
    outer: Settings | None = ctx.parent.obj if ctx.parent else None
    told = {
        "output": output,
        "provider": provider,
        "zone": zone,
        "project": project,
        "base_url": base_url,
        "token_file": token_file,
        "target_lag": target_lag,
        "verbose": verbose or None,
        "debug": debug or None,
    }
    given: dict[str, Any] = {name: value for name, value in told.items() if value is not None}
    by_hand = {name for name in given if not _is_from_environment(ctx, name)}
    if outer is None:
        return Settings(**given, by_hand=frozenset(by_hand))
    # What the environment says was heard before the command's name: options there are stronger.
    kept = {name: given[name] for name in by_hand}
    return attrs.evolve(outer, **kept, by_hand=outer.by_hand | by_hand)


def _is_from_environment(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "ENVIRONMENT"


_SHARED = inspect.signature(take_shared).parameters


def command(
    app: typer.Typer, name: str | None = None, *, before: Callable[..., None] | None = None
) -> Callable[[Work], None]:
    """Register a coroutine function, whose first parameter is a `Cli`, as a command of `app`.

    `before` is called first, outside of the event loop, with those options that it names.
    """

    def register(work: Work) -> None:
        own = list(inspect.signature(work).parameters.values())[1:]

        def run(**told: Any) -> None:
            settings = take_shared(**{key: told.pop(key) for key in _SHARED})
            names = inspect.signature(before).parameters if before else ()
            execute(
                settings,
                lambda cli: work(cli, **told),
                before=partial(before, **{n: told[n] for n in names}) if before else None,
            )

        app.command(name or work.__name__, epilog=EXIT_CODES)(with_shared(run, own, work.__doc__))

    return register


def with_shared(
    run: Callable[..., None], own: Iterable[inspect.Parameter], doc: str | None
) -> Callable[..., None]:
    """`run`, in typer's eyes a function of these parameters and the shared options."""
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*own, *_SHARED.values())]
    run.__doc__ = doc
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run
