"""One self-contained HTML page of an inventory: charts, changes in progress, failures. Pure.

The page needs no network, and holds no script; its content policy allows neither. Its size is
bounded: long tables end with a note, and long texts are cut.
"""

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from importlib.resources import files
from typing import TYPE_CHECKING

from di_async.core.inventory import InventoryRow
from di_async.core.version import __version__
from di_async.fleet.bar_chart import bar_chart, format_amount
from di_async.fleet.markup import EMPTY, Html, element, escape, join, shorten

if TYPE_CHECKING:
    from di_async.fleet.inventory import Inventory, ScanError

__all__ = ["render_page"]

_MAX_ROWS = 500
_MAX_NOTABLE = 100
"""Rows of the tables of changes, failures and parts that could not be read."""
_LONGEST_REASON = 1000
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_UNKNOWN = "unknown"


def render_page(inventory: "Inventory", title: str) -> str:
    """Return the page as an HTML document."""
    page = _Page(inventory)
    head = [
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        element("style", _style()),
    ]
    footer = element("footer", f"Made by di-async {__version__}")
    main = element("main", page.header(title), *page.sections(), footer)
    body = element("html", element("head", *head), element("body", main), lang="en")
    return f"<!DOCTYPE html>\n{body}\n"


@functools.cache
def _style() -> Html:
    return Html(files("di_async.fleet").joinpath("fleet_page.css").read_text(encoding="utf-8"))


