"""Decide whether a change has settled. Pure: `fold` adds a read, `judge` states what is proven.

Theory of operation. A wait folds every read into an `Evidence` value, whatever the read returned.
`judge` maps the evidence to a `Decision`; `check_deadline` adds the deadline. Neither depends on a
clock, so the same functions serve single waits, batches, benchmarks and property tests.

Rules:

* A read that started before the write was accepted proves nothing; neither does a read that shows
  an older version of the resource than one seen before (a stale replica). Spec versions decide
  what is older; `updated_at` does where they are equal or not shown.
* A single wrong version or `updated_at` is overruled by reads that agree for long enough; after an
  update, only by reads that show what was sent.
* `READY` alone does not prove an update: a stale replica is ready, too. See the table.
* A failure needs the same proof as a success: it may be left over from before the write.
* An update is not settled by a read that shows another spec than the one sent, whatever version
  or `updated_at` it shows.
* Only a GET proves a deletion: it answers 404 or, after a delete by name, shows what was created
  with that name since. What a 404 means for other actions depends on whether the resource was
  ever seen.

Transitions, in order; the first row that applies decides:

| evidence | action | decision |
|---|---|---|
| this client's own delete is proven while the wait is open | delete | Settled |
| the same | others | Vanished(own_delete) |
| the last read was refused (401, 403, 422) | any | Refused |
| the last GET answered 404, outside the grace | delete | Settled |
| the last GET shows what was created with its name after the delete | delete | Settled |
| any other read, also FAILED | delete | Pending |
| 404 outside the grace, and this client's DELETE was accepted | others | Vanished(own_delete) |
| 404 outside the grace, never seen before | active | Vanished(never_seen) |
| two 404s in a row, outside the grace | others | Vanished |
| the last GET answered 404, or no read has shown it yet | others | Pending |
| any other read | predicate | Pending; the caller's predicate decides |
| DELETING, or this client's DELETE was accepted | create, update, active | Superseded |
| a newer spec version than ours, and not the spec sent | create, update | Superseded |
| FAILED, for at least `failure_grace`, with proof | create, update, active | Failed |
| WORKING or FAILED, or READY but not complete | create, update, active | Pending |
| READY with another spec than sent, moved, not older, three agreeing reads | update | Superseded |
| READY with another spec than sent | update | Pending |
| READY and complete, with proof | create, update, active | Settled |
| READY and complete, without proof | update | Pending |

The grace is the time in which a 404 of a new resource proves nothing (`_fold_missing`).

Proof for an update is one of: the spec version or spec id of this update; a later `updated_at`
than the baseline; a transition seen since; the spec sent is shown and was not before; or, where
the API shows none of these, three agreeing reads that span at least 30 s. For every other action,
a read that started after the write was accepted is proof.
"""

import math
from typing import Any

from attrs import evolve
from msgspec import Struct
from msgspec.structs import replace

from di_async.core.waiting.observation import (
    NO_VERSION,
    Action,
    Expectation,
    Observation,
    Phase,
    Read,
    ReadFailed,
    ReadFound,
    ReadMissing,
    ResourceVersion,
)

__all__ = [
    "AGREEING_READS",
    "AGREEING_SPAN_S",
    "BEING_DELETED",
    "CREATE_GRACE_S",
    "OVERRULING_SPAN_S",
    "Decision",
    "Ending",
    "Evidence",
    "Expired",
    "Failed",
    "OwnDelete",
    "Pending",
    "Refused",
    "Settled",
    "Superseded",
    "Vanished",
    "accepted_delete_grace",
    "check_deadline",
    "fold",
    "fold_own_delete",
    "judge",
]

AGREEING_READS = 3
AGREEING_SPAN_S = 30.0
"""Longer than any replica lag that was observed (20 s); never scaled by `target_lag`."""
OVERRULING_SPAN_S = 120.0
"""Reads that agree for this long are not of a stale replica, although they look older than others:
a gateway, a cache or a wrong clock wrote the version that seems to be newer."""
CREATE_GRACE_S = 120.0
"""A new object may answer 404 for this long: terraform-provider-digitalocean#1493."""
_VANISHED_AFTER_404S = 2


