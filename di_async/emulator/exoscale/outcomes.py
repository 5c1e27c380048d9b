"""How long a write takes and how it ends, faults included.

Rules of this file: decides at the moment a write is accepted, or when a test strikes a thing; the
estate then carries it out. The operation ends first, the thing settles later: no page says that
an operation's success means ready.
"""

import math
from typing import Generic, Literal

from attrs import evolve, frozen

from di_async.emulator.cloud.durations import Duration
from di_async.emulator.cloud.faults import OUTCOME_KINDS, Fault
from di_async.emulator.cloud.store import stale_views_for

from .context import Ask, ProviderContext
from .records import Operation, OperationState, Thing, Write
from .store import Timeline

_OPERATION_ENDS: dict[str, OperationState] = {
    "operation_failed": "failure",
    "operation_timeout": "timeout",
}


Marks = list[tuple[float, Thing | None]]
Action = Literal["create", "update", "scale", "delete"]
Stages = tuple[tuple[float, str], ...]


@frozen
class Plan(Generic[Thing]):
    """What a write sets out to do.

    `before` is what was (None: nothing), `after` what is to be (None: nothing). `stages` are the
    state words between the operation's end and settling, and how far on the way they begin.
    """

    action: Action
    law: Duration
    command: str
    before: Thing | None
    after: Thing | None
    stages: Stages = ()
    good: bool = True
    details: str = ""

    @property
    def subject(self) -> Thing:
        """The thing itself."""
        subject = self.after or self.before
        if subject is None:  # pragma: no cover - nobody plans nothing
            raise ValueError("a plan is about something")
        return subject


def begin(
    context: ProviderContext, ask: Ask, story: Timeline[Thing], plan: Plan[Thing]
) -> Operation:
    """The operation of a write that is accepted now; the story goes on as planned or worse."""
    write, fault = _accepted(context, ask, plan)
    story.begin(write, _marks(context, plan, write, fault))
    context.store.operations[write.operation.id] = write.operation
    _add_stale_view(context, ask, story, plan.before, write)
    return write.operation


def inject_outcome_fault(
    context: ProviderContext, story: Timeline[Thing], fault: Fault, now: float
) -> None:
    """Let an outcome fault strike at once; ValueError if nothing is under way to get stuck."""
    thing, write = story.at(now), story.writes[-1]
    if thing is None:
        raise ValueError(f"{fault.id!r} is gone")
    under_way = now < write.settles_at
    if fault.kind == "stuck" and not under_way:
        raise ValueError(f"nothing is under way on {fault.id!r} that could get stuck")
    fault.hits = 1
    if fault.kind == "stuck":
        story.reschedule(evolve(write, settles_at=math.inf), [])
        return
    last = story.marks[-1]
    if fault.kind == "error" and under_way:
        failed = _failed(context, thing, write.settles_at, fault)
        story.reschedule(evolve(write, ends="error"), [failed])
    else:
        start = max(now, write.settles_at if under_way else now)
        story.marks.append(
            _failed(context, last[1] or thing, start + (fault.seconds or 0.0), fault)
        )


def _accepted(context: ProviderContext, ask: Ask, plan: Plan[Thing]) -> tuple[Write, Fault | None]:
    now = ask.now
    lasts = context.simulation.draw(plan.law)
    share = 1.0 if plan.after is None else context.settings.lifecycle.operation_share
    subject = plan.subject
    link = f"{ask.operation.partition(' ')[2].partition('/{')[0]}/{subject.id}"
    operation = Operation(
        id=context.ids.new_uuid(),
        zone=subject.zone,
        target=subject.id,
        link=link,
        command=plan.command,
        ends_at=now + share * lasts,
        referenced=_fault(context, ask, plan, "no_reference") is None,
    )
    ends = "deleted" if plan.after is None else "ready" if plan.good else "error"
    write = Write(plan.action, now, operation, now + lasts, ends, plan.details)
    if fault := _fault(context, ask, plan, *_OPERATION_ENDS, "operation_stuck"):
        return _broken(write, fault), None
    fault = _fault(context, ask, plan, *OUTCOME_KINDS)
    return (_bent(write, plan, fault), fault) if fault else (write, None)


def _fault(context: ProviderContext, ask: Ask, plan: Plan[Thing], *kinds: str) -> Fault | None:
    subject = plan.subject
    return context.faults.take(kinds, ask.now, ask.operation, id=subject.id, region=subject.zone)


def _broken(write: Write, fault: Fault) -> Write:
    """The operation itself never ends, or ends badly: nothing of what was asked for happens."""
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


def _bent(write: Write, plan: Plan[Thing], fault: Fault) -> Write:
    """The operation does its part and the thing goes wrong; a delete has no such part."""
    if plan.after is None and fault.kind != "regress":
        kind = "operation_stuck" if fault.kind == "stuck" else "operation_failed"
        return _broken(write, evolve(fault, kind=kind))
    match fault.kind:
        case "stuck":
            return evolve(write, settles_at=math.inf)
        case "error":
            return evolve(write, ends="error", details=fault.message or "No GPU became free")
        case _:
            return write


def _marks(
    context: ProviderContext, plan: Plan[Thing], write: Write, fault: Fault | None
) -> Marks[Thing]:
    operation = write.operation
    marks: Marks[Thing] = [(write.accepted_at, plan.after)] if plan.before is None else []
    if operation.ends_at == math.inf:
        return marks
    if plan.after is None:
        return [(operation.ends_at, None)] if operation.ends == "success" else []
    if operation.ends == "success":
        return marks + _course(context, plan.after, plan.stages, write, fault)
    if plan.before is None:
        # A failed create leaves its deployment behind, to be looked at and deleted.
        details = operation.message or ""
        marks.append(_turned(context, plan.after, "error", operation.ends_at, details))
    return marks


def _course(
    context: ProviderContext, thing: Thing, stages: Stages, write: Write, fault: Fault | None
) -> Marks[Thing]:
    ended, settles_at = write.operation.ends_at, write.settles_at
    rest = 1.0 if settles_at == math.inf else settles_at - ended
    steps = [(ended + share * rest, word) for share, word in stages]
    if settles_at < math.inf:
        steps.append((settles_at, write.ends))
    marks: Marks[Thing] = []
    for at, word in steps:
        at, thing = _turned(context, thing, word, at, write.details if word == "error" else "")
        marks.append((at, thing))
    if fault is not None and fault.kind == "regress":
        marks.append(_failed(context, thing, settles_at + (fault.seconds or 0.0), fault))
    return marks


def _turned(
    context: ProviderContext, thing: Thing, word: str, at: float, details: str = ""
) -> tuple[float, Thing]:
    return at, thing.turned(word, context.simulation.stamp(at, thing.updated), details)


def _failed(context: ProviderContext, thing: Thing, at: float, fault: Fault) -> tuple[float, Thing]:
    details = fault.message or "The inference engine stopped"
    return _turned(context, thing, "error", at, details)


def _add_stale_view(
    context: ProviderContext, ask: Ask, story: Timeline[Thing], before: Thing | None, write: Write
) -> None:
    # Nothing changes before the operation ends, so that is when a view begins to lag.
    since = ask.now if before is None else write.operation.ends_at
    story.stale_views += stale_views_for(
        context.faults,
        ask.now,
        ask.operation,
        before,
        id=story.id,
        region=story.zone,
        since=since,
    )
