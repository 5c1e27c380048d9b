"""Which requests the vendor takes, as far as is known.

Rules of this file: from raw JSON to values, or a `Refusal` 400 that points at the field. Unknown
fields are ignored.
"""

import re

from attrs import frozen

from di_async.emulator.cloud.http import Refusal, parse_object

from .catalog import ENGINE_VERSION

_VERSION = re.compile(r"\d+\.\d+\.\d+")


@frozen
class AskedDeployment:
    """The body of a create request."""

    name: str
    model_id: str | None
    model_name: str | None
    gpu_type: str
    gpu_count: int
    replicas: int
    version: str
    parameters: tuple[str, ...]


@frozen
class AskedUpdate:
    """The body of an update request; None was left out."""

    name: str | None
    version: str | None
    parameters: tuple[str, ...] | None


@frozen
class AskedModel:
    """The body of a model's create request."""

    name: str
    has_token: bool


def parse_deployment(raw: bytes) -> AskedDeployment:
    """A create request's body, all of its required fields there."""
    body = parse_object(raw)
    name = _text(body, "name")
    model = body.get("model")
    if not isinstance(model, dict) or not (model.get("id") or model.get("name")):
        raise wrong("model", "needs an id or a name")
    return AskedDeployment(
        name=name,
        model_id=_text(model, "id") if model.get("id") else None,
        model_name=_text(model, "name") if model.get("name") else None,
        gpu_type=_text(body, "gpu-type"),
        gpu_count=_whole(body, "gpu-count", 1, 8),
        replicas=_whole(body, "replicas", 1),
        version=_version(body) or ENGINE_VERSION,
        parameters=_parameters(body) or (),
    )


def parse_update(raw: bytes) -> AskedUpdate:
    """An update request's body; an empty list of parameters is not the same as none."""
    body = parse_object(raw)
    name = _text(body, "name") if "name" in body else None
    return AskedUpdate(name, _version(body), _parameters(body))


def parse_replicas(raw: bytes) -> int:
    """A scale request's body; 0 is a number of replicas."""
    return _whole(parse_object(raw), "replicas", 0)


def parse_model(raw: bytes) -> AskedModel:
    """A model's create request's body."""
    body = parse_object(raw)
    return AskedModel(_text(body, "name"), bool(body.get("huggingface-token")))


def parse_tail(query: dict[str, str]) -> int | None:
    """How many of the last log lines."""
    tail = query.get("tail")
    if tail is None:
        return None
    if not tail.isdecimal():
        raise wrong("tail", "must be a whole number", location="query")
    return int(tail)


def parse_visibility(query: dict[str, str]) -> str | None:
    """Which deployments to list."""
    asked = query.get("visibility")
    if asked not in (None, "private", "public"):
        raise wrong("visibility", "must be private or public", location="query")
    return asked


def wrong(field: str, why: str, location: str = "body") -> Refusal:
    """A 400 that points at a field."""
    pointer = {"pointer": f"/{field}"} if location == "body" else {}
    entry = {"path": field, "detail": why, "location": location, **pointer}
    return Refusal(400, f"{field} {why}", errors=[entry])


def _text(body: dict[str, object], field: str) -> str:
    value = body.get(field)
    if not isinstance(value, str) or not value:
        raise wrong(field, "must be a text of at least one character")
    return value


def _whole(body: dict[str, object], field: str, least: int, most: int | None = None) -> int:
    value = body.get(field)
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong(field, "must be a whole number")
    if value < least or (most is not None and value > most):
        raise wrong(field, f"must be at least {least}" + (f" and at most {most}" if most else ""))
    return value


def _version(body: dict[str, object]) -> str | None:
    # The vendor adds versions every fortnight, so any that looks like one will do.
    if "inference-engine-version" not in body:
        return None
    version = _text(body, "inference-engine-version")
    if not _VERSION.fullmatch(version):
        raise wrong("inference-engine-version", "is not a known version")
    return version


def _parameters(body: dict[str, object]) -> tuple[str, ...] | None:
    if "inference-engine-parameters" not in body:
        return None
    given = body["inference-engine-parameters"]
    if not isinstance(given, list):
        raise wrong("inference-engine-parameters", "must be a list of texts")
    texts = tuple(item for item in given if isinstance(item, str))
    if len(texts) != len(given):
        raise wrong("inference-engine-parameters", "must be a list of texts")
    return texts
