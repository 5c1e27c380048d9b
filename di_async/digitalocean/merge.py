"""The complete spec that a PATCH needs, from what a caller wants and what the instance is. Pure.

A PATCH replaces: it must repeat the current version, the immutable fields, and the `model_id` of
each deployment that stays. A deployment without its `model_id` would be created again.
https://docs.digitalocean.com/reference/api/reference/dedicated-inference/ (update)
"""

from collections.abc import Iterator
from typing import Any

import attrs

from di_async.core.errors import InvalidInputError
from di_async.core.validation import Fault, raise_faults, request_fields
from di_async.digitalocean.models import (
    VPC,
    AcceleratorConfig,
    DedicatedInference,
    DeploymentSpec,
    ModelDeployment,
)
from di_async.digitalocean.spec import DedicatedInferenceSpec, latest_spec

__all__ = ["merged_spec", "scaled_spec"]


def merged_spec(live: DedicatedInference, fields: dict[str, Any]) -> DedicatedInferenceSpec:
    """Return the caller's fields on top of the live instance, checked.

    Raises:
        InvalidInputError: an immutable field would change, or the merged spec has faults.
    """
    shown = live.spec or latest_spec(live) or DeploymentSpec()
    deployments = tuple(map(_sendable, shown.model_deployments))
    current = {
        "name": live.name,
        "region": live.region,
        "vpc": VPC(live.vpc_uuid) if live.vpc_uuid else None,
        "enable_public_endpoint": shown.enable_public_endpoint,
        "version": shown.version,
    }
    known = {name: value for name, value in current.items() if value is not None}
    raise_faults(_changed_immutables(known, fields), DedicatedInferenceSpec.root)
    version = {"version": shown.version} if shown.version is not None else {}
    wanted = {"name": "", "region": "", **known, **fields, **version}
    wanted["model_deployments"] = tuple(
        _with_ids(fields.get("model_deployments", deployments), shown.model_deployments)
    )
    spec = DedicatedInferenceSpec(**wanted)
    spec.check()
    return spec


def _changed_immutables(current: dict[str, Any], fields: dict[str, Any]) -> Iterator[Fault]:
    for name, rule in request_fields(DedicatedInferenceSpec).items():
        is_now, wanted = current.get(name), fields.get(name)
        if rule.immutable and None not in (is_now, wanted) and is_now != wanted:
            message = f"cannot change after creation; it is {_short(is_now)}, not {_short(wanted)}"
            yield Fault(f".{name}", message)


def _short(value: Any) -> str:
    return repr(value.uuid if isinstance(value, VPC) else value)


def _with_ids(
    wanted: tuple[ModelDeployment, ...], live: tuple[ModelDeployment, ...]
) -> Iterator[ModelDeployment]:
    """Yield each deployment with the `model_id` of its live counterpart, by id or else by model."""
    named = {deployment.model_id for deployment in wanted if deployment.model_id}
    by_id = {known.model_id: known for known in live}
    free = [known for known in live if known.model_id not in named]
    for deployment in wanted:
        match = by_id.get(deployment.model_id) if deployment.model_id else None
        if not deployment.model_id:
            same_model = (known for known in free if known.model_slug == deployment.model_slug)
            match = next(same_model, None)
        if match in free:
            free.remove(match)
        yield _continued(deployment, match) if match else deployment


def _continued(deployment: ModelDeployment, live: ModelDeployment) -> ModelDeployment:
    return attrs.evolve(
        deployment,
        model_id=live.model_id,
        model_slug=deployment.model_slug or live.model_slug,
        workload_config=deployment.workload_config or live.workload_config,
    )


def scaled_spec(
    live: DedicatedInference,
    replicas: int,
    *,
    model: str | None = None,
    accelerator_slug: str | None = None,
    type: str | None = None,
) -> DedicatedInferenceSpec:
    """Return the live spec with one accelerator entry at `replicas`.

    Raises:
        InvalidInputError: no entry, or more than one, matches; the message lists the choices.
    """
    shown = live.spec or latest_spec(live) or DeploymentSpec()
    entries = [
        (i, j, deployment, accelerator)
        for i, deployment in enumerate(shown.model_deployments)
        for j, accelerator in enumerate(deployment.accelerators)
    ]
    matching = [
        (i, j)
        for i, j, deployment, accelerator in entries
        if model in (None, deployment.model_slug, deployment.model_id)
        and accelerator_slug in (None, accelerator.accelerator_slug)
        and type in (None, accelerator.type)
    ]
    if len(matching) != 1:
        choices = "; ".join(_choice(d, a) for _, _, d, a in entries) or "none shown by the API"
        found = f"{len(matching) or 'no'} accelerator entries match"
        raise InvalidInputError(
            f"{found}; choose one with model=, accelerator_slug= or type=, from: {choices}"
        )
    (at, entry), deployments = matching[0], list(shown.model_deployments)
    accelerators = list(deployments[at].accelerators)
    accelerators[entry] = attrs.evolve(accelerators[entry], scale=replicas)
    deployments[at] = attrs.evolve(deployments[at], accelerators=tuple(accelerators))
    return merged_spec(live, {"model_deployments": tuple(map(_sendable, deployments))})


def _choice(deployment: ModelDeployment, accelerator: AcceleratorConfig) -> str:
    return (
        f"model={deployment.model_slug!r} accelerator_slug={accelerator.accelerator_slug!r} "
        f"type={accelerator.type!r} (scale {accelerator.scale})"
    )


def _sendable(deployment: ModelDeployment) -> ModelDeployment:
    """Return it without the field that the API shows but does not document for requests."""
    return attrs.evolve(deployment, provider_model_id=None)
