"""The complete body that a PUT needs, from the live instance and what shall change. Pure.

v2's PUT replaces: a field left out falls back to its default. So the caller's fields are merged
into the live answer itself, since our model of it would lose unknown fields: mappings key by key at
every depth (null removes a key), containers region by region.
"""

from collections.abc import Mapping
from typing import Any

from di_async.core.validation import request_fields, to_wire
from di_async.gcore.models import Container
from di_async.gcore.spec import InferenceInstanceSpec

__all__ = ["NEVER_SHOWN", "merged_body", "unknown_fields"]

Json = dict[str, Any]

NEVER_SHOWN = frozenset({"project_id"})
"""Request fields that GET does not return (v2 reference): reading cannot keep them."""


def merged_body(live: Mapping[str, Any], fields: Mapping[str, Any]) -> Json:
    """Return the body of a PUT that changes these fields and keeps the others, unchecked."""
    declared = request_fields(InferenceInstanceSpec)
    body = {
        name: value
        for name, value in live.items()
        if name in declared.keys() - NEVER_SHOWN
        # The API shows null even where it does not accept null; omitting it means the same.
        and (value is not None or declared[name].nullable is True)
    }
    if isinstance(body.get("containers"), list):
        body["containers"] = to_wire(body["containers"], Container)
    for name, value in fields.items():
        if name == "containers" and isinstance(value, list):
            body[name] = _merged_by_region(body.get(name), value)
        elif isinstance(value, Mapping):
            body[name] = _merged(body.get(name), value)
        else:
            body[name] = value
    return body


def unknown_fields(live: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of undocumented fields in the live answer, which a PUT cannot keep."""
    known = request_fields(InferenceInstanceSpec).keys() | InferenceInstanceSpec.read_only
    return tuple(name for name, value in live.items() if name not in known and value is not None)


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
