"""Find deployments of an earlier apply of a fleet that are no longer in it."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from attrs import field, frozen

from di_async.core.errors import DIError, with_message
from di_async.core.fleet_names import is_of_fleet
from di_async.engine.client import Client
from di_async.engine.concurrency import with_budget
from di_async.engine.deployments.deployable import Deployable, Named
from di_async.fleet.apply_report import Leftover

__all__ = ["Key", "Leftovers", "find_leftovers"]

Key = tuple[str, str, str]
"""What identifies a deployment of a fleet: provider, zone and name."""
Found = tuple[Deployable[Any], Named]


@frozen
class Leftovers:
    """What was found, by id, and which providers could not be searched."""

    found: Mapping[str, Found] = field(factory=dict)
    rows: tuple[Leftover, ...] = ()
    unsearched: tuple[tuple[str, DIError], ...] = ()


async def find_leftovers(
    fleet: str, clients: Sequence[Client], wanted: Collection[Key], limit: asyncio.Semaphore
) -> Leftovers:
    """Return the deployments with names of this fleet that are not wanted, at all clients."""
    searches = [_Search(fleet, client.provider, wanted, limit) for client in clients]
    await asyncio.gather(*(one.run(client) for one, client in zip(searches, clients, strict=True)))
    found = {id: row for one in searches for id, row in one.found.items() if id not in one.kept}
    rows = {id: row for one in searches for id, row in one.rows.items() if id in found}
    unsearched = tuple((one.provider, error) for one in searches for error in one.errors)
    return Leftovers(found, tuple(rows.values()), unsearched)


@frozen
class _Search:
    """The search at one client."""

    fleet: str
    provider: str
    wanted: Collection[Key]
    limit: asyncio.Semaphore
    found: dict[str, Found] = field(factory=dict)
    rows: dict[str, Leftover] = field(factory=dict)
    kept: set[str] = field(factory=set)
    """Ids of what is wanted; one server may answer for several zones."""
    errors: list[DIError] = field(factory=list)

    async def run(self, client: Client) -> None:
        try:
            targets = await client.deployables()
        except DIError as error:
            self.errors.append(error)
            return
        await asyncio.gather(*map(self._list, targets))

    async def _list(self, target: Deployable[Any]) -> None:
        def report(error: DIError) -> None:
            where = f"zone {target.zone}: {error.message}"
            self.errors.append(with_message(error, where) if target.zone else error)

        try:
            async with self.limit:
                rows = await with_budget(partial(target.list_named, report))
        except DIError as error:
            report(error)
            return
        for row in rows:
            if (self.provider, target.zone, row.name) in self.wanted:
                self.kept.add(row.id)
            elif is_of_fleet(self.fleet, row.name):
                self.found[row.id] = target, row
                self.rows[row.id] = Leftover(
                    provider=self.provider, name=row.name, region=row.region, id=row.id
                )
