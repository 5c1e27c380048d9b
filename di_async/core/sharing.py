"""Of equal parts, one copy: what a resource shows again and again is kept once.

Ten thousand waits each keep what they saw last. Most of that is what they saw before: a spec does
not change because the status did.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import cache
from operator import attrgetter, is_
from typing import Any

from di_async.core.reading import Fill, slots_of

__all__ = ["shared"]

# Equal ones of these are the same; of others that is not known: {"a": 1} == {"a": True}.
_PLAIN = frozenset({str, int, float, bool, datetime, Decimal})


def shared(new: Any, known: Any) -> Any:
    """`new`, made of the parts of `known` that it equals; `known` itself where that is all of it.

    `new` must be nobody else's yet: its parts are put in place, frozen or not. What it shares with
    others (`Few`) gets equal parts only.
    """
    kind = new.__class__
    if kind is not known.__class__:
        return new
    if kind in _PLAIN or (kind is dict and not new):
        return known if new == known else new
    if kind is tuple:
        parts = tuple(map(shared, new, known)) if len(new) == len(known) else new
        return known if parts is not new and all(map(is_, parts, known)) else parts
    parts_of, fills = _slots(kind)
    same = bool(fills)
    for fill, part, before in zip(fills, parts_of(new), parts_of(known), strict=False):
        if part is before:
            continue
        if part.__class__ not in _PLAIN:
            kept = shared(part, before)
            same = same and kept is before
            fill(new, kept)
        elif part.__class__ is before.__class__ and part == before:
            fill(new, before)  # as a call would say, without one for each word
        else:
            same = False
    return known if same else new


@cache
def _slots(cls: type) -> tuple[Callable[[Any], tuple[Any, ...]], tuple[Fill, ...]]:
    """What gets all its parts, and what fills each; nothing for what is none of ours."""
    slots = slots_of(cls) or {}
    return attrgetter(*slots, "__class__", "__class__"), tuple(slots.values())  # always a tuple
