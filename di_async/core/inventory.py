"""What a scan finds, as values that every provider fills in alike. Pure.

A row is small: what people ask of a fleet, not the whole resource. What a listing does not show is
None, so that "unknown" is never mistaken for "none".
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from attrs import field, frozen

__all__ = ["Accelerators", "GPURow", "InventoryRow", "Prices"]

Accelerators = tuple[tuple[str, int], ...]
"""Slug and how many, for each kind that an instance is to have."""


@frozen
class GPURow:
    """One accelerator of an instance, as listed."""

    id: str
    slug: str | None = None
    status: str | None = None


@frozen(kw_only=True)
class InventoryRow:
    """One instance. `accelerators` and `hourly_cost` are None where they cannot be told."""

    client: str
    """Whose it is: the provider's name, numbered where a scan covers several of its clients."""
    id: str
    name: str | None = None
    region: str | None = None
    status: str = ""
    models: tuple[str, ...] = ()
    accelerators: Accelerators | None = None
    hourly_cost: Decimal | None = None
    currency: str | None = None
    pending: bool = False
    """Something is under way that will end by itself."""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    gpus: tuple[GPURow, ...] | None = None
    """What runs now; None unless asked for."""


@frozen
class Prices:
    """Prices by accelerator and region, per hour and accelerator."""

    by_place: Mapping[tuple[str, str], tuple[Decimal, str]] = field(factory=dict)
    _known: dict[tuple[Accelerators, str], tuple[Decimal, str] | None] = field(
        factory=dict, eq=False, repr=False
    )

    def cost(
        self, accelerators: Accelerators | None, region: str | None
    ) -> tuple[Decimal | None, str | None]:
        """What these cost an hour, and in which currency; (None, None) where it is not known."""
        if not accelerators:
            return None, None
        key = (accelerators, region or "")
        if key not in self._known:
            self._known[key] = self._sum(*key)
        return self._known[key] or (None, None)

    def _sum(self, accelerators: Accelerators, region: str) -> tuple[Decimal, str] | None:
        found = [(self.by_place.get((slug, region)), count) for slug, count in accelerators]
        return _total((price, count) for price, count in found)


def _total(found: Iterable[tuple[tuple[Decimal, str] | None, int]]) -> tuple[Decimal, str] | None:
    total, currencies = Decimal(0), set()
    for price, count in found:
        if price is None:
            return None
        total += price[0] * count
        currencies.add(price[1])
    return (total, currencies.pop()) if len(currencies) == 1 else None
