"""Decide what a create did whose answer was lost, from what is found under its unique name.

Only a resource that matches the spec sent and was created since the call began is adopted.
Anything else with that name belongs to someone else.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from attrs import frozen

__all__ = ["Absent", "Adopt", "Candidate", "Foreign", "decide_lost_create"]

CLOCK_SKEW = timedelta(seconds=120)
# A new resource may still show 1970.
_PLACEHOLDER = datetime(2000, 1, 1, tzinfo=UTC)


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
class Foreign:
    """The name belongs to another resource."""

    id: str
    reason: str


@frozen
class Absent:
    """No resource has the name (yet)."""


def decide_lost_create(
    candidates: Iterable[Candidate], since: datetime
) -> Adopt | Foreign | Absent:
    """Return what became of a create that began at `since`, by this machine's clock."""
    foreign: Foreign | None = None
    for found in candidates:
        why = _foreign_reason(found, since)
        if why is None:
            return Adopt(found.id)
        foreign = Foreign(found.id, why)
    return foreign or Absent()


def _foreign_reason(found: Candidate, since: datetime) -> str | None:
    stamp = found.created_at
    if stamp is not None and _PLACEHOLDER < stamp < since - CLOCK_SKEW:
        return f"it was created at {stamp:%Y-%m-%d %H:%M:%S}, before this call"
    return None if found.matches_sent else "its spec is not the one sent"
