"""How long Exoscale's writes take and how they end, including faults.

The operation ends first, the resource settles later: no page says that an operation's success means
`ready`.
"""

import math
from typing import Generic

from attrs import evolve, frozen

from di_async.emulator.cloud.faults import OUTCOME_KINDS, Fault
from di_async.emulator.cloud.provider import Call, ProviderContext
from di_async.emulator.cloud.simulation import Duration
from di_async.emulator.cloud.store import check_target, end_of_failing

from .store import Operation, R, States, Store, Timeline, Write

_OPERATION_ENDS = {"operation_failed": "failure", "operation_timeout": "timeout"}


@frozen(kw_only=True)
class PlannedWrite(Generic[R]):
    """What a write is to do.

    `before` is the resource as it was (None: a create), `after` as it will be (None: a delete).
    `stages` are the states between the operation's end and settling: the share of the way where
    each begins, and its name.
    """

    action: str
    duration: Duration
    before: R | None = None
    after: R | None = None
    stages: tuple[tuple[float, str], ...] = ()
    ends_well: bool = True

    @property
    def subject(self) -> R:
        """The resource."""
        subject = self.after or self.before
        if subject is None:  # pragma: no cover - every write has a subject
            raise ValueError("a planned write needs `before` or `after`")
        return subject


class Context(ProviderContext[Store]):
    """What Exoscale's handlers share, and how their writes end."""

    def new_api_key(self) -> str:
        """Return a new API key of a deployment."""
        return f"exo_{self.ids.new_hex(40)}"

    def begin_write(self, call: Call, timeline: Timeline[R], planned: PlannedWrite[R]) -> Operation:
        """Begin a write accepted now, as planned or with a fault, and return its operation."""
        write, fault = self._accepted(call, planned)
        # Nothing changes before the operation ends, so a view begins to lag then.
        changes_later = planned.before is not None and write.operation.will_succeed
        since = write.operation.ends_at if changes_later else call.now
        views = self.stale_views(call, planned.before, timeline.id, (timeline.zone,), since)
        timeline.begin(write, self._states(planned, write, fault), views)
        self.store.add_operation(write.operation)
        return write.operation

    def inject_outcome_fault(self, fault: Fault, now: float) -> None:
        """Apply an outcome fault to a model or deployment now; ValueError if it cannot apply."""
        id = fault.id or ""
        if id in self.store.deployments:
            self._inject(self.store.deployments[id], fault, now)
        else:
            self._inject(self.store.models[id], fault, now)

    def _inject(self, timeline: Timeline[R], fault: Fault, now: float) -> None:
        resource, write = timeline.at(now), timeline.writes[-1]
        if resource is None:
            raise ValueError(f"{fault.id!r} is gone")
        in_flight = now < write.settles_at
        check_target(fault, in_flight, write.settles_at)
        start = end_of_failing(write.settles_at, now)
        if fault.kind == "stuck":
            timeline.reschedule(evolve(write, settles_at=math.inf), [])
        elif fault.kind == "error" and in_flight:
            failed = self._failed(resource, start, fault)
            timeline.reschedule(evolve(write, ends="error", settles_at=start), [failed])
        else:
            last = timeline.states[-1][1] or resource
            timeline.states.append(self._failed(last, start + (fault.seconds or 0.0), fault))

    def _accepted(self, call: Call, planned: PlannedWrite[R]) -> tuple[Write, Fault | None]:
        now, subject = call.now, planned.subject
        lasts = self.simulation.draw(planned.duration)
        is_delete = planned.after is None
        share = 1.0 if is_delete else self.settings.lifecycle.operation_share
        operation = Operation.on(
            subject,
            id=self.ids.new_uuid(),
            ends_at=now + share * lasts,
            referenced=self.take_fault(call, "no_reference", id=subject.id) is None,
        )
        ends = "deleted" if is_delete else "ready" if planned.ends_well else "error"
        write = Write(planned.action, now, operation, now + lasts, ends)
        if fault := self.take_fault(call, *_OPERATION_ENDS, "operation_stuck", id=subject.id):
            return _with_failing_operation(write, fault), None
        fault = self.take_fault(call, *OUTCOME_KINDS, id=subject.id)
        return (_with_fault(write, fault, is_delete=is_delete), fault) if fault else (write, None)

    def _states(self, planned: PlannedWrite[R], write: Write, fault: Fault | None) -> States[R]:
        """Return the states that a write leads to."""
        operation, after = write.operation, planned.after
        states: States[R] = [(write.accepted_at, after)] if planned.before is None else []
        if operation.ends_at == math.inf:
            return states
        if after is None:
            return [(operation.ends_at, None)] if operation.ends == "success" else []
        if operation.ends == "success":
            return states + self._successive_states(planned, write, after, fault)
        if planned.before is None:
            # A failed create leaves its deployment behind, to be inspected and deleted.
            details = operation.message or ""
            states.append(self._changed(after, "error", operation.ends_at, details))
        return states

    def _successive_states(
        self, planned: PlannedWrite[R], write: Write, resource: R, fault: Fault | None
    ) -> States[R]:
        ended, settles_at = write.operation.ends_at, write.settles_at
        remaining = 1.0 if settles_at == math.inf else settles_at - ended
        steps = [(ended + share * remaining, word) for share, word in planned.stages]
        if settles_at < math.inf:
            steps.append((settles_at, write.ends))
        states: States[R] = []
        for at, word in steps:
            details = write.details if word == "error" else ""
            at, resource = self._changed(resource, word, at, details)
            states.append((at, resource))
        if fault is not None and fault.kind == "regress":
            failed_at = settles_at + (fault.seconds or 0.0)
            states.append(self._failed(resource, failed_at, fault))
        return states

    def _changed(self, resource: R, word: str, at: float, details: str = "") -> tuple[float, R]:
        updated = self.simulation.timestamp(at, resource.updated)
        return at, resource.with_state(word, updated, details)

    def _failed(self, resource: R, at: float, fault: Fault) -> tuple[float, R]:
        details = fault.message or "The inference engine stopped"
        return self._changed(resource, "error", at, details)


def _with_failing_operation(write: Write, fault: Fault) -> Write:
    """Let the operation never end, or fail: nothing that was requested happens."""
    if fault.kind == "operation_stuck":
        stuck = evolve(write.operation, ends_at=math.inf)
        return evolve(write, operation=stuck, settles_at=math.inf)
    ends = _OPERATION_ENDS[fault.kind]
    operation = evolve(
        write.operation,
        ends=ends,
        reason=fault.reason or ("unavailable" if ends == "failure" else "interrupted"),
        message=fault.message or f"The operation ended in {ends}",
    )
    return evolve(write, operation=operation, settles_at=operation.ends_at, ends=ends)


def _with_fault(write: Write, fault: Fault, *, is_delete: bool) -> Write:
    """Let the operation succeed and the resource fail; a delete has only its operation."""
    if is_delete and fault.kind != "regress":
        kind = "operation_stuck" if fault.kind == "stuck" else "operation_failed"
        return _with_failing_operation(write, evolve(fault, kind=kind))
    match fault.kind:
        case "stuck":
            return evolve(write, settles_at=math.inf)
        case "error":
            return evolve(write, ends="error", details=fault.message or "No GPU became free")
        case _:
            return write
