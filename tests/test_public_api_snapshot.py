"""Tests of the public API against its snapshot, and of the comparison."""

import griffe
import pytest

from tests.public_api import SNAPSHOT, compare, list_api, load

BEFORE = """
__all__ = ["Client", "scan", "Color"]

class Base:
    def close(self) -> None: ...

class Client(Base):
    limit: int = field(default=3, metadata=hidden())
    def __init__(self, token, *, timeout=30.0):
        self.url = compute(token)
    async def get(self, id: str, region: str | None = None) -> dict: ...
    def _private(self): ...

class Color:
    RED = "red"

def scan(*clients): ...
def internal(): ...
"""


def api(source: str) -> list[str]:
    """Return the API of a package with this source."""
    with griffe.temporary_visited_package("toy", {"__init__.py": source}) as package:
        return list_api(package)


def breaking(old: str, new: str) -> tuple[str, ...]:
    """Return what breaks users if `old` is replaced in the source."""
    assert old in BEFORE
    return compare(api(BEFORE), api(BEFORE.replace(old, new))).breaking


def test_public_api_breaks_no_users() -> None:
    """No public name, parameter, default or return type of the snapshot is gone or different."""
    found = compare(SNAPSHOT.read_text(encoding="utf-8").splitlines(), list_api(load()))
    assert not found.breaking, str(found)


def test_snapshot_covers_all_public_packages() -> None:
    """The snapshot has names of the package, the providers and the emulator."""
    lines = list_api(load())
    for name in ("di_async.scan", "di_async.gcore.Gcore", "di_async.emulator.World"):
        assert any(line.startswith(f"{name}: ") for line in lines)
    assert not [line for line in lines if line.startswith(("di_async.core.", "di_async.cli."))]


def test_lines() -> None:
    """Names, parameters, bases, inherited members, defaults; no private or internal names."""
    assert api(BEFORE) == [
        "toy.Client: class",
        "toy.Client(base Base): base",
        "toy.Client.__init__: function -> None",
        "toy.Client.__init__(token): positional or keyword 1 None required",
        "toy.Client.__init__(timeout): keyword-only None = 30.0",
        "toy.Client.close: function -> None",
        "toy.Client.get: function async -> dict",
        "toy.Client.get(id): positional or keyword 1 str required",
        "toy.Client.get(region): positional or keyword 2 str | None = None",
        "toy.Client.limit: attribute int = 3",
        "toy.Client.url: attribute None",
        "toy.Color: class",
        "toy.Color.RED: attribute None = 'red'",
        "toy.scan: function -> None",
        "toy.scan(clients): variadic positional None",
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("timeout=30.0", "timeout=30.0, proxy=None"),
        ("region: str | None = None)", "region: str | None = None, zone: str = '')"),
        ("def internal(): ...", ""),
        ("    def _private(self): ...", ""),
        ("compute(token)", "other(token)"),
        ("metadata=hidden()", "metadata=other()"),
        ('"scan", "Color"', '"internal", "scan", "Color"'),
        ('RED = "red"', 'RED = "red"\n    BLUE = "blue"'),
    ],
)
def test_additions_break_nothing(old: str, new: str) -> None:
    """New names and optional parameters are no break, nor is what users cannot see."""
    assert breaking(old, new) == ()


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("    def close(self) -> None: ...", "    pass", "- toy.Client.close: function -> None"),
        ('"Client", "scan"', '"Client"', "- toy.scan: function -> None"),
        ("timeout=30.0", "timeout", "+ toy.Client.__init__(timeout): keyword-only None required"),
        ("timeout=30.0", "timeout=30.0, a", "+ toy.Client.__init__(a): keyword-only None required"),
        ("id: str,", "name: str,", "- toy.Client.get(id): positional or keyword 1 str required"),
        ("id: str,", "id: str, zone: str = '',",
         "+ toy.Client.get(region): positional or keyword 3 str | None = None"),
        ("async def get", "def get", "+ toy.Client.get: function -> dict"),
        ("(Base)", "", "- toy.Client(base Base): base"),
        ('"red"', '"RED"', "+ toy.Color.RED: attribute None = 'RED'"),
    ],
)  # fmt: skip
def test_breaks(old: str, new: str, line: str) -> None:
    """What is gone or different is reported, as is a parameter that has to be passed."""
    assert line in breaking(old, new)


def test_message_states_the_lines_and_the_command() -> None:
    """The message shows what to do."""
    text = str(compare(["toy.scan: function -> None"], []))
    assert "- toy.scan: function -> None" in text
    assert "python -m tests.public_api --write" in text
