"""Tests of the README and `docs/`: links lead to a target, and Python code compiles."""

import importlib
import re
import textwrap
from pathlib import Path

import pytest

import di_async
from di_async.core import errors

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PATH = re.compile(r"`((?:di_async|tests|benchmarks|\.ci)/[\w./]+)`")
MODULE = re.compile(
    r"`((?:core|engine|fleet|digitalocean|gcore|exoscale|emulator|cli)/[\w/]+\.py)`"
)


def prose(page: Path) -> str:
    """Return a page without its code blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def page_name(page: Path) -> str:
    """Return the name of a page for test ids."""
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_relative_links_lead_to_a_file_and_heading(page: Path) -> None:
    """A link names a file of the repository and, after `#`, one of its headings."""
    for link in LINK.findall(prose(page)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_named_files_exist(page: Path) -> None:
    """A path in backticks names a file or folder of the repository."""
    text = prose(page)
    missing = [path for path in PATH.findall(text) if not (ROOT / path).exists()]
    missing += [path for path in MODULE.findall(text) if not (ROOT / "di_async" / path).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_python_blocks_compile(page: Path) -> None:
    """Code can be copied as it is; `tests/test_readme.py` also runs the README's."""
    for _, language, code in FENCE.findall(page.read_text(encoding="utf-8")):
        if language == "python":
            compile(textwrap.dedent(code), page.name, "exec")


def test_patterns_find_links_blocks_and_paths() -> None:
    """The patterns above match links, blocks and paths."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(FENCE.findall(readme)) > 5
    assert len(LINK.findall(readme)) > 5
    waiting = prose(ROOT / "docs" / "waiting.md")
    assert len(MODULE.findall(waiting)) > 5
    assert len(PATH.findall(waiting)) > 2
    assert "the-ten-promises" in anchors(ROOT / "docs" / "waiting.md")


def test_every_public_name_is_in_the_reference() -> None:
    """A page has `::: di_async...` for each public name; add it where it fits."""
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md"))
    shown = set(re.findall(r"^::: ([\w.]+)$", pages, re.MULTILINE))
    packages = ["digitalocean", "gcore", "exoscale", "emulator"]
    for package in packages:
        names = importlib.import_module(f"di_async.{package}").__all__
        assert {f"di_async.{package}.{name}" for name in names} <= shown
    clients = {"DigitalOcean", "Gcore", "Exoscale"}  # shown in their packages
    assert {f"di_async.{name}" for name in set(di_async.__all__) - clients} <= shown


def test_every_error_says_what_to_do() -> None:
    """`docs/errors.md` has a row for each public error class, and the tree of core/errors.py."""
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| .+ \| .+ \|$", page, re.MULTILINE)
    public = {
        name
        for name in di_async.__all__
        if isinstance(kind := getattr(di_async, name), type) and issubclass(kind, Exception)
    }
    assert len(rows) == len(set(rows))
    assert set(rows) == public
    name = re.compile(r"\b[A-Z]\w*Error\b")
    drawn = name.findall(page.split("```")[1])
    assert drawn == name.findall((errors.__doc__ or "").split("Rules")[0])
