"""What `-o json` prints on stdout when a command fails: a document of a wait, else nothing."""

import json
from collections.abc import Callable

import pytest

from di_async.cli.endpoint_keys import VARIABLE
from di_async.emulator import Emulator, Options
from di_async.emulator.cloud import openai as openai_endpoint
from di_async.emulator.cloud.http import ApiError
from tests.cli.clouds import NEVER, ProviderCLI
from tests.cli.helpers import EASY, SPEC, Di
from tests.support import SteppingClock

NOW = ("--timeout", "0", "-o", "json")
_ACCELERATOR = {**SPEC["model_deployments"][0]["accelerators"][0], "scale": 2}
_DEPLOYMENT = {**SPEC["model_deployments"][0], "accelerators": [_ACCELERATOR]}
CHANGED = json.dumps({**SPEC, "model_deployments": [_DEPLOYMENT]})


@pytest.fixture
def di_emulator_options() -> Options:
    """Let no change settle: a millisecond passes with each request."""
    return {"clock": SteppingClock(0.001).read}


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("create", *EASY[2:], "--name", "other"), None),
        (("update", "web", "--spec", "-"), CHANGED),
        (("scale", "web", "2"), None),
        (("delete", "web", "--force"), None),
        (("ensure", "--spec", "-"), CHANGED),
        (("wait", "late"), None),
        (("wait", "web", "--for", "deleted"), None),
        (("connect", "late"), None),
        (("connect", "late", "--mint-token", "mine"), None),
        (("chat", "late", "Hi", "--mint-token", "mine"), None),
        (("custom-models", "import", "mine", "--repo", "openai/gpt-oss-20b"), None),
        (("--provider", "exoscale", "models", "create", "openai/gpt-oss-120b"), None),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wait_that_fails(
    args: tuple[str, ...],
    text: str | None,
    di: Di,
    di_emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The document has the id, the action, how the wait ended, and the error; so has stderr."""
    if "--mint-token" not in args:
        monkeypatch.setenv(VARIABLE, "key")
    di_emulator.add_instance(name="web")
    di_emulator.add_instance(name="late", status="provisioning", settles_in=NEVER)
    result = di(*args, *NOW, input=text)
    assert result.code == 3, result.err
    assert result.json["outcome"] == "timed_out"
    assert result.json["id"]
    assert result.json["action"] in ("create", "update", "delete", "active")
    assert f"error: {result.json['error']}" in result.err


def test_a_key_that_was_created_is_in_the_document(
    di: Di, di_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the endpoint does not answer, the document of `connect` has the key of --mint-token."""
    di_emulator.add_instance(name="web")

    def refuse(*_: object) -> None:
        raise ApiError(401, "no")

    monkeypatch.setattr(openai_endpoint, "_answer", refuse)
    refused = di("connect", "web", "--mint-token", "mine", "-o", "json")
    assert (refused.code, refused.json["outcome"]) == (1, "refused")
    assert f"created the key 'mine': {refused.json['access_token']}" in refused.err


def add_without_replicas(emu: Emulator) -> None:
    """Add a deployment that is scaled to 0."""
    emu.add_exoscale_deployment(name="web", replicas=0)


def add_without_public_endpoint(emu: Emulator) -> None:
    """Add an instance with a private endpoint only."""
    emu.add_instance(name="web", public=False)


@pytest.mark.parametrize("command", [("connect", "web"), ("chat", "web", "Hi")])
@pytest.mark.parametrize(
    ("provider", "add", "text"),
    [
        ("exoscale", add_without_replicas, "has 0 replicas, so nothing answers"),
        ("digitalocean", add_without_public_endpoint, "has no public endpoint"),
    ],
)
def test_what_has_no_endpoint(
    provider: str,
    add: Callable[[Emulator], None],
    text: str,
    command: tuple[str, ...],
    di: Di,
    di_emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once the wait has begun, it is a failure with a document, and not a usage error."""
    monkeypatch.setenv(VARIABLE, "key")
    add(di_emulator)
    result = di("--provider", provider, *command, "-o", "json")
    assert (result.code, result.json["outcome"], result.json["action"]) == (1, "error", "active")
    assert text in result.json["error"]
    assert f"error: {result.json['error']}" in result.err


@pytest.mark.parametrize(
    "args",
    [
        ("list",),
        ("get", "web"),
        ("logs", "web"),
        ("hardware",),
        ("sizes",),
        ("catalog",),
        ("models",),
        ("keys", "list"),
        ("tokens", "list", "web"),
        ("delete", "web", "--force"),
        ("create", *EASY),
        ("nothing",),
        ("get",),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("provider", ["digitalocean", "exoscale", "gcore"])
def test_what_fails_without_a_wait(
    args: tuple[str, ...], provider: str, di: Di, di_emulator: Emulator
) -> None:
    """Stdout is empty, and the error is on stderr."""
    cli = ProviderCLI(di, di_emulator, provider)
    di_emulator.fault("status", status=401, times=None)
    result = cli(*args, "-o", "json")
    assert result.code in (1, 2)  # 2 where a provider lacks the command
    assert result.out == ""
    assert "error: " in result.err
