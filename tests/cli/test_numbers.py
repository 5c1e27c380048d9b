"""Options and variables with numbers: one rule for the whole command."""

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from di_async.cli.app import app
from di_async.cli.numbers import SECONDS, number_fault
from di_async.emulator import Emulator
from tests.cli.helpers import EASY, Di

NUMBERS = {float, int, float | None, int | None}
FOREIGN_DIGITS = "\u0661\u0662"


def parameters(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the command's words, typer's parameter and its metavar for each that is a number."""
    declared = inspect.signature(command.callback).parameters if command.callback else {}
    for param in command.params:
        annotation: Any = declared[param.name].annotation if param.name in declared else None
        if getattr(annotation, "__origin__", None) in NUMBERS and param.name != "verbose":
            yield path, param, annotation.__metadata__[0].metavar
    for name in getattr(command, "list_commands", lambda _: ())(None):
        yield from parameters(command.get_command(None, name), (*path, name))


ALL = list(parameters(typer.main.get_command(app)))


def arguments(path: tuple[str, ...], param: Any, text: str) -> list[str]:
    """Return a command line with this value."""
    if param.param_type_name == "option":
        return [*path, f"{param.opts[0]}={text}", *(() if path else ("list",))]
    return [*path, "web", text]


def test_the_numbers_are_found() -> None:
    """The tables below hold what the help calls numbers."""
    names = {param.name for _, param, _ in ALL}
    assert names >= {"timeout", "scale", "lifetime", "target_lag", "seed", "port", "max_tokens"}


@pytest.mark.parametrize("text", ["1_0", FOREIGN_DIGITS, "inf", "nan", "0x10", "1e400"])
def test_odd_spellings(di: Di, di_emulator: Emulator, text: str) -> None:
    """Every number of every command refuses what only Python reads as one, and sends nothing."""
    for path, param, _ in ALL:
        result = di(*arguments(path, param, text))
        assert result.code == 2, (path, param.name)
        assert "number, not " in result.err, (path, param.name)
        assert repr(text) in result.err, (path, param.name, result.err)
    assert not di_emulator.world.requests


def test_longest_duration(di: Di, di_emulator: Emulator) -> None:
    """Every duration above a hundred years is refused before anything is sent."""
    durations = [one for one in ALL if one[2] == SECONDS]
    assert {param.name for _, param, _ in durations} >= {"timeout", "ready_timeout", "target_lag"}
    for path, param, _ in durations:
        result = di(*arguments(path, param, "1e10"))
        assert result.code == 2, (path, param.name)
        assert "at most 100 years" in result.err, (path, param.name)
        assert param.opts[0] in result.err, (path, param.name)
    assert not di_emulator.world.requests


@pytest.mark.parametrize("text", ["5", "+5", "0.5", ".5", "5.", "1e2", " 5 ", "-0"])
def test_plain_spellings(di: Di, text: str) -> None:
    """Decimal numbers are accepted, with an exponent and with blanks around them."""
    di("create", *EASY)
    assert di("wait", "web", "--timeout", text).code == 0
    assert number_fault(text, duration=True) is None


@pytest.mark.parametrize("text", ["5.0", "1e1", "5."])
def test_whole_numbers(di: Di, text: str) -> None:
    """A fraction is not a number of replicas, whatever version of typer reads it."""
    assert "expected a whole number" in di("scale", "web", text).err


def test_too_many_digits(di: Di) -> None:
    """What Python cannot convert is a usage error like others."""
    result = di("scale", "web", "9" * 5000)
    assert (result.code, "Traceback" in result.err) == (2, False)


@pytest.mark.parametrize("text", ["1_0", FOREIGN_DIGITS, "inf", "1e400", "1e10"])
def test_the_variable(di: Di, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """The variable of an option follows the same rule."""
    monkeypatch.setenv("DI_ASYNC_TARGET_LAG", text)
    result = di("list")
    assert result.code == 2
    assert "DI_ASYNC_TARGET_LAG: expected a number" in result.err


@pytest.mark.parametrize("text", [FOREIGN_DIGITS, "9" * 5000])
def test_region_and_project_numbers(di: Di, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Gcore's regions and projects are numbers in ASCII digits."""
    spec = '{"image": "nginx:latest", "listening_port": 80}'
    create = ("create", "--spec", "-", "--name", "web", "--region", text, "--gpu", "x")
    result = di("--provider", "gcore", *create, input=spec)
    assert (result.code, "--region: expected its number" in result.err) == (2, True)
    monkeypatch.setenv("GCORE_CLOUD_PROJECT_ID", text)
    result = di("--provider", "gcore", "list")
    assert (result.code, "GCORE_CLOUD_PROJECT_ID" in result.err) == (2, True)
