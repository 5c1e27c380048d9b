"""How a command's coroutine runs, and how what becomes of it turns into an exit code.

0 settled, 1 failed, 2 usage, 3 timed out, 130 Ctrl-C. SIGINT is asyncio's own: it cancels the main
task, so that a wait can say how to resume it.
"""

import asyncio
import logging
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import typer
from attrs import field, frozen
from rich.console import Console

from di_async import DIError, DigitalOcean, InvalidInputError, WaitTimeoutError
from di_async.cli.clouds import ACCOUNTS, CLOUDS, AnyClient, Cloud, OnDigitalOcean
from di_async.cli.hints import explain
from di_async.cli.output import Out
from di_async.cli.settings import Provider, Settings

__all__ = ["FAILED", "INTERRUPTED", "TIMED_OUT", "USAGE", "Cli", "execute"]

FAILED, USAGE, TIMED_OUT, INTERRUPTED = 1, 2, 3, 130
# Shared options that only one cloud has a use for.
_OF_ONE = {"zone": {Provider.EXOSCALE}, "project": {Provider.GCORE, Provider.GCORE_V2}}
Failures = list[tuple[str, DIError]]


@frozen
class Cli:
    """What a command works with: its settings, the way to say things, and a client."""

    settings: Settings
    out: Out
    err: Console = field(factory=lambda: Console(stderr=True, highlight=False, soft_wrap=True))

    def say(self, text: str) -> None:
        """One line to stderr."""
        self.err.print(text, markup=False)

    @asynccontextmanager
    async def cloud(self) -> AsyncIterator[Cloud[Any, Any]]:
        """The cloud and account that the settings name, its client entered.

        Raises:
            InvalidInputError: a credential is missing, or an option is for another cloud.
        """
        settings = self.settings
        for option, providers in _OF_ONE.items():
            if option in settings.by_hand and settings.provider not in providers:
                told = " or ".join(sorted(providers))
                raise InvalidInputError(f"--{option} goes with --provider {told}")
        cloud = CLOUDS[settings.provider]
        async with cloud.connect(settings) as client:
            yield cloud(client, settings)

    @asynccontextmanager
    async def digitalocean(self) -> AsyncIterator[DigitalOcean]:
        """DigitalOcean's client, for the commands that only DigitalOcean has an API for.

        Raises:
            InvalidInputError: the settings name another cloud.
        """
        provider = self.settings.provider
        if provider is not Provider.DIGITALOCEAN:
            raise InvalidInputError(
                f"this command is only for --provider {Provider.DIGITALOCEAN}, not {provider}"
            )
        async with OnDigitalOcean.connect(self.settings) as client:
            yield client

    @asynccontextmanager
    async def accounts(self) -> AsyncIterator[tuple[list[AnyClient], Failures]]:
        """A client of every vendor whose credentials are in the environment; who failed beside.

        Raises:
            InvalidInputError: there is none.
        """
        clients: list[AnyClient] = []
        failures: Failures = []
        async with AsyncExitStack() as stack:
            for cloud in ACCOUNTS:
                if not any(one.found for one in cloud.credentials):
                    continue
                try:
                    client: AnyClient = cloud.connect(self.settings)
                except DIError as error:
                    failures.append((cloud.vendor, error))
                else:
                    clients.append(await stack.enter_async_context(client))
            if not clients and not failures:
                raise InvalidInputError(f"no credentials: set {_all_variables()}")
            yield clients, failures


def _all_variables() -> str:
    return ", or ".join(
        " and ".join(one.variables[0] for one in cloud.credentials) for cloud in ACCOUNTS
    )


def execute(
    settings: Settings,
    work: Callable[[Cli], Coroutine[Any, Any, None]],
    *,
    before: Callable[[], None] | None = None,
) -> None:
    """Run a command to its end; `before` first, outside of the event loop.

    Raises:
        typer.Exit: with the code, if that is not 0.
    """
    cli = Cli(settings, Out(settings.output))
    try:
        if before is not None:
            before()
        # As asyncio.run, but the thread's current loop, which may be another's, is left alone.
        runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        with _logging(settings.verbose), runner:
            runner.run(work(cli))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except (typer.Exit, BrokenPipeError):
        raise
    except Exception as error:
        if settings.debug:
            cli.say("".join(traceback.format_exception(error)).rstrip())
        for line in explain(error, settings):
            cli.say(line)
        raise typer.Exit(_code(error)) from None


def _code(error: Exception) -> int:
    missing_extra = isinstance(error, ModuleNotFoundError)
    if isinstance(error, InvalidInputError) or missing_extra:
        return USAGE
    return TIMED_OUT if isinstance(error, WaitTimeoutError) else FAILED


class _ToStderr(logging.Handler):
    """Finds stderr anew each time: a live display stands in for it."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(f"{record.levelname.lower()}: {self.format(record)}\n")


@contextmanager
def _logging(verbose: int) -> Iterator[None]:
    """The library's log on stderr: warnings, changes (1), every request (2)."""
    logger = logging.getLogger("di_async")
    handler, level, spreads = _ToStderr(), logger.level, logger.propagate
    logger.setLevel({0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG))
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = spreads
