"""The Exoscale client: one API key, and a view for each zone.

https://openapi-v2.exoscale.com/group/endpoint-ai
"""

from typing import Unpack

from di_async.core.inventory import Prices
from di_async.core.rate_limit import RequestBudget
from di_async.core.secret import Secret
from di_async.engine.client import Client, ClientOptions, Engine, credential
from di_async.exoscale.deployments import Deployments
from di_async.exoscale.dialect import ExoscaleDialect
from di_async.exoscale.models import EngineParameter, InstanceType, Operation, Zone
from di_async.exoscale.models_api import Models
from di_async.exoscale.scanning import ExoscaleScanner
from di_async.exoscale.zone_requests import ZoneRequests, zone_url

__all__ = ["Exoscale", "ExoscaleZone", "Operations"]

BASE_URL = "https://api-{zone}.exoscale.com"
# The vendor documents no limit. These are ours: gentle, and enough for a crowd of waits.
PER_MINUTE, PER_HOUR = 120, 3600


class Operations:
    """What writes answer with: `client.operations`."""

    def __init__(self, site: ZoneRequests) -> None:
        self._site = site

    async def get(self, id: str) -> Operation:
        """One operation of this zone. They have no list."""
        return await self._site.operation(id)


class ExoscaleZone:
    """One zone, seen through a client. Everything is zone-local: ids mean nothing elsewhere.

    Attributes:
        zone: its name.
        deployments: `Deployments`, `models`: `Models`, `operations`: `Operations`.
    """

    def __init__(self, site: ZoneRequests) -> None:
        self._site = site
        self.zone = site.zone
        self.deployments = Deployments(site)
        self.models = Models(site)
        self.operations = Operations(site)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._site.base_url}>"

    def in_zone(self, zone: str) -> "ExoscaleZone":
        """Another zone through the same session, poller and budget. No I/O, nothing to close.

        Raises:
            InvalidInputError: (a `ValueError`) no zone can have that name, or `base_url` is that
                of one zone only.
        """
        return ExoscaleZone(self._site.in_zone(zone))

    async def instance_types(self) -> list[InstanceType]:
        """The GPU families of this zone, and whether the organisation may use them."""
        return await self._site.rows("instance_types", InstanceType)

    async def inference_engine_help(self, version: str | None = None) -> list[EngineParameter]:
        """The arguments that the inference engine takes, of a version or of the default one."""
        return await self._site.rows("inference_engine_help", EngineParameter, version=version)

    async def zones(self) -> list[Zone]:
        """All zones. Asked unsigned, as the vendor's own clients do."""
        return await self._site.rows("zones", Zone)


class Exoscale(ExoscaleZone, Client):
    """A client of one Exoscale API key; it is its own zone's view (see `in_zone` for others).

    Args:
        api_key: else EXOSCALE_API_KEY.
        api_secret: else EXOSCALE_API_SECRET. It is never sent: it signs.
        zone: where its deployments, models and operations are.
        base_url: https, or http on this machine's loopback; `{zone}` in it stands for the zone.
        options: see `ClientOptions`. No rate limit is documented, so the default budget is ours
            and gentle: 120 requests a minute, 3,600 an hour. `budget=None` paces by `polling` only.

    Raises:
        InvalidInputError: (a `ValueError`) a credential is missing, the base URL would send what
            is signed in the clear, or settings exclude each other.
    """

    provider = "exoscale"

    def __init__(
        self,
        api_key: str | Secret | None = None,
        api_secret: str | Secret | None = None,
        zone: str = "ch-gva-2",
        *,
        base_url: str = BASE_URL,
        **options: Unpack[ClientOptions],
    ) -> None:
        key = credential(api_key, "Exoscale API key", "EXOSCALE_API_KEY")
        secret = credential(api_secret, "Exoscale API secret", "EXOSCALE_API_SECRET")
        url = zone_url(base_url, zone)
        if "budget" not in options:
            options["budget"] = RequestBudget(per_minute=PER_MINUTE, per_hour=PER_HOUR)
        engine = Engine.make(url, ExoscaleDialect(key.reveal(), secret, url), **options)
        Client.__init__(self, url, engine)
        ExoscaleZone.__init__(self, ZoneRequests(engine, base_url, zone))

    def scanner(self, label: str, prices: Prices) -> ExoscaleScanner:
        """How `scan` reads all zones of this account. No I/O."""
        return ExoscaleScanner(self._site, label, prices)
