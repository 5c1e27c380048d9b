"""The `ensure` command."""

import json
from pathlib import Path
from typing import Any

import pytest

from di_async.core.fleet_names import name_in_fleet
from di_async.emulator import Emulator
from tests.cli.helpers import SPEC, Di, write_file
from tests.clouds.ensuring import ENSURABLE, a_body
from tests.clouds.support import Cloud

ensurable = pytest.mark.parametrize("cloud", ENSURABLE, ids=lambda cloud: cloud.name)
PROVIDERS = {"digitalocean": "digitalocean", "gcore-v3": "gcore", "exoscale": "exoscale"}


@ensurable
def test_created_updated_unchanged(
    cloud: Cloud, di: Di, di_emulator: Emulator, tmp_path: Path
) -> None:
    """The document says what was done and why, on every cloud."""
    di_emulator.add_exoscale_model(name="openai/gpt-oss-20b")
    provider = "--provider", PROVIDERS[cloud.name]

    def ensure(replicas: int, *more: str) -> dict[str, Any]:
        file = write_file(
            tmp_path / f"spec{replicas}", json.dumps(a_body(cloud, "web-1", replicas))
        )
        result = di(*provider, "ensure", "--spec", file, "-o", "json", *more)
        assert result.code == 0, result.err
        document: dict[str, Any] = result.json
        return document

    planned = ensure(1, "--dry-run")
    assert (planned["ensured"], planned["id"]) == ("created", None)
    made = ensure(1)
    assert (made["ensured"], made["outcome"], made["duplicates"]) == ("created", "settled", [])
    again = ensure(1)
    assert (again["ensured"], again["diff"], again["id"]) == ("unchanged", [], made["id"])
    planned, grown = ensure(2, "--dry-run"), ensure(2)
    assert planned["ensured"] == grown["ensured"] == "updated"
    assert planned["diff"] == grown["diff"]
    assert any(line.endswith(": 1 -> 2") for line in grown["diff"])


def test_duplicates_are_named_once(di: Di, di_emulator: Emulator, tmp_path: Path) -> None:
    """Where names are not unique, one warning names the others; `apply` prints one, too."""
    exoscale = ENSURABLE[2]
    di_emulator.add_exoscale_model(name="openai/gpt-oss-20b")
    body = a_body(exoscale, name_in_fleet("chat", "web-1"))
    for _ in range(2):
        made = di("--provider", "exoscale", "create", "--spec", "-", input=json.dumps(body))
        assert made.code == 0, made.err
    file = write_file(tmp_path / "spec", json.dumps(body))
    entry = {"name": "web-1", "provider": "exoscale", "zone": "ch-gva-2"}
    body.pop("name")
    fleet = {"fleet": "chat", "deployments": [{**entry, "spec": body}]}
    fleet_file = write_file(tmp_path / "fleet", json.dumps(fleet))
    ensured = di("--provider", "exoscale", "ensure", "--spec", file, "-o", "json")
    (other,) = ensured.json["duplicates"]
    applied = di("apply", fleet_file, "--yes")
    for result in (ensured, applied):
        assert result.code == 0, result.err
        assert [line for line in result.err.splitlines() if other in line] == [
            line for line in result.err.splitlines() if line.startswith("warning: 1 more ")
        ]
        assert result.err.count(other) == 1


def test_as_table(di: Di, tmp_path: Path) -> None:
    """The action, each difference and the one-time token are on stdout."""
    file = write_file(tmp_path / "spec", json.dumps(SPEC))
    planned = di("ensure", "--spec", file, "--dry-run")
    assert "would be created" in planned.out
    made = di("ensure", "--spec", file)
    assert (made.code, made.out.count("access token")) == (0, 1)
    assert "unchanged" in di("ensure", "--spec", file).out


def test_without_a_spec(di: Di) -> None:
    """A spec is needed: exit code 2."""
    result = di("ensure")
    assert result.code == 2
    assert "--spec" in result.err


def test_field_that_cannot_change(di: Di, tmp_path: Path) -> None:
    """A difference that no update can end is an error that names the field."""
    file = write_file(tmp_path / "spec", json.dumps(SPEC))
    assert di("ensure", "--spec", file).code == 0
    other = write_file(tmp_path / "other", json.dumps({**SPEC, "region": "tor1"}))
    result = di("ensure", "--spec", other)
    assert result.code != 0
    assert "region: cannot change" in result.err


def test_provider_without_unique_calls(di: Di, tmp_path: Path) -> None:
    """Gcore's v2 has no `ensure`."""
    file = write_file(tmp_path / "spec", json.dumps({"name": "web-1"}))
    result = di("--provider", "gcore-v2", "ensure", "--spec", file)
    assert result.code == 2
    assert "only for --provider" in result.err


def test_a_price_limit(di: Di, di_emulator: Emulator, tmp_path: Path) -> None:
    """Over it nothing is created: exit code 2."""
    file = write_file(tmp_path / "spec", json.dumps(SPEC))
    refused = di("ensure", "--spec", file, "--max-hourly", "0.01")
    assert refused.code == 2
    assert "--max-hourly: it would cost" in refused.err
    assert not di_emulator.world.instances
    assert di("ensure", "--spec", file, "--max-hourly", "100USD").code == 0
