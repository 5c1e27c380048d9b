"""Exoscale's resources, operations and errors as JSON: kebab-case, not wrapped.

The dialect decides what is shown for unknown values: the published schema has strings and numbers
everywhere (`documented`), earlier pages had nulls (`observed`).
"""

from http import HTTPStatus

from di_async.emulator.cloud.http import ApiError, Json, Response, json_response
from di_async.emulator.cloud.simulation import Settings, timestamp_text

from .catalog import ORGANISATION, SERVICE_LEVEL
from .store import ApiKey, Deployment, Model, Operation


def operation(operation: Operation, now: float) -> Json:
    """Return an operation without its empty fields."""
    state = operation.state(now)
    fields: Json = {"id": operation.id, "state": state}
    if state in ("failure", "timeout"):
        details = {"reason": operation.reason, "message": operation.message}
        fields |= {name: value for name, value in details.items() if value}
    if operation.referenced:
        fields["reference"] = {
            "id": operation.target,
            "link": operation.link,
            "command": operation.command,
        }
    return fields


def model(settings: Settings, model: Model) -> Json:
    """Return a model; its size is known once it is downloaded."""
    unknown = 0 if settings.dialect == "documented" else None
    return {
        "id": model.id,
        "name": model.name,
        "state": model.state,
        "model-size": model.size if model.state == "ready" else unknown,
        "created-at": timestamp_text(model.created),
        "updated-at": timestamp_text(model.updated),
    }


def row(settings: Settings, deployment: Deployment) -> Json:
    """Return a row of a list; the vendor's own deployments have only the required fields."""
    url: str | None = settings.dataplane_url
    if not deployment.reachable:
        url = "" if settings.dialect == "documented" else None
    elif not url:
        url = f"https://{deployment.id}.inference.{deployment.zone}.exoscale-cloud.com"
    fields: Json = {
        "name": deployment.name,
        "state": deployment.state,
        "deployment-url": url,
        "model": {"id": deployment.model_id, "name": deployment.model_name},
        "visibility": deployment.visibility,
    }
    if deployment.visibility == "public":
        return fields
    return fields | {
        "id": deployment.id,
        "gpu-type": deployment.gpu_type,
        "gpu-count": deployment.gpu_count,
        "replicas": deployment.replicas,
        "service-level": SERVICE_LEVEL,
        "created-at": timestamp_text(deployment.created),
        "updated-at": timestamp_text(deployment.updated),
    }


def deployment(settings: Settings, deployment: Deployment) -> Json:
    """Return a whole deployment: the row, and the fields that rows lack."""
    details = deployment.state_details
    return {
        **row(settings, deployment),
        "id": deployment.id,
        **({"state-details": details} if details else {}),
        "inference-engine-version": deployment.version,
        "inference-engine-parameters": list(deployment.parameters),
    }


def api_key(key: ApiKey, *, value: bool = False) -> Json:
    """Return an AI API key; its value is shown by its create alone."""
    fields: Json = {
        "id": key.id,
        "name": key.name,
        "scope": key.scope,
        "org-uuid": ORGANISATION,
        "created-at": timestamp_text(key.created),
        "updated-at": timestamp_text(key.created),
    }
    return fields | ({"value": key.value} if value else {})


def old_names(fields: Json) -> Json:
    """Return the fields named as before February 2026: `status` for `state`."""
    old = {"state": "status", "state-details": "status-details"}
    return {old.get(name, name): value for name, value in fields.items()}


def error_response(settings: Settings, error: ApiError) -> Response:
    """Return an error as RFC 9457 fields or, if `observed`, in an older format still in use."""
    status = error.status
    if "body" in error.details:
        return json_response(status, error.details["body"])
    details = {key: value for key, value in error.details.items() if key != "authentication"}
    if settings.dialect == "observed":
        if details != error.details:
            return json_response(status, {"message": error.message})
        if status == 403:
            return json_response(status, {"code": "forbidden_operation", "error": error.message})
        if status == 429 or status >= 500:
            return json_response(status, {"error": error.message})
    try:
        title = HTTPStatus(status).phrase
    except ValueError:
        title = "Error"
    fields = {"type": "about:blank", "title": title, "status": status, "detail": error.message}
    return json_response(status, fields | details)
