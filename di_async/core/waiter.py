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
    "Case",
    "Expired",
    "Failed",
    "Ledger",
    "Marks",
    "Missing",
    "Pending",
    "Phase",
    "Read",
    "Refused",
    "Seen",
    "Settled",
    "Sight",
    "Superseded",
    "Trouble",
    "Vanished",
    "Verdict",
    "absorb",
    "decide",
    "judge",
    "lapse",
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


class Marks(Struct, frozen=True, gc=False):
    """What tells one state of a resource from an older one. None where the API does not show it."""

    updated_at: datetime | None = None
    version: int | None = None
    spec_id: str | None = None
    pending_version: int | None = None
    pending_id: str | None = None


class Sight(Struct, frozen=True, gc=False):
    """One look at a resource, in words that no provider owns."""

    word: str
    phase: Phase
    complete: bool = True
    """Nothing is pending and it can be used: `ready` counts only with this."""
    marks: Marks = Marks()
    as_sent: bool | None = None
    """Its spec is the one this change sent; None where that cannot be told."""
    why: str | None = None
    """The failure story, where the provider tells one."""
    known: bool = True
    """The status word is one that the provider documents."""
    full: bool = True
    """It shows its spec; a light list row does not."""
    patience: float | None = None
    """Seconds for which a failure that may yet recover must hold before it counts as one."""

    @property
    def idle(self) -> bool:
        """Seeing the very same again would prove nothing."""
        return self.phase is _WORKING or self.phase is _DELETING


class Case(Struct, frozen=True, kw_only=True, gc=False):
    """What is to be proven; fixed when the write is accepted."""

    action: Action
    accepted_at: float
    """Reads that started before this moment prove nothing."""
    before: Marks = Marks()
    """The resource as a GET showed it before the write: a read older than that is stale."""
    before_phase: Phase | None = None
    baseline: datetime | None = None
    """`updated_at` in the write's own answer: evidence must lie beyond. 1970 is none."""
    target_version: int | None = None
    """The spec version this write makes, where the provider told it."""
    target_id: str | None = None
    sent: str | None = None
    """A digest of the spec that was sent, or whatever the provider compares with."""
    unlike: bool | None = None
    """Before the write it was seen to differ from what was sent; None: that cannot be compared."""


class Seen(Struct, frozen=True, kw_only=True):
    """A read that found the resource."""

    started_at: float
    at: float
    sight: Sight
    resource: Any = None
    source: str = "get"


class Missing(Struct, frozen=True, kw_only=True):
    """A GET that answered 404."""

    started_at: float
    at: float
    error: Any = None


class Trouble(Struct, frozen=True, kw_only=True):
    """A read that told nothing (reset, 5xx, 429, HTML) or, with `final`, was refused for good."""

    started_at: float
    at: float
    error: Any = None
    final: bool = False


Read = Seen | Missing | Trouble


class Ledger(Struct, frozen=True, kw_only=True):
    """What all reads so far add up to. `absorb` makes the next one; nothing is ever taken back."""

    looks: int = 0
    sight: Sight | None = None
    """The last one that was not stale."""
    newest: Marks = Marks()
    pending_version: int | None = None
    pending_id: str | None = None
    moved: bool = False
    """A transition was seen since the write."""
    unsettled: bool = False
    """It was seen unsettled."""
    agreeing: int = 0
    agreeing_since: float = 0.0
    agreeing_span: float = 0.0
    ever_seen: bool = False
    missing: int = 0
    """404s in a row that no grace excuses."""
    gone: bool = False
    refusal: Any = None
    trouble: Any = None


class Pending(Struct, frozen=True, gc=False):
    """Nothing is proven yet."""


class Settled(Struct, frozen=True, gc=False):
    """It is done, and this is how we know."""

    evidence: str


class Failed(Struct, frozen=True, gc=False):
    """The provider says that this change failed."""

    why: str


class Vanished(Struct, frozen=True, gc=False):
    """404 where there should be something. `never_seen`: it was not there from the start."""

    never_seen: bool


class Superseded(Struct, frozen=True, gc=False):
    """Somebody else's change or deletion came after ours."""

    why: str


class Refused(Struct, frozen=True):
    """The provider will not let us look."""

    error: Any


class Expired(Struct, frozen=True, gc=False):
    """The time given is over."""


Verdict = Pending | Settled | Failed | Vanished | Superseded | Refused | Expired


