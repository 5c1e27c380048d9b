"""Of equal parts, one copy: what a resource shows again and again is kept once.

Ten thousand waits each keep what they saw last. Most of that is what they saw before: a spec does
not change because the status did.
"""

from functools import cache
from typing import Any

from di_async.core.reading import Slot, slots_of

__all__ = ["shared"]


def shared(new: Any, known: Any) -> Any:
    """`new`, made of the parts of `known` that it equals; `known` itself where that is all of it.

    `new` must be nobody else's yet: its parts are put in place, frozen or not.
    """
    if new.__class__ is not known.__class__:
        return new
    if new == known:
        return known
    if new.__class__ is tuple:
        return tuple(map(shared, new, known)) if len(new) == len(known) else new
    for get, fill in _slots(new.__class__):
        part, before = get(new), get(known)
        if part is before or part.__class__ is not before.__class__:
            continue
        if part == before:
            fill(new, before)
        elif part.__class__ is tuple or _slots(part.__class__):
            fill(new, shared(part, before))
    return new


@cache
def _slots(cls: type) -> tuple[Slot, ...]:
    return slots_of(cls) or ()
