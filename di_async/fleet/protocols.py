"""What a scan expects of a provider's client, as protocols: `fleet` imports no provider."""

from collections.abc import Callable, Sequence
from typing import Protocol

from di_async.core.errors import DIError
from di_async.core.inventory import GPURow, InventoryRow, ListedRows, Prices

__all__ = ["OnPage", "ScanClient", "Scanner"]

OnPage = Callable[[int, int | None], object]


class Scanner(Protocol):
    """Lists and reads one client's instances."""

    async def regions(self) -> Sequence[str | None]:
        """Return the regions that need a list each; only None where one list covers all."""
        ...

    async def list(self, region: str | None, on_page: OnPage) -> ListedRows:
        """Return all instances, or those of a region; `on_page(rows, total)` reports progress."""
        ...

    async def get(self, id: str) -> InventoryRow:
        """Return one instance in full."""
        ...

    async def gpus(self, id: str) -> tuple[GPURow, ...]:
        """Return the accelerators that an instance uses."""
        ...

    async def fill_prices(self) -> None:
        """Read the price list of accelerators, where there is one; runs beside `list`."""
        ...

    async def price_rows(self, rows: Sequence[InventoryRow]) -> tuple[DIError, ...]:
        """Read prices that depend on the rows found: never one request for each row.

        Returns the errors of prices that could not be read.
        """
        ...


class ScanClient(Protocol):
    """A client that can be scanned."""

    @property
    def provider(self) -> str:
        """The provider's name."""
        ...

    def require_open(self) -> None:
        """Raise `ClientClosedError` where no request can be sent."""
        ...

    def scanner(self, label: str, prices: Prices) -> Scanner:
        """Return the scanner; its rows carry the label and the prices that it reads."""
        ...