class _Page:
    """The parts of a page."""

    def __init__(self, inventory: "Inventory") -> None:
        self.inventory = inventory
        self.rows = inventory.rows
        self.clients = list(dict.fromkeys(row.client for row in inventory.rows))
        self.failed = [row for row in self.rows if row.failure_reason is not None]

    def header(self, title: str) -> Html:
        found = self.inventory
        when = f"As of {_time(found.taken_at)}" if found.taken_at else "Time of the scan: unknown"
        about = f"{when} · {', '.join(self.clients)}" if self.clients else when
        return join(
            [element("h1", title), element("p", about, class_="muted"), self.alert(), self.facts()]
        )

    def alert(self) -> Html:
        count = len(self.inventory.errors)
        if not count:
            return EMPTY
        parts = "One part" if count == 1 else f"{count} parts"
        link = element("a", "What could not be read", href="#not-read")
        text = f"This page is incomplete: {parts} of the scan could not be read. "
        return element("p", text, link, class_="alert", role="status")

    def facts(self) -> Html:
        """Return the most important numbers."""
        found = self.inventory
        facts: list[tuple[str, str, str]] = [
            ("Instances", _link(f"{len(self.rows):,}", "instances"), ""),
            ("Changes in progress", _link(f"{found.pending:,}", found.pending and "pending"), ""),
            (
                "Failed",
                _link(f"{len(self.failed):,}", self.failed and "failures"),
                "bad" if self.failed else "",
            ),
        ]
        for currency, total in found.hourly_cost.items():
            facts.append((f"{_currency(currency)} per hour", format_amount(total), ""))
        if found.unknown_cost:
            facts.append(("Instances of unknown price", f"{found.unknown_cost:,}", ""))
        if found.errors:
            facts.append(("Parts not read", _link(f"{len(found.errors):,}", "not-read"), "bad"))
        items = [
            element("div", element("dt", name), element("dd", value, **_classed(kind)))
            for name, value, kind in facts
        ]
        return element("dl", *items)

    def sections(self) -> list[Html]:
        if not self.rows:
            empty = element("p", "The scan found no instances.")
            return [_section("Instances", empty, id="instances"), self.not_read()]
        return [
            self.costs(),
            self.counts(),
            self.failures(),
            self.pending(),
            self.not_read(),
            self.instances(),
        ]

    def costs(self) -> Html:
        """Return charts of the hourly cost, two for each currency."""
        charts = []
        for currency in self.inventory.hourly_cost:
            priced = [
                row for row in self.rows if row.hourly_cost is not None and row.currency == currency
            ]
            regions = _sums((self.region(row), row.hourly_cost or Decimal(0)) for row in priced)
            kinds = _sums(part for row in priced for part in row.cost_by_accelerator.items())
            code = _currency(currency)
            pair = (
                bar_chart(f"{code} per hour by region", regions, decimals=True),
                bar_chart(f"{code} per hour by accelerator", kinds, decimals=True),
            )
            charts.append(element("div", *pair, class_="charts pair"))
        return _section("Hourly cost", self.unpriced(), *charts)

    def unpriced(self) -> Html:
        """Return which instances the costs do not include."""
        unknown = Counter(row.client for row in self.rows if row.hourly_cost is None)
        if not unknown:
            return EMPTY
        count = unknown.total()
        which = ", ".join(f"{number:,} of {client}" for client, number in unknown.most_common())
        included = "Not included" if count < len(self.rows) else "No costs are known"
        return element(
            "p",
            f"{included}: {_instances(count)} of unknown price ({which}). The provider publishes "
            "no price, or its list does not show the accelerators.",
        )

    def counts(self) -> Html:
        """Return charts of the numbers of instances and accelerators."""
        kinds: list[tuple[str, Decimal]] = []
        for row in self.rows:
            kinds += [(slug, Decimal(count)) for slug, count in row.accelerators or ()]
        one = Decimal(1)
        charts = (
            ("Instances by status", _sums((row.status or _UNKNOWN, one) for row in self.rows)),
            ("Instances by region", _sums((self.region(row), one) for row in self.rows)),
            ("Accelerators by kind", _sums(kinds)),
        )
        figures = (bar_chart(title, values, decimals=False) for title, values in charts)
        return _section("Counts", element("div", *figures, class_="charts"))

    def pending(self) -> Html:
        """Return the changes in progress, the longest first."""
        rows = sorted((row for row in self.rows if row.pending), key=_began)
        if not rows:
            return _section("Changes in progress", element("p", "None."))
        table = _table(
            f"{_instances(len(rows))} with a change in progress, the longest first.",
            (
                ("Name", "", self.name),
                ("Status", "", _status),
                ("For", "", self.age),
            ),
            rows,
            _MAX_NOTABLE,
        )
        return _section("Changes in progress", table, id="pending")

    def failures(self) -> Html:
        """Return the failed instances with the reasons."""
        if not self.failed:
            return EMPTY
        table = _table(
            f"{_instances(len(self.failed))} failed. Failed instances may still be billed.",
            (
                ("Name", "", self.name),
                ("Reason", "wide", _reason),
                ("Last change", "", self.age),
            ),
            self.failed,
            _MAX_NOTABLE,
        )
        return _section("Failures", table, id="failures")

    def not_read(self) -> Html:
        """Return what the scan could not read."""
        if not self.inventory.errors:
            return EMPTY
        table = _table(
            "Instances may be missing, or incomplete, where a part could not be read.",
            (
                ("Part", "", lambda e: join([e.what, *_second(" · ", (e.client, e.region, e.id))])),
                ("Error", "wide", _error),
            ),
            self.inventory.errors,
            _MAX_NOTABLE,
        )
        return _section("Not read", table, id="not-read")

    def instances(self) -> Html:
        """Return the table of instances, the most expensive first."""
        known = [row for row in self.rows if row.hourly_cost is not None]
        known.sort(key=lambda row: (row.currency or "", -(row.hourly_cost or 0)))
        rows = [*known, *(row for row in self.rows if row.hourly_cost is None)]
        table = _table(
            f"{_instances(len(rows))}, the most expensive first in each currency.",
            (
                ("Name", "", self.name),
                ("Status", "", _status),
                ("Accelerators", "", _accelerators),
                ("Models", "minor", lambda row: ", ".join(row.models) or "-"),
                ("Id", "minor", lambda row: row.id or "-"),
                ("Per hour", "number", _cost),
            ),
            rows,
            _MAX_ROWS,
        )
        return _section("Instances", table, id="instances")

    def name(self, row: InventoryRow) -> Html:
        """Return the name, and below it the provider and the region."""
        return join([row.name or row.id or _UNKNOWN, *_second(" · ", (row.client, row.region))])

    def region(self, row: InventoryRow) -> str:
        """Return the region, with the provider where there are several."""
        region = row.region or _UNKNOWN
        return f"{row.client} {region}" if len(self.clients) > 1 else region

    def age(self, row: InventoryRow) -> Html:
        """Return how long ago the last known change was."""
        date = row.last_change
        if date is None:
            return join([_UNKNOWN])
        then = [*_second("", (_time(date), "" if row.updated_at == date else " (created)"))]
        if self.inventory.taken_at is None:
            return join(then)
        return join([_duration((self.inventory.taken_at - date).total_seconds()), *then])


