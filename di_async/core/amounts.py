"""Format amounts of money."""

from decimal import Decimal

__all__ = ["amount_text"]


def amount_text(amount: Decimal) -> str:
    """Return an amount with two decimals at least, and all of its digits."""
    exponent = amount.as_tuple().exponent
    return f"{amount:.2f}" if isinstance(exponent, int) and exponent > -2 else f"{amount:f}"
