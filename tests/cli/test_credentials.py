"""Wrong credentials, zones, projects and clocks: the messages and exit codes."""

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from di_async.emulator import Emulator
from tests.cli.helpers import ABSENT, Di, write_file

EXO, GCORE = ("--provider", "exoscale"), ("--provider", "gcore")


@pytest.mark.parametrize(
    ("args", "variable", "expected"),
    [
        (EXO, "EXOSCALE_API_KEY", "no Exoscale API key: set EXOSCALE_API_KEY"),
        (EXO, "EXOSCALE_API_SECRET", "no Exoscale API secret: set EXOSCALE_API_SECRET"),
        (GCORE, "GCORE_API_KEY", "no Gcore API key: set GCORE_API_KEY"),
        (GCORE, "GCORE_CLOUD_PROJECT_ID", "--project, or set GCORE_CLOUD_PROJECT_ID"),
    ],
)
def test_missing_credentials(
    di: Di, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], variable: str, expected: str
) -> None:
    """The usage error names the variable and the option."""
    monkeypatch.delenv(variable)
    result = di(*args, "list")
    assert result.code == 2
    assert expected in result.err


@pytest.mark.parametrize(
    ("args", "variable", "value", "hints"),
    [
        (EXO, "EXOSCALE_API_KEY", "EXOplanted", ("403", "API key or its secret is wrong")),
        (EXO, "EXOSCALE_API_SECRET", "planted", ("403", "EXOSCALE_API_SECRET", "clock", "role")),
        (GCORE, "GCORE_API_KEY", "12$planted", ("401", "wrong, expired or revoked")),
        (GCORE, "GCORE_API_KEY", "planted", ("401", "shell", "use single quotes")),
    ],
)
def test_wrong_credentials(
    di: Di,
    monkeypatch: pytest.MonkeyPatch,
    args: tuple[str, ...],
    variable: str,
    value: str,
    hints: tuple[str, ...],
) -> None:
    """The message lists what to check and does not hold the secret."""
    monkeypatch.setenv(variable, value)
    result = di(*args, "list", "-vv")
    assert result.code == 1
    assert all(hint in result.err for hint in hints), result.err
    assert "planted" not in result.err


@pytest.mark.parametrize(
    ("variable", "args"),
    [
        ("DIGITALOCEAN_TOKEN", ("list",)),
        ("EXOSCALE_API_SECRET", (*EXO, "list")),
        ("GCORE_API_KEY", (*GCORE, "list")),
        ("DI_ASYNC_ACCESS_TOKEN", ("connect", "web")),
        ("HF_TOKEN", ("create", "--hf-token")),
    ],
)
def test_a_key_of_two_lines(
    di: Di, monkeypatch: pytest.MonkeyPatch, variable: str, args: tuple[str, ...]
) -> None:
    """A key that no header can hold is a usage error that names the variable, and not the key."""
    monkeypatch.setenv(variable, "planted\nplanted")
    result = di(*args)
    assert result.code == 2
    assert f"{variable} holds blanks, line breaks" in result.err
    assert "planted" not in result.err


def test_a_key_file_with_a_blank(di: Di, tmp_path: Path) -> None:
    """A file is named in the same way."""
    file = tmp_path / "token"
    file.write_text("plan ted")
    assert f"the token file {file} holds blanks" in di("list", "--token-file", str(file)).err


