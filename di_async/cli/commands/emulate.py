"""`di-async emulate`: the API on this machine, for trying things out and for tests."""

import asyncio
import os
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

    Prints its URL, its token and a line to copy that aims `di-async` at it. With -o json, one
    document with the same.
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
                "env": env,
            }
            cli.out.one(told, _lines(told, env))
            cli.say(f"{dialect} dialect, {time_scale:g} times faster than real. Ctrl-C ends it.")
            await asyncio.Event().wait()


def _lines(told: dict[str, object], env: dict[str, str]) -> Iterator[tuple[str, object]]:
    yield "API", told["url"]
    yield "token", told["token"]
    yield "data plane", told["data_plane"]
    yield "CA file", told["ca_file"]
    yield "seed", told["seed"]
    yield "copy", _shell_line(env)


def _environment(emu: Emulator, ca_file: Path | None) -> dict[str, str]:
    env = {"DI_ASYNC_BASE_URL": emu.url, "DIGITALOCEAN_TOKEN": emu.token}
    return env if ca_file is None else {**env, "SSL_CERT_FILE": str(ca_file)}


def _shell_line(env: dict[str, str]) -> str:
    if os.name == "nt":  # pragma: no cover - Windows alone
        return "; ".join(f"$env:{name}='{value}'" for name, value in env.items())
    return "export " + " ".join(f"{name}={value}" for name, value in env.items())
