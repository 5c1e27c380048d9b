"""The whole spec that a PATCH needs, made of what a caller wants and what the instance is.

A PATCH replaces: it must repeat the current version, what cannot change, and the `model_id` of each
deployment that stays - without it the deployment would be made anew. Pure.
https://docs.digitalocean.com/reference/api/reference/dedicated-inference/ (update)
"""

from collections.abc import Iterator
from typing import Any

import attrs

from di_async.core.errors import InvalidInputError
from di_async.digitalocean.models import (
    VPC,
    AcceleratorConfig,
    DedicatedInference,
    DeploymentSpec,
    ModelDeployment,
)
from di_async.digitalocean.spec import DedicatedInferenceSpec, shown_spec

__all__ = ["merged_spec", "scaled_spec"]


def merged_spec(live: DedicatedInference, fields: dict[str, Any]) -> DedicatedInferenceSpec:
    """The caller's fields on top of the live instance, checked.

    Raises:
        InvalidInputError: an immutable field would change, or a rule is broken; nothing was sent.
    """
    shown = live.spec or shown_spec(live) or DeploymentSpec()
    fixed = {
        "region": live.region,
        "vpc": VPC(live.vpc_uuid) if live.vpc_uuid else None,
        "enable_public_endpoint": shown.enable_public_endpoint,
    }
    problems = [
        f"spec.{name}: cannot change after creation; it is {_told(is_now)}, not {_told(wanted)}"
        for name, is_now in fixed.items()
        if (wanted := fields.get(name)) is not None and is_now is not None and wanted != is_now
    ]
    if problems:
        raise InvalidInputError("; ".join(problems), problems=tuple(problems))
    kept = tuple(map(_sendable, shown.model_deployments))
    deployments = fields.get("model_deployments", kept)
    version = shown.version if shown.version is not None else fields.get("version", 1)
    known = {name: value for name, value in fixed.items() if value is not None}
    spec = DedicatedInferenceSpec(
        **{
            "name": fields.get("name") or live.name or "",
            "region": fields.get("region") or "",
            **{k: v for k, v in fields.items() if k in fixed},
            **known,
            "version": version,
            "model_deployments": tuple(_with_ids(deployments, shown.model_deployments)),
        }
    )
    spec.check()
    return spec


def _told(value: Any) -> str:
    return repr(value.uuid if isinstance(value, VPC) else value)


def _with_ids(
    wanted: tuple[ModelDeployment, ...], live: tuple[ModelDeployment, ...]
) -> Iterator[ModelDeployment]:
    """Each deployment with the `model_id` of the live one it means, by id or else by model."""
    named = {deployment.model_id for deployment in wanted if deployment.model_id}
    by_id = {known.model_id: known for known in live}
    free = [known for known in live if known.model_id not in named]
    for deployment in wanted:
        match = by_id.get(deployment.model_id) if deployment.model_id else None
        if not deployment.model_id:
            fitting = (known for known in free if known.model_slug == deployment.model_slug)
            match = next(fitting, None)
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
    """The live spec with one accelerator entry at `replicas`.

    Raises:
        InvalidInputError: nothing, or more than one thing, fits the choice; lists the choices.
    """
    shown = live.spec or shown_spec(live) or DeploymentSpec()
    entries = [
        (i, j, deployment, accelerator)
        for i, deployment in enumerate(shown.model_deployments)
        for j, accelerator in enumerate(deployment.accelerators)
    ]
    fitting = [
        (i, j)
        for i, j, deployment, accelerator in entries
        if model in (None, deployment.model_slug, deployment.model_id)
        and accelerator_slug in (None, accelerator.accelerator_slug)
        and type in (None, accelerator.type)
    ]
    if len(fitting) != 1:
        choices = "; ".join(_choice(d, a) for _, _, d, a in entries) or "none shown by the API"
        found = "nothing to scale fits" if not fitting else f"{len(fitting)} entries fit"
        raise InvalidInputError(f"{found}: name model=, accelerator_slug= or type= of: {choices}")
    (at, entry), deployments = fitting[0], list(shown.model_deployments)
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
    """Without what the API shows but does not document for requests."""
    return attrs.evolve(deployment, provider_model_id=None)