def test_restricted_role(di: Di, di_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A denied operation is reported as a missing permission."""
    exo = di_emulator.world.exoscale
    monkeypatch.setenv("EXOSCALE_API_KEY", exo.restricted_key)
    monkeypatch.setenv("EXOSCALE_API_SECRET", exo.restricted_secret)
    result = di(*EXO, "delete", ABSENT, "--force")
    assert result.code == 1
    assert "the role of this API key does not allow it" in result.err


def test_slow_clock(di: Di, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is behind does no harm: requests are signed with the server's time."""
    slow = SimpleNamespace(time=lambda: time.time() - 1200, monotonic=time.monotonic)
    monkeypatch.setattr("di_async.engine.clock.time", slow)
    result = di(*EXO, "list")
    assert (result.code, result.err) == (0, "no deployments in ch-gva-2\n")


@pytest.mark.parametrize(
    ("args", "code", "hints"),
    [
        (("--zone", "mars-1", "list"), 1, ("404", "Zone not found", "--zone")),
        (("--zone", "Mars!", "list"), 2, ("'Mars!'", "zone")),
        (("--zone", "at-vie-1", "get", ABSENT), 1, ("zones/at-vie-1", "--zone", "scan`")),
        (
            ("--base-url", "https://api-at-vie-1.exoscale.com", "list"),
            2,
            ("names one zone", "{zone}"),
        ),
        (("--base-url", "http://127.0.0.1:9", "list"), 1, ("Check the zone", "--base-url")),
        (("list", "--region", "x"), 2, ("--zone",)),
    ],
)
def test_wrong_zones(di: Di, args: tuple[str, ...], code: int, hints: tuple[str, ...]) -> None:
    """The message names the zone and the option that selects another."""
    result = di(*EXO, *args)
    assert result.code == code
    assert all(hint in result.err for hint in hints), result.err
    assert "in_zone" not in result.err


@pytest.mark.parametrize(
    ("args", "code", "hints"),
    [
        (("--project", "1", "list"), 1, ("404", "in project 1", "--project")),
        (
            ("--project", "abc", "list"),
            2,
            (
                "--project",
                "'abc'",
            ),
        ),
        (("get", "unknown"), 1, ("404", "or is in another project", "--project")),
    ],
)
def test_wrong_projects(di: Di, args: tuple[str, ...], code: int, hints: tuple[str, ...]) -> None:
    """The message names the project and the option that selects another."""
    result = di(*GCORE, *args)
    assert result.code == code
    assert all(hint in result.err for hint in hints), result.err
    assert "project_id" not in result.err


def test_delete_in_the_wrong_place_warns(di: Di) -> None:
    """The resource may exist elsewhere and be billed there."""
    assert "another zone than ch-gva-2" in di(*EXO, "delete", ABSENT, "-f").err
    assert "elsewhere" in di(*GCORE, "delete", "unknown", "-f").err


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("--zone", "at-vie-1", "list"), "--zone needs --provider exoscale"),
        ((*GCORE, "list", "--zone", "at-vie-1"), "--zone needs --provider exoscale"),
        ((*EXO, "list", "--project", "1"), "--project needs --provider gcore or gcore-v2"),
    ],
)
def test_option_without_its_provider(di: Di, args: tuple[str, ...], expected: str) -> None:
    """A forgotten --provider is an error, not a list of another provider."""
    result = di(*args)
    assert result.code == 2
    assert expected in result.err


