"""Is this change settled? The decision that everything else exists for, as pure functions.

What lives here: `absorb` folds one read into a ledger, `judge` says what the ledger proves,
`decide` adds the deadline. No clock, no network, no vendor's word: a provider's lifecycle turns
its resource into a `Sight` first, so that one decision serves all of them.

The rules (design.md 4):
* Only a read that *started after* the write was accepted says anything about it.
* `ready` alone proves nothing after an update: a stale replica says so too. Proof is a transition
  seen since, marks (updated_at, spec id or version) that moved on, or - where the API shows none
  of them - three agreeing reads over 30 s. The middle state is never required.
* A failure needs the same proof. A read older than one already seen proves nothing at all.
* Where what was sent can be compared with what is shown (`Case.unlike`), a resource that shows
  something else is not settled, however ready it is.
* A deletion is proven by a 404 on GET and by nothing else; what a 404 means depends on the action.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

__all__ = [
    "AGREEING_READS",
    "AGREEING_SPAN_S",
    "CREATE_GRACE_S",
    "Action",
    "Decision",
    "Evidence",
    "Expectation",
    "Expired",
    "Failed",
    "Observation",
    "Pending",
    "Phase",
    "Read",
    "ReadFailed",
    "ReadFound",
    "ReadMissing",
    "Refused",
    "ResourceVersion",
    "Settled",
    "Superseded",
    "Vanished",
    "check_deadline",
    "decide",
    "fold",
    "judge",
]

AGREEING_READS = 3
AGREEING_SPAN_S = 30.0
"""Longer than any replica lag seen in the wild (20 s); never scaled by `target_lag`."""
CREATE_GRACE_S = 120.0
"""A new object may answer 404 for this long: terraform-provider-digitalocean#1493."""
_MISSING_IN_A_ROW = 2


class Action(StrEnum):
    """What is being waited for."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    ACTIVE = "active"
    """No write of ours: `wait_until_active`."""
    PREDICATE = "predicate"
    """No write of ours, and the caller judges: `wait_until`."""


class Phase(StrEnum):
    """A provider's status words, boiled down. A word nobody knows is `WORKING`."""

    READY = "ready"
    WORKING = "working"
    FAILED = "failed"
    DELETING = "deleting"


# Python 3.11 needs as long to find a member of an enum by its name as for all the rest of a rule.
_CREATE, _UPDATE, _DELETE, _ACTIVE, _PREDICATE = Action
_READY, _WORKING, _FAILED, _DELETING = Phase


class ResourceVersion(Struct, frozen=True, gc=False):
    """What tells one state of a resource from an older one. None where the API does not show it."""

    updated_at: datetime | None = None
    spec_version: int | None = None
    spec_id: str | None = None
    pending_spec_version: int | None = None
    pending_spec_id: str | None = None


class Observation(Struct, frozen=True, gc=False):
    """One look at a resource, in words that no provider owns."""

    status: str
    phase: Phase
    complete: bool = True
    """Nothing is pending and it can be used: `ready` counts only with this."""
    version: ResourceVersion = ResourceVersion()
    matches_sent: bool | None = None
    """Its spec is the one this change sent; None where that cannot be told."""
    reason: str | None = None
    """The failure story, where the provider tells one."""
    documented: bool = True
    """The status word is one that the provider documents."""
    has_spec: bool = True
    """It shows its spec; a light list row does not."""
    failure_grace: float | None = None
    """Seconds for which a failure that may yet recover must hold before it counts as one."""

    @property
    def in_progress(self) -> bool:
        """Seeing the very same again would prove nothing."""
        return self.phase is _WORKING or self.phase is _DELETING


class Expectation(Struct, frozen=True, kw_only=True, gc=False):
    """What is to be proven; fixed when the write is accepted."""

    action: Action
    accepted_at: float
    """Reads that started before this moment prove nothing."""
    before: ResourceVersion = ResourceVersion()
    """The resource as a GET showed it before the write: a read older than that is stale."""
    before_phase: Phase | None = None
    baseline: datetime | None = None
    """`updated_at` in the write's own answer: evidence must lie beyond. 1970 is none."""
    target_spec_version: int | None = None
    """The spec version this write makes, where the provider told it."""
    target_spec_id: str | None = None
    sent: str | None = None
    """A digest of the spec that was sent, or whatever the provider compares with."""
    differed_before: bool | None = None
    """Before the write it was seen to differ from what was sent; None: that cannot be compared."""


