"""What a v3 deployment costs, whether the account's quota allows it, and where there is room.

https://gcore.com/docs/api-reference/cloud/everywhere-inference (pricing, check_limits, capacity)
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from di_async.core.errors import ClientClosedError, DIError
from di_async.core.pricing import HourlyPrice, Placement, offer_problem
from di_async.core.responses import resource_body
from di_async.engine.concurrency import both
from di_async.engine.engine import Engine
from di_async.engine.log import Log
from di_async.gcore.account import project_of, read_capacity
from di_async.gcore.api import ACCOUNT, DEPLOYMENTS
from di_async.gcore.models import CODEC, DeploymentPrice, QuotaUse

__all__ = [
    "check_limits",
    "find_places",
    "known_price",
    "read_price",
    "read_replica_price",
    "unpriced_reason",
]

logger = Log("di_async")

Json = dict[str, Any]
_QUOTA_PARTS = ("limit", "usage", "requested")


async def read_price(engine: Engine, fields: Mapping[str, Any]) -> HourlyPrice | None:
    """Return the price of a deployment at its maximum scale; None if Gcore shows none."""
    containers = [
        {"region_id": container["region_id"], "scale": {"max": container["scale"]["max"]}}
        for container in fields["containers"]
    ]
    return await _preview_price(engine, fields["flavor_name"], containers)


async def unpriced_reason(engine: Engine, fields: Mapping[str, Any]) -> str | None:
    """Return why a deployment has no price; None if its regions list its flavor."""
    rows = await engine.json(ACCOUNT["capacity"].request(), read_capacity)
    offers = {str(row.region_id): [one.flavor_name for one in row.capacity] for row in rows}
    flavor = fields["flavor_name"]
    regions = (str(container["region_id"]) for container in fields["containers"])
    found = (offer_problem(offers, region, flavor, noun="flavor") for region in regions)
    return next(filter(None, found), None)


async def read_replica_price(engine: Engine, flavor: str, region: int) -> HourlyPrice | None:
    """Return the price of one replica in a region; None if Gcore shows none."""
    return await _preview_price(engine, flavor, [{"region_id": region, "scale": {"max": 1}}])


async def _preview_price(engine: Engine, flavor: str, containers: list[Json]) -> HourlyPrice | None:
    request = ACCOUNT["price"].request(json={"flavor_name": flavor, "containers": containers})

    def read(body: Any) -> DeploymentPrice:
        return CODEC.structure(resource_body(body), DeploymentPrice)

    found = await engine.json(request, read)
    hidden = found.price_status not in (None, "show")
    if hidden or found.price_per_hour is None or not found.currency_code:
        return None
    return HourlyPrice(found.price_per_hour, found.currency_code)


async def check_limits(
    engine: Engine, project: str | None, fields: Mapping[str, Any]
) -> dict[str, QuotaUse]:
    """Return each quota of the account with what this deployment would add to it."""
    body = {name: fields[name] for name in ("flavor_name", "containers")}
    request = DEPLOYMENTS["check_limits"].request(project_of(project), json=body)
    answer = await engine.json(request, resource_body)
    found: dict[str, dict[str, Any]] = {}
    for key, value in answer.items():
        quota, _, part = key.rpartition("_")
        if part in _QUOTA_PARTS and value is not None:
            found.setdefault(quota, {})[part] = value
    complete = {quota: parts for quota, parts in found.items() if len(parts) == len(_QUOTA_PARTS)}
    return {quota: CODEC.structure(parts, QuotaUse) for quota, parts in complete.items()}


async def find_places(
    engine: Engine, project: str | None, fields: Mapping[str, Any]
) -> list[Placement[Json]]:
    """Return every region for the spec's flavor: its room, its price, and what speaks against it.

    The spec's containers are moved to that region as one container of the first one's scale. A
    price that cannot be read is not known, so that it does not hide the other regions.
    """
    flavor = fields["flavor_name"]
    regions, limits = await both(
        partial(engine.json, ACCOUNT["capacity"].request(), read_capacity),
        partial(check_limits, engine, project, fields),
    )
    over = [quota for quota, use in limits.items() if use.exceeded]
    places = []
    for region in regions:
        free = {row.flavor_name: row.capacity for row in region.capacity}.get(flavor, 0)
        container = {**fields["containers"][0], "region_id": region.region_id}
        moved = {**fields, "containers": [container]}
        needed = max(1, *(container["scale"]["min"] for container in fields["containers"]))
        reason = f"the account's quota is used up: {', '.join(over)}" if over else None
        if free < needed:
            reason = f"room for {free} of {needed} replicas of {flavor}"
        price = await known_price(engine, moved) if reason is None else None
        places.append(Placement(str(region.region_id), flavor, moved, price, free, reason))
    return places


async def known_price(engine: Engine, fields: Mapping[str, Any]) -> HourlyPrice | None:
    """Return the price of a deployment in one region; None, with a warning, if it is not known."""
    try:
        return await read_price(engine, fields)
    except ClientClosedError:
        raise
    except DIError as error:
        region = fields["containers"][0]["region_id"]
        logger.warning("the price in region %s could not be read: %s", region, error)
        return None
