"""What DigitalOcean's status words mean, and what to hold against a write's later reads.

https://docs.digitalocean.com/reference/api/reference/dedicated-inference/ (get: the six words);
`running` is taken by the vendor's own Terraform provider as well.
"""

from datetime import UTC, datetime
from typing import Any

from di_async.core.waiting.observation import (
    Action,
    Expectation,
    Observation,
    Phase,
    ResourceVersion,
)
from di_async.digitalocean.list_rows import RowSummary
from di_async.digitalocean.models import DedicatedInference, DeploymentSpec
from di_async.digitalocean.spec import DedicatedInferenceSpec, latest_spec, spec_digest

__all__ = [
    "create_expectation",
    "duration_key",
    "is_pending",
    "observe",
    "row_key",
    "update_expectation",
]

_READY, _WORKING, _FAILED = Phase.READY, Phase.WORKING, Phase.FAILED
_PHASES = {
    "new": _WORKING,
    "provisioning": _WORKING,
    "updating": _WORKING,
    "active": _READY,
    "running": _READY,
    "error": _FAILED,
    "deleting": Phase.DELETING,
}
_BROKEN = frozenset({"invalid", "error", "failed"})
_SILENT = DeploymentSpec()
# A create's answer may carry 1970 for "not yet": no baseline to compare with.
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


def observe(di: DedicatedInference, expectation: Expectation) -> Observation:
    """One look at an instance, in the waiter's words."""
    phase = _PHASES.get(di.status, _WORKING)
    lacking = _not_ready_reason(di) if phase is _READY else None
    shown = di.spec
    return Observation(
        status=di.status,
        phase=phase,
        complete=lacking is None,
        version=resource_version(di),
        matches_sent=spec_digest(shown) == expectation.sent if shown and expectation.sent else None,
        reason=_failure_reason(di) if phase is _FAILED else lacking,
        documented=di.status in _PHASES,
        has_spec=di.spec is not None,
    )


def resource_version(di: DedicatedInference) -> ResourceVersion:
    """What tells this state from an older one. Version 0 and 1970 say nothing."""
    spec, pending = di.spec or _SILENT, di.pending_deployment_spec or _SILENT
    return ResourceVersion(
        updated_at=_real_time(di.updated_at),
        spec_version=spec.version or None,
        spec_id=spec.id or None,
        pending_spec_version=pending.version or None,
        pending_spec_id=pending.id or None,
    )


def create_expectation(
    answer: DedicatedInference, spec: DedicatedInferenceSpec, accepted_at: float
) -> Expectation:
    """What must be seen before a create is settled."""
    seen = resource_version(answer)
    return Expectation(
        action=Action.CREATE,
        accepted_at=accepted_at,
        target_spec_version=seen.pending_spec_version or seen.spec_version or spec.version or None,
        target_spec_id=seen.pending_spec_id,
        sent=spec_digest(spec),
    )


def update_expectation(
    before: DedicatedInference,
    answer: DedicatedInference,
    spec: DedicatedInferenceSpec | None,
    accepted_at: float,
) -> Expectation:
    """What must be seen before an update is settled, given the instance before it."""
    was, answered = resource_version(before), resource_version(answer)
    target = answered.pending_spec_version
    advanced = target is not None and was.spec_version is not None and target > was.spec_version
    return Expectation(
        action=Action.UPDATE,
        accepted_at=accepted_at,
        before=was,
        before_phase=_PHASES.get(before.status, _WORKING),
        baseline=answered.updated_at,
        target_spec_version=target if advanced else None,
        target_spec_id=answered.pending_spec_id
        if answered.pending_spec_id != was.pending_spec_id
        else None,
        sent=spec_digest(spec) if spec else None,
    )


def duration_key(di: DedicatedInference) -> tuple[str, str]:
    """Region and first GPU: what decides how long things take."""
    shown, region = latest_spec(di) or _SILENT, di.region or ""
    for deployment in shown.model_deployments:
        for accelerator in deployment.accelerators:
            return region, accelerator.accelerator_slug
    return region, ""


def row_key(row: Any) -> tuple[str, int]:
    """A list row's id, and what changes when its state does."""
    if type(row) is RowSummary:
        return row.id, hash(row)
    try:
        told = RowSummary(row.get("id", ""), row.get("status"), row.get("updated_at"))
        return told.id, hash(told)
    except (AttributeError, TypeError):
        return "", 0  # no object, or no text where there should be some: nobody's row


def is_pending(status: str, changing: bool) -> bool:
    """Something is under way that will end by itself; `changing`: a deployment is pending."""
    phase = _PHASES.get(status, _WORKING)
    return changing if phase is _READY else phase is not _FAILED


def _not_ready_reason(di: DedicatedInference) -> str | None:
    """What an instance that calls itself active still lacks."""
    if di.pending_deployment_spec is not None:
        return "a deployment is pending"
    public = di.spec.enable_public_endpoint if di.spec else None
    at = di.endpoints
    if at is None:
        return "it has no endpoint yet"
    wanted = {
        True: at.public_endpoint_fqdn,
        False: at.private_endpoint_fqdn,
        None: at.public_endpoint_fqdn or at.private_endpoint_fqdn,
    }[public]
    return None if wanted else "its endpoint is not there yet"


def _failure_reason(di: DedicatedInference) -> str:
    """The API gives no reason in any schema; broken accelerators are the nearest to one."""
    specs = [spec for spec in (di.pending_deployment_spec, di.spec) if spec]
    broken = [
        f"{a.accelerator_slug} is {a.status}"
        for spec in specs
        for deployment in spec.model_deployments
        for a in deployment.accelerators
        if a.accelerator_id and (a.status or "").lower() in _BROKEN
    ]
    reason = "; ".join(broken) or "the API gives no reason"
    return f"status error: {reason} (often there is no GPU capacity left in {di.region})"


def _real_time(time: datetime | None) -> datetime | None:
    return time if time is not None and time > _EARLIEST else None
