"""Follow one change: fold each read into its evidence, and record what it shows.

No I/O: the poller delivers reads. A read that decides nothing only wakes event
streams, and waits whose deadline has passed.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, cast

from attrs import evolve
from msgspec import Struct, field
from msgspec.structs import replace

from di_async.core.errors import InvalidInputError
from di_async.core.redaction import reason_without_secrets, secret_texts
from di_async.core.waiting.events import StatusChange
from di_async.core.waiting.evidence import (
    Decision,
    Ending,
    Evidence,
    Failed,
    OwnDelete,
    Pending,
    Refused,
    Settled,
    Vanished,
    fold,
    fold_own_delete,
    judge,
)
from di_async.core.waiting.observation import (
    Action,
    Expectation,
    Observation,
    Read,
    ReadFailed,
    ReadFound,
    ReadMissing,
)
from di_async.core.waiting.resource_adapter import ResourceAdapter
from di_async.core.waiting.resume_token import ResourceRef
from di_async.engine.clock import Clock
from di_async.engine.log import Log
from di_async.engine.waiting.history import History, Listener, ending_text, error_text
from di_async.engine.waiting.waiters import Waiters

__all__ = ["ChangeTracker", "PendingOperation"]

logger = Log("di_async.poller")

_MAX_WARNINGS = 20

R = TypeVar("R")


class PendingOperation(Struct, eq=False):
    """An operation or task that must finish before the resource can be judged."""

    ref: ResourceRef
    expectation: Expectation
    evidence: Evidence = field(default_factory=Evidence)


class ChangeTracker(Generic[R]):
    """What is known about one change.

    `history` has its steps, and `waiters` the callers that await it.
    """

    def __init__(
        self,
        adapter: ResourceAdapter[R],
        id: str,
        expectation: Expectation,
        clock: Clock,
        *,
        initial: Any = None,
        started_at: float | None = None,
        predicate: Callable[[R], object] | None = None,
        operations: Sequence[ResourceRef] = (),
        settled_by: str | None = None,
        place: tuple[str, str] | None = None,
        name: str | None = None,
        listeners: tuple[Listener, ...] = (),
        secrets: Callable[[], set[str]] = set,
    ) -> None:
        started = expectation.accepted_at if started_at is None else started_at
        self.adapter = adapter
        self.clock = clock
        self.target = ResourceRef(adapter.kind, id)
        self.expectation = expectation
        self.started_at = started
        self.initial = initial
        """The answer to the write."""
        self.place = place
        """Region and accelerator of what was sent, as `ResourceAdapter.duration_key` has them."""
        self.latest: R | None = None
        """The resource as read last."""
        self.evidence = Evidence()
        self.decision: Decision = Settled(settled_by) if settled_by else Pending()
        self.history = History(listeners=listeners)
        self.waiters = Waiters()
        self.requests = 0
        """Requests that the waits for this change have cost so far, silent repeats included."""
        self.resource_looks_settled = False
        """The resource looks settled while an operation is still pending."""
        self.unsettled_at: float | None = None
        """When the last read that showed the change in progress was sent."""
        self.settled_read_at: float | None = None
        """When the read that settled the change was answered."""
        # Created just now, an operation may not be visible everywhere yet.
        created = Expectation(action=Action.CREATE, accepted_at=started)
        self._operations = tuple(PendingOperation(ref, created) for ref in operations)
        self._duration_recorded = False
        self._operation_reads = 0
        self._sent_name = name
        self._predicate = predicate
        self._secrets = secrets
        self._status: str | None = None
        self._warned: set[str] = set()

    # -- what is known ------------------------------------------------------------------------

    @property
    def resource(self) -> R | None:
        """The resource as read last, or as the write's answer shows it."""
        if self.latest is None and isinstance(self.initial, self.adapter.resource_type):
            return cast("R", self.initial)
        return self.latest

    @property
    def elapsed(self) -> float:
        """Seconds since the write was accepted, or since the wait began."""
        return self.clock.now() - self.started_at

    @property
    def operation(self) -> ResourceRef | None:
        """The first operation that has not finished; None: the resource decides."""
        return self._operations[0].ref if self._operations else None

    @property
    def operations(self) -> tuple[ResourceRef, ...]:
        """All operations that have not finished."""
        return tuple(operation.ref for operation in self._operations)

    @property
    def status(self) -> str:
        """The last status word: as read, or else as the answer to the write shows it.

        Before the resource was read, it is the operation's, if there is one.
        """
        if self.evidence.observation is not None:
            return self.evidence.observation.status
        answered = self._answered_status or "never seen"
        if self._operations:
            seen = self._operations[0].evidence.observation
            return f"{self._operations[0].ref.kind} {seen.status if seen else answered}"
        return "not found" if self.evidence.not_found else answered

    @property
    def _answered_status(self) -> str | None:
        """The status in the answer to the write: of the resource, or of its operation."""
        if isinstance(self.initial, self.adapter.resource_type):
            return self.adapter.observe(self.initial, self.expectation).status
        state = getattr(self.initial, "state", None)
        return state if isinstance(state, str) else None

    @property
    def last_error(self) -> Any:
        """The error of the last read that failed."""
        of_operation = self._operations[0].evidence.last_error if self._operations else None
        return of_operation or self.evidence.last_error

    @property
    def grace_until(self) -> float | None:
        """Epoch seconds until which a 404 of the new resource proves nothing; None: it counts."""
        until = self.expectation.grace_until
        in_grace = self.clock.now() < until and not self.evidence.ever_seen
        return self.clock.wall_at(until) if in_grace else None

    @property
    def reads(self) -> int:
        """How many reads counted, of the resource and its operations."""
        return self._operation_reads + self.evidence.reads

    @property
    def name(self) -> str | None:
        """The resource's name, as far as it is known."""
        name = getattr(self.resource, "name", None)
        if isinstance(name, str):
            return name
        return self.target.id if self.adapter.id_is_name else self._sent_name

    @property
    def region(self) -> str | None:
        """Where the resource is, as far as it is known."""
        resource = self.resource
        place = self.place if resource is None else self.adapter.duration_key(resource)
        return (place[0] or None) if place is not None else None

    def expectation_of(self, ref: ResourceRef) -> Expectation:
        """Return what a read of the resource, or of the first operation, is judged by."""
        if ref == self.target or not self._operations:
            return self.expectation
        return self._operations[0].expectation

    # -- reads --------------------------------------------------------------------------------

    def record_read(self, read: Read, requests: int, ref: ResourceRef) -> None:
        """Record a GET of the resource or of an operation, and wake the waiters that it affects."""
        self.requests += requests
        if not isinstance(self.decision, Pending):
            return
        if isinstance(read, ReadFound):
            read = self._without_secrets(read)
        if ref == self.target:
            evidence = fold(self.expectation, self.evidence, read)
            decision = judge(self.expectation, evidence)
            undecided = isinstance(decision, Pending | Refused)
            self.resource_looks_settled = bool(self._operations) and not undecided
            self._accept_evidence(
                read, evidence, Pending() if self.resource_looks_settled else decision
            )
        elif self._operations and ref == self._operations[0].ref:
            self._record_operation(self._operations[0], read)

    def record_row(self, read: ReadFound, requests: int, *, trusted: bool) -> bool:
        """Record a list row; return True if it looks settled and needs a GET to confirm it.

        With `trusted` the row may settle the wait if it shows the spec, or if this wait saw the
        resource in progress before.
        """
        self.requests += requests
        if not isinstance(self.decision, Pending):
            return False
        read = self._without_secrets(read)
        evidence = fold(self.expectation, self.evidence, read)
        # `fold` returns the same evidence for a row that was read before the write.
        is_counted = evidence is not self.evidence
        lacks_proof = read.observation.partial and not read.observation.in_progress
        if lacks_proof and self.expectation.action is not Action.DELETE:
            return is_counted  # it may be settled: only a GET shows it
        decision = judge(self.expectation, evidence)
        conclusive = read.observation.has_spec or self.evidence.seen_in_progress
        conclusive &= self.expectation.action is not Action.DELETE
        if not isinstance(decision, Pending) and not (
            trusted and conclusive and not self._operations
        ):
            return is_counted
        self._accept_evidence(read, evidence, decision)
        return False

    def record_own_delete(self, own_delete: OwnDelete, *, failed: bool = False) -> None:
        """Record a delete by this client; a proven one ends the change.

        A delete from before this change's own write is ignored: the write was accepted, so the
        resource was made again. With `failed` the provider did not carry it out.
        """
        is_write = self.expectation.action in (Action.CREATE, Action.UPDATE)
        if is_write and self.started_at > own_delete.accepted_at:
            return
        if failed:
            self.evidence = replace(self.evidence, own_delete=None)
        if failed or not isinstance(self.decision, Pending):
            return
        self.evidence = fold_own_delete(self.evidence, own_delete)
        decision = judge(self.expectation, self.evidence)
        if own_delete.proven and isinstance(decision, Ending):
            self._conclude(decision, "get")
            self.waiters.wake(decision, self.clock.now(), news=True)

    def take_duration_due(self) -> bool:
        """Return True only once: a change is recorded once in the duration model."""
        due, self._duration_recorded = not self._duration_recorded, True
        return due

    def record_unchanged_row(self, requests: int, started_at: float) -> None:
        """Count the request of a row that has not changed; it is not a read and proves nothing."""
        self.requests += requests
        # Where a read has shown progress, the row still does.
        if self.unsettled_at is not None and self.unsettled_at < started_at:
            self.unsettled_at = started_at

    def record_requests(self, requests: int) -> None:
        """Count requests that were sent after the decision."""
        self.requests += requests

    def record_failed_resource(self, resource: R) -> None:
        """Record the resource as read after its operation had failed; it decides nothing."""
        self.latest = resource

    def _without_secrets(self, read: ReadFound) -> ReadFound:
        """Return a read whose reason quotes no secret of the write or of the resource."""
        reason = read.observation.reason
        if reason is None or not self.adapter.reasons_may_quote:
            return read
        masked = reason_without_secrets(reason, self._secrets() | secret_texts(read.resource))
        if masked == reason:
            return read
        return replace(read, observation=evolve(read.observation, reason=masked))

    def _record_operation(self, operation: PendingOperation, read: Read) -> None:
        operation.evidence = fold(operation.expectation, operation.evidence, read)
        self._operation_reads += 1
        decision, noun = judge(operation.expectation, operation.evidence), operation.ref.kind
        steps = self.history.count
        match read:
            case ReadFound(observation=observation):
                if isinstance(decision, Pending):
                    self.unsettled_at = read.started_at
                self._append_step(f"{noun} {observation.status}", self._status)
                self._warn_if_undocumented(observation)
            case ReadMissing():
                self._append_step(f"{noun}: GET answered 404", self._status)
            case ReadFailed(error=error):
                self._append_step(f"{noun}: {error_text(error)}", self._status)
        if isinstance(decision, Settled | Vanished):
            # An operation that its provider no longer knows has ended; the resource decides.
            self._finish_operation(read.started_at)
            return
        if isinstance(decision, Failed):
            decision = Failed(f"{noun}: {decision.reason}")
            self._conclude(decision, "get")
        elif not isinstance(decision, Refused):
            decision = Pending()
        self.waiters.wake(decision, self.clock.now(), news=self.history.count > steps)

    def _finish_operation(self, at: float) -> None:
        """Drop the first operation; reads of the resource from before its end prove nothing."""
        self._operations = self._operations[1:]
        before, accepted_at = self.evidence, self.expectation.accepted_at
        self.expectation = evolve(self.expectation, accepted_at=max(accepted_at, at))
        self.evidence = Evidence(
            reads=before.reads,
            newest_version=before.newest_version,
            operation_ended=True,
            ever_seen=before.ever_seen,
            own_delete=before.own_delete,
        )
        self.resource_looks_settled = False

    def _accept_evidence(self, read: Read, evidence: Evidence, decision: Decision) -> None:
        """Set the next evidence, add what is new to the history, wake waiters."""
        before, steps = self.evidence, self.history.count
        if evidence is before:
            return
        self.evidence = evidence
        stale = evidence.observation is before.observation
        if not (isinstance(read, ReadMissing) and _is_of_404(decision)):
            self._append_read(read, stale=stale)
        if isinstance(read, ReadFound) and not stale and self._predicate_holds(read.resource):
            decision = Settled("the predicate holds")
        if isinstance(decision, Settled):
            self.settled_read_at = read.at
        elif isinstance(read, ReadFound) and self._shows_progress(read.observation):
            self.unsettled_at = read.started_at
        if isinstance(decision, Ending):
            self._conclude(decision, read.source if isinstance(read, ReadFound) else "get")
        if not self.resource_looks_settled:  # else the operation is read first
            self.waiters.wake(decision, self.clock.now(), news=self.history.count > steps)

    def _shows_progress(self, observation: Observation) -> bool:
        return observation.in_progress or self.expectation.action is Action.DELETE

    def _predicate_holds(self, resource: Any) -> bool:
        """Call the caller's predicate; an error in it ends this wait, and no other."""
        try:
            answer = False if self._predicate is None else self._predicate(resource)
            if inspect.isawaitable(answer):
                if inspect.iscoroutine(answer):
                    answer.close()
                raise InvalidInputError("predicate: expected a plain function, not an async one")
            return bool(answer)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self.waiters.abort(error)
            return False

    def _conclude(self, decision: Ending, source: str) -> None:
        self.decision = decision
        ending = ending_text(decision) + (" (list evidence)" if source == "list" else "")
        self._append_step(ending, self._status, source, type(decision).__name__.lower())
        logger.info("%s %s: %s", self.adapter.noun, self.target.id, ending)

    # -- history ------------------------------------------------------------------------------

    def add_note(self, note: str) -> None:
        """Add a step that no read shows, such as an answer of the endpoint."""
        self._append_step(note, self._status)

    def _append_read(self, read: Read, *, stale: bool) -> None:
        match read:
            case ReadFound(observation=observation) if stale:
                note = f"stale read: {observation.status!r} is older than what is known"
                self._append_step(note, self._status)
            case ReadFound(observation=observation):
                self.latest = read.resource
                self._append_step(observation.reason, observation.status, read.source)
                self._warn_if_undocumented(observation)
                self._status = observation.status
            case ReadMissing():
                self._append_step("GET answered 404", self._status)
            case ReadFailed(error=error):
                self._append_step(error_text(error), self._status)

    def _warn_if_undocumented(self, observation: Observation) -> None:
        if observation.documented or len(self._warned) >= _MAX_WARNINGS:
            return
        if observation.status not in self._warned:
            self._warned.add(observation.status)
            logger.warning(
                "%s %s: unknown status %r counts as pending",
                self.adapter.noun,
                self.target.id,
                observation.status,
            )

    def _append_step(
        self,
        note: str | None,
        status: str | None,
        source: str = "get",
        outcome: str | None = None,
    ) -> None:
        self.history.append(
            StatusChange(
                id=self.target.id,
                status=status,
                previous=self._status if self._status != status else None,
                at=self.clock.datetime(),
                elapsed=self.elapsed,
                requests=self.requests,
                source=source,
                note=note,
                resource=self.latest,
                provider=self.adapter.provider,
                kind=self.adapter.kind,
                action=self.expectation.action.value,
                name=self.name,
                region=self.region,
                outcome=outcome,
            )
        )


def _is_of_404(decision: Decision) -> bool:
    """Return whether the last step names a 404, so that the read needs no step of its own."""
    if isinstance(decision, Vanished):
        return not decision.own_delete
    return isinstance(decision, Settled)
