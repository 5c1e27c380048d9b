"""How a scan reads a Gcore account: one list covers all regions.

There is no price list. The price of a v3 flavor's replica is read once for each region in use.
"""

from collections.abc import Awaitable, Callable, Sequence

from attrs import frozen

from di_async.core.errors import DIError
from di_async.core.inventory import InventoryRow, ListedRows, Prices
from di_async.core.pricing import HourlyPrice
from di_async.core.protocols import OnPage, Scanner
from di_async.core.redaction import masked_reason
from di_async.core.text_input import is_id_number
from di_async.engine.concurrency import for_each
from di_async.gcore.inference_deployments import InferenceDeployments
from di_async.gcore.inference_instances import InferenceInstances
from di_async.gcore.lifecycle import duration_key, failure_reason, is_pending
from di_async.gcore.models import Container, InferenceDeployment, InferenceInstance

__all__ = ["GcoreScanner", "row_of"]

_PRICES_AT_A_TIME = 8


@frozen
class GcoreScanner(Scanner):
    """Lists an account for `fleet.scan`."""

    api: InferenceDeployments | InferenceInstances
    label: str
    prices: Prices
    read_price: Callable[[str, int], Awaitable[HourlyPrice | None]] | None = None
    """Returns the price of one replica of a flavor in a region; None in v2, which shows none."""

    async def list(self, region: str | None, on_page: OnPage) -> ListedRows:
        """Return all rows, or those with a container in a region."""
        found, gaps = await self.api.list().collect_readable(on_page)
        rows = [row_of(one, self.label, self.prices) for one in found]
        wanted = [row for row in rows if region in (None, *(row.region or "").split(","))]
        return ListedRows(wanted, gaps)

    async def get(self, id: str) -> InventoryRow:
        """Return one row."""
        return row_of(await self.api.get(id), self.label, self.prices)

    async def price_rows(self, rows: Sequence[InventoryRow]) -> tuple[DIError, ...]:
        """Read the prices of flavors, one request for each region; a row may be in several."""
        if self.read_price is None:
            return ()
        read, errors = self.read_price, dict[str, DIError]()
        wanted = dict.fromkeys(
            (slug, row.region) for row in rows for slug, _ in row.accelerators or ()
        )
        places = {(slug, one): None for slug, regions in wanted for one in _numbers(regions)}
        found: dict[tuple[str, int], HourlyPrice | None] = {}

        async def fetch(place: tuple[str, int]) -> None:
            try:
                found[place] = await read(*place)
            except DIError as error:
                errors.setdefault(str(error), error)  # all may fail alike

        await for_each(places, fetch, concurrency=_PRICES_AT_A_TIME)
        for slug, regions in wanted:
            prices = {found.get((slug, one)) for one in _numbers(regions)}
            price = prices.pop() if len(prices) == 1 else None  # replicas of each are not known
            if price is not None:
                self.prices.add(slug, regions or "", price)
        return tuple(errors.values())


def _numbers(regions: str | None) -> list[int]:
    return [int(one) for one in (regions or "").split(",") if is_id_number(one)]


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
        failure_reason=masked_reason(found, failure_reason(found)),
        prices=prices,
    )


def _replicas(container: Container) -> int:
    """Return the current number of replicas; the minimum if it is not shown."""
    status = container.deploy_status
    return container.scale.min if status is None else status.total
