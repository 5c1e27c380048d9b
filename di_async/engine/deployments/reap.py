"""Delete temporary deployments that outlived their block: after a kill -9, a crash, a lost machine.

Only names that `temporary` has written are touched, and of those only expired ones.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

from attrs import evolve, field, frozen

from di_async.core.errors import DIError
from di_async.core.moment import Moment
from di_async.core.pricing import HourlyPrice
from di_async.core.printable import printable
from di_async.core.server_clock import SERVER_SKEW_S
from di_async.core.temporary_names import DEFAULT_PREFIX, TemporaryName, check_prefix, parse_name
from di_async.engine.arguments import check_clients, no_client
from di_async.engine.client import Client
from di_async.engine.deployments.cleanup import delete_named
from di_async.engine.deployments.deployable import Deployable, Named
from di_async.engine.frames import clears_frames
from di_async.engine.log import Log

__all__ = ["ReapReport", "Reaped", "reap"]

logger = Log("di_async")

_AT_A_TIME = 20


@frozen
class Reaped:
    """One temporary deployment, or a list that could not be read."""

    provider: str
    id: str = ""
    """Empty if a list could not be read."""
    name: str = ""
    region: str | None = None
    expires_at: float | None = None
    """Epoch seconds, by the provider's clock."""
    hourly_price: HourlyPrice | None = None
    """None if it is not known."""
    error: DIError | None = None
    """Why it could not be proven deleted, or why the list could not be read."""

    def __str__(self) -> str:
        cost = f", {self.hourly_price}" if self.hourly_price else ""
        where = f" in {self.region}" if self.region else ""
        problem = f": {self.error}" if self.error else ""
        named = f"{self.provider} {self.name or 'list'} ({self.id or '-'})"
        return printable(f"{named}{where}{cost}{problem}")


@frozen
class ReapReport:
    """What `reap` found."""

    deleted: tuple[Reaped, ...] = ()
    """Expired and proven deleted; with `dry_run`, what would be deleted."""
    kept: tuple[Reaped, ...] = ()
    """Temporary deployments that have not expired."""
    failed: tuple[Reaped, ...] = ()
    """Expired and not proven deleted, and lists, or rows of them, that could not be read."""
    dry_run: bool = field(default=False, kw_only=True)


@clears_frames
async def reap(*clients: Client, dry_run: bool = False, prefix: str = DEFAULT_PREFIX) -> ReapReport:
    """Delete expired temporary deployments, and nothing else; return what was found.

    Deletions are proven by GET 404. At Exoscale all zones are read.

    Args:
        clients: entered clients, of any provider.
        dry_run: delete nothing; `.deleted` shows what would be deleted.
        prefix: of the names, as given to `temporary`.

    Raises:
        InvalidInputError: no client, something else than a client, or an invalid prefix.
        ClientClosedError: a client is not entered, or closed.
    """
    check_prefix(prefix)
    check_clients("reap", clients)
    if not clients:
        raise no_client("reap")
    limit = asyncio.Semaphore(_AT_A_TIME)
    found = await asyncio.gather(*(_reap_client(one, dry_run, prefix, limit) for one in clients))
    return ReapReport(
        *(tuple(row for group in found for row in group[kind]) for kind in range(3)),
        dry_run=dry_run,
    )


Groups = tuple[list[Reaped], list[Reaped], list[Reaped]]
"""Deleted, kept, failed."""


async def _reap_client(
    client: Client, dry_run: bool, prefix: str, limit: asyncio.Semaphore
) -> Groups:
    groups: Groups = ([], [], [])
    deleted, kept, failed = groups

    async def judge(
        target: Deployable[Any], began: Moment, row: Named, shown: TemporaryName
    ) -> None:
        entry = Reaped(client.provider, row.id, row.name, row.region, shown.expires_at)
        async with limit:
            price = await _price(target, row)
            entry = evolve(entry, hourly_price=price)
            if target.earliest_time(began) < shown.expires_at:
                kept.append(entry)
            elif dry_run:
                deleted.append(entry)
            else:
                reason = partial(_reason_to_keep, target, began, shown)
                error = await delete_named(target, row, reason_to_keep=reason)
                if error is None:
                    deleted.append(entry)
                    logger.warning("deleted the expired %s", entry)
                else:
                    failed.append(evolve(entry, error=error))
                    logger.error("not proven deleted, and may bill: %s", failed[-1])

    async def rows_of(target: Deployable[Any]) -> Sequence[Named]:
        def report(error: DIError) -> None:
            failed.append(Reaped(client.provider, region=target.zone or None, error=error))

        try:
            return await target.list_named(report)
        except DIError as error:
            report(error)
            return ()

    try:
        targets = await client.deployables()
    except DIError as error:
        failed.append(Reaped(client.provider, error=error))
        return groups
    moments = [target.engine.clock.moment() for target in targets]
    lists = await asyncio.gather(*map(rows_of, targets))
    # By id: one server may answer for several zones.
    listed = {
        row.id: (target, began, row)
        for target, began, rows in zip(targets, moments, lists, strict=True)
        for row in rows
    }
    parsed = [(found, parse_name(found[2].name, prefix)) for found in listed.values()]
    await asyncio.gather(*(judge(*found, name) for found, name in parsed if name))
    return groups


def _reason_to_keep(target: Deployable[Any], began: Moment, shown: TemporaryName) -> str | None:
    """Return a reason if a response since the list has shown that the name has not expired."""
    # A `Date` has whole seconds, and one provider's servers differ a little.
    has_expired = target.earliest_time(began) >= shown.expires_at - SERVER_SKEW_S
    return None if has_expired else "the responses differ in their Date"


async def _price(target: Deployable[Any], row: Named) -> HourlyPrice | None:
    try:
        return await target.price_of(row.resource)
    except DIError as error:
        logger.info("the price of %s could not be read: %s", row.id, error)
        return None
