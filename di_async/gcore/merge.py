"""The whole body that a PUT needs, made of the live instance and of what shall change. Pure.

v2's PUT replaces: a field left out falls back to its default. So the live answer itself (not our
model of it, which would lose what we do not know) is the ground, and the caller's fields are laid
over it: mappings key by key at every depth (null takes a key away), containers region by region.
"""

from collections.abc import Mapping
from typing import Any

import attrs

from di_async.gcore.rules import READ_ONLY
from di_async.gcore.spec import InferenceInstanceSpec

__all__ = ["NEVER_SHOWN", "SHOWN_ONLY", "merged_body"]

Json = dict[str, Any]

SHOWN_ONLY = frozenset({"id", "status", "address", "created_at"})
"""Fields of an instance that no request takes."""
NEVER_SHOWN = frozenset({"project_id"})
"""Request fields that GET does not return (v2 reference): they cannot be kept by reading."""
_SENDABLE = frozenset(a.name for a in attrs.fields(InferenceInstanceSpec)) - NEVER_SHOWN


def merged_body(live: Mapping[str, Any], fields: Mapping[str, Any]) -> Json:
    """The body of a PUT that changes these fields and keeps the others, unchecked."""
    body = {
        name: value
        for name, value in live.items()
        # Null where no null is documented: leaving it out says the same.
        if name in _SENDABLE and (value is not None or name in InferenceInstanceSpec.nullable)
    }
    containers = body.get("containers")
    if isinstance(containers, list):
        body["containers"] = [_sendable(one) for one in containers]
    for name, value in fields.items():
        if name == "containers" and isinstance(value, list):
            body[name] = _by_region(body.get(name), value)
        elif isinstance(value, Mapping):
            body[name] = _laid_over(body.get(name), value)
        else:
            body[name] = value
    return body


def unknown_fields(live: Mapping[str, Any]) -> tuple[str, ...]:
    """What the live answer shows beyond the documented fields: a PUT cannot keep it."""
    known = _SENDABLE | SHOWN_ONLY | NEVER_SHOWN
    return tuple(name for name, value in live.items() if name not in known and value is not None)


def _sendable(container: Any) -> Any:
    if not isinstance(container, Mapping):
        return container
    return {name: value for name, value in container.items() if name not in READ_ONLY}


def _by_region(live: Any, wanted: list[Any]) -> list[Any]:
    """Containers named by region are changed or added; the others stay."""
    told = {one.get("region_id"): one for one in wanted if isinstance(one, Mapping)}
    kept = [
        _laid_over(one, told.pop(one.get("region_id"), {}))
        for one in (live if isinstance(live, list) else [])
        if isinstance(one, Mapping)
    ]
    odd = [one for one in wanted if not isinstance(one, Mapping)]  # for the rules to refuse
    return [*kept, *told.values(), *odd]


def _laid_over(ground: Any, change: Mapping[str, Any]) -> Json:
    """Key by key at every depth; null takes a key away (as in RFC 7396)."""
    result = dict(ground) if isinstance(ground, Mapping) else {}
    for name, value in change.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, Mapping):
            result[name] = _laid_over(result.get(name), value)
        else:
            result[name] = value
    return result
