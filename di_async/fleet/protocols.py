"""What a scan expects of a client, as a protocol: `fleet` imports no provider."""

from typing import Protocol

from di_async.core.inventory import Prices
from di_async.core.protocols import Scanner

__all__ = ["ScanClient"]


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
