"""The spec a caller writes: an object, or a mapping in the documented shape. Checked when sent.

A field that is unset is not sent; None is sent as null. Environment variables, headers and commands
may hold secrets, so messages never show them.
https://api.gcore.com reference, v2 "Update Inference Instance" and v3 "Inference deployments"
"""

import shlex
from collections.abc import Collection, Iterable, Mapping
from typing import Any, ClassVar, Self

from attrs import field, frozen
from attrs.validators import and_

from di_async.core.redaction import masked
from di_async.core.request_body import declared, to_wire
from di_async.core.validation import (
    UNSET,
    Unset,
    check_value,
    checked,
    each,
    filled_text,
    flag,
    in_request,
    mapping,
    nested,
    request_fields,
    text,
    text_map,
    uuid,
    whole_number,
)
from di_async.engine.spec import Spec
from di_async.gcore.models import (
    PORT,
    Container,
    Inference,
    InferenceDeployment,
    InferenceInstance,
    Probes,
)

__all__ = [
    "NEVER_SHOWN",
    "InferenceDeploymentSpec",
    "InferenceInstanceSpec",
    "InferenceSpec",
    "SpecLike",
    "given_fields",
    "live_fields",
    "merged_body",
    "shown_spec",
]

Json = dict[str, Any]


def _containers(value: Iterable[Container | Mapping[str, Any]]) -> list[Json]:
    containers: list[Json] = to_wire(value, Container)
    return containers


def _without_api_keys(spec: Mapping[str, Any], _: Any, __: Any) -> None:
    if spec.get("api_keys") is not None:
        raise ValueError("deprecated, and refused together with api_keys; omit it")


@frozen(kw_only=True)
class InferenceSpec(Spec):
    """What both kinds of spec share."""

    read_only: ClassVar[frozenset[str]] = frozenset(
        {"id", "status", "address", "created_at", "object_references"}
    )

    name: str = field(metadata=in_request(text("4 to 30 characters", ".{4,30}")))
    image: str = field(metadata=in_request(filled_text()))
    listening_port: int = field(metadata=in_request(PORT))
    containers: list[Json] = field(
        converter=_containers, metadata=in_request(each(nested(Container), non_empty=True))
    )
    """Each a `Container`, or a mapping with `region_id` and `scale`."""
    auth_enabled: bool | Unset = field(
        default=UNSET, metadata=in_request(and_(flag, _without_api_keys))
    )
    command: list[str] | Unset | None = field(
        default=UNSET,
        converter=to_wire,
        repr=masked,
        metadata=in_request(each(text(secret=True)), nullable=True),
    )
    description: str | Unset | None = field(
        default=UNSET, metadata=in_request(text(), nullable=True)
    )
    envs: Json | Unset = field(
        default=UNSET,
        converter=to_wire,
        repr=masked,
        metadata=in_request(text_map, nullable="in update"),
    )
    probes: Json | Unset | None = field(
        default=UNSET,
        converter=to_wire,
        repr=masked,
        metadata=in_request(nested(Probes), nullable=True),
    )
    timeout: int | Unset | None = field(
        default=UNSET, metadata=in_request(whole_number(0), nullable=True)
    )

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        """Return the spec in a mapping of the documented shape; read-only fields are dropped.

        Raises:
            InvalidInputError: (a `ValueError`) `.problems` lists all faults.
        """
        return cls(**checked(cls, given_fields(raw)))


@frozen(kw_only=True)
class InferenceInstanceSpec(InferenceSpec):
    """A v2 instance to create: all that its PUT documents.

    Without `project_id` the client's project is used.
    """

    flavor_id: str = field(metadata=in_request(uuid))
    api_key_ids: list[str] | Unset = field(
        default=UNSET, converter=to_wire, metadata=in_request(each(uuid))
    )
    image_registry_id: str | Unset | None = field(
        default=UNSET, metadata=in_request(uuid, nullable=True)
    )
    project_id: int | Unset | None = field(
        default=UNSET, metadata=in_request(whole_number(1), nullable=True)
    )


@frozen(kw_only=True)
class InferenceDeploymentSpec(InferenceSpec):
    """A v3 deployment to create. `api_keys` names keys; an empty list opens it to the world."""

    flavor_name: str = field(metadata=in_request(filled_text()))
    api_keys: list[str] | Unset = field(
        default=UNSET,
        converter=to_wire,
        metadata=in_request(each(filled_text()), nullable="in update"),
    )
    credentials_name: str | Unset | None = field(
        default=UNSET, metadata=in_request(text(), nullable=True)
    )
    ingress_opts: Json | Unset | None = field(
        default=UNSET, converter=to_wire, metadata=in_request(mapping, nullable=True)
    )
    logging: Json | Unset | None = field(
        default=UNSET, converter=to_wire, metadata=in_request(mapping, nullable=True)
    )


