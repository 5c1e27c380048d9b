"""Commands for whole fleets: `scan`, `wait --all`, `demo --fleet`."""

import asyncio
import errno
import json
import signal
from pathlib import Path

import pytest

from di_async import DigitalOcean, PollPolicy
from di_async.cli.commands.waiting import wait_for_all
from di_async.cli.settings import Settings
from di_async.emulator import Emulator
from tests.cli.conftest import call
from tests.cli.helpers import Di, Screen, cli_with_stderr, start

LIST = "GET /v2/dedicated-inferences"


def add_fleet(emu: Emulator) -> None:
    """Add an instance per region; one of them stays pending."""
    emu.add_instance(name="one", region="atl1", scale=2)
    emu.add_instance(name="two", region="nyc2")
    emu.add_instance(name="three", region="tor1", status="provisioning", settles_in=1e9)


def test_scan_as_table(di: Di, di_emulator: Emulator) -> None:
    """Rows are on stdout and totals on stderr."""
    add_fleet(di_emulator)
    result = di("scan")
    lines = result.out.splitlines()
    assert (result.code, len(lines)) == (0, 4)
    assert "2 x gpu-mi300x1-192gb" in lines[1]
    assert "5.18 USD" in lines[1]
    assert "cost per hour: " in result.err
    assert "oldest pending: three tor1" in result.err


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_scan_as_document(di: Di, di_emulator: Emulator, form: str) -> None:
    """One document holds rows and totals; regions and GPUs can be selected."""
    add_fleet(di_emulator)
    args = ("--region", "atl1", "--region", "nyc2", "--accelerators", "-o", form)
    found = getattr(di("scan", *args), form)
    assert found["by_region"] == {"atl1": 1, "nyc2": 1}
    assert [len(row["gpus"]) for row in found["rows"]] == [2, 1]
    assert found["hourly_cost"] == {"USD": "7.77"}


def test_scan_announces_the_requests_for_details(di: Di, di_emulator: Emulator) -> None:
    """The number is printed before the requests are sent."""
    add_fleet(di_emulator)
    result = di("scan", "--details")
    assert (result.code, result.err.splitlines()[0]) == (0, "details: 3 requests")


def test_scan_with_a_failure(di: Di, di_emulator: Emulator) -> None:
    """The other rows are printed; the exit code is 1."""
    add_fleet(di_emulator)
    di_emulator.fault("status", status=404, on=LIST, times=1)
    result = di("scan", "--region", "atl1", "--region", "nyc2", "-o", "json")
    assert (result.code, len(result.json["rows"]), len(result.json["errors"])) == (1, 1, 1)
    assert "failed: list of digitalocean" in result.err


def test_scan_writes_a_page(di: Di, di_emulator: Emulator, tmp_path: Path) -> None:
    """The page replaces the file, also if a part could not be read; no other file is left."""
    add_fleet(di_emulator)
    page = tmp_path / "fleet.html"
    page.write_text("old")
    result = di("scan", "--html", str(page))
    assert (result.code, "the page is in " in result.err) == (0, True)
    assert "USD per hour by region" in page.read_text()
    di_emulator.fault("status", status=404, on=LIST, times=1)
    assert di("scan", "--html", str(page), "-o", "json").code == 1
    assert "This page is incomplete" in page.read_text()
    assert list(tmp_path.iterdir()) == [page]


@pytest.mark.parametrize("name", ["", "absent/fleet.html"])
def test_scan_checks_the_file_of_the_page_first(
    di: Di, di_emulator: Emulator, tmp_path: Path, name: str
) -> None:
    """A folder, or a file that cannot be created, is a usage error; nothing is requested."""
    result = di("scan", "--html", str(tmp_path / name))
    assert (result.code, di_emulator.stats.total) == (2, 0)
    assert "cannot create the file" in result.err


