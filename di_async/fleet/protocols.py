"""What a scan expects of a provider's client, as protocols: this room knows no provider."""

from collections.abc import Callable, Sequence
from typing import Protocol

from di_async.core.inventory import GPURow, InventoryRow, Prices

__all__ = ["OnPage", "ScanClient", "Scanner"]

OnPage = Callable[[int, int | None], object]


class Scanner(Protocol):
    """How one client's instances are found and read."""

    async def regions(self) -> Sequence[str | None]:
        """The regions that need a list each; just None where one list covers all of them."""
        ...

    async def list(self, region: str | None, on_page: OnPage) -> Sequence[InventoryRow]:
        """All instances, or those of a region; `on_page` is told how many of how many came in."""
        ...

    async def get(self, id: str) -> InventoryRow:
        """One instance, in full."""
        ...

    async def gpus(self, id: str) -> tuple[GPURow, ...]:
        """The accelerators that an instance uses."""
        ...

    async def fill_prices(self) -> None:
        """Look up what accelerators cost; nothing where no price is published."""
        ...


class ScanClient(Protocol):
    """A client that can be scanned."""

    @property
    def provider(self) -> str:
        """Its provider's name."""
        ...

    def scanner(self, label: str, prices: Prices) -> Scanner:
        """The way to do it; rows bear the label and these prices, which `fill_prices` fills."""
        ...
