"""How a scan reads a Gcore account: one list covers all regions."""

from collections.abc import Callable, Sequence

from attrs import frozen

from di_async.core.inventory import GPURow, InventoryRow, Prices
from di_async.gcore.deployments import InferenceDeployments
from di_async.gcore.instances import InferenceInstances
from di_async.gcore.lifecycle import duration_key, is_pending
from di_async.gcore.models import Container, InferenceDeployment, InferenceInstance

__all__ = ["GcoreScanner", "row_of"]


@frozen
class GcoreScanner:
    """What `fleet.scan` works with."""

    api: InferenceDeployments | InferenceInstances
    label: str
    prices: Prices

    async def regions(self) -> Sequence[str | None]:
        """One list covers all."""
        return (None,)

    async def list(
        self, region: str | None, on_page: Callable[[int, int | None], object]
    ) -> Sequence[InventoryRow]:
        """All of them, or those with a container in a region."""
        found = await self.api.list().collect(on_page)
        rows = [row_of(one, self.label, self.prices) for one in found]
        return [row for row in rows if region in (None, *(row.region or "").split(","))]

    async def get(self, id: str) -> InventoryRow:
        """One of them, in full."""
        return row_of(await self.api.get(id), self.label, self.prices)

    async def gpus(self, id: str) -> tuple[GPURow, ...]:
        """The API lists no single accelerators."""
        return ()

    async def fill_prices(self) -> None:
        """The API publishes no prices."""


def row_of(
    found: InferenceInstance | InferenceDeployment, label: str, prices: Prices
) -> InventoryRow:
    """An instance or a deployment as a row. What it runs is an image, what on is a flavour."""
    regions, flavor = duration_key(found)
    return InventoryRow(
        label,
        found.id if isinstance(found, InferenceInstance) else found.name,
        found.name,
        regions or None,
        found.status,
        (found.image,) if found.image else (),
        ((flavor, sum(map(_replicas, found.containers))),) if flavor else None,
        is_pending(found),
        found.created_at,
        prices=prices,
    )


def _replicas(container: Container) -> int:
    """How many there are to be now; the API tells, or else it is the least."""
    status = container.deploy_status
    return container.scale.min if status is None else status.total
