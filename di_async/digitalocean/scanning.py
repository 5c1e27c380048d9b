"""How a scan of the fleet reads DigitalOcean: one list covers all regions, `sizes` has prices.

A row is read straight from the wire: whole models would take most of the time that a scan of
thousands needs. `row_of` says the same of a model; a test holds the two against each other.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import frozen

from di_async.core.codec import parse_time
from di_async.core.inventory import Accelerators, GPURow, InventoryRow, Prices
from di_async.digitalocean.lifecycle import is_pending
from di_async.digitalocean.models import CODEC, DedicatedInference, DeploymentSpec
from di_async.engine.pages import Listing

if TYPE_CHECKING:
    from di_async.digitalocean.client import DedicatedInferences

__all__ = ["DigitalOceanScanner", "read_row", "row_of"]


@frozen
class DigitalOceanScanner:
    """What `fleet.scan` works with."""

    listing: Callable[..., Listing[InventoryRow]]
    """The list endpoint's rows, by whatever reads them."""
    api: "DedicatedInferences"
    label: str
    prices: Prices

    async def regions(self) -> Sequence[str | None]:
        """One list covers all."""
        return (None,)

    async def list(
        self, region: str | None, on_page: Callable[[int, int | None], object]
    ) -> Sequence[InventoryRow]:
        """All instances, or those of a region."""
        read = partial(read_row, label=self.label, prices=self.prices)
        return await self.listing(read, params={"region": region}).collect(on_page)

    async def get(self, id: str) -> InventoryRow:
        """One instance, in full."""
        return row_of(await self.api.get(id), self.label, self.prices)

    async def gpus(self, id: str) -> tuple[GPURow, ...]:
        """The accelerators in use."""
        found = self.api.list_accelerators(id)
        return tuple([GPURow(gpu.id, gpu.slug, gpu.status) async for gpu in found])

    async def fill_prices(self) -> None:
        """What `sizes` tells."""
        for size in (await self.api.sizes()).sizes:
            if size.price_per_hour is not None:
                for region in size.regions:
                    price, currency = size.price_per_hour, size.currency or ""
                    self.prices.add(size.gpu_slug, region, price, currency)


def row_of(di: DedicatedInference, label: str, prices: Prices) -> InventoryRow:
    """An instance as a row."""
    spec = di.spec or di.pending_deployment_spec
    return InventoryRow(
        label,
        di.id,
        di.name,
        di.region,
        di.status,
        tuple([d.model_slug for d in spec.model_deployments]) if spec else di.provider_model_id,
        _accelerators(spec) if spec else None,
        is_pending(di.status, bool(di.pending_deployment_spec)),
        di.created_at,
        di.updated_at,
        prices=prices,
    )


def _accelerators(spec: DeploymentSpec) -> Accelerators:
    return tuple(
        [(a.accelerator_slug, a.scale) for d in spec.model_deployments for a in d.accelerators]
    )


def read_row(raw: Any, label: str, prices: Prices) -> InventoryRow:
    """A list row as a row. What is not plainly as expected takes the long way.

    Raises:
        DecodeError: it is no instance.
    """
    try:
        return _plain_row(raw, label, prices)
    except (KeyError, TypeError, AttributeError):  # not an answer of today's API
        return row_of(CODEC.structure(raw, DedicatedInference), label, prices)


def _plain_row(raw: Any, label: str, prices: Prices) -> InventoryRow:
    spec, changing = raw.get("spec"), bool(raw.get("pending_deployment_spec"))
    id, status, name, region = raw["id"], raw["status"], raw.get("name"), raw["region"]
    accelerators: Accelerators | None = None
    if spec:
        deployments = spec["model_deployments"]
        models = [d["model_slug"] for d in deployments]
        accelerators = tuple(
            [(a["accelerator_slug"], a["scale"]) for d in deployments for a in d["accelerators"]]
        )
        name = name or spec["name"]
    else:
        models = [] + raw["provider_model_id"]
    told = [id, status, name, region, *models]
    for slug, count in accelerators or ():
        told += slug, "" if type(count) is int else None
    if set(map(type, told)) != {str}:
        raise TypeError("something is not what it should be")
    if not id or not region or (changing and not spec):
        raise KeyError("something lies elsewhere")
    status = status.strip().lower()
    return InventoryRow(
        label,
        id,
        name,
        region,
        status,
        tuple(models),
        accelerators,
        is_pending(status, changing),
        parse_time(raw.get("created_at")),
        parse_time(raw.get("updated_at")),
        prices=prices,
    )
