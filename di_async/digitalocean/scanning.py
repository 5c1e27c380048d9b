"""How a scan reads DigitalOcean: one list covers all regions, and `sizes` has the prices.

msgspec decodes rows straight from the bytes of a page: decoding models would take most of a scan's
time. `row_of` returns the same row for a model; a test compares the two.
"""

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from attrs import frozen

from di_async.core.codec import loads
from di_async.core.inventory import Accelerators, GPURow, InventoryRow, ListedRows, Prices
from di_async.core.pagination import Page, read_page
from di_async.core.protocols import OnPage, Scanner
from di_async.digitalocean.api import list_rows
from di_async.digitalocean.lifecycle import failure_reason, has_failed, is_pending
from di_async.digitalocean.models import CODEC, DedicatedInference, DeploymentSpec
from di_async.digitalocean.placement import prices_of
from di_async.digitalocean.row_summaries import KEY
from di_async.engine.engine import Engine

if TYPE_CHECKING:
    from di_async.digitalocean.dedicated_inferences import DedicatedInferences

__all__ = ["DigitalOceanScanner", "read_rows", "row_of"]


@frozen
class DigitalOceanScanner(Scanner):
    """Reads one account for `fleet.scan`."""

    engine: Engine
    api: "DedicatedInferences"
    label: str
    prices: Prices

    async def list(self, region: str | None, on_page: OnPage) -> ListedRows:
        """Return all instances, or those of a region."""
        listing = list_rows(
            self.engine,
            "list",
            partial(decode_row, label=self.label, prices=self.prices),
            params={"region": region},
            decode_page=partial(read_rows, label=self.label, prices=self.prices),
        )
        return ListedRows(*await listing.collect_readable(on_page))

    async def get(self, id: str) -> InventoryRow:
        """Return one instance, with its spec."""
        return row_of(await self.api.get(id), self.label, self.prices)

    async def gpus(self, id: str) -> tuple[GPURow, ...]:
        """Return the accelerators in use."""
        accelerators = self.api.list_accelerators(id)
        return tuple([GPURow(gpu.id, gpu.slug, gpu.status) async for gpu in accelerators])

    async def fill_prices(self) -> None:
        """Read the prices of `sizes`."""
        for (slug, region), price in prices_of(await self.api.sizes()).items():
            self.prices.add(slug, region, price)


def decode_row(row: Any, label: str, prices: Prices) -> InventoryRow:
    """Return a row of `read_rows` as an inventory row. Raises `DecodeError`."""
    if isinstance(row, InventoryRow):
        return row
    return row_of(CODEC.structure(row, DedicatedInference), label, prices)


def row_of(di: DedicatedInference, label: str, prices: Prices) -> InventoryRow:
    """Return the row of an instance."""
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
        failure_reason=failure_reason(di),
        prices=prices,
    )


def _accelerators(spec: "DeploymentSpec | _Spec") -> Accelerators:
    return tuple(
        [(a.accelerator_slug, a.scale) for d in spec.model_deployments for a in d.accelerators]
    )


class _Accelerator(msgspec.Struct, gc=False):
    accelerator_slug: str
    scale: int


class _Deployment(msgspec.Struct, gc=False):
    model_slug: str
    accelerators: tuple[_Accelerator, ...]


class _Spec(msgspec.Struct, gc=False):
    model_deployments: tuple[_Deployment, ...]
    name: str | None = None


class _Row(msgspec.Struct, gc=False):
    """The fields of an instance that a scan needs, in their usual form."""

    id: str
    status: str
    region: str
    name: str | None = None
    spec: _Spec | None = None
    pending_deployment_spec: dict[str, msgspec.Raw] | None = None
    provider_model_id: tuple[str, ...] | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class _Page(msgspec.Struct):
    dedicated_inferences: list[_Row]
    links: Any = None
    meta: Any = None


_decode_page = msgspec.json.Decoder(_Page).decode


class _UnusualRowError(Exception):
    """A row that only the tolerant path can read."""


def read_rows(body: bytes, label: str, prices: Prices) -> Page:
    """Return a list page of inventory rows, or of JSON objects where a row is unusual.

    Raises:
        DecodeError: the body is not a list of instances.
    """
    try:
        page = _decode_page(body)
        rows = [_usual_row(row, label, prices) for row in page.dedicated_inferences]
        return read_page({KEY: rows, "links": page.links, "meta": page.meta}, KEY)
    except (msgspec.MsgspecError, RecursionError, _UnusualRowError):
        return read_page(loads(body), KEY)


def _usual_row(row: _Row, label: str, prices: Prices) -> InventoryRow:
    spec, changing = row.spec, bool(row.pending_deployment_spec)
    if spec is None:
        models, name = row.provider_model_id, row.name
    else:
        models, name = tuple([d.model_slug for d in spec.model_deployments]), row.name or spec.name
    if not (row.id and row.region and name) or models is None or (changing and spec is None):
        raise _UnusualRowError  # a value may stand in another field
    status = row.status.strip().lower()
    if has_failed(status):
        raise _UnusualRowError  # the reason is in fields that are not decoded here
    return InventoryRow(
        label,
        row.id,
        name,
        row.region,
        status,
        models,
        _accelerators(spec) if spec else None,
        is_pending(status, changing),
        _aware(row.created_at),
        _aware(row.updated_at),
        prices=prices,
    )


def _aware(time: datetime | None) -> datetime | None:
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time
