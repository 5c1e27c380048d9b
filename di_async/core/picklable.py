"""What an error holds, made fit for pickling and deep copies, whatever it is.

Errors travel between processes (task queues, `multiprocessing`) and must not fail there. They may
hold resources with secrets, which a pickle must not contain, and objects that cannot be pickled.
"""

import copy
import pickle
from typing import Any

import attrs

from di_async.core.secret import Secret

__all__ = ["deep_copy", "picklable"]

_MAX_REPR = 200


def picklable(value: Any) -> Any:
    """Return the value without its secrets; its type's name where no pickle can restore it."""
    if value is None or isinstance(value, str | int | float):
        return value
    try:
        plain = _without_secrets(value)
        # Some exceptions, with arguments of their own, can only be written.
        pickle.loads(pickle.dumps(plain))  # noqa: S301 - made here
    except Exception:
        return _description(value)
    return plain


def deep_copy(value: Any, memo: dict[int, Any]) -> Any:
    """Return a deep copy of the value, or the value itself where it cannot be copied."""
    try:
        return copy.deepcopy(value, memo)
    except Exception:
        return value


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Secret):
        return None
    if isinstance(value, dict):
        return {key: _without_secrets(item) for key, item in value.items()}
    if type(value) in (tuple, list):
        return type(value)(map(_without_secrets, value))
    return _copied(value) if attrs.has(type(value)) else value


def _copied(value: Any) -> Any:
    """Return an attrs object without secrets: itself if it holds none."""
    changed = {}
    for field in attrs.fields(type(value)):
        if hasattr(value, field.name):
            before = getattr(value, field.name)
            after = _without_secrets(before)
            if after is not before and after != before:
                changed[field.name] = after
    if not changed:
        return value
    copied = copy.copy(value)
    for name, after in changed.items():
        object.__setattr__(copied, name, after)
    return copied


def _description(value: Any) -> str:
    try:
        return f"<{type(value).__name__}: {str(value)[:_MAX_REPR]}>"
    except Exception:
        return f"<{type(value).__name__}>"
