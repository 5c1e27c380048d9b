"""Tests of messages: the command says options and commands, where the library says parameters."""

import logging
import re
from functools import cache

import pytest
import typer

from di_async import InvalidInputError
from di_async.cli.hints import _PARAMETERS, explain, with_option_names
from di_async.cli.run import execute
from di_async.cli.settings import Provider, Settings
from di_async.emulator import Emulator
from tests.cli.helpers import EASY, Di
from tests.public_api import ROOT

EXOSCALE = Settings(provider=Provider.EXOSCALE)


@pytest.mark.parametrize("phrase", _PARAMETERS)
def test_phrases_of_the_library_are_those_it_uses(phrase: str) -> None:
    """What the command replaces is in the source of the library, word for word."""
    assert phrase in library_source()


@cache
def library_source() -> str:
    """Return the source of all packages but the command, with adjacent texts joined."""
    files = (file for file in (ROOT / "di_async").rglob("*.py") if "cli" not in file.parts)
    return re.sub(r'"\s*f?"', "", "\n".join(file.read_text() for file in files))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name_timeout: expected seconds", "--name-timeout: expected seconds"),
        ("timeout: expected seconds; pass None to wait for ever", "--timeout: expected seconds"),
        ("lifetime: expected seconds", "--lifetime: expected seconds"),
        ("Look with `find('web')`", "Look with `di-async list --name web`"),
        ('Look with `find("it\'s")`', "Look with `di-async list --name 'it'\"'\"'s'`"),
        (
            "Check `find_all('web')` in at-vie-2",
            "Check `di-async --provider exoscale --zone at-vie-2 list --name web`",
        ),
        ("Check `get('web')`", "Check `di-async get web`"),
        ("zone ch-gva-2 only; use in_zone('x')", "zone ch-gva-2 only; use --zone x"),
        ("failed (see `logs('web')`)", "failed (see `di-async logs web`)"),
        ("the server knows no access_token here", "the server knows no access_token here"),
    ],
)
def test_words_of_python(text: str, expected: str) -> None:
    """Parameters and calls of the library become options and command lines."""
    assert with_option_names(text, Settings()) == expected


@pytest.mark.parametrize(
    ("method", "args", "hint"),
    [
        ("DELETE", ("delete", "--force"), "check with `di-async list`"),
        ("GET", ("get",), "try again"),
    ],
)
def test_a_request_without_an_answer(
    di: Di, di_emulator: Emulator, method: str, args: tuple[str, ...], hint: str
) -> None:
    """After a write the hint is to check; a read can be tried again."""
    instance = di_emulator.add_instance(name="web")
    di_emulator.fault("reset", on=f"{method} /v2/dedicated-inferences/{{id}}", times=None)
    result = di(*args, instance.id)
    assert result.code == 1
    assert hint in result.err


def test_a_429_says_when_to_try_again(di: Di, di_emulator: Emulator) -> None:
    """A script can wait for that long; the time is in real seconds."""
    di_emulator.fault(
        "rate_limit", on="GET /v2/dedicated-inferences", times=None, retry_after=100 * 90
    )
    result = di("list")
    assert result.code == 1
    (seconds,) = re.findall(r"Try again in (\d+) s\.", result.err)
    assert 80 <= int(seconds) <= 91


def test_an_update_of_a_failed_instance(di: Di, di_emulator: Emulator) -> None:
    """The API refuses it as if an earlier change were in progress, which never ends."""
    di_emulator.add_instance(name="web", status="error")
    result = di("scale", "web", "2")
    assert result.code == 1
    assert "If it has failed, waiting does not help: delete the instance" in result.err


def test_fields_of_a_spec_keep_their_names() -> None:
    """A spec has fields that are named as parameters are; they are not options."""
    error = InvalidInputError("", problems=("timeout: required", "project_id: required"))
    assert list(explain(error))[1:] == ["  timeout: required", "  project_id: required"]


@pytest.mark.parametrize(
    ("args", "option"),
    [
        (("create", *EASY, "--name-timeout", "1e300"), "--name-timeout"),
        (("wait", "web", "--timeout", "1e300"), "--timeout"),
        (("list", "--target-lag", "1e300"), "--target-lag"),
        (("update", "web", "--name", "b", "--ready-timeout", "1e300"), "--ready-timeout"),
    ],
)
def test_seconds_beyond_a_century(di: Di, args: tuple[str, ...], option: str) -> None:
    """The message names the option and the range, which the value is outside of."""
    di("create", *EASY)
    result = di(*args)
    assert result.code == 2
    assert f"'{option}': expected a number of seconds" in result.err
    assert "at most 100 years" in result.err


def test_log_records_say_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """What the library logs names commands too, for the selected provider."""

    async def work(_: object) -> None:
        logging.getLogger("di_async").warning("It may exist. Look with `find_all('web')`")

    with pytest.raises(typer.Exit):
        execute(EXOSCALE, work)
    assert "`di-async --provider exoscale list --name web`" in capsys.readouterr().err
