"""What Gcore's status words mean, and what to hold against a write's later reads. Pure.

v2 documents ten words, v3 six of them: https://api.gcore.com reference (inference deployments).
`PENDING` is healthy but scaled to zero: it wakes on a request, so it counts as settled.
`PARTIALLYDEPLOYED` is normal while an image is pulled, and also where failures sit: then a
container tells an `error_message`, and only time tells whether it gets over it.
"""

from typing import Any

import orjson
from attrs import evolve

from di_async.core.waiting.observation import Action, Expectation, Observation, Phase
from di_async.gcore.desired_state import DesiredState, matches, read_desired_state
from di_async.gcore.models import Inference, InferenceDeployment, InferenceInstance, Task

__all__ = [
    "deployment_row_key",
    "desired_is_proof",
    "duration_key",
    "instance_row_key",
    "is_deleting",
    "is_pending",
    "observe",
    "observe_task",
    "shows_desired",
    "update_expectation",
]

FAILURE_GRACE_S = 600.0
"""Pulling an image is tried again for minutes; a stop may be followed by somebody's start."""

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
    """One look at an instance or a deployment, in the waiter's words."""
    desired = read_desired_state(expectation.sent)
    seen = _stopping(found) if desired.kind == "stop" else _serving(found, desired)
    if desired.kind == "update":
        return evolve(seen, matches_sent=matches(desired.fields, found))
    return evolve(seen, matches_sent=seen.phase is Phase.READY)


def _serving(found: Inference, desired: DesiredState) -> Observation:
    """On the way to serving requests."""
    word, errors = found.status, _errors(found)
    known, phase = word in _PHASES, _PHASES.get(word, Phase.WORKING)
    if word == "DISABLED" and desired.was_stopped:
        return Observation(word, Phase.READY, reason="it is stopped, as it was before")
    if word == "DISABLED":
        why = "it is stopped, and does not start by itself"
        return Observation(word, phase, reason=why, failure_grace=FAILURE_GRACE_S)
    if word == "PARTIALLYDEPLOYED" and errors:
        return Observation(word, Phase.FAILED, reason=errors, failure_grace=FAILURE_GRACE_S)
    if phase is Phase.FAILED:
        return Observation(word, phase, reason=errors or "the API gives no reason")
    if word == "PENDING" and not _may_sleep(found):
        return Observation(
            word, Phase.WORKING, reason="it waits, though it is not to scale to zero"
        )
    if word == "PENDING":
        return Observation(word, phase, reason="scaled to zero: it wakes on a request")
    return Observation(word, phase, reason=errors or _progress(found), documented=known)


def _stopping(found: Inference) -> Observation:
    """On the way to being stopped: all that still runs is on its way."""
    word = found.status
    if word == "DISABLED":
        return Observation(word, Phase.READY, reason="stopped")
    phase = _PHASES.get(word, Phase.WORKING)
    phase = phase if phase is Phase.DELETING else Phase.WORKING
    return Observation(word, phase, documented=word in _PHASES)


def _may_sleep(found: Inference) -> bool:
    """v3 says that `PENDING` is "scaled to zero"; v2 does not, so its scale has to allow it."""
    if not isinstance(found, InferenceInstance) or not found.containers:
        return True
    return any(container.scale.min == 0 for container in found.containers)


def _errors(found: Inference) -> str | None:
    told = [
        f"region {container.region_id}: {container.error_message}"
        for container in found.containers
        if container.error_message
    ]
    return "; ".join(told) or None


def _progress(found: Inference) -> str | None:
    """How many replicas are ready, while not all of it is there."""
    told = [container.deploy_status for container in found.containers if container.deploy_status]
    if found.status != "PARTIALLYDEPLOYED" or not told:
        return None
    return f"{sum(s.ready for s in told)} of {sum(s.total for s in told)} replicas ready"


def observe_task(task: Task, expectation: Expectation) -> Observation:
    """One look at a task. `NEW` is no end, whatever the vendor's loop says."""
    phase = _TASK_PHASES.get(task.state, Phase.WORKING)
    failed = phase is Phase.FAILED
    return Observation(
        task.state,
        phase,
        reason=task.error or "the API gives no reason" if failed else task.detailed_state,
        documented=task.state in _TASK_PHASES,
    )


def update_expectation(
    before: Inference, desired: DesiredState, accepted_at: float, *, unlike: bool | None
) -> Expectation:
    """What must be seen before a write on something that is there is settled.

    Args:
        before: as a GET showed it before the write.
        desired: what the write is meant to reach.
        accepted_at: when it was accepted, in loop time.
        unlike: showing the desired state proves the write, as `before` did not show it.
    """
    expectation = Expectation(action=Action.UPDATE, accepted_at=accepted_at, sent=desired.encode())
    return evolve(
        expectation, before_phase=observe(before, expectation).phase, differed_before=unlike
    )


def shows_desired(desired: DesiredState, found: Inference) -> bool:
    """A read shows that the write was taken: its fields, or that it runs or is stopped."""
    return (
        observe(
            found, Expectation(action=Action.UPDATE, accepted_at=0.0, sent=desired.encode())
        ).matches_sent
        is True
    )


def desired_is_proof(desired: DesiredState, before: Inference, answer: Any) -> bool | None:
    """Whether showing the desired state proves the write: `before` did not. None: unknown.

    v2 answers a PUT with the instance, which then shows the new fields from the very start: only
    where it shows as well that work has begun, what comes later is its end.
    """
    if desired.kind != "update":
        return not shows_desired(desired, before)
    if not desired.fields:
        return None
    if isinstance(answer, Inference):
        return _PHASES.get(answer.status, Phase.WORKING) is not Phase.READY
    return True


def duration_key(found: Inference) -> tuple[str, str]:
    """Regions and flavour: what decides how long things take."""
    regions = ",".join(str(container.region_id) for container in found.containers)
    flavor = getattr(found, "flavor_name", "") or getattr(found, "flavor_id", "")
    return regions, flavor


def instance_row_key(row: Any) -> tuple[str, int]:
    """A v2 row's id, and what changes when its state does."""
    return _glance(row, "id")


def deployment_row_key(row: Any) -> tuple[str, int]:
    """A v3 row's name, which is its key, and what changes when its state does."""
    return _glance(row, "name")


def _glance(row: Any, key: str) -> tuple[str, int]:
    """No time of change is shown, so that all of the row is its state."""
    try:
        return row.get(key) or "", hash(orjson.dumps(row))
    except (AttributeError, TypeError):
        return "", 0  # no object: nobody's row


def is_pending(found: InferenceInstance | InferenceDeployment) -> bool:
    """Something is under way that will end by itself."""
    return _PHASES.get(found.status, Phase.WORKING) in {Phase.WORKING, Phase.DELETING}


def is_deleting(found: Inference) -> bool:
    """It is being deleted."""
    return _PHASES.get(found.status) is Phase.DELETING
