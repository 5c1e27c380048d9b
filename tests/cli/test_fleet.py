"""Whole fleets: `scan`, `wait --all`, `demo --fleet`."""

import asyncio
import io

import pytest
from rich.console import Console

from di_async import DigitalOcean, PollPolicy
from di_async.cli.commands.waiting import wait_for_all
from di_async.cli.output import Out
from di_async.cli.run import Cli
from di_async.cli.settings import Format, Settings
from di_async.emulator import Emulator
from tests.cli.conftest import call
from tests.cli.helpers import Di

LIST = "GET /v2/dedicated-inferences"


def fleet(emu: Emulator) -> None:
    """One in each region; one of them is under way for ever."""
    emu.add_instance(name="one", region="atl1", scale=2)
    emu.add_instance(name="two", region="nyc2")
    emu.add_instance(name="three", region="tor1", status="provisioning", settles_in=1e9)


def test_scan_as_table(di: Di, di_emulator: Emulator) -> None:
    """A line each on stdout, the sums beside it."""
    fleet(di_emulator)
    called = di("scan")
    lines = called.out.splitlines()
    assert (called.code, len(lines)) == (0, 4)
    assert "2 x gpu-mi300x1-192gb" in lines[1]
    assert "5.18 USD" in lines[1]
    assert "cost per hour: " in called.err
    assert "oldest pending: three tor1" in called.err


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_scan_as_document(di: Di, di_emulator: Emulator, form: str) -> None:
    """Rows and sums in one; regions narrow it, GPUs come if asked for."""
    fleet(di_emulator)
    args = ("--region", "atl1", "--region", "nyc2", "--accelerators", "-o", form)
    found = getattr(di("scan", *args), form)
    assert found["by_region"] == {"atl1": 1, "nyc2": 1}
    assert [len(row["gpus"]) for row in found["rows"]] == [2, 1]
    assert found["hourly_cost"] == {"USD": "7.77"}


def test_scan_says_how_many_requests_details_take(di: Di, di_emulator: Emulator) -> None:
    """Before they are sent, where nothing can move."""
    fleet(di_emulator)
    called = di("scan", "--details")
    assert (called.code, called.err.splitlines()[0]) == (0, "details: 3 requests")


def test_scan_tells_what_failed(di: Di, di_emulator: Emulator) -> None:
    """The rest is there all the same; the exit code is 1."""
    fleet(di_emulator)
    di_emulator.fault("status", status=404, on=LIST, times=1)
    called = di("scan", "--region", "atl1", "--region", "nyc2", "-o", "json")
    assert (called.code, len(called.json["rows"]), len(called.json["errors"])) == (1, 1, 1)
    assert "failed: list of digitalocean" in called.err


def test_scan_on_a_terminal_shows_bars(
    environment: dict[str, str], di_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are gone when the table comes."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    fleet(di_emulator)
    called = call("scan", "--details")
    assert called.code == 0
    assert "details" in called.err


def test_wait_for_all(di: Di, di_emulator: Emulator) -> None:
    """Whatever is under way: some become active, some go; what is settled is not asked for."""
    di_emulator.add_instance(name="done")
    di_emulator.add_instance(name="comes", status="provisioning", settles_in=35)
    di_emulator.add_instance(name="goes", status="deleting", settles_in=35)
    called = di("wait", "--all", "-o", "json")
    told = {row["name"]: (row["action"], row["outcome"]) for row in called.json}
    assert called.code == 0
    assert told == {"comes": ("active", "settled"), "goes": ("delete", "settled")}
    assert "waiting: " in called.err


def test_wait_for_all_of_a_region(di: Di, di_emulator: Emulator) -> None:
    """Others may take for ever."""
    fleet(di_emulator)
    di_emulator.add_instance(name="comes", region="atl1", status="provisioning", settles_in=35)
    called = di("wait", "--all", "--region", "atl1")
    assert called.code == 0
    assert [line.split()[0] for line in called.out.splitlines()] == ["NAME", "comes"]


def test_wait_for_all_in_vain(di: Di, di_emulator: Emulator) -> None:
    """3 where something is still pending, 1 where something failed."""
    fleet(di_emulator)
    assert di("wait", "--all", "--timeout", "0").code == 3
    doomed = di_emulator.add_instance(name="doomed", status="provisioning", settles_in=25)
    di_emulator.fault("error", id=doomed.id)
    called = di("wait", "--all", "--timeout", "2", "-o", "json")
    assert called.code == 1
    assert {row["name"]: row["outcome"] for row in called.json} == {
        "doomed": "failed",
        "three": "timed_out",
    }


def test_wait_for_all_of_nothing(di: Di) -> None:
    """Is done."""
    called = di("wait", "--all")
    assert (called.code, called.out) == (0, "")
    assert "no changes in progress" in called.err


@pytest.mark.parametrize(
    "args", [("--all", "web"), ("--all", "--for", "active"), ("web", "--region", "atl1")]
)
def test_wait_for_all_and_one(di: Di, args: tuple[str, ...]) -> None:
    """What makes no sense together is a usage error."""
    assert di("wait", *args).code == 2


async def test_a_cancelled_wait_for_all_says_that_all_goes_on(
    environment: dict[str, str], di_emulator: Emulator
) -> None:
    """And how to go on waiting, on a terminal too."""
    fleet(di_emulator)
    err = Console(file=io.StringIO(), force_terminal=True, width=100, soft_wrap=True)
    settings = Settings(base_url=di_emulator.url, target_lag=0.02)
    task = asyncio.ensure_future(wait_for_all(Cli(settings, Out(Format.TABLE), err), [], None))
    polling = PollPolicy(target_lag=0.02)
    async with DigitalOcean(di_emulator.token, base_url=di_emulator.url, polling=polling) as other:
        await other.dedicated_inferences.list().collect()
        while di_emulator.stats.total < 4:
            await other.dedicated_inferences.sizes()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "continue, and are billed" in err.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.timeout(60)
def test_demo_of_a_fleet() -> None:
    """Counts instead of rows, and no request refused."""
    called = call("demo", "--fleet", "30", "--speed", "300", "--seed", "3")
    assert called.code == 0, called.err
    assert "30 creates: " in called.err
    assert "deleted: 30, each confirmed by a 404; the list is empty" in called.out
    assert "; 0 refused" in called.out
