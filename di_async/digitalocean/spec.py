"""The spec that callers write, checked before it is sent, and the complete spec that a PATCH needs.

Regions, providers and GPU slugs are not checked: the provider adds some without notice.
https://docs.digitalocean.com/reference/api/reference/dedicated-inference/ (create, update)
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

import orjson
from attrs import evolve, field, frozen

from di_async.core.errors import InvalidInputError
from di_async.core.request_body import attribute_values, is_list, structure
from di_async.core.validation import (
    Fault,
    check_value,
    each,
    filled_text,
    flag,
    in_request,
    nested,
    raise_faults,
    request_fields,
    text,
    whole_number,
)
from di_async.digitalocean.models import (
    READ_ONLY_KEYS,
    VPC,
    AcceleratorConfig,
    DedicatedInference,
    DeploymentSpec,
    ModelDeployment,
)
from di_async.engine.spec import Spec

__all__ = [
    "DedicatedInferenceSpec",
    "SpecLike",
    "check_name",
    "complete_spec",
    "immutable_changes",
    "known_fields",
    "latest_spec",
    "merged_spec",
    "previous_spec",
    "scaled_spec",
    "spec_digest",
    "spec_fields",
    "with_ids",
]

_DEFAULT_PROVIDER = ModelDeployment().model_provider
_NAME = text("1 to 255 letters, digits, '-' or '_'", "[a-zA-Z0-9_-]{1,255}")


def _vpc(value: Any) -> VPC | None:
    return VPC(value) if isinstance(value, str) else value


def _deployments(value: Iterable[ModelDeployment]) -> tuple[ModelDeployment, ...]:
    return tuple(value)


@frozen(kw_only=True)
class DedicatedInferenceSpec(Spec):
    """What to run, and where. Name, region, a model and a GPU slug are enough.

    `vpc` is a `VPC` or its uuid. Without one, the region's default network is used.
    """

    root: ClassVar[str] = "spec"
    read_only: ClassVar[frozenset[str]] = READ_ONLY_KEYS

    name: str = field(metadata=in_request(_NAME))
    region: str = field(
        metadata=in_request(
            filled_text("a region slug such as 'atl1', 'nyc2' or 'tor1'"), immutable=True
        )
    )
    model_deployments: tuple[ModelDeployment, ...] = field(
        default=(),
        converter=_deployments,
        metadata=in_request(each(nested(ModelDeployment), non_empty=True), required=True),
    )
    enable_public_endpoint: bool = field(default=True, metadata=in_request(flag, immutable=True))
    vpc: VPC | None = field(
        default=None,
        converter=_vpc,
        metadata=in_request(nested(VPC, is_open=True), nullable=True, immutable=True),
    )
    version: int = field(default=1, metadata=in_request(whole_number(0)))

    @classmethod
    def of(
        cls,
        name: str,
        *,
        region: str,
        model_slug: str,
        accelerator_slug: str,
        scale: int = 1,
        vpc: str | None = None,
        enable_public_endpoint: bool = True,
    ) -> "DedicatedInferenceSpec":
        """Return a spec of one model on one kind of GPU."""
        accelerators = (AcceleratorConfig(accelerator_slug, scale),)
        return cls(
            name=name,
            region=region,
            model_deployments=(ModelDeployment(model_slug, accelerators),),
            vpc=_vpc(vpc),
            enable_public_endpoint=enable_public_endpoint,
        )

    @classmethod
    def documented_shape(cls, raw: Any) -> Any:
        """Accept `{"spec": {...}}`, a VPC's uuid alone, and a deployment that names its GPU.

        Raises:
            InvalidInputError: there are other keys beside `spec`.
        """
        if not isinstance(raw, Mapping):
            return raw
        if isinstance(raw.get("spec"), Mapping):
            if len(raw) > 1:
                raise InvalidInputError(
                    "access_tokens: not part of a spec; pass them as a separate argument"
                )
            raw = raw["spec"]
        shaped = dict(raw)
        if isinstance(vpc := raw.get("vpc"), str):
            shaped["vpc"] = {"uuid": vpc}
        if is_list(deployments := raw.get("model_deployments")):
            shaped["model_deployments"] = [_expand_shorthand(one) for one in deployments]
        return shaped


def _expand_shorthand(deployment: Any) -> Any:
    """Return the documented shape: the vendor's PATCH example has the GPU on the deployment."""
    if not isinstance(deployment, Mapping) or "accelerator_slug" not in deployment:
        return deployment
    rest = dict(deployment)
    slug, count = rest.pop("accelerator_slug"), rest.pop("node_count", None)
    scale = rest.pop("scale", None) if count is None else count
    return {**rest, "accelerators": [{"accelerator_slug": slug, "scale": scale or 1}]}