# --- folding ---------------------------------------------------------------------------------


def absorb(case: Case, ledger: Ledger, read: Read) -> Ledger:
    """The ledger after one more read."""
    if read.started_at < case.accepted_at:
        return ledger
    if isinstance(read, Seen):
        return _absorb_sight(case, ledger, read)
    looks = ledger.looks + 1
    if isinstance(read, Trouble):
        refusal = read.error if read.final else None
        return replace(ledger, looks=looks, refusal=refusal, trouble=read.error)
    return replace(_absorb_missing(case, ledger, read), looks=looks, refusal=None)


def _absorb_missing(case: Case, ledger: Ledger, read: Missing) -> Ledger:
    young = case.action is _CREATE and read.at - case.accepted_at < CREATE_GRACE_S
    return replace(
        ledger,
        gone=True,
        trouble=read.error,
        missing=0 if young else ledger.missing + 1,
        agreeing=0,
    )


def _absorb_sight(case: Case, ledger: Ledger, read: Seen) -> Ledger:
    sight = read.sight
    looks = ledger.looks + 1
    if _older(sight.marks, ledger.newest) or _older(sight.marks, case.before):
        return replace(ledger, looks=looks, refusal=None, ever_seen=True, gone=False, missing=0)
    agrees = ledger.agreeing > 0 and ledger.sight is not None and _same(ledger.sight, sight)
    since = ledger.agreeing_since if agrees else read.started_at
    marks = sight.marks
    # What is not named, 404s and refusals, is forgotten.
    return Ledger(
        looks=looks,
        sight=sight,
        newest=_later(ledger.newest, marks),
        pending_version=marks.pending_version or ledger.pending_version,
        pending_id=marks.pending_id or ledger.pending_id,
        moved=ledger.moved or _is_transition(case, sight),
        unsettled=ledger.unsettled or sight.idle or not sight.complete,
        agreeing=ledger.agreeing + 1 if agrees else 1,
        agreeing_since=since,
        agreeing_span=read.started_at - since,
        ever_seen=True,
        trouble=ledger.trouble,
    )


def _is_transition(case: Case, sight: Sight) -> bool:
    """A state that neither the one before the write nor the one after it can show."""
    if sight.phase is _WORKING or (sight.phase is _READY and not sight.complete):
        return case.before_phase is not _WORKING or case.action is not _UPDATE
    return case.before_phase is _FAILED and sight.phase is _READY


def _same(one: Sight, other: Sight) -> bool:
    return (one.phase, one.complete, one.marks) == (other.phase, other.complete, other.marks)


def _older(marks: Marks, than: Marks) -> bool:
    """It shows a state from before one that is known, so its reader lagged behind."""
    if marks.version is not None and than.version is not None and marks.version < than.version:
        return True
    if marks.updated_at is None or than.updated_at is None:
        return False
    return marks.updated_at < than.updated_at


def _later(one: Marks, other: Marks) -> Marks:
    """Field by field, the newer of two."""
    stamp, version = other.updated_at, other.version
    if stamp is None or _beyond(one.updated_at, stamp):
        stamp = one.updated_at
    if version is None or _beyond(one.version, version):
        version = one.version
    if stamp is other.updated_at and version is other.version:
        return other
    return replace(other, updated_at=stamp, version=version)


# --- judging ---------------------------------------------------------------------------------


def judge(case: Case, ledger: Ledger) -> Verdict:
    """What the reads so far prove, whatever the time is."""
    if ledger.refusal is not None:
        return Refused(ledger.refusal)
    if case.action is _DELETE:
        return Settled("GET answered 404") if ledger.gone else Pending()
    if ledger.gone:
        return _judge_gone(case, ledger)
    if ledger.sight is None or case.action is _PREDICATE:
        return Pending()
    return _judge_sight(case, ledger, ledger.sight)


def _judge_gone(case: Case, ledger: Ledger) -> Verdict:
    if case.action is _ACTIVE and not ledger.ever_seen:
        return Vanished(never_seen=True)
    if ledger.missing >= _MISSING_IN_A_ROW:
        return Vanished(never_seen=not ledger.ever_seen)
    return Pending()


