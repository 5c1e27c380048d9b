"""What DigitalOcean's status words mean, and what proves a write. Pure.

https://docs.digitalocean.com/reference/api/reference/dedicated-inference/ (get: the six words);
the vendor's own Terraform provider accepts `running`, too.
"""

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from di_async.core.errors import ConflictError
from di_async.core.lost_create import Candidate
from di_async.core.waiting.observation import (
    Action,
    Expectation,
    Observation,
    Phase,
    ResourceVersion,
)
from di_async.core.waiting.page_index import NO_ROW, RowKey, make_row_key
from di_async.digitalocean.models import VPC, DedicatedInference, DeploymentSpec
from di_async.digitalocean.row_summaries import RowSummary
from di_async.digitalocean.spec import DedicatedInferenceSpec, latest_spec, spec_digest

__all__ = [
    "create_candidate",
    "create_expectation",
    "duration_key",
    "failure_reason",
    "has_failed",
    "is_deleting",
    "is_pending",
    "observe",
    "observe_row",
    "resource_version",
    "row_key",
    "update_expectation",
    "was_accepted",
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
_EMPTY_SPEC = DeploymentSpec()


def observe(di: DedicatedInference, expectation: Expectation) -> Observation:
    """Return what one read of an instance shows."""
    phase = _PHASES.get(di.status, _WORKING)
    missing = _not_ready_reason(di) if phase is _READY else None
    return Observation(
        status=di.status,
        phase=phase,
        complete=missing is None,
        version=resource_version(di),
        matches_sent=_matches(di.spec, expectation.sent),
        reason=failure_reason(di) or missing,
        documented=di.status in _PHASES,
        has_spec=di.spec is not None,
    )


def observe_row(di: DedicatedInference, row: Any, expectation: Expectation) -> Observation:
    """Return what a list row shows. Light rows may lack the endpoints, and even the status."""
    seen = observe(di, expectation)
    if not di.status:
        return evolve(seen, phase=_READY, partial=True)
    unshown = di.endpoints is None and (di.spec is None or "endpoints" not in row)
    if seen.phase is _READY and unshown and di.pending_deployment_spec is None:
        return evolve(seen, complete=True, reason=None, partial=True)
    return seen


def _matches(shown: DeploymentSpec | None, sent: str | None) -> bool | None:
    """Return whether a spec is the one sent; None if it lacks what is compared."""
    if not sent or shown is None or not shown.model_deployments:
        return None
    if not all(one.model_slug and one.accelerators for one in shown.model_deployments):
        return None
    return spec_digest(shown) == sent


def resource_version(di: DedicatedInference) -> ResourceVersion:
    """Return what distinguishes this state from an older one. Version 0 means unknown."""
    spec, pending = di.spec or _EMPTY_SPEC, di.pending_deployment_spec or _EMPTY_SPEC
    return ResourceVersion(
        updated_at=di.updated_at,
        spec_version=spec.version or None,
        spec_id=spec.id or None,
        pending_spec_version=pending.version or None,
        pending_spec_id=pending.id or None,
    )


def create_expectation(
    answer: DedicatedInference, spec: DedicatedInferenceSpec, accepted_at: float
) -> Expectation:
    """Return what has to be proven before a create is settled."""
    shown = resource_version(answer)
    target = shown.pending_spec_version or shown.spec_version or spec.version or None
    return Expectation(
        action=Action.CREATE,
        accepted_at=accepted_at,
        target_spec_version=target,
        target_spec_id=shown.pending_spec_id,
        sent=spec_digest(spec),
    )


def update_expectation(
    before: DedicatedInference,
    answer: DedicatedInference,
    spec: DedicatedInferenceSpec | None,
    accepted_at: float,
) -> Expectation:
    """Return what has to be proven before an update is settled.

    `before` is the instance as read before the write.
    """
    old, new = resource_version(before), resource_version(answer)
    target = new.pending_spec_version
    advanced = target is not None and old.spec_version is not None and target > old.spec_version
    sent = spec_digest(spec) if spec else None
    matched = _matches(before.spec, sent)
    return Expectation(
        action=Action.UPDATE,
        accepted_at=accepted_at,
        before=old,
        before_phase=_PHASES.get(before.status, _WORKING),
        baseline=new.updated_at,
        target_spec_version=target if advanced else None,
        target_spec_id=new.pending_spec_id if new.pending_spec_id != old.pending_spec_id else None,
        sent=sent,
        differed_before=None if matched is None else not matched,
    )


def create_candidate(spec: DedicatedInferenceSpec, found: DedicatedInference) -> Candidate:
    """Return an instance that may be the result of a lost create of `spec`."""
    shown = latest_spec(found)
    matches_sent = _matches(shown, spec_digest(spec))
    if shown is not None and matches_sent:
        matches_sent = (
            shown.enable_public_endpoint in (None, spec.enable_public_endpoint)
            and found.region in (None, spec.region)
            and (None in (spec.vpc, found.vpc_uuid) or spec.vpc == VPC(found.vpc_uuid or ""))
        )
    return Candidate(found.id, found.created_at, matches_sent, is_deleting(found))


def was_accepted(
    before: DedicatedInference, live: DedicatedInference, spec: DedicatedInferenceSpec
) -> bool:
    """Return whether the live instance shows that an update to `spec` was accepted.

    Raises:
        ConflictError: it shows another update instead.
    """
    digest = spec_digest(spec)
    old_version = before.spec.version if before.spec and before.spec.version else 0
    for shown in (live.pending_deployment_spec, live.spec):
        if shown is not None and (shown.version or 0) > old_version:
            if spec_digest(shown) == digest and shown.name in (None, spec.name):
                return True
            raise ConflictError(
                f"{live.id} is at spec version {shown.version}, which is not what was sent; "
                "another update came first",
                method="PATCH",
                status=409,
            )
    pending = live.pending_deployment_spec
    is_new = pending is not None and before.pending_deployment_spec is None
    return is_new and pending is not None and spec_digest(pending) == digest


def duration_key(di: DedicatedInference) -> tuple[str, str]:
    """Return region and first GPU, which decide how long changes take."""
    shown, region = latest_spec(di) or _EMPTY_SPEC, di.region or ""
    for deployment in shown.model_deployments:
        for accelerator in deployment.accelerators:
            return region, accelerator.accelerator_slug
    return region, ""


def row_key(row: Any) -> RowKey:
    """Return a list row's id and fingerprint; `NO_ROW` for a row that is not an instance."""
    if type(row) is RowSummary:
        return row.id, hash(row)
    if not isinstance(row, Mapping):
        return NO_ROW
    id = row.get("id")
    return make_row_key(id, RowSummary(id or "", row.get("status"), row.get("updated_at")))


def is_pending(status: str, changing: bool) -> bool:
    """Return whether a change is in progress; `changing`: the instance shows a pending spec."""
    phase = _PHASES.get(status, _WORKING)
    return changing if phase is _READY else phase is not _FAILED


def has_failed(status: str) -> bool:
    """Return whether the status is that of a failed instance."""
    return _PHASES.get(status) is _FAILED


def is_deleting(di: DedicatedInference) -> bool:
    """Return whether it is being deleted."""
    return _PHASES.get(di.status) is Phase.DELETING


def _not_ready_reason(di: DedicatedInference) -> str | None:
    """Return what an active instance still lacks, if anything."""
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
    return None if wanted else "its endpoint does not exist yet"


def failure_reason(di: DedicatedInference) -> str | None:
    """Return the broken accelerators of a failed instance; None if it has not failed.

    The API has no field for a reason.
    """
    if not has_failed(di.status):
        return None
    specs = [spec for spec in (di.pending_deployment_spec, di.spec) if spec]
    broken = [
        f"{a.accelerator_slug} is {a.status}"
        for spec in specs
        for deployment in spec.model_deployments
        for a in deployment.accelerators
        if a.accelerator_id and (a.status or "").lower() in _BROKEN
    ]
    reason = "; ".join(broken) or "the API shows no reason"
    return f"status error: {reason} (a common cause: no GPU capacity left in {di.region})"