def check_name(name: Any) -> None:
    """Check the name of an instance or a token; raise `InvalidInputError` if it is not valid."""
    check_value(_NAME, name, "name")


SpecLike = DedicatedInferenceSpec | DeploymentSpec | Mapping[str, Any]


def spec_fields(spec: SpecLike) -> dict[str, Any]:
    """Return the fields that a caller set, as attributes of a spec.

    Raises:
        InvalidInputError: fields are unknown or of the wrong type, or it is not a spec.
    """
    body = DedicatedInferenceSpec.read(spec, update=True)
    return attribute_values(DedicatedInferenceSpec, body)


def complete_spec(spec: SpecLike) -> DedicatedInferenceSpec:
    """Return a complete and checked spec.

    Raises:
        InvalidInputError: it has faults, or it is not a spec.
    """
    if not isinstance(spec, DedicatedInferenceSpec):
        spec = structure(DedicatedInferenceSpec, DedicatedInferenceSpec.read(spec))
    spec.check()
    return spec


def spec_digest(spec: DedicatedInferenceSpec | DeploymentSpec) -> str:
    """Return a digest that is equal for specs that run the same models on the same GPUs.

    Ids, states and names are left out: the API adds the first two, and shows names elsewhere.
    """
    content = sorted(
        (d.model_slug, sorted((a.accelerator_slug, a.type, a.scale) for a in d.accelerators))
        for d in spec.model_deployments
    )
    return hashlib.sha256(orjson.dumps(content)).hexdigest()[:32]


def latest_spec(instance: DedicatedInference) -> DeploymentSpec | None:
    """Return the pending spec of an instance, or else the current one."""
    return instance.pending_deployment_spec or instance.spec


# -- updates ------------------------------------------------------------------------------------
# A PATCH replaces: it must repeat the current version, the immutable fields, and the `model_id` of
# each deployment that stays. A deployment without its `model_id` would be created again.


def merged_spec(live: DedicatedInference, fields: dict[str, Any]) -> DedicatedInferenceSpec:
    """Return the caller's fields on top of the live instance, checked.

    Raises:
        InvalidInputError: an immutable field would change, or the merged spec has faults.
    """
    shown = live.spec or latest_spec(live) or DeploymentSpec()
    deployments = shown.model_deployments
    known = known_fields(live, shown)
    raise_faults(_changed_immutables(known, fields), DedicatedInferenceSpec.root)
    version = {"version": shown.version} if shown.version is not None else {}
    wanted = {"name": "", "region": "", **_endpoint_kind(live), **known, **fields, **version}
    wanted["model_deployments"] = tuple(
        with_ids(fields.get("model_deployments", deployments), deployments)
    )
    spec = DedicatedInferenceSpec(**wanted)
    spec.check()
    return spec


def _endpoint_kind(live: DedicatedInference) -> dict[str, bool]:
    """Return whether it has a public endpoint, which an update must not open."""
    at = live.endpoints
    return {"enable_public_endpoint": bool(at.public_endpoint_fqdn)} if at else {}


