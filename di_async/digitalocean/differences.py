"""How a live instance differs from the spec that a caller wants. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

from di_async.core.differences import Difference
from di_async.digitalocean.models import (
    AcceleratorConfig,
    DedicatedInference,
    DeploymentSpec,
    ModelDeployment,
)
from di_async.digitalocean.spec import (
    immutable_changes,
    known_fields,
    latest_spec,
    spec_digest,
    with_ids,
)

__all__ = ["differences"]

_DEPLOYMENTS = "model_deployments"


def differences(live: DedicatedInference, fields: dict[str, Any]) -> list[Difference]:
    """Return how an instance differs from the fields that a caller set (see `spec_fields`).

    It is compared with its pending spec, or else the current one. What it does not show is not
    compared, nor are the provider tokens.
    """
    shown = latest_spec(live) or DeploymentSpec()
    known = known_fields(live, shown)
    found = [
        Difference(name, _plain(known[name]), _plain(fields[name]), immutable=True)
        for name in immutable_changes(known, fields)
    ]
    wanted = fields.get(_DEPLOYMENTS)
    if wanted and shown.model_deployments:
        found += _deployments(tuple(with_ids(wanted, shown.model_deployments)), shown)
    return found


def _plain(value: Any) -> Any:
    return getattr(value, "uuid", value)


def _deployments(
    wanted: tuple[ModelDeployment, ...], shown: DeploymentSpec
) -> Iterator[Difference]:
    same = spec_digest(DeploymentSpec(model_deployments=wanted)) == spec_digest(shown)
    left = list(shown.model_deployments)
    for index, deployment in enumerate(wanted):
        path = f"{_DEPLOYMENTS}[{index}]"
        match = next((one for one in left if _continues(deployment, one)), None)
        if match is None:
            yield Difference(path, None, _describe(deployment))
            continue
        left.remove(match)
        if deployment.model_slug != match.model_slug:
            yield Difference(f"{path}.model_slug", match.model_slug, deployment.model_slug)
        for name in ("model_provider", "provider_model_id"):
            known, own = getattr(match, name), getattr(deployment, name)
            if known and own and known != own:
                yield Difference(f"{path}.{name}", known, own)
        if deployment.workload_config != match.workload_config:
            yield Difference(f"{path}.workload_config", None, None, secret=True)
        if match.accelerators and not same:
            yield from _accelerators(
                f"{path}.accelerators", deployment.accelerators, match.accelerators
            )
    for deployment in left:
        yield Difference(_DEPLOYMENTS, _describe(deployment), None)


def _continues(wanted: ModelDeployment, shown: ModelDeployment) -> bool:
    if wanted.model_id and shown.model_id:
        return wanted.model_id == shown.model_id
    return wanted.model_slug == shown.model_slug


def _accelerators(
    path: str, wanted: Sequence[AcceleratorConfig], shown: Sequence[AcceleratorConfig]
) -> Iterator[Difference]:
    """Compare accelerators in any order; those that are equal are matched first."""
    left = list(shown)
    unmatched = []
    for index, accelerator in enumerate(wanted):
        equal = next((one for one in left if _key(one) == _key(accelerator)), None)
        if equal is None:
            unmatched.append((index, accelerator))
        else:
            left.remove(equal)
    for index, accelerator in unmatched:
        same_gpu = next((one for one in left if _key(one)[:2] == _key(accelerator)[:2]), None)
        if same_gpu is None:
            yield Difference(f"{path}[{index}]", None, _gpus(accelerator))
        else:
            left.remove(same_gpu)
            yield Difference(f"{path}[{index}].scale", same_gpu.scale, accelerator.scale)
    for accelerator in left:
        yield Difference(path, _gpus(accelerator), None)


def _key(accelerator: AcceleratorConfig) -> tuple[str, str, int]:
    return accelerator.accelerator_slug, accelerator.type, accelerator.scale


def _describe(deployment: ModelDeployment) -> str:
    gpus = ", ".join(map(_gpus, deployment.accelerators))
    return f"{deployment.model_slug or deployment.model_id} on {gpus or 'no GPU'}"


def _gpus(accelerator: AcceleratorConfig) -> str:
    return f"{accelerator.scale} x {accelerator.accelerator_slug} ({accelerator.type})"
