"""Validation of DigitalOcean's requests, as far as the rules are known.

What is malformed or missing is 400 (the vendor's CLI fixtures say "name is required"); what is
understood but impossible is 422. Unknown fields are ignored: each dialect sends some that the other
does not have.
"""

import re
import uuid
from typing import TypeVar

from attrs import frozen

from di_async.emulator.cloud.http import ApiError, Json, parse_whole_number

from .catalog import REGIONS, SIZES_BY_SLUG, ModelCatalog, OfferedModel
from .store import Accelerator, Model

NAME = re.compile(r"[a-zA-Z0-9_-]{1,255}")
_TYPES = {str: "a string", int: "an integer", bool: "a boolean", dict: "an object", list: "a list"}
_MODEL = "model_deployments[]."
_ACCELERATOR = "accelerators[]."

T = TypeVar("T")


@frozen
class SpecRequest:
    """The spec of a create or update request."""

    version: int
    name: str
    region: str
    vpc_uuid: str | None
    public: bool
    models: tuple[Model, ...]


def parse_secrets(body: Json) -> bool:
    """Return whether a Hugging Face token was sent, under either dialect's key."""
    secrets: Json = {}
    for key in ("access_tokens", "secrets"):
        secrets |= _optional(body, key, dict, "") or {}
    for name, value in secrets.items():
        _typed(value, str, name)
    return bool(secrets.get("hugging_face_token"))


def parse_name(body: Json) -> str:
    """Return the required name of an instance or a token."""
    name = _required(body, "name", str, "")
    if not name:
        raise ApiError(400, "name is required")
    if not NAME.fullmatch(name):
        raise ApiError(422, "name must be 1 to 255 characters of a-z, A-Z, 0-9, _ and -")
    return name


def parse_spec(
    raw: Json, catalog: ModelCatalog, known: tuple[Model, ...] = (), home: str | None = None
) -> SpecRequest:
    """Return the spec; an update passes the `known` models, referred to by id, and its region."""
    name = parse_name(raw)
    region = _required(raw, "region", str, "spec.")
    if region not in (*REGIONS, home):
        raise ApiError(422, f"region {region!r} is not one of {', '.join(REGIONS)}")
    deployments = _required(raw, "model_deployments", list, "spec.")
    if not deployments:
        raise ApiError(422, "spec.model_deployments must have at least one model deployment")
    return SpecRequest(
        version=_at_least(_required(raw, "version", int, "spec."), 0, "spec.version"),
        name=name,
        region=region,
        vpc_uuid=_vpc(raw),
        public=_required(raw, "enable_public_endpoint", bool, "spec."),
        models=tuple(_model(item, region, known, catalog) for item in deployments),
    )


def parse_page(query: dict[str, str]) -> tuple[int, int]:
    """Return the page number and its size: page >= 1, per_page 1 to 200."""
    page = _integer(query.get("page") or "1", "page")
    per_page = _integer(query.get("per_page") or "20", "per_page")
    if page < 1 or not 1 <= per_page <= 200:
        raise ApiError(400, "page must be at least 1 and per_page between 1 and 200")
    return page, per_page


def _vpc(raw: Json) -> str | None:
    vpc = _optional(raw, "vpc", dict, "spec.")
    if vpc is None:
        return None
    value = _required(vpc, "uuid", str, "spec.vpc.")
    try:
        return str(uuid.UUID(value))
    except ValueError:
        raise ApiError(422, f"spec.vpc.uuid {value!r} is not a UUID") from None


def _model(raw: object, region: str, known: tuple[Model, ...], catalog: ModelCatalog) -> Model:
    item = _typed(raw, dict, "spec.model_deployments[]")
    _optional(item, "workload_config", dict, _MODEL)
    old = _known_model(item, known)
    slug = _optional(item, "model_slug", str, _MODEL) or (old and old.slug)
    if not slug:
        raise ApiError(400, "model_deployments[].model_slug is required")
    provider = _optional(item, "model_provider", str, _MODEL)
    provider_model = _optional(item, "provider_model_id", str, _MODEL)
    offered = catalog.find(slug)
    if offered is None:
        raise ApiError(422, f"model_slug {slug!r} is not supported; see gpu-model-config")
    return Model(
        slug=slug,
        provider=provider or (old.provider if old else "hugging_face"),
        accelerators=_accelerators(item, offered, region, old),
        model_id=old.model_id if old else "",
        provider_model_id=provider_model or slug,
    )


def _known_model(item: Json, known: tuple[Model, ...]) -> Model | None:
    model_id = _optional(item, "model_id", str, _MODEL)
    if not model_id:
        return None
    for model in known:
        if model.model_id == model_id:
            return model
    raise ApiError(422, f"model_id {model_id!r} is not a model deployment of this instance")


def _accelerators(
    item: Json, offered: OfferedModel, region: str, old: Model | None
) -> tuple[Accelerator, ...]:
    raw = _optional(item, "accelerators", list, _MODEL)
    if not raw and old:
        return old.accelerators
    if not raw:
        raise ApiError(422, "model_deployments[].accelerators must have at least one accelerator")
    return tuple(_accelerator(entry, offered, region) for entry in raw)


def _accelerator(raw: object, offered: OfferedModel, region: str) -> Accelerator:
    entry = _typed(raw, dict, _ACCELERATOR)
    gpu = _required(entry, "accelerator_slug", str, _ACCELERATOR)
    size = SIZES_BY_SLUG.get(gpu)
    if size is None or region not in size.regions:
        raise ApiError(422, f"accelerator_slug {gpu!r} is not available in {region}")
    if gpu not in offered.gpu_slugs:
        raise ApiError(422, f"model {offered.slug!r} does not run on {gpu!r}")
    return Accelerator(
        slug=gpu,
        type=_required(entry, "type", str, _ACCELERATOR),
        scale=_at_least(_required(entry, "scale", int, _ACCELERATOR), 1, f"{_ACCELERATOR}scale"),
    )


def _required(raw: Json, key: str, kind: type[T], where: str) -> T:
    if raw.get(key) is None:
        raise ApiError(400, f"{where}{key} is required")
    return _typed(raw[key], kind, where + key)


def _optional(raw: Json, key: str, kind: type[T], where: str) -> T | None:
    value = raw.get(key)
    return None if value is None else _typed(value, kind, where + key)


def _typed(value: object, kind: type[T], where: str) -> T:
    # JSON true is not an integer, unlike Python's True.
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ApiError(400, f"{where} must be {_TYPES[kind]}")
    return value


def _at_least(value: int, minimum: int, where: str) -> int:
    if value < minimum:
        raise ApiError(422, f"{where} must be at least {minimum}")
    return value


def _integer(text: str, where: str) -> int:
    number = parse_whole_number(text)
    if number is None:
        raise ApiError(400, f"{where} must be an integer")
    return number
