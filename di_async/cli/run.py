"""How a command's coroutine runs, and how what becomes of it turns into an exit code.

0 settled, 1 failed, 2 usage, 3 timed out, 130 Ctrl-C. SIGINT is asyncio's own: it cancels the main
task, so that a wait can say how to resume it.
"""

import asyncio
import logging
import os
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import typer
from attrs import field, frozen
from rich.console import Console

from di_async import (
    DigitalOcean,
    InvalidInputError,
    PollPolicy,
    Secret,
    WaitTimeoutError,
)
from di_async.cli.hints import explain
from di_async.cli.output import Format, Out

__all__ = ["FAILED", "INTERRUPTED", "TIMED_OUT", "USAGE", "Cli", "Settings", "execute"]

FAILED, USAGE, TIMED_OUT, INTERRUPTED = 1, 2, 3, 130
_BASE_URL = "https://api.digitalocean.com"
_TOKENS = ("DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN")


@frozen(kw_only=True)
class Settings:
    """The shared options."""

    output: Format = Format.TABLE
    base_url: str = _BASE_URL
    token_file: Path | None = None
    target_lag: float = 5.0
    verbose: int = 0
    debug: bool = False


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
    async def client(self) -> AsyncIterator[DigitalOcean]:
        """A client of the API and account that the settings name."""
        settings = self.settings
        async with DigitalOcean(
            _token(settings.token_file),
            base_url=settings.base_url,
            polling=PollPolicy(target_lag=settings.target_lag),
            user_agent="di-async-cli",
        ) as client:
            yield client


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
        for line in explain(error, debug=settings.debug):
            cli.say(line)
        raise typer.Exit(_code(error)) from None


def _code(error: Exception) -> int:
    missing_extra = isinstance(error, ModuleNotFoundError)
    if isinstance(error, InvalidInputError) or missing_extra:
        return USAGE
    return TIMED_OUT if isinstance(error, WaitTimeoutError) else FAILED


def _token(file: Path | None) -> Secret:
    if file is not None:
        try:
            return Secret(file.read_text().strip())
        except (OSError, UnicodeDecodeError) as error:
            told = getattr(error, "strerror", None) or "not a text file"
            raise InvalidInputError(f"cannot read the token file {file}: {told}") from error
    found = next(filter(None, map(os.environ.get, _TOKENS)), None)
    if found is None:
        raise InvalidInputError(
            f"no DigitalOcean token: set {_TOKENS[0]}, or name a file that holds it with "
            "--token-file. Without an account: `di-async demo`, or `di-async emulate`"
        )
    return Secret(found)


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
