"""Decide what a create did whose answer was lost, from what is found under its unique name.

Only a resource that matches the spec sent and was created since the call began is adopted. One
that matches, but does not show when it was created, may be anybody's. Anything else with that name
belongs to someone else.
"""

from collections.abc import Iterable
from datetime import datetime

from attrs import frozen

from di_async.core.server_clock import Age, CallWindow

__all__ = ["Absent", "Adopt", "Candidate", "Decision", "Foreign", "Uncertain", "decide_lost_create"]


@frozen
class Candidate:
    """A resource of that name."""

    id: str
    created_at: datetime | None
    matches_sent: bool


@frozen
class Adopt:
    """The create made this resource."""

    id: str


@frozen
class Uncertain:
    """The create may have made this resource."""

    id: str


@frozen
class Foreign:
    """The name belongs to another resource."""

    id: str
    reason: str


@frozen
class Absent:
    """No resource has the name (yet)."""


Decision = Adopt | Uncertain | Foreign | Absent


def decide_lost_create(candidates: Iterable[Candidate], window: CallWindow) -> Decision:
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
        elif not found.matches_sent:
            foreign = Foreign(found.id, "its spec is not the one sent")
        elif age is Age.UNKNOWN or not found.id:
            uncertain = Uncertain(found.id)
        else:
            return Adopt(found.id)
    return uncertain or foreign or Absent()