def accepted_delete_grace(*, has_operation: bool) -> float:
    """Return the seconds after an accepted delete in which a 404 of a new resource proves nothing.

    The provider knew the resource, so only a replica that lags behind may answer 404 too early. A
    finished operation is proof by itself.
    """
    return 0.0 if has_operation else AGREEING_SPAN_S


class OwnDelete(Struct, frozen=True):
    """A DELETE of the resource that this client sent, and that was accepted."""

    accepted_at: float
    """Loop time in seconds."""
    grace_until: float
    """Loop time until which a 404 proves nothing, unless a read has shown the resource."""
    proven: bool = False
    """A GET has proven the deletion."""


class Evidence(Struct, frozen=True, kw_only=True):
    """The sum of all reads so far. `fold` returns the next one."""

    reads: int = 0
    observation: Observation | None = None
    """The last one that was not stale."""
    newest_version: ResourceVersion = NO_VERSION
    before_counts: bool = True
    """Nothing has overruled the version and `updated_at` from before the write."""
    stale: Observation | None = None
    """What the last read showed, if it was stale."""
    stale_reads: int = 0
    """Consecutive reads that showed this stale state."""
    stale_since: float = math.inf
    """Loop time at which the first of them was sent."""
    pending_spec_version: int | None = None
    pending_spec_id: str | None = None
    transitioned: bool = False
    """The resource was seen in progress, and was not before the write; or it had failed before the
    write and is ready now."""
    seen_in_progress: bool = False
    operation_ended: bool = False
    """The write's operation had ended before these reads."""
    agreeing_reads: int = 0
    """Consecutive reads that showed the same state."""
    agreeing_since: float = 0.0
    """Loop time at which the first of them was sent."""
    agreeing_span_s: float = 0.0
    """Seconds from the first of them to the last."""
    ever_seen: bool = False
    consecutive_404s: int = 0
    """404s in a row, without those in the grace."""
    not_found: bool = False
    """The last answer was a 404."""
    refusal: Any = None
    """The error of the last read, if it was refused for good."""
    last_error: Any = None
    own_delete: OwnDelete | None = None
    """The last delete of this client that was accepted since the change began."""


class Pending(Struct, frozen=True):
    """Nothing is proven yet."""


class Settled(Struct, frozen=True):
    """The change is done; `evidence` says what proves it."""

    evidence: str


class Failed(Struct, frozen=True):
    """The provider reports that this change failed."""

    reason: str


class Vanished(Struct, frozen=True):
    """404 where a resource was expected."""

    never_seen: bool
    """No read ever found it."""
    own_delete: bool = False
    """This client deleted it."""

    @property
    def is_unknown(self) -> bool:
        """Whether nothing shows that it ever existed."""
        return self.never_seen and not self.own_delete


class Superseded(Struct, frozen=True):
    """A later change or deletion replaced this one."""

    reason: str


class Refused(Struct, frozen=True):
    """The provider refuses the reads."""

    error: Any


class Expired(Struct, frozen=True):
    """The deadline passed."""


Ending = Settled | Failed | Vanished | Superseded
"""The decisions that end a change; the others end a wait at most."""
Decision = Pending | Ending | Refused | Expired
_PENDING = Pending()
BEING_DELETED = Superseded("this client is deleting it")
"""Of a resource whose delete this client has sent, whatever status it still shows."""


# --- fold --------------------------------------------------------------------------------------


def fold(expectation: Expectation, evidence: Evidence, read: Read) -> Evidence:
    """Return the evidence after one more read."""
    if read.started_at < expectation.accepted_at:
        return evidence
    if isinstance(read, ReadFound):
        return _fold_found(expectation, evidence, read)
    reads = evidence.reads + 1
    if isinstance(read, ReadFailed):
        refusal = read.error if read.refused else None
        return replace(evidence, reads=reads, refusal=refusal, last_error=read.error)
    return _fold_missing(expectation, evidence, read, reads)


