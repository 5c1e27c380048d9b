"""`di-async emulate` and `di-async demo`: the emulated APIs on this machine."""

import asyncio
import os
import shlex
import tempfile
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from di_async import InvalidInputError
from di_async.cli.run import Cli
from di_async.cli.settings import option_names
from di_async.cli.typer_commands import command, new_app

if TYPE_CHECKING:
    from di_async.emulator import Emulator

__all__ = ["app"]


class Dialect(StrEnum):
    """Shapes of DigitalOcean's responses."""

    DOCUMENTED = "documented"
    OBSERVED = "observed"


_Dialect = Annotated[
    Dialect,
    typer.Option(
        help="Shape of DigitalOcean's responses: as documented, or as the vendor's Go client "
        "expects."
    ),
]

app = new_app()


@command(app)
async def demo(
    cli: Cli,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the durations.")] = 7,
    dialect: _Dialect = Dialect.DOCUMENTED,
    speed: Annotated[
        float,
        typer.Option(min=1, max=1000, metavar="X", help="How many times faster than real time."),
    ] = 180.0,
    fleet: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1000,
            metavar="N",
            help="Create this many instances instead, and show counts only.",
        ),
    ] = None,
) -> None:
    """Show the whole life cycle, without an account.

    Takes about 15 seconds. Creates twelve instances at DigitalOcean, scales one and deletes all,
    then creates and deletes one deployment each at Exoscale and Gcore. All of them are emulated:
    no request leaves this machine.
    """
    from di_async.cli.demo.run import run_demo

    _refuse_unused(cli, "demo", {"verbose", "debug"})
    await run_demo(cli, seed=seed, dialect=dialect.value, speed=speed, fleet=fleet)


@command(app)
async def emulate(
    cli: Cli,
    port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, metavar="N", help="Port to listen on; 0 selects a free one."
        ),
    ] = 8080,
    host: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Address or name to listen on. Everybody who reaches it may use the emulator.",
        ),
    ] = "127.0.0.1",
    dialect: _Dialect = Dialect.DOCUMENTED,
    time_scale: Annotated[
        float,
        typer.Option(
            min=0.001, max=1_000_000, metavar="X", help="How many times faster than real time."
        ),
    ] = 60.0,
    tls: Annotated[bool, typer.Option("--tls", help="Serve the API over https.")] = False,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Seed of ids, durations and credentials.")
    ] = None,
    rate_limits: Annotated[
        bool,
        typer.Option(
            "--rate-limits/--no-rate-limits",
            help="Enforce DigitalOcean's limits: 250 requests a minute, 5000 an hour.",
        ),
    ] = True,
) -> None:
    """Run the emulator of the three APIs until Ctrl-C.

    It listens on 127.0.0.1 unless --host names another address. One URL serves all three
    providers. Prints the URL, the credentials of each provider, and `export` lines to paste into
    another shell, where `di-async` and Python programs then use them. With -o json, prints one
    document with the same.
    """
    from di_async import emulator

    _refuse_unused(cli, "emulate", {"verbose", "debug", "output"})
    with tempfile.TemporaryDirectory(prefix="di-async-emulator-") as folder:
        async with emulator.running(
            host=host,
            port=port,
            dialect=dialect.value,
            time_scale=time_scale,
            tls=tls,
            seed=seed,
            rate_limits=rate_limits,
        ) as emu:
            ca_file = Path(folder) / "ca.pem"
            ca_file.write_text(emu.ca_pem)
            env = _environment(emu, ca_file if tls else None)
            cli.out.one(_document(emu, ca_file, env), _fields(emu, ca_file))
            if cli.out.is_table:
                cli.out.text(f"\nPaste into another shell:\n\n{_shell_lines(env)}\n\n")
            cli.message(
                f"{dialect} dialect, {time_scale:g} times faster than real time. "
                "Press Ctrl-C to stop."
            )
            await asyncio.Event().wait()


def _refuse_unused(cli: Cli, command_name: str, used: set[str]) -> None:
    """Raise if a shared option was passed that the command does not use."""
    if unused := cli.settings.explicit_options - used:
        names = " and ".join(option_names(unused))
        raise InvalidInputError(f"`{command_name}` does not use {names}")


def _document(emu: "Emulator", ca_file: Path, env: dict[str, str]) -> dict[str, Any]:
    return {
        "url": emu.url,
        "token": emu.token,
        "data_plane": emu.dataplane_url,
        "ca_file": str(ca_file),
        "seed": emu.seed,
        "control_key": emu.control_key,
        "gcore": {"api_key": emu.gcore_api_key, "project_id": emu.gcore_project_id},
        "exoscale": {
            "url": emu.exoscale_url,
            "api_key": emu.exoscale_api_key,
            "api_secret": emu.exoscale_api_secret,
        },
        "env": env,
    }


def _fields(emu: "Emulator", ca_file: Path) -> Iterator[tuple[str, object]]:
    yield "API", emu.url
    yield "DigitalOcean token", emu.token
    yield "Gcore key", f"{emu.gcore_api_key} of project {emu.gcore_project_id}"
    yield "Exoscale", emu.exoscale_url
    yield "Exoscale key", f"{emu.exoscale_api_key} with secret {emu.exoscale_api_secret}"
    yield "data plane", emu.dataplane_url
    yield "CA file", str(ca_file)
    yield "control key", emu.control_key
    yield "seed", emu.seed


def _environment(emu: "Emulator", ca_file: Path | None) -> dict[str, str]:
    env = {
        "DI_ASYNC_BASE_URL": emu.url,
        "DIGITALOCEAN_TOKEN": emu.token,
        "GCORE_API_KEY": emu.gcore_api_key,
        "GCORE_CLOUD_PROJECT_ID": str(emu.gcore_project_id),
        "EXOSCALE_API_KEY": emu.exoscale_api_key,
        "EXOSCALE_API_SECRET": emu.exoscale_api_secret,
    }
    return env if ca_file is None else {**env, "SSL_CERT_FILE": str(ca_file)}


def _shell_lines(env: dict[str, str]) -> str:
    """Return a line for each variable, so that terminals need not wrap it."""
    if os.name == "nt":  # pragma: no cover - Windows only
        return "\n".join(f"$env:{name}='{value}'" for name, value in env.items())
    # A shell would expand the "$" in Gcore's keys without quotes.
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in env.items())