SpecLike = InferenceSpec | Mapping[str, Any]
# Empty, or not shown, for a public image.
_REGISTRY = ("credentials_name", "image_registry_id")


def given_fields(spec: SpecLike) -> Json:
    """Return the request fields that a caller gave, as JSON values, unchecked.

    Raises:
        InvalidInputError: it is neither a spec nor a mapping.
    """
    fields: Json = to_wire(spec, InferenceSpec)
    check_value(mapping, fields, "spec")
    return fields


def shown_spec(shown: Inference, changed: Collection[str] = ()) -> InferenceSpec:
    """Return the spec that a read shows, as an update takes it.

    What it does not show is unset, or null where it may be: in v2, which shows every field, and of
    what an update has `changed`, as a PATCH back to this spec has to clear that.
    """
    is_v3 = isinstance(shown, InferenceDeployment)
    cls = InferenceDeploymentSpec if is_v3 else InferenceInstanceSpec
    fields: Json = {}
    for name, rule in request_fields(cls).items():
        value = to_wire(getattr(shown, name, None))
        if value is None or (value == "" and name in _REGISTRY):
            clear = rule.nullable and name in changed if is_v3 else rule.nullable is True
            if not clear or name in NEVER_SHOWN:
                continue
            value = None
        fields[name] = value
    if isinstance(shown.command, str):
        fields["command"] = _split(shown.command)
    if "api_keys" in fields:
        fields.pop("auth_enabled", None)  # the API refuses both
    spec: InferenceSpec = cls(**fields)
    return spec


def _split(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return [command]


# --- the body of a v2 update -----------------------------------------------------------------

NEVER_SHOWN = frozenset({"project_id"})
"""Request fields that GET does not return (v2 reference): reading cannot keep them."""


def live_fields(live: Mapping[str, Any], shown: InferenceInstance) -> tuple[Json, list[str]]:
    """Return the fields of a live answer as a PUT takes them, and the paths of those left out.

    What is not documented is left out, but for triggers and probes: Gcore adds some of these. A
    value in another form than documented (a number as text, a command as one text) is as decoded.
    """
    lost: list[str] = []
    documented = declared(InferenceInstanceSpec, live, lost)
    fields: Json = _as_decoded(documented, shown_spec(shown).to_dict())
    return fields, lost


def _as_decoded(raw: Any, decoded: Any) -> Any:
    if isinstance(raw, Mapping) and isinstance(decoded, Mapping):
        return {name: _as_decoded(one, decoded.get(name, UNSET)) for name, one in raw.items()}
    if isinstance(raw, list) and isinstance(decoded, list) and len(raw) == len(decoded):
        return list(map(_as_decoded, raw, decoded))
    return raw if raw is None or decoded is UNSET else decoded


def merged_body(live: Mapping[str, Any], fields: Mapping[str, Any]) -> Json:
    """Return the body of a PUT that changes these fields and keeps the others, unchecked."""
    declaration = request_fields(InferenceInstanceSpec)
    body = {
        name: value
        for name, value in live.items()
        if name in declaration.keys() - NEVER_SHOWN
        # The API shows null even where it does not accept null; omitting it means the same.
        and (value is not None or declaration[name].nullable is True)
    }
    for name, value in fields.items():
        if name == "containers" and isinstance(value, list):
            body[name] = _merged_by_region(body.get(name), value)
        elif isinstance(value, Mapping):
            body[name] = _merged(body.get(name), value)
        else:
            body[name] = value
    return body


def _merged_by_region(live: Any, wanted: list[Any]) -> list[Any]:
    """Change or add the containers of the regions that are named; keep the others."""
    by_region = {one.get("region_id"): one for one in wanted if isinstance(one, Mapping)}
    kept = [
        _merged(one, by_region.pop(one.get("region_id"), {}))
        for one in (live if isinstance(live, list) else [])
        if isinstance(one, Mapping)
    ]
    invalid = [one for one in wanted if not isinstance(one, Mapping)]  # reported by the check
    return [*kept, *by_region.values(), *invalid]


def _merged(live: Any, change: Mapping[str, Any]) -> Json:
    """Merge key by key at every depth; null removes a key (as in RFC 7396)."""
    result = dict(live) if isinstance(live, Mapping) else {}
    for name, value in change.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, Mapping):
            result[name] = _merged(result.get(name), value)
        else:
            result[name] = value
    return result
