"""Tests of `di-async run`: environment, exit codes, and what is refused before anything is made."""

import json
import os
import sys
from pathlib import Path

import pytest

from di_async.emulator import Emulator
from di_async.emulator.cloud import openai as openai_endpoint
from tests.cli.helpers import SPEC, Di, write_file
from tests.clouds.ensuring import ENSURABLE, a_body

DUMP = "import json, os, sys; json.dump(dict(os.environ), open(sys.argv[1], 'w'))"


@pytest.fixture
def spec(tmp_path: Path) -> str:
    """Return the path of a spec."""
    return write_file(tmp_path / "spec.json", json.dumps(SPEC))


def python(code: str, *args: str) -> tuple[str, ...]:
    """Return the words that run some code."""
    return ("--", sys.executable, "-c", code, *args)


def test_the_command_sees_the_endpoint(
    di: Di, di_emulator: Emulator, spec: str, tmp_path: Path
) -> None:
    """URL, key, model and id are in its environment; the deployment is gone afterwards."""
    seen = tmp_path / "seen"
    result = di("run", "--spec", spec, *python(DUMP, str(seen)))
    assert result.code == 0, result.err
    found = json.loads(seen.read_text())
    assert found["OPENAI_BASE_URL"].endswith("/v1")
    assert found["OPENAI_API_KEY"].startswith("di_")
    assert found["OPENAI_API_KEY"] not in result.out + result.err
    assert found["DI_ASYNC_MODEL"] == SPEC["model_deployments"][0]["model_slug"]
    assert found["DI_ASYNC_DEPLOYMENT"]
    assert "is deleted" in result.err
    assert not di_emulator.world.instances


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads open files from /proc")
def test_the_ca_of_a_private_endpoint_is_in_a_closed_file(
    di: Di, spec: str, tmp_path: Path
) -> None:
    """The command can open it on Windows, too; it is deleted at the end."""
    seen = tmp_path / "seen"
    code = """if True:
        import json, os, ssl, sys
        name, files = os.environ["SSL_CERT_FILE"], f"/proc/{os.getppid()}/fd"
        found = ssl.create_default_context(cafile=name).get_ca_certs()
        held = [os.path.realpath(f"{files}/{number}") for number in os.listdir(files)]
        json.dump([name, len(found), name in held], open(sys.argv[1], "w"))
    """
    result = di("run", "--spec", spec, "--private", *python(code, str(seen)))
    assert result.code == 0, result.err
    name, certificates, is_open = json.loads(seen.read_text())
    assert (certificates > 0, is_open, Path(name).exists()) == (True, False, False)


def test_an_open_endpoint_has_a_placeholder_as_key(
    di: Di, di_emulator: Emulator, tmp_path: Path
) -> None:
    """OpenAI clients refuse an empty key."""
    seen, spec = tmp_path / "seen", tmp_path / "spec.json"
    write_file(spec, json.dumps(a_body(ENSURABLE[1])))
    result = di("--provider", "gcore", "run", "--spec", str(spec), *python(DUMP, str(seen)))
    assert result.code == 0, result.err
    assert json.loads(seen.read_text())["OPENAI_API_KEY"] == "none"


@pytest.mark.parametrize(("code", "expected"), [(1, 1), (2, 2), (125, 125), (0, 0)])
def test_its_exit_code_is_passed_on(code: int, expected: int, di: Di, spec: str) -> None:
    """A line on stderr tells it from a failure of `di-async`."""
    result = di("run", "--spec", spec, *python(f"raise SystemExit({code})"))
    assert result.code == expected
    assert (f"ended with {code}" in result.err) == (code != 0)
    assert "error:" not in result.err


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
def test_the_signal_that_ended_it_is_passed_on(di: Di, spec: str) -> None:
    """As a shell does: 128 and its number."""
    result = di("run", "--spec", spec, *python("import os; os.kill(os.getpid(), 9)"))
    assert result.code == 128 + 9
    assert "was ended by signal 9" in result.err