def _fold_missing(
    expectation: Expectation, evidence: Evidence, read: ReadMissing, reads: int
) -> Evidence:
    age = read.at - expectation.accepted_at
    in_grace = expectation.action is Action.CREATE and age < CREATE_GRACE_S
    in_grace |= read.at < expectation.grace_until and not evidence.ever_seen
    if evidence.own_delete is not None:
        in_grace = _in_grace_of_own_delete(evidence.own_delete, evidence, read, in_grace=in_grace)
    return replace(
        evidence,
        reads=reads,
        not_found=True,
        consecutive_404s=0 if in_grace else evidence.consecutive_404s + 1,
        agreeing_reads=0,
        stale=None,
        refusal=None,
        last_error=read.error,
    )


def fold_own_delete(evidence: Evidence, own_delete: OwnDelete) -> Evidence:
    """Return the evidence after a delete by this client; 404s from before it do not count."""
    return replace(evidence, own_delete=own_delete, consecutive_404s=0)


def _in_grace_of_own_delete(
    own_delete: OwnDelete, evidence: Evidence, read: ReadMissing, *, in_grace: bool
) -> bool:
    """Return whether a 404 proves nothing, as it may be older than this client's own delete."""
    if read.started_at < own_delete.accepted_at:
        return True
    return in_grace and not (evidence.ever_seen or read.at >= own_delete.grace_until)


def _fold_found(expectation: Expectation, evidence: Evidence, read: ReadFound) -> Evidence:
    observation, reads = read.observation, evidence.reads + 1
    version, last = observation.version, evidence.observation
    if _is_stale(expectation, evidence, version):
        evidence = _fold_stale(evidence, read)
        if not _is_overruling(expectation, evidence, read):
            return evidence
        evidence = replace(evidence, newest_version=NO_VERSION, before_counts=False)
    agrees = evidence.agreeing_reads > 0 and last is not None and _agree(last, observation)
    since = evidence.agreeing_since if agrees else read.started_at
    # Fields that are not named here (404s, a refusal) start again.
    return Evidence(
        reads=reads,
        observation=observation,
        newest_version=_newest(evidence.newest_version, version),
        before_counts=evidence.before_counts,
        pending_spec_version=version.pending_spec_version or evidence.pending_spec_version,
        pending_spec_id=version.pending_spec_id or evidence.pending_spec_id,
        transitioned=evidence.transitioned or _is_transition(expectation, observation),
        seen_in_progress=(
            evidence.seen_in_progress or observation.in_progress or not observation.complete
        ),
        operation_ended=evidence.operation_ended,
        agreeing_reads=evidence.agreeing_reads + 1 if agrees else 1,
        agreeing_since=since,
        agreeing_span_s=read.started_at - since,
        ever_seen=True,
        last_error=evidence.last_error,
        own_delete=evidence.own_delete,
    )


def _is_stale(expectation: Expectation, evidence: Evidence, version: ResourceVersion) -> bool:
    if version.is_older_than(evidence.newest_version):
        return True
    return evidence.before_counts and version.is_older_than(expectation.before)


def _fold_stale(evidence: Evidence, read: ReadFound) -> Evidence:
    last, observation = evidence.stale, read.observation
    agrees = last is not None and _agree(last, observation)
    return replace(
        evidence,
        reads=evidence.reads + 1,
        stale=observation,
        stale_reads=evidence.stale_reads + 1 if agrees else 1,
        stale_since=evidence.stale_since if agrees else read.started_at,
        ever_seen=True,
        not_found=False,
        consecutive_404s=0,
        refusal=None,
    )


def _is_overruling(expectation: Expectation, evidence: Evidence, read: ReadFound) -> bool:
    """Return whether what looks stale was seen for so long that it is the current state.

    After an update it must show what was sent: else it may be the state from before.
    """
    if expectation.action is Action.UPDATE and not read.observation.matches_sent:
        return False
    lasted = read.started_at - evidence.stale_since
    return evidence.stale_reads >= AGREEING_READS and lasted >= OVERRULING_SPAN_S


