"""Tests of `di-async apply`: plan, work, report, exit codes and fleet files, on all clouds."""

import asyncio
import json
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest
import yaml

from di_async import DIError
from di_async.cli import bulk_progress
from di_async.core.fleet_names import name_in_fleet
from di_async.emulator import Emulator
from di_async.fleet import applying
from tests.cli.helpers import Di, write_file
from tests.clouds.ensuring import ENSURABLE
from tests.clouds.support import Cloud
from tests.fleet.fleets import an_entry

_BY_NAME = {cloud.name: cloud for cloud in ENSURABLE}
ensurable = pytest.mark.parametrize("cloud", ENSURABLE, ids=lambda cloud: cloud.name)


@pytest.fixture(autouse=True)
def model(di_emulator: Emulator) -> None:
    """Add the model that Exoscale's deployments need."""
    di_emulator.add_exoscale_model(name="openai/gpt-oss-20b")


def fleet_file(path: Path, *entries: dict[str, Any], **more: Any) -> str:
    """Write a fleet file and return its path."""
    return write_file(path, yaml.safe_dump({"fleet": "chat", "deployments": list(entries), **more}))


@ensurable
def test_plans_applies_and_then_finds_nothing_to_do(cloud: Cloud, di: Di, tmp_path: Path) -> None:
    """The plan changes nothing; the second apply says so in one line."""
    file = fleet_file(tmp_path / "fleet.yaml", an_entry(cloud))
    name = name_in_fleet("chat", "web-1")
    plan = di("apply", "--plan", file)
    assert (plan.code, plan.err.count("1 to create")) == (0, 1)
    assert name in plan.out
    assert di("apply", "--dry-run", file).out == plan.out
    done = di("apply", "--yes", file)
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines() if name in line][-1] == "created"
    again = di("apply", "--yes", file)
    assert (again.code, again.out, again.err) == (0, "", "nothing to do: 1 unchanged\n")


def test_documents_hold_the_report_and_the_one_time_token(di: Di, tmp_path: Path) -> None:
    """JSON has each deployment, prices and tokens; what is planned is marked."""
    file = fleet_file(tmp_path / "fleet.yaml", *map(an_entry, ENSURABLE))
    plan = di("-o", "json", "apply", "--plan", file).json
    assert (plan["plan"], plan["counts"], plan["unknown_price"]) == (True, {"created": 3}, 1)
    done = di("-o", "json", "apply", "--yes", file).json
    assert (done["plan"], done["ok"], done["counts"]) == (False, True, {"created": 3})
    by_provider = {row["provider"]: row for row in done["deployments"]}
    assert by_provider["digitalocean"]["access_token"]["value"]
    assert by_provider["gcore"]["access_token"] is None
    assert all(row["active"] and row["outcome"] == "ok" for row in by_provider.values())


def test_tokens_go_to_a_file(di: Di, tmp_path: Path) -> None:
    """`--token-out` has a line for each create, and stdout has no token."""
    file = fleet_file(tmp_path / "fleet.yaml", an_entry(ENSURABLE[0]), an_entry(ENSURABLE[0], "b"))
    done = di("apply", "--yes", "--token-out", str(tmp_path / "tokens"), file)
    lines = (tmp_path / "tokens").read_text().split("\n")
    names = [name_in_fleet("chat", own) for own in ("web-1", "b")]
    assert [line.split(" ")[0] for line in lines if line] == names
    assert lines[0].split(" ")[1] not in done.out + done.err


