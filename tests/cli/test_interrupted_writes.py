"""Commands that a signal ends while their write is under way say what became of it."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from di_async.cli.run import Cli
from di_async.emulator import Emulator
from tests.cli.helpers import EASY, Di

GCORE = ("--provider", "gcore")
EXOSCALE = ("--provider", "exoscale")


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Cancel a command, as a signal does, when its write is answered and this list has an item."""
    wanted: list[None] = []

    async def finish(_: Cli, write: Awaitable[Any]) -> Any:
        result = await write
        task = asyncio.current_task()
        if wanted and task is not None:
            task.cancel()
        return result

    monkeypatch.setattr(Cli, "finish", finish)
    return wanted


def prepare(di: Di) -> None:
    """Make what the commands below change."""
    done = [
        di("create", *EASY),
        di("tokens", "create", "web", "mine"),
        di(*GCORE, "keys", "create", "mine"),
        di(*GCORE, "secrets", "create", "mine"),
    ]
    assert [result.code for result in done] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("tokens", "revoke", "web", "mine"), "revoked"),
        ((*GCORE, "keys", "delete", "mine", "--force"), "deleted mine"),
        ((*GCORE, "secrets", "delete", "mine", "--force"), "deleted mine"),
        ((*GCORE, "tasks", "acknowledge", "--all"), "acknowledged all"),
    ],
)
def test_a_small_write(
    di: Di,
    monkeypatch: pytest.MonkeyPatch,
    signals: list[None],
    args: tuple[str, ...],
    said: str,
) -> None:
    """It is finished, and its message and document are printed before the signal takes effect."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAX")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    prepare(di)
    signals.append(None)
    result = di(*args, "-o", "json")
    assert result.code == 130
    assert said in result.err
    assert True in result.json.values()


@pytest.mark.parametrize(
    ("args", "action"),
    [
        ((*EXOSCALE, "models", "create", "org/model"), "create"),
        (("custom-models", "import", "mine", "--repo", "org/model"), "create"),
    ],
)
def test_a_wait_for_a_model(
    di: Di, signals: list[None], args: tuple[str, ...], action: str
) -> None:
    """The document has the id, and the outcome `interrupted`."""
    signals.append(None)
    result = di(*args, "-o", "json")
    assert result.code == 130
    assert result.json["id"]
    assert (result.json["action"], result.json["outcome"]) == (action, "interrupted")
    assert "Wait again with" in result.err


def test_a_wait_that_fails(di: Di, di_emulator: Emulator) -> None:
    """The document of a failed wait for a model has its outcome too."""
    di_emulator.fault("stuck", times=None)
    result = di(*EXOSCALE, "models", "create", "org/model", "--timeout", "0", "-o", "json")
    assert (result.code, result.json["outcome"]) == (3, "timed_out")
