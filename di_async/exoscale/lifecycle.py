"""What Exoscale's states mean, and what to hold against a write's later reads. Pure.

A write is done in two layers: its operation ends (`success`; `failure` and `timeout` are both the
provider's failures), then the deployment is `ready` and shows what was asked for. Nothing promises
that the first implies the second. There is no state for "deleting": gone is a 404.
What a write sent goes into resume tokens, so the engine's arguments, which may hold keys, stand in
it as a digest.
https://openapi-v2.exoscale.com/group/endpoint-ai
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from di_async.core.waiting.observation import (
    Action,
    Expectation,
    Observation,
    Phase,
    ResourceVersion,
)
from di_async.exoscale.models import Deployment, Model, Operation

__all__ = [
    "create_expectation",
    "differs",
    "duration_key",
    "is_pending",
    "is_public",
    "observe",
    "observe_model",
    "observe_operation",
    "row_key",
    "update_expectation",
]

Fields = Mapping[str, Any]
_ARGUMENTS = "inference-engine-parameters"

_PHASES = {
    **dict.fromkeys(("creating", "preparing", "deploying", "scaling", "updating"), Phase.WORKING),
    "ready": Phase.READY,
    "error": Phase.FAILED,
}
_MODEL_PHASES = {
    **dict.fromkeys(("created", "creating", "downloading"), Phase.WORKING),
    "ready": Phase.READY,
    "error": Phase.FAILED,
}
_OPERATION_PHASES = {
    "pending": Phase.WORKING,
    "success": Phase.READY,
    "failure": Phase.FAILED,
    "timeout": Phase.FAILED,
}


def observe(deployment: Deployment, expectation: Expectation) -> Observation:
    """One look at a deployment, in the waiter's words."""
    phase = _PHASES.get(deployment.state, Phase.WORKING)
    lacking = _not_ready_reason(deployment) if phase is Phase.READY else None
    other = differs(deployment, orjson.loads(expectation.sent)) if expectation.sent else None
    return Observation(
        status=deployment.state,
        phase=phase,
        complete=lacking is None,
        version=ResourceVersion(updated_at=deployment.updated_at),
        matches_sent=None if other is None else not other,
        reason=_failure(deployment) if phase is Phase.FAILED else lacking,
        documented=deployment.state in _PHASES,
        has_spec=_is_full(deployment),
    )


def observe_model(model: Model, expectation: Expectation) -> Observation:
    """One look at a model, in the waiter's words."""
    phase = _MODEL_PHASES.get(model.state, Phase.WORKING)
    return Observation(
        status=model.state,
        phase=phase,
        version=ResourceVersion(updated_at=model.updated_at),
        reason="state error: the API gives no reason" if phase is Phase.FAILED else None,
        documented=model.state in _MODEL_PHASES,
    )


def observe_operation(operation: Operation, expectation: Expectation) -> Observation:
    """One look at an operation, in the waiter's words."""
    phase = _OPERATION_PHASES.get(operation.state, Phase.WORKING)
    return Observation(
        status=operation.state,
        phase=phase,
        reason=_operation_failure(operation) if phase is Phase.FAILED else None,
        documented=operation.state in _OPERATION_PHASES,
    )


def create_expectation(accepted_at: float) -> Expectation:
    """What must be seen before a create is settled."""
    return Expectation(action=Action.CREATE, accepted_at=accepted_at)


def update_expectation(before: Deployment, sent: Fields, accepted_at: float) -> Expectation:
    """What must be seen before an update or a scale is settled, given the deployment before it."""
    return Expectation(
        action=Action.UPDATE,
        accepted_at=accepted_at,
        before=ResourceVersion(updated_at=before.updated_at),
        before_phase=_PHASES.get(before.state, Phase.WORKING),
        sent=orjson.dumps(_hidden(sent), option=orjson.OPT_SORT_KEYS).decode(),
        differed_before=differs(before, sent),
    )


def differs(deployment: Deployment, sent: Fields) -> bool | None:
    """It shows something else than these fields say; None where it does not show all of them.

    The engine's arguments may be given as they are, or digested.
    """
    sent, shown = _hidden(sent), _hidden(_shown(deployment))
    if any(shown[key] is not None and shown[key] != value for key, value in sent.items()):
        return True
    return None if any(shown[key] is None for key in sent) else False


def _shown(deployment: Deployment) -> Fields:
    # Resume tokens hold what was sent under these keys: attributes may be renamed, keys may not.
    return {
        "name": deployment.name,
        "replicas": deployment.replicas,
        "inference-engine-version": deployment.inference_engine_version,
        _ARGUMENTS: _parameters(deployment),
    }


def _hidden(fields: Fields) -> Fields:
    """The same with a digest in the duration_key of arguments, where there is none yet."""
    arguments = fields.get(_ARGUMENTS)
    if not isinstance(arguments, list):
        return fields
    return {**fields, _ARGUMENTS: hashlib.sha256(orjson.dumps(arguments)).hexdigest()[:24]}


def duration_key(zone: str, deployment: Deployment) -> tuple[str, str]:
    """Zone and GPU family: what decides how long things take."""
    return zone, deployment.gpu_type or ""


def row_key(row: Any) -> tuple[str, int]:
    """A list row's id, and what changes when its state does."""
    try:
        told = (row.get("state"), row.get("status"), row.get("updated-at"), row.get("replicas"))
        return row.get("id") or "", hash((*told, row.get("name"), row.get("deployment-url")))
    except (AttributeError, TypeError):
        return "", 0  # no object, or no text where there should be some: nobody's row


def is_public(row: Any) -> bool:
    """Return whether Exoscale runs a deployment for everyone; such rows are not the account's."""
    shown = row.get("visibility") if isinstance(row, Mapping) else getattr(row, "visibility", None)
    return shown == "public"


def is_pending(state: str) -> bool:
    """Something is under way that will end by itself."""
    return _PHASES.get(state, Phase.WORKING) is Phase.WORKING


def _not_ready_reason(deployment: Deployment) -> str | None:
    """What a deployment that calls itself ready still lacks. One scaled to 0 needs no address."""
    if deployment.deployment_url or deployment.replicas == 0:
        return None
    return "it has no deployment-url yet"


def _is_full(deployment: Deployment) -> bool:
    """A single read's answer: list rows never show the engine."""
    engine = (deployment.inference_engine_version, deployment.inference_engine_parameters)
    return any(told is not None for told in engine)


def _parameters(deployment: Deployment) -> list[str] | None:
    """The engine's arguments; a full answer that leaves them out has none."""
    told = deployment.inference_engine_parameters
    if told is None:
        return [] if _is_full(deployment) else None
    return list(told)


def _failure(deployment: Deployment) -> str:
    details = deployment.state_details or "the API gives no details"
    return f"state error: {details} (`logs({deployment.id!r})` may tell more)"


def _operation_failure(operation: Operation) -> str:
    told = ": ".join(filter(None, (operation.reason, operation.message)))
    return f"{operation.id} ended in {operation.state}: {told or 'the API gives no reason'}"
