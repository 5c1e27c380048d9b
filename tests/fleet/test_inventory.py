"""Tests of an inventory: sums, differences and formats."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from di_async import Inventory, ServerError
from di_async.core.inventory import GPURow, InventoryRow, Prices
from di_async.core.pricing import HourlyPrice
from di_async.fleet.inventory import ScanError


def a_row(id: str = "a", **fields: Any) -> InventoryRow:
    """Return a row of one client."""
    return InventoryRow("digitalocean", id, **{"region": "atl1", "status": "active", **fields})


def a_price(price: str, currency: str) -> Prices:
    """Return the price of a GPU called `g` in atl1."""
    prices = Prices()
    prices.add("g", "atl1", HourlyPrice(Decimal(price), currency))
    return prices


def a_list_error(region: str | None) -> ScanError:
    """Return the error of a list that failed."""
    return ScanError("digitalocean", region, "list", ServerError("no"))


def test_costs_are_summed_by_currency() -> None:
    """Costs are summed by currency, and unknown costs are counted separately."""
    gpus = (("g", 2),)
    rows = (
        a_row("a", accelerators=gpus, prices=a_price("1.25", "USD")),
        a_row("b", accelerators=gpus, prices=a_price("2", "EUR")),
        a_row("c", accelerators=(("h", 1),), prices=a_price("2", "EUR")),
        a_row("d"),
    )
    inventory = Inventory(rows)
    assert inventory.hourly_cost == {"USD": Decimal("2.50"), "EUR": Decimal(4)}
    assert inventory.unknown_cost == 2


def test_oldest_pending() -> None:
    """The oldest pending row is the one updated last; 1970 and settled rows do not count."""
    old, older = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    never = datetime(1970, 1, 1, tzinfo=UTC)
    rows = (
        a_row("settled", updated_at=older),
        a_row("b", pending=True, updated_at=old),
        a_row("c", pending=True, created_at=older, updated_at=never),
    )
    oldest = Inventory(rows).oldest_pending
    assert oldest is not None
    assert oldest.id == "c"
    assert Inventory(rows[:1]).oldest_pending is None


def test_diff_lists_added_removed_and_changed() -> None:
    """A diff lists added, removed and changed rows; times alone are not a change."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    before = Inventory((a_row("a"), a_row("b"), a_row("c", status="new")))
    after = Inventory((a_row("b", updated_at=now), a_row("c"), a_row("d")))
    diff = after.diff(before)
    assert [row.id for row in diff.added] == ["d"]
    assert [row.id for row in diff.removed] == ["a"]
    assert [(old.status, new.status) for old, new in diff.changed] == [("new", "active")]
    assert str(diff).splitlines() == [
        "+ d atl1 active", "- a atl1 active", "~ c atl1 new -> c atl1 active",
    ]  # fmt: skip
    assert not after.diff(after)


def test_diff_ignores_rows_of_a_list_that_failed() -> None:
    """A diff ignores rows of a list that failed."""
    whole = Inventory((a_row("a"), a_row("t", region="tor1")))
    for region in ("tor1", None):
        part = Inventory((a_row("a"),), (a_list_error(region),))
        assert not part.diff(whole)
        assert not whole.diff(part)


def test_diff_with_a_second_client_of_the_provider() -> None:
    """The first client is the same, although its label is numbered now, in both directions."""
    alone = Inventory((InventoryRow("gcore", "web"), InventoryRow("gcore", "old")))
    rows = [InventoryRow("gcore-1", "web"), InventoryRow("gcore-2", "web")]
    error = ScanError("gcore-1", None, "list", ServerError("no"))
    diff = Inventory(tuple(rows)).diff(alone)
    assert ([row.client for row in diff.added], [row.id for row in diff.removed]) == (
        ["gcore-2"],
        ["old"],
    )
    assert [row.client for row in alone.diff(Inventory(tuple(rows))).removed] == ["gcore-2"]
    assert not Inventory(tuple(rows[1:]), (error,)).diff(alone).removed
    eleventh = Inventory((InventoryRow("gcore-11", "web"),))
    assert [row.client for row in eleventh.diff(alone).added] == ["gcore-11"]


def test_rows_and_json_hold_everything() -> None:
    """Rows and JSON have all fields, with decimals and times as text."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    row = a_row(
        accelerators=(("g", 1), ("g", 1)), created_at=now, gpus=(GPURow("x", "g", "active"),),
        prices=a_price("0.1", "USD"),
    )  # fmt: skip
    inventory = Inventory((row,), (a_list_error("tor1"),), now)
    document = json.loads(inventory.to_json())
    assert document["rows"] == inventory.to_rows()
    assert document["rows"][0]["hourly_cost"] == "0.2"
    assert document["rows"][0]["accelerators"] == {"g": 2}
    assert document["hourly_cost"] == {"USD": "0.2"}
    assert document["errors"][0]["region"] == "tor1"


def test_html_is_escaped() -> None:
    """The HTML output escapes names."""
    html = Inventory((a_row(name="<script>alert(1)</script>\u202e\x1b"),))._repr_html_()
    assert not [text for text in ("<script>", "\u202e", "\x1b") if text in html]
    assert "&lt;script&gt;" in html


def test_html_of_a_large_fleet_is_truncated() -> None:
    """HTML of a large fleet is truncated, and says so."""
    html = Inventory(tuple(a_row(str(n)) for n in range(600)))._repr_html_()
    assert "and 100 more" in html


def test_text_is_the_summary() -> None:
    """The text is the summary, errors included."""
    text = str(Inventory((a_row(), a_row("b", region="tor1")), (a_list_error("nyc2"),)))
    assert "regions: 1 x atl1, 1 x tor1" in text
    assert "cost per hour: 2 of unknown price" in text
    assert "failed: list of digitalocean nyc2: " in text


async def test_the_summary_says_what_is_unknown() -> None:
    """A count of instances without accelerators says so."""
    text = dict(Inventory((InventoryRow("c", "i"),)).summary())
    assert text["accelerators"] == "1 instance of unknown accelerator"
