"""Models, deployments and operations on the wire: kebab-case, bare objects.

Rules of this file: values in, JSON out. The dialect decides what is not known yet: the published
schema wants texts and numbers everywhere (`documented`), earlier pages had nulls (`observed`).
"""

from datetime import UTC, datetime

from di_async.emulator.cloud.settings import Settings
from di_async.emulator.exoscale.records import Deployment, Model, Operation

from .catalog import SERVICE_LEVEL

Json = dict[str, object]


def operation(shown: Operation, now: float) -> Json:
    """An operation; what there is nothing to say about is missing."""
    fields: Json = {"id": shown.id, "state": shown.state(now)}
    if shown.state(now) in ("failure", "timeout"):
        told = {"reason": shown.reason, "message": shown.message}
        fields |= {name: value for name, value in told.items() if value}
    if shown.referenced:
        fields["reference"] = {"id": shown.target, "link": shown.link, "command": shown.command}
    return fields


def model(settings: Settings, shown: Model) -> Json:
    """A model."""
    # Known once the weights are here.
    unknown = 0 if settings.dialect == "documented" else None
    return {
        "id": shown.id,
        "name": shown.name,
        "state": shown.state,
        "model-size": shown.size if shown.state == "ready" else unknown,
        "created-at": stamp(shown.created),
        "updated-at": stamp(shown.updated),
    }


def row(settings: Settings, shown: Deployment) -> Json:
    """A deployment in a list; of the vendor's own ones only the required fields are told."""
    fields: Json = {
        "name": shown.name,
        "state": shown.state,
        "deployment-url": _url(settings, shown),
        "model": {"id": shown.model_id, "name": shown.model_name},
        "visibility": shown.visibility,
    }
    if shown.visibility == "public":
        return fields
    return fields | {
        "id": shown.id,
        "gpu-type": shown.gpu_type,
        "gpu-count": shown.gpu_count,
        "replicas": shown.replicas,
        "service-level": SERVICE_LEVEL,
        "created-at": stamp(shown.created),
        "updated-at": stamp(shown.updated),
    }


def deployment(settings: Settings, shown: Deployment) -> Json:
    """A deployment as GET tells it: the row and what rows lack."""
    details: Json = {"state-details": shown.state_details} if shown.state_details else {}
    return {
        **row(settings, shown),
        "id": shown.id,
        **details,
        "inference-engine-version": shown.version,
        "inference-engine-parameters": list(shown.parameters),
    }


def old_names(fields: Json) -> Json:
    """As before February 2026: `status` for `state`."""
    old = {"state": "status", "state-details": "status-details"}
    return {old.get(name, name): value for name, value in fields.items()}


def stamp(at: float) -> str:
    """A moment, as JSON has it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _url(settings: Settings, shown: Deployment) -> str | None:
    if not shown.reachable:
        return "" if settings.dialect == "documented" else None
    return settings.dataplane_url or f"https://{shown.id}.inference.{shown.zone}.exoscale-cloud.com"
