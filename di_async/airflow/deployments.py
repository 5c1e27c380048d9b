"""The part of a client that operators use, and what they pass on about a deployment."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from di_async.core.errors import ConflictError, DIError, InvalidInputError, NotFoundError, WaitError
from di_async.core.waiting.observation import NO_EXPECTATION, Observation, Phase
from di_async.core.waiting.resume_token import ResumeToken
from di_async.digitalocean import lifecycle as digitalocean
from di_async.digitalocean.adapter import DedicatedInferenceAdapter
from di_async.engine.client import Client
from di_async.engine.deployments.deployable import Deployable
from di_async.engine.deployments.deployable_api import DeployableApi
from di_async.engine.resource_api import ResourceApi
from di_async.engine.waiting.change import Change
from di_async.exoscale import lifecycle as exoscale
from di_async.exoscale.adapter import ZoneAdapter
from di_async.gcore import lifecycle as gcore
from di_async.gcore.adapter import InferenceAdapter

__all__ = [
    "DEFAULT_TIMEOUTS",
    "PASSED_ON",
    "api_of",
    "delete_accepted",
    "describe",
    "failure",
    "phase_of",
    "resume",
    "story",
    "zone_of",
]

PASSED_ON = ("id", "name", "endpoint", "resume_token")
"""What XCom carries of a deployment, each under its own key."""
DEFAULT_TIMEOUTS = {
    adapter.provider: adapter.default_timeout
    for adapter in (DedicatedInferenceAdapter, InferenceAdapter, ZoneAdapter)
}
"""Seconds for which a wait lasts where a user says nothing, by provider."""
_OBSERVE: Mapping[str, Any] = {
    "digitalocean": digitalocean.observe,
    "gcore": gcore.observe,
    "exoscale": exoscale.observe,
}
_LISTED_STEPS = 30
_BUSY_S = 600.0
"""Seconds to go on with a delete while another operation holds the deployment."""


def api_of(client: Client, zone: str | None = None) -> DeployableApi[Any]:
    """Return the part of a client that creates deployments.

    Args:
        client: an entered client.
        zone: of Exoscale; None for the connection's. Elsewhere the spec names the region.

    Raises:
        InvalidInputError: the provider has no zones.
    """
    provider = getattr(client, "provider", "")
    if provider == "exoscale":
        zoned: Any = client
        api: DeployableApi[Any] = (zoned.in_zone(zone) if zone else zoned).deployments
        return api
    if zone:
        raise InvalidInputError(f"zone: {provider} has none; name the region in the spec")
    name = "dedicated_inferences" if provider == "digitalocean" else "inference_deployments"
    found: DeployableApi[Any] = getattr(client, name)
    return found


def phase_of(client: Client, resource: Any) -> Phase:
    """Return what a deployment's status means, as a read shows it."""
    observe = _OBSERVE[getattr(client, "provider", "")]
    seen: Observation = observe(resource, NO_EXPECTATION)
    return seen.phase


async def delete_accepted(target: Deployable[Any], id: str) -> None:
    """Return once a delete is accepted, or nothing is left to delete.

    Raises:
        DIError: it is refused, or another operation holds the deployment for ten minutes.
    """
    engine = target.engine
    began = engine.clock.moment()
    until = began.loop + _BUSY_S
    while True:
        try:
            await target.delete(id)
        except NotFoundError:
            return
        except ConflictError:
            if engine.clock.now() >= until:
                raise
        else:
            return
        await asyncio.sleep(engine.polling.target_lag)
        if await target.is_used_again(id, began):
            return


def resume(client: Client, token: str) -> Change[Any]:
    """Return the change of a resume token of a deployment.

    Raises:
        InvalidInputError: the token is damaged, or of another account or provider.
    """
    stored = ResumeToken.decode(token)
    any_client: Any = client
    api: ResourceApi[Any]
    if stored.resource.kind == "inference-instance" and hasattr(client, "inference_instances"):
        api = any_client.inference_instances
    else:
        is_zoned = getattr(client, "provider", "") == "exoscale"
        api = api_of(client, zone_of(token) if is_zoned else None)
    return api.resume(token)


def zone_of(token: str) -> str | None:
    """Return the zone in a resume token of Exoscale; None elsewhere.

    Raises:
        InvalidInputError: the token is damaged.
    """
    stored = ResumeToken.decode(token)
    return stored.scope if stored.provider == "exoscale" else None


def describe(client: Client, change: Change[Any], name: str | None = None) -> dict[str, Any]:
    """Return what XCom carries of a deployment: no secrets.

    Args:
        client: the client of the change.
        change: of the deployment.
        name: of the deployment, where no read has shown it yet.
    """
    resource, provider = change.latest, getattr(client, "provider", "")
    try:
        endpoint = None if resource is None else resource.url
    except (InvalidInputError, AttributeError):
        endpoint = None
    if provider == "gcore":  # the name is the id
        name = change.id
    return {
        "id": change.id,
        "name": getattr(resource, "name", None) or name,
        "provider": provider,
        "zone": zone_of(change.resume_token),
        "endpoint": endpoint,
        "adopted": change.adopted,
        "resume_token": change.resume_token,
    }


def story(error: BaseException) -> list[str]:
    """Return an error as lines: what happened, and the steps that led to it."""
    lines = [f"{type(error).__name__}: {error}"]
    if isinstance(error, WaitError):
        steps = error.history
        if len(steps) > _LISTED_STEPS:
            lines.append(f"  ... {len(steps) - _LISTED_STEPS} earlier steps")
        lines += [f"  {step}" for step in steps[-_LISTED_STEPS:]]
    cause = error.__cause__
    if cause is not None and str(cause) not in str(error):
        lines.append(f"caused by {type(cause).__name__}: {cause}")
    return lines


def failure(error: BaseException, **known: Any) -> dict[str, Any]:
    """Return the event of a wait that failed, with the steps that led to it."""
    detail = error if isinstance(error, DIError) else None
    event = {
        "status": "error",
        "error": type(error).__name__,
        "message": str(error),
        "story": story(error),
        "id": getattr(detail, "id", None),
        "resume_token": getattr(detail, "resume_token", None),
        **known,
    }
    json.dumps(event)  # an event that cannot be stored would lose the story
    return event