class ReadFound(Struct, frozen=True, kw_only=True):
    """A read that found the resource."""

    started_at: float
    at: float
    observation: Observation
    resource: Any = None
    source: str = "get"


class ReadMissing(Struct, frozen=True, kw_only=True):
    """A GET that answered 404."""

    started_at: float
    at: float
    error: Any = None


class ReadFailed(Struct, frozen=True, kw_only=True):
    """A read that told nothing (reset, 5xx, 429, HTML) or, with `final`, was refused for good."""

    started_at: float
    at: float
    error: Any = None
    refused: bool = False


Read = ReadFound | ReadMissing | ReadFailed


class Evidence(Struct, frozen=True, kw_only=True):
    """What all reads so far add up to. `absorb` makes the next one; nothing is ever taken back."""

    reads: int = 0
    observation: Observation | None = None
    """The last one that was not stale."""
    newest_version: ResourceVersion = ResourceVersion()
    pending_spec_version: int | None = None
    pending_spec_id: str | None = None
    transitioned: bool = False
    """A transition was seen since the write."""
    seen_in_progress: bool = False
    """It was seen unsettled."""
    agreeing_reads: int = 0
    agreeing_since: float = 0.0
    agreeing_span_s: float = 0.0
    ever_seen: bool = False
    consecutive_404s: int = 0
    """404s in a row that no grace excuses."""
    not_found: bool = False
    refusal: Any = None
    last_error: Any = None


class Pending(Struct, frozen=True, gc=False):
    """Nothing is proven yet."""


class Settled(Struct, frozen=True, gc=False):
    """It is done, and this is how we know."""

    evidence: str


class Failed(Struct, frozen=True, gc=False):
    """The provider says that this change failed."""

    reason: str


class Vanished(Struct, frozen=True, gc=False):
    """404 where there should be something. `never_seen`: it was not there from the start."""

    never_seen: bool


class Superseded(Struct, frozen=True, gc=False):
    """Somebody else's change or deletion came after ours."""

    reason: str


class Refused(Struct, frozen=True):
    """The provider will not let us look."""

    error: Any


class Expired(Struct, frozen=True, gc=False):
    """The time given is over."""


Decision = Pending | Settled | Failed | Vanished | Superseded | Refused | Expired


# --- folding ---------------------------------------------------------------------------------


def fold(expectation: Expectation, evidence: Evidence, read: Read) -> Evidence:
    """The ledger after one more read."""
    if read.started_at < expectation.accepted_at:
        return evidence
    if isinstance(read, ReadFound):
        return _fold_found(expectation, evidence, read)
    looks = evidence.reads + 1
    if isinstance(read, ReadFailed):
        refusal = read.error if read.refused else None
        return replace(evidence, reads=looks, refusal=refusal, last_error=read.error)
    return replace(_fold_missing(expectation, evidence, read), reads=looks, refusal=None)


def _fold_missing(expectation: Expectation, evidence: Evidence, read: ReadMissing) -> Evidence:
    young = expectation.action is _CREATE and read.at - expectation.accepted_at < CREATE_GRACE_S
    return replace(
        evidence,
        not_found=True,
        last_error=read.error,
        consecutive_404s=0 if young else evidence.consecutive_404s + 1,
        agreeing_reads=0,
    )


