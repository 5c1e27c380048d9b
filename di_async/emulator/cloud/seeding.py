"""Check the settings of resources that tests add without a request."""

import re
from collections.abc import Mapping
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import attrs

from .http import ApiError

__all__ = ["check_range", "seed_of"]

# 2100, as an epoch timestamp: larger numbers are no dates, and no counts either.
_MAX_WHOLE = 4_102_444_800
_SURROGATE = re.compile("[\ud800-\udfff]")
T = TypeVar("T", bound=attrs.AttrsInstance)


def seed_of(cls: type[T], settings: Mapping[str, object]) -> T:
    """Return the settings as an object of an attrs class.

    Raises:
        ValueError: A setting is unknown, of the wrong type or out of range.
    """
    hints = get_type_hints(cls)
    names = [field.name for field in attrs.fields(cls)]
    for name, value in settings.items():
        if name not in names:
            raise ValueError(f"unknown setting {name!r}; there are: {', '.join(sorted(names))}")
        if not _fits(value, hints[name]):
            raise ValueError(f"{name}: {value!r} is not of type {_type_name(hints[name])}")
        check_range(name, value)
    try:
        return cls(**settings)
    except ApiError as error:
        raise ValueError(error.message) from None
    except ValueError as error:
        # attrs' validators raise with the message first and details after it.
        raise ValueError(error.args[0]) from None


def check_range(name: str, value: object) -> None:
    """Raise ValueError for a value that an answer could not show."""
    parts = value if isinstance(value, list | tuple) else (value,)
    for part in parts:
        if isinstance(part, str) and not part.isascii() and _SURROGATE.search(part):
            raise ValueError(f"{name}: {part!r} is not valid Unicode text")
        if isinstance(part, int) and not -_MAX_WHOLE <= part <= _MAX_WHOLE:
            raise ValueError(f"{name}: {part} is not between {-_MAX_WHOLE} and {_MAX_WHOLE}")


def _fits(value: object, hint: Any) -> bool:
    if isinstance(value, bool):  # True is not a number here, unlike in Python
        return bool in (hint, *get_args(hint))
    if get_origin(hint) is tuple:
        return isinstance(value, list | tuple)
    if isinstance(hint, type):
        return isinstance(value, (int, float) if hint is float else hint)
    options = get_args(hint)
    return any(value == one or (isinstance(one, type) and _fits(value, one)) for one in options)


def _type_name(hint: Any) -> str:
    options = get_args(hint) or (hint,)
    return " or ".join(
        "None" if one is NoneType else getattr(one, "__name__", repr(one)) for one in options
    )
