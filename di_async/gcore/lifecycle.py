"""What Gcore's status words mean, and what a read proves after a write. Pure.

v2 documents ten words, v3 six of them: https://api.gcore.com reference (inference deployments).
`PENDING` is healthy but scaled to zero: it wakes on a request, so it counts as settled.
`PARTIALLYDEPLOYED` is normal while an image is pulled, but also where a container has failed. Then
the container has an `error_message`, and only time shows whether it recovers.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from attrs import evolve

from di_async.core.waiting.observation import Action, Expectation, Observation, Phase
from di_async.core.waiting.page_index import NO_ROW, RowKey, make_row_key
from di_async.gcore.desired_state import (
    DesiredState,
    matches,
    read_desired_state,
    shown_fields,
)
from di_async.gcore.models import Inference, InferenceInstance, Task

__all__ = [
    "desired_is_proof",
    "duration_key",
    "failure_reason",
    "is_deleting",
    "is_pending",
    "is_stopped",
    "observe",
    "observe_row",
    "observe_task",
    "place_of",
    "row_key",
    "shows_desired",
    "update_expectation",
]

FAILURE_GRACE_S = 600.0
"""Image pulls are retried for minutes, and a start takes time to show."""
_NO_REASON = "the API gives no reason"

_PHASES = {
    "NEW": Phase.WORKING,
    "DEPLOYING": Phase.WORKING,
    "PARTIALLYDEPLOYED": Phase.WORKING,
    "ACTIVE": Phase.READY,
    "PENDING": Phase.READY,
    "DISABLED": Phase.FAILED,
    "ERROR": Phase.FAILED,
    "FAILED": Phase.FAILED,
    "DELETING": Phase.DELETING,
    "DELETED": Phase.DELETING,
}
_TASK_PHASES = {
    "NEW": Phase.WORKING,
    "RUNNING": Phase.WORKING,
    "FINISHED": Phase.READY,
    "ERROR": Phase.FAILED,
}


def observe(found: Inference, expectation: Expectation) -> Observation:
    """Return what a read of an instance or a deployment shows."""
    seen = _observe(found, read_desired_state(expectation.sent))
    return evolve(seen, replaced=True) if _is_another(found, expectation.deleted_at) else seen


def _is_another(found: Inference, deleted_at: datetime | None) -> bool:
    """Return whether it was created after a delete by its name, which left nothing behind."""
    if found.created_at is None or deleted_at is None or is_deleting(found):
        return False
    return found.created_at > deleted_at


def _observe(found: Inference, desired: DesiredState) -> Observation:
    if desired.kind == "stop":
        observation = _observe_stop(found)
    else:
        observation = _observe_serving(found, desired)
    if desired.kind == "update":
        return evolve(observation, matches_sent=matches(desired.fields, found))
    return evolve(observation, matches_sent=observation.phase is Phase.READY)


def observe_row(found: Inference, row: Any, expectation: Expectation) -> Observation:
    """Return what a list row shows; fields that it lacks are not compared with what was sent."""
    desired = read_desired_state(expectation.sent)
    known = evolve(desired, fields=shown_fields(desired.fields, row))
    partial = len(known.fields) < len(desired.fields)
    replaced = _is_another(found, expectation.deleted_at)
    seen = evolve(_observe(found, known), partial=partial, replaced=replaced)
    return seen if found.status else evolve(seen, phase=Phase.READY, partial=True)


def _observe_serving(found: Inference, desired: DesiredState) -> Observation:
    """Return the observation where the resource should serve requests."""
    status, errors = found.status, _errors(found)
    phase = _PHASES.get(status, Phase.WORKING)
    if status == "DISABLED" and desired.was_stopped:
        return Observation(status, Phase.READY, reason="it is stopped, as before the update")
    if status == "DISABLED":
        stopped = "it is stopped and does not start by itself"
        return Observation(status, phase, reason=stopped, failure_grace=FAILURE_GRACE_S)
    if status == "PARTIALLYDEPLOYED" and errors:
        return Observation(status, Phase.FAILED, reason=errors, failure_grace=FAILURE_GRACE_S)
    if phase is Phase.FAILED:
        return Observation(status, phase, reason=errors or _NO_REASON)
    if status == "PENDING" and not _may_scale_to_zero(found):
        waiting = "it is pending, though no container may scale to zero"
        return Observation(status, Phase.WORKING, reason=waiting)
    if status == "PENDING":
        return Observation(status, phase, reason="scaled to zero; a request starts it")
    reason = errors or _progress(found)
    return Observation(status, phase, reason=reason, documented=status in _PHASES)


def _observe_stop(found: Inference) -> Observation:
    """Return the observation where the resource should stop; any other status is in progress."""
    status = found.status
    if status == "DISABLED":
        return Observation(status, Phase.READY, reason="stopped")
    deleting = _PHASES.get(status) is Phase.DELETING
    phase = Phase.DELETING if deleting else Phase.WORKING
    return Observation(status, phase, documented=status in _PHASES)


def _may_scale_to_zero(found: Inference) -> bool:
    """Only v3 documents that `PENDING` means "scaled to zero"; in v2 the scale has to allow it."""
    if not isinstance(found, InferenceInstance) or not found.containers:
        return True
    return any(container.scale.min == 0 for container in found.containers)


def _errors(found: Inference) -> str | None:
    errors = [
        f"region {container.region_id}: {container.error_message}"
        for container in found.containers
        if container.error_message
    ]
    return "; ".join(errors) or None


def _progress(found: Inference) -> str | None:
    """Return how many replicas are ready while some containers are not."""
    counts = [container.deploy_status for container in found.containers if container.deploy_status]
    if found.status != "PARTIALLYDEPLOYED" or not counts:
        return None
    return f"{sum(c.ready for c in counts)} of {sum(c.total for c in counts)} replicas ready"


def observe_task(task: Task) -> Observation:
    """Return what a read of a task shows."""
    phase = _TASK_PHASES.get(task.state, Phase.WORKING)
    failed = phase is Phase.FAILED
    return Observation(
        task.state,
        phase,
        reason=task.error or _NO_REASON if failed else task.detailed_state,
        documented=task.state in _TASK_PHASES,
    )


def update_expectation(
    before: Inference, desired: DesiredState, accepted_at: float, *, differed_before: bool | None
) -> Expectation:
    """Return what must be proven after a write to an existing resource.

    Args:
        before: the resource as a GET showed it before the write.
        desired: the state that the write should reach.
        accepted_at: loop time at which the write was accepted.
        differed_before: see `Expectation.differed_before` and `desired_is_proof`.
    """
    return Expectation(
        action=Action.UPDATE,
        accepted_at=accepted_at,
        before_phase=_observe(before, desired).phase,
        sent=desired.encode(),
        differed_before=differed_before,
    )


def shows_desired(desired: DesiredState, found: Inference) -> bool:
    """Return whether a read shows the desired state."""
    return _observe(found, desired).matches_sent is True


def desired_is_proof(desired: DesiredState, before: Inference, answer: Any) -> bool | None:
    """Return whether a read of the desired state proves the write; None if unknown.

    It does where `before` did not show that state. v2 answers a PUT with the instance, which shows
    the new fields at once; a later read then proves the end only if the answer shows that work has
    begun.
    """
    if desired.kind != "update":
        return not shows_desired(desired, before)
    if not desired.fields:
        return None
    if isinstance(answer, Inference):
        return _PHASES.get(answer.status, Phase.WORKING) is not Phase.READY
    return True


def duration_key(found: Inference) -> tuple[str, str]:
    """Return regions and flavor, which decide how long changes take."""
    regions = ",".join(str(container.region_id) for container in found.containers)
    flavor = getattr(found, "flavor_name", "") or getattr(found, "flavor_id", "")
    return regions, flavor


def place_of(body: Mapping[str, Any]) -> tuple[str, str]:
    """Return regions and flavor of a v3 create, as `duration_key` has them for its deployment."""
    regions = ",".join(str(container["region_id"]) for container in body["containers"])
    return regions, body["flavor_name"]


def row_key(row: Any) -> RowKey:
    """Return a list row's id and fingerprint, or `NO_ROW` if the row is not an object.

    No time of change is shown, so the fingerprint covers the whole row.
    """
    return make_row_key(row.get("id"), _content(row)) if isinstance(row, Mapping) else NO_ROW


def _content(row: Mapping[str, Any]) -> object:
    try:
        return orjson.dumps(row)
    except TypeError:  # a field is nested too deeply, or holds a number that JSON does not have
        return tuple(value for value in row.values() if not isinstance(value, dict | list))


def is_pending(found: Inference) -> bool:
    """Return whether a change is in progress that ends by itself."""
    return _PHASES.get(found.status, Phase.WORKING) in {Phase.WORKING, Phase.DELETING}


def failure_reason(found: Inference) -> str | None:
    """Return why a resource, or a container of it, failed; None if none has."""
    errors = _errors(found)
    if found.status == "PARTIALLYDEPLOYED":
        return errors
    return (errors or _NO_REASON) if found.status in {"ERROR", "FAILED"} else None


def is_deleting(found: Inference) -> bool:
    """Return whether it is being deleted."""
    return _PHASES.get(found.status) is Phase.DELETING


def is_stopped(found: Inference) -> bool:
    """Return whether it was stopped, and does not start by itself."""
    return found.status == "DISABLED"
