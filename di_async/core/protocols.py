"""What the engine expects of a network and of a provider's API, as protocols."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from di_async.core.errors import APIError
from di_async.core.http import Request, Response
from di_async.core.rate_limit import RateLimitInfo

__all__ = ["ApiDialect", "Transport"]


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
        """Return what a response says about the quota, at this epoch time."""
        ...
