"""Validation of Exoscale's requests, as far as the rules are known.

An error is a 400 that points at the field. Unknown fields are ignored.
"""

import re

from attrs import frozen

from di_async.emulator.cloud.http import ApiError, Json, parse_json_object, parse_whole_number

_KEY_NAME = re.compile(r"(?=.{1,50}$)[A-Za-z0-9](?:[A-Za-z0-9 _'()-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"\d+\.\d+\.\d+")


@frozen
class DeploymentRequest:
    """The body of a create request."""

    name: str
    model_id: str | None
    model_name: str | None
    gpu_type: str
    gpu_count: int
    replicas: int
    version: str
    parameters: tuple[str, ...]


def parse_deployment(raw: bytes, engine_version: str) -> DeploymentRequest:
    """Parse the body of a create request; `engine_version` is the default."""
    body = parse_json_object(raw)
    name = _text(body, "name")
    model = body.get("model")
    if not isinstance(model, dict) or not (model.get("id") or model.get("name")):
        raise invalid("model", "needs an id or a name")
    return DeploymentRequest(
        name=name,
        model_id=_text(model, "id") if model.get("id") else None,
        model_name=_text(model, "name") if model.get("name") else None,
        gpu_type=_text(body, "gpu-type"),
        gpu_count=_integer(body, "gpu-count", 1, 8),
        replicas=_integer(body, "replicas", 1),
        version=_version(body) or engine_version,
        parameters=_parameters(body) or (),
    )


def parse_update(raw: bytes) -> dict[str, object]:
    """Parse the body of an update request into the changed fields."""
    body = parse_json_object(raw)
    changes = {
        "name": _text(body, "name") if "name" in body else None,
        "version": _version(body),
        "parameters": _parameters(body),
    }
    return {name: value for name, value in changes.items() if value is not None}


def parse_replicas(raw: bytes) -> int:
    """Parse the body of a scale request; 0 replicas are allowed."""
    return _integer(parse_json_object(raw), "replicas", 0)


def parse_model(raw: bytes) -> tuple[str, bool]:
    """Parse the body of a model's create request: its name, and whether it has a token."""
    body = parse_json_object(raw)
    return _text(body, "name"), bool(body.get("huggingface-token"))


def parse_api_key(raw: bytes) -> tuple[str, str]:
    """Parse the body of a key's create request: its name and its scope."""
    body = parse_json_object(raw)
    name = _text(body, "name")
    if not _KEY_NAME.fullmatch(name):
        raise invalid("name", "must be 1 to 50 letters, digits, spaces or _'()-")
    return name, _text(body, "scope")


def parse_tail(query: dict[str, str]) -> int | None:
    """Return how many of the last log lines are requested."""
    text = query.get("tail")
    if text is None:
        return None
    tail = parse_whole_number(text)
    if tail is None or tail < 0:
        raise invalid("tail", "must be a whole number", location="query")
    return tail


def parse_visibility(query: dict[str, str]) -> str | None:
    """Return which deployments to list."""
    visibility = query.get("visibility")
    if visibility not in (None, "private", "public"):
        raise invalid("visibility", "must be private or public", location="query")
    return visibility


def invalid(field: str, problem: str, location: str = "body") -> ApiError:
    """Return a 400 that points at a field."""
    pointer = {"pointer": f"/{field}"} if location == "body" else {}
    entry = {"path": field, "detail": problem, "location": location, **pointer}
    return ApiError(400, f"{field} {problem}", errors=[entry])


def _text(body: Json, field: str) -> str:
    value = body.get(field)
    if not isinstance(value, str) or not value:
        raise invalid(field, "must be a text of at least one character")
    return value


def _integer(body: Json, field: str, minimum: int, maximum: int | None = None) -> int:
    value = body.get(field)
    if not isinstance(value, int) or isinstance(value, bool):
        raise invalid(field, "must be a whole number")
    if value < minimum or (maximum is not None and value > maximum):
        upper = f" and at most {maximum}" if maximum else ""
        raise invalid(field, f"must be at least {minimum}{upper}")
    return value


def _version(body: Json) -> str | None:
    # The vendor adds versions every fortnight, so anything that looks like one is accepted.
    if "inference-engine-version" not in body:
        return None
    version = _text(body, "inference-engine-version")
    if not _VERSION.fullmatch(version):
        raise invalid("inference-engine-version", "is not a known version")
    return version


def _parameters(body: Json) -> tuple[str, ...] | None:
    if "inference-engine-parameters" not in body:
        return None
    values = body["inference-engine-parameters"]
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise invalid("inference-engine-parameters", "must be a list of texts")
    return tuple(values)
