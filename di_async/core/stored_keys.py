"""Write values that outlive a process under fixed keys, and read them back.

Resume tokens and duration files are read by later versions of this package. A map from key to
attribute lets an attribute be renamed while the key stays.
"""

from collections.abc import Mapping
from typing import Any

__all__ = ["from_keys", "to_keys"]


def to_keys(value: Any, keys: Mapping[str, str]) -> dict[str, Any]:
    """Return the attributes of `value` under their stored keys, in the order of the map."""
    return {key: getattr(value, attribute) for key, attribute in keys.items()}


def from_keys(stored: Any, keys: Mapping[str, str]) -> dict[str, Any]:
    """Return stored values as keyword arguments.

    Raises:
        TypeError: `stored` is not a mapping. KeyError: it holds a key that the map lacks.
    """
    if not isinstance(stored, Mapping):
        raise TypeError(f"expected a mapping, not {type(stored).__name__}")
    return {keys[key]: value for key, value in stored.items()}
