"""What a read shows of a resource, and what a wait expects, in terms that no provider owns.

A provider's lifecycle module turns its resource into an `Observation`; `evidence` decides what the
observations of one wait prove. Values only: no clock, no network, no provider's status word.
"""

import math
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from attrs import field, frozen
from msgspec import Struct

from di_async.core.redaction import redact_reason

__all__ = [
    "NO_EXPECTATION",
    "NO_VERSION",
    "Action",
    "DurationKey",
    "Expectation",
    "Observation",
    "Phase",
    "Read",
    "ReadFailed",
    "ReadFound",
    "ReadMissing",
    "ResourceVersion",
]

DurationKey = tuple[str, str, str]
"""Action, region and accelerator, which decide how long a change takes; "" where unknown."""


class Action(StrEnum):
    """What a wait is about."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    ACTIVE = "active"
    """No write: `wait_until_active`."""
    PREDICATE = "predicate"
    """No write, and the caller decides: `wait_until`."""


class Phase(StrEnum):
    """The four meanings that a provider's status words have. An unknown word is `WORKING`."""

    READY = "ready"
    WORKING = "working"
    FAILED = "failed"
    DELETING = "deleting"


# Times until then stand for "not known": 1970, or the zero time of Go.
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


def _real_time(time: datetime | None) -> datetime | None:
    return time if time is not None and time > _EARLIEST else None


@frozen
class ResourceVersion:
    """What distinguishes one state of a resource from an older one; None where it is not shown."""

    updated_at: datetime | None = field(default=None, converter=_real_time)
    spec_version: int | None = None
    spec_id: str | None = None
    pending_spec_version: int | None = None
    pending_spec_id: str | None = None

    def is_older_than(self, known: "ResourceVersion") -> bool:
        """Return whether this is a state from before a known one, as far as both show it.

        Spec versions decide. Time stamps do where they are equal or not shown, since the clocks of
        two servers differ.
        """
        mine, other = self.spec_version, known.spec_version
        if mine is not None and other is not None and mine != other:
            return mine < other
        if self.updated_at is None or known.updated_at is None:
            return False
        return self.updated_at < known.updated_at


NO_VERSION = ResourceVersion()


@frozen
class Observation:
    """One resource as one read shows it."""

    status: str
    phase: Phase
    complete: bool = True
    """Nothing is pending and the resource can be used. `READY` counts only with this."""
    version: ResourceVersion = NO_VERSION
    matches_sent: bool | None = None
    """The spec shown is the one that this change sent; None where they cannot be compared."""
    reason: str | None = field(default=None, converter=redact_reason)
    """Why it failed, or what it still lacks, as far as the provider shows it."""
    documented: bool = True
    """The provider documents this status word."""
    has_spec: bool = True
    """The read shows the spec; a light list row does not."""
    partial: bool = False
    """The read lacks a field that decides, so only another one can settle the wait. What a list
    row does not show is not known; it is neither missing nor different."""
    failure_grace: float | None = None
    """Seconds that a failure must last before it counts, for failures that may recover."""
    replaced: bool = False
    """Another resource has the name by now, so the one that was observed is gone."""

    @property
    def in_progress(self) -> bool:
        """Whether the provider is still working on the resource, or deleting it."""
        return self.phase is Phase.WORKING or self.phase is Phase.DELETING


@frozen(kw_only=True)
class Expectation:
    """What has to be proven; fixed when the provider accepts the write.

    Only the end of its operation changes it: then `accepted_at` is that moment.
    """

    action: Action
    accepted_at: float
    """Loop time in seconds. Reads that started earlier prove nothing."""
    before: ResourceVersion = NO_VERSION
    """The resource as a GET showed it before the write. A read older than that is stale."""
    before_phase: Phase | None = None
    baseline: datetime | None = field(default=None, converter=_real_time)
    """`updated_at` in the answer to the write; proof has to be later."""
    target_spec_version: int | None = None
    """The spec version that this write makes, where the provider returned it."""
    target_spec_id: str | None = None
    sent: str | None = None
    """What was sent, in the form that the provider's `observe` compares with (no secrets)."""
    grace_until: float = -math.inf
    """Loop time until which a 404 proves nothing, as the resource is new and no read showed it."""
    differed_before: bool | None = None
    """Whether the resource differed from what was sent before the write; None: not comparable."""
    deleted_at: datetime | None = None
    """Of a delete by name: a time by the provider's clock at which it had certainly been sent.
    What was created later is another resource."""


NO_EXPECTATION = Expectation(action=Action.PREDICATE, accepted_at=0.0)
"""For reads that judge no change, but only what a resource shows."""


class ReadFound(Struct, frozen=True, kw_only=True):
    """A read that returned the resource."""

    started_at: float
    at: float
    observation: Observation
    resource: Any = None
    source: str = "get"
    """`get`, or `list` for a list row."""


class ReadMissing(Struct, frozen=True, kw_only=True):
    """A GET that was answered with the API's own 404."""

    started_at: float
    at: float
    error: Any = None


class ReadFailed(Struct, frozen=True, kw_only=True):
    """A read without a usable answer: a transient error or, with `refused`, a final one."""

    started_at: float
    at: float
    error: Any = None
    refused: bool = False


Read = ReadFound | ReadMissing | ReadFailed
