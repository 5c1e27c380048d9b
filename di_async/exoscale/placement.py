"""In which zones the organisation may use a GPU family. Which GPUs are free is not shown.

A zone that cannot be read does not hide the others.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from di_async.core.errors import ClientClosedError, DIError, with_message
from di_async.core.pricing import Placement, offer_problem
from di_async.engine.log import Log
from di_async.exoscale.models import InstanceType, Model, Zone
from di_async.exoscale.spec import DeploymentSpec
from di_async.exoscale.zone_requests import ZoneRequests

__all__ = ["find_places", "not_authorized", "places_with_model", "read_zones", "unpriced_reason"]

logger = Log("di_async")

T = TypeVar("T")


async def find_places(
    requests: ZoneRequests, spec: DeploymentSpec
) -> list[Placement[DeploymentSpec]]:
    """Return every zone for a spec, with the reason where it cannot run or cannot be read.

    A base URL of a single zone leaves the others out.
    """

    async def reason_in(zone: str) -> str | None:
        return _reason(spec.gpu_type, await _offered_in(requests, zone))

    reasons, failures = await read_zones(await _zones(requests), reason_in)
    unread = {zone: f"the zone could not be read: {error}" for zone, error in failures.items()}
    found = {**reasons, **unread}
    return [Placement(zone, spec.gpu_type, spec, reason=found[zone]) for zone in found]


async def places_with_model(
    requests: ZoneRequests, spec: DeploymentSpec
) -> list[Placement[DeploymentSpec]]:
    """Return the zones with the spec's GPU family where its model is ready, and its own zone.

    A create in its own zone shows the API's error if the model is not ready there. A zone that
    could not be read is returned with the reason.
    """
    wanted = spec.to_dict()["model"]

    async def may_run_in(zone: str) -> bool:
        if _reason(spec.gpu_type, await _offered_in(requests, zone)) is not None:
            return False
        if zone == requests.zone:
            return True
        models = await requests.in_zone(zone).rows("list_models", Model)
        return any(_is_ready(model, wanted) for model in models)

    found, failures = await read_zones(await _zones(requests), may_run_in)
    reasons = {zone: None for zone, may_run in found.items() if may_run}
    unread = {zone: str(error) for zone, error in failures.items()}
    return [
        Placement(zone, spec.gpu_type, spec, reason=reason)
        for zone, reason in {**reasons, **unread}.items()
    ]


async def _zones(requests: ZoneRequests) -> list[str]:
    if not requests.has_other_zones:
        return [requests.zone]
    return [zone.name for zone in await requests.rows("zones", Zone)]


async def _offered_in(requests: ZoneRequests, zone: str) -> list[InstanceType]:
    return await requests.in_zone(zone).rows("instance_types", InstanceType)


async def read_zones(
    zones: Sequence[str], read: Callable[[str], Awaitable[T]]
) -> tuple[dict[str, T], dict[str, DIError]]:
    """Return what `read` returns in each zone, and why others could not be read, with a warning.

    Raises:
        DIError: None of them could be read; of the first one, with the reasons of all.
    """
    found, failures = dict[str, T](), dict[str, DIError]()

    async def read_one(zone: str) -> None:
        try:
            found[zone] = await read(zone)
        except ClientClosedError:
            raise
        except DIError as error:
            failures[zone] = error

    names = list(dict.fromkeys(zones))
    await asyncio.gather(*map(read_one, names))
    if failures and not found:
        raise _no_zone(failures)
    for zone, error in failures.items():
        logger.warning("zone %s could not be read, and is left out: %s", zone, error)
    return {zone: found[zone] for zone in names if zone in found}, failures


def _no_zone(failures: Mapping[str, DIError]) -> DIError:
    first, *others = failures.values()
    reasons = "; ".join(f"{zone}: {error}" for zone, error in failures.items())
    return with_message(first, f"no zone could be read: {reasons}") if others else first


def _is_ready(model: Model, wanted: Mapping[str, str]) -> bool:
    """Return whether a model is the one that a spec names by its id or its name, and ready."""
    named = model.id == wanted["id"] if "id" in wanted else model.name == wanted["name"]
    return named and model.state == "ready"


async def unpriced_reason(requests: ZoneRequests, spec: DeploymentSpec) -> str | None:
    """Return why a spec cannot be priced, apart from the API, which shows no prices."""
    families = [one.family for one in await requests.rows("instance_types", InstanceType)]
    offers = {requests.zone: families}
    return offer_problem(offers, requests.zone, spec.gpu_type, place="zone", noun="GPU family")


def _reason(family: str, offered: Sequence[InstanceType]) -> str | None:
    authorized = {one.family: one.authorized for one in offered}.get(family)
    if authorized is None:
        return f"the zone has no {family}"
    return None if authorized else not_authorized(family)


def not_authorized(family: str) -> str:
    """Return why a family that the zone shows cannot be used there."""
    return f"{family} is not authorised in the zone (the API bases this on available servers)"
