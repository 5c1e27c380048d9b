"""Create and update all deployments of a fleet: `apply`.

First a plan, which only reads; then `ensure` for each deployment that differs. Deployments are
found by their names, so a second run continues what a killed one began.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any, TypeVar

from attrs import define, evolve, field, frozen

from di_async.core.errors import (
    BadRequestError,
    DIError,
    InvalidInputError,
    UnprocessableEntityError,
)
from di_async.core.pricing import HourlyPrice, MaxHourly, check_price, parse_max_hourly
from di_async.core.seconds import checked_seconds
from di_async.engine.arguments import check_clients, no_client
from di_async.engine.client import Client
from di_async.engine.concurrency import with_budget
from di_async.engine.deployments.cleanup import delete_named, error_of
from di_async.engine.frames import clears_frames
from di_async.engine.hooks import checked_callback
from di_async.engine.log import Log
from di_async.engine.waiting.change import DEFAULT, Change, Timeout, check_timeout
from di_async.engine.waiting.failures import notes_of
from di_async.fleet.apply_report import Applied, ApplyReport, Leftover
from di_async.fleet.fleet_file import PROVIDERS, Fleet
from di_async.fleet.fleet_items import FleetItem, fleet_items
from di_async.fleet.leftovers import Leftovers, find_leftovers

__all__ = ["FleetRun", "apply"]

logger = Log("di_async")

T = TypeVar("T")
CONCURRENCY = 10
_STOPPED = "stopped before the result of a write was known; apply again to continue"
_NOT_AWAITED = "stopped before it was proven active; apply again to wait for it"
# A note names at most so many deployments.
_MAX_NAMED = 20


@clears_frames
async def apply(
    fleet: Fleet,
    *clients: Client,
    dry_run: bool = False,
    prune: bool = False,
    max_hourly: MaxHourly | None = None,
    allow_unknown_price: bool = False,
    concurrency: int = CONCURRENCY,
    timeout: Timeout = DEFAULT,
    name_timeout: float = 0,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    on_change: Callable[[Change[Any]], object] | None = None,
) -> ApplyReport:
    """Create and update the deployments of a fleet, and wait until all are active.

    Deployments that match the fleet are left unchanged. One failure does not stop the others;
    failures are in the report. Safe to run again after a crash or a cancellation, as deployments
    are found by their names; at Exoscale, whose lists may lag, another process waits two minutes.

    Args:
        fleet: see `Fleet.from_file`.
        clients: entered clients, one for each provider of the fleet. Further ones are only
            searched for deployments of an earlier apply.
        dry_run: send no write; the report shows what would be done, and the price.
        prune: when everything else has succeeded, delete deployments that an earlier apply of this
            fleet made and that are no longer in it. Nothing else is deleted.
        max_hourly: a limit on the price of the whole fleet, checked before the first write.
        allow_unknown_price: with `max_hourly`, go on if a price is not known. A GPU that the
            provider does not offer in that region is refused nevertheless.
        concurrency: how many deployments are read or written at a time. All are awaited together.
        timeout: seconds for each create and update to settle; default: what `Change.wait` takes.
            A deletion of `prune` may take 15 minutes.
        name_timeout: seconds to wait for a name whose resource is being deleted.
        options: further arguments of `ensure`, by provider, such as
            `{"digitalocean": {"access_tokens": ...}}`.
        on_change: a plain function, called with each change that is waited for. What it raises is
            logged and changes nothing.

    Raises:
        InvalidInputError: a spec is not valid, or a client is missing; nothing was sent.
        PriceLimitError: the fleet costs too much, a price is not known, or something is not on
            offer (`.on_offer`); nothing was sent.
        ClientClosedError: a client is not entered, or closed.

    After a cancellation, accepted changes continue at the provider, and bill. The error's notes
    name them, and its `.write_result` is the report so far, with one-time tokens. Apply again to
    wait.
    """
    check_clients("apply", clients)
    run = FleetRun.prepare(
        fleet,
        clients,
        concurrency=concurrency,
        timeout=timeout,
        name_timeout=name_timeout,
        options=options,
        on_change=on_change,
    )
    if not clients:
        raise no_client("apply")
    if max_hourly is not None:
        parse_max_hourly(max_hourly)
    plan = await run.plan(prune=prune, priced=dry_run or max_hourly is not None)
    check_fleet_price(plan, max_hourly, allow_unknown_price=allow_unknown_price)
    if dry_run:
        return plan
    try:
        return await run.carry_out(plan)
    except BaseException as error:
        run.add_report(plan, error)
        raise


def check_fleet_price(
    plan: ApplyReport, limit: MaxHourly | None, *, allow_unknown_price: bool
) -> None:
    """Check the price of a whole fleet, if anything would be created or updated.

    Raises:
        PriceLimitError: it is higher than the limit, or not known, or something is not on offer.
    """
    if limit is None or all(one.action == "deleted" for one in plan.changed):
        return
    for currency, amount in plan.hourly.items():
        price = HourlyPrice(amount, currency)
        check_price(price, limit, allow_unknown_price=allow_unknown_price)
    if plan.unknown_price:
        problem = "; ".join(plan.not_on_offer) or None
        check_price(None, limit, allow_unknown_price=allow_unknown_price, problem=problem)


@frozen
class _Price:
    price: HourlyPrice | None = None
    problem: str | None = None
    """Why there is none, if the provider does not offer what the spec wants."""


async def _await(call: Coroutine[Any, Any, T]) -> T:
    return await call


@define(eq=False, kw_only=True)
class FleetRun:
    """One apply: `plan`, then `carry_out`.

    Attributes:
        results: what was done so far, by the number of the deployment.
        finish: awaits a write; the command passes one that a signal does not end at once.
    """

    fleet: Fleet
    clients: tuple[Client, ...]
    items: tuple[FleetItem, ...]
    limit: asyncio.Semaphore
    timeout: Timeout
    on_change: Callable[[Change[Any]], object]
    finish: Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]]
    results: dict[int, Applied] = field(factory=dict, init=False)
    _leftovers: Leftovers = field(factory=Leftovers, init=False)

    @classmethod
    def prepare(
        cls,
        fleet: Fleet,
        clients: Iterable[Client],
        *,
        concurrency: int = CONCURRENCY,
        timeout: Timeout = DEFAULT,
        name_timeout: float = 0,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        on_change: Callable[[Change[Any]], object] | None = None,
        finish: Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]] = _await,
    ) -> "FleetRun":
        """Check all arguments and all specs; see `apply`. No I/O.

        Raises:
            InvalidInputError: `.problems` names file, entry and field of each fault.
        """
        if not isinstance(fleet, Fleet):
            raise InvalidInputError(
                f"apply: expected a Fleet, not {type(fleet).__name__}; Fleet.from_dict and "
                "Fleet.from_file make one"
            )
        if isinstance(concurrency, bool) or not isinstance(concurrency, int) or concurrency < 1:
            raise InvalidInputError("concurrency: expected a whole number of at least 1")
        check_timeout(timeout)
        checked_seconds(name_timeout, "name_timeout")
        by_provider = _by_provider(clients)
        _check_options(options or {})
        more = {"name_timeout": name_timeout} if name_timeout else {}
        options = {name: {**more, **(options or {}).get(name, {})} for name in by_provider}
        return cls(
            fleet=fleet,
            clients=tuple(by_provider.values()),
            items=fleet_items(fleet, by_provider, options),
            limit=asyncio.Semaphore(concurrency),
            timeout=timeout,
            on_change=checked_callback("on_change", on_change) or (lambda _: None),
            finish=finish,
        )

    # -- the plan -----------------------------------------------------------------------------

    async def plan(self, *, prune: bool, priced: bool) -> ApplyReport:
        """Return what would be done. Sends no write.

        Args:
            prune: what an earlier apply left is to be deleted.
            priced: read the prices, if there is anything to do.
        """
        if prune and self.fleet.name is None:
            raise InvalidInputError(
                f"{self.fleet.source}: prune needs the fleet's name: set `fleet: NAME` in the file"
            )
        planned, _ = await asyncio.gather(
            asyncio.gather(*map(self._planned, self.items)), self._search()
        )
        leftovers = self._leftovers.rows
        pruned = [_pruned(one) for one in leftovers] if prune else []
        report = ApplyReport(
            results=(*planned, *pruned),
            leftovers=() if prune else leftovers,
            unsearched=self._leftovers.unsearched,
            dry_run=True,
        )
        return await self._priced(report) if priced and report.changed else report

    async def _search(self) -> None:
        if self.fleet.name is not None:
            wanted = {item.key for item in self.items}
            self._leftovers = await find_leftovers(
                self.fleet.name, self.clients, wanted, self.limit
            )

    async def _planned(self, item: FleetItem) -> Applied:
        try:
            async with self.limit:
                return item.result(await with_budget(item.preview))
        except DIError as error:
            return item.result(error=error)

    async def _priced(self, report: ApplyReport) -> ApplyReport:
        """Return the report with prices; each different spec is priced once in each place."""
        different = {item.price_key: item for item in self.items}
        found = await asyncio.gather(*map(self._price, different.values()))
        by_key = dict(zip(different, found, strict=True))
        prices = [by_key[item.price_key].price for item in self.items]
        problems = [by_key[item.price_key].problem for item in self.items]
        hourly: dict[str, Decimal] = {}
        for price in filter(None, prices):
            hourly[price.currency] = hourly.get(price.currency, Decimal(0)) + price.amount
        own, others = report.results[: len(prices)], report.results[len(prices) :]
        results = (evolve(r, hourly_price=p) for r, p in zip(own, prices, strict=True))
        return evolve(
            report,
            results=(*results, *others),
            hourly=hourly,
            unknown_price=prices.count(None),
            not_on_offer=tuple(
                f"{item.entry.name}: {problem}"
                for item, problem, one in zip(self.items, problems, own, strict=True)
                if problem is not None and one.action in ("created", "updated")
            ),
        )

    async def _price(self, item: FleetItem) -> _Price:
        try:
            async with self.limit:
                price = await with_budget(item.hourly_price)
                if price is not None:
                    return _Price(price)
                return _Price(problem=await with_budget(item.offer_problem))
        except DIError as error:
            logger.info("the price of %s could not be read: %s", item.entry.name, error)
            refused = isinstance(error, BadRequestError | UnprocessableEntityError)
            return _Price(problem=str(error) if refused else None)

    # -- the work -----------------------------------------------------------------------------

    async def carry_out(self, plan: ApplyReport) -> ApplyReport:
        """Do what the plan shows, and return what was done."""
        planned = dict(enumerate(plan.results[: len(self.items)]))
        self.results.update(
            {n: one for n, one in planned.items() if one.action in ("unchanged", "failed")}
        )
        await _run_all(
            self._ensure(number, one.hourly_price)
            for number, one in planned.items()
            if one.error is None and not (one.action == "unchanged" and one.active)
        )
        wanted = [row for row in plan.results if row.action == "deleted"]
        if wanted and all(result.error is None for result in self.results.values()):
            numbered = enumerate(wanted, len(self.items))
            await _run_all(self._delete(number, row) for number, row in numbered)
        return self.report(plan)

    def report(self, plan: ApplyReport) -> ApplyReport:
        """Return what was done so far; what has no result yet counts as failed."""
        stopped = {
            number: item.result(id=one.id, hourly_price=one.hourly_price, error=DIError(_STOPPED))
            for number, (item, one) in enumerate(zip(self.items, plan.results, strict=False))
        }
        results = tuple(result for _, result in sorted({**stopped, **self.results}.items()))
        deleted = {result.id for result in results if result.action == "deleted"}
        leftovers = tuple(row for row in self._leftovers.rows if row.id not in deleted)
        return evolve(plan, results=results, leftovers=leftovers, dry_run=False)

    def add_report(self, plan: ApplyReport, error: BaseException) -> None:
        """Add to what cut `carry_out` off what was written, and the report so far."""
        report = self.report(plan)
        results = tuple(
            one
            if one.active or one.error or one.action == "deleted"
            else evolve(one, error=DIError(_NOT_AWAITED))
            for one in report.results
        )
        written = [one for one in results if one.action in ("created", "updated")]
        if not written:
            return
        named = [f"{one.name} ({one.id}) {one.action}" for one in written[:_MAX_NAMED]]
        more = f" and {len(written) - len(named)} more" if len(written) > len(named) else ""
        error.add_note(
            f"apply was cut off; it had begun: {', '.join(named)}{more}. These deployments exist, "
            "or are being made, and bill; apply again to go on"
        )
        with suppress(AttributeError, TypeError):  # an error with slots
            error.write_result = evolve(report, results=results)  # type: ignore[attr-defined]

    async def _ensure(self, number: int, price: HourlyPrice | None) -> None:
        item = self.items[number]
        try:
            async with self.limit:
                # `finish` around `with_budget`: a cancelled call must not be repeated.
                done = await self.finish(with_budget(item.ensure))
        except DIError as error:
            self.results[number] = item.result(hourly_price=price, error=error)
            return
        # Before the next await, so that a cancellation does not lose it.
        result = item.result(done, hourly_price=price)
        self.results[number] = result
        self.on_change(done.change)
        try:
            await done.change.wait(timeout=self.timeout)
        except DIError as error:
            self.results[number] = evolve(result, error=error)
        else:
            self.results[number] = evolve(result, active=True)

    async def _delete(self, number: int, row: Applied) -> None:
        target, named = self._leftovers.found[row.id or ""]
        async with self.limit:
            error = await self.finish(delete_named(target, named, self.on_change))
        self.results[number] = row if error is None else evolve(row, action="failed", error=error)


async def _run_all(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run coroutines concurrently; raise the cancellation of one task alone, too.

    A cancellation gets the notes of all tasks: what the writes in flight may have done.
    """
    tasks: list[asyncio.Task[None]] = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks += [group.create_task(one) for one in work]
        for task in tasks:
            task.result()
    except asyncio.CancelledError as cancelled:
        ended = (notes_of(error_of(task)) for task in tasks if task.cancelled())
        for note in filter(None, ended):
            cancelled.add_note(note)
        raise


def _pruned(left: Leftover) -> Applied:
    return Applied(
        provider=left.provider, name=left.name, region=left.region, action="deleted", id=left.id
    )


def _by_provider(clients: Iterable[Client]) -> dict[str, Client]:
    clients = tuple(clients)
    counts = Counter(client.provider for client in clients)
    for provider, count in counts.items():
        if count > 1:
            raise InvalidInputError(f"apply: pass one client of {provider}, not {count}")
    return {client.provider: client for client in clients}


def _check_options(options: Mapping[str, Mapping[str, Any]]) -> None:
    """Check the shape of `options`; `ensure` checks the values."""
    for provider, more in options.items():
        if provider not in PROVIDERS:
            raise InvalidInputError(
                f"options: expected providers ({', '.join(PROVIDERS)}) as keys, not {provider!r}"
            )
        if not isinstance(more, Mapping):
            raise InvalidInputError(f"options: expected a mapping of arguments for {provider}")
        if "dry_run" in more:
            raise InvalidInputError("options: pass dry_run to apply itself, for the whole fleet")
