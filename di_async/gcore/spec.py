"""What a caller asks for: as a spec, or as a mapping in the documented shape. Checked when sent.

A field that is left out is not sent; None is sent as null, where null is documented.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, ClassVar, Self, cast

import attrs
from attrs import field, frozen

from di_async.core.errors import InvalidInputError
from di_async.core.secret import reveal
from di_async.gcore.models import Container, masked
from di_async.gcore.rules import READ_ONLY, check_fields

__all__ = [
    "LEFT_OUT",
    "InferenceDeploymentSpec",
    "InferenceInstanceSpec",
    "LeftOut",
    "Spec",
    "SpecLike",
    "checked",
    "given_fields",
    "plain",
]


class LeftOut(Enum):
    """Stands for a field that was not given."""

    LEFT_OUT = "left out"

    def __repr__(self) -> str:
        return "LEFT_OUT"


LEFT_OUT = LeftOut.LEFT_OUT
Json = dict[str, Any]
_SHOWN_ONLY = frozenset({"id", "status", "address", "created_at", "object_references"})


def plain(value: Any) -> Any:
    """`value` as JSON types: models without what they leave open or only show, secrets revealed."""
    if attrs.has(type(value)):
        told = {a.name: getattr(value, a.name) for a in attrs.fields(type(value))}
        return {
            name: plain(inner)
            for name, inner in told.items()
            if inner is not None and name not in READ_ONLY
        }
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [plain(inner) for inner in value]
    return reveal(value)


def _containers(value: Iterable[Container | Mapping[str, Any]]) -> list[Json]:
    """Containers in the documented shape, without what is only shown."""
    told: Any = plain(value)
    if not isinstance(told, list):
        return cast("list[Json]", told)  # whatever it is, the rules will tell
    return [
        {k: v for k, v in one.items() if k not in READ_ONLY} if isinstance(one, dict) else one
        for one in told
    ]


def _list(value: Iterable[str] | LeftOut | None) -> Any:
    return value if isinstance(value, LeftOut) else plain(value)


def _json(value: object) -> Any:
    return value if isinstance(value, LeftOut) else plain(value)


def _masking(mask: Callable[[Mapping[str, Any]], str]) -> Callable[[Any], str]:
    return lambda value: mask(value) if isinstance(value, Mapping) else repr(value)


def _masked_probes(probes: Mapping[str, Any]) -> str:
    """Which probes there are; their headers may hold tokens."""
    return f"{{{', '.join(f'{name!r}: ...' for name in probes)}}}"


@frozen(kw_only=True)
class Spec:
    """What both kinds of spec share."""

    name: str
    image: str
    listening_port: int
    containers: list[Json] = field(converter=_containers)
    """Each a `Container`, or a mapping with `region_id` and `scale`."""
    auth_enabled: bool | LeftOut = LEFT_OUT
    command: list[str] | LeftOut | None = field(default=LEFT_OUT, converter=_list)
    description: str | LeftOut | None = LEFT_OUT
    envs: Json | LeftOut = field(default=LEFT_OUT, converter=_json, repr=_masking(masked))
    probes: Json | LeftOut | None = field(
        default=LEFT_OUT, converter=_json, repr=_masking(_masked_probes)
    )
    timeout: int | LeftOut | None = LEFT_OUT

    nullable: ClassVar[frozenset[str]] = frozenset()
    """The fields that may be null."""

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        """The spec in a mapping of the documented shape; what is only shown is left away.

        Raises:
            InvalidInputError: (a `ValueError`) all faults at once, each as `path: rule`.
        """
        return cls(**checked(given_fields(raw), cls))

    def to_dict(self) -> Json:
        """The documented request shape, of what was given."""
        told = {a.name: getattr(self, a.name) for a in attrs.fields(type(self))}
        return {name: value for name, value in told.items() if value is not LEFT_OUT}

    def check(self) -> None:
        """Make sure that it follows the documented rules.

        Raises:
            InvalidInputError: all faults at once, each as `path: rule`.
        """
        checked(self.to_dict(), type(self))


@frozen(kw_only=True)
class InferenceInstanceSpec(Spec):
    """A v2 instance to be: all that its PUT documents. Without `project_id` it is the client's."""

    flavor_id: str
    api_key_ids: list[str] | LeftOut = field(default=LEFT_OUT, converter=_list)
    image_registry_id: str | LeftOut | None = LEFT_OUT
    project_id: int | LeftOut | None = LEFT_OUT

    nullable: ClassVar[frozenset[str]] = frozenset(
        {"command", "description", "image_registry_id", "probes", "project_id", "timeout"}
    )


@frozen(kw_only=True)
class InferenceDeploymentSpec(Spec):
    """A v3 deployment to be. `api_keys` names keys; an empty list opens it to the world."""

    flavor_name: str
    api_keys: list[str] | LeftOut = field(default=LEFT_OUT, converter=_list)
    credentials_name: str | LeftOut | None = LEFT_OUT
    ingress_opts: Json | LeftOut | None = field(default=LEFT_OUT, converter=_json)
    logging: Json | LeftOut | None = field(default=LEFT_OUT, converter=_json)

    nullable: ClassVar[frozenset[str]] = frozenset(
        {
            *("command", "credentials_name", "description", "ingress_opts", "logging"),
            *("probes", "timeout"),
        }
    )


SpecLike = Spec | Mapping[str, Any]


def given_fields(spec: SpecLike) -> Json:
    """The request fields in what a caller gave, as JSON values.

    Raises:
        InvalidInputError: it is neither a spec nor a mapping.
    """
    if isinstance(spec, Spec):
        return spec.to_dict()
    if not isinstance(spec, Mapping):
        raise InvalidInputError(f"a spec is a mapping or one of our classes, not {type(spec)!r}")
    fields = {name: plain(value) for name, value in spec.items() if name not in _SHOWN_ONLY}
    if "containers" in fields:
        fields["containers"] = _containers(fields["containers"])
    return fields


def checked(
    fields: Json,
    kind: type[Spec],
    *,
    whole: bool = True,
    nullable: frozenset[str] = frozenset(),
) -> Json:
    """`fields` as they are, if they follow the documented rules of a `kind`.

    Args:
        fields: what is to be sent.
        kind: whose rules.
        whole: all that is required must be there.
        nullable: what may be null beyond what `kind` says.

    Raises:
        InvalidInputError: all faults at once, each as `path: rule`.
    """
    known = attrs.fields(kind)
    problems = check_fields(
        fields,
        known=frozenset(a.name for a in known),
        required=frozenset(a.name for a in known if whole and a.default is attrs.NOTHING),
        nullable=kind.nullable | nullable,
    )
    if problems:
        raise InvalidInputError("; ".join(problems), problems=tuple(problems))
    return fields
