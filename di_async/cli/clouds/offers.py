"""Rows of `di-async hardware`: what can be deployed where, at what price."""

from decimal import Decimal

from attrs import frozen

from di_async import HourlyPrice
from di_async.cli.output import Column
from di_async.core.pricing import amount_text

__all__ = ["COLUMNS", "REASON", "Offer", "cheapest_first"]


@frozen(kw_only=True)
class Offer:
    """One accelerator in one region."""

    region: str
    accelerator: str
    """Empty for a zone that could not be read."""
    price: HourlyPrice | None = None
    """Of one GPU or replica; None if the vendor shows none."""
    free: int | None = None
    """How many replicas there is room for; None if the vendor does not say."""
    reason: str | None = None
    """Why it cannot be deployed there now; None if it can."""
    command: str | None = None
    """The command that creates it; None with a reason."""

    @property
    def is_unread(self) -> bool:
        """Whether it stands for a zone that could not be read."""
        return not self.accelerator


COLUMNS: tuple[Column[Offer], ...] = (
    Column("region", lambda o: o.region),
    Column("accelerator", lambda o: o.accelerator),
    Column("per hour", lambda o: o.price and amount_text(o.price.amount), right=True),
    Column("currency", lambda o: o.price and o.price.currency),
    Column("free", lambda o: o.free, right=True),
)
REASON: Column[Offer] = Column("reason", lambda o: o.reason, prose=True)


def cheapest_first(offers: list[Offer]) -> list[Offer]:
    """Return the offers: usable ones first, then by price."""
    return sorted(offers, key=_rank)


def _rank(offer: Offer) -> tuple[bool, bool, Decimal, str, str]:
    amount = offer.price.amount if offer.price else Decimal(0)
    return offer.reason is not None, offer.price is None, amount, offer.region, offer.accelerator