def _link(text: str, id: object) -> Html:
    """Return a link to a section, or the text where there is no such section."""
    return element("a", text, href=f"#{id}") if isinstance(id, str) else escape(text)


def _section(title: str, *content: str, id: str = "") -> Html:
    heading = element("h2", title)
    return element("section", heading, *content, **({"id": id} if id else {}))


def _table(
    caption: str,
    columns: Sequence[tuple[str, str, Callable[..., str]]],
    rows: Sequence[object],
    most: int,
) -> Html:
    """Return a table of the first rows; a row's first cell is its header."""
    note = EMPTY
    if len(rows) > most:
        command = element("code", "di-async scan -o json")
        note = join([f" The first {most:,} are shown; ", command, " prints all."])
    titles = [element("th", title, scope="col", **_classed(kind)) for title, kind, _ in columns]
    lines = []
    for row in rows[:most]:
        first, *others = columns
        cells = [element("th", first[2](row), scope="row")]
        cells += [element("td", cell(row), **_classed(kind)) for _, kind, cell in others]
        lines.append(element("tr", *cells))
    table = element(
        "table",
        element("caption", caption, note),
        element("thead", element("tr", *titles)),
        element("tbody", *lines),
    )
    # Focusable, as wide tables scroll by keyboard too.
    return element("div", table, class_="table", tabindex="0", role="region", aria_label=caption)


def _second(between: str, parts: Iterable[str | None]) -> Iterable[Html]:
    text = between.join(shorten(part) for part in parts if part)
    if text:
        yield element("span", text, class_="second")


def _classed(kind: str) -> Mapping[str, str]:
    return {"class_": kind} if kind else {}


def _sums(parts: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for label, value in parts:
        sums[label] = sums.get(label, Decimal(0)) + value
    return sums


def _status(row: InventoryRow) -> Html:
    kind = "bad" if row.failure_reason is not None else "busy" if row.pending else ""
    return element("span", row.status or _UNKNOWN, **_classed(kind))


def _reason(row: InventoryRow) -> Html:
    reason = escape(shorten(row.failure_reason or "", _LONGEST_REASON))
    return join([reason, *_second("", (row.status,))])


def _error(error: "ScanError") -> Html:
    text = f"{type(error.error).__name__}: {error.error}"
    return escape(shorten(text, _LONGEST_REASON))


def _accelerators(row: InventoryRow) -> str:
    if row.accelerators is None:
        return _UNKNOWN
    return ", ".join(f"{count:,} x {slug}" for slug, count in row.accelerators) or "-"


def _cost(row: InventoryRow) -> str:
    if row.hourly_cost is None:
        return _UNKNOWN
    return f"{format_amount(row.hourly_cost)} {row.currency}".strip()


def _currency(code: str) -> str:
    return code or "Cost"


def _instances(count: int) -> str:
    return "1 instance" if count == 1 else f"{count:,} instances"


def _began(row: InventoryRow) -> tuple[bool, datetime]:
    date = row.last_change
    return date is None, date or datetime.max.replace(tzinfo=UTC)


def _time(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _duration(seconds: float) -> str:
    """Return a duration in its two largest units."""
    whole = max(int(seconds), 0)
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days:,} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"
