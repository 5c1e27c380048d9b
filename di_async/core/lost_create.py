"""Decide what a create did whose response was lost, from what is found under its unique name.

Only a resource that matches the spec sent and was created since the call began is adopted. One
that does not show its spec, or when it was created, may be anybody's. Anything else with that name
belongs to someone else.

A create that is tried again by another call, minutes later, has no answer at all. So what exists
under its name is read before it is sent (`decide_retried_create`), and the window reaches back to
its first attempt.
"""

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

from di_async.core.server_clock import Age, CallWindow
from di_async.core.waiting.evidence import CREATE_GRACE_S

__all__ = [
    "Absent",
    "Adopt",
    "Ambiguous",
    "Candidate",
    "CreateDecision",
    "Foreign",
    "ReadAgain",
    "RetryDecision",
    "Uncertain",
    "decide_lost_create",
    "decide_retried_create",
]


class Candidate(Struct, frozen=True):
    """A resource of that name."""

    id: str
    created_at: datetime | None
    matches_sent: bool | None
    """None: it does not show its spec."""
    is_leaving: bool = False
    """It is being deleted."""


class Adopt(Struct, frozen=True):
    """The create made this resource."""

    id: str


class Uncertain(Struct, frozen=True):
    """The create may have made this resource."""

    id: str


class Foreign(Struct, frozen=True):
    """The name belongs to another resource."""

    id: str
    reason: str


class Absent(Struct, frozen=True):
    """No resource has the name (yet)."""


class Ambiguous(Struct, frozen=True):
    """Names are not unique, and the first attempt may have made any of these."""

    ids: tuple[str, ...]


class ReadAgain(Struct, frozen=True):
    """No resource is shown, but a new one need not be shown yet."""

    seconds: float
    """Until the absence counts."""


CreateDecision = Adopt | Uncertain | Foreign | Absent
RetryDecision = CreateDecision | Ambiguous | ReadAgain


def decide_lost_create(candidates: Iterable[Candidate], window: CallWindow) -> CreateDecision:
    """Return what became of a create that began in this window of time."""
    foreign: Foreign | None = None
    uncertain: Uncertain | None = None
    for found in candidates:
        age = window.age(found.created_at)
        if age is Age.BEFORE:
            stamp = found.created_at
            foreign = Foreign(
                found.id, f"it was created at {stamp:%Y-%m-%d %H:%M:%S}, before this call"
            )
        elif found.matches_sent is False:
            foreign = Foreign(found.id, "its spec is not the one sent")
        elif age is Age.UNKNOWN or not found.id or found.matches_sent is None:
            uncertain = Uncertain(found.id)
        else:
            return Adopt(found.id)
    return uncertain or foreign or Absent()


def decide_retried_create(
    candidates: Iterable[Candidate], window: CallWindow, *, unique_names: bool
) -> RetryDecision:
    """Return what the earlier attempts of a create have made; `Absent`: it may be sent.

    Args:
        candidates: everything of that name.
        window: when the first attempt began.
        unique_names: the API refuses a second resource of the name. Otherwise nothing is adopted,
            whatever its spec: a user decides.
    """
    found = tuple(candidates)
    if unique_names:
        leaving = next((one for one in found if one.is_leaving), None)
        if leaving is not None:
            return Foreign(leaving.id, "it is being deleted")
        return decide_lost_create(found, window)
    possible = (one for one in found if not one.is_leaving)
    ids = tuple(one.id for one in possible if window.age(one.created_at) is not Age.BEFORE)
    if ids:
        return Ambiguous(ids)
    left = window.latest + CREATE_GRACE_S - window.now
    return ReadAgain(left) if left > 0 else Absent()
