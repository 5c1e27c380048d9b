"""`di-async run`: a temporary deployment around another command."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from di_async import CleanupError, DIError, InvalidInputError
from di_async.cli.endpoint_keys import connect_options
from di_async.cli.inputs import WriteOptions, read_hf_token, read_spec
from di_async.cli.options import (
    AccessTokenFile,
    AllowUnknownPrice,
    HFToken,
    Lifetime,
    MaxHourly,
    OpenToWorld,
    Private,
    SpecFile,
    Timeout,
)
from di_async.cli.prices import PriceLimit
from di_async.cli.run import Cli
from di_async.cli.typer_commands import command, new_app
from di_async.core.printable import printable

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from di_async.cli.clouds.base import Cloud
    from di_async.engine.deployments.temporary import Temporary
    from di_async.engine.endpoints.serving import ServingEndpoint

__all__ = ["app"]

OWN_FAILURE, NOT_EXECUTABLE, NOT_FOUND = 125, 126, 127
_SIGNAL_BASE = 128
# How long the command may take to end after SIGTERM.
_GRACE_S = 10.0
_LOOK_S = 0.05

app = new_app()


@command(app, "run", ends_with_command=True)
async def run_command(
    cli: Cli,
    words: Annotated[
        list[str],
        typer.Argument(metavar="COMMAND...", help="Command to run, after --.", show_default=False),
    ],
    spec: SpecFile = None,
    access_token_file: AccessTokenFile = None,
    private: Private = False,
    lifetime: Lifetime = 4 * 3600,
    hf_token: HFToken = False,
    open_to_world: OpenToWorld = False,
    max_hourly: MaxHourly = None,
    allow_unknown_price: AllowUnknownPrice = False,
    timeout: Timeout = None,
) -> None:
    """Run a command with a temporary deployment.

    The deployment is created from the spec. Once its models answer, the command runs with
    OPENAI_BASE_URL, OPENAI_API_KEY, DI_ASYNC_MODEL and DI_ASYNC_DEPLOYMENT in its environment. The
    deployment is deleted when the command ends, and after Ctrl-C or SIGTERM.

    The exit code is the command's own, or 128 + N if signal N ended it. It is 125 if di-async
    fails, 126 if the command is not executable, and 127 if it does not exist.

    Example: di-async run --spec chat.yaml --max-hourly 10USD -- python evaluate.py
    """
    try:
        code = await _run(
            cli,
            words,
            spec=spec,
            limit=PriceLimit.parse(max_hourly, allow_unknown=allow_unknown_price),
            options=WriteOptions(
                spec=read_spec(spec) if spec else None,
                hf_token=read_hf_token(wanted=hf_token),
                open_to_world=open_to_world or None,
            ),
            settings={
                "lifetime": lifetime,
                "connect_options": connect_options(access_token_file, private=private),
                **({} if timeout is None else {"timeout": timeout}),
            },
        )
    except typer.Exit:
        raise
    except Exception as error:
        cli.explain(error, deleted=True)
        code = OWN_FAILURE
    if code:
        raise typer.Exit(code)


async def _run(
    cli: Cli,
    words: list[str],
    *,
    spec: str | None,
    limit: PriceLimit,
    options: WriteOptions,
    settings: Mapping[str, Any],
) -> int:
    """Return the exit code."""
    if spec is None:
        raise InvalidInputError("run needs a spec: use --spec FILE")
    program = shutil.which(words[0])
    if program is None:  # before anything is created
        exists = bool(words[0]) and Path(words[0]).exists()  # noqa: ASYNC240 - no request yet
        problem = "not executable" if exists else "no such command"
        cli.message(f"error: {words[0] or repr('')}: {problem}")
        return NOT_EXECUTABLE if exists else NOT_FOUND
    async with cli.cloud() as cloud:
        cloud.check_options("create", options)
        temporary = cloud.temporary(options, **settings)
        await limit.check_create(cli, cloud, options)
        async with _deployment(cli, cloud, temporary) as endpoint:
            with _environment(endpoint) as environment:
                code = await _call(program, words, environment)
    if code:
        how = (
            f"was ended by signal {code - _SIGNAL_BASE}"
            if code > _SIGNAL_BASE
            else f"ended with {code}"
        )
        cli.message(f"{words[0]} {how}")
    return code


@asynccontextmanager
async def _deployment(
    cli: Cli, cloud: "Cloud[Any, Any]", temporary: "Temporary[Any]"
) -> "AsyncIterator[ServingEndpoint]":
    """Create the deployment with progress; delete it at the end of the block."""
    from di_async.cli.bulk_progress import BulkProgress, show_progress

    progress = BulkProgress("starting", cloud.client.stats)

    async def announce() -> None:
        while temporary.change is None:  # noqa: ASYNC110 - it has no event for it
            await asyncio.sleep(_LOOK_S)
        progress.changes.append(temporary.change)
        until = datetime.now(UTC).timestamp() + temporary.lifetime
        text = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%d %H:%M UTC")
        cli.err.print(
            printable(
                f"created {temporary.name} ({temporary.change.id}); if this process is killed, "
                f"`{cli.settings.command_line('reap')}` deletes it after {text}"
            ),
            markup=False,
        )

    def report(_: object, error: BaseException | None, __: object) -> None:
        if temporary.change is not None and not isinstance(error, CleanupError):
            cli.message(f"{temporary.name} is deleted")

    async with AsyncExitStack() as stack:
        stack.push(report)  # called once the deployment is gone
        announcing = asyncio.ensure_future(announce())
        try:
            endpoint = await show_progress(cli.err, progress, stack.enter_async_context(temporary))
        finally:
            announcing.cancel()
        try:
            yield endpoint
        finally:
            cli.message(f"deleting {temporary.name}")


@contextmanager
def _environment(endpoint: "ServingEndpoint") -> Iterator[dict[str, str]]:
    """Yield the command's environment."""
    key = endpoint.access_token
    own = {
        "OPENAI_BASE_URL": endpoint.base_url,
        "OPENAI_API_KEY": key.reveal() if key else "none",  # clients refuse an empty one
        "DI_ASYNC_MODEL": endpoint.models[0] if endpoint.models else "",
        "DI_ASYNC_DEPLOYMENT": endpoint.id,
    }
    import ssl
    import tempfile

    certificates = endpoint.ssl_context.get_ca_certs(True) if endpoint.ssl_context else []
    with contextlib.ExitStack() as stack:
        if certificates:  # a private endpoint's own CA
            # In a folder, and closed: on Windows no other process can open a temporary file.
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="di-async-"))
            file = Path(folder, "ca.pem")
            file.write_text("".join(map(ssl.DER_cert_to_PEM_cert, certificates)))
            own |= {"SSL_CERT_FILE": str(file), "REQUESTS_CA_BUNDLE": str(file)}
        yield {**os.environ, **own}