@pytest.mark.parametrize("stopped", [False, True])
def test_run_again_with_another_file_for_tokens(
    di: Di, di_emulator: Emulator, tmp_path: Path, stopped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The advice to run it again says so, and a file with tokens is never overwritten."""
    file = fleet_file(tmp_path / "fleet.yaml", an_entry(ENSURABLE[0]))
    out = tmp_path / "tokens"
    di_emulator.fault("stuck", on=ENSURABLE[0].POST)

    async def stop_at_the_end(_console: Any, _progress: Any, work: Awaitable[Any]) -> None:
        await work
        raise asyncio.CancelledError

    if stopped:
        monkeypatch.setattr(bulk_progress, "show_progress", stop_at_the_end)
    done = di("apply", "--yes", "--timeout", "0.1", "--token-out", str(out), file)
    assert done.code == (130 if stopped else 3)
    assert "Run the same command again, with another file for --token-out, to" in done.err
    tokens = out.read_text()
    again = di("apply", "--yes", "--token-out", str(out), file)
    assert (again.code, out.read_text()) == (2, tokens)
    assert "File exists, and it is not overwritten: name another file" in again.err
    other = di("apply", "--yes", "--timeout", "0.1", "--token-out", str(tmp_path / "more"), file)
    assert other.code == (130 if stopped else 3)
    assert not (tmp_path / "more").exists()
    assert "Run the same command again to" in other.err


def test_without_a_terminal_it_needs_yes(di: Di, di_emulator: Emulator, tmp_path: Path) -> None:
    """No request is sent."""
    result = di("apply", fleet_file(tmp_path / "fleet.yaml", an_entry(ENSURABLE[0])))
    assert result.code == 2
    assert "use --yes" in result.err
    assert not di_emulator.world.requests


def test_a_failure_is_reported_and_ends_with_1(
    di: Di, di_emulator: Emulator, tmp_path: Path
) -> None:
    """The others are created."""
    di_emulator.fault("error", times=1, on=ENSURABLE[0].POST)
    entries = [an_entry(ENSURABLE[0]), *(an_entry(one, "web-2") for one in ENSURABLE)]
    file = fleet_file(tmp_path / "fleet.yaml", *entries)
    done = di("-o", "json", "apply", "--yes", "--concurrency", "1", file)
    assert done.code == 1
    assert done.json["counts"] == {"created": 3, "failed": 1}


def test_prune_deletes_what_the_file_no_longer_holds(di: Di, tmp_path: Path) -> None:
    """Without `--prune` it is only reported."""
    path = tmp_path / "fleet.yaml"
    fleet_file(path, *map(an_entry, ENSURABLE))
    assert di("apply", "--yes", str(path)).code == 0
    fleet_file(path, an_entry(ENSURABLE[0]))
    kept = di("apply", "--yes", str(path))
    assert "made by an earlier apply, not in the file, and billed (2)" in kept.err
    assert "--prune deletes them" in kept.err
    plan = di("apply", "--plan", "--prune", str(path))
    assert "2 to delete, 1 unchanged" in plan.err
    done = di("apply", "--yes", "--prune", str(path))
    assert (done.code, done.out.count("deleted")) == (0, 2)
    assert di("apply", "--yes", "--prune", str(path)).err == "nothing to do: 1 unchanged\n"


def test_an_empty_fleet(di: Di, tmp_path: Path) -> None:
    """It has nothing to do once all that it has made is deleted."""
    path = tmp_path / "fleet.yaml"
    fleet_file(path, an_entry(ENSURABLE[0]))
    assert di("apply", "--yes", str(path)).code == 0
    fleet_file(path)
    assert di("apply", "--yes", "--prune", str(path)).code == 0
    for args in (("--plan",), ("--yes", "--prune")):
        again = di("apply", *args, str(path))
        assert (again.code, again.err) == (0, "nothing to do: no deployments\n")


@ensurable
def test_a_failure_names_the_command_that_ends_the_cost(
    cloud: Cloud, di: Di, di_emulator: Emulator, tmp_path: Path
) -> None:
    """It is one of `di-async`, for the provider and place of the deployment."""
    has_operations = cloud is not ENSURABLE[0]
    di_emulator.fault("operation_failed" if has_operations else "error", on=cloud.POST)
    entry = an_entry(cloud)
    done = di("-o", "json", "apply", "--yes", fleet_file(tmp_path / "fleet.yaml", entry))
    (failed,) = done.json["deployments"]
    words = failed["error"].partition("Delete it: di-async ")[2].split()
    assert f"failed: {failed['name']}: {failed['error']}\n" in done.err
    exists = "It may exist" if has_operations else "It still exists"  # nobody has read it
    assert exists in failed["error"]
    assert ".resume_token" not in done.out + done.err
    assert di(*words, "--force").code == 0
    assert not di_emulator.truth(failed["id"]).exists


@pytest.mark.parametrize("args", [("apply", "--plan"), ("scan", "--all-providers")])
def test_credentials_of_several_providers(
    di: Di, tmp_path: Path, args: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message about a missing one does not suggest `--token-file`, which is refused."""
    monkeypatch.delenv("EXOSCALE_API_SECRET")
    file = fleet_file(tmp_path / "fleet.yaml", *map(an_entry, ENSURABLE))
    result = di(*args, *((file,) if args[0] == "apply" else ()))
    assert "no Exoscale API secret: set EXOSCALE_API_SECRET" in result.err
    assert "--token-file" not in result.err


@pytest.mark.parametrize(
    ("cloud", "on", "status"),
    [
        ("digitalocean", "GET /v2/dedicated-inferences", 401),
        ("digitalocean", "PATCH /v2/dedicated-inferences/{id}", 403),
        ("exoscale", "GET /v2/ai/deployment", 403),
        ("gcore-v3", "GET /cloud/v3/inference/{project_id}/deployments/{id}", 401),
    ],
)
def test_hints_name_no_options_that_it_lacks(
    cloud: str, on: str, status: int, di: Di, di_emulator: Emulator, tmp_path: Path
) -> None:
    """Credentials are in the environment, places in the file, and changes are waited for."""
    path = tmp_path / "fleet.yaml"
    assert di("apply", "--yes", fleet_file(path, an_entry(_BY_NAME[cloud]))).code == 0
    message = "This Dedicated Inference is not yet accepting updates."
    di_emulator.fault("status", on=on, status=status, message=message, times=None)
    result = di("apply", "--yes", fleet_file(path, an_entry(_BY_NAME[cloud], replicas=2)))
    assert result.code == 1
    for option in ("--zone", "--token-file", "ready-timeout", "ready_timeout"):
        assert option not in result.out + result.err


def test_a_zone_that_does_not_exist(di: Di, tmp_path: Path) -> None:
    """The hint is at the zone in the file, as `--zone` is refused."""
    entry = {**an_entry(_BY_NAME["exoscale"]), "zone": "ch-gva-9"}
    result = di("apply", "--yes", fleet_file(tmp_path / "fleet.yaml", entry))
    assert result.code == 1
    assert "Check the zone in the file" in result.err
    assert "--zone" not in result.out + result.err


def test_prune_is_left_out_after_a_failure(di: Di, di_emulator: Emulator, tmp_path: Path) -> None:
    """The report says what was not deleted."""
    path = tmp_path / "fleet.yaml"
    fleet_file(path, an_entry(ENSURABLE[0], "old"))
    assert di("apply", "--yes", str(path)).code == 0
    fleet_file(path, an_entry(ENSURABLE[0], "new"))
    di_emulator.fault("error", times=1, on=ENSURABLE[0].POST)
    done = di("apply", "--yes", "--prune", str(path))
    assert done.code == 1
    assert (
        "made by an earlier apply, not in the file, and not deleted, as not all else succeeded (1)"
        in done.err
    )
    assert name_in_fleet("chat", "old") in {one.name for one in instances(di_emulator)}


def test_deletion_that_fails_is_reported_once(
    di: Di, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be deleted is `failed` with its cause, and not called left out."""
    path = tmp_path / "fleet.yaml"
    fleet_file(path, an_entry(ENSURABLE[0]))
    assert di("apply", "--yes", str(path)).code == 0
    fleet_file(path)

    async def refuse(*_: Any) -> DIError:
        return DIError("locked by support")

    monkeypatch.setattr(applying, "delete_named", refuse)
    done = di("apply", "--yes", "--prune", str(path))
    name = name_in_fleet("chat", "web-1")
    assert done.code == 1
    assert f"failed: {name}: locked by support\n1 failed\n" in done.err
    assert "not all else succeeded" not in done.err


def instances(emu: Emulator) -> list[Any]:
    """Return DigitalOcean's instances."""
    return list(emu.world.instances.values())


def test_the_limit_is_for_the_whole_fleet(di: Di, di_emulator: Emulator, tmp_path: Path) -> None:
    """Over the limit, the plan is printed and nothing is created."""
    file = fleet_file(tmp_path / "fleet.yaml", an_entry(ENSURABLE[0], count=3))
    plan = di("-o", "json", "apply", "--plan", file).json
    each = float(plan["deployments"][0]["hourly_price"])
    refused = di("apply", "--yes", "--max-hourly", f"{2 * each}USD", file)
    assert refused.code == 2
    assert "--max-hourly: it would cost" in refused.err
    assert not di_emulator.world.instances
    assert di("apply", "--yes", "--max-hourly", f"{3 * each}USD", file).code == 0


def test_faults_of_the_file_name_file_entry_and_field(di: Di, tmp_path: Path) -> None:
    """All are listed, and the exit code is that of a usage error."""
    entries = [{"provider": "azure", "spec": {"name": "a"}}, an_entry(ENSURABLE[0], "web", cuont=2)]
    file = fleet_file(tmp_path / "fleet.yaml", *entries)
    result = di("apply", "--plan", file)
    assert result.code == 2
    assert f"{file}: deployments[0] (a).provider: expected one of" in result.err
    assert f"{file}: deployments[1] (web).cuont: unknown" in result.err


def test_reads_stdin(di: Di) -> None:
    """`-` reads the fleet from stdin, in JSON too."""
    text = json.dumps({"deployments": [an_entry(ENSURABLE[0])]})
    assert "1 to create" in di("apply", "--plan", "-", input=text).err


@pytest.mark.parametrize("option", [("--provider", "gcore"), ("--zone", "ch-gva-2")])
def test_options_of_one_provider_are_refused(
    option: tuple[str, str], di: Di, tmp_path: Path
) -> None:
    """The file names providers and places."""
    file = fleet_file(tmp_path / "fleet.yaml", an_entry(ENSURABLE[0]))
    result = di(*option, "apply", "--plan", file)
    assert result.code == 2
    assert f"{option[0]} cannot be combined" in result.err


def test_errors_name_options_and_keys_of_the_file(di: Di, tmp_path: Path) -> None:
    """Not parameters of the library."""
    entry = an_entry(ENSURABLE[1])
    entry["spec"]["api_keys"] = []
    file = fleet_file(tmp_path / "fleet.yaml", entry)
    assert "set `open_to_world: true` in the file" in di("apply", "--yes", file).err
    file = fleet_file(tmp_path / "fleet.yaml", {**entry, "open_to_world": True})
    assert di("apply", "--yes", file).code == 0


def test_a_name_that_is_being_deleted_is_explained(
    di: Di, di_emulator: Emulator, tmp_path: Path
) -> None:
    """The message names the option that waits for the name."""
    file = fleet_file(tmp_path / "fleet.yaml", an_entry(ENSURABLE[0]))
    assert di("apply", "--yes", file).code == 0
    di_emulator.fault("stuck", on=ENSURABLE[0].DELETE)
    assert di("delete", name_in_fleet("chat", "web-1"), "--force", "--no-wait").code == 0
    result = di("apply", "--yes", file)
    assert result.code == 1
    assert "use --name-timeout SECONDS to wait for the name" in result.err


def test_a_failure_has_the_hint_of_create(di: Di, di_emulator: Emulator, tmp_path: Path) -> None:
    """What `create` advises after an error, `apply` does too, once for all of its failures."""
    di_emulator.fault("status", on="POST /v2/dedicated-inferences", status=422, times=None)
    entries = (an_entry(ENSURABLE[0]), an_entry(ENSURABLE[0], "b"))
    result = di("apply", "--yes", fleet_file(tmp_path / "fleet.yaml", *entries))
    assert result.code == 1
    assert result.err.count("`di-async sizes` and `di-async models` list the valid values.") == 1
