"""What is sent: the bodies of the writes, checked as far as the documentation is sure of itself.

Engine versions and GPU families grow by the fortnight, so they are never checked here.
https://openapi-v2.exoscale.com/operation/operation-create-deployment
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Union

from attrs import fields, frozen

from di_async.core.errors import InvalidInputError
from di_async.exoscale.models import Model, ModelRef

__all__ = ["DeploymentSpec", "ModelLike", "SpecLike", "update_body", "whole_spec"]

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

ModelLike = str | ModelRef | Model | Mapping[str, Any]
SpecLike = Union["DeploymentSpec", Mapping[str, Any]]


@frozen(kw_only=True)
class DeploymentSpec:
    """A deployment to be. What is None is not sent.

    The GPUs of it are `gpu_count` (of one replica) times `replicas`. Model and GPUs cannot be
    changed later.
    """

    name: str
    """Not unique: several deployments may bear it."""
    model: ModelLike
    """Its name (exactly as on Hugging Face), its id, or the model itself; it must be `ready`."""
    gpu_type: str
    """A family of `instance_types()`, such as `gpua5000`."""
    gpu_count: int = 1
    replicas: int = 1
    inference_engine_version: str | None = None
    inference_engine_parameters: Sequence[str] | None = None
    """Command-line arguments of the inference engine; None leaves them out, `[]` sends none."""
    product_name: str | None = None
    """Appears on the bill."""

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> "DeploymentSpec":
        """A spec from a mapping in the documented shape (`gpu-type`); `gpu_type` will do too.

        Raises:
            InvalidInputError: fields are missing or unknown; `.problems` lists them.
        """
        told = {str(key).replace("-", "_"): value for key, value in raw.items()}
        known = {f.name: f.default for f in fields(cls)}
        needed = ("name", "model", "gpu_type")
        problems = [f"{key}: there is no such field" for key in told if key not in known]
        problems += [f"{key}: required" for key in needed if key not in told]
        _refuse(problems)
        return cls(**told)

    def to_dict(self) -> dict[str, Any]:
        """The body to send.

        Raises:
            InvalidInputError: it breaks a documented rule; `.problems` lists all that do.
        """
        body: dict[str, Any] = {
            "name": self.name,
            "model": _model(self.model),
            "gpu-type": self.gpu_type,
            "gpu-count": self.gpu_count,
            "replicas": self.replicas,
            "inference-engine-version": self.inference_engine_version,
            "inference-engine-parameters": self.inference_engine_parameters,
            "product-name": self.product_name,
        }
        return checked({key: value for key, value in body.items() if value is not None})


def whole_spec(spec: SpecLike) -> DeploymentSpec:
    """A spec, whichever way it was written."""
    if isinstance(spec, DeploymentSpec):
        return spec
    if not isinstance(spec, Mapping):
        raise InvalidInputError("a spec is a DeploymentSpec or a mapping of the documented shape")
    return DeploymentSpec.from_dict(spec)


def update_body(
    name: str | None, version: str | None, parameters: Sequence[str] | None
) -> dict[str, Any]:
    """The body of a PATCH: what is None is left out, and left as it is."""
    body = {
        "name": name,
        "inference-engine-version": version,
        "inference-engine-parameters": parameters,
    }
    return checked({key: value for key, value in body.items() if value is not None})


def checked(body: dict[str, Any]) -> dict[str, Any]:
    """The body, if it breaks no rule that the documentation states.

    Raises:
        InvalidInputError: it does; `.problems` has one line for each.
    """
    texts = ("name", "gpu-type", "inference-engine-version", "product-name")
    least = {"gpu-count": 1, "replicas": 0}
    problems = [f"{key}: a text of one letter or more" for key in texts if _is_bad_text(body, key)]
    problems += [
        f"{key}: a whole number, {low} or more"
        for key, low in least.items()
        if key in body and not (type(body[key]) is int and body[key] >= low)
    ]
    arguments = body.get("inference-engine-parameters", ())
    if isinstance(arguments, str) or not all(isinstance(text, str) for text in arguments):
        problems.append("inference-engine-parameters: a list of texts, one for each argument")
    _refuse(problems)
    if "inference-engine-parameters" in body:
        body["inference-engine-parameters"] = list(arguments)
    return body


def _is_bad_text(body: Mapping[str, Any], key: str) -> bool:
    return key in body and not (isinstance(body[key], str) and body[key].strip())


def _model(model: ModelLike) -> dict[str, str]:
    """By id where there is one: names are for people."""
    if isinstance(model, str):
        model = ModelRef(id=model) if _UUID.fullmatch(model) else ModelRef(name=model.strip())
    if isinstance(model, Mapping):
        model = ModelRef(model.get("id"), model.get("name"))
    if not isinstance(model, ModelRef | Model) or not (model.id or model.name):
        raise InvalidInputError("model: its name, its id, or a mapping with one of the two")
    return {"id": model.id} if model.id else {"name": str(model.name)}


def _refuse(problems: list[str]) -> None:
    if problems:
        raise InvalidInputError("; ".join(problems), problems=tuple(problems))
