"""Options that all clients take, and the User-Agent that they send."""

import ssl as ssl_module
from collections.abc import Sequence
from typing import TypedDict

import aiohttp

from di_async.core.errors import InvalidInputError
from di_async.core.protocols import Transport
from di_async.core.rate_limit import RequestBudget
from di_async.core.retry import RetryPolicy
from di_async.core.version import __version__
from di_async.core.waiting.poll_policy import PollPolicy
from di_async.engine.hooks import EventCallback
from di_async.engine.observer import Observer

__all__ = ["UNDOCUMENTED_LIMITS", "ClientOptions", "NetworkOptions", "full_user_agent"]

UNDOCUMENTED_LIMITS = {"per_minute": 120, "per_hour": 3600}
"""The default budget where the vendor documents no limit: low, and enough for many waits."""


class NetworkOptions(TypedDict, total=False):
    """How a client reaches the network; all are optional."""

    request_timeout: float
    """Seconds for one request; default 30."""
    max_connections: int
    """The maximum number of concurrent connections; default 100."""
    proxy: str | None
    """The URL of an http proxy; default: the environment's, read when the client is entered."""
    ssl: ssl_module.SSLContext | bool | None
    """A TLS context; False turns all checks off."""
    session: aiohttp.ClientSession | None
    """An aiohttp session of yours, made in the same event loop; it is not closed, and uses its own
    TLS and tracing."""
    trace_configs: Sequence[aiohttp.TraceConfig]
    """aiohttp trace configs for the client's own session."""


class ClientOptions(NetworkOptions, total=False):
    """What every provider's client takes besides its credentials; all are optional."""

    retry: RetryPolicy | None
    """How often one call is sent."""
    allow_insecure: bool
    """Allow http to any machine, as DI_ASYNC_ALLOW_HTTP=1 does: for networks that you trust."""
    polling: PollPolicy | None
    """How closely waits are followed."""
    budget: RequestBudget | None
    """The request quota; pass the same object to all clients of one token. None: no limits."""
    user_agent: str | None
    """Sent before the package's own."""
    transport: Transport | None
    """A test double for the network."""
    on_event: EventCallback | None
    """A plain function, called with each `StatusChange` of each wait."""
    telemetry: Observer | None
    """A `di_async.telemetry.Telemetry`: spans and metrics; needs the extra `otel`."""


def full_user_agent(own: str | None) -> str:
    """Return the User-Agent to send; a caller's own comes first."""
    if own is not None and not (isinstance(own, str) and own.isascii() and own.isprintable()):
        raise InvalidInputError("user_agent: expected printable ASCII text")
    ours = f"di_async/{__version__}"
    return f"{own} {ours}" if own else ours
