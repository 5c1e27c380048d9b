"""How a command runs: its context `Cli`, logging, and the exit code.

Exit codes: 0 success, 1 failed, 2 usage error, 3 timed out, 130 Ctrl-C. asyncio turns SIGINT into
a cancellation of the main task, so a wait can print how to resume it.
"""

import asyncio
import logging
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import typer
from attrs import frozen

from di_async import DIError, InvalidInputError, WaitTimeoutError
from di_async.cli.hints import explain
from di_async.cli.output import Out, new_console
from di_async.cli.settings import Provider, Settings

if TYPE_CHECKING:
    from rich.console import Console

    from di_async.cli.clouds.base import AnyClient, Cloud
    from di_async.cli.clouds.digitalocean import DigitalOceanCloud

__all__ = ["FAILED", "INTERRUPTED", "TIMED_OUT", "USAGE", "Cli", "execute"]

FAILED, USAGE, TIMED_OUT, INTERRUPTED = 1, 2, 3, 130
# Shared options that apply to some providers only.
_PROVIDERS_OF_OPTION = {
    "zone": {Provider.EXOSCALE},
    "project": {Provider.GCORE, Provider.GCORE_V2},
}
Failures = list[tuple[str, DIError]]


@frozen(slots=False)
class Cli:
    """Context of a running command: settings, output, and clients."""

    settings: Settings
    out: Out
    _err: "Console | None" = None

    @cached_property
    def err(self) -> "Console":
        """The rich console of stderr, made on first use."""
        return self._err or new_console(stderr=True)

    def message(self, text: str) -> None:
        """Print text to stderr."""
        self.err.print(text, markup=False)

    @asynccontextmanager
    async def cloud(self) -> AsyncIterator["Cloud[Any, Any]"]:
        """Connect to the selected provider.

        Raises:
            InvalidInputError: a credential is missing, or an option is for another provider.
        """
        from di_async.cli.clouds import cloud_class

        settings = self.settings
        for option, providers in _PROVIDERS_OF_OPTION.items():
            if option in settings.explicit_options and settings.provider not in providers:
                names = " or ".join(sorted(providers))
                raise InvalidInputError(f"--{option} needs --provider {names}")
        cloud = cloud_class(settings.provider)
        async with cloud.connect(settings) as client:
            yield cloud(client, settings)

    @asynccontextmanager
    async def digitalocean(self) -> AsyncIterator["DigitalOceanCloud"]:
        """Connect to DigitalOcean, for commands that no other provider supports.

        Raises:
            InvalidInputError: another provider is selected.
        """
        from di_async.cli.clouds.digitalocean import DigitalOceanCloud

        provider = self.settings.provider
        if provider is not Provider.DIGITALOCEAN:
            raise InvalidInputError(
                f"this command is only for --provider {Provider.DIGITALOCEAN}, not {provider}"
            )
        async with DigitalOceanCloud.connect(self.settings) as client:
            yield DigitalOceanCloud(client, self.settings)

    @asynccontextmanager
    async def accounts(self) -> AsyncIterator[tuple[list["AnyClient"], Failures]]:
        """Connect to every vendor whose credentials are in the environment.

        Yields the clients, and the errors of vendors that could not be connected to.

        Raises:
            InvalidInputError: the environment holds no credentials.
        """
        from di_async.cli.clouds import vendor_classes

        clouds = vendor_classes()
        clients: list[AnyClient] = []
        failures: Failures = []
        async with AsyncExitStack() as stack:
            for cloud in clouds:
                if not any(one.value for one in cloud.credentials):
                    continue
                try:
                    client: AnyClient = cloud.connect(self.settings)
                except DIError as error:
                    failures.append((cloud.vendor, error))
                else:
                    clients.append(await stack.enter_async_context(client))
            if not clients and not failures:
                variables = ", or ".join(
                    " and ".join(one.variables[0] for one in cloud.credentials) for cloud in clouds
                )
                raise InvalidInputError(f"no credentials found: set {variables}")
            yield clients, failures


def execute(
    settings: Settings,
    work: Callable[[Cli], Coroutine[Any, Any, None]],
    *,
    before: Callable[[], None] | None = None,
) -> None:
    """Run a command. `before` is called first, outside the event loop.

    Raises:
        typer.Exit: the exit code is not 0.
    """
    cli = Cli(settings, Out(settings.output))
    try:
        if before is not None:
            before()
        # Unlike asyncio.run, this keeps the thread's current event loop.
        runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        with _logging(settings.verbose), runner:
            runner.run(work(cli))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except (typer.Exit, BrokenPipeError):
        raise
    except Exception as error:
        if settings.debug:
            cli.message("".join(traceback.format_exception(error)).rstrip())
        for line in explain(error, settings):
            cli.message(line)
        raise typer.Exit(_exit_code(error)) from None


def _exit_code(error: Exception) -> int:
    missing_extra = isinstance(error, ModuleNotFoundError)
    if isinstance(error, InvalidInputError) or missing_extra:
        return USAGE
    return TIMED_OUT if isinstance(error, WaitTimeoutError) else FAILED


class _StderrHandler(logging.Handler):
    """Writes to the current `sys.stderr`, which a live display may have replaced."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(f"{record.levelname.lower()}: {self.format(record)}\n")


@contextmanager
def _logging(verbose: int) -> Iterator[None]:
    """Log to stderr: warnings, with 1 also changes, with 2 also every request."""
    logger = logging.getLogger("di_async")
    handler, level, propagate = _StderrHandler(), logger.level, logger.propagate
    logger.setLevel({0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG))
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
