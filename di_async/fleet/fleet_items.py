"""The deployments of a fleet, each with its checked spec and the client that it belongs to."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen

from di_async.core.errors import InvalidInputError
from di_async.core.pricing import HourlyPrice
from di_async.core.redaction import masked
from di_async.engine.client import Client
from di_async.engine.deployments.deployable import Deployable
from di_async.engine.writes.ensure import Ensured
from di_async.fleet.apply_report import Applied
from di_async.fleet.fleet_file import Fleet, FleetEntry
from di_async.fleet.leftovers import Key

__all__ = ["FleetItem", "fleet_items"]


@frozen
class FleetItem:
    """A deployment of the fleet, and where it belongs."""

    entry: FleetEntry
    target: Deployable[Any] = field(repr=False)
    spec: Mapping[str, Any] = field(repr=masked)
    options: Mapping[str, Any] = field(repr=masked)

    @property
    def key(self) -> Key:
        """Return what identifies it."""
        return self.entry.provider, self.target.zone, self.entry.name

    @property
    def price_key(self) -> str:
        """Return place and spec as text, without what price and offer do not depend on."""
        fields = {key: value for key, value in self.spec.items() if key != "name"}
        place = self.entry.provider, self.target.zone
        return json.dumps([place, fields], sort_keys=True, default=str)

    # The spec and the options may hold secrets, so no variable holds them: tracebacks may show
    # variables.

    async def ensure(self) -> Ensured[Any]:
        """Create, update, or do nothing."""
        return await self.target.ensure(self.spec, **self.options)

    async def preview(self) -> Ensured[Any]:
        """Return what `ensure` would do."""
        return await self.target.ensure(self.spec, **{**self.options, "dry_run": True})

    async def hourly_price(self) -> HourlyPrice | None:
        """Return its price, if that is known."""
        return await self.target.hourly_price(self.target.complete(self.spec))

    async def offer_problem(self) -> str | None:
        """Return why it has no price."""
        return await self.target.offer_problem(self.target.complete(self.spec))

    def result(self, done: Ensured[Any] | None = None, **more: Any) -> Applied:
        """Return what was done for it."""
        found: dict[str, Any] = {"action": "failed"}
        if done is not None:
            found = {
                "action": done.action,
                "id": done.id,
                "diff": done.diff,
                "duplicates": done.duplicates,
                "active": done.active,
                "access_token": done.change and done.change.access_token,
            }
        entry = self.entry
        region = entry.region or self.target.zone or _text(self.spec.get("region"))
        return Applied(provider=entry.provider, name=entry.name, region=region, **{**found, **more})


def fleet_items(
    fleet: Fleet, clients: Mapping[str, Client], options: Mapping[str, Mapping[str, Any]]
) -> tuple[FleetItem, ...]:
    """Return the deployments of a fleet, each with a checked spec."""
    missing = [provider for provider in fleet.providers if provider not in clients]
    if missing:
        raise InvalidInputError(f"apply: {fleet.source} needs a client of {', '.join(missing)}")
    items: list[FleetItem] = []
    problems: list[str] = []
    for entry in fleet.entries:
        try:
            items.append(_item(entry, clients[entry.provider], options[entry.provider]))
        except InvalidInputError as error:
            faults: Sequence[str] = error.problems or (str(error),)
            problems += [f"{fleet.source}: {entry.place}: {fault}" for fault in faults]
    for key, times in Counter(item.key for item in items).items():
        if times > 1:
            problems.append(f"{fleet.source}: {times} of {key[0]} {key[1]} are named {key[2]!r}")
    if problems:
        raise InvalidInputError("; ".join(problems), problems=tuple(problems))
    return tuple(items)


def _item(entry: FleetEntry, client: Client, options: Mapping[str, Any]) -> FleetItem:
    target = client.deployable(entry.region if entry.provider == "exoscale" else None)
    spec = entry.spec if entry.region is None else target.placed(entry.spec, entry.region)
    target.complete(spec)
    if len(entry.name) > target.longest_name:
        raise InvalidInputError(
            f"name: {entry.name!r} has {len(entry.name)} characters; {entry.provider} takes "
            f"{target.longest_name}"
        )
    more = {"open_to_world": True} if entry.open_to_world else {}
    return FleetItem(entry, target, spec, {**options, **more})


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
