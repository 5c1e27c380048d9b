"""How a fleet scan reads Exoscale: one list per zone, concurrently. No prices are published.

Deployments that Exoscale runs for everyone (`visibility` public) are left out.
"""

from collections.abc import Sequence

from attrs import define, field

from di_async.core.inventory import InventoryRow, ListedRows, Prices
from di_async.core.protocols import OnPage, Scanner
from di_async.core.redaction import masked_reason
from di_async.exoscale.lifecycle import failure_reason, is_pending, is_public
from di_async.exoscale.models import Deployment, Zone
from di_async.exoscale.zone_requests import ZoneRequests

__all__ = ["ExoscaleScanner", "row_of"]


@define
class ExoscaleScanner(Scanner):
    """The scanner of one account, for `fleet.scan`."""

    requests: ZoneRequests
    label: str
    prices: Prices
    _zone_of: dict[str, str] = field(factory=dict, init=False)
    """The zone that listed each id; other zones do not find it."""

    async def regions(self) -> Sequence[str | None]:
        """Return the names of all zones."""
        return [zone.name for zone in await self.requests.rows("zones", Zone)]

    async def list(self, region: str | None, on_page: OnPage) -> ListedRows:
        """Return the organisation's deployments in a zone."""
        zone = self.requests.in_zone(region or self.requests.zone)
        found, gaps = await zone.listing("list_deployments", Deployment).collect_readable()
        own = [row for row in found if not is_public(row)]
        self._zone_of.update((row.id, zone.zone) for row in own)
        on_page(len(own), len(own))
        rows = [row_of(row, zone.zone, self.label, self.prices) for row in own]
        return ListedRows(rows, gaps)

    async def get(self, id: str) -> InventoryRow:
        """Return one deployment, read in full from the zone that listed it."""
        zone = self.requests.in_zone(self._zone_of.get(id, self.requests.zone))
        found = await zone.read("get_deployment", id, Deployment)
        return row_of(found, zone.zone, self.label, self.prices)


def row_of(deployment: Deployment, zone: str, label: str, prices: Prices) -> InventoryRow:
    """Return a deployment as a row, with the GPUs of all replicas."""
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
        failure_reason=masked_reason(deployment, failure_reason(deployment)),
        prices=prices,
    )
