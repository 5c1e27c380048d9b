"""List whole fleets concurrently: `scan`.

Clients, and the regions of each, are listed concurrently. A part that fails is reported beside the
other results; only misuse, such as a client that was not entered, is raised.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import anyio
from attrs import define, evolve, field, frozen

from di_async.core.errors import DIError, InvalidInputError, NotFoundError
from di_async.core.inventory import InventoryRow, Prices
from di_async.core.protocols import Scanner
from di_async.engine.arguments import check_clients, no_client
from di_async.engine.clock import Clock
from di_async.engine.concurrency import for_each, with_budget
from di_async.engine.frames import clears_frames
from di_async.engine.log import Log
from di_async.fleet.inventory import Inventory, ScanError
from di_async.fleet.protocols import ScanClient

__all__ = ["OnProgress", "ScanProgress", "scan"]

logger = Log("di_async")

T = TypeVar("T")
_Found = dict[str | None, Sequence[InventoryRow]]
_IN_FLIGHT = 32


@frozen
class ScanProgress:
    """The progress of a part of a scan; `total` is None while it is not known.

    `what` is "list", "details" or "accelerators". The latter two are reported with `done` 0 before
    they start; `total` is then how many requests they will send (or more, where one instance's
    accelerators fill several pages).
    """

    client: str
    region: str | None
    what: str
    done: int
    total: int | None = None


OnProgress = Callable[[ScanProgress], object]


@clears_frames
async def scan(
    *clients: ScanClient,
    regions: Iterable[str | int] | None = None,
    accelerators: bool = False,
    details: bool = False,
    on_progress: OnProgress | None = None,
) -> Inventory:
    """Return all instances of these clients, with their cost and what is in progress.

    Args:
        clients: entered clients, one for each account.
        regions: list only these, one list each; Gcore's are numbers. Default: all, in one list
            where that covers them.
        accelerators: list each instance's accelerators, one request each.
        details: GET each instance, one request each; useful where list rows lack the spec.
        on_progress: called with `ScanProgress`.

    Raises:
        InvalidInputError: no client, or something else than a client.
        ClientClosedError: a client is not entered, or closed.

    What cannot be read is in `.errors` and is not raised. `details` and `accelerators` wait for
    the request budget as long as it takes. Cancelling leaves nothing running.
    """
    check_clients("scan", clients)
    if not clients:
        raise no_client("scan")
    wanted = [regions] if isinstance(regions, str | int) else regions
    if wanted is not None and not isinstance(wanted, Iterable):
        raise InvalidInputError(f"regions: expected a list, not {type(wanted).__name__}")
    if on_progress is not None and not callable(on_progress):
        raise InvalidInputError(
            f"on_progress: expected a function, not {type(on_progress).__name__}"
        )
    places = None if wanted is None else tuple(dict.fromkeys(map(str, wanted)))
    taken_at = Clock(asyncio.get_running_loop()).datetime()
    limit = anyio.CapacityLimiter(_IN_FLIGHT)
    report = on_progress or (lambda _: None)
    scans = [
        _ClientScan(client.scanner(label, prices), label, limit, report)
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
    """Return each client with its provider's name, numbered where it has several clients."""
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
    report: OnProgress
    rows: list[InventoryRow] = field(factory=list)
    errors: list[ScanError] = field(factory=list)

    async def run(
        self, places: tuple[str, ...] | None, *, accelerators: bool, details: bool
    ) -> None:
        found: _Found = {}
        async with asyncio.TaskGroup() as parts:
            pricing = parts.create_task(self._price())
            await self._list_all(places, found)
        pricing.result()  # raises if that task alone was cancelled
        rows = _once([row for listed in found.values() for row in listed])
        if details:
            rows = await self._each("details", rows, lambda row: self.scanner.get(row.id))
        if accelerators:
            rows = await self._each("accelerators", rows, self._with_gpus)
        gaps = await self.scanner.price_rows(rows)
        self.errors += [ScanError(self.label, None, "prices", error) for error in gaps]
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
        def report(done: int, total: int | None) -> None:
            self.report(ScanProgress(self.label, region, "list", done, total))

        report(0, None)
        try:
            listed = await self.scanner.list(region, report)
        except DIError as error:
            self.errors.append(ScanError(self.label, region, "list", error))
        else:
            found[region] = listed.rows
            self.errors += [ScanError(self.label, region, "list", gap) for gap in listed.gaps]
            report(len(found[region]), len(found[region]))

    async def _each(
        self,
        what: str,
        rows: list[InventoryRow],
        fetch: Callable[[InventoryRow], Awaitable[InventoryRow]],
    ) -> list[InventoryRow]:
        """Send a request for each row, few at a time. Deleted instances are left out.

        Rows without an id cannot be read, and stay as they are.
        """
        known = [row for row in rows if row.id]
        logger.info("scan: %s of %d instances, a request each", what, len(known))
        self.report(ScanProgress(self.label, None, what, 0, len(known)))
        results: dict[str, InventoryRow] = {}
        done = 0

        async def work(row: InventoryRow) -> None:
            nonlocal done
            try:
                async with self.limit:
                    results[row.id] = await with_budget(lambda: fetch(row))
            except DIError as error:
                if not isinstance(error, NotFoundError):  # else it is gone
                    results[row.id] = row
                    self.errors.append(ScanError(self.label, row.region, what, error, row.id))
            done += 1
            self.report(ScanProgress(self.label, None, what, done, len(known)))

        await for_each(known, work, concurrency=_IN_FLIGHT)
        return [results.get(row.id, row) for row in rows if not row.id or row.id in results]

    async def _with_gpus(self, row: InventoryRow) -> InventoryRow:
        return evolve(row, gpus=await self.scanner.gpus(row.id))


def _once(rows: list[InventoryRow]) -> list[InventoryRow]:
    """Return each id once, as listed last; rows without an id are all kept."""
    return list({row.id or n: row for n, row in enumerate(rows)}.values())
