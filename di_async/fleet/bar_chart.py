"""Bar charts for HTML pages: a list of labels and values, each with a bar as inline SVG. Pure.

Labels and values are text of the page, so that they stay legible on a phone, can be copied, and
are read by screen readers.
"""

from collections.abc import Mapping
from decimal import Decimal

from di_async.fleet.markup import EMPTY, Html, element, join

__all__ = ["bar_chart", "format_amount"]

_MOST_BARS = 12
_MOST_DIGITS = 12
_HEIGHT = "10"


def bar_chart(title: str, values: Mapping[str, Decimal], *, decimals: bool) -> Html:
    """Return a figure with the highest values; the others are added up in a last bar.

    Args:
        title: the caption.
        values: the value of each label; at least 0.
        decimals: whether values are amounts of money, not counts.
    """
    if not values:
        return EMPTY
    ordered = sorted(values.items(), key=lambda pair: (-pair[1], pair[0]))
    shown, rest = ordered[:_MOST_BARS], ordered[_MOST_BARS:]
    if len(rest) == 1:
        shown, rest = ordered, []
    if rest:
        shown.append((f"{len(rest)} others", sum((value for _, value in rest), Decimal(0))))
    highest = max(value for _, value in shown)
    total = sum(values.values(), Decimal(0))
    bars = [_bar(label, value, highest, total, decimals=decimals) for label, value in shown]
    return element("figure", element("figcaption", title), element("ul", *bars))


def _bar(label: str, value: Decimal, highest: Decimal, total: Decimal, *, decimals: bool) -> Html:
    percent = f"{_percent(value, total):.0f}% of the total"
    rect = element("rect", width=f"{_percent(value, highest):.1f}%", height=_HEIGHT, rx="3")
    text = format_amount(value) if decimals else f"{value:,f}"
    return element(
        "li",
        element("span", label, class_="label"),
        element("span", text, class_="value"),
        element(
            "svg",
            join([element("title", percent), rect]),
            role="img",
            aria_label=percent,
            width="100%",
            height=_HEIGHT,
        ),
    )


def _percent(part: Decimal, whole: Decimal) -> float:
    return min(max(float(part / whole) * 100, 0.0), 100.0) if whole else 0.0


def format_amount(amount: Decimal) -> str:
    """Return an amount of money with two decimals; with more digits where that would hide it."""
    if amount and not -2 <= amount.adjusted() < _MOST_DIGITS:
        return f"{amount:.2e}"
    return f"{amount:,.2f}"
