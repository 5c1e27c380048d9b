"""Tests of `di-async watch`: lines, documents, and the screen."""

import json
import signal
from datetime import UTC, datetime

import pytest
import yaml
from rich.console import Console

from di_async import StatusChange
from di_async.cli.commands.watching import _document, _Screen
from di_async.emulator import Emulator
from tests.cli.clouds import SOON, ProviderCLI
from tests.cli.helpers import Di, start

PROVIDERS = ("digitalocean", "exoscale", "gcore")
pytestmark = pytest.mark.usefixtures("default_signals")


@pytest.mark.half
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_json_document_for_each_change(
    provider: str, di: Di, di_emulator: Emulator, environment: dict[str, str]
) -> None:
    """The present state first, then each change; the deletion of the one resource ends it."""
    cli = ProviderCLI(di, di_emulator, provider)
    cli.place("web-1", settles_in=SOON)
    with start("--provider", provider, "watch", "web-1", "-o", "json", env=environment) as process:
        assert process.stdout
        first = json.loads(process.stdout.readline())
        assert (first["name"], first["provider"], first["previous"]) == ("web-1", provider, None)
        second = json.loads(process.stdout.readline())
        assert (second["previous"], second["status"]) == (first["status"], cli.ready)
        assert cli("delete", "web-1", "--force", "--no-wait").code == 0
        rest = [json.loads(line) for line in process.stdout]
    assert process.returncode == 0
    assert "404" in rest[-1]["note"]
    assert rest[-1]["status"] is None


@pytest.mark.half
@pytest.mark.parametrize("provider", PROVIDERS)
def test_all_resources_until_ctrl_c(
    provider: str, di: Di, di_emulator: Emulator, environment: dict[str, str]
) -> None:
    """A line for each; exit code 130."""
    cli = ProviderCLI(di, di_emulator, provider)
    cli.place("web-1")
    cli.place("web-2")
    with start("--provider", provider, "watch", env=environment) as watching:
        assert watching.stdout
        lines = [watching.stdout.readline().split() for _ in range(2)]
        assert sorted(line[1] for line in lines) == ["web-1", "web-2"]
        watching.send_signal(signal.SIGINT)
        _, err = watching.communicate()
    assert (watching.returncode, err) == (130, "")


def test_yaml_documents_are_separate(di_emulator: Emulator, environment: dict[str, str]) -> None:
    """Each begins with a line of dashes."""
    di_emulator.add_instance(name="web")
    with start("watch", "-o", "yaml", env=environment) as watching:
        assert watching.stdout
        lines = [watching.stdout.readline() for _ in range(9)]
        watching.kill()
    assert lines[0] == "---\n"
    assert yaml.safe_load("".join(lines[1:]))["name"] == "web"


def test_a_name_and_a_region_exclude_each_other(di: Di) -> None:
    """It is a usage error."""
    assert di("watch", "web", "--region", "atl1").code == 2


# -- the screen -----------------------------------------------------------------------------------


class Named:
    """A resource with a name."""

    def __init__(self, name: str) -> None:
        self.name = name


def event(name: str, status: str | None, previous: str | None = None) -> StatusChange:
    """Return an event."""
    return StatusChange(
        id=f"id-{name}",
        status=status,
        previous=previous,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        resource=None if status is None else Named(name),
    )


def shown(screen: _Screen, width: int, height: int) -> list[str]:
    """Return the lines of the screen on a terminal of this size."""
    console = Console(width=width, height=height, legacy_windows=False)
    with console.capture() as capture:
        console.print(screen)
    return capture.get().splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 40)])
def test_the_screen_fits_the_terminal(width: int, height: int) -> None:
    """With more rows than fit, the last line has how many are left out."""
    screen = _Screen("digitalocean", size=lambda: (width, height))
    for number in range(100):
        screen.update(event(f"web-{number:03}", "active"))
    lines = shown(screen, width, height)
    assert len(lines) < height
    assert all(len(line) <= width for line in lines)
    assert lines[1].strip() == "100 active"
    assert lines[-1] == f"... and {100 - (height - 5)} more"


def test_what_changed_last_comes_first() -> None:
    """A change in progress must not be hidden by a hundred others."""
    screen = _Screen("digitalocean", size=lambda: (80, 10))
    for number in range(50):
        screen.update(event(f"web-{number:03}", "active"))
    screen.update(event("web-049", "updating", "active"))
    lines = shown(screen, 80, 10)
    assert lines[1].split() == ["49", "active", "1", "updating"]
    assert lines[3].split()[:2] == ["web-049", "updating"]


def test_changes_in_progress_come_before_those_that_have_ended() -> None:
    """Also those that had begun before the watch."""
    screen = _Screen("x", lambda found: found.name == "z", size=lambda: (80, 10))
    for name in ("a", "b", "z"):
        screen.update(event(name, "updating" if name == "z" else "active"))
    screen.update(event("b", "active", "updating"))
    screen.update(event("b", "error", "active"))
    assert [line.split()[0] for line in shown(screen, 80, 10)[3:]] == ["z", "b", "a"]


def test_text_of_servers_cannot_drive_the_terminal() -> None:
    """Control characters in names and notes are shown as escapes."""
    screen = _Screen("digitalocean", size=lambda: (140, 24))
    screen.update(event("web\x1b[2J\nforged", "act\x07ive"))
    lines = shown(screen, 140, 24)
    assert len(lines) == 4
    assert all(line.isprintable() for line in lines)
    found = event("web\x1b[2J\x7f\nforged", "active")
    line = _document("digitalocean", found, yaml=False)
    assert (line.count("\n"), line.strip().isprintable()) == (1, True)
    assert json.loads(line)["name"] == "web\x1b[2J\x7f\nforged"


def test_a_deleted_one_is_shown_as_gone_under_its_name() -> None:
    """The event of a deletion has no resource."""
    screen = _Screen("digitalocean", size=lambda: (80, 24))
    screen.update(event("web", "deleting"))
    screen.update(event("web", None, "deleting"))
    assert shown(screen, 80, 24)[3].split() == ["web", "gone", "0:00", "deleting"]