def test_what_cannot_be_run_is_refused_before_anything_is_made(
    di: Di, di_emulator: Emulator, spec: str, tmp_path: Path
) -> None:
    """127 for a command that does not exist, 126 for a file that is not executable."""
    assert di("run", "--spec", spec, "--", "no-such-command").code == 127
    plain = write_file(tmp_path / "plain", "text")
    assert di("run", "--spec", spec, "--", plain).code == 126
    empty = di("run", "--spec", spec, "--", "")
    assert (empty.code, empty.err) == (127, "error: '': no such command\n")
    assert not di_emulator.world.requests


def test_own_failures_end_with_125(di: Di, di_emulator: Emulator, spec: str) -> None:
    """And with a message that begins with `error:`."""
    for arguments in (
        ("--spec", "/no/such/file"),
        (),
        ("--spec", spec, "--max-hourly", "0.01"),
        ("--spec", spec, "--access-token-file", "/no/such/file"),
    ):
        result = di("run", *arguments, "--", sys.executable, "-c", "print('ran')")
        assert (result.code, result.out) == (125, "")
        assert "error:" in result.err
    assert not di_emulator.world.instances


def test_a_defect_of_its_own_ends_with_125(
    di: Di, spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No failure of `di-async` can be taken for an exit code of the command."""
    monkeypatch.setattr("di_async.cli.commands.running.connect_options", None)
    result = di("run", "--spec", spec, "--debug", *python("pass"))
    assert result.code == 125
    assert "Traceback" in result.err


def test_a_deployment_that_fails_is_deleted(di: Di, di_emulator: Emulator, spec: str) -> None:
    """The command is not run."""
    di_emulator.fault("error", on=ENSURABLE[0].POST)
    result = di("run", "--spec", spec, *python("print('ran')"))
    assert (result.code, result.out) == (125, "")
    assert not di_emulator.world.instances


def test_it_is_not_for_gcore_v2(di: Di, spec: str) -> None:
    """That API has no temporary deployments."""
    result = di("--provider", "gcore-v2", "run", "--spec", spec, *python("pass"))
    assert result.code == 125
    assert "only for --provider" in result.err


def test_a_name_that_no_environment_can_hold(
    di: Di, di_emulator: Emulator, spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server's NUL is a failure of `di-async`, and the deployment is deleted."""
    monkeypatch.setattr(openai_endpoint, "_model", lambda *_: {"id": "a\0b"})
    monkeypatch.setattr(openai_endpoint, "_served_name", lambda *_: "a")
    result = di("run", "--spec", spec, *python("print('ran')"))
    assert (result.code, result.out) == (125, "")
    assert "cannot be run: embedded null byte" in result.err
    assert not di_emulator.world.instances


def test_the_help_has_its_own_exit_codes_alone(di: Di) -> None:
    """Those of other commands, such as 2 for a usage error, are not its own."""
    text = di("run", "--help").out
    assert "125" in text
    assert "usage error" not in text


def test_a_timeout_says_that_it_is_deleted(di: Di, di_emulator: Emulator, spec: str) -> None:
    """No line says that it is left alone, or how to wait for it."""
    di_emulator.fault("stuck", on=ENSURABLE[0].POST)
    result = di("run", "--spec", spec, "--timeout", "0", *python("print('ran')"))
    assert (result.code, result.out) == (125, "")
    assert "is deleted" in result.err
    assert "left unchanged" not in result.err
    assert "di-async wait" not in result.err
    assert not di_emulator.world.instances


@pytest.mark.parametrize("command", ["run", "ensure"])
@pytest.mark.parametrize("option", ["--name", "--model"])
def test_an_option_of_create_points_to_the_spec_file(di: Di, command: str, option: str) -> None:
    """Commands that take a spec file alone say so."""
    result = di(command, option, "web", "--", "true")
    assert result.code == 2
    assert "--spec FILE" in result.err
    assert "--zone" not in result.err


def test_a_lifetime_that_ends_before_the_timeout_is_refused(
    di: Di, di_emulator: Emulator, spec: str
) -> None:
    """`reap` of another process might delete the deployment while it is created."""
    result = di(
        "run", "--spec", spec, "--lifetime", "60", "--timeout", "3600", *python("raise SystemExit")
    )
    assert result.code == 125
    assert "lifetime: 60 s are shorter than the timeout of 3600 s" in result.err
    assert not di_emulator.world.created