def _is_transition(expectation: Expectation, observation: Observation) -> bool:
    before, phase = expectation.before_phase, observation.phase
    if phase is Phase.WORKING or (phase is Phase.READY and not observation.complete):
        return before is not Phase.WORKING or expectation.action is not Action.UPDATE
    return before is Phase.FAILED and phase is Phase.READY


def _agree(one: Observation, other: Observation) -> bool:
    return (
        one.phase is other.phase and one.complete == other.complete and one.version == other.version
    )


def _newest(one: ResourceVersion, other: ResourceVersion) -> ResourceVersion:
    """Return the newer version, `other`; what it does not show, as a light row, is from `one`."""
    updated_at = one.updated_at if other.updated_at is None else other.updated_at
    spec_version = one.spec_version if other.spec_version is None else other.spec_version
    return evolve(other, updated_at=updated_at, spec_version=spec_version)


def _exceeds(value: Any, bound: Any) -> bool:
    """Whether both are known and `value` is greater."""
    return value is not None and bound is not None and bool(value > bound)


# --- judge -------------------------------------------------------------------------------------


def judge(expectation: Expectation, evidence: Evidence) -> Decision:
    """Return what the reads so far prove, regardless of any deadline."""
    if evidence.own_delete is not None and evidence.own_delete.proven:
        return _judge_own_delete(expectation, evidence)
    if evidence.refusal is not None:
        return Refused(evidence.refusal)
    if expectation.action is Action.DELETE:
        return _judge_delete(evidence)
    if evidence.not_found:
        return _judge_not_found(expectation, evidence)
    if evidence.observation is None or expectation.action is Action.PREDICATE:
        return _PENDING
    return _judge_observation(expectation, evidence, evidence.observation)


def _judge_delete(evidence: Evidence) -> Decision:
    if evidence.consecutive_404s:
        return Settled("GET answered 404")
    if evidence.observation is not None and evidence.observation.replaced:
        return Settled("what has its name was created after the delete")
    return _PENDING


def _judge_own_delete(expectation: Expectation, evidence: Evidence) -> Decision:
    if expectation.action is Action.DELETE:
        return Settled("GET answered 404")
    return Vanished(never_seen=not evidence.ever_seen, own_delete=True)


def _judge_not_found(expectation: Expectation, evidence: Evidence) -> Decision:
    if evidence.own_delete is not None and evidence.consecutive_404s:
        return _judge_own_delete(expectation, evidence)
    never_seen = not evidence.ever_seen and evidence.consecutive_404s > 0
    if expectation.action is Action.ACTIVE and never_seen:
        return Vanished(never_seen=True)
    if evidence.consecutive_404s >= _VANISHED_AFTER_404S:
        return Vanished(never_seen=not evidence.ever_seen)
    return _PENDING


def _judge_observation(
    expectation: Expectation, evidence: Evidence, observation: Observation
) -> Decision:
    if evidence.own_delete is not None:
        return BEING_DELETED
    if observation.phase is Phase.DELETING:
        return Superseded("it is being deleted")
    if _is_superseded(expectation, evidence, observation):
        newer = observation.version.spec_version
        return Superseded(f"spec version {newer} is newer and not the one sent")
    if observation.phase is Phase.FAILED:
        return _judge_failure(expectation, evidence, observation)
    if observation.phase is not Phase.READY or not observation.complete:
        return _PENDING
    if expectation.action is Action.UPDATE and observation.matches_sent is False:
        return _judge_different_spec(expectation, evidence, observation)
    proof = _proof(expectation, evidence, observation)
    return Settled(proof) if proof else _PENDING


def _judge_failure(
    expectation: Expectation, evidence: Evidence, observation: Observation
) -> Decision:
    grace = observation.failure_grace
    if grace is not None and evidence.agreeing_span_s < grace:
        return _PENDING
    if not _proof(expectation, evidence, observation):
        return _PENDING
    return Failed(observation.reason or f"its status is {observation.status!r}")


