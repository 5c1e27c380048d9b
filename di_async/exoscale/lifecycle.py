"""What Exoscale's states mean, and what later reads must show after a write. Pure.

A write has two stages. Its operation ends (`success`; `failure` and `timeout` are both failures at
Exoscale), then the deployment is `ready` and shows the requested values. The API does not promise
that the first implies the second. No state means "deleting": a deleted deployment is a 404.
Resume tokens contain the values sent, so the engine's arguments, which may hold keys, are stored as
a digest.
https://openapi-v2.exoscale.com/group/endpoint-ai
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from attrs import evolve

from di_async.core.differences import Difference
from di_async.core.waiting.observation import (
    Action,
    Expectation,
    Observation,
    Phase,
    ResourceVersion,
)
from di_async.core.waiting.page_index import NO_ROW, RowKey, make_row_key
from di_async.exoscale.models import Deployment, Model, Operation

__all__ = [
    "differs",
    "duration_key",
    "engine_parameters",
    "failure_reason",
    "is_pending",
    "is_public",
    "observe",
    "observe_model",
    "observe_operation",
    "observe_row",
    "operation_phase",
    "operation_reason",
    "row_key",
    "spec_differences",
    "update_expectation",
    "was_accepted",
]

Fields = Mapping[str, Any]
_ARGUMENTS = "inference-engine-parameters"
_FINGERPRINT = ("state", "status", "updated-at", "replicas", "name", "deployment-url")

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


def read_sent(text: str) -> dict[str, Any] | None:
    """Return the fields that a write sent, as stored in an expectation; None if damaged."""
    try:
        sent = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    readable = isinstance(sent, dict) and sent.keys() <= _shown(Deployment()).keys()
    return sent if readable else None


def observe(deployment: Deployment, expectation: Expectation) -> Observation:
    """Return what a read of a deployment shows."""
    phase = _PHASES.get(deployment.state, Phase.WORKING)
    lacking = _not_ready_reason(deployment) if phase is Phase.READY else None
    sent = read_sent(expectation.sent) if expectation.sent else None
    other = differs(deployment, sent) if sent else None
    return Observation(
        status=deployment.state,
        phase=phase,
        complete=lacking is None,
        version=ResourceVersion(updated_at=deployment.updated_at),
        matches_sent=None if other is None else not other,
        reason=failure_reason(deployment) or lacking,
        documented=deployment.state in _PHASES,
        has_spec=_is_full(deployment),
    )


def observe_row(deployment: Deployment, row: Any, expectation: Expectation) -> Observation:
    """Return what a list row shows. The schema requires none of its fields."""
    seen = observe(deployment, expectation)
    if not deployment.state:
        return evolve(seen, phase=Phase.READY, partial=True)
    if seen.phase is Phase.READY and not seen.complete and "deployment-url" not in row:
        return evolve(seen, complete=True, reason=None, partial=True)
    return seen


def observe_model(model: Model) -> Observation:
    """Return what a read of a model shows."""
    phase = _MODEL_PHASES.get(model.state, Phase.WORKING)
    return Observation(
        status=model.state,
        phase=phase,
        version=ResourceVersion(updated_at=model.updated_at),
        reason="state error: the API returned no reason" if phase is Phase.FAILED else None,
        documented=model.state in _MODEL_PHASES,
    )


def observe_operation(operation: Operation) -> Observation:
    """Return what a read of an operation shows."""
    phase = operation_phase(operation)
    return Observation(
        status=operation.state,
        phase=phase,
        reason=operation_reason(operation) if phase is Phase.FAILED else None,
        documented=operation.state in _OPERATION_PHASES,
    )


def update_expectation(before: Deployment, sent: Fields, accepted_at: float) -> Expectation:
    """Return what reads must show before an update or a scale of `before` is settled."""
    return Expectation(
        action=Action.UPDATE,
        accepted_at=accepted_at,
        before=ResourceVersion(updated_at=before.updated_at),
        before_phase=_PHASES.get(before.state, Phase.WORKING),
        sent=orjson.dumps(_with_digest(sent), option=orjson.OPT_SORT_KEYS).decode(),
        differed_before=differs(before, sent),
    )


def differs(deployment: Deployment, sent: Fields) -> bool | None:
    """Return whether it shows other values than `sent`; None if it does not show all of them.

    The engine's arguments may be plain or a digest.
    """
    sent, shown = _with_digest(sent), _with_digest(_shown(deployment))
    if any(shown[key] is not None and shown[key] != value for key, value in sent.items()):
        return True
    return None if any(shown[key] is None for key in sent) else False


def spec_differences(deployment: Deployment, sent: Fields) -> list[Difference]:
    """Return how a deployment differs from a create's body, as far as it shows the fields."""
    found = [
        Difference(name, shown, wanted, immutable=True)
        for name, wanted, shown in _fixed(deployment, sent)
        if shown is not None and shown != wanted
    ]
    for name, shown in _shown(deployment).items():
        wanted = sent.get(name)
        if wanted is not None and differs(deployment, {name: wanted}):
            found.append(Difference(name, shown, wanted, secret=name == _ARGUMENTS))
    return found