def _fold_found(expectation: Expectation, evidence: Evidence, read: ReadFound) -> Evidence:
    observation = read.observation
    looks = evidence.reads + 1
    if _is_older(observation.version, evidence.newest_version) or _is_older(
        observation.version, expectation.before
    ):
        return replace(
            evidence, reads=looks, refusal=None, ever_seen=True, not_found=False, consecutive_404s=0
        )
    agrees = (
        evidence.agreeing_reads > 0
        and evidence.observation is not None
        and _agree(evidence.observation, observation)
    )
    since = evidence.agreeing_since if agrees else read.started_at
    marks = observation.version
    # What is not named, 404s and refusals, is forgotten.
    return Evidence(
        reads=looks,
        observation=observation,
        newest_version=_newest(evidence.newest_version, marks),
        pending_spec_version=marks.pending_spec_version or evidence.pending_spec_version,
        pending_spec_id=marks.pending_spec_id or evidence.pending_spec_id,
        transitioned=evidence.transitioned or _is_transition(expectation, observation),
        seen_in_progress=evidence.seen_in_progress
        or observation.in_progress
        or not observation.complete,
        agreeing_reads=evidence.agreeing_reads + 1 if agrees else 1,
        agreeing_since=since,
        agreeing_span_s=read.started_at - since,
        ever_seen=True,
        last_error=evidence.last_error,
    )


def _is_transition(expectation: Expectation, observation: Observation) -> bool:
    """A state that neither the one before the write nor the one after it can show."""
    if observation.phase is _WORKING or (observation.phase is _READY and not observation.complete):
        return expectation.before_phase is not _WORKING or expectation.action is not _UPDATE
    return expectation.before_phase is _FAILED and observation.phase is _READY


def _agree(one: Observation, other: Observation) -> bool:
    return (one.phase, one.complete, one.version) == (other.phase, other.complete, other.version)


def _is_older(marks: ResourceVersion, than: ResourceVersion) -> bool:
    """It shows a state from before one that is known, so its reader lagged behind."""
    if (
        marks.spec_version is not None
        and than.spec_version is not None
        and marks.spec_version < than.spec_version
    ):
        return True
    if marks.updated_at is None or than.updated_at is None:
        return False
    return marks.updated_at < than.updated_at


def _newest(one: ResourceVersion, other: ResourceVersion) -> ResourceVersion:
    """Field by field, the newer of two."""
    stamp, version = other.updated_at, other.spec_version
    if stamp is None or _exceeds(one.updated_at, stamp):
        stamp = one.updated_at
    if version is None or _exceeds(one.spec_version, version):
        version = one.spec_version
    if stamp is other.updated_at and version is other.spec_version:
        return other
    return replace(other, updated_at=stamp, spec_version=version)


# --- judging ---------------------------------------------------------------------------------


def judge(expectation: Expectation, evidence: Evidence) -> Decision:
    """What the reads so far prove, whatever the time is."""
    if evidence.refusal is not None:
        return Refused(evidence.refusal)
    if expectation.action is _DELETE:
        return Settled("GET answered 404") if evidence.not_found else Pending()
    if evidence.not_found:
        return _judge_not_found(expectation, evidence)
    if evidence.observation is None or expectation.action is _PREDICATE:
        return Pending()
    return _judge_observation(expectation, evidence, evidence.observation)


def _judge_not_found(expectation: Expectation, evidence: Evidence) -> Decision:
    if expectation.action is _ACTIVE and not evidence.ever_seen:
        return Vanished(never_seen=True)
    if evidence.consecutive_404s >= _MISSING_IN_A_ROW:
        return Vanished(never_seen=not evidence.ever_seen)
    return Pending()


def _judge_observation(
    expectation: Expectation, evidence: Evidence, observation: Observation
) -> Decision:
    if observation.phase is _DELETING:
        return Superseded("it is being deleted")
    if _is_superseded(expectation, evidence, observation):
        return Superseded(
            f"spec version {observation.version.spec_version} is newer and not the one sent"
        )
    if observation.phase is _FAILED:
        return _judge_failure(expectation, evidence, observation)
    if observation.phase is not _READY or not observation.complete:
        return Pending()
    if expectation.differed_before is not None and observation.matches_sent is False:
        return _judge_different_spec(expectation, evidence, observation)
    proof = _proof(expectation, evidence, observation)
    return Settled(proof) if proof else Pending()


def _judge_failure(
    expectation: Expectation, evidence: Evidence, observation: Observation
) -> Decision:
    patient = (
        observation.failure_grace is not None
        and evidence.agreeing_span_s < observation.failure_grace
    )
    if patient or not _proof(expectation, evidence, observation):
        return Pending()
    return Failed(observation.reason or f"its status is {observation.status!r}")