def _judge_different_spec(
    expectation: Expectation, evidence: Evidence, observation: Observation
) -> Decision:
    """Ready with another spec: not done yet, a stale replica, or a later change by someone else."""
    before, shown = expectation.before.spec_version, observation.version.spec_version
    if before is not None and shown is not None and shown <= before:
        return _PENDING  # it still runs the spec from before the write
    moved = evidence.transitioned or _exceeds(
        observation.version.updated_at, _baseline(expectation)
    )
    # Progress seen before the write was another change's; this one's operation comes after it.
    moved |= evidence.operation_ended and evidence.seen_in_progress
    if moved and _agreed(evidence):
        return Superseded("it settled with another spec than the one that this change sent")
    return _PENDING


def _is_superseded(expectation: Expectation, evidence: Evidence, observation: Observation) -> bool:
    if observation.matches_sent is not False:
        return False
    if expectation.action is not Action.CREATE and expectation.action is not Action.UPDATE:
        return False
    target = _target_version(expectation, evidence)
    if target is None and expectation.before.spec_version is not None:
        target = expectation.before.spec_version + 1
    return _exceeds(observation.version.spec_version, target)


def _target_version(expectation: Expectation, evidence: Evidence) -> int | None:
    """The spec version of our write, from its answer or from a pending spec seen since."""
    if expectation.target_spec_version is not None:
        return expectation.target_spec_version
    pending = evidence.pending_spec_version
    return pending if _exceeds(pending, expectation.before.spec_version) else None


def _proof(expectation: Expectation, evidence: Evidence, observation: Observation) -> str | None:
    """Why this observation is about our write and not older; None without proof."""
    if expectation.action is not Action.UPDATE:
        no_write = expectation.action is Action.ACTIVE
        return "read after the wait began" if no_write else "read after the write was accepted"
    if observation.phase is Phase.READY:
        target = _target_version(expectation, evidence)
        version = observation.version.spec_version
        if target is not None and version is not None:
            # The API shows versions, so neither an older one nor repetition is proof.
            return f"spec version {version}" if version >= target else None
        if _exceeds(version, expectation.before.spec_version):
            return f"spec version {version}"
        if _has_our_spec_id(expectation, evidence, observation):
            return "spec id of this update"
        if expectation.differed_before and observation.matches_sent:
            return "it shows what was sent, and did not before"
    return _proof_of_either_outcome(expectation, evidence, observation)


def _proof_of_either_outcome(
    expectation: Expectation, evidence: Evidence, observation: Observation
) -> str | None:
    """Proof that a success and a failure have in common: movement, or lasting agreement."""
    updated_at = observation.version.updated_at
    baseline = _baseline(expectation) if evidence.before_counts else None
    if _exceeds(baseline, updated_at):
        return None
    if _exceeds(updated_at, baseline):
        return "updated_at moved on"
    if evidence.transitioned:
        return "a transition was seen"
    was_healthy = expectation.before_phase in (Phase.READY, Phase.WORKING)
    if observation.phase is Phase.FAILED and was_healthy:
        return "it was healthy before"
    if _agreed(evidence):
        span = f"{evidence.agreeing_span_s:.0f} s"
        return f"repeated: {evidence.agreeing_reads} agreeing reads over {span}"
    return None


def _baseline(expectation: Expectation) -> Any:
    return expectation.baseline or expectation.before.updated_at


def _agreed(evidence: Evidence) -> bool:
    enough = evidence.agreeing_reads >= AGREEING_READS
    return enough and evidence.agreeing_span_s >= AGREEING_SPAN_S


def _has_our_spec_id(
    expectation: Expectation, evidence: Evidence, observation: Observation
) -> bool:
    ours = {expectation.target_spec_id, evidence.pending_spec_id}
    ours -= {None, expectation.before.spec_id}
    return observation.version.spec_id in ours


# --- deadline ----------------------------------------------------------------------------------


def check_deadline(decision: Decision, *, now: float, deadline: float | None) -> Decision:
    """Return `Expired` for what is pending at the deadline, else the decision itself."""
    if not isinstance(decision, Pending) or deadline is None or now < deadline:
        return decision
    return Expired()
