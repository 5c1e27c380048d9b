"""Tests of the site: its navigation, and the pages that are written by a command."""

import re
from pathlib import Path

import typer

from di_async.cli.app import app
from docs.site import cli_reference

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "docs" / "site" / "mkdocs.yml"


def test_cli_reference_has_every_command_and_option() -> None:
    """`docs/reference/cli.md` is up to date; `python -m docs.site.cli_reference` writes it."""
    page = cli_reference.PAGE.read_text(encoding="utf-8")
    sections = re.split(r"^## ", page, flags=re.MULTILINE)[1:]
    shown = {section.split("\n")[0].strip("`"): section for section in sections}
    commands = {
        " ".join(["di-async", *names]): command
        for names, command in cli_reference.commands(typer.main.get_command(app))
    }
    assert list(shown) == list(commands)
    for name, command in commands.items():
        own = cli_reference.options(command)
        if name != "di-async":
            own -= cli_reference.options(commands["di-async"])  # shared by all
        assert [word for word in sorted(own) if word not in shown[name]] == [], name


def test_every_page_is_in_the_navigation() -> None:
    """`docs/site/mkdocs.yml` lists each page below `docs/`."""
    listed = re.findall(r"^ +- ([\w/-]+\.md)$", CONFIG.read_text(encoding="utf-8"), re.MULTILINE)
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    assert len(listed) == len(set(listed))
    assert set(listed) == pages
