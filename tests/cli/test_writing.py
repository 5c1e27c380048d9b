"""Commands that change something."""

import io
import json
import sys
from pathlib import Path

import pytest
import typer
import yaml

from di_async.cli.commands.writing import confirm
from di_async.emulator import Emulator
from tests.cli.helpers import ABSENT, EASY, GATED, GPU, HF_TOKEN, MODEL, SPEC, Di, written


def test_create_waits_until_active(di: Di, di_emulator: Emulator) -> None:
    """Exit code 0 means active; the id and the one-time token are on stdout, once."""
    called = di("create", *EASY)
    fields = dict(line.split("  ", 1) for line in called.out.splitlines())
    token = fields["access token"].strip()
    assert (called.code, fields["status"].strip()) == (0, "active")
    assert called.out.count(token) == 1
    assert token not in called.err
    assert "settled: read after the write was accepted" in called.err


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_create_as_document(di: Di, form: str) -> None:
    """Programs get one document: the instance, the token, how it was proven, how to resume."""
    told = getattr(di("create", *EASY, "-o", form), form)
    assert told["outcome"] == "settled"
    assert told["evidence"] == "read after the write was accepted"
    assert told["dedicated_inference"]["status"] == "active"
    assert told["access_token"]["value"].startswith("di_")
    assert told["resume_token"]


def test_create_without_waiting(di: Di, di_emulator: Emulator) -> None:
    """`--no-wait` comes back at once, with the token and a way to wait later."""
    called = di("create", *EASY, "--no-wait")
    assert called.code == 0
    assert "access token" in called.out
    assert "di-async wait --resume" in called.err
    assert (
        di("create", *EASY[2:], "--name", "b", "--no-wait", "-o", "json").json["outcome"]
        == "accepted"
    )


@pytest.mark.parametrize("text", [json.dumps(SPEC), yaml.safe_dump(SPEC)])
def test_create_from_a_file(di: Di, tmp_path: Path, text: str) -> None:
    """A spec file is JSON or YAML; options go on top of it."""
    file = written(tmp_path / "spec", text)
    told = di("create", "--spec", file, "--name", "other", "-o", "json").json
    assert told["dedicated_inference"]["name"] == "other"


def test_create_from_stdin(di: Di) -> None:
    """`--spec -` reads stdin; the wrapped form is taken, too."""
    text = json.dumps({"spec": SPEC})
    told = di("create", "--spec", "-", "--region", "tor1", "-o", "json", input=text).json
    assert told["dedicated_inference"]["region"] == "tor1"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "line 1"),
        ("[1]", "not a mapping"),
        ('{"name": "web"}', "spec.region: required"),
        (json.dumps({**SPEC, "colour": 1}), "spec.colour: no such field"),
        (json.dumps({**SPEC, "name": "a b"}), "spec.name"),
    ],
)
def test_broken_spec(di: Di, di_emulator: Emulator, text: str, says: str) -> None:
    """A broken spec is a usage error that names the place; nothing is sent."""
    called = di("create", "--spec", "-", input=text)
    assert (called.code, called.out) == (2, "")
    assert says in called.err
    assert di_emulator.stats.total == 0


def test_spec_file_that_is_not_there(di: Di) -> None:
    """A missing file is a usage error that names it."""
    called = di("create", "--spec", "/nowhere/spec.json")
    assert called.code == 2
    assert "/nowhere/spec.json: No such file" in called.err


def test_create_with_options_lacking(di: Di) -> None:
    """Without a file the easy case needs four options; those lacking are named."""
    called = di("create", "--name", "web", "--gpu", GPU)
    assert called.code == 2
    assert "missing: --region, --model" in called.err


def test_create_with_too_much(di: Di, tmp_path: Path) -> None:
    """A spec file and options of a spec of their own do not go together."""
    called = di("create", "--spec", written(tmp_path / "spec", json.dumps(SPEC)), "--scale", "2")
    assert called.code == 2
    assert "cannot be combined with --spec" in called.err


def test_create_with_all_easy_options(di: Di, di_emulator: Emulator) -> None:
    """Scale, network and privacy of the easy case arrive."""
    vpc = "6763249b-0b33-487a-9085-4911131c8a96"
    told = di("create", *EASY, "--scale", "3", "--vpc", vpc, "--private", "-o", "json").json
    spec = told["dedicated_inference"]["spec"]
    assert spec["model_deployments"][0]["accelerators"][0]["scale"] == 3
    assert (spec["vpc"]["uuid"], spec["enable_public_endpoint"]) == (vpc, False)


def test_gated_model_with_the_hugging_face_token(di: Di) -> None:
    """`--hf-token` sends what HF_TOKEN holds, and shows it nowhere."""
    called = di("create", *EASY, "--model", GATED, "--hf-token", "-vv")
    assert called.code == 0
    assert HF_TOKEN not in called.out + called.err