async def _call(program: str, words: list[str], environment: Mapping[str, str]) -> int:
    """Run the command and return its exit code; end it if this task is cancelled."""
    if sys.stdout is not None:
        sys.stdout.flush()
    try:
        process = await asyncio.create_subprocess_exec(program, *words[1:], env=environment)
    except PermissionError:
        return NOT_EXECUTABLE
    except (OSError, ValueError) as error:  # ValueError: a server's text contains a NUL
        reason = getattr(error, "strerror", None) or error
        raise DIError(f"{words[0]} cannot be run: {reason}") from error
    try:
        code = await process.wait()
    except asyncio.CancelledError:
        await _stop(process)
        raise
    return code if code >= 0 else _SIGNAL_BASE - code


async def _stop(process: "Process") -> None:
    """End the command: SIGTERM first, then SIGKILL."""
    _signal(process, "SIGTERM")
    try:
        async with asyncio.timeout(_GRACE_S):
            await process.wait()
    except TimeoutError:
        _signal(process, "SIGKILL")
        await process.wait()
    except asyncio.CancelledError:
        _signal(process, "SIGKILL")
        raise


def _signal(process: "Process", name: str) -> None:
    """Send a signal, unless the command has ended."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        number = getattr(signal, name, None)
        if os.name == "nt" or number is None:
            process.terminate()
        else:
            # Not through the process, which would collect a child that Ctrl-C has ended, and
            # asyncio then misses its exit code.
            os.kill(process.pid, number)