def previous_spec(live: DedicatedInference) -> DedicatedInferenceSpec | None:
    """Return the spec that an instance runs, to go back to; None if it is not shown in full.

    Deployments are without their ids: an update may end one, and its id with it.
    """
    if live.spec is None:
        return None
    try:
        spec = merged_spec(live, {})
    except InvalidInputError:
        return None
    deployments = [evolve(d, model_id=None) if d.model_slug else d for d in spec.model_deployments]
    return evolve(spec, model_deployments=deployments)


def known_fields(live: DedicatedInference, shown: DeploymentSpec) -> dict[str, Any]:
    """Return the fields that an instance shows, without its deployments."""
    current = {
        "name": live.name,
        "region": live.region,
        "vpc": VPC(live.vpc_uuid) if live.vpc_uuid else None,
        "enable_public_endpoint": shown.enable_public_endpoint,
        "version": shown.version,
    }
    return {name: value for name, value in current.items() if value is not None}


def _changed_immutables(current: dict[str, Any], fields: dict[str, Any]) -> Iterator[Fault]:
    for name in immutable_changes(current, fields):
        is_now, wanted = _short(current[name]), _short(fields[name])
        yield Fault(f".{name}", f"cannot change after creation; it is {is_now}, not {wanted}")


def immutable_changes(current: dict[str, Any], fields: dict[str, Any]) -> Iterator[str]:
    """Yield the names of the immutable fields that would change."""
    for name, rule in request_fields(DedicatedInferenceSpec).items():
        is_now, wanted = current.get(name), fields.get(name)
        if rule.immutable and None not in (is_now, wanted) and is_now != wanted:
            yield name


def _short(value: Any) -> str:
    return repr(value.uuid if isinstance(value, VPC) else value)


def with_ids(
    wanted: tuple[ModelDeployment, ...], live: tuple[ModelDeployment, ...]
) -> Iterator[ModelDeployment]:
    """Yield each deployment with the `model_id` of its live counterpart, by id or else by model."""
    named = {deployment.model_id for deployment in wanted if deployment.model_id}
    by_id = {known.model_id: known for known in live}
    free = [known for known in live if known.model_id not in named]
    for deployment in wanted:
        match = by_id.get(deployment.model_id) if deployment.model_id else None
        if not deployment.model_id:
            match = _same_model(deployment, free)
        if match in free:
            free.remove(match)
        yield _continued(deployment, match) if match else deployment


def _same_model(wanted: ModelDeployment, live: Iterable[ModelDeployment]) -> ModelDeployment | None:
    """Return a live deployment of the same model, of the same provider if there is one."""
    found = [known for known in live if known.model_slug == wanted.model_slug]
    same = (known for known in found if known.model_provider == wanted.model_provider)
    return next(same, found[0] if found else None)


def _continued(deployment: ModelDeployment, live: ModelDeployment) -> ModelDeployment:
    """Return a wanted deployment; what it leaves out is taken from the live one."""
    found = evolve(
        deployment,
        model_id=live.model_id,
        model_slug=deployment.model_slug or live.model_slug,
        workload_config=deployment.workload_config or live.workload_config,
    )
    if found.model_slug != live.model_slug:
        return found
    provider = deployment.model_provider
    return evolve(
        found,
        model_provider=live.model_provider if provider == _DEFAULT_PROVIDER else provider,
        provider_model_id=deployment.provider_model_id or live.provider_model_id,
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
    accelerators[entry] = evolve(accelerators[entry], scale=replicas)
    deployments[at] = evolve(deployments[at], accelerators=tuple(accelerators))
    return merged_spec(live, {"model_deployments": tuple(deployments)})


def _choice(deployment: ModelDeployment, accelerator: AcceleratorConfig) -> str:
    return (
        f"model={deployment.model_slug!r} accelerator_slug={accelerator.accelerator_slug!r} "
        f"type={accelerator.type!r} (scale {accelerator.scale})"
    )