def _fixed(deployment: Deployment, sent: Fields) -> Iterator[tuple[str, Any, Any]]:
    """Yield name, wanted and shown value of each field that cannot change."""
    model = deployment.model
    for name, wanted in sent["model"].items():
        yield "model", wanted, getattr(model, name, None)
    yield "gpu-type", sent["gpu-type"], deployment.gpu_type
    yield "gpu-count", sent.get("gpu-count", 1), deployment.gpu_count


def was_accepted(before: Deployment, live: Deployment, sent: Fields) -> bool:
    """Return whether a read shows the write under way, or its values."""
    began = is_pending(live.state) and not is_pending(before.state)
    return began or bool(differs(before, sent) and differs(live, sent) is False)


def _shown(deployment: Deployment) -> Fields:
    # Resume tokens store values under these keys, so the keys must not change.
    return {
        "name": deployment.name or None,
        "replicas": deployment.replicas,
        "inference-engine-version": deployment.inference_engine_version,
        _ARGUMENTS: engine_parameters(deployment),
    }


def _with_digest(fields: Fields) -> Fields:
    """Return the fields with the engine's arguments replaced by their digest."""
    arguments = fields.get(_ARGUMENTS)
    if not isinstance(arguments, list):
        return fields
    return {**fields, _ARGUMENTS: hashlib.sha256(orjson.dumps(arguments)).hexdigest()[:24]}


def duration_key(zone: str, deployment: Deployment) -> tuple[str, str]:
    """Return zone and GPU family, which decide how long changes take."""
    return zone, deployment.gpu_type or ""


def row_key(row: Any) -> RowKey:
    """Return a list row's id and a fingerprint of its state; `NO_ROW` if it is malformed."""
    if not isinstance(row, Mapping):
        return NO_ROW
    return make_row_key(row.get("id"), tuple(row.get(name) for name in _FINGERPRINT))


def is_public(row: Any) -> bool:
    """Return whether Exoscale runs a deployment for everyone; such rows are not the account's."""
    shown = row.get("visibility") if isinstance(row, Mapping) else getattr(row, "visibility", None)
    return isinstance(shown, str) and shown.strip().lower() == "public"


def is_pending(state: str) -> bool:
    """Return whether a deployment in this state changes without another write."""
    return _PHASES.get(state, Phase.WORKING) is Phase.WORKING


def _not_ready_reason(deployment: Deployment) -> str | None:
    """Return why a `ready` deployment is not usable yet. With 0 replicas it needs no URL."""
    if deployment.deployment_url or deployment.replicas == 0:
        return None
    return "it has no deployment-url yet"


def _is_full(deployment: Deployment) -> bool:
    """Return whether this came from a single read: list rows never show the engine."""
    engine = (deployment.inference_engine_version, deployment.inference_engine_parameters)
    return any(value is not None for value in engine)


def engine_parameters(deployment: Deployment) -> list[str] | None:
    """Return the engine's arguments; a full response without the field has none."""
    arguments = deployment.inference_engine_parameters
    if arguments is None:
        return [] if _is_full(deployment) else None
    return list(arguments)


def failure_reason(deployment: Deployment) -> str | None:
    """Return why a deployment failed; None if it has not failed. List rows lack the details."""
    if _PHASES.get(deployment.state) is not Phase.FAILED:
        return None
    details = deployment.state_details or "the API returned no details"
    return f"state error: {details} (see `logs({deployment.id!r})`)"


def operation_phase(operation: Operation) -> Phase:
    """Return whether an operation is under way, has succeeded or has failed."""
    return _OPERATION_PHASES.get(operation.state, Phase.WORKING)


def operation_reason(operation: Operation) -> str:
    """Return why an operation failed."""
    reason = ": ".join(filter(None, (operation.reason, operation.message)))
    which = operation.id or "without an id"
    return f"{which} ended in {operation.state}: {reason or 'the API returned no reason'}"
