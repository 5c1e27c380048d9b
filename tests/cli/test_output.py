"""Tables on terminals, and values in documents."""

import io
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from di_async import Secret
from di_async.cli.clouds.digitalocean import INSTANCES
from di_async.cli.output import Out, as_plain, changes_continue, format_time
from di_async.cli.settings import Format
from di_async.cli.streams import OutputStream, Streams
from di_async.digitalocean import AccessToken, DedicatedInference
from tests.cli.helpers import Screen

ID = "6e008c8d-505d-46ee-b011-5f7ec7595d69"


@pytest.fixture
def out(monkeypatch: pytest.MonkeyPatch) -> Out:
    """A terminal that shows no styles."""
    monkeypatch.setenv("NO_COLOR", "1")
    streams = Streams(OutputStream(Screen()), OutputStream(io.StringIO()))
    return Out(Format.TABLE, streams)


@pytest.mark.parametrize(("width", "shows_endpoint"), [(160, True), (80, False)])
def test_columns_that_fit_the_terminal_are_shown(
    out: Out, monkeypatch: pytest.MonkeyPatch, width: int, shows_endpoint: bool
) -> None:
    """Endpoint and time are left out where it is narrow; ids are not truncated."""
    monkeypatch.setenv("COLUMNS", str(width))
    out.rows([DedicatedInference(ID, "active", "web", "atl1")], INSTANCES)
    table = text_of(out)
    assert ("endpoint" in table) is shows_endpoint
    assert ID in table


def test_fields_on_a_terminal(out: Out) -> None:
    """Fields are aligned, and empty fields are left out."""
    out.one(None, [("id", ID), ("status", "active"), ("vpc", None)])
    assert text_of(out) == f"id      {ID}\nstatus  active\n"


def text_of(out: Out) -> str:
    """Return what was written to the terminal."""
    screen = out.streams.out.target
    assert isinstance(screen, Screen)
    return screen.getvalue()


@pytest.mark.parametrize("time", [None, datetime(1970, 1, 1, tzinfo=UTC)])
def test_missing_time(time: datetime | None) -> None:
    """None and 1970 are shown as "-"."""
    assert format_time(time) == "-"


def test_plain_values() -> None:
    """Decimals and times become text; secrets stay masked."""
    token = AccessToken("1", value=Secret("planted"))
    time = datetime(2026, 1, 2, tzinfo=UTC)
    plain = as_plain({"price": Decimal("2.50"), "at": time, "token": token, "list": (1,)})
    assert (plain["price"], plain["at"], plain["list"]) == (
        "2.50",
        "2026-01-02T00:00:00+00:00",
        [1],
    )
    assert "planted" not in str(plain)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, ""),
        (1, "1 change continues, and is billed. "),
        (2, "2 changes continue, and are billed. "),
    ],
)
def test_what_continues(count: int, text: str) -> None:
    """One change is singular, and nothing is said of none."""
    assert changes_continue(count) == text
