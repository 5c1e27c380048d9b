"""What a scan expects of a provider's client, as protocols: this room knows no provider."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol, TypeVar

from di_async.core.inventory import GPURow, InventoryRow, Prices

__all__ = ["ScanClient", "Scanner"]

R = TypeVar("R")


class Scanner(Protocol[R]):
    """How one client's instances are found and read."""

    @property
    def provider(self) -> str:
        """The provider's name."""
        ...

    async def regions(self) -> Sequence[str | None]:
        """The regions that need a list each; just None where one list covers all of them."""
        ...

    def list(self, region: str | None) -> AsyncIterator[R]:
        """All instances, or those of a region."""
        ...

    async def get(self, id: str) -> R:
        """One instance, in full."""
        ...

    async def gpus(self, id: str) -> tuple[GPURow, ...]:
        """The accelerators that an instance uses."""
        ...

    async def prices(self) -> Prices:
        """What accelerators cost; an empty one where no price is published."""
        ...

    def row(self, resource: R, client: str, prices: Prices) -> InventoryRow:
        """An instance as a row of the inventory."""
        ...


class ScanClient(Protocol):
    """A client that can be scanned."""

    def scanner(self) -> Scanner[Any]:
        """The way to do it."""
        ...
