"""Write values that outlive a process under fixed keys, and read them back.

Resume tokens and duration files are read by later versions of this package. A map from key to
attribute lets an attribute be renamed while the key stays. The map also has the types that a stored
value may have: a value of another type would fail later, in the poller that all waits share.
"""

from collections.abc import Mapping
from typing import Any

__all__ = ["ANY", "StoredKeys", "from_keys", "to_keys"]

ANY: tuple[type, ...] = ()
"""The types of a value that is checked elsewhere."""
StoredKeys = Mapping[str, tuple[str, tuple[type, ...]]]
"""Stored key -> attribute, and the types that its value may have."""


def to_keys(value: Any, keys: StoredKeys) -> dict[str, Any]:
    """Return the attributes of `value` under their stored keys, in the order of the map."""
    return {key: getattr(value, attribute) for key, (attribute, _) in keys.items()}


def from_keys(stored: Any, keys: StoredKeys) -> dict[str, Any]:
    """Return stored values as keyword arguments.

    Raises:
        TypeError: `stored` is not a mapping, or a value has another type than its key has.
        KeyError: it holds a key that the map lacks.
    """
    if not isinstance(stored, Mapping):
        raise TypeError(f"expected a mapping, not {type(stored).__name__}")
    found = {}
    for key, value in stored.items():
        attribute, types = keys[key]
        if types and type(value) not in types:  # the type itself, because True is an int
            raise TypeError(key)
        found[attribute] = value
    return found
