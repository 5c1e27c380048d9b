"""Wrong keys, zones, projects and clocks: what is told, and with which exit code."""

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from di_async.emulator import Emulator
from tests.cli.helpers import ABSENT, Di, written

EXO, GCORE = ("--provider", "exoscale"), ("--provider", "gcore")


@pytest.mark.parametrize(
    ("args", "variable", "told"),
    [
        (EXO, "EXOSCALE_API_KEY", "no Exoscale API key: set EXOSCALE_API_KEY"),
        (EXO, "EXOSCALE_API_SECRET", "no Exoscale API secret: set EXOSCALE_API_SECRET"),
        (GCORE, "GCORE_API_KEY", "no Gcore API key: set GCORE_API_KEY"),
        (GCORE, "GCORE_CLOUD_PROJECT_ID", "--project, or set GCORE_CLOUD_PROJECT_ID"),
    ],
)
def test_what_is_missing(
    di: Di, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], variable: str, told: str
) -> None:
    """A usage error names the variable and the option."""
    monkeypatch.delenv(variable)
    called = di(*args, "list")
    assert called.code == 2
    assert told in called.err


@pytest.mark.parametrize(
    ("args", "variable", "value", "hints"),
    [
        (EXO, "EXOSCALE_API_KEY", "EXOplanted", ("403", "API key or its secret is wrong")),
        (EXO, "EXOSCALE_API_SECRET", "planted", ("403", "EXOSCALE_API_SECRET", "clock", "role")),
        (GCORE, "GCORE_API_KEY", "12$planted", ("401", "wrong, expired or revoked")),
        (GCORE, "GCORE_API_KEY", "planted", ("401", "a shell may have eaten", "use single quotes")),
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
    """What it may be and where to look; the secret itself is not told."""
    monkeypatch.setenv(variable, value)
    called = di(*args, "list", "-vv")
    assert called.code == 1
    assert all(hint in called.err for hint in hints), called.err
    assert "planted" not in called.err


def test_a_role_that_may_only_read(
    di: Di, di_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A denied operation is told as such."""
    exo = di_emulator.world.exoscale
    monkeypatch.setenv("EXOSCALE_API_KEY", exo.restricted_key)
    monkeypatch.setenv("EXOSCALE_API_SECRET", exo.restricted_secret)
    called = di(*EXO, "delete", ABSENT, "--force")
    assert called.code == 1
    assert "the role of this API key does not allow it" in called.err


def test_a_clock_that_is_slow(di: Di, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signature that expired before it was made: by how much, and in which direction."""
    slow = SimpleNamespace(time=lambda: time.time() - 1200)
    monkeypatch.setattr("di_async.engine.clock.time", slow)
    called = di(*EXO, "list")
    assert called.code == 1
    assert "this machine's clock is 1200 s behind" in called.err.replace("1199 s", "1200 s")


@pytest.mark.parametrize(
    ("args", "code", "hints"),
    [
        (("--zone", "mars-1", "list"), 1, ("404", "Zone not found", "--zone")),
        (("--zone", "Mars!", "list"), 2, ("'Mars!' is no zone",)),
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
    """Which zone was asked, and which option says another."""
    called = di(*EXO, *args)
    assert called.code == code
    assert all(hint in called.err for hint in hints), called.err
    assert "in_zone" not in called.err


@pytest.mark.parametrize(
    ("args", "code", "hints"),
    [
        (("--project", "1", "list"), 1, ("404", "looked for in project 1", "--project")),
        (("--project", "abc", "list"), 2, ("--project is a project's number, not 'abc'",)),
        (("get", "nobody"), 1, ("404", "or is in another project", "--project")),
    ],
)
def test_wrong_projects(di: Di, args: tuple[str, ...], code: int, hints: tuple[str, ...]) -> None:
    """Which project was asked, and which option says another."""
    called = di(*GCORE, *args)
    assert called.code == code
    assert all(hint in called.err for hint in hints), called.err
    assert "project_id" not in called.err


def test_a_delete_in_the_wrong_place_is_no_success_story(di: Di) -> None:
    """Nothing was there: a warning says that elsewhere it goes on billing."""
    assert "another zone than ch-gva-2, it still bills" in di(*EXO, "delete", ABSENT, "-f").err
    assert "elsewhere it still bills" in di(*GCORE, "delete", "nobody", "-f").err


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("--zone", "at-vie-1", "list"), "--zone needs --provider exoscale"),
        ((*GCORE, "list", "--zone", "at-vie-1"), "--zone needs --provider exoscale"),
        ((*EXO, "list", "--project", "1"), "--project needs --provider gcore or gcore-v2"),
    ],
)
def test_an_option_without_its_provider(di: Di, args: tuple[str, ...], told: str) -> None:
    """Where the provider was forgotten, nobody is shown another cloud's list."""
    called = di(*args)
    assert called.code == 2
    assert told in called.err


def test_a_zone_in_the_environment_bothers_nobody(di: Di, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there for other commands."""
    monkeypatch.setenv("EXOSCALE_ZONE", "at-vie-1")
    assert di("list").code == 0


def test_keys_from_a_file(
    di: Di, di_emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One line for Gcore; key and secret for Exoscale. It comes before the environment."""
    key = written(tmp_path / "gcore", di_emulator.gcore_api_key + "\n")
    pair = f"{di_emulator.exoscale_api_key}\n{di_emulator.exoscale_api_secret}\n"
    both = written(tmp_path / "exo", pair)
    for variable in ("GCORE_API_KEY", "EXOSCALE_API_KEY", "EXOSCALE_API_SECRET"):
        monkeypatch.setenv(variable, "wrong")
    assert di(*GCORE, "list", "--token-file", key).code == 0
    assert di(*EXO, "list", "--token-file", both).code == 0
    short = di(*EXO, "list", "--token-file", key)
    assert short.code == 2
    assert "must hold the Exoscale API key, then the Exoscale API secret" in short.err


# -- tokens of waits ------------------------------------------------------------------------------


def test_a_token_of_another_zone_or_cloud(di: Di, di_emulator: Emulator) -> None:
    """The error holds the line that resumes it where it belongs, and that line works."""
    placed = di_emulator.add_exoscale_deployment(zone="at-vie-1")
    there = (*EXO, "--zone", "at-vie-1")
    token = di(*there, "wait", placed.id, "-o", "json").json["resume_token"]
    for wrong in (EXO, GCORE, (), ("--provider", "gcore-v2")):
        called = di(*wrong, "wait", "--resume", token)
        assert called.code == 2
        words = called.err.split("di-async ")[1].split()
        assert words == [*there, "wait", "--resume", token]
    assert di(*words).code == 0


def test_a_token_of_another_project(di: Di, di_emulator: Emulator) -> None:
    """Told as such, not as a deployment that is not there."""
    di_emulator.add_gcore_deployment(name="first")
    token = di(*GCORE, "wait", "first", "-o", "json").json["resume_token"]
    called = di(*GCORE, "--project", "1", "wait", "--resume", token)
    assert called.code == 2
    assert f"for gcore, {di_emulator.gcore_project_id}: di-async" in called.err


# -- all accounts at once -------------------------------------------------------------------------


def test_scan_of_all_providers(di: Di, di_emulator: Emulator) -> None:
    """A row for each, with its provider."""
    di_emulator.add_instance(name="one")
    di_emulator.add_exoscale_deployment(name="two", zone="at-vie-1")
    di_emulator.add_gcore_deployment(name="three")
    called = di("scan", "--all-providers")
    rows = [line.split()[:2] for line in called.out.splitlines()]
    assert called.code == 0, called.err
    assert rows == [
        ["PROVIDER", "NAME"],
        ["digitalocean", "one"],
        ["exoscale", "two"],
        ["gcore", "three"],
    ]


def test_one_account_failing_is_told_beside_the_others(
    di: Di, di_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused by the API, or short of a secret: exit code 1, and the rest is there."""
    di_emulator.add_instance(name="one")
    monkeypatch.setenv("GCORE_API_KEY", "12$wrong")
    monkeypatch.delenv("EXOSCALE_API_SECRET")
    called = di("scan", "--all-providers", "-o", "json")
    assert called.code == 1
    assert [row["name"] for row in called.json["rows"]] == ["one"]
    assert {error["client"] for error in called.json["errors"]} == {"gcore", "exoscale"}
    assert "failed: list of exoscale: no Exoscale API secret" in called.err


def test_only_what_has_credentials_is_scanned(di: Di, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account that one does not have is no failure; none at all is a usage error."""
    for variable in ("EXOSCALE_API_KEY", "EXOSCALE_API_SECRET", "GCORE_API_KEY"):
        monkeypatch.delenv(variable)
    assert di("scan", "--all-providers").code == 0
    monkeypatch.delenv("DIGITALOCEAN_TOKEN")
    called = di("scan", "--all-providers")
    assert called.code == 2
    assert "EXOSCALE_API_KEY and EXOSCALE_API_SECRET" in called.err


@pytest.mark.parametrize(
    "args", [("--region", "atl1"), ("--provider", "gcore"), ("--token-file", "x")]
)
def test_all_providers_and_one(di: Di, args: tuple[str, ...]) -> None:
    """What is about one of them only is a usage error."""
    called = di("scan", "--all-providers", *args)
    assert called.code == 2
    assert args[0] in called.err