def test_zone_in_the_environment_is_ignored_elsewhere(
    di: Di, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With another provider, EXOSCALE_ZONE has no effect."""
    monkeypatch.setenv("EXOSCALE_ZONE", "at-vie-1")
    assert di("list").code == 0


def test_keys_from_a_file(
    di: Di, di_emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`--token-file` overrides the environment: one line for Gcore, two for Exoscale."""
    key = write_file(tmp_path / "gcore", di_emulator.gcore_api_key + "\n")
    pair = f"{di_emulator.exoscale_api_key}\n{di_emulator.exoscale_api_secret}\n"
    both = write_file(tmp_path / "exo", pair)
    for variable in ("GCORE_API_KEY", "EXOSCALE_API_KEY", "EXOSCALE_API_SECRET"):
        monkeypatch.setenv(variable, "wrong")
    assert di(*GCORE, "list", "--token-file", key).code == 0
    assert di(*EXO, "list", "--token-file", both).code == 0
    short = di(*EXO, "list", "--token-file", key)
    assert short.code == 2
    assert "must hold the Exoscale API key, then the Exoscale API secret" in short.err


# -- resume tokens ------------------------------------------------------------------------------


def test_resume_token_of_another_zone_or_provider(di: Di, di_emulator: Emulator) -> None:
    """The error holds the command line that works."""
    deployment = di_emulator.add_exoscale_deployment(zone="at-vie-1")
    there = (*EXO, "--zone", "at-vie-1")
    token = di(*there, "wait", deployment.id, "-o", "json").json["resume_token"]
    for wrong in (EXO, GCORE, (), ("--provider", "gcore-v2")):
        result = di(*wrong, "wait", "--resume", token)
        assert result.code == 2
        words = result.err.split("di-async ")[1].split()
        assert words == [*there, "wait", "--resume", token]
    assert di(*words).code == 0


def test_resume_token_of_another_project(di: Di, di_emulator: Emulator) -> None:
    """The error names the project, instead of a missing deployment."""
    di_emulator.add_gcore_deployment(name="first")
    token = di(*GCORE, "wait", "first", "-o", "json").json["resume_token"]
    result = di(*GCORE, "--project", "1", "wait", "--resume", token)
    assert result.code == 2
    assert f"for gcore, {di_emulator.gcore_project_id}: di-async" in result.err


# -- all accounts -------------------------------------------------------------------------


def test_scan_of_all_providers(di: Di, di_emulator: Emulator) -> None:
    """Each row names its provider."""
    di_emulator.add_instance(name="one")
    di_emulator.add_exoscale_deployment(name="two", zone="at-vie-1")
    di_emulator.add_gcore_deployment(name="three")
    result = di("scan", "--all-providers")
    rows = [line.split()[:2] for line in result.out.splitlines()]
    assert result.code == 0, result.err
    assert rows == [
        ["PROVIDER", "NAME"],
        ["digitalocean", "one"],
        ["exoscale", "two"],
        ["gcore", "three"],
    ]


def test_scan_reports_accounts_that_fail(
    di: Di, di_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1, and the rows of the other accounts."""
    di_emulator.add_instance(name="one")
    monkeypatch.setenv("GCORE_API_KEY", "12$wrong")
    monkeypatch.delenv("EXOSCALE_API_SECRET")
    result = di("scan", "--all-providers", "-o", "json")
    assert result.code == 1
    assert [row["name"] for row in result.json["rows"]] == ["one"]
    assert {error["client"] for error in result.json["errors"]} == {"gcore", "exoscale"}
    assert "failed: list of exoscale: no Exoscale API secret" in result.err


def test_scan_from_a_zone_that_does_not_exist(di: Di) -> None:
    """The zones are asked for there; the message names the option of the command."""
    result = di("--provider", "exoscale", "--zone", "ch-gva-9", "scan")
    assert result.code == 1
    assert "see --zone" in result.err


def test_scan_without_a_project(
    di: Di, di_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gcore's deployments are not read then: exit code 1, and the message says what is missing."""
    di_emulator.add_instance(name="one")
    di_emulator.add_gcore_deployment(name="three")
    monkeypatch.delenv("GCORE_CLOUD_PROJECT_ID")
    result = di("scan", "--all-providers", "-o", "json")
    assert result.code == 1
    assert [row["name"] for row in result.json["rows"]] == ["one"]
    assert [error["client"] for error in result.json["errors"]] == ["gcore"]
    assert "use --project, or set GCORE_CLOUD_PROJECT_ID" in result.err
    project = str(di_emulator.gcore_project_id)
    assert di("scan", "--all-providers", "--project", project).code == 0


def test_scan_skips_accounts_without_credentials(di: Di, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any credentials, it is a usage error."""
    for variable in ("EXOSCALE_API_KEY", "EXOSCALE_API_SECRET", "GCORE_API_KEY"):
        monkeypatch.delenv(variable)
    assert di("scan", "--all-providers").code == 0
    monkeypatch.delenv("DIGITALOCEAN_TOKEN")
    result = di("scan", "--all-providers")
    assert result.code == 2
    assert "EXOSCALE_API_KEY and EXOSCALE_API_SECRET" in result.err


@pytest.mark.parametrize(
    "args", [("--region", "atl1"), ("--provider", "gcore"), ("--token-file", "x")]
)
def test_all_providers_excludes_options_of_one(di: Di, args: tuple[str, ...]) -> None:
    """Options for one provider are usage errors."""
    result = di("scan", "--all-providers", *args)
    assert result.code == 2
    assert args[0] in result.err
