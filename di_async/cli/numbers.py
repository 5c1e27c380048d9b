"""Numbers on the command line and in environment variables: one rule for all of them.

Python's own `float` and `int` also accept underscores, digits of other scripts, "inf" and "nan",
and versions of typer differ in what they accept.
"""

import inspect
import math
import re
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from di_async.core.seconds import MAX_SECONDS

__all__ = ["SECONDS", "find_number_faults", "number_fault"]

SECONDS = "SECONDS"
"""The metavar of options whose value is a duration."""
_WHOLE = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def number_fault(text: str, *, whole: bool = False, duration: bool = False) -> str | None:
    """Return what is wrong with a text that must be a number, or None.

    Bounds are not checked, but the longest duration is: a longer one would be refused only when
    the library uses it, after the first requests.
    """
    text = text.strip()
    if whole:
        return None if _WHOLE.fullmatch(text) else f"expected a whole number, not {text!r}"
    if not _DECIMAL.fullmatch(text) or not math.isfinite(float(text)):
        return f"expected a number, not {text!r}"
    if duration and float(text) > MAX_SECONDS:
        return f"expected a number of seconds, at most 100 years, not {text!r}"
    return None


def find_number_faults(command: Any, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the name of each parameter that must be a number, and what is wrong with its text.

    Args:
        command: typer's, whose callback declares the types.
        given: the texts of the arguments by the parameters' names.
    """
    if command.callback is None:  # a group of commands, which has no options of its own
        return
    for name, parameter in inspect.signature(command.callback).parameters.items():
        text, types = given.get(name), _types(parameter.annotation)
        if not isinstance(text, str) or not types & {int, float}:
            continue
        options = get_args(parameter.annotation)[1:]
        duration = any(getattr(one, "metavar", None) == SECONDS for one in options)
        if fault := number_fault(text, whole=float not in types, duration=duration):
            yield name, fault


def _types(annotation: Any) -> set[Any]:
    """Return the types that an annotation such as `Annotated[float | None, ...]` names."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    is_union = get_origin(annotation) in (Union, UnionType)
    return set(get_args(annotation)) if is_union else {annotation}
