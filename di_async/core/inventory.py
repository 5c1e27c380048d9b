"""What a scan finds, as values that every provider fills in alike. Pure.

A row is small: what people ask of a fleet, not the whole resource. What a listing does not show is
None, so that "unknown" is never mistaken for "none".
"""

from datetime import datetime
from decimal import Decimal

from attrs import define, field, frozen

__all__ = ["Accelerators", "GPURow", "InventoryRow", "Prices"]

Accelerators = tuple[tuple[str, int], ...]
"""Slug and how many, for each kind that an instance is to have."""
_Cost = tuple[Decimal, str] | tuple[None, None]
_UNKNOWN = (None, None)


@define(eq=False)
class Prices:
    """What accelerators cost an hour. Filled while rows come in, so that nobody waits for it."""

    _by_place: dict[tuple[str, str], tuple[Decimal, str]] = field(factory=dict)
    _sums: dict[tuple[Accelerators | None, str | None], _Cost] = field(factory=dict)

    def add(self, slug: str, region: str, price: Decimal, currency: str) -> None:
        """One accelerator's price there."""
        self._by_place[slug, region] = price, currency
        self._sums.clear()

    def cost(self, accelerators: Accelerators | None, region: str | None) -> _Cost:
        """What these cost together, and in which currency; Nones where it is not known."""
        key = accelerators, region
        if key not in self._sums:
            self._sums[key] = self._cost(accelerators or (), region or "")
        return self._sums[key]

    def _cost(self, accelerators: Accelerators, region: str) -> _Cost:
        total, currencies = Decimal(0), set()
        for slug, count in accelerators:
            price = self._by_place.get((slug, region))
            if price is None:
                return _UNKNOWN
            total += price[0] * count
            currencies.add(price[1])
        return (total, currencies.pop()) if len(currencies) == 1 else _UNKNOWN


@frozen
class GPURow:
    """One accelerator of an instance, as listed."""

    id: str
    slug: str | None = None
    status: str | None = None


@frozen
class InventoryRow:
    """One instance, as far as its listing shows it."""

    client: str
    """Whose it is: the provider's name, numbered where a scan covers several of its clients."""
    id: str
    name: str | None = None
    region: str | None = None
    status: str = ""
    models: tuple[str, ...] = ()
    accelerators: Accelerators | None = None
    """None where the row is light."""
    pending: bool = False
    """Something is under way that will end by itself."""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    gpus: tuple[GPURow, ...] | None = None
    """What runs now; None unless asked for."""
    _prices: Prices = field(factory=Prices, eq=False, repr=False, alias="prices")

    @property
    def hourly_cost(self) -> Decimal | None:
        """Of all its accelerators; None where that is not known."""
        return self._prices.cost(self.accelerators, self.region)[0]

    @property
    def currency(self) -> str | None:
        """Of `hourly_cost`."""
        return self._prices.cost(self.accelerators, self.region)[1]
