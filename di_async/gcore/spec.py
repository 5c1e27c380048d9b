"""The spec a caller writes: an object, or a mapping in the documented shape. Checked when sent.

A field that is unset is not sent; None is sent as null. Environment variables, headers and commands
may hold secrets, so messages never show them.
https://api.gcore.com reference, v2 "Update Inference Instance" and v3 "Inference deployments"
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

from attrs import field, frozen
from attrs.validators import and_

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
    text,
    text_map,
    to_wire,
    uuid,
    whole_number,
)
from di_async.engine.spec import Spec
from di_async.gcore.models import PORT, Container, Probes, masked

__all__ = [
    "InferenceDeploymentSpec",
    "InferenceInstanceSpec",
    "InferenceSpec",
    "SpecLike",
    "given_fields",
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


def given_fields(spec: SpecLike) -> Json:
    """Return the request fields that a caller gave, as JSON values, unchecked.

    Raises:
        InvalidInputError: it is neither a spec nor a mapping.
    """
    fields: Json = to_wire(spec, InferenceSpec)
    check_value(mapping, fields, "spec")
    return fields
