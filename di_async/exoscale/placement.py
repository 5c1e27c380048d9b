"""In which zones the organisation may use a GPU family. Which GPUs are free is not shown."""

import asyncio
from collections.abc import Mapping, Sequence

from di_async.core.pricing import Placement, offer_problem
from di_async.exoscale.api import ZoneRequests
from di_async.exoscale.models import InstanceType, Model, Zone
from di_async.exoscale.spec import DeploymentSpec

__all__ = ["find_places", "places_with_model", "unpriced_reason"]


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


async def places_with_model(
    requests: ZoneRequests, spec: DeploymentSpec
) -> list[Placement[DeploymentSpec]]:
    """Return the zones with the spec's GPU family where its model is ready, and its own zone.

    A create in its own zone shows the API's error if the model is not ready there.
    """
    places = [place for place in await find_places(requests, spec) if place.reason is None]
    others = [place for place in places if place.region != requests.zone]
    zones = [requests.in_zone(place.region) for place in others]
    models = await asyncio.gather(*(zone.rows("list_models", Model) for zone in zones))
    wanted = spec.to_dict()["model"]
    lacking = [
        place
        for place, found in zip(others, models, strict=True)
        if not any(_is_ready(model, wanted) for model in found)
    ]
    return [place for place in places if place not in lacking]


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
    return None if authorized else f"the organisation is not authorised to use {family}"
