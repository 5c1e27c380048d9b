"""The DigitalOcean client."""

import ssl as ssl_module
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import aiohttp

from di_async.core.errors import InvalidInputError
from di_async.core.protocols import Transport
from di_async.core.rate_limit import RequestBudget
from di_async.core.retry import RetryPolicy
from di_async.core.secret import Secret
from di_async.core.waiting.poll_policy import PollPolicy
from di_async.digitalocean.api import DigitalOceanDialect
from di_async.digitalocean.custom_models import CustomModels
from di_async.digitalocean.dedicated_inferences import DedicatedInferences
from di_async.digitalocean.model_catalog import CatalogModel, list_catalog
from di_async.engine.client import Client
from di_async.engine.engine import Engine
from di_async.engine.environment import DefaultUrl, credential, resolve_base_url
from di_async.engine.hooks import EventCallback
from di_async.engine.listing import Listing
from di_async.engine.observer import Observer
from di_async.engine.waiting.change import DEFAULT, Default

if TYPE_CHECKING:
    from di_async.core.inventory import Prices
    from di_async.digitalocean.deployable import DedicatedInferenceDeployable
    from di_async.digitalocean.scanning import DigitalOceanScanner

__all__ = ["DigitalOcean"]

BASE_URL = DefaultUrl("https://api.digitalocean.com")


class DigitalOcean(Client):
    """A client for one DigitalOcean token.

    Args:
        token: the API token. Default: DIGITALOCEAN_TOKEN, then DIGITALOCEAN_ACCESS_TOKEN.
        base_url: https, or http on this machine's loopback. Default: DI_ASYNC_BASE_URL, then
            the vendor's.
        retry: how often one call is sent.
        polling: how closely waits are followed.
        budget: the token's request quota; pass the same object to all clients of one token.
            Default: one for each client. None: no pacing except by `polling`.
        request_timeout: seconds for one request.
        max_connections: the maximum number of concurrent connections.
        proxy: its URL. Default: the environment's, read once when the client is entered.
        ssl: a TLS context.
        secrets_key: the key under which provider tokens are sent: "access_tokens" as documented,
            or "secrets" as the vendor's own Go client does.
        user_agent: sent before the package's own.
        session: your aiohttp session; it is not closed, and uses its own TLS and tracing.
        trace_configs: aiohttp trace configs for the client's own session.
        allow_insecure: allow http to any machine, as DI_ASYNC_ALLOW_HTTP=1 does: for networks that
            you trust.
        transport: a test double for the network.
        on_event: a plain function, called with each `StatusChange` of each wait of this client.
        telemetry: a `di_async.telemetry.Telemetry`: spans and metrics; needs the extra `otel`.

    Raises:
        InvalidInputError: (a `ValueError`) no token, a base URL that would send it unencrypted,
            or settings that exclude each other.
    """

    provider = "digitalocean"
    dedicated_inferences: DedicatedInferences
    """Deployments, their endpoint tokens, prices and capacity."""
    custom_models: CustomModels
    """Models that the team has imported."""

    def __init__(
        self,
        token: str | Secret | None = None,
        *,
        base_url: str | None = BASE_URL,
        retry: RetryPolicy | None = None,
        polling: PollPolicy | None = None,
        budget: RequestBudget | Default | None = DEFAULT,
        request_timeout: float = 30.0,
        max_connections: int = 100,
        proxy: str | None = None,
        ssl: ssl_module.SSLContext | bool | None = None,
        secrets_key: Literal["access_tokens", "secrets"] = "access_tokens",
        user_agent: str | None = None,
        session: aiohttp.ClientSession | None = None,
        trace_configs: Sequence[aiohttp.TraceConfig] = (),
        allow_insecure: bool = False,
        transport: Transport | None = None,
        on_event: EventCallback | None = None,
        telemetry: Observer | None = None,
    ) -> None:
        secret = credential(
            token, "DigitalOcean token", "DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN"
        )
        base = resolve_base_url(
            base_url, BASE_URL, own_paths=("/v2",), allow_insecure=allow_insecure
        )
        if secrets_key not in ("access_tokens", "secrets"):  # in a set, a list would be a TypeError
            raise InvalidInputError("secrets_key is 'access_tokens' or 'secrets'")
        engine = Engine.make(
            base.url,
            DigitalOceanDialect(secret),
            retry=retry,
            polling=polling,
            budget=RequestBudget() if budget is DEFAULT else budget,
            request_timeout=request_timeout,
            max_connections=max_connections,
            proxy=proxy,
            ssl=ssl,
            user_agent=user_agent,
            session=session,
            trace_configs=trace_configs,
            transport=transport,
            on_event=on_event,
            telemetry=telemetry,
        )
        super().__init__(base.url, engine, variable=base.variable)
        self.dedicated_inferences = DedicatedInferences(engine, base.url, secrets_key)
        self.custom_models = CustomModels(engine, base.url)

    def model_catalog(
        self, *, availability: str | None = "dedicated", search: str | None = None
    ) -> Listing[CatalogModel]:
        """Return an async iterator over DigitalOcean's models.

        Args:
            availability: `dedicated` for those that can be deployed, `serverless`, or None for all.
            search: part of a model's name.
        """
        return list_catalog(self._engine, availability=availability, search=search)

    def deployable(self, region: str | None = None) -> "DedicatedInferenceDeployable":
        """Return what `apply` works on. No I/O."""
        return self.dedicated_inferences.deployable()

    async def deployables(self) -> Sequence["DedicatedInferenceDeployable"]:
        """Return what `reap` searches. No I/O."""
        return (self.dedicated_inferences.deployable(),)

    def scanner(self, label: str, prices: "Prices") -> "DigitalOceanScanner":
        """Return the part of `scan` that reads this account. No I/O."""
        from di_async.digitalocean.scanning import DigitalOceanScanner  # only scans need it

        return DigitalOceanScanner(self._engine, self.dedicated_inferences, label, prices)