def test_hugging_face_token_that_is_not_there(di: Di, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--hf-token` without HF_TOKEN is a usage error."""
    monkeypatch.delenv("HF_TOKEN")
    called = di("create", *EASY, "--hf-token")
    assert called.code == 2
    assert "HF_TOKEN" in called.err


def test_failed_create(di: Di) -> None:
    """A failure is exit code 1; the reason, a hint and the id to delete are told."""
    called = di("create", *EASY, "--model", GATED)
    assert called.code == 1
    assert "failed: status error" in called.err
    assert "--hf-token" in called.err
    assert "di-async delete " in called.err


def test_failed_create_still_gives_its_document(di: Di) -> None:
    """The one-time token reaches a program even when the wait fails."""
    called = di("create", *EASY, "--model", GATED, "-o", "json")
    assert (called.code, called.json["outcome"]) == (1, "failed")
    assert called.json["access_token"]["value"]


def test_token_into_a_file(di: Di, tmp_path: Path) -> None:
    """`--token-out` writes the token to a new file of mode 0600 and prints it nowhere."""
    out = tmp_path / "token"
    called = di("create", *EASY, "--token-out", str(out), "-o", "json")
    value = out.read_text().strip()
    assert value.startswith("di_")
    assert value not in called.out + called.err
    assert called.json["access_token"]["file"] == str(out)
    assert out.stat().st_mode & 0o777 == 0o600


def test_token_file_that_is_there_already(di: Di, di_emulator: Emulator, tmp_path: Path) -> None:
    """A file is never written over, and nothing is made for a token that has no place."""
    called = di("create", *EASY, "--token-out", written(tmp_path / "token", "old"))
    assert called.code == 2
    assert "File exists" in called.err
    assert di_emulator.stats.total == 0


def test_token_file_of_a_refused_create(di: Di, tmp_path: Path) -> None:
    """A create that is refused leaves no file."""
    assert di("create", *EASY, "--region", "mars", "--token-out", str(tmp_path / "t")).code == 1
    assert list(tmp_path.iterdir()) == []


def test_lost_answer_is_adopted(di: Di, di_emulator: Emulator) -> None:
    """A create whose answer was lost is found again; that its token is lost is told."""
    di_emulator.fault("reset", on="POST /v2/dedicated-inferences", after_commit=True)
    called = di("create", *EASY, "-o", "json")
    assert (called.code, called.json["adopted"], called.json["access_token"]) == (0, True, None)
    assert "one-time token is lost" in called.err
    assert di_emulator.world.created["web"] == 1


def test_update_from_a_partial_spec(di: Di, di_emulator: Emulator) -> None:
    """A spec may hold only what changes."""
    di_emulator.add_instance(name="web")
    accelerators = [{"accelerator_slug": GPU, "scale": 4}]
    part = {"model_deployments": [{"model_slug": MODEL, "accelerators": accelerators}]}
    told = di("update", "web", "--spec", "-", "-o", "json", input=json.dumps(part)).json
    assert told["evidence"] == "spec version 2"
    assert "scale: 4" in yaml.safe_dump(told["dedicated_inference"]["spec"])


def test_update_of_the_name_and_token(di: Di, di_emulator: Emulator) -> None:
    """`--name` and `--hf-token` do without a spec file."""
    placed = di_emulator.add_instance(name="web")
    assert di("update", placed.id, "--name", "site", "--hf-token").code == 0
    assert di("get", "site").code == 0


def test_update_of_nothing(di: Di, di_emulator: Emulator) -> None:
    """An update without a wish is a usage error."""
    assert di("update", ABSENT).code == 2


def test_update_of_what_cannot_change(di: Di, di_emulator: Emulator) -> None:
    """An immutable field is a usage error that names it; nothing is sent to change it."""
    di_emulator.add_instance(name="web")
    called = di("update", "web", "--spec", "-", input='{"region": "tor1"}')
    assert called.code == 2
    assert "spec.region: cannot change" in called.err


def test_scale(di: Di, di_emulator: Emulator) -> None:
    """Scaling is proven by the new spec."""
    di_emulator.add_instance(name="web")
    called = di("scale", "web", "3")
    assert called.code == 0
    assert "3 x gpu-mi300x1-192gb" in called.out


def test_delete_asks(di: Di, di_emulator: Emulator) -> None:
    """Without `--force` and without a person to ask, nothing is deleted."""
    placed = di_emulator.add_instance(name="web")
    called = di("delete", "web")
    assert called.code == 2
    assert "--force" in called.err
    assert di_emulator.truth(placed.id).status == "active"


class Terminal(io.StringIO):
    """A stdin at which somebody sits."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "code"), [("n\n", 1), ("\n", 1), ("", 130)])
def test_delete_declined(monkeypatch: pytest.MonkeyPatch, answer: str, code: int) -> None:
    """No, silence and the end of input all keep the instance."""
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    with pytest.raises(typer.Exit) as end:
        confirm("web", force=False)
    assert end.value.exit_code == code


def test_delete_agreed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only an explicit yes goes on."""
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    confirm("web", force=False)


def test_delete_waits_for_the_404(di: Di, di_emulator: Emulator) -> None:
    """Exit code 0 means gone."""
    placed = di_emulator.add_instance(name="web")
    called = di("delete", "web", "--force")
    assert called.code == 0
    assert f"{placed.id} is deleted" in called.err
    assert not di_emulator.truth(placed.id).exists


def test_delete_of_what_is_not_there_warns(di: Di) -> None:
    """Nothing to delete is exit code 0 and one warning: in another team it would still bill."""
    called = di("delete", ABSENT, "--force")
    assert (called.code, called.out) == (0, "")
    assert called.err.count("warning") == 1
    assert "still bills" in called.err
    assert di("delete", ABSENT, "--force", "-o", "json").json["already_gone"] is True


def test_delete_of_an_unknown_name_fails(di: Di) -> None:
    """A name that nobody bears may be a slip of the pen: that is no success."""
    assert di("delete", "wbe", "--force").code == 1
