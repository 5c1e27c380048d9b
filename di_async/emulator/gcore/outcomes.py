"""How long a write takes and how it ends, faults included.

Rules of this file: decides at the moment a write is accepted, or when a test strikes a
deployment; the estate then carries it out.
"""

import math

from attrs import evolve

from di_async.emulator.cloud.faults import OPERATION_KINDS, OUTCOME_KINDS, Fault
from di_async.emulator.cloud.store import stale_views_for

from .context import ProviderContext
from .records import Action, Deployment, Ending, Task, Write

# Of a write's duration: a task waits for its turn, and the containers are there.
_NEW_SHARE = 0.2
_CONTAINERS_SHARE = 0.3
# Stopping is a matter of seconds.
_STOP_SHARE = 0.05
_STORY = "Failed to pull image"
_TASK_STORY = "Inference instance deployment failed"
_TASK_KINDS = tuple(kind for kind in OPERATION_KINDS if kind != "no_reference")
_ENDS: dict[Action, Ending] = {"delete": "deleted", "stop": "stopped"}


def begin(
    context: ProviderContext, now: float, operation: str, action: Action, it: Deployment
) -> Write:
    """A write accepted now: it takes what its law draws, and ends well unless a fault strikes."""
    write = timed(context, now, action, it)
    has_task = it.generation == 3 and action in ("create", "update", "delete")
    kinds = (*OUTCOME_KINDS, *_TASK_KINDS) if has_task else OUTCOME_KINDS
    for region in it.regions:
        fault = context.faults.take(kinds, now, operation, id=it.id, region=str(region))
        if fault:
            return _bent(write, fault, now)
    return write


def timed(context: ProviderContext, now: float, action: Action, it: Deployment) -> Write:
    """A write that goes as its law says."""
    lifecycle = context.settings.lifecycle
    law = {"create": lifecycle.create, "delete": lifecycle.delete}.get(action, lifecycle.update)
    lasts = context.simulation.draw(law)
    if action == "stop":
        lasts *= _STOP_SHARE
    task_lasts = lasts if action == "delete" else lifecycle.operation_share * lasts
    if action in ("start", "stop"):
        task_lasts = 0.0
    ends = _ENDS.get(action, "running")
    if action == "update" and it.stopped:
        # What is stopped stays so: there are no containers to wait for.
        ends, lasts = "stopped", task_lasts
    return Write(
        action,
        now,
        now + lasts,
        ends,
        runs_at=now + _NEW_SHARE * task_lasts,
        task_ends_at=now + task_lasts,
        containers_at=now + max(task_lasts, _CONTAINERS_SHARE * lasts),
    )


def inject_outcome_fault(context: ProviderContext, fault: Fault, now: float) -> None:
    """Let an outcome fault strike a deployment at once; ValueError if nothing can be struck."""
    it = context.store.deployments.get(fault.id or "")
    if it is None:
        raise ValueError(f"no deployment {fault.id!r} to strike")
    if fault.kind == "stuck" and not it.in_flight:
        raise ValueError(f"nothing is under way on {fault.id!r} that could get stuck")
    fault.hits = 1
    if it.in_flight:
        context.store.reschedule(it, _bent(it.change, fault, now))
    else:
        context.store.regress(it, now + (fault.seconds or 0.0), fault.message or _STORY)
        context.store.advance(now)


def _bent(write: Write, fault: Fault, now: float) -> Write:
    in_task = fault.kind in OPERATION_KINDS or write.action == "delete"
    match fault.kind:
        case "operation_stuck" | "stuck" if in_task:
            never = {"settles_at": math.inf, "task_ends_at": math.inf, "containers_at": math.inf}
            return evolve(write, **never)  # type: ignore[arg-type]
        case "stuck":
            return evolve(write, settles_at=math.inf)
        case "regress":
            after = fault.seconds or 0.0
            return evolve(write, regress_after=after, story=fault.message or _STORY)
        case _ if in_task:
            story = fault.message or fault.reason or _told_by(fault)
            ends_at = max(now, write.task_ends_at)
            return evolve(write, ends="task_failed", story=story, settles_at=ends_at)
    return _troubled(write, fault, now)


def _told_by(fault: Fault) -> str:
    return "Task timed out" if fault.kind == "operation_timeout" else _TASK_STORY


def _troubled(write: Write, fault: Fault, now: float) -> Write:
    """Containers that do not come up: for ever, or for so many seconds."""
    told = fault.message or _STORY
    at = max(now, write.containers_at)
    if fault.seconds is None:
        return evolve(write, ends="failed", story=told, settles_at=at)
    until = at + fault.seconds
    settles_at = max(write.settles_at, until)
    return evolve(write, story=told, story_until=until, settles_at=settles_at)


def add_tasks(
    context: ProviderContext, now: float, operation: str, it: Deployment, request: dict[str, object]
) -> list[str]:
    """The ids of the tasks that a v3 write answers with: one, unless a fault strikes."""
    if context.faults.take(("no_reference",), now, operation, id=it.id):
        return []
    write = it.change
    ends = [write.task_ends_at]
    if context.faults.take(("many_tasks",), now, operation, id=it.id):
        # The second one goes on for longer: who asks for the first alone is told too early.
        ends.append((write.task_ends_at + write.settles_at) / 2)
    tasks = [
        Task(
            id=context.ids.new_uuid(),
            number=len(context.store.tasks) + place,
            type=f"{write.action}_inference_instance",
            deployment=it.id,
            created_at=now,
            runs_at=write.runs_at,
            ends_at=ends_at,
            request=request,
            error=write.story if write.ends == "task_failed" else None,
        )
        for place, ends_at in enumerate(ends)
    ]
    context.store.add_tasks(it.id, tasks)
    return [task.id for task in tasks]


def stale_view(
    context: ProviderContext,
    now: float,
    operation: str,
    after: Deployment,
    before: Deployment | None,
) -> None:
    """Hide a write from reads for a while, if a fault says so."""
    stale_views = stale_views_for(context.faults, now, operation, before, id=after.id)
    context.store.stale_views.add(after.id, stale_views)
