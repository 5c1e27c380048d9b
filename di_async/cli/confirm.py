"""Ask for confirmation: of deletes before a client is connected, of plans while it is."""

import asyncio
import sys
from typing import Annotated

import typer

from di_async import InvalidInputError
from di_async.cli.run import Cli
from di_async.cli.signals import INTERRUPTED
from di_async.core.printable import printable

__all__ = ["Force", "can_ask", "confirm_delete", "confirmed"]

Force = Annotated[
    bool, typer.Option("--force", "-f", "--yes", "-y", help="Do not ask for confirmation.")
]


def confirm_delete(what: str, *, force: bool) -> None:
    """Ask for confirmation of a delete. Called outside the event loop, so Ctrl-C ends the prompt.

    Raises:
        InvalidInputError: stdin is not a terminal.
        typer.Exit: the user declined.
    """
    if force:
        return
    if not can_ask():
        raise InvalidInputError(
            "delete asks for confirmation, and stdin is not a terminal: use --force"
        )
    try:
        agreed = typer.confirm(f"Delete {printable(what)}? This cannot be undone.", err=True)
    except typer.Abort:
        typer.echo("\nnothing was deleted", err=True)  # in a line below the prompt and its ^C
        raise typer.Exit(INTERRUPTED) from None
    if not agreed:
        typer.echo("nothing was deleted", err=True)
        raise typer.Exit(1)


def can_ask() -> bool:
    """Return whether stdin is a terminal."""
    return sys.stdin is not None and sys.stdin.isatty()


async def confirmed(cli: Cli, question: str) -> bool:
    """Return whether the user types y or yes. Ctrl-C and SIGTERM end the prompt."""
    cli.streams.err.write(f"{question} [y/N]: ")
    cli.streams.err.flush()
    try:
        answer = await _read_line()
    except asyncio.CancelledError:
        cli.streams.err.write("\nnothing was changed\n")  # in a line below the prompt and its ^C
        raise
    return answer.strip().lower() in ("y", "yes")


async def _read_line() -> str:
    """Return a line from the terminal; the event loop goes on meanwhile."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(sys.stdin.fileno(), ready.set)
    except NotImplementedError:  # Windows
        return sys.stdin.readline()
    try:
        await ready.wait()
    finally:
        loop.remove_reader(sys.stdin.fileno())
    return sys.stdin.readline()
