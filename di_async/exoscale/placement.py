"""In which zones the organisation may use a GPU family. Which GPUs are free is not shown."""

import asyncio
from collections.abc import Sequence

from di_async.core.pricing import Placement, offer_problem
from di_async.exoscale.api import ZoneRequests
from di_async.exoscale.models import InstanceType, Zone
from di_async.exoscale.spec import DeploymentSpec

__all__ = ["find_places", "unpriced_reason"]


async def find_places(
    requests: ZoneRequests, spec: DeploymentSpec
) -> list[Placement[DeploymentSpec]]:
    """Return every zone for a spec, with the reason where it cannot run there.

    A base URL of a single zone leaves the others out.
    """
    if requests.has_other_zones:
        names = [zone.name for zone in await requests.rows("zones", Zone)]
    else:
        names = [requests.zone]
    zones = [requests.in_zone(name) for name in dict.fromkeys(names)]
    offers = await asyncio.gather(*(zone.rows("instance_types", InstanceType) for zone in zones))
    return [
        Placement(zone.zone, spec.gpu_type, spec, reason=_reason(spec.gpu_type, offered))
        for zone, offered in zip(zones, offers, strict=True)
    ]


async def unpriced_reason(requests: ZoneRequests, spec: DeploymentSpec) -> str | None:
    """Return why a spec cannot be priced, apart from the API, which shows no prices."""
    families = [one.family for one in await requests.rows("instance_types", InstanceType)]
    offers = {requests.zone: families}
    return offer_problem(offers, requests.zone, spec.gpu_type, place="zone", noun="GPU family")


def _reason(family: str, offered: Sequence[InstanceType]) -> str | None:
    authorized = {one.family: one.authorized for one in offered}.get(family)
    if authorized is None:
        return f"the zone has no {family}"
    return None if authorized else f"the organisation is not authorised to use {family}"
