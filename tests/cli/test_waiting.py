"""Waits: how they end, how they look, and how they go on."""

import asyncio
import io
import re
from collections.abc import AsyncIterator

import pytest
from rich.console import Console

from di_async import Change, DigitalOcean, PollPolicy
from di_async.cli.output import Out, format_duration
from di_async.cli.progress import follow
from di_async.cli.run import Cli
from di_async.cli.settings import Format, Settings
from di_async.emulator import Emulator
from tests.cli.helpers import ABSENT, EASY, Di


def test_wait_until_active(di: Di, di_emulator: Emulator) -> None:
    """`wait` is done when a read shows the instance active."""
    di_emulator.add_instance(name="web", status="provisioning", settles_in=35)
    called = di("wait", "web", "-o", "json")
    assert (called.code, called.json["outcome"], called.json["action"]) == (0, "settled", "active")
    assert called.json["dedicated_inference"]["status"] == "active"


def test_wait_until_deleted(di: Di, di_emulator: Emulator) -> None:
    """`--for deleted` is done at the 404, and deletes nothing itself."""
    placed = di_emulator.add_instance(name="web", status="deleting", settles_in=5)
    assert di("wait", placed.id, "--for", "deleted").code == 0
    assert not di_emulator.truth(placed.id).exists


def test_wait_for_what_never_was(di: Di) -> None:
    """An id that was never there is an error, not an endless wait."""
    called = di("wait", ABSENT)
    assert called.code == 1
    assert "404" in called.err


def test_wait_in_vain(di: Di, di_emulator: Emulator) -> None:
    """Exit code 3 is a timeout; it tells how to resume, and that it bills."""
    di_emulator.add_instance(name="web", status="new", settles_in=1e9)
    called = di("wait", "web", "--timeout", "0")
    assert called.code == 3
    assert "is billed while it exists" in called.err
    assert re.search(r"di-async wait --resume \S+$", called.err.strip())
    assert ".resume_token" not in called.err


def test_a_timed_out_create_can_be_resumed(di: Di) -> None:
    """The token in the document of a timed out create leads to its end."""
    timed_out = di("create", *EASY, "--timeout", "0", "-o", "json")
    assert (timed_out.code, timed_out.json["outcome"]) == (3, "timed_out")
    resumed = di("wait", "--resume", timed_out.json["resume_token"], "-o", "json")
    assert (resumed.code, resumed.json["outcome"]) == (0, "settled")
    assert resumed.json["id"] == timed_out.json["id"]


@pytest.mark.parametrize("args", [(), ("web", "--resume", "x"), ("--resume", "nonsense")])
def test_wait_for_nothing_sensible(di: Di, args: tuple[str, ...]) -> None:
    """Neither, both, or a damaged token: a usage error."""
    assert di("wait", *args).code == 2


def test_a_token_of_another_api_is_refused(di: Di, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resume token is never followed to the address it names."""
    token = di("create", *EASY, "--no-wait", "-o", "json").json["resume_token"]
    called = di("wait", "--resume", token, "--base-url", "https://api.digitalocean.com")
    assert called.code == 2
    assert "this resume token is for" in called.err


def test_revoked_token_ends_a_wait(di: Di, di_emulator: Emulator) -> None:
    """A wait that is refused says what is the matter with the token."""
    placed = di_emulator.add_instance(name="web", status="new", settles_in=1e9)
    di_emulator.fault("status", status=401, on="GET /v2/dedicated-inferences/{id}", times=None)
    called = di("wait", placed.id)
    assert called.code == 1
    assert "cannot be watched" in called.err
    assert "DIGITALOCEAN_TOKEN" in called.err


@pytest.fixture
async def stuck(di_emulator: Emulator) -> AsyncIterator[Change[None]]:
    """A delete that never ends."""
    placed = di_emulator.add_instance(name="web")
    di_emulator.fault("stuck", on="DELETE /v2/dedicated-inferences/{id}")
    polling = PollPolicy(target_lag=0.02)
    async with DigitalOcean(di_emulator.token, base_url=di_emulator.url, polling=polling) as client:
        yield await client.dedicated_inferences.delete(placed.id)


async def cancelled(cli: Cli, change: Change[None]) -> None:
    """Follow the change, and give up when there was something to see."""
    task = asyncio.ensure_future(follow(cli, change, timeout=None))
    async for _ in change.events():
        break
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("terminal", [True, False])
async def test_a_cancelled_wait_tells_how_to_resume(stuck: Change[None], terminal: bool) -> None:
    """Whoever gives up is told that it bills, and how to go on, on terminals and elsewhere."""
    err = Console(file=io.StringIO(), force_terminal=terminal, width=100, soft_wrap=True)
    await cancelled(Cli(Settings(), Out(Format.TABLE), err), stuck)
    said = err.file.getvalue()  # type: ignore[attr-defined]
    assert "continues, and is billed" in said
    assert f"di-async wait --resume {stuck.resume_token}" in said.replace("\n", "")


async def test_a_terminal_gets_one_live_line(stuck: Change[None]) -> None:
    """The line names the action, the status and the time, and is redrawn in place."""
    err = Console(file=io.StringIO(), force_terminal=True, width=100)
    await cancelled(Cli(Settings(), Out(Format.TABLE), err), stuck)
    said = err.file.getvalue()  # type: ignore[attr-defined]
    assert "delete " in said
    assert "0:00" in said
    assert "\x1b[2K" in said


async def test_requests_of_an_open_change_are_counted(stuck: Change[None]) -> None:
    """Before a change is settled it tells what its waiting has cost so far."""
    async for _ in stuck.events():
        break
    assert (stuck.outcome, stuck.requests >= 1) == (None, True)


def test_clock() -> None:
    """Seconds are told as a clock would."""
    assert [format_duration(s) for s in (0, 61.9, 3600)] == ["0:00", "1:01", "1:00:00"]
