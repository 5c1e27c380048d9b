"""Models: the catalog and imported models of DigitalOcean, downloaded models of Exoscale."""

import pytest

from di_async.emulator import Emulator, Lifecycle, Options
from tests.cli.clouds import ProviderCLI
from tests.cli.helpers import GATED, HF_TOKEN, Di
from tests.support import SteppingClock

REPO = ("--repo", "openai/gpt-oss-20b")


@pytest.fixture
def di_emulator_options() -> Options:
    """Advance a hundred emulated seconds per request: an import takes three reads."""
    lifecycle = Lifecycle(update=300)
    return {"lifecycle": lifecycle, "time_scale": 100.0, "clock": SteppingClock(1.0).read}


@pytest.fixture
def exoscale(di: Di, di_emulator: Emulator) -> ProviderCLI:
    """Exoscale."""
    return ProviderCLI(di, di_emulator, "exoscale")


def test_catalog(di: Di) -> None:
    """A line for each model; --search selects."""
    found = di("catalog", "-o", "json").json
    assert found
    lines = di("catalog").out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [model["model_id"] for model in found]
    name = found[0]["name"]
    some = di("catalog", "--search", name, "-o", "json").json
    assert found[0] in some
    assert len(di("catalog", "--all", "-o", "json").json) >= len(found)
    assert "no models with 'nothing-like-it'" in di("catalog", "--search", "nothing-like-it").err


def test_import_list_get_delete(di: Di) -> None:
    """An import waits until the model is ready; the token is sent, and never printed."""
    made = di("custom-models", "import", "mine", *REPO, "--hf-token", "--tag", "a", "-o", "json")
    assert made.code == 0, made.err
    assert (made.json["status"], made.json["name"], made.json["tags"]) == ("ready", "mine", ["a"])
    assert HF_TOKEN not in made.out + made.err
    listed = di("custom-models", "list", "-o", "json").json
    assert [model["id"] for model in listed] == [made.json["id"]]
    assert di("custom-models", "list", "--status", "failed", "-o", "json").json == []
    assert di("custom-models", "list", "--status", "error").code == 2
    assert "mine" in di("custom-models", "get", "mine").out
    assert di("custom-models", "get", made.json["id"], "-o", "json").json["name"] == "mine"
    deleted = di("custom-models", "delete", "mine", "--force", "-o", "json")
    assert deleted.json == {"id": made.json["id"], "deleted": True}
    assert "no custom models" in di("custom-models", "list").err
    assert di("custom-models", "get", "mine").code == 1


def test_import_without_waiting(di: Di) -> None:
    """`--no-wait` returns at once; `wait` ends when it is ready."""
    made = di("custom-models", "import", "mine", *REPO, "--no-wait", "-o", "json").json
    assert made["status"] == "importing"
    done = di("custom-models", "wait", "mine", "-o", "json")
    assert (done.code, done.json["status"]) == (0, "ready")


def test_import_that_times_out(di: Di) -> None:
    """Exit code 3; the message has the command that waits again."""
    late = di("custom-models", "import", "mine", *REPO, "--timeout", "0")
    assert late.code == 3
    (made,) = di("custom-models", "list", "-o", "json").json
    assert f"Wait again with: di-async custom-models wait {made['id']}" in late.err
    assert "--resume" not in late.err


def test_failed_import(di: Di) -> None:
    """Exit code 1, with the reason and the command that deletes it."""
    failed = di("custom-models", "import", "mine", "--repo", GATED)
    assert failed.code == 1
    assert "access to the repository was denied" in failed.err
    (made,) = di("custom-models", "list", "-o", "json").json
    assert f"di-async custom-models delete {made['id']}" in failed.err
    assert "--hf-token" in failed.err


def test_import_needs_one_source(di: Di) -> None:
    """A repository or a bucket."""
    assert di("custom-models", "import", "mine").code == 2
    assert di("custom-models", "import", "mine", *REPO, "--bucket", "b").code == 2


def test_models_of_exoscale(exoscale: ProviderCLI) -> None:
    """A downloaded model is shown by its name and deleted; others' names are suggested."""
    name = "mistralai/Mistral-7B-Instruct-v0.3"
    made = exoscale("models", "create", name, "-o", "json").json
    assert exoscale("models", "get", name, "-o", "json").json["id"] == made["id"]
    assert exoscale("models", "wait", made["id"]).code == 0
    assert "Did you mean" in exoscale("models", "get", name[:-1]).err
    assert exoscale("models", "delete", name, "--force", "-o", "json").json["deleted"] is True
    assert exoscale("models", "-o", "json").json == []
    assert exoscale("models", "get", name, "--hf-token").code == 2
    assert exoscale("models", "get").code == 2


@pytest.mark.parametrize("provider", ["exoscale", "gcore", "gcore-v2"])
@pytest.mark.parametrize("args", [("catalog",), ("custom-models", "import", "x", *REPO)])
def test_providers_without_the_command(
    provider: str, args: tuple[str, ...], di: Di, di_emulator: Emulator
) -> None:
    """The error says what to use instead; exit code 2."""
    refused = ProviderCLI(di, di_emulator, provider)(*args)
    assert refused.code == 2
    instead = "`di-async models create NAME`" if provider == "exoscale" else "the image"
    assert instead in refused.err


def test_only_exoscale_deletes_models(di: Di) -> None:
    """DigitalOcean's catalog is not the team's."""
    refused = di("models", "delete", "x", "--force")
    assert refused.code == 2
    assert "only for --provider exoscale" in refused.err


def test_list_is_the_word_for_no_action(di: Di, di_emulator: Emulator) -> None:
    """`models list` lists, as in the other groups; it takes no name."""
    di_emulator.add_exoscale_model(name="acme/one")
    plain = di("--provider", "exoscale", "models")
    assert plain.out
    assert di("--provider", "exoscale", "models", "list").out == plain.out
    assert di("--provider", "exoscale", "models", "list", "acme/one").code == 2