def test_scan_keeps_the_old_page_if_it_fails(
    di: Di, di_emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that cannot be written is a failure; the rows are printed, and the old page stays."""
    add_fleet(di_emulator)
    page = tmp_path / "fleet.html"
    page.write_text("old")

    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    result = di("scan", "--html", str(page))
    assert (result.code, len(result.out.splitlines())) == (1, 4)
    assert "No space left on device" in result.err
    assert [(one, one.read_text()) for one in tmp_path.iterdir()] == [(page, "old")]


def test_scan_on_a_terminal_shows_bars(
    environment: dict[str, str], di_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bars are on stderr."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    add_fleet(di_emulator)
    result = call("scan", "--details")
    assert result.code == 0
    assert "details" in result.err


def test_wait_for_all(di: Di, di_emulator: Emulator) -> None:
    """Creates and deletes are both waited for; settled instances are not."""
    di_emulator.add_instance(name="done")
    di_emulator.add_instance(name="comes", status="provisioning", settles_in=35)
    di_emulator.add_instance(name="goes", status="deleting", settles_in=35)
    result = di("wait", "--all", "-o", "json")
    outcomes = {row["name"]: (row["action"], row["outcome"]) for row in result.json}
    assert result.code == 0
    assert outcomes == {"comes": ("active", "settled"), "goes": ("delete", "settled")}
    assert "waiting: " in result.err


def test_wait_for_all_in_a_region(di: Di, di_emulator: Emulator) -> None:
    """Other regions are not waited for."""
    add_fleet(di_emulator)
    di_emulator.add_instance(name="comes", region="atl1", status="provisioning", settles_in=35)
    result = di("wait", "--all", "--region", "atl1")
    assert result.code == 0
    assert [line.split()[0] for line in result.out.splitlines()] == ["NAME", "comes"]


def test_exit_codes_of_wait_for_all(di: Di, di_emulator: Emulator) -> None:
    """3 if a change is pending, 1 if one failed."""
    add_fleet(di_emulator)
    assert di("wait", "--all", "--timeout", "0").code == 3
    failing = di_emulator.add_instance(name="failing", status="provisioning", settles_in=25)
    di_emulator.fault("error", id=failing.id)
    result = di("wait", "--all", "--timeout", "2", "-o", "json")
    assert result.code == 1
    assert {row["name"]: row["outcome"] for row in result.json} == {
        "failing": "failed",
        "three": "timed_out",
    }


def test_wait_for_all_that_is_stopped(di_emulator: Emulator, environment: dict[str, str]) -> None:
    """The document has each change, and the line that goes on names the same regions."""
    di_emulator.add_instance(name="web", region="atl1", status="provisioning", settles_in=1e9)
    args = ("wait", "--all", "--region", "atl1", "-o", "json")
    with start(*args, env=environment) as waiting:
        assert waiting.stderr
        assert "waiting: " in waiting.stderr.readline()
        waiting.send_signal(signal.SIGTERM)
        out, err = waiting.communicate(timeout=30)
    (row,) = json.loads(out)
    assert waiting.returncode == 143
    assert (row["name"], row["outcome"]) == ("web", "interrupted")
    assert row["resume_token"]
    assert "Resume waiting with: di-async wait --all --region atl1\n" in err


def test_wait_for_all_without_changes(di: Di) -> None:
    """It succeeds with a message."""
    result = di("wait", "--all")
    assert (result.code, result.out) == (0, "")
    assert "no changes in progress" in result.err


@pytest.mark.parametrize(
    "args", [("--all", "web"), ("--all", "--for", "active"), ("web", "--region", "atl1")]
)
def test_wait_for_all_excludes_other_options(di: Di, args: tuple[str, ...]) -> None:
    """Options for a single wait are usage errors."""
    assert di("wait", *args).code == 2


async def test_cancelled_wait_for_all_prints_how_to_resume(
    environment: dict[str, str], di_emulator: Emulator
) -> None:
    """The message states that the changes continue."""
    add_fleet(di_emulator)
    err = Screen()
    settings = Settings(base_url=di_emulator.url, target_lag=0.02)
    task = asyncio.ensure_future(wait_for_all(cli_with_stderr(err, settings), [], None))
    polling = PollPolicy(target_lag=0.02)
    async with DigitalOcean(di_emulator.token, base_url=di_emulator.url, polling=polling) as other:
        await other.dedicated_inferences.list().collect()
        while di_emulator.stats.total < 4:
            await other.dedicated_inferences.sizes()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "1 change continues, and is billed" in err.getvalue()


@pytest.mark.timeout(60)
def test_demo_of_a_fleet() -> None:
    """The demo prints counts, and no request is refused."""
    result = call("demo", "--fleet", "30", "--speed", "300", "--seed", "3")
    assert result.code == 0, result.err
    assert "30 creates: " in result.err
    assert "deleted: 30, each confirmed by a 404; the list is empty" in result.out
    assert "; 0 refused" in result.out
