"""Hourly prices and limits on them."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_async import HourlyPrice, InvalidInputError, PriceLimitError
from di_async.core.pricing import (
    MaxHourly,
    Placement,
    amount_text,
    check_price,
    offer_problem,
    parse_max_hourly,
    ranked,
    total,
)

USD = HourlyPrice(Decimal("2.50"), "USD")
amounts = st.decimals(min_value=0, max_value=10**6, places=2)


@given(price=amounts, limit=amounts)
def test_limit(price: Decimal, limit: Decimal) -> None:
    """A price passes exactly if it is not above the limit, in whatever form that is given."""
    found = HourlyPrice(price, "USD")
    for form in (limit, str(limit), {"usd": limit}, HourlyPrice(limit, "usd")):
        if price <= limit:
            check_price(found, form)
        else:
            with pytest.raises(PriceLimitError, match=str(limit)) as refused:
                check_price(found, form)
            assert refused.value.price == found


@pytest.mark.parametrize(
    ("price", "limit", "problem"),
    [
        (None, 1, "not known; pass allow_unknown_price"),
        (USD, {"EUR": 5}, "in USD, and the limit is in EUR; add a limit in USD, or pass"),
    ],
)
def test_unknown_price(price: HourlyPrice | None, limit: MaxHourly, problem: str) -> None:
    """A price that cannot be compared is refused, unless it is allowed."""
    with pytest.raises(PriceLimitError, match=problem):
        check_price(price, limit)
    check_price(price, limit, allow_unknown_price=True)


def test_allow_unknown_price_allows_no_high_price() -> None:
    """A known price above the limit is refused even where unknown prices are allowed."""
    with pytest.raises(PriceLimitError, match=r"2\.50 USD/h, more than the limit of 2 USD/h"):
        check_price(USD, 2, allow_unknown_price=True)


NO_AMOUNT: Any = "many"


@pytest.mark.parametrize(
    "limit",
    [
        *(-1, "many", float("nan"), float("inf"), True, {"USD": None}, {}),
        *(HourlyPrice(amount, "USD") for amount in (Decimal("NaN"), Decimal(-1), NO_AMOUNT)),
    ],
)
def test_invalid_limit(limit: MaxHourly) -> None:
    """What is not an amount of at least 0, or has none, is an input error, and a `ValueError`."""
    with pytest.raises(InvalidInputError, match="max_hourly"):
        parse_max_hourly(limit)


def test_total() -> None:
    """A total needs all prices, in one currency."""
    assert total([(USD, 2), (HourlyPrice(Decimal(1), "USD"), 1)]) == HourlyPrice(Decimal(6), "USD")
    assert total([(USD, 1), (None, 1)]) is None
    assert total([(USD, 1), (HourlyPrice(Decimal(1), "EUR"), 1)]) is None
    assert total([]) is None


def test_ranked() -> None:
    """Usable places come first, cheap ones before others; full ones only on request."""
    cheap = Placement("a", "gpu", None, HourlyPrice(Decimal(1), "USD"))
    dear, unknown = Placement("b", "gpu", None, USD), Placement("c", "gpu", None)
    full = Placement("d", "gpu", None, reason="full")
    places = [full, unknown, dear, cheap]
    assert ranked(places, include_full=False) == [cheap, dear, unknown]
    assert ranked(places, include_full=True) == [cheap, dear, unknown, full]


OFFERS = {"atl1": ("gpu-a1", "gpu-b1"), "nyc2": ("gpu-b1",), "tor1": ()}


@pytest.mark.parametrize(
    ("region", "gpu", "problem"),
    [
        ("atl1", "gpu-a1", None),
        ("xx1", "gpu-a1", "no region 'xx1'; there are: atl1, nyc2, tor1"),
        ("atl", "gpu-a", ("no region 'atl'; there are: atl1, nyc2, tor1; "
         "no size 'gpu-a'; there are: gpu-a1, gpu-b1")),
        ("nyc2", "gpu-a1", ("no size 'gpu-a1' in region 'nyc2', but in atl1; on offer there: "
         "gpu-b1")),
        ("nyc2", "gpu-c1", "no size 'gpu-c1' in region 'nyc2'; on offer there: gpu-b1"),
        ("tor1", "x", "no size 'x' in region 'tor1'; on offer there: none"),
    ],
)  # fmt: skip
def test_offer_problem(region: str, gpu: str, problem: str | None) -> None:
    """What is missing is named, with what is known, similar names first."""
    assert offer_problem(OFFERS, region, gpu) == problem


def test_similar_names_come_first() -> None:
    """At most three of them; all others follow in the order of the alphabet."""
    offers = {"atl1": ("a100", "gpu-za", "gpu-zb", "gpu-zc", "gpu-zd")}
    problem = offer_problem(offers, "atl1", "gpu-z")
    assert problem is not None
    assert problem.endswith("on offer there: gpu-zd, gpu-zc, gpu-zb, a100, gpu-za")


def test_the_reason_for_an_unknown_price_takes_its_place() -> None:
    """Allowing unknown prices is offered, and helps, only where the place is known."""
    for allowed in (False, True):
        with pytest.raises(PriceLimitError, match=r"Nothing was created or changed\.$") as refused:
            check_price(None, 1, problem="no region 'x'", allow_unknown_price=allowed)
        assert not refused.value.on_offer
    check_price(None, 1, allow_unknown_price=True)


@pytest.mark.parametrize(
    ("amount", "text"),
    [("1", "1.00"), ("1.1", "1.10"), ("2.59", "2.59"), ("0.0625", "0.0625"), ("1E+3", "1000.00")],
)
def test_two_decimals_at_least(amount: str, text: str) -> None:
    """Digits are added, and none is lost."""
    assert amount_text(Decimal(amount)) == text
