"""`di-async emulate`: the API on this machine, for trying things out and for tests."""

import asyncio
import os
import shlex
import tempfile
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from di_async import emulator
from di_async.cli.options import command
from di_async.cli.run import Cli
from di_async.emulator import Emulator

__all__ = ["Dialect", "register"]


class Dialect(StrEnum):
    """The two shapes of the API's answers."""

    DOCUMENTED = "documented"
    OBSERVED = "observed"


def register(app: typer.Typer) -> None:
    """Add this command."""
    command(app)(emulate)


async def emulate(
    cli: Cli,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8080,
    dialect: Annotated[
        Dialect, typer.Option(help="As the reference says, or as the vendor's Go client reads.")
    ] = Dialect.DOCUMENTED,
    time_scale: Annotated[
        float, typer.Option(min=0.001, help="How many times faster than real; 1 is real time.")
    ] = 60.0,
    tls: Annotated[bool, typer.Option("--tls", help="https for the API, too.")] = False,
    seed: Annotated[
        int | None, typer.Option(help="Equal seeds, equal ids, durations and token.")
    ] = None,
    rate_limits: Annotated[
        bool, typer.Option("--rate-limits/--no-rate-limits", help="250 a minute, 5000 an hour.")
    ] = True,
) -> None:
    """Run the emulator on 127.0.0.1 until Ctrl-C (exit code 130).

    All three clouds are at one URL. Prints it, the credentials of each cloud and a line to copy
    that aims `di-async` at it. With -o json, one document with the same.
    """
    with tempfile.TemporaryDirectory(prefix="di-async-emulator-") as folder:
        async with emulator.running(
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
            told = {
                "url": emu.url,
                "token": emu.token,
                "data_plane": emu.dataplane_url,
                "ca_file": str(ca_file),
                "seed": emu.seed,
                "gcore": {"api_key": emu.gcore_api_key, "project_id": emu.gcore_project_id},
                "exoscale": {
                    "url": emu.exoscale_url,
                    "api_key": emu.exoscale_api_key,
                    "api_secret": emu.exoscale_api_secret,
                },
                "env": env,
            }
            cli.out.one(told, _lines(emu, ca_file, env))
            cli.say(f"{dialect} dialect, {time_scale:g} times faster than real. Ctrl-C ends it.")
            await asyncio.Event().wait()


def _lines(emu: Emulator, ca_file: Path, env: dict[str, str]) -> Iterator[tuple[str, object]]:
    yield "API", emu.url
    yield "token", emu.token
    yield "Gcore key", f"{emu.gcore_api_key} of project {emu.gcore_project_id}"
    yield "Exoscale", emu.exoscale_url
    yield "Exoscale key", f"{emu.exoscale_api_key} with secret {emu.exoscale_api_secret}"
    yield "data plane", emu.dataplane_url
    yield "CA file", str(ca_file)
    yield "seed", emu.seed
    yield "copy", _shell_line(env)


def _environment(emu: Emulator, ca_file: Path | None) -> dict[str, str]:
    env = {
        "DI_ASYNC_BASE_URL": emu.url,
        "DIGITALOCEAN_TOKEN": emu.token,
        "GCORE_API_KEY": emu.gcore_api_key,
        "GCORE_CLOUD_PROJECT_ID": str(emu.gcore_project_id),
        "EXOSCALE_API_KEY": emu.exoscale_api_key,
        "EXOSCALE_API_SECRET": emu.exoscale_api_secret,
    }
    return env if ca_file is None else {**env, "SSL_CERT_FILE": str(ca_file)}


def _shell_line(env: dict[str, str]) -> str:
    if os.name == "nt":  # pragma: no cover - Windows alone
        return "; ".join(f"$env:{name}='{value}'" for name, value in env.items())
    # Gcore's keys have a "$" in them, which a shell would take for its own.
    return "export " + " ".join(f"{name}={shlex.quote(value)}" for name, value in env.items())
