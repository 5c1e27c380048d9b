"""Tests of the fleet page: what it shows, and that nothing in it can act."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import pytest

from di_async import Inventory, ServerError
from di_async.core.inventory import InventoryRow, Prices
from di_async.core.pricing import HourlyPrice
from di_async.fleet.bar_chart import bar_chart, format_amount
from di_async.fleet.inventory import ScanError
from di_async.fleet.markup import element

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style></title></table><h1>x",
    "\u202egnp.exe\x1b[31m\x00\u2028",
    "&lt;b&gt;",
    "x" * 20_000,
    "\ud800",
)
UNSAFE = ("\u202e", "\x1b", "\x00", "\u2028", "\ud800")
ELEMENTS = {
    *("html", "head", "meta", "title", "style", "body", "main", "section", "footer", "div", "span"),
    *("h1", "h2", "p", "a", "dl", "dt", "dd", "figure", "figcaption", "ul", "li", "svg", "rect"),
    *("table", "caption", "code", "thead", "tbody", "tr", "th", "td"),
}
SECTIONS = ("#instances", "#pending", "#failures", "#not-read")
ATTRIBUTES = {
    *("lang", "charset", "name", "content", "http-equiv", "class", "id", "href", "role", "scope"),
    *("tabindex", "aria-label", "width", "height", "rx"),
}


class Page(HTMLParser):
    """A parsed page; fails on elements and attributes that this package does not write."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ELEMENTS
        assert {name for name, _ in attrs} <= ATTRIBUTES
        assert dict(attrs).get("href", "#pending") in SECTIONS
        self.tags.append(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "svg"} & set(self.open):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


def prices() -> Prices:
    """Return prices in two currencies."""
    found = Prices()
    found.add("g", "atl1", HourlyPrice(Decimal("1.25"), "USD"))
    found.add("h", "atl1", HourlyPrice(Decimal(2), "USD"))
    found.add("g", "tor1", HourlyPrice(Decimal(3), "EUR"))
    return found


def a_row(id: str = "a", **fields: Any) -> InventoryRow:
    """Return a row of one client."""
    defaults = {"name": f"web-{id}", "region": "atl1", "status": "active", "prices": prices()}
    return InventoryRow(fields.pop("client", "digitalocean"), id, **{**defaults, **fields})


def read(*rows: InventoryRow, errors: tuple[ScanError, ...] = ()) -> Page:
    """Return the page of these rows."""
    return Page(Inventory(rows, errors, NOW).to_html())


def after(page: Page, *labels: str) -> Iterator[str]:
    """Yield the text that follows each label."""
    for label in labels:
        yield page.texts[page.texts.index(label) + 1]


def test_costs_by_region_and_accelerator() -> None:
    """Each currency has its charts; rows of unknown price are counted by provider."""
    page = read(
        a_row("a", accelerators=(("g", 2), ("h", 1))),
        a_row("b", accelerators=(("g", 1),), region="tor1"),
        a_row("c", client="exoscale"),
    )
    figures = page.text
    for title in ("USD per hour by region", "EUR per hour by accelerator"):
        assert title in figures
    assert list(after(page, "digitalocean atl1", "digitalocean tor1")) == ["4.50", "3.00"]
    usd = page.texts[page.texts.index("USD per hour by accelerator") :]
    assert usd[1:3] == ["g", "2.50"]
    assert usd[3:5] == ["h", "2.00"]
    assert "Not included: 1 instance of unknown price (1 of exoscale)" in figures


def test_without_prices() -> None:
    """A fleet without prices says so, and has charts of counts."""
    page = read(a_row("a"), a_row("b", accelerators=(("z", 3),)))
    assert "No costs are known: 2 instances of unknown price" in page.text
    assert list(after(page, "Instances by region", "atl1")) == ["atl1", "2"]
    assert list(after(page, "Accelerators by kind", "z")) == ["z", "3"]


def test_pending_changes_show_their_age() -> None:
    """The longest change is first; times from the creation are marked."""
    page = read(
        a_row("new", pending=True, updated_at=NOW - timedelta(minutes=5, seconds=3)),
        a_row("old", pending=True, created_at=NOW - timedelta(days=2, hours=3)),
        a_row("odd", pending=True),
        a_row("future", pending=True, updated_at=NOW + timedelta(hours=1)),
    )
    names = [text for text in page.texts if text.startswith("web-")]
    assert names[:4] == ["web-old", "web-new", "web-future", "web-odd"]
    assert list(after(page, "2 d 3 h", "5 min 3 s")) == [
        "2025-12-31 09:00 UTC (created)",
        "2026-01-02 11:54 UTC",
    ]
    assert "0 s" in page.texts


def test_failures_and_gaps() -> None:
    """Failures show their reason, and what was not read is named at the top."""
    error = ScanError("exoscale", "de-fra-1", "list", ServerError("no answer"))
    page = read(a_row(status="error", failure_reason="no GPU left"), errors=(error,))
    assert "no GPU left" in page.texts
    assert "This page is incomplete: One part of the scan could not be read. " in page.texts
    assert list(after(page, "list", "exoscale · de-fra-1")) == [
        "exoscale · de-fra-1", f"ServerError: {error.error}",
    ]  # fmt: skip


