"""How a scan of the fleet reads Exoscale: a list for each zone, all at once. No price is published.

What Exoscale runs for all (`visibility` public) belongs to nobody's fleet.
"""

from collections.abc import Callable, Sequence

from attrs import define, field

from di_async.core.inventory import GPURow, InventoryRow, Prices
from di_async.exoscale.lifecycle import is_pending
from di_async.exoscale.models import Deployment, Zone
from di_async.exoscale.zone_requests import ZoneRequests

__all__ = ["ExoscaleScanner", "row_of"]


@define
class ExoscaleScanner:
    """What `fleet.scan` works with."""

    site: ZoneRequests
    label: str
    prices: Prices
    _zone_of: dict[str, str] = field(factory=dict, init=False)
    """Where each id was listed: nothing is found from another zone."""

    async def regions(self) -> Sequence[str | None]:
        """All zones that the API tells of."""
        return [zone.name for zone in await self.site.rows("zones", Zone)]

    async def list(
        self, region: str | None, on_page: Callable[[int, int | None], object]
    ) -> Sequence[InventoryRow]:
        """The organisation's deployments in a zone."""
        site = self.site.in_zone(region or self.site.zone)
        listed = await site.rows("list_deployments", Deployment)
        own = [row for row in listed if row.visibility != "public"]
        self._zone_of.update((row.id, site.zone) for row in own)
        on_page(len(own), len(own))
        return [row_of(row, site.zone, self.label, self.prices) for row in own]

    async def get(self, id: str) -> InventoryRow:
        """One deployment, in full, from the zone that listed it."""
        site = self.site.in_zone(self._zone_of.get(id, self.site.zone))
        found = await site.read("get_deployment", id, Deployment)
        return row_of(found, site.zone, self.label, self.prices)

    async def gpus(self, id: str) -> tuple[GPURow, ...]:
        """None: single GPUs are not listed."""
        return ()

    async def fill_prices(self) -> None:
        """Nothing to look up."""


def row_of(deployment: Deployment, zone: str, label: str, prices: Prices) -> InventoryRow:
    """A deployment as a row; its GPUs are those of all replicas."""
    model, gpus = deployment.model, None
    if deployment.gpu_type and None not in (deployment.gpu_count, deployment.replicas):
        gpus = ((deployment.gpu_type, (deployment.gpu_count or 0) * (deployment.replicas or 0)),)
    return InventoryRow(
        label,
        deployment.id,
        deployment.name,
        zone,
        deployment.state,
        (model.name or model.id or "",) if model else (),
        gpus,
        is_pending(deployment.state),
        deployment.created_at,
        deployment.updated_at,
        prices=prices,
    )
