"""Amounts of money as text."""

from decimal import Decimal

import pytest

from di_async.core.amounts import amount_text


@pytest.mark.parametrize(
    ("amount", "text"),
    [("1", "1.00"), ("1.1", "1.10"), ("2.59", "2.59"), ("0.0625", "0.0625"), ("1E+3", "1000.00")],
)
def test_two_decimals_at_least(amount: str, text: str) -> None:
    """Digits are added, and none is lost."""
    assert amount_text(Decimal(amount)) == text