def test_numbers_link_to_sections_that_exist() -> None:
    """A number that is zero links to nothing."""
    error = ScanError("gcore", None, "list", ServerError("no answer"))
    inventory = Inventory((a_row(pending=True, failure_reason="x"),), (error,), NOW)
    for html in (inventory.to_html(), Inventory((a_row(),)).to_html(), Inventory().to_html()):
        assert {part.split('"')[0] for part in html.split('href="#')[1:]} <= {
            part.split('"')[0] for part in html.split(' id="')[1:]
        }
    assert inventory.to_html().count("href=") == 5


def test_empty_fleet() -> None:
    """An empty fleet has a page, also if nothing could be read."""
    assert "The scan found no instances." in read().text
    error = ScanError("gcore", None, "list", ServerError("no answer"))
    assert "This page is incomplete" in read(errors=(error,)).text
    assert "Time of the scan: unknown" in Page(Inventory().to_html()).text


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_only_text(text: str) -> None:
    """Text of servers makes no element, attribute or invisible character, and is cut."""
    row = a_row(
        text, client=text, name=text, region=text, status=text, models=(text,), pending=True,
        accelerators=((text, 1),), failure_reason=text, updated_at=NOW,
    )  # fmt: skip
    costly = Prices()
    costly.add(text, text, HourlyPrice(Decimal(1), text))
    priced = InventoryRow(text, "b", region=text, accelerators=((text, 1),), prices=costly)
    errors = (ScanError(text, text, text, ServerError(text), text),)
    html = Inventory((row, priced), errors, NOW).to_html(title=text)
    page = Page(html)
    assert not [mark for mark in UNSAFE if mark in html]
    assert page.tags.count("h1") == 1
    assert len(html) < 60_000
    html.encode()


def test_page_of_a_large_fleet_is_bounded() -> None:
    """5,000 rows, failed and pending, make a page below 1 MB that states what it leaves out."""
    rows = [
        a_row(
            f"{n:036}", name=f"deployment-{n}", region=f"r{n % 40}", failure_reason="no GPU" * 20,
            accelerators=(("g", 1),), pending=True, updated_at=NOW, models=("mistral/" * 4,),
        )
        for n in range(5000)
    ]  # fmt: skip
    html = Inventory(tuple(rows), (), NOW).to_html()
    page = Page(html)
    assert len(html) < 1_000_000
    assert page.tags.count("tr") < 800
    assert " The first 500 are shown; \ndi-async scan -o json\n prints all." in page.text
    assert "28 others" in page.texts


def test_page_needs_no_network_and_has_no_script() -> None:
    """The policy forbids both, and nothing refers to another place."""
    html = Inventory((a_row(accelerators=(("g", 1),)),), (), NOW).to_html()
    assert "default-src &#x27;none&#x27;; style-src &#x27;unsafe-inline&#x27;" in html
    assert not [word for word in ("http:", "https:", "url(", "@import", "src=") if word in html]


def test_page_is_accessible() -> None:
    """One h1, a language, a title; each table has a caption, each bar a label."""
    page = read(a_row(accelerators=(("g", 1),), pending=True, failure_reason="x"))
    tags = page.tags
    assert (tags.count("h1"), tags.count("main"), tags[:5].count("meta")) == (1, 1, 3)
    assert tags.count("caption") == tags.count("table") == 3
    assert tags.count("figure") == tags.count("figcaption") == 5
    html = Inventory((a_row(accelerators=(("g", 1),)),), (), NOW).to_html()
    assert html.count('<svg role="img" aria-label="100% of the total"') == tags.count("svg")
    assert '<html lang="en">' in html


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0", "0.00"), ("1234.5", "1,234.50"), ("0.004", "4.00e-3"), ("1e15", "1.00e+15")],
)
def test_amounts(amount: str, text: str) -> None:
    """Amounts have two decimals, unless that would hide or stretch them."""
    assert format_amount(Decimal(amount)) == text


def test_chart_adds_up_the_rest() -> None:
    """Twelve bars and the sum of the others; thirteen values are all shown."""
    values = {f"r{n}": Decimal(20 - n) for n in range(14)}
    chart = bar_chart("t", values, decimals=False)
    assert '<span class="label">2 others</span><span class="value">15</span>' in chart
    assert "r12" in bar_chart("t", dict(list(values.items())[:13]), decimals=False)
    assert bar_chart("t", {}, decimals=False) == ""
    assert "0% of the total" in bar_chart("t", {"a": Decimal(0)}, decimals=False)


def test_elements_escape_text_and_attributes() -> None:
    """What is not built by `element` is escaped."""
    assert element("p", "<b>", class_='"') == '<p class="&quot;">&lt;b&gt;</p>'
    assert element("p", element("b", "x")) == "<p><b>x</b></p>"


def luminance(color: str) -> float:
    """Return the relative luminance of a colour, by WCAG 2."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_in_light_and_dark() -> None:
    """Text has a contrast of at least 4.5 on what it is written on, bars of 3 on their track."""
    css = files("di_async.fleet").joinpath("fleet_page.css").read_text(encoding="utf-8")
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#\w{6});", part)) for part in css.split("@media")[:2]
    )
    for colors in (light, dark):
        for text in ("text", "muted", "bad", "busy", "bar"):
            assert contrast(colors[text], colors["card"]) >= 4.5
        for text in ("text", "muted", "bar"):
            assert contrast(colors[text], colors["page"]) >= 4.5
        for text in ("text", "bar", "bad"):
            assert contrast(colors[text], colors["bad-card"]) >= 4.5
        assert contrast(colors["bar"], colors["track"]) >= 3
