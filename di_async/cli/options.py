"""Options that several commands share; some may also stand before the name of the command."""

from pathlib import Path
from typing import Annotated, Any

import attrs
import typer

from di_async import InvalidInputError
from di_async.cli.numbers import SECONDS
from di_async.cli.settings import MIN_TARGET_LAG, Format, Provider, Settings, read_variables

__all__ = [
    "AccessTokenFile",
    "AllowUnknownPrice",
    "HFToken",
    "Lifetime",
    "MaxHourly",
    "MintToken",
    "NameTimeout",
    "OpenToWorld",
    "Private",
    "ReadyTimeout",
    "Ref",
    "SpecFile",
    "Timeout",
    "TokenOut",
    "Wait",
    "read_shared_options",
]

# -- options of several commands --------------------------------------------------------------

Ref = Annotated[
    str,
    typer.Argument(metavar="ID|NAME", help="ID or name of the resource (Gcore v3: its name)."),
]
Wait = Annotated[
    bool,
    typer.Option("--wait/--no-wait", help="Wait until the change is verified, or only send it."),
]
NameTimeout = Annotated[
    float,
    typer.Option(
        min=0,
        metavar=SECONDS,
        help="How long to wait for a name whose resource is being deleted.",
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        min=0,
        metavar=SECONDS,
        help="Limit of the whole wait; 0 checks once.",
        show_default="3600, Gcore 7200",
    ),
]
SpecFile = Annotated[
    str | None,
    typer.Option("--spec", metavar="FILE|-", help="Spec in JSON or YAML; '-' reads stdin."),
]
HFToken = Annotated[
    bool,
    typer.Option(
        "--hf-token",
        help="Send the Hugging Face token in HF_TOKEN, which gated models need (DigitalOcean; "
        "Exoscale: only `models create`).",
    ),
]
TokenOut = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Write the token to a new file (mode 0600) instead of stdout."
    ),
]
ReadyTimeout = Annotated[
    float | None,
    typer.Option(
        min=0,
        metavar=SECONDS,
        help="How long to retry while another change is in progress (not Gcore).",
        show_default="0",
    ),
]
MaxHourly = Annotated[
    list[str] | None,
    typer.Option(
        metavar="AMOUNT[CURRENCY]",
        help="Refuse a higher price, such as 10USD. May be repeated for other currencies.",
        show_default=False,
    ),
]
AllowUnknownPrice = Annotated[
    bool,
    typer.Option("--allow-unknown-price", help="With --max-hourly: go on if no price is known."),
]
OpenToWorld = Annotated[
    bool,
    typer.Option(
        "--open-to-world", help="Allow an endpoint without API keys, open to everyone (Gcore)."
    ),
]
AccessTokenFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="File with the endpoint's key. Default: DI_ASYNC_ACCESS_TOKEN, if it is set.",
    ),
]
MintToken = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Create a key of this name and use it (DigitalOcean)."),
]
Private = Annotated[
    bool,
    typer.Option("--private", help="Use the private endpoint, with its own CA (DigitalOcean)."),
]
Lifetime = Annotated[
    float,
    typer.Option(min=1, metavar=SECONDS, help="When `di-async reap` may delete it after a crash."),
]

# -- shared options ---------------------------------------------------------------------------

_Output = Annotated[
    Format | None,
    typer.Option(
        "--output",
        "-o",
        help="Format of stdout; json and yaml hold every field, secrets masked.",
        show_default="table",
    ),
]
_Provider = Annotated[
    Provider | None,
    typer.Option(
        help="gcore is API v3, gcore-v2 the older API.",
        show_default="DI_ASYNC_PROVIDER, or digitalocean",
    ),
]
_Zone = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Exoscale zone.",
        show_default="EXOSCALE_ZONE, or ch-gva-2",
    ),
]
_Project = Annotated[
    str | None,
    typer.Option(
        metavar="ID",
        help="Gcore project number.",
        show_default="GCORE_CLOUD_PROJECT_ID, or GCORE_CLOUD_PROJECT",
    ),
]
_BaseUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Base URL, such as that of `di-async emulate`; for Exoscale it contains {zone}.",
        show_default="DI_ASYNC_BASE_URL",
    ),
]
_TokenFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="File with the token or API key (Exoscale: key and secret, one per line). Without it: "
        "DIGITALOCEAN_TOKEN; EXOSCALE_API_KEY and EXOSCALE_API_SECRET; GCORE_API_KEY.",
    ),
]
_TargetLag = Annotated[
    float | None,
    typer.Option(
        metavar=SECONDS,
        min=MIN_TARGET_LAG,
        help="How late a wait may notice that the change has settled. The variable sets it for the "
        "command only; in Python, pass `polling=PollPolicy(target_lag=...)`.",
        show_default="DI_ASYNC_TARGET_LAG, or 5",
    ),
]
_Verbose = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        help="Log to stderr; -vv logs every request.",
        show_default=False,
    ),
]
_Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]


def read_shared_options(
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
    """Return the settings: options after the command's name, then those before it, then variables.

    Raises:
        typer.BadParameter: an environment variable has a value that its option refuses.
    """
    before: Settings | None = ctx.parent.obj if ctx.parent else None
    values = {
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
    given: dict[str, Any] = {name: value for name, value in values.items() if value is not None}
    if before is None:
        try:
            before = read_variables(unless=given)
        except InvalidInputError as error:
            raise typer.BadParameter(error.message, ctx=ctx) from None
    variables = {name: text for name, text in before.variables.items() if name not in given}
    explicit = before.explicit_options | given.keys()
    return attrs.evolve(before, **given, explicit_options=explicit, variables=variables)
