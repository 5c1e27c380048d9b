"""Ask for confirmation while clients are connected."""

import asyncio
import sys

from di_async.cli.run import Cli

__all__ = ["can_ask", "confirmed"]


def can_ask() -> bool:
    """Return whether stdin is a terminal."""
    return sys.stdin is not None and sys.stdin.isatty()


async def confirmed(cli: Cli, question: str) -> bool:
    """Return whether the user types y or yes. Ctrl-C and SIGTERM end the prompt."""
    cli.streams.err.write(f"{question} [y/N]: ")
    cli.streams.err.flush()
    answer = await _read_line()
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
