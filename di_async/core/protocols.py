"""What the engine expects of a network and of a provider's API, and a scan, as protocols."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from di_async.core.errors import APIError, DIError
from di_async.core.http import Request, Response
from di_async.core.http_time import read_hold
from di_async.core.inventory import GPURow, InventoryRow, ListedRows
from di_async.core.rate_limit import RateLimitInfo

__all__ = ["ApiDialect", "OnPage", "Scanner", "Transport"]

OnPage = Callable[[int, int | None], object]
"""Takes how many rows of a list were read, and of how many; None if that is not known."""


class Transport(Protocol):
    """The network, reduced to one call. A test double takes twenty lines."""

    async def open(self) -> None:
        """Prepare on the running loop."""
        ...

    async def send(
        self,
        request: Request,
        headers: Mapping[str, str],
        before_resend: Callable[[], Awaitable[None]],
    ) -> Response:
        """Send once and return the response, whatever its status.

        `before_resend` is awaited before each silent repeat of the HTTP library, so that every
        request is counted.

        Raises:
            TransportError: there is no response.
            CancelledError: with `.never_sent` true if it ended before anything was sent.
            DecodeError: the response is too large.
        """
        ...

    async def close(self) -> None:
        """Release the network."""
        ...


class ApiDialect(Protocol):
    """How one provider's API is addressed, and how its errors and quotas read."""

    def headers(self, request: Request, wall: float) -> Mapping[str, str]:
        """Return headers such as authentication, for one attempt at this epoch time.

        Return `SecretHeaders`, so that tracebacks with local variables show none of them.
        """
        ...

    def error(self, request: Request, response: Response, wall: float) -> APIError:
        """Return the error in a response, at this epoch time."""
        ...

    def is_error(self, status: int, body: Any) -> bool:
        """Return whether a decoded body has the form of this API's own errors.

        Only then do 3xx and 4xx count as the API's word; see `core.responses`.
        """
        ...

    def redact(self, request: Request, text: str) -> str:
        """Return text of a response without the secrets of this client and this request."""
        ...

    def rate_limit(self, response: Response, wall: float) -> RateLimitInfo:
        """Return what a response says about the quota, at this epoch time.

        This reads `Retry-After`, for an API that documents no quota.
        """
        hold = read_hold(response.headers, wall)
        limited = response.status == 429
        return RateLimitInfo(limited=limited, retry_after=hold.seconds, absurd=hold.absurd)


class Scanner(Protocol):
    """Lists and reads one client's instances. Providers subclass this."""

    async def regions(self) -> Sequence[str | None]:
        """Return the regions that need a list each; only None where one list covers all."""
        return (None,)

    async def list(self, region: str | None, on_page: OnPage) -> ListedRows:
        """Return all instances, or those of a region; `on_page` reports progress."""
        ...

    async def get(self, id: str) -> InventoryRow:
        """Return one instance in full."""
        ...

    async def gpus(self, id: str) -> tuple[GPURow, ...]:
        """Return the accelerators that an instance uses; none where the API does not list them."""
        return ()

    async def fill_prices(self) -> None:
        """Read the price list of accelerators, where there is one; runs beside `list`."""
        return

    async def price_rows(self, rows: Sequence[InventoryRow]) -> tuple[DIError, ...]:
        """Read prices that depend on the rows found: never one request for each row.

        Returns the errors of prices that could not be read.
        """
        return ()
