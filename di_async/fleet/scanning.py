"""Look over whole fleets at once: `scan`.

Clients, and the regions of each, are listed concurrently. A part that fails is told beside the
others' results; only what is no error of ours (a client never entered, say) is raised.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import anyio
from attrs import define, evolve, field, frozen

from di_async.core.errors import DIError, NotFoundError, RateLimitError
from di_async.core.inventory import InventoryRow, Prices
from di_async.engine.clock import Clock
from di_async.engine.concurrency import for_each
from di_async.fleet.inventory import Inventory, ScanError
from di_async.fleet.protocols import ScanClient, Scanner

__all__ = ["OnProgress", "ScanProgress", "scan"]

logger = logging.getLogger("di_async")

T = TypeVar("T")
_Found = dict[str | None, Sequence[InventoryRow]]
_IN_FLIGHT = 32


@frozen
class ScanProgress:
    """How far a part of a scan has come; `total` is None while it is not known.

    `what` is "list", "details" or "accelerators"; the latter two come first with `done` 0, before
    anything was sent: `total` is then how many requests they will take (or more, where one
    instance's accelerators fill several pages).
    """

    client: str
    region: str | None
    what: str
    done: int
    total: int | None = None


OnProgress = Callable[[ScanProgress], object]


async def scan(
    *clients: ScanClient,
    regions: Iterable[str] | None = None,
    accelerators: bool = False,
    details: bool = False,
    on_progress: OnProgress | None = None,
) -> Inventory:
    """All instances of these clients, with what they cost and what is under way.

    Args:
        clients: entered; one for each account.
        regions: only these, with a list for each, all at once. Not given, all: in one list where
            that covers them.
        accelerators: list each instance's accelerators, too: a request each.
        details: GET each instance, which helps where lists are light: a request each.
        on_progress: called with a `ScanProgress` now and then.

    What cannot be read is told in `.errors`; nothing of it is raised. `details` and `accelerators`
    wait for the request budget for as long as it takes. Cancelling leaves nothing running.
    """
    wanted = [regions] if isinstance(regions, str) else regions
    places = None if wanted is None else tuple(dict.fromkeys(wanted))
    taken_at = Clock(asyncio.get_running_loop()).datetime()
    limit = anyio.CapacityLimiter(_IN_FLIGHT)
    tell = on_progress or (lambda _: None)
    scans = [
        _ClientScan(client.scanner(label, prices), label, limit, tell)
        for client, label in _labelled(clients)
        for prices in [Prices()]
    ]
    await for_each(scans, lambda one: one.run(places, accelerators=accelerators, details=details))
    return Inventory(
        tuple(row for one in scans for row in one.rows),
        tuple(error for one in scans for error in one.errors),
        taken_at,
    )


def _labelled(clients: Sequence[ScanClient]) -> Iterator[tuple[ScanClient, str]]:
    """Each client with its provider's name, numbered where that has several clients."""
    several = Counter(client.provider for client in clients)
    seen: Counter[str] = Counter()
    for client in clients:
        name = client.provider
        seen[name] += 1
        yield client, f"{name}-{seen[name]}" if several[name] > 1 else name


@define(eq=False)
class _ClientScan:
    """The scan of one client's account."""

    scanner: Scanner
    label: str
    limit: anyio.CapacityLimiter
    tell: OnProgress
    rows: list[InventoryRow] = field(factory=list)
    errors: list[ScanError] = field(factory=list)

    async def run(
        self, places: tuple[str, ...] | None, *, accelerators: bool, details: bool
    ) -> None:
        found: _Found = {}
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self._price())
            await self._list_all(places, found)
        rows = _once([row for listed in found.values() for row in listed])
        if details:
            rows = await self._each("details", rows, lambda row: self.scanner.get(row.id))
        if accelerators:
            rows = await self._each("accelerators", rows, self._equipped)
        self.rows = rows

    async def _price(self) -> None:
        try:
            await self.scanner.fill_prices()
        except DIError as error:
            self.errors.append(ScanError(self.label, None, "prices", error))

    async def _list_all(self, places: tuple[str, ...] | None, found: _Found) -> None:
        try:
            regions = await self.scanner.regions() if places is None else places
        except DIError as error:
            self.errors.append(ScanError(self.label, None, "list", error))
            return
        found.update((region, []) for region in regions)  # results in this order
        await for_each(regions, lambda region: self._list(region, found))

    async def _list(self, region: str | None, found: _Found) -> None:
        def tell(done: int, total: int | None) -> None:
            self.tell(ScanProgress(self.label, region, "list", done, total))

        tell(0, None)
        try:
            found[region] = await self.scanner.list(region, tell)
        except DIError as error:
            self.errors.append(ScanError(self.label, region, "list", error))
        else:
            tell(len(found[region]), len(found[region]))

    async def _each(
        self,
        what: str,
        rows: list[InventoryRow],
        ask: Callable[[InventoryRow], Awaitable[InventoryRow]],
    ) -> list[InventoryRow]:
        """A request for each row, few at a time. Who has gone meanwhile is left out.

        What has no id cannot be asked about, and stays as it is.
        """
        known = [row for row in rows if row.id]
        logger.info("scan: %s of %d instances, a request each", what, len(known))
        self.tell(ScanProgress(self.label, None, what, 0, len(known)))
        results: dict[str, InventoryRow] = {}
        done = 0

        async def work(row: InventoryRow) -> None:
            nonlocal done
            try:
                async with self.limit:
                    results[row.id] = await _patiently(lambda: ask(row))
            except NotFoundError:
                pass
            except DIError as error:
                results[row.id] = row
                self.errors.append(ScanError(self.label, row.region, what, error, row.id))
            done += 1
            self.tell(ScanProgress(self.label, None, what, done, len(known)))

        await for_each(known, work, concurrency=_IN_FLIGHT)
        return [results.get(row.id, row) for row in rows if not row.id or row.id in results]

    async def _equipped(self, row: InventoryRow) -> InventoryRow:
        return evolve(row, gpus=await self.scanner.gpus(row.id))


def _once(rows: list[InventoryRow]) -> list[InventoryRow]:
    """Each id once, as it was listed last; what has none cannot be told to be the same."""
    return list({row.id or n: row for n, row in enumerate(rows)}.values())


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """An answer for which the budget may have to be waited for."""
    while True:
        try:
            return await ask()
        except RateLimitError as error:
            if not error.retry_after:
                raise
            await asyncio.sleep(error.retry_after)
