"""How a scan reads a Gcore account: one list covers all regions."""

from collections.abc import Callable, Sequence

from attrs import frozen

from di_async.core.inventory import GPURow, InventoryRow, ListedRows, Prices
from di_async.gcore.inference_deployments import InferenceDeployments
from di_async.gcore.inference_instances import InferenceInstances
from di_async.gcore.lifecycle import duration_key, failure_reason, is_pending
from di_async.gcore.models import Container, InferenceDeployment, InferenceInstance

__all__ = ["GcoreScanner", "row_of"]


@frozen
class GcoreScanner:
    """Lists an account for `fleet.scan`."""

    api: InferenceDeployments | InferenceInstances
    label: str
    prices: Prices

    async def regions(self) -> Sequence[str | None]:
        """Return one entry, as one list covers all regions."""
        return (None,)

    async def list(
        self, region: str | None, on_page: Callable[[int, int | None], object]
    ) -> ListedRows:
        """Return all rows, or those with a container in a region."""
        found, gaps = await self.api.list().collect_readable(on_page)
        rows = [row_of(one, self.label, self.prices) for one in found]
        wanted = [row for row in rows if region in (None, *(row.region or "").split(","))]
        return ListedRows(wanted, gaps)

    async def get(self, id: str) -> InventoryRow:
        """Return one row."""
        return row_of(await self.api.get(id), self.label, self.prices)

    async def gpus(self, id: str) -> tuple[GPURow, ...]:
        """Return nothing: the API does not list single accelerators."""
        return ()

    async def fill_prices(self) -> None:
        """Do nothing: the API publishes no prices."""


def row_of(
    found: InferenceInstance | InferenceDeployment, label: str, prices: Prices
) -> InventoryRow:
    """Return the inventory row of a resource, with its image and flavor."""
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
        failure_reason=failure_reason(found),
        prices=prices,
    )


def _replicas(container: Container) -> int:
    """Return the current number of replicas; the minimum if it is not shown."""
    status = container.deploy_status
    return container.scale.min if status is None else status.total