def _judge_different_spec(
    expectation: Expectation, evidence: Evidence, observation: Observation
) -> Decision:
    """Ready, but not as sent: a stale replica, or somebody changed it again."""
    moved = evidence.transitioned or _exceeds(
        observation.version.updated_at, expectation.baseline or expectation.before.updated_at
    )
    if moved and _agreed(evidence):
        return Superseded("it has settled as something else than what this change sent")
    return Pending()


def _target(expectation: Expectation, evidence: Evidence) -> int | None:
    """The spec version that our write makes, from its answer or from a pending spec seen since."""
    if expectation.target_spec_version is not None:
        return expectation.target_spec_version
    return (
        evidence.pending_spec_version
        if _exceeds(evidence.pending_spec_version, expectation.before.spec_version)
        else None
    )


def _exceeds(value: Any, bound: Any) -> bool:
    return value is not None and bound is not None and bool(value > bound)


def _is_superseded(expectation: Expectation, evidence: Evidence, observation: Observation) -> bool:
    if observation.matches_sent is not False:
        return False
    target = _target(expectation, evidence)
    if target is None and expectation.before.spec_version is not None:
        target = expectation.before.spec_version + 1
    ours = expectation.action is _CREATE or expectation.action is _UPDATE
    return ours and _exceeds(observation.version.spec_version, target)


def _proof(expectation: Expectation, evidence: Evidence, observation: Observation) -> str | None:
    """Why this sight is about our write and not about the time before it; None: it may not be."""
    if expectation.action is not _UPDATE:
        return "read after the write was accepted"
    if observation.phase is _READY:
        target, version = _target(expectation, evidence), observation.version.spec_version
        if target is not None and version is not None:
            # The API shows versions: nothing less than ours will do, and no repetition either.
            return f"spec version {version}" if version >= target else None
        if _exceeds(version, expectation.before.spec_version):
            return f"spec version {version}"
        if _is_ours(expectation, evidence, observation):
            return "spec id of this update"
        if expectation.differed_before and observation.matches_sent:
            return "it shows what was sent, and did not before"
    return _circumstantial_proof(expectation, evidence, observation)


def _circumstantial_proof(
    expectation: Expectation, evidence: Evidence, observation: Observation
) -> str | None:
    """Evidence that success and failure share: what moved, or how long it has held still."""
    stamp, baseline = (
        observation.version.updated_at,
        expectation.baseline or expectation.before.updated_at,
    )
    if _exceeds(baseline, stamp):
        return None  # it shows a time before the write
    if _exceeds(stamp, baseline):
        return "updated_at moved on"
    if evidence.transitioned:
        return "a transition was seen"
    if observation.phase is _FAILED and expectation.before_phase in (_READY, _WORKING):
        return "it was well before"
    if _agreed(evidence):
        span = f"{evidence.agreeing_span_s:.0f} s"
        return f"repeated: {evidence.agreeing_reads} agreeing reads over {span}"
    return None


def _agreed(evidence: Evidence) -> bool:
    return evidence.agreeing_reads >= AGREEING_READS and evidence.agreeing_span_s >= AGREEING_SPAN_S


def _is_ours(expectation: Expectation, evidence: Evidence, observation: Observation) -> bool:
    ours = {expectation.target_spec_id, evidence.pending_spec_id} - {
        None,
        expectation.before.spec_id,
    }
    return observation.version.spec_id is not None and observation.version.spec_id in ours


def decide(
    expectation: Expectation,
    evidence: Evidence,
    *,
    now: float,
    deadline: float | None,
    in_flight: bool = False,
) -> Decision:
    """The verdict at `now`. A read still in flight at the deadline may win: then it is pending."""
    decision = judge(expectation, evidence)
    return decision if in_flight else check_deadline(decision, now=now, deadline=deadline)


def check_deadline(decision: Decision, *, now: float, deadline: float | None) -> Decision:
    """The verdict at `now`: what is still pending at the deadline has expired."""
    if not isinstance(decision, Pending) or deadline is None or now < deadline:
        return decision
    return Expired()
