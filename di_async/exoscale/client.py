"""The Exoscale client: one API key, and one view per zone.

https://openapi-v2.exoscale.com/group/endpoint-ai
"""

from typing import Unpack

from di_async.core.inventory import Prices
from di_async.core.rate_limit import RequestBudget
from di_async.core.secret import Secret
from di_async.engine.client import Client
from di_async.engine.client_options import UNDOCUMENTED_LIMITS, ClientOptions
from di_async.engine.engine import Engine
from di_async.engine.environment import DefaultUrl, credential, resolve_base_url
from di_async.engine.frames import ClearsFrames
from di_async.exoscale.account import AIAPIKeys
from di_async.exoscale.api import ExoscaleDialect
from di_async.exoscale.deployable import ExoscaleDeployable
from di_async.exoscale.deployments import Deployments
from di_async.exoscale.models import EngineParameter, InstanceType, Operation, Quota, Zone
from di_async.exoscale.models_api import Models
from di_async.exoscale.scanning import ExoscaleScanner
from di_async.exoscale.zone_requests import ZoneRequests, zone_template, zone_url

__all__ = ["Exoscale", "ExoscaleZone", "Operations"]

BASE_URL = DefaultUrl("https://api-{zone}.exoscale.com")


class Operations:
    """`client.operations`: the operations that writes return."""

    def __init__(self, requests: ZoneRequests) -> None:
        self._requests = requests

    async def get(self, id: str) -> Operation:
        """Return one operation of this zone. The API has no list of them."""
        return await self._requests.operation(id)


class ExoscaleZone(ClearsFrames):
    """One zone of a client. Everything is zone-local: ids are unknown in other zones."""

    def __init__(self, requests: ZoneRequests) -> None:
        self._requests = requests
        self.zone: str = requests.zone
        """The zone's name."""
        self.deployments = Deployments(requests)
        """Its deployments."""
        self.models = Models(requests)
        """Its models, which deployments need."""
        self.operations = Operations(requests)
        """The operations that writes return."""
        self.api_keys = AIAPIKeys(requests)
        """The organisation's keys of endpoints."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._requests.base_url}>"

    def in_zone(self, zone: str) -> "ExoscaleZone":
        """Return another zone with the same session, poller and budget. No I/O, nothing to close.

        Raises:
            InvalidInputError: (a `ValueError`) The zone's name is invalid, or `base_url` is the URL
                of one zone.
        """
        return ExoscaleZone(self._requests.in_zone(zone))

    async def instance_types(self) -> list[InstanceType]:
        """Return the GPU families of this zone, and whether the organisation may use them."""
        return await self._requests.rows("instance_types", InstanceType)

    async def quota(self) -> Quota:
        """Return the organisation's quota of public inference."""
        return await self.api_keys.quota()

    async def inference_engine_help(self, version: str | None = None) -> list[EngineParameter]:
        """Return the inference engine's arguments, for a version or for the default version."""
        return await self._requests.rows("inference_engine_help", EngineParameter, version=version)

    async def zones(self) -> list[Zone]:
        """Return all zones. The request is not signed, as in the vendor's own clients."""
        return await self._requests.rows("zones", Zone)


class Exoscale(ExoscaleZone, Client):
    """A client for one Exoscale API key and one zone (see `in_zone` for other zones).

    Args:
        api_key: default EXOSCALE_API_KEY.
        api_secret: default EXOSCALE_API_SECRET. It signs requests and is never sent.
        zone: the zone of its deployments, models and operations.
        base_url: https, or http on the loopback interface; `{zone}` stands for the zone.
            Default: DI_ASYNC_BASE_URL, then the vendor's. From the variable it needs `{zone}`,
            except for an emulator on the loopback interface.
        options: see `ClientOptions`. Exoscale documents no rate limit; the default budget is 120
            requests a minute and 3,600 an hour. `budget=None` paces by `polling` only.

    Raises:
        InvalidInputError: (a `ValueError`) A credential is missing, the base URL would send signed
            requests unencrypted, or settings exclude each other.
    """

    provider = "exoscale"

    def __init__(
        self,
        api_key: str | Secret | None = None,
        api_secret: str | Secret | None = None,
        zone: str = "ch-gva-2",
        *,
        base_url: str | None = BASE_URL,
        **options: Unpack[ClientOptions],
    ) -> None:
        key = credential(api_key, "Exoscale API key", "EXOSCALE_API_KEY")
        secret = credential(api_secret, "Exoscale API secret", "EXOSCALE_API_SECRET")
        base = resolve_base_url(
            base_url,
            BASE_URL,
            own_paths=("/v2",),
            allow_insecure=options.get("allow_insecure", False),
            zoned=True,
        )
        is_own = base.variable is None
        template = base.url if is_own else zone_template(base.url, base.name)
        url = zone_url(template, zone)
        if "budget" not in options:
            options["budget"] = RequestBudget(**UNDOCUMENTED_LIMITS)
        engine = Engine.make(url, ExoscaleDialect(key.reveal(), secret, url), **options)
        Client.__init__(self, url, engine, variable=base.variable)
        ExoscaleZone.__init__(self, ZoneRequests(engine, template, zone, key.reveal()))

    def __repr__(self) -> str:
        return Client.__repr__(self)

    def deployable(self, region: str | None = None) -> ExoscaleDeployable:
        """Return what `apply` works on: the deployments of a zone. No I/O."""
        own = self.deployments.deployable()
        return own if region is None else own.in_region(region)

    async def deployables(self) -> tuple[ExoscaleDeployable, ...]:
        """Return what `reap` searches: every zone, or the one of the base URL. One request."""
        own = self.deployments.deployable()
        if not self._requests.has_other_zones:
            return (own,)
        zones = dict.fromkeys(zone.name for zone in await self.zones())
        return tuple(own.in_region(zone) for zone in zones)

    def scanner(self, label: str, prices: Prices) -> ExoscaleScanner:
        """Return the scanner that `scan` reads all zones of this account with. No I/O."""
        return ExoscaleScanner(self._requests, label, prices)
