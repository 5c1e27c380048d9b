"""Commands that change a resource."""

import io
import json
import sys
from pathlib import Path

import pytest
import typer
import yaml

from di_async.cli.confirm import confirm_delete
from di_async.emulator import Emulator
from tests.cli.helpers import ABSENT, EASY, GATED, GPU, HF_TOKEN, MODEL, SPEC, Di, write_file


def test_create_waits_until_active(di: Di, di_emulator: Emulator) -> None:
    """Exit code 0 means active; id and one-time token are on stdout once."""
    result = di("create", *EASY)
    fields = dict(line.split("  ", 1) for line in result.out.splitlines())
    token = fields["access token"].strip()
    assert (result.code, fields["status"].strip()) == (0, "active")
    assert result.out.count(token) == 1
    assert token not in result.err
    assert "settled: read after the write was accepted" in result.err


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_create_as_document(di: Di, form: str) -> None:
    """One document holds the instance, the token, the evidence and the resume token."""
    document = getattr(di("create", *EASY, "-o", form), form)
    assert document["outcome"] == "settled"
    assert document["evidence"] == "read after the write was accepted"
    assert document["dedicated_inference"]["status"] == "active"
    assert document["access_token"]["value"].startswith("di_")
    assert document["resume_token"]


def test_create_without_waiting(di: Di, di_emulator: Emulator) -> None:
    """`--no-wait` returns at once, with the token and a way to wait later."""
    result = di("create", *EASY, "--no-wait")
    assert result.code == 0
    assert "access token" in result.out
    assert "di-async wait --resume" in result.err
    assert (
        di("create", *EASY[2:], "--name", "b", "--no-wait", "-o", "json").json["outcome"]
        == "accepted"
    )


@pytest.mark.parametrize("text", [json.dumps(SPEC), yaml.safe_dump(SPEC)])
def test_create_from_a_file(di: Di, tmp_path: Path, text: str) -> None:
    """A spec file is JSON or YAML, and options override it."""
    file = write_file(tmp_path / "spec", text)
    document = di("create", "--spec", file, "--name", "other", "-o", "json").json
    assert document["dedicated_inference"]["name"] == "other"


def test_create_from_stdin(di: Di) -> None:
    """`--spec -` reads stdin, and the wrapped form is accepted."""
    text = json.dumps({"spec": SPEC})
    document = di("create", "--spec", "-", "--region", "tor1", "-o", "json", input=text).json
    assert document["dedicated_inference"]["region"] == "tor1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "line 1"),
        ("[1]", "not a mapping"),
        ('{"name": "web"}', "spec.region: required"),
        (json.dumps({**SPEC, "colour": 1}), "spec.colour: "),
        (json.dumps({**SPEC, "name": "a b"}), "spec.name"),
    ],
)
def test_broken_spec(di: Di, di_emulator: Emulator, text: str, message: str) -> None:
    """An invalid spec is a usage error that names the field; no request is sent."""
    result = di("create", "--spec", "-", input=text)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert di_emulator.stats.total == 0


def test_missing_spec_file(di: Di) -> None:
    """The usage error names the file."""
    result = di("create", "--spec", "/nowhere/spec.json")
    assert result.code == 2
    assert "/nowhere/spec.json: No such file" in result.err


def test_create_with_missing_options(di: Di) -> None:
    """Without a file, four options are required; the missing ones are named."""
    result = di("create", "--name", "web", "--gpu", GPU)
    assert result.code == 2
    assert "missing: --region, --model" in result.err


def test_spec_file_excludes_deployment_options(di: Di, tmp_path: Path) -> None:
    """A spec file cannot be combined with --scale."""
    result = di("create", "--spec", write_file(tmp_path / "spec", json.dumps(SPEC)), "--scale", "2")
    assert result.code == 2
    assert "cannot be combined with --spec" in result.err


