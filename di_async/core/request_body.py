"""Convert request bodies: from what callers pass to JSON, from JSON to objects.

The fields are declared with `validation.in_request`.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, TypeGuard, TypeVar

import attrs

from di_async.core.errors import InvalidInputError
from di_async.core.secret import reveal
from di_async.core.validation import UNSET, read_only_keys, request_fields

__all__ = [
    "attribute_values",
    "declared",
    "is_list",
    "respelled",
    "structure",
    "to_wire",
]

T = TypeVar("T")
Json = dict[str, Any]

_MAX_VALUES = 100_000
_MAX_DEPTH = 100


def to_wire(value: Any, cls: type | None = None) -> Any:
    """Return `value` as JSON types: secrets revealed, read-only and unset fields left out.

    Args:
        value: an object, a mapping, a list of them, or a plain value.
        cls: declares the fields of a mapping; an object's own class does it otherwise.

    Raises:
        InvalidInputError: it is too large or too deep, as where one value contains another many
            times over; or it holds a number that JSON does not have.
    """
    return _to_wire(value, cls, count(), 0)


def _to_wire(value: Any, cls: type | None, counter: Iterator[int], depth: int) -> Any:
    if next(counter) > _MAX_VALUES:
        raise InvalidInputError(f"the input holds more than {_MAX_VALUES} values")
    if depth > _MAX_DEPTH:
        raise InvalidInputError(f"the input is nested deeper than {_MAX_DEPTH} levels")
    if attrs.has(type(value)):
        cls = type(value)
        value = _set_fields(cls, value)
    if isinstance(value, Mapping):
        fields = request_fields(cls) if cls else {}
        dropped = read_only_keys(cls) if cls else ()
        return {
            key: _to_wire(item, fields[key].nested if key in fields else None, counter, depth + 1)
            for key, item in value.items()
            if key not in dropped
        }
    if is_list(value):
        return [_to_wire(item, cls, counter, depth + 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidInputError(f"the number {value} cannot be sent as JSON")
    return reveal(value)


def is_list(value: Any) -> TypeGuard[Iterable[Any]]:
    """Return whether JSON writes the value as a list."""
    is_text = isinstance(value, str | bytes | bytearray)
    return isinstance(value, Sequence | Iterator) and not is_text


def _set_fields(cls: type, found: Any) -> Json:
    """Leave out what is unset: `UNSET`, None where that is the default, some empty texts."""
    return {
        name: value
        for name, rule in request_fields(cls).items()
        if (value := getattr(found, rule.attribute.name)) is not UNSET
        and not (value is None and rule.attribute.default is None)
        and not (value == "" and rule.omit_empty)
    }


def respelled(raw: Mapping[Any, Any], old: str, new: str) -> Json:
    """Return a mapping with `old` replaced by `new` in its keys: JSON's names, or Python's.

    Raises:
        InvalidInputError: two keys are spellings of one name.
    """
    found: dict[str, Any] = {}
    for key, value in raw.items():
        name = str(key).replace(old, new)
        if name in found:
            both = " and ".join(repr(str(one)) for one in raw if str(one).replace(old, new) == name)
            raise InvalidInputError(f"{both} are the same field; leave one of them out")
        found[name] = value
    return found


def structure(cls: type[T], body: Mapping[str, Any]) -> T:
    """Return the object that a JSON body without structural faults describes."""
    return cls(**attribute_values(cls, body))


def attribute_values(cls: type, body: Mapping[str, Any]) -> Json:
    """Return the attributes that a JSON body without structural faults sets."""
    return {
        rule.attribute.name: _structured(value, rule.nested)
        for name, rule in request_fields(cls).items()
        if (value := body.get(name)) is not None
    }


def _structured(value: Any, cls: type | None) -> Any:
    if cls is None:
        return value
    if isinstance(value, list):
        return tuple(structure(cls, item) for item in value)
    return structure(cls, value)


def declared(cls: type, shown: Any, lost: list[str], path: str = "") -> Any:
    """Return the request fields in what an API shows, for a write that replaces them.

    Args:
        cls: declares the fields.
        shown: the JSON value.
        lost: gets the paths of the fields that `cls` does not declare, and that are left out.
        path: of the value.
    """
    if isinstance(shown, list):
        return [declared(cls, one, lost, f"{path}[{i}]") for i, one in enumerate(shown)]
    if not isinstance(shown, Mapping):
        return shown
    found, fields, dropped = {}, request_fields(cls), read_only_keys(cls)
    for name, value in shown.items():
        at = f"{path}.{name}" if path else name
        if name in fields:
            inner = fields[name].closed
            found[name] = declared(inner, value, lost, at) if inner else value
        elif name not in dropped and value is not None:
            lost.append(at)
    return found
