"""The spec a caller writes: from Python, a mapping, JSON or YAML; checked before it is sent.

Regions, providers and GPU slugs are not checked: the provider adds some without notice.
https://docs.digitalocean.com/reference/api/reference/dedicated-inference/ (create)
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import orjson
from attrs import field, frozen

from di_async.core.errors import InvalidInputError
from di_async.core.validation import (
    attribute_values,
    check_value,
    each,
    filled_text,
    flag,
    in_request,
    is_list,
    nested,
    structure,
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
    "latest_spec",
    "spec_digest",
    "spec_fields",
]

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
            InvalidInputError: there is something beside `spec`.
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
    """The vendor's own PATCH example names GPU and node count on the deployment itself."""
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
    """Return the spec that a new instance is about: the pending one, else the current one."""
    return instance.pending_deployment_spec or instance.spec
