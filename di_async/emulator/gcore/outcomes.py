"""How long Gcore's writes take and how they end, including faults."""

import math

from attrs import evolve, frozen

from di_async.emulator.cloud.faults import OPERATION_KINDS, OUTCOME_KINDS, Fault
from di_async.emulator.cloud.provider import Call, ProviderContext
from di_async.emulator.cloud.store import end_of_failing

from .shapes import Shapes
from .store import Deployment, Spec, Store, Task, Write

# Shares of a write's duration: until its task runs, and until the containers exist.
_NEW_SHARE = 0.2
_CONTAINERS_SHARE = 0.3
# Stopping takes seconds.
_STOP_SHARE = 0.05
_CONTAINER_MESSAGE = "Failed to pull image"
_TASK_MESSAGE = "Inference instance deployment failed"
_TASK_KINDS = tuple(kind for kind in OPERATION_KINDS if kind != "no_reference")
_ENDS = {"delete": "deleted", "stop": "stopped"}


@frozen
class Context(ProviderContext[Store]):
    """What Gcore's handlers share, and how their writes end."""

    shapes: Shapes
    project_id: int

    def begin_write(self, call: Call, action: str, deployment: Deployment) -> Write:
        """Return a write accepted now; it ends well unless a fault applies."""
        write = self.planned_write(call.now, action, deployment)
        has_task = deployment.generation == 3 and action in ("create", "update", "delete")
        kinds = (*OUTCOME_KINDS, *_TASK_KINDS) if has_task else OUTCOME_KINDS
        for region in deployment.regions:
            fault = self.take_fault(call, *kinds, id=deployment.id, regions=(str(region),))
            if fault:
                return _with_fault(write, fault, call.now)
        return write

    def planned_write(self, now: float, action: str, deployment: Deployment) -> Write:
        """Return a write as the lifecycle plans it."""
        lifecycle = self.settings.lifecycle
        planned = {"create": lifecycle.create, "delete": lifecycle.delete}
        lasts = self.simulation.draw(planned.get(action, lifecycle.update))
        if action == "stop":
            lasts *= _STOP_SHARE
        task_lasts = lasts if action == "delete" else lifecycle.operation_share * lasts
        if action in ("start", "stop"):
            task_lasts = 0.0
        ends = _ENDS.get(action, "running")
        if action == "update" and deployment.stopped:
            # It stays stopped: there are no containers to wait for.
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

    def add_tasks(self, call: Call, deployment: Deployment, request: Spec) -> list[str]:
        """Add the tasks of a v3 write and return their ids: one, unless a fault applies."""
        regions = deployment.region_names
        if self.take_fault(call, "no_reference", id=deployment.id, regions=regions):
            return []
        write = deployment.last_write
        ends = [write.task_ends_at]
        if self.take_fault(call, "many_tasks", id=deployment.id, regions=regions):
            # The second one ends later: a client that waits for the first alone stops too early.
            ends.append((write.task_ends_at + write.settles_at) / 2)
        tasks = [
            Task(
                id=self.ids.new_uuid(),
                number=len(self.store.tasks) + place,
                type=f"{write.action}_inference_instance",
                deployment=deployment.id,
                created_at=call.now,
                runs_at=write.runs_at,
                ends_at=ends_at,
                request=request,
                error=write.message if write.ends == "task_failed" else None,
            )
            for place, ends_at in enumerate(ends)
        ]
        self.store.add_tasks(deployment.id, tasks)
        return [task.id for task in tasks]

    def inject_outcome_fault(self, fault: Fault, now: float) -> None:
        """Apply an outcome fault to a deployment now; raise ValueError if it cannot apply."""
        deployment = self.store.fault_target(fault)
        if deployment.in_flight:
            self.store.reschedule(deployment, _with_fault(deployment.last_write, fault, now))
        else:
            at = now + (fault.seconds or 0.0)
            self.store.schedule_failure_with(deployment, at, fault.message or _CONTAINER_MESSAGE)
            self.store.advance(now)


def _with_fault(write: Write, fault: Fault, now: float) -> Write:
    in_task = fault.kind in OPERATION_KINDS or write.action == "delete"
    match fault.kind:
        case "operation_stuck" | "stuck" if in_task:
            never = math.inf
            return evolve(write, settles_at=never, task_ends_at=never, containers_at=never)
        case "stuck":
            return evolve(write, settles_at=math.inf)
        case "regress":
            after = fault.seconds or 0.0
            return evolve(write, regress_after=after, message=fault.message or _CONTAINER_MESSAGE)
        case _ if in_task:
            timed_out = fault.kind == "operation_timeout"
            default = "Task timed out" if timed_out else _TASK_MESSAGE
            message = fault.message or fault.reason or default
            ends_at = end_of_failing(write.task_ends_at, now)
            write = evolve(write, settles_at=ends_at, task_ends_at=ends_at)
            return evolve(write, ends="task_failed", message=message)
    return _with_failing_containers(write, fault, now)


def _with_failing_containers(write: Write, fault: Fault, now: float) -> Write:
    """Let the containers not start: for ever, or for `fault.seconds`."""
    message = fault.message or _CONTAINER_MESSAGE
    at = end_of_failing(write.containers_at, now)
    if fault.seconds is None:
        return evolve(write, ends="failed", message=message, settles_at=at)
    until = at + fault.seconds
    settles_at = max(write.settles_at, until)
    return evolve(write, message=message, message_until=until, settles_at=settles_at)
