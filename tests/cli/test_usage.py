"""What goes wrong around a command: the token, the network, the options; and what is never told."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from di_async import ServerError, cli
from di_async.cli.app import app
from di_async.cli.hints import explain
from di_async.cli.run import execute
from di_async.cli.settings import Settings
from di_async.emulator import Emulator
from tests.cli.helpers import EASY, HF_TOKEN, Di, written

COMMANDS = (
    *("demo", "list", "get", "create", "update", "scale", "delete", "wait"),
    *("accelerators", "tokens", "ca", "sizes", "models", "emulate"),
    *("scan", "logs", "start", "stop"),
)


def test_no_token(di: Di, monkeypatch: pytest.MonkeyPatch) -> None:
    """No token: a usage error that says where to put one."""
    monkeypatch.delenv("DIGITALOCEAN_TOKEN")
    monkeypatch.delenv("DIGITALOCEAN_ACCESS_TOKEN", raising=False)
    called = di("list")
    assert called.code == 2
    assert "--token-file" in called.err


def test_token_from_a_file(
    di: Di, di_emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`--token-file` comes before the environment."""
    monkeypatch.setenv("DIGITALOCEAN_TOKEN", "wrong")
    file = written(tmp_path / "token", di_emulator.token + "\n")
    assert di("list", "--token-file", file).code == 0


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_token_file_that_cannot_be_read(di: Di, tmp_path: Path, content: bytes | None) -> None:
    """A missing or binary token file is a usage error that names it."""
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    called = di("list", "--token-file", str(file))
    assert called.code == 2
    assert str(file) in called.err


def test_wrong_token(di: Di, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong token: exit code 1, what to look at, and not the token itself."""
    monkeypatch.setenv("DIGITALOCEAN_TOKEN", "dop_v1_planted")
    called = di("list", "-vv")
    assert called.code == 1
    assert "401" in called.err
    assert "wrong, expired or revoked" in called.err
    assert "planted" not in called.err


def test_token_that_may_only_read(
    di: Di, di_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scope that lacks is told as such."""
    monkeypatch.setenv("DIGITALOCEAN_TOKEN", di_emulator.read_only_token)
    called = di("create", *EASY)
    assert called.code == 1
    assert "lacks a scope" in called.err


def test_server_that_is_not_there(di: Di) -> None:
    """A dead address: exit code 1, and the option that leads elsewhere."""
    called = di("list", "--base-url", "http://127.0.0.1:9")
    assert called.code == 1
    assert "--base-url" in called.err


def test_plain_http_to_others_is_refused(di: Di) -> None:
    """A token is never sent in the clear."""
    assert di("list", "--base-url", "http://example.com").code == 2


def test_unknown_region(di: Di) -> None:
    """What the API refuses is told in its words, with a hint where choices are listed."""
    called = di("create", *EASY, "--region", "mars")
    assert called.code == 1
    assert "'mars' is not one of" in called.err
    assert "di-async sizes" in called.err


def test_html_answer(di: Di, di_emulator: Emulator) -> None:
    """A proxy's page is called what it is."""
    di_emulator.fault("html", status=200, times=None)
    called = di("list")
    assert called.code == 1
    assert "HTML" in called.err


@pytest.mark.parametrize("args", [("nonsense",), ("list", "--nonsense"), ("scale", "web", "0")])
def test_wrong_usage(di: Di, args: tuple[str, ...]) -> None:
    """Wrong words are exit code 2."""
    assert di(*args).code == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    """`--help` of each command ends well and tells the exit codes where waits are."""
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert command == "tokens" or "130 Ctrl-C" in " ".join(result.stdout.split())


def test_help_lists_every_command() -> None:
    """The promised commands are all there."""
    listed = CliRunner().invoke(app, ["--help"]).stdout
    assert all(f" {command} " in listed for command in COMMANDS)


def test_version() -> None:
    """`--version` tells the version."""
    assert CliRunner().invoke(app, ["--version"]).stdout.startswith("di-async ")


def test_no_secret_is_ever_told(di: Di, di_emulator: Emulator) -> None:
    """Neither the API token nor the Hugging Face token shows, in the loudest mode either."""
    said = ""
    for args in (("create", *EASY, "--hf-token"), ("list",), ("delete", "web", "-f"), ("get", "x")):
        called = di(*args, "-vv", "--debug")
        said += called.out + called.err
    assert "debug:" in said
    assert di_emulator.token not in said
    assert HF_TOKEN not in said


def test_verbose_tells_changes(di: Di) -> None:
    """`-v` logs what was accepted; without it there is no log."""
    assert "info: create of web accepted" in di("create", *EASY, "-v").err
    assert "info:" not in di("create", *EASY[2:], "--name", "b").err


def test_traceback_only_on_demand(di: Di) -> None:
    """Errors come without a traceback unless `--debug` asks for it."""
    assert "Traceback" not in di("get", "nobody").err
    assert "Traceback" in di("get", "nobody", "--debug").err


@pytest.mark.parametrize("debug", [True, False])
def test_a_defect_of_ours_is_told_as_such(capsys: pytest.CaptureFixture[str], debug: bool) -> None:
    """Even an unforeseen error is short, and exit code 1."""

    async def broken(_: object) -> None:
        raise ZeroDivisionError("oh")

    with pytest.raises(Exception, match="1") as end:
        execute(Settings(debug=debug), broken)
    assert end.type.__name__ == "Exit"
    said = capsys.readouterr().err
    assert "error: ZeroDivisionError: oh" in said
    assert ("bug in di-async" in said) is not debug


def test_an_error_without_a_hint() -> None:
    """Every error of the library is told, with a hint where there is one to give."""
    lines = list(explain(ServerError("boom", method="GET", path="/", status=500)))
    assert lines[0] == "error: GET /: 500: boom"


def test_ctrl_c_is_130() -> None:
    """A keyboard interrupt is exit code 130, and no error is told."""

    async def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(Exception, match="130"):
        execute(Settings(), interrupted)


def test_main_exits(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`main` takes its arguments and ends the process."""
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code in (0, None)
    assert capsys.readouterr().out.startswith("di-async ")


def test_a_port_that_is_taken(di: Di, di_emulator: Emulator) -> None:
    """An emulator that finds its port taken says so, and how to choose another."""
    called = di("emulate", "--port", di_emulator.url.rpartition(":")[2])
    assert (called.code, called.out) == (1, "")
    assert "in use" in called.err
    assert "--port" in called.err
