"""Tables on terminals, and values in documents."""

import io
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from rich.console import Console

from di_async import Secret
from di_async.cli.clouds.digitalocean import INSTANCES
from di_async.cli.output import Out, as_plain, changes_continue, format_time
from di_async.cli.settings import Format
from di_async.digitalocean import AccessToken, DedicatedInference

ID = "6e008c8d-505d-46ee-b011-5f7ec7595d69"


def table(width: int) -> str:
    """Return the table of one instance on a terminal of this width."""
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    Out(Format.TABLE, console).rows([DedicatedInference(ID, "active", "web", "atl1")], INSTANCES)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_wide_terminal_shows_all_columns() -> None:
    """Endpoint and time are shown."""
    assert "endpoint" in table(160)


def test_narrow_terminal_shows_whole_ids() -> None:
    """Columns are left out, and ids are not truncated."""
    assert "endpoint" not in table(80)
    assert ID in table(80)


def test_fields_on_a_terminal() -> None:
    """Fields are aligned, and empty fields are left out."""
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    Out(Format.TABLE, console).one(None, [("id", ID), ("status", "active"), ("vpc", None)])
    output = console.file.getvalue()  # type: ignore[attr-defined]
    assert output == f"id      {ID}\nstatus  active\n"


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
