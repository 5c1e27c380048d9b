"""`di-async keys`: API keys of endpoints, at Gcore and Exoscale."""

import json
from pathlib import Path

import pytest

from di_async.emulator import Emulator
from tests.cli.clouds import ProviderCLI
from tests.cli.helpers import Di


@pytest.fixture(params=["gcore", "exoscale"])
def cloud(request: pytest.FixtureRequest, di: Di, di_emulator: Emulator) -> ProviderCLI:
    """Each provider with such keys."""
    return ProviderCLI(di, di_emulator, request.param)


def test_new_key_is_shown_once(cloud: ProviderCLI) -> None:
    """Its value is on stdout when it is created, and nowhere afterwards, not even in the log."""
    made = cloud("keys", "create", "ci", "-o", "json", "-vv")
    assert made.code == 0, made.err
    value = made.json["value"]
    assert value
    assert value not in made.err
    assert [key["name"] for key in cloud("keys", "list", "-o", "json").json] == ["ci"]
    shown = cloud("keys", "get", "ci", "-o", "json")
    assert shown.json["name"] == "ci"
    outputs = [shown, cloud("keys", "list"), cloud("keys", "get", "ci")]
    assert all(value not in one.out + one.err for one in outputs)


def test_new_key_as_table(cloud: ProviderCLI) -> None:
    """The fields are name, id and value; a message says that it is not shown again."""
    made = cloud("keys", "create", "ci")
    assert [line.split()[0] for line in made.out.splitlines()] == ["name", "id", "value"]
    assert "never returns it again" in made.err


def test_new_key_in_a_file(cloud: ProviderCLI, tmp_path: Path) -> None:
    """`--token-out` writes the value to a private file and prints it nowhere."""
    out = tmp_path / "key"
    made = cloud("keys", "create", "ci", "--token-out", str(out), "-o", "json")
    value = out.read_text().strip()
    assert value
    assert value not in made.out + made.err
    assert made.json["value"] is None
    assert made.json["file"] == str(out)
    assert out.stat().st_mode & 0o077 == 0


def test_delete(cloud: ProviderCLI) -> None:
    """A deleted key is not listed; a second delete fails."""
    cloud("keys", "create", "ci")
    deleted = cloud("keys", "delete", "ci", "--force", "-o", "json")
    assert (deleted.code, deleted.json["deleted"]) == (0, True), deleted.err
    assert cloud("keys", "list", "-o", "json").json == []
    assert "no API keys" in cloud("keys", "list").err
    assert cloud("keys", "delete", "ci", "--force").code == 1
    assert cloud("keys", "get", "ci").code == 1


def test_key_of_one_deployment(di: Di, di_emulator: Emulator) -> None:
    """Exoscale: the scope may be the name of a deployment; the id is stored."""
    cloud = ProviderCLI(di, di_emulator, "exoscale")
    id = cloud.place("chat")
    assert cloud("keys", "create", "ci", "--scope", "chat").code == 0
    (key,) = cloud("keys", "list", "-o", "json").json
    assert key["scope"] == id
    assert cloud("keys", "get", key["id"], "-o", "json").json == key


def test_ambiguous_and_unknown_names(di: Di, di_emulator: Emulator) -> None:
    """Exoscale's names are not unique: ids are listed; a close name is suggested."""
    cloud = ProviderCLI(di, di_emulator, "exoscale")
    for _ in range(2):
        cloud("keys", "create", "same")
    ids = [key["id"] for key in cloud("keys", "list", "-o", "json").json]
    refused = cloud("keys", "delete", "same", "--force")
    assert refused.code == 1
    assert all(id in refused.err for id in ids)
    unknown = cloud("keys", "get", "sam")
    assert "Did you mean 'same'?" in unknown.err
    assert "`di-async --provider exoscale keys list` lists all" in unknown.err


def test_description_and_expiry(di: Di, di_emulator: Emulator) -> None:
    """Gcore keeps both."""
    cloud = ProviderCLI(di, di_emulator, "gcore")
    options = ("--description", "for tests", "--expires", "2099-01-01T00:00:00Z")
    assert cloud("keys", "create", "ci", *options).code == 0
    found = cloud("keys", "get", "ci", "-o", "json").json
    assert found["description"] == "for tests"
    assert found["expires_at"].startswith("2099-01-01")


@pytest.mark.parametrize(
    ("provider", "option"), [("gcore", "--scope"), ("exoscale", "--description")]
)
def test_options_of_the_other_provider(
    provider: str, option: str, di: Di, di_emulator: Emulator
) -> None:
    """They are usage errors, and no key is made."""
    cloud = ProviderCLI(di, di_emulator, provider)
    refused = cloud("keys", "create", "ci", option, "x")
    assert refused.code == 2
    assert f"{option}: not supported" in refused.err
    assert cloud("keys", "list", "-o", "json").json == []


def test_digitalocean_has_tokens_instead(di: Di) -> None:
    """The error names the command to use."""
    for args in (("list",), ("create", "x"), ("get", "x"), ("delete", "x", "--force")):
        refused = di("keys", *args)
        assert refused.code == 2
        assert "`di-async tokens --help`" in refused.err


def test_created_key_opens_a_deployment(di: Di, di_emulator: Emulator) -> None:
    """Gcore: a deployment whose spec names the key accepts its value."""
    cloud = ProviderCLI(di, di_emulator, "gcore")
    cloud("keys", "create", "ci", "-o", "json")
    from tests.cli.clouds import gcore_spec

    spec = json.dumps(gcore_spec("gcore", name="first", api_keys=["ci"]))
    assert cloud("create", "--spec", "-", input=spec).code == 0
    refused = cloud("keys", "delete", "ci", "--force")
    assert refused.code == 1
    assert "409" in refused.err


@pytest.mark.parametrize(
    "words",
    [
        ("--provider", "gcore", "keys", "delete", "x"),
        ("--provider", "exoscale", "keys", "delete", "x"),
        ("--provider", "gcore", "secrets", "delete", "x"),
        ("--provider", "exoscale", "models", "delete", "x"),
        ("custom-models", "delete", "x"),
    ],
)
def test_deletes_ask_for_confirmation(di: Di, words: tuple[str, ...]) -> None:
    """In a pipe every delete needs `--force`, as `di-async delete` does; no request is sent."""
    refused = di(*words)
    assert refused.code == 2
    assert "use --force" in refused.err
    assert "use --force" not in di(*words, "--force").err


def test_force_is_for_deletes_of_models(di: Di) -> None:
    """`models` without a delete refuses it."""
    assert "--force needs" in di("--provider", "exoscale", "models", "--force").err