def _judge_sight(case: Case, ledger: Ledger, sight: Sight) -> Verdict:
    if sight.phase is _DELETING:
        return Superseded("it is being deleted")
    if _overtaken(case, ledger, sight):
        return Superseded(f"spec version {sight.marks.version} is newer and not the one sent")
    if sight.phase is _FAILED:
        return _judge_failure(case, ledger, sight)
    if sight.phase is not _READY or not sight.complete:
        return Pending()
    if case.unlike is not None and sight.as_sent is False:
        return _judge_other(case, ledger, sight)
    proof = _evidence(case, ledger, sight)
    return Settled(proof) if proof else Pending()


def _judge_failure(case: Case, ledger: Ledger, sight: Sight) -> Verdict:
    patient = sight.patience is not None and ledger.agreeing_span < sight.patience
    if patient or not _evidence(case, ledger, sight):
        return Pending()
    return Failed(sight.why or f"its status is {sight.word!r}")


def _judge_other(case: Case, ledger: Ledger, sight: Sight) -> Verdict:
    """Ready, but not as sent: a stale replica, or somebody changed it again."""
    moved = ledger.moved or _beyond(sight.marks.updated_at, case.baseline or case.before.updated_at)
    if moved and _agreed(ledger):
        return Superseded("it has settled as something else than what this change sent")
    return Pending()


def _target(case: Case, ledger: Ledger) -> int | None:
    """The spec version that our write makes, from its answer or from a pending spec seen since."""
    if case.target_version is not None:
        return case.target_version
    return ledger.pending_version if _beyond(ledger.pending_version, case.before.version) else None


def _beyond(value: Any, bound: Any) -> bool:
    return value is not None and bound is not None and bool(value > bound)


def _overtaken(case: Case, ledger: Ledger, sight: Sight) -> bool:
    if sight.as_sent is not False:
        return False
    target = _target(case, ledger)
    if target is None and case.before.version is not None:
        target = case.before.version + 1
    ours = case.action is _CREATE or case.action is _UPDATE
    return ours and _beyond(sight.marks.version, target)


def _evidence(case: Case, ledger: Ledger, sight: Sight) -> str | None:
    """Why this sight is about our write and not about the time before it; None: it may not be."""
    if case.action is not _UPDATE:
        return "read after the write was accepted"
    if sight.phase is _READY:
        target, version = _target(case, ledger), sight.marks.version
        if target is not None and version is not None:
            # The API shows versions: nothing less than ours will do, and no repetition either.
            return f"spec version {version}" if version >= target else None
        if _beyond(version, case.before.version):
            return f"spec version {version}"
        if _is_ours(case, ledger, sight):
            return "spec id of this update"
        if case.unlike and sight.as_sent:
            return "it shows what was sent, and did not before"
    return _circumstance(case, ledger, sight)


def _circumstance(case: Case, ledger: Ledger, sight: Sight) -> str | None:
    """Evidence that success and failure share: what moved, or how long it has held still."""
    stamp, baseline = sight.marks.updated_at, case.baseline or case.before.updated_at
    if _beyond(baseline, stamp):
        return None  # it shows a time before the write
    if _beyond(stamp, baseline):
        return "updated_at moved on"
    if ledger.moved:
        return "a transition was seen"
    if sight.phase is _FAILED and case.before_phase in (_READY, _WORKING):
        return "it was well before"
    if _agreed(ledger):
        return f"repeated: {ledger.agreeing} agreeing reads over {ledger.agreeing_span:.0f} s"
    return None


def _agreed(ledger: Ledger) -> bool:
    return ledger.agreeing >= AGREEING_READS and ledger.agreeing_span >= AGREEING_SPAN_S


def _is_ours(case: Case, ledger: Ledger, sight: Sight) -> bool:
    ours = {case.target_id, ledger.pending_id} - {None, case.before.spec_id}
    return sight.marks.spec_id is not None and sight.marks.spec_id in ours


def decide(
    case: Case, ledger: Ledger, *, now: float, deadline: float | None, in_flight: bool = False
) -> Verdict:
    """The verdict at `now`. A read still in flight at the deadline may win: then it is pending."""
    verdict = judge(case, ledger)
    return verdict if in_flight else lapse(verdict, now=now, deadline=deadline)


def lapse(verdict: Verdict, *, now: float, deadline: float | None) -> Verdict:
    """The verdict at `now`: what is still pending at the deadline has expired."""
    if not isinstance(verdict, Pending) or deadline is None or now < deadline:
        return verdict
    return Expired()
