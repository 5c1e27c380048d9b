"""How a command runs: its context `Cli`, logging, and the exit code.

Exit codes: 0 success, 1 failed, 2 usage error, 3 timed out, 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP.
Each of these signals cancels the main task, so a wait can print how to resume it.
"""

import asyncio
import logging
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from attrs import evolve, frozen

from di_async import DIError, InvalidInputError, WaitTimeoutError
from di_async.cli.durations import save_durations
from di_async.cli.hints import explain, with_option_names
from di_async.cli.output import Column, Out, new_console
from di_async.cli.settings import Provider, Settings
from di_async.cli.signals import INTERRUPTED, Stop, finish_write, stop_on_signals
from di_async.cli.streams import Streams, open_streams
from di_async.core.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

    from di_async.cli.clouds.base import AnyClient, Cloud

__all__ = ["FAILED", "INTERRUPTED", "TIMED_OUT", "USAGE", "Cli", "execute"]

T = TypeVar("T")
FAILED, USAGE, TIMED_OUT = 1, 2, 3
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

    @property
    def streams(self) -> Streams:
        """Stdout and stderr."""
        return self.out.streams

    @cached_property
    def err(self) -> "Console":
        """The rich console of stderr, made on first use."""
        return new_console(self.streams.err)

    def message(self, *lines: str, keep: bool = False) -> None:
        """Print lines to stderr.

        `keep`: if stderr fails, they go to stdout, unless its document holds what they state.
        """
        text = "".join(f"{printable(line)}\n" for line in lines)
        if keep and self.out.is_table:
            self.streams.save(text, to_err=True)
        else:
            self.streams.err.write(text)

    def rows(self, rows: Sequence[T], columns: Sequence[Column[T]], *, none: str) -> None:
        """Write a table, or a document that is a list; print `none` to stderr if it is empty."""
        if not rows:
            self.message(none)
        self.out.rows(rows, columns)

    def explain(self, error: BaseException, *, deleted: bool = False) -> None:
        """Print an error and what to do about it to stderr; with --debug its traceback, too.

        `deleted`: the resource of a failed wait was deleted afterwards.
        """
        if self.settings.debug:
            self.message(*"".join(traceback.format_exception(error)).rstrip().split("\n"))
        for line in explain(error, self.settings, deleted=deleted):
            self.message(line, keep=True)

    async def finish(self, write: Awaitable[T]) -> T:
        """Return the result of a write. A signal takes effect after its answer."""
        waits = "Stopping after the response to the request in flight (at most 5 s)."
        return await finish_write(write, lambda: self.message(waits))

    def stop_when_stdout_fails(self) -> None:
        """Cancel the running task when stdout fails: nobody would see the rest."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def stop() -> None:
            if task is not None:
                loop.call_soon_threadsafe(task.cancel)  # a live display writes in a thread

        self.streams.out.on_failure = stop

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
            try:
                yield cloud(client, settings)
            finally:
                if failure := save_durations():
                    self.message(f"warning: {failure}")

    @asynccontextmanager
    async def accounts(self) -> AsyncIterator[tuple[list["AnyClient"], Failures]]:
        """Connect to every vendor whose credentials are in the environment.

        Yields the clients, and the errors of vendors that cannot be read, or only in part.

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
                    client: AnyClient = cloud.connect(evolve(self.settings, by_environment=True))
                except DIError as error:
                    failures.append((cloud.vendor, error))
                    continue
                clients.append(await stack.enter_async_context(client))
                if (unread := cloud.unread_part(client)) is not None:
                    failures.append((cloud.vendor, unread))
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
        typer.Exit: with the exit code.
    """
    with open_streams() as streams:
        cli = Cli(settings, Out(settings.output, streams=streams))
        code = _run(cli, work, before)
        raise typer.Exit(streams.exit_code(code))


def _run(
    cli: Cli,
    work: Callable[[Cli], Coroutine[Any, Any, None]],
    before: Callable[[], None] | None,
) -> int:
    """Run a command, explain its error, and return its exit code."""
    stop = Stop()

    async def run() -> None:
        with stop_on_signals(stop):
            await work(cli)

    try:
        if before is not None:
            before()
        # Unlike asyncio.run, this keeps the thread's current event loop.
        runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        with _logging(cli.settings), runner:
            runner.run(run())
    except (KeyboardInterrupt, asyncio.CancelledError):
        if stop.signal_number is None and cli.streams.out.on_failure and cli.streams.out.failure:
            return 0  # `stop_when_stdout_fails`
        return stop.exit_code
    except typer.Exit as ended:
        return ended.exit_code
    except Exception as error:
        cli.explain(error)
        return _exit_code(error) if stop.signal_number is None else stop.exit_code
    return 0


def _exit_code(error: Exception) -> int:
    missing_extra = isinstance(error, ModuleNotFoundError)
    if isinstance(error, InvalidInputError) or missing_extra:
        return USAGE
    return TIMED_OUT if isinstance(error, WaitTimeoutError) else FAILED


class _StderrHandler(logging.Handler):
    """Writes to the current `sys.stderr`, which a live display may have replaced."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings

    def emit(self, record: logging.LogRecord) -> None:
        from di_async.engine.writes.ensure import DUPLICATES

        if record.msg == DUPLICATES:  # the commands print what `ensure` returns
            return
        text = with_option_names(self.format(record), self.settings)
        first, *more = text.split("\n")
        lines = [f"{record.levelname.lower()}: {printable(first)}", *map(printable, more)]
        sys.stderr.write("".join(f"{line}\n" for line in lines))


@contextmanager
def _logging(settings: Settings) -> Iterator[None]:
    """Log to stderr: warnings, with 1 also changes, with 2 also every request."""
    logger = logging.getLogger("di_async")
    handler, level, propagate = _StderrHandler(settings), logger.level, logger.propagate
    logger.setLevel({0: logging.WARNING, 1: logging.INFO}.get(settings.verbose, logging.DEBUG))
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
