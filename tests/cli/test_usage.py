"""Usage errors, API errors, and secrets that must not be printed."""

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest
import typer
from typer.testing import CliRunner

from di_async import ServerError, cli
from di_async.cli import commands
from di_async.cli.app import app
from di_async.cli.command_table import SECTIONS
from di_async.cli.hints import explain
from di_async.cli.run import execute
from di_async.cli.settings import Settings
from di_async.emulator import Emulator
from tests.cli.helpers import EASY, HF_TOKEN, Di, write_file

COMMANDS = (
    *("demo", "list", "get", "create", "ensure", "update", "scale", "delete", "wait"),
    *("accelerators", "tokens", "ca", "sizes", "models", "emulate"),
    *("scan", "logs", "start", "stop", "keys", "secrets", "tasks", "flavors", "quota"),
    *("catalog", "custom-models"),
)
GROUPS = {"tokens", "keys", "secrets", "tasks", "custom-models"}


@pytest.mark.parametrize("group", [(), *((group,) for group in sorted(GROUPS))])
def test_without_a_command(di: Di, group: tuple[str, ...]) -> None:
    """The help is printed as text with line breaks, and the exit code says that a word lacks."""
    result = di(*group)
    usage, *rest = result.err.splitlines()
    assert (result.code, result.out) == (2, "")
    assert usage.endswith("COMMAND [ARGS]...")
    assert any(line.startswith("  list") for line in rest)
    assert "\\n" not in result.err


