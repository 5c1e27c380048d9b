"""Tests of the README: its code runs against the emulator, and it stays short."""

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.reader import emulator_environment, run

__all__ = ["emulator_environment"]  # a fixture

README = (Path(__file__).parent.parent / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)( test)?\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
SCRIPTS = [text for language, test, text in BLOCKS if language == "python" and not test]
TESTS = [text for language, test, text in BLOCKS if language == "python" and test]
COMMANDS = [
    line
    for language, _, text in BLOCKS
    if language == "bash"
    for line in text.splitlines()
    if line.startswith("di-async ")
]


@pytest.fixture
def response_values(di_emulator: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """Return a set for the values in the emulator's responses, by provider."""
    values: dict[str, set[str]] = defaultdict(set)
    handle = type(di_emulator.world).handle

    def recording(world: Any, now: float, method: str, path: str, *more: Any, **also: Any) -> Any:
        response = handle(world, now, method, path, *more, **also)
        if response.body:
            values[_provider(path)] |= _scalars(json.loads(response.body))
        return response

    monkeypatch.setattr(type(di_emulator.world), "handle", recording)
    return values


def _provider(path: str) -> str:
    if path.startswith("/cloud"):
        return "gcore"
    return "exoscale" if path.startswith("/zones") else "digitalocean"


def _scalars(value: Any) -> set[str]:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return set().union(*map(_scalars, inner))
    return {str(value)}


def literals(script: str) -> set[str]:
    """Return the words of all constants in a script."""
    constants = [
        node.value for node in ast.walk(ast.parse(script)) if isinstance(node, ast.Constant)
    ]
    return {word for constant in constants for word in words(str(constant))}


def words(text: str) -> set[str]:
    """Return the words of a text that are long enough to mean something."""
    return {word for word in re.findall(r"[\w./:-]+", text) if len(word) >= 4}


@pytest.mark.parametrize("script", SCRIPTS, ids=range(len(SCRIPTS)))
def test_script_in_the_readme(
    script: str, emulator_environment: Any, response_values: dict[str, set[str]], capsys: Any
) -> None:
    """A script prints values that only the API's responses hold, for each provider it uses."""
    run(script)
    found = words(capsys.readouterr().out) - literals(script)
    assert response_values
    for provider, values in response_values.items():
        of_others = set().union(
            *(response_values[other] for other in response_values if other != provider)
        )
        assert found & (values - of_others), provider


@pytest.mark.parametrize("text", TESTS, ids=range(len(TESTS)))
def test_test_in_the_readme(text: str, tmp_path: Path) -> None:
    """A test from the README passes in another project."""
    (tmp_path / "test_mine.py").write_text(text)
    argv = [sys.executable, "-m", "pytest", "-q", "-o", "asyncio_mode=auto", str(tmp_path)]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603
    assert "1 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_commands_in_the_readme(emulator_environment: Any) -> None:
    """The commands exit with 0 in the README's order."""
    assert COMMANDS
    for line in COMMANDS:
        argv = [sys.executable, "-m", "di_async", *shlex.split(line)[1:]]
        done = subprocess.run(argv, env=os.environ, capture_output=True, text=True, check=False)  # noqa: S603
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


def test_readme_is_short() -> None:
    """The README has at most 200 lines, and code before line 20."""
    lines = README.splitlines()
    assert len(lines) <= 200
    assert "```python" in lines[:19]


def test_readme_has_the_commands_of_ci() -> None:
    """The README has both setup commands: `.ci/run` reads them from it."""
    found = re.findall(r"^python3 -m venv \.venv && .*$", README, flags=re.MULTILINE)
    assert [("di-async demo" in found[0]), ("pytest" in found[1])] == [True, True]
