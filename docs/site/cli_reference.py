"""Write `docs/reference/cli.md` from the commands: `python -m docs.site.cli_reference [--check]`.

With `--check` nothing is written; the exit code is 1 if the page is out of date.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner

from di_async.cli.app import app

PAGE = Path(__file__).parents[1] / "reference" / "cli.md"
HEAD = """\
# Commands

Every command of `di-async` with its options, as `--help` prints it. [Command
line](../command-line.md) explains output, prices, exit codes and signals. `python -m
docs.site.cli_reference` writes this page.
"""


def commands(command: Any, names: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield a command's words after `di-async`, and the command; groups before their members."""
    yield names, command
    for name, member in getattr(command, "commands", {}).items():
        if not member.hidden:
            yield from commands(member, (*names, name))


def options(command: Any) -> set[str]:
    """Return the spellings of a command's options that `--help` shows."""
    shown = [p for p in command.params if not getattr(p, "hidden", False)]
    return {word for p in shown for word in (*p.opts, *p.secondary_opts) if word.startswith("-")}


def page() -> str:
    """Return the page."""
    parts = [HEAD]
    runner = CliRunner(env={"NO_COLOR": "1", "TERM": "dumb"})
    for names, _ in commands(typer.main.get_command(app)):
        done = runner.invoke(app, [*names, "--help"], prog_name="di-async", terminal_width=80)
        text = done.output
        shared = text.find("  Shared options such as")  # the same words under every command
        text = text if shared < 0 else text[:shared]
        parts.append(f"## `{' '.join(['di-async', *names])}`\n\n```text\n{text.strip()}\n```\n")
    return "\n".join(parts)


def main() -> None:
    """Write or check the page."""
    text = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != text:
        sys.exit(f"{PAGE.name} is out of date: run python -m docs.site.cli_reference")


if __name__ == "__main__":
    main()
