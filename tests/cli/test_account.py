"""Commands around deployments: secrets, tasks, flavors, quota."""

import json

import pytest

from di_async.emulator import Emulator
from tests.cli.clouds import ProviderCLI, gcore_spec
from tests.cli.helpers import Di

KEY_ID, KEY = "AKIAPLANTED", "planted-aws-secret-key"


@pytest.fixture
def gcore(di: Di, di_emulator: Emulator) -> ProviderCLI:
    """Gcore v3."""
    return ProviderCLI(di, di_emulator, "gcore")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the credentials to store."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)


# -- secrets ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("aws")
def test_secrets(gcore: ProviderCLI, monkeypatch: pytest.MonkeyPatch) -> None:
    """Create, list, get, replace and delete; the key itself is never printed, nor logged."""
    results = [gcore("secrets", "create", "sqs", "-o", "json", "-vv")]
    assert results[0].json["name"] == "sqs"
    assert results[0].json["data"]["aws_access_key_id"] == KEY_ID
    results += [gcore("secrets", "list"), gcore("secrets", "list", "-o", "json")]
    results += [gcore("secrets", "get", "sqs"), gcore("secrets", "get", "sqs", "-o", "yaml")]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
    results.append(gcore("secrets", "replace", "sqs", "-o", "json"))
    assert results[-1].json["data"]["aws_access_key_id"] == "AKIAOTHER"
    results.append(gcore("secrets", "delete", "sqs", "--force", "-o", "json"))
    assert results[-1].json == {"name": "sqs", "deleted": True}
    assert [result.code for result in results] == [0] * len(results)
    assert all(KEY not in result.out + result.err for result in results)
    assert "no secrets" in gcore("secrets", "list").err


def test_secrets_need_credentials(gcore: ProviderCLI, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the variables nothing is sent, and the error names them."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    for word in ("create", "replace"):
        refused = gcore("secrets", word, "sqs")
        assert refused.code == 2
        assert "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in refused.err


# -- tasks --------------------------------------------------------------------------------------


def test_tasks(gcore: ProviderCLI) -> None:
    """Tasks are listed, the newest first, until they are acknowledged."""
    gcore.create("first")
    gcore.create("second")
    found = gcore("tasks", "list", "-o", "json").json
    assert [task["state"] for task in found] == ["FINISHED", "FINISHED"]
    assert gcore("tasks", "list", "--limit", "1", "-o", "json").json == found[:1]
    assert gcore("tasks", "list", "--state", "error", "-o", "json").json == []
    id = found[0]["id"]
    assert gcore("tasks", "get", id, "-o", "json").json == found[0]
    done = gcore("tasks", "acknowledge", id, "-o", "json")
    assert (done.code, done.json) == (0, {"id": id, "acknowledged": True})
    assert [task["id"] for task in gcore("tasks", "list", "-o", "json").json] == [found[1]["id"]]
    assert gcore("tasks", "acknowledge", "--all").code == 0
    assert "no tasks" in gcore("tasks", "list").err
    assert len(gcore("tasks", "list", "--all").out.splitlines()) == 3


def test_unknown_state_of_tasks(gcore: ProviderCLI) -> None:
    """A state that tasks do not have is a usage error, not an empty list."""
    result = gcore("tasks", "list", "--state", "failed")
    assert result.code == 2
    assert "'new', 'running', 'finished', 'error'" in result.err.lower()


@pytest.mark.parametrize("group", ["keys", "secrets"])
def test_a_name_that_is_taken(
    gcore: ProviderCLI, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hint names the group's own list."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted")
    assert gcore(group, "create", "mine").code == 0
    again = gcore(group, "create", "mine")
    assert again.code == 1
    assert f" {group} list`" in again.err


def test_acknowledge_needs_one_choice(gcore: ProviderCLI) -> None:
    """An id or --all, not both and not none."""
    assert gcore("tasks", "acknowledge").code == 2
    assert gcore("tasks", "acknowledge", "x", "--all").code == 2


# -- flavors and quota ----------------------------------------------------------------------------


def test_flavors(gcore: ProviderCLI) -> None:
    """A line for each flavor; documents hold every field."""
    lines = gcore("flavors").out.splitlines()
    found = gcore("flavors", "-o", "json").json
    assert lines[0].startswith("FLAVOR")
    assert [line.split()[0] for line in lines[1:]] == [flavor["name"] for flavor in found]


def test_quota_at_exoscale(di: Di, di_emulator: Emulator) -> None:
    """The quota of public inference; it has no options there."""
    exoscale = ProviderCLI(di, di_emulator, "exoscale")
    assert exoscale("quota").out.split(None, 3)[-1].strip() == "unlimited"
    assert exoscale("quota", "-o", "json").json == {"quota_uom_per_minute": None}
    assert exoscale("quota", "--gpu", "x").code == 2


def test_quota_at_gcore(gcore: ProviderCLI) -> None:
    """What a deployment would add; exit code 1 if it does not fit."""
    flavor = gcore_spec()["flavor_name"]
    one = gcore("quota", "--region", "7", "--gpu", flavor, "-o", "json")
    assert one.code == 0, one.err
    assert {row["exceeded"] for row in one.json} == {False}
    assert any(row["requested"] for row in one.json)
    containers = [{"region_id": 7, "scale": {"min": 1, "max": 10_000}}]
    spec = json.dumps(gcore_spec(containers=containers))
    many = gcore("quota", "--spec", "-", input=spec)
    assert many.code == 1
    assert "does not fit" in many.err
    assert "no" in many.out.split()
    assert gcore("quota").code == 2
    assert gcore("quota", "--region", "7").code == 2


@pytest.mark.parametrize(
    ("provider", "args", "instead"),
    [
        ("digitalocean", ("secrets", "list"), "--hf-token"),
        ("exoscale", ("secrets", "create", "x"), "--hf-token"),
        ("digitalocean", ("tasks", "list"), "`di-async wait`"),
        ("exoscale", ("tasks", "acknowledge", "x"), "`di-async wait`"),
        ("digitalocean", ("flavors",), "`di-async sizes`"),
        ("exoscale", ("flavors",), "`di-async hardware`"),
        ("digitalocean", ("quota",), "`di-async hardware`"),
        ("gcore-v2", ("quota",), "API v3"),
    ],
)
def test_providers_without_the_command(
    provider: str, args: tuple[str, ...], instead: str, di: Di, di_emulator: Emulator
) -> None:
    """The error says which providers have it, and what to use instead; exit code 2."""
    refused = ProviderCLI(di, di_emulator, provider)(*args)
    assert refused.code == 2
    assert f"not {provider}" in refused.err
    assert instead in refused.err
