"""How a scan of the fleet reads DigitalOcean: one list covers all regions, `sizes` has prices."""

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from attrs import frozen

from di_async.core.inventory import Accelerators, GPURow, InventoryRow, Prices
from di_async.digitalocean.lifecycle import is_pending
from di_async.digitalocean.models import DedicatedInference, DeploymentSpec, Sizes

if TYPE_CHECKING:
    from di_async.digitalocean.client import DedicatedInferences

__all__ = ["DigitalOceanScanner"]


@frozen
class DigitalOceanScanner:
    """What `fleet.scan` works with."""

    api: "DedicatedInferences"
    provider: str = "digitalocean"

    async def regions(self) -> Sequence[str | None]:
        """One list covers all."""
        return (None,)

    def list(self, region: str | None) -> AsyncIterator[DedicatedInference]:
        """All instances, or those of a region."""
        return self.api.list(region=region)

    async def get(self, id: str) -> DedicatedInference:
        """One instance, in full."""
        return await self.api.get(id)

    async def gpus(self, id: str) -> tuple[GPURow, ...]:
        """The accelerators in use."""
        found = self.api.list_accelerators(id)
        return tuple([GPURow(gpu.id, gpu.slug, gpu.status) async for gpu in found])

    async def prices(self) -> Prices:
        """What `sizes` tells."""
        return _prices(await self.api.sizes())

    def row(self, resource: DedicatedInference, client: str, prices: Prices) -> InventoryRow:
        """An instance as a row."""
        di, spec = resource, resource.spec or resource.pending_deployment_spec
        accelerators = _accelerators(spec) if spec else None
        cost, currency = prices.cost(accelerators, di.region)
        return InventoryRow(
            client=client,
            id=di.id,
            name=di.name,
            region=di.region,
            status=di.status,
            models=_models(spec) if spec else di.provider_model_id,
            accelerators=accelerators,
            hourly_cost=cost,
            currency=currency,
            pending=is_pending(di),
            created_at=di.created_at,
            updated_at=di.updated_at,
        )


def _models(spec: DeploymentSpec) -> tuple[str, ...]:
    return tuple([deployment.model_slug for deployment in spec.model_deployments])


def _accelerators(spec: DeploymentSpec) -> Accelerators:
    return tuple(
        [(a.accelerator_slug, a.scale) for d in spec.model_deployments for a in d.accelerators]
    )


def _prices(sizes: Sizes) -> Prices:
    return Prices(
        {
            (size.gpu_slug, region): (size.price_per_hour, size.currency or "")
            for size in sizes.sizes
            for region in size.regions
            if size.price_per_hour is not None
        }
    )
