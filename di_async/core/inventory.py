"""What a scan finds, as values that every provider fills in alike. Pure.

A row holds what people ask about a fleet, not the whole resource. What a list does not show is
None, so that "unknown" is not mistaken for "none".
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from attrs import define, field, frozen

from di_async.core.errors import DIError
from di_async.core.pricing import HourlyPrice, total

__all__ = ["Accelerators", "GPURow", "InventoryRow", "ListedRows", "Prices"]

Accelerators = tuple[tuple[str, int], ...]
"""Slug and count of each kind of accelerator that an instance has."""


@define(eq=False)
class Prices:
    """Hourly prices of accelerators. Filled while rows are read, so that neither waits."""

    _by_place: dict[tuple[str, str], HourlyPrice] = field(factory=dict)

    def add(self, slug: str, region: str, price: HourlyPrice) -> None:
        """Add the price of one accelerator in a region."""
        self._by_place[slug, region] = price

    def cost(self, accelerators: Accelerators | None, region: str | None) -> HourlyPrice | None:
        """Return the total; None if it is not known."""
        place = region or ""
        return total((self._by_place.get((slug, place)), n) for slug, n in accelerators or ())


@frozen
class GPURow:
    """One accelerator of an instance."""

    id: str
    slug: str | None = None
    status: str | None = None


@frozen
class InventoryRow:
    """One instance as its list row shows it."""

    client: str
    """The provider's name, numbered where a scan covers several of its clients."""
    id: str
    name: str | None = None
    region: str | None = None
    status: str = ""
    models: tuple[str, ...] = ()
    accelerators: Accelerators | None = None
    """None where the row does not show the spec."""
    pending: bool = False
    """A change is in progress."""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    gpus: tuple[GPURow, ...] | None = None
    """The accelerators in use; None unless requested."""
    failure_reason: str | None = None
    """Why it failed; None unless it has failed. Exoscale shows details only in a single read."""
    _prices: Prices = field(factory=Prices, eq=False, repr=False, alias="prices")

    @property
    def hourly_cost(self) -> Decimal | None:
        """The price of all accelerators an hour; None if not known."""
        cost = self._prices.cost(self.accelerators, self.region)
        return None if cost is None else cost.amount

    @property
    def currency(self) -> str | None:
        """The currency of `hourly_cost`."""
        cost = self._prices.cost(self.accelerators, self.region)
        return None if cost is None else cost.currency

    @property
    def last_change(self) -> datetime | None:
        """When the change in progress began, or the last one, if known; 1970 means "not yet"."""
        dates = (self.updated_at, self.created_at)
        return next((date for date in dates if date is not None and date.year > 1970), None)

    @property
    def cost_by_accelerator(self) -> dict[str, Decimal]:
        """The parts of `hourly_cost` by kind of accelerator; empty if the cost is not known."""
        costs: dict[str, Decimal] = {}
        if self.hourly_cost is not None:
            for part in self.accelerators or ():
                cost = self._prices.cost((part,), self.region)
                if cost is not None:
                    costs[part[0]] = costs.get(part[0], Decimal(0)) + cost.amount
        return costs


@frozen
class ListedRows:
    """The rows of one list."""

    rows: Sequence[InventoryRow] = ()
    gaps: tuple[DIError, ...] = ()
    """Why rows may be missing: the list changed while it was read, or rows were unreadable."""
