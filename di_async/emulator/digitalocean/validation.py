"""Which requests the vendor takes, as far as is known.

Rules of this file: from raw JSON to values, or a `Refusal`. What is malformed or missing is 400
(the vendor's own CLI fixtures say so: "name is required"), what is understood and cannot be done
is 422. Unknown fields are ignored: both dialects send some the other has never heard of.
"""

import re
import uuid
from typing import TypeVar

from attrs import frozen

from di_async.emulator.cloud.http import Refusal
from di_async.emulator.digitalocean.records import Accelerator, Model

from .catalog import MODELS_BY_SLUG, REGIONS, SIZES_BY_SLUG

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,255}")
_WORDS = {str: "a string", int: "an integer", bool: "a boolean", dict: "an object", list: "a list"}

T = TypeVar("T")


@frozen
class AskedSpec:
    """The spec of a create or update request."""

    version: int
    name: str
    region: str
    vpc_uuid: str | None
    public: bool
    models: tuple[Model, ...]


def parse_secrets(body: dict[str, object]) -> bool:
    """Whether a Hugging Face token came along, under either dialect's key."""
    secrets: dict[str, object] = {}
    for key in ("access_tokens", "secrets"):
        found = _optional(body, key, dict, "") or {}
        secrets |= found
    for name, value in secrets.items():
        _typed(value, str, name)
    return bool(secrets.get("hugging_face_token"))


def parse_name(body: dict[str, object]) -> str:
    """A required name: of an instance or a token."""
    name = _required(body, "name", str, "")
    if not name:
        raise Refusal(400, "name is required")
    if not _NAME.fullmatch(name):
        raise Refusal(422, "name must be 1 to 255 characters of a-z, A-Z, 0-9, _ and -")
    return name


def parse_spec(
    raw: dict[str, object], known: tuple[Model, ...] = (), home: str | None = None
) -> AskedSpec:
    """The spec; `known` models may be referred to by id, `home` is the region of an update."""
    name = parse_name(raw)
    region = _required(raw, "region", str, "spec.")
    if region not in (*REGIONS, home):
        raise Refusal(422, f"region {region!r} is not one of {', '.join(REGIONS)}")
    deployments = _required(raw, "model_deployments", list, "spec.")
    if not deployments:
        raise Refusal(422, "spec.model_deployments must have at least one model deployment")
    return AskedSpec(
        version=_at_least(_required(raw, "version", int, "spec."), 0, "spec.version"),
        name=name,
        region=region,
        vpc_uuid=_vpc(raw),
        public=_required(raw, "enable_public_endpoint", bool, "spec."),
        models=tuple(_model(item, region, known) for item in deployments),
    )


def page_of(query: dict[str, str]) -> tuple[int, int]:
    """The page asked for and its size: page >= 1, per_page 1 to 200."""
    page = _whole(query.get("page") or "1", "page")
    per_page = _whole(query.get("per_page") or "20", "per_page")
    if page < 1 or not 1 <= per_page <= 200:
        raise Refusal(400, "page must be at least 1 and per_page between 1 and 200")
    return page, per_page


def _vpc(raw: dict[str, object]) -> str | None:
    vpc = _optional(raw, "vpc", dict, "spec.")
    if vpc is None:
        return None
    value = _required(vpc, "uuid", str, "spec.vpc.")
    try:
        return str(uuid.UUID(value))
    except ValueError:
        raise Refusal(422, f"spec.vpc.uuid {value!r} is not a UUID") from None


def _model(raw: object, region: str, known: tuple[Model, ...]) -> Model:
    item = _typed(raw, dict, "spec.model_deployments[]")
    _optional(item, "workload_config", dict, "model_deployments[].")
    old = _known_model(item, known)
    slug = _optional(item, "model_slug", str, "model_deployments[].") or (old and old.slug)
    if not slug:
        raise Refusal(400, "model_deployments[].model_slug is required")
    provider = _optional(item, "model_provider", str, "model_deployments[].")
    provider_model = _optional(item, "provider_model_id", str, "model_deployments[].")
    return Model(
        slug=_offered(slug),
        provider=provider or (old.provider if old else "hugging_face"),
        accelerators=_accelerators(item, slug, region, old),
        model_id=old.model_id if old else "",
        provider_model_id=provider_model or slug,
    )


def _known_model(item: dict[str, object], known: tuple[Model, ...]) -> Model | None:
    model_id = _optional(item, "model_id", str, "model_deployments[].")
    if not model_id:
        return None
    for model in known:
        if model.model_id == model_id:
            return model
    raise Refusal(422, f"model_id {model_id!r} is not a model deployment of this instance")


def _offered(slug: str) -> str:
    if slug not in MODELS_BY_SLUG:
        raise Refusal(422, f"model {slug!r} is not supported; see gpu-model-config")
    return slug


def _accelerators(
    item: dict[str, object], slug: str, region: str, old: Model | None
) -> tuple[Accelerator, ...]:
    raw = _optional(item, "accelerators", list, "model_deployments[].")
    if not raw and old:
        return old.accelerators
    if not raw:
        raise Refusal(422, "model_deployments[].accelerators must have at least one accelerator")
    return tuple(_accelerator(entry, slug, region) for entry in raw)


def _accelerator(raw: object, model_slug: str, region: str) -> Accelerator:
    where = "accelerators[]."
    entry = _typed(raw, dict, where)
    gpu = _required(entry, "accelerator_slug", str, where)
    size = SIZES_BY_SLUG.get(gpu)
    if size is None or region not in size.regions:
        raise Refusal(422, f"accelerator_slug {gpu!r} is not available in {region}")
    if gpu not in MODELS_BY_SLUG[model_slug].gpu_slugs:
        raise Refusal(422, f"model {model_slug!r} does not run on {gpu!r}")
    return Accelerator(
        slug=gpu,
        type=_required(entry, "type", str, where),
        scale=_at_least(_required(entry, "scale", int, where), 1, f"{where}scale"),
    )


def _required(raw: dict[str, object], key: str, kind: type[T], where: str) -> T:
    if raw.get(key) is None:
        raise Refusal(400, f"{where}{key} is required")
    return _typed(raw[key], kind, where + key)


def _optional(raw: dict[str, object], key: str, kind: type[T], where: str) -> T | None:
    value = raw.get(key)
    return None if value is None else _typed(value, kind, where + key)


def _typed(value: object, kind: type[T], where: str) -> T:
    # A JSON true is no integer, though Python's is.
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Refusal(400, f"{where} must be {_WORDS[kind]}")
    return value


def _at_least(value: int, least: int, where: str) -> int:
    if value < least:
        raise Refusal(422, f"{where} must be at least {least}")
    return value


def _whole(text: str, where: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Refusal(400, f"{where} must be an integer") from None