def test_no_token(di: Di, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing token is a usage error that names the option."""
    monkeypatch.delenv("DIGITALOCEAN_TOKEN")
    monkeypatch.delenv("DIGITALOCEAN_ACCESS_TOKEN", raising=False)
    result = di("list")
    assert result.code == 2
    assert "--token-file" in result.err


def test_token_from_a_file(
    di: Di, di_emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`--token-file` overrides the environment."""
    monkeypatch.setenv("DIGITALOCEAN_TOKEN", "wrong")
    file = write_file(tmp_path / "token", di_emulator.token + "\n")
    assert di("list", "--token-file", file).code == 0


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_unreadable_token_file(di: Di, tmp_path: Path, content: bytes | None) -> None:
    """A missing or binary token file is a usage error that names it."""
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    result = di("list", "--token-file", str(file))
    assert result.code == 2
    assert str(file) in result.err


def test_wrong_token(di: Di, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1 and a hint; the token itself is not printed."""
    monkeypatch.setenv("DIGITALOCEAN_TOKEN", "dop_v1_planted")
    result = di("list", "-vv")
    assert result.code == 1
    assert "401" in result.err
    assert "wrong, expired or revoked" in result.err
    assert "planted" not in result.err


def test_read_only_token(di: Di, di_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing scope is named as a possible cause."""
    monkeypatch.setenv("DIGITALOCEAN_TOKEN", di_emulator.read_only_token)
    result = di("create", *EASY)
    assert result.code == 1
    assert "lacks a scope" in result.err


def test_server_that_cannot_be_reached(di: Di) -> None:
    """Exit code 1, and a hint at --base-url."""
    result = di("list", "--base-url", "http://127.0.0.1:9")
    assert result.code == 1
    assert "--base-url" in result.err


def test_plain_http_is_refused(di: Di) -> None:
    """A token is never sent unencrypted."""
    assert di("list", "--base-url", "http://example.com").code == 2


def test_unknown_region(di: Di) -> None:
    """The API's message is followed by the command that lists valid values."""
    result = di("create", *EASY, "--region", "mars")
    assert result.code == 1
    assert "'mars' is not one of" in result.err
    assert "di-async sizes" in result.err


def test_html_response(di: Di, di_emulator: Emulator) -> None:
    """A proxy's page is reported as HTML."""
    di_emulator.fault("html", status=200, times=None)
    result = di("list")
    assert result.code == 1
    assert "HTML" in result.err


@pytest.mark.parametrize("args", [("nonsense",), ("list", "--nonsense"), ("scale", "web", "0")])
def test_wrong_usage(di: Di, args: tuple[str, ...]) -> None:
    """Usage errors have exit code 2."""
    assert di(*args).code == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    """`--help` of each command succeeds and lists the exit codes."""
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert command in GROUPS or "130 Ctrl-C" in " ".join(result.stdout.split())


def test_help_lists_every_command() -> None:
    """`di-async --help` lists all commands."""
    listed = CliRunner().invoke(app, ["--help"]).stdout
    assert all(f" {command} " in listed for command in COMMANDS)


def test_command_table_is_what_the_modules_register() -> None:
    """Its names, modules and summaries are those of the commands, and none is missing."""
    entries = [entry for section in SECTIONS.values() for entry in section]
    registered = {}
    for _, module, _ in iter_modules(commands.__path__):
        own = getattr(import_module(f"{commands.__name__}.{module}"), "app", None)
        if own is None:  # shared by several of them
            continue
        for name, command in typer.main.get_group(own).commands.items():
            registered[name] = (module, command.get_short_help_str(200))
    assert {entry.name: (entry.module, entry.summary) for entry in entries} == registered
    assert len(entries) == len(registered)


def test_version() -> None:
    """`--version` prints the version."""
    assert CliRunner().invoke(app, ["--version"]).stdout.startswith("di-async ")


def test_no_secret_is_printed(di: Di, di_emulator: Emulator) -> None:
    """Neither the API token nor the Hugging Face token is printed, even with -vv and --debug."""
    output = ""
    for args in (("create", *EASY, "--hf-token"), ("list",), ("delete", "web", "-f"), ("get", "x")):
        result = di(*args, "-vv", "--debug")
        output += result.out + result.err
    assert "debug:" in output
    assert di_emulator.token not in output
    assert HF_TOKEN not in output


def test_verbose_logs_changes(di: Di) -> None:
    """`-v` logs accepted changes; without it nothing is logged."""
    assert "info: create of 'web' accepted" in di("create", *EASY, "-v").err
    assert "info:" not in di("create", *EASY[2:], "--name", "b").err


def test_traceback_needs_debug(di: Di) -> None:
    """Errors have a traceback only with `--debug`."""
    assert "Traceback" not in di("get", "unknown").err
    assert "Traceback" in di("get", "unknown", "--debug").err


@pytest.mark.parametrize("debug", [True, False])
def test_unexpected_error_is_reported_as_a_bug(
    capsys: pytest.CaptureFixture[str], debug: bool
) -> None:
    """It is one line, with exit code 1."""

    async def broken(_: object) -> None:
        raise ZeroDivisionError("oh")

    with pytest.raises(Exception, match="1") as end:
        execute(Settings(debug=debug), broken)
    assert end.type.__name__ == "Exit"
    output = capsys.readouterr().err
    assert "error: ZeroDivisionError: oh" in output
    assert ("bug in di-async" in output) is not debug


def test_error_message_holds_method_and_status() -> None:
    """The first line is the library's message."""
    lines = list(explain(ServerError("boom", method="GET", path="/", status=500)))
    assert lines[0] == "error: GET /: 500: boom"


def test_ctrl_c_is_130() -> None:
    """A keyboard interrupt is exit code 130."""

    async def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(Exception, match="130"):
        execute(Settings(), interrupted)


def test_main_exits(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`main` accepts arguments and exits the process."""
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code in (0, None)
    assert capsys.readouterr().out.startswith("di-async ")


def test_port_in_use(di: Di, di_emulator: Emulator) -> None:
    """The emulator's error names the option for another port."""
    result = di("emulate", "--port", di_emulator.url.rpartition(":")[2])
    assert (result.code, result.out) == (1, "")
    assert "in use" in result.err
    assert "--port" in result.err


@pytest.mark.parametrize(
    "args",
    [
        ("list", "--region", ""),
        ("list", "--name", ""),
        ("scale", "web", "2", "--gpu", ""),
        ("wait", "--resume", ""),
        ("get", ""),
        ("apply", "", "--yes"),
        ("--zone", "", "list"),
        ("list", "--provider", "exoscale", "--zone", ""),
        ("list", "--base-url", ""),
        ("list", "--token-file", ""),
        ("scan", "--html", ""),
        ("tokens", "create", "web", ""),
        ("create", "--name", "web", "--region", "", "--model", "m", "--gpu", "g"),
    ],
)
def test_empty_options_are_refused(di: Di, args: tuple[str, ...]) -> None:
    """An option or argument whose variable was unset is not ignored, as that would mean all."""
    result = di(*args)
    assert result.code == 2
    assert "is empty; is a variable of your script unset?" in result.err


def test_empty_words_of_another_command(di: Di, tmp_path: Path) -> None:
    """What follows `--` belongs to the command of `run`: an empty word is passed on to it."""
    spec = write_file(tmp_path / "spec.json", "{}")
    assert "empty; is" not in di("run", "--spec", spec, "--", "grep", "").err


def test_the_command_line_is_printed_without_controls(di: Di) -> None:
    """A usage error quotes the command line, which may be pasted, in printable characters."""
    for args in (("list", "--x\u202ey\u2028z"), ("li\u202est",), ("list", "y\x1bz")):
        err = di(*args).err
        assert not set(err) & {"\u202e", "\u2028", "\x1b"}
        assert "\\u202e" in err or "\\x1b" in err


@pytest.mark.parametrize("args", [("scale", "web", "-1"), ("get", "-abc")])
def test_a_value_that_begins_with_a_dash(di: Di, args: tuple[str, ...]) -> None:
    """It is read as an option; the message says how to pass it as an argument."""
    result = di(*args)
    assert result.code == 2
    assert "ID|NAME" in result.err
    assert "put -- before it" in result.err


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DI_ASYNC_PROVIDER", "'gcore'"),
        ("DI_ASYNC_PROVIDER", "gcore\n"),
        ("DI_ASYNC_TARGET_LAG", '"5"'),
        ("EXOSCALE_ZONE", ' "ch-gva-2" '),
        ("EXOSCALE_ZONE", " "),
    ],
)
def test_quotes_around_a_variable(
    di: Di, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """Blanks and quotes that `docker --env-file` leaves are removed, as around a token."""
    monkeypatch.setenv(variable, value)
    provider = ("--provider", "exoscale") if variable == "EXOSCALE_ZONE" else ()
    assert di("list", *provider).code == 0


@pytest.mark.parametrize(
    ("variable", "value", "provider"),
    [
        ("DI_ASYNC_PROVIDER", "aws", ()),
        ("DI_ASYNC_TARGET_LAG", "soon", ()),
        ("DI_ASYNC_TARGET_LAG", "0", ()),
        ("DI_ASYNC_TARGET_LAG", "nan", ()),
        ("DI_ASYNC_TARGET_LAG", "inf", ()),
        ("GCORE_CLOUD_PROJECT_ID", "mine", ("--provider", "gcore")),
        ("EXOSCALE_ZONE", "Wien!", ("--provider", "exoscale")),
        ("DI_ASYNC_BASE_URL", "ftp://x", ()),
        ("DIGITALOCEAN_TOKEN", "a b", ()),
        ("EXOSCALE_API_SECRET", "a b", ("--provider", "exoscale")),
    ],
)
def test_a_wrong_variable_is_named(
    di: Di,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    provider: tuple[str, ...],
) -> None:
    """A usage error about a variable names it, and not the option that was not used."""
    monkeypatch.setenv(variable, value)
    result = di("list", *provider)
    assert result.code == 2
    assert variable in result.err
    assert not any(option in result.err for option in ("--target-lag", "--project", "--zone"))


def test_a_wrong_zone_is_named(di: Di, monkeypatch: pytest.MonkeyPatch) -> None:
    """The option is named where it was used, and the variable where several providers are read."""
    monkeypatch.setenv("EXOSCALE_ZONE", "Wien!")
    result = di("list", "--provider", "exoscale", "--zone", "Bern!")
    assert (result.code, "Invalid --zone 'Bern!'" in result.err) == (2, True)
    assert "EXOSCALE_ZONE 'Wien!'" in di("scan", "--all-providers").err


def test_summaries_fit_80_columns() -> None:
    """No command's summary is cut in `di-async --help`."""
    listed = CliRunner().invoke(app, ["--help"], terminal_width=80).stdout
    assert not [
        line for line in listed.splitlines() if line.endswith("...") and "[ARGS]" not in line
    ]


@pytest.mark.parametrize(
    "args", [("--provider", "aws", "list"), ("wait", "web", "--for", "gone"), ("models", "buy")]
)
def test_value_that_is_not_a_choice(di: Di, args: tuple[str, ...]) -> None:
    """The message names the choices, without the name of a Python class."""
    result = di(*args)
    assert result.code == 2
    assert "is not one of" in result.err
    assert "Value error" not in result.err


def test_unknown_zone_and_project(di: Di) -> None:
    """The hint names the option, as the URL is right."""
    assert "Check --zone" in di("--provider", "exoscale", "--zone", "ch-xx-2", "list").err
    assert "Check --project" in di("--provider", "gcore", "--project", "9", "list").err


@pytest.mark.parametrize("group", ["tasks", "keys", "secrets"])
def test_unknown_name_in_a_group(di: Di, group: str) -> None:
    """The hint names the list of the same group."""
    result = di("--provider", "gcore", group, "get", "nope")
    assert result.code == 1
    assert f"{group} list`" in result.err


@pytest.mark.parametrize(
    ("provider", "args"),
    [
        ("exoscale", ("create", "--name", "web-1", "--model", "a/b", "--gpu", "none")),
        ("gcore", ("quota", "--region", "7", "--gpu", "none")),
    ],
)
def test_unknown_gpu(di: Di, provider: str, args: tuple[str, ...]) -> None:
    """The hint names the command that lists what there is."""
    result = di("--provider", provider, *args)
    assert result.code == 1
    assert "hardware` lists" in result.err


@pytest.mark.parametrize(
    "args",
    [
        ("nothing",),
        ("--nothing",),
        ("get",),
        ("get", ""),
        ("get", "--nothing"),
        ("keys", "nothing"),
        ("-o", "xml", "list"),
        ("wait", "x", "--timeout", "soon"),
        ("--provider",),
        ("list", "--region"),
    ],
    ids=" ".join,
)
def test_usage_errors_have_the_form_of_other_errors(di: Di, args: tuple[str, ...]) -> None:
    """The usage, how to get help, and a line that begins with `error: `; exit code 2."""
    result = di(*args)
    assert (result.code, result.out) == (2, "")
    lines = [line for line in result.err.splitlines() if line]
    assert lines[0].startswith("Usage: di-async ")
    assert lines[-1].startswith("error: ")
    assert "Error: " not in result.err


@pytest.mark.parametrize(
    ("args", "what"),
    [
        (("create", "--name"), "'--name' requires an argument"),
        (("update", "web", "--name"), "'--name' requires an argument"),
        (("create", "--public=yes"), "'--public' does not take a value"),
    ],
    ids=str,
)
def test_an_option_of_create_without_its_value(di: Di, args: tuple[str, ...], what: str) -> None:
    """A known option is not called unknown, whatever else is wrong with it."""
    result = di(*args)
    assert result.code == 2
    assert what in result.err
    assert "no option" not in result.err


@pytest.mark.parametrize(
    ("command", "usage"),
    [
        ("scale", "scale [OPTIONS] ID|NAME REPLICAS"),
        ("run", "run [OPTIONS] COMMAND..."),
        ("models", "models [OPTIONS] [ACTION] [ID|NAME]"),
        ("list", "list [OPTIONS]"),
    ],
)
def test_usage_is_the_same_for_all_versions_of_typer(di: Di, command: str, usage: str) -> None:
    """Arguments have their names alone; optional ones are in brackets."""
    result = di(command, "--help")
    assert result.out.splitlines()[0] == f"Usage: di-async {usage}"
    assert "<str>" not in result.out
    assert "[default: (" not in result.out
