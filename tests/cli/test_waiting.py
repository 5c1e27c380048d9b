"""The `wait` command: results, progress and resuming."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from di_async import Change, DigitalOcean, PollPolicy
from di_async.cli.output import format_duration
from di_async.cli.progress import follow
from di_async.cli.run import Cli
from di_async.core.waiting.resume_token import ResumeToken
from di_async.emulator import Emulator
from tests.cli.helpers import ABSENT, EASY, Di, Screen, cli_with_stderr


def test_wait_until_active(di: Di, di_emulator: Emulator) -> None:
    """`wait` ends when a read confirms the instance active."""
    di_emulator.add_instance(name="web", status="provisioning", settles_in=35)
    result = di("wait", "web", "-o", "json")
    assert (result.code, result.json["outcome"], result.json["action"]) == (0, "settled", "active")
    assert result.json["dedicated_inference"]["status"] == "active"


def test_wait_until_deleted(di: Di, di_emulator: Emulator) -> None:
    """`--for deleted` ends at the 404 and deletes nothing itself."""
    instance = di_emulator.add_instance(name="web", status="deleting", settles_in=5)
    assert di("wait", instance.id, "--for", "deleted").code == 0
    assert not di_emulator.truth(instance.id).exists


@pytest.mark.parametrize("provider", ["digitalocean", "exoscale", "gcore"])
def test_wait_until_an_unknown_one_is_deleted(provider: str, di: Di, di_emulator: Emulator) -> None:
    """It counts as deleted, with a warning: it may be elsewhere. One that was seen has none."""
    here = ("--provider", provider, "wait")
    unknown = di(*here, "absent" if provider == "gcore" else ABSENT, "--for", "deleted")
    assert unknown.code == 0
    assert "if it exists elsewhere, it still bills" in unknown.err
    di_emulator.add_instance(name="web", status="deleting", settles_in=60)
    assert "elsewhere" not in di("wait", "web", "--for", "deleted").err


def test_wait_for_an_unknown_id(di: Di) -> None:
    """An id that never existed is an error, not an endless wait."""
    result = di("wait", ABSENT)
    assert result.code == 1
    assert "404" in result.err


def test_wait_that_times_out(di: Di, di_emulator: Emulator) -> None:
    """Exit code 3; the message states how to resume, and that it is billed."""
    di_emulator.add_instance(name="web", status="new", settles_in=1e9)
    result = di("wait", "web", "--timeout", "0")
    assert result.code == 3
    assert "is billed while it exists" in result.err
    assert re.search(r"di-async wait --resume \S+$", result.err.strip())
    assert ".resume_token" not in result.err


def test_timed_out_create_can_be_resumed(di: Di) -> None:
    """The resume token in its document works."""
    timed_out = di("create", *EASY, "--timeout", "0", "-o", "json")
    assert (timed_out.code, timed_out.json["outcome"]) == (3, "timed_out")
    resumed = di("wait", "--resume", timed_out.json["resume_token"], "-o", "json")
    assert (resumed.code, resumed.json["outcome"]) == (0, "settled")
    assert resumed.json["id"] == timed_out.json["id"]


@pytest.mark.parametrize("args", [(), ("web", "--resume", "x"), ("--resume", "nonsense")])
def test_invalid_arguments_of_wait(di: Di, args: tuple[str, ...]) -> None:
    """No target, two targets or a damaged token are usage errors."""
    assert di("wait", *args).code == 2


def test_resume_token_of_another_api_is_refused(di: Di, monkeypatch: pytest.MonkeyPatch) -> None:
    """The URL in a resume token is never contacted."""
    token = di("create", *EASY, "--no-wait", "-o", "json").json["resume_token"]
    result = di("wait", "--resume", token, "--base-url", "https://api.digitalocean.com")
    assert result.code == 2
    assert "this resume token is for" in result.err


def test_revoked_token_ends_a_wait(di: Di, di_emulator: Emulator) -> None:
    """A wait that is refused has a hint at the token."""
    instance = di_emulator.add_instance(name="web", status="new", settles_in=1e9)
    di_emulator.fault("status", status=401, on="GET /v2/dedicated-inferences/{id}", times=None)
    result = di("wait", instance.id)
    assert result.code == 1
    assert "401" in result.err
    assert "DIGITALOCEAN_TOKEN" in result.err


@pytest.fixture
async def stuck(di_emulator: Emulator) -> AsyncIterator[Change[None]]:
    """A delete that never ends."""
    instance = di_emulator.add_instance(name="web")
    di_emulator.fault("stuck", on="DELETE /v2/dedicated-inferences/{id}")
    polling = PollPolicy(target_lag=0.02)
    async with DigitalOcean(di_emulator.token, base_url=di_emulator.url, polling=polling) as client:
        yield await client.dedicated_inferences.delete(instance.id)


async def follow_and_cancel(cli: Cli, change: Change[Any]) -> None:
    """Follow the change, and cancel after the first event."""
    task = asyncio.ensure_future(follow(cli, change, timeout=None))
    async for _ in change.events():
        break
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("terminal", [True, False])
async def test_cancelled_wait_prints_how_to_resume(stuck: Change[None], terminal: bool) -> None:
    """The message states that the change continues and is billed."""
    err = Screen(terminal=terminal)
    await follow_and_cancel(cli_with_stderr(err), stuck)
    output = err.getvalue()
    assert "continues, and is billed" in output
    assert "di-async wait web --for deleted" in output
    token = output.partition("di-async wait --resume ")[2].strip()
    assert ResumeToken.decode(token).resource.id == stuck.id


async def test_terminal_shows_one_live_line(
    stuck: Change[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It shows action, status and time, and is redrawn in place."""
    monkeypatch.setenv("TERM", "xterm")
    err = Screen()
    await follow_and_cancel(cli_with_stderr(err), stuck)
    output = err.getvalue()
    assert "delete " in output
    assert "0:00" in output
    assert "\x1b[2K" in output