def test_create_from_options(di: Di, di_emulator: Emulator) -> None:
    """Scale, VPC and privacy are sent."""
    vpc = "6763249b-0b33-487a-9085-4911131c8a96"
    document = di("create", *EASY, "--scale", "3", "--vpc", vpc, "--private", "-o", "json").json
    spec = document["dedicated_inference"]["spec"]
    assert spec["model_deployments"][0]["accelerators"][0]["scale"] == 3
    assert (spec["vpc"]["uuid"], spec["enable_public_endpoint"]) == (vpc, False)


def test_gated_model_with_the_hugging_face_token(di: Di) -> None:
    """`--hf-token` sends the value of HF_TOKEN and prints it nowhere."""
    result = di("create", *EASY, "--model", GATED, "--hf-token", "-vv")
    assert result.code == 0
    assert HF_TOKEN not in result.out + result.err


def test_missing_hugging_face_token(di: Di, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--hf-token` without HF_TOKEN is a usage error."""
    monkeypatch.delenv("HF_TOKEN")
    result = di("create", *EASY, "--hf-token")
    assert result.code == 2
    assert "HF_TOKEN" in result.err


def test_no_capacity_is_not_blamed_on_a_gated_model(di: Di, di_emulator: Emulator) -> None:
    """The hint at --hf-token is for models that are gated."""
    di_emulator.fault("no_capacity")
    result = di("create", *EASY)
    assert result.code == 1
    assert "di-async delete " in result.err
    assert "gated" not in result.err


def test_failed_create(di: Di) -> None:
    """Exit code 1; the message holds the reason, a hint and the delete command."""
    result = di("create", *EASY, "--model", GATED)
    assert result.code == 1
    assert "failed: status error" in result.err
    assert "--hf-token" in result.err
    assert "di-async delete " in result.err


def test_failed_create_prints_its_document(di: Di) -> None:
    """The one-time token is printed even if the wait fails."""
    result = di("create", *EASY, "--model", GATED, "-o", "json")
    assert (result.code, result.json["outcome"]) == (1, "failed")
    assert result.json["access_token"]["value"]


def test_token_into_a_file(di: Di, tmp_path: Path) -> None:
    """`--token-out` writes the token to a new file of mode 0600 and prints it nowhere."""
    out = tmp_path / "token"
    result = di("create", *EASY, "--token-out", str(out), "-o", "json")
    value = out.read_text().strip()
    assert value.startswith("di_")
    assert value not in result.out + result.err
    assert result.json["access_token"]["file"] == str(out)
    assert out.stat().st_mode & 0o777 == 0o600


def test_token_file_that_exists(di: Di, di_emulator: Emulator, tmp_path: Path) -> None:
    """It is not overwritten, and no request is sent."""
    result = di("create", *EASY, "--token-out", write_file(tmp_path / "token", "old"))
    assert result.code == 2
    assert "File exists" in result.err
    assert di_emulator.stats.total == 0


def test_token_file_of_a_refused_create(di: Di, tmp_path: Path) -> None:
    """A refused create leaves no file."""
    assert di("create", *EASY, "--region", "mars", "--token-out", str(tmp_path / "t")).code == 1
    assert list(tmp_path.iterdir()) == []


def test_lost_response_is_recovered(di: Di, di_emulator: Emulator) -> None:
    """The instance is adopted; a warning names the command that creates a token in place of its."""
    di_emulator.fault("reset", on="POST /v2/dedicated-inferences", after_commit=True)
    result = di("create", *EASY, "-o", "json")
    assert (result.code, result.json["adopted"], result.json["access_token"]) == (0, True, None)
    assert f"create another with `di-async tokens create {result.json['id']} NAME`" in result.err
    assert di_emulator.world.created["web"] == 1


def test_update_from_a_partial_spec(di: Di, di_emulator: Emulator) -> None:
    """A spec may hold only the fields that change."""
    di_emulator.add_instance(name="web")
    accelerators = [{"accelerator_slug": GPU, "scale": 4}]
    part = {"model_deployments": [{"model_slug": MODEL, "accelerators": accelerators}]}
    document = di("update", "web", "--spec", "-", "-o", "json", input=json.dumps(part)).json
    assert document["evidence"] == "spec version 2"
    assert "scale: 4" in yaml.safe_dump(document["dedicated_inference"]["spec"])


def test_update_of_the_name_and_token(di: Di, di_emulator: Emulator) -> None:
    """`--name` and `--hf-token` need no spec file."""
    instance = di_emulator.add_instance(name="web")
    assert di("update", instance.id, "--name", "site", "--hf-token").code == 0
    assert di("get", "site").code == 0


def test_update_without_changes(di: Di, di_emulator: Emulator) -> None:
    """It is a usage error."""
    assert di("update", ABSENT).code == 2


def test_update_of_an_immutable_field(di: Di, di_emulator: Emulator) -> None:
    """The usage error names the field, and no update is sent."""
    di_emulator.add_instance(name="web")
    result = di("update", "web", "--spec", "-", input='{"region": "tor1"}')
    assert result.code == 2
    assert "spec.region: cannot change" in result.err


def test_scale(di: Di, di_emulator: Emulator) -> None:
    """A scale is confirmed by the new spec."""
    di_emulator.add_instance(name="web")
    result = di("scale", "web", "3")
    assert result.code == 0
    assert "3 x gpu-mi300x1-192gb" in result.out


def test_delete_needs_confirmation(di: Di, di_emulator: Emulator) -> None:
    """Without `--force` and a terminal, nothing is deleted."""
    instance = di_emulator.add_instance(name="web")
    result = di("delete", "web")
    assert result.code == 2
    assert "--force" in result.err
    assert di_emulator.truth(instance.id).status == "active"


class Terminal(io.StringIO):
    """A stdin that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "code"), [("n\n", 1), ("\n", 1), ("", 130)])
def test_delete_declined(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str, code: int
) -> None:
    """The answer "n", an empty line and end of input keep the instance, and say so."""
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    with pytest.raises(typer.Exit) as end:
        confirm_delete("web", force=False)
    assert end.value.exit_code == code
    assert capsys.readouterr().err.endswith("nothing was deleted\n")


def test_delete_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer "y" continues."""
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    confirm_delete("web", force=False)


def test_delete_waits_for_the_404(di: Di, di_emulator: Emulator) -> None:
    """Exit code 0 means deleted."""
    instance = di_emulator.add_instance(name="web")
    result = di("delete", "web", "--force")
    assert result.code == 0
    assert f"{instance.id} is deleted" in result.err
    assert not di_emulator.truth(instance.id).exists


def test_delete_of_an_absent_id_warns(di: Di) -> None:
    """Exit code 0 and one warning: it may exist in another team."""
    result = di("delete", ABSENT, "--force")
    assert (result.code, result.out) == (0, "")
    assert result.err.count("warning") == 1
    assert "still bills" in result.err
    assert di("delete", ABSENT, "--force", "-o", "json").json["already_gone"] is True


def test_delete_of_an_unknown_name_fails(di: Di) -> None:
    """An unknown name may be a typo, so it is an error."""
    assert di("delete", "wbe", "--force").code == 1


def test_a_rename_that_is_not_awaited(di: Di) -> None:
    """The line that shows how to wait names the id: the new name may not be known yet."""
    id = di("create", *EASY, "-o", "json").json["id"]
    renamed = di("update", "web", "--name", "site", "--no-wait")
    assert f"Wait again with: di-async wait {id}\n" in renamed.err


@pytest.mark.parametrize(
    "args", [("scale", "web", "9" * 23), ("create", *EASY, "--scale", "9" * 20)]
)
def test_more_gpus_than_there_are_numbers(di: Di, args: tuple[str, ...]) -> None:
    """A number that no API can read is a usage error, before a price is shown."""
    di("create", *EASY)
    result = di(*args)
    assert result.code == 2
    assert "2147483647" in result.err
    assert "USD" not in result.err
    assert "bug in di-async" not in result.err
