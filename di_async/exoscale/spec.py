"""The bodies of writes, checked where the documentation is definite.

Engine versions and GPU families are not checked: the provider adds some every few weeks.
https://openapi-v2.exoscale.com/operation/operation-create-deployment
"""

from collections.abc import Mapping, Sequence
from typing import Any, Union

from attrs import field, frozen

from di_async.core import validation
from di_async.core.http import is_uuid
from di_async.core.redaction import masked
from di_async.core.request_body import respelled, to_wire
from di_async.core.validation import (
    canonical_uuid,
    each,
    filled_text,
    in_request,
    text,
    whole_number,
)
from di_async.engine.spec import Spec
from di_async.exoscale.lifecycle import engine_parameters
from di_async.exoscale.models import Deployment, Model, ModelRef

__all__ = [
    "DeploymentSpec",
    "ModelLike",
    "SpecLike",
    "checked",
    "complete_spec",
    "shown_spec",
    "update_body",
]

Json = dict[str, Any]

ModelLike = str | ModelRef | Model | Mapping[str, Any]
SpecLike = Union["DeploymentSpec", Mapping[str, Any]]


def _model_reference(model: Any) -> Json | None:
    """Return the model's id, or its name if it has no id: names are not unique."""
    if isinstance(model, str):
        model = {"id" if is_uuid(model) else "name": model.strip()}
    found = to_wire(model)
    if not isinstance(found, Mapping) or not (found.get("id") or found.get("name")):
        return None
    id = canonical_uuid(found.get("id"))  # comparisons are of texts
    return {"id": id} if id else {"name": str(found["name"])}


def _has_id_or_name(_: Any, __: Any, model: Any) -> None:
    if _model_reference(model) is None:
        raise ValueError("expected its name, its id, or a mapping with one of the two")


@frozen(kw_only=True)
class DeploymentSpec(Spec):
    """A deployment to create. Fields that are None are not sent.

    It uses `gpu_count` GPUs (of one replica) times `replicas`. Model and GPUs cannot be changed
    later.
    """

    name: str = field(metadata=in_request(filled_text()))
    """Not unique: several deployments may have it."""
    model: ModelLike = field(metadata=in_request(_has_id_or_name, immutable=True))
    """Its name (exactly as on Hugging Face), its id, or the model itself; it must be `ready`."""
    gpu_type: str = field(metadata=in_request(filled_text(), name="gpu-type", immutable=True))
    """A family of `instance_types()`, such as `gpua5000`."""
    gpu_count: int = field(
        default=1, metadata=in_request(whole_number(1), name="gpu-count", immutable=True)
    )
    replicas: int = field(default=1, metadata=in_request(whole_number(0)))
    """0 frees the GPUs of an existing deployment; a create needs 1 or more."""
    inference_engine_version: str | None = field(
        default=None,
        metadata=in_request(filled_text(), name="inference-engine-version", nullable=True),
    )
    inference_engine_parameters: Sequence[str] | None = field(
        default=None,
        repr=masked,
        metadata=in_request(
            each(text(secret=True)), name="inference-engine-parameters", nullable=True
        ),
    )
    """Command-line arguments of the inference engine; None leaves them out, `[]` sends none."""
    product_name: str | None = field(
        default=None, metadata=in_request(filled_text(), name="product-name", nullable=True)
    )
    """Appears on the bill."""

    @classmethod
    def documented_shape(cls, raw: Any) -> Any:
        """Accept Python's names (`gpu_type`) too."""
        if not isinstance(raw, Mapping):
            return raw
        return respelled(raw, "_", "-")

    def to_dict(self) -> Json:
        """Return the body to send.

        Raises:
            InvalidInputError: `.problems` lists all faults, each as `path: message`.
        """
        body = validation.checked(DeploymentSpec, to_wire(self))
        return {**body, "model": _model_reference(self.model)}


def complete_spec(spec: SpecLike) -> DeploymentSpec:
    """Return a spec, or a mapping in the documented shape, as a spec."""
    return spec if isinstance(spec, DeploymentSpec) else DeploymentSpec.from_dict(spec)


def shown_spec(deployment: Deployment) -> DeploymentSpec | None:
    """Return the spec that a GET shows, without the product name; None if model or GPU lack."""
    model = deployment.model
    if model is None or not (model.id or model.name) or not deployment.gpu_type:
        return None
    return DeploymentSpec(
        name=deployment.name,
        model=model,
        gpu_type=deployment.gpu_type,
        gpu_count=deployment.gpu_count or 1,
        replicas=1 if deployment.replicas is None else deployment.replicas,
        inference_engine_version=deployment.inference_engine_version or None,
        inference_engine_parameters=engine_parameters(deployment),
    )


def update_body(
    name: str | None, version: str | None, parameters: Sequence[str] | None
) -> dict[str, Any]:
    """Return the body of a PATCH; what is None is left out, and does not change."""
    body = {
        "name": name,
        "inference-engine-version": version,
        "inference-engine-parameters": parameters,
    }
    return checked({key: value for key, value in body.items() if value is not None})


def checked(body: Json) -> Json:
    """Return some fields of a deployment as JSON.

    Raises:
        InvalidInputError: `.problems` lists all faults, each as `path: message`.
    """
    return validation.checked(DeploymentSpec, to_wire(body), update=True)