async def test_requests_of_an_open_change_are_counted(stuck: Change[None]) -> None:
    """A pending change reports the requests so far."""
    async for _ in stuck.events():
        break
    assert (stuck.outcome, stuck.requests >= 1) == (None, True)


def test_format_of_durations() -> None:
    """Durations are m:ss or h:mm:ss."""
    assert [format_duration(s) for s in (0, 61.9, 3600)] == ["0:00", "1:01", "1:00:00"]


def test_a_timeout_names_what_continues(di: Di, di_emulator: Emulator) -> None:
    """A write continues; a wait without a write has changed nothing."""
    di_emulator.add_instance(name="web")
    di_emulator.fault("stuck", on="DELETE /v2/dedicated-inferences/{id}")
    assert "The delete continues" in di("delete", "web", "--force", "--timeout", "0").err
    di_emulator.add_instance(name="slow", status="provisioning", settles_in=1e9)
    assert "It was left unchanged" in di("wait", "slow", "--timeout", "0").err


def test_a_wait_for_a_deletion_that_nobody_began(di: Di, di_emulator: Emulator) -> None:
    """The message does not say that a delete continues; it shows the command that ends the cost."""
    instance = di_emulator.add_instance(name="web")
    result = di("wait", "web", "--for", "deleted", "--timeout", "0")
    assert result.code == 3
    assert "continues" not in result.err
    assert f"Delete it: di-async delete {instance.id}\n" in result.err


def test_a_wait_for_a_deletion_of_others(di: Di, di_emulator: Emulator) -> None:
    """Where a read has shown the deletion, it continues."""
    di_emulator.add_instance(name="web", status="deleting", settles_in=1e9)
    result = di("wait", "web", "--for", "deleted", "--timeout", "0")
    assert "The delete continues" in result.err


@pytest.mark.parametrize("deleted", [False, True])
async def test_cancelled_wait_without_a_write(di_emulator: Emulator, deleted: bool) -> None:
    """No change goes on: the message says that the instance was left as it is."""
    instance = di_emulator.add_instance(name="web", status="updating", settles_in=1e9)
    err = Screen(terminal=False)
    polling = PollPolicy(target_lag=0.02)
    async with DigitalOcean(di_emulator.token, base_url=di_emulator.url, polling=polling) as client:
        wait = client.dedicated_inferences.begin_wait(instance.id, deleted=deleted)
        await follow_and_cancel(cli_with_stderr(err), wait)
    output = err.getvalue()
    assert "continues" not in output
    assert "billed while it exists" in output
    assert (f"Delete it: di-async delete {instance.id}" in output) is deleted


def test_evidence_of_a_wait_without_a_write(di: Di, di_emulator: Emulator) -> None:
    """No write was accepted, so the note does not mention one."""
    di_emulator.add_instance(name="web")
    assert "settled: read after the wait began" in di("wait", "web").err
