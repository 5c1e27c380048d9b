"""The spec a caller writes: from Python, a mapping, JSON or YAML; checked before it is sent.

Regions, providers and GPU slugs are open strings: the provider adds some without telling us.
https://docs.digitalocean.com/reference/api/reference/dedicated-inference/ (create)
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from attrs import field, frozen

from di_async.core.errors import InvalidInputError
from di_async.digitalocean.models import (
    VPC,
    AcceleratorConfig,
    DedicatedInference,
    DeploymentSpec,
    ModelDeployment,
)

__all__ = ["DedicatedInferenceSpec", "SpecLike", "check_name", "spec_digest"]

_NAME = re.compile(r"[a-zA-Z0-9_-]+")
_NAME_RULE = "1 to 255 letters, digits, '-' or '_'"
# Shown by the API and not to be sent back; dropping them lets a caller start from what was read.
_READ_ONLY = frozenset(
    {"id", "status", "state", "created_at", "updated_at", "dedicated_inference_id", "vpc_config"}
)
_FIELDS = {
    "spec": {"version", "name", "region", "vpc", "enable_public_endpoint", "model_deployments"},
    "deployment": {
        "model_id",
        "model_slug",
        "model_provider",
        "provider_model_id",
        "workload_config",
        "accelerators",
    },
    "accelerator": {"accelerator_slug", "scale", "type", "accelerator_id"},
}


def _vpc(value: Any) -> VPC | None:
    return VPC(value) if isinstance(value, str) else value


def _deployments(value: Iterable[ModelDeployment]) -> tuple[ModelDeployment, ...]:
    return tuple(value)


@frozen(kw_only=True)
class DedicatedInferenceSpec:
    """What to run, and where. Name, region, a model and a GPU slug are enough.

    `vpc` is a `VPC` or its uuid; left out, the provider's default network of the region is used.
    """

    name: str
    region: str
    model_deployments: tuple[ModelDeployment, ...] = field(default=(), converter=_deployments)
    enable_public_endpoint: bool = True
    vpc: VPC | None = field(default=None, converter=_vpc)
    version: int = 1

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
        """The common case: one model on one kind of GPU."""
        accelerators = (AcceleratorConfig(accelerator_slug, scale),)
        return cls(
            name=name,
            region=region,
            model_deployments=(ModelDeployment(model_slug, accelerators),),
            vpc=_vpc(vpc),
            enable_public_endpoint=enable_public_endpoint,
        )

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> "DedicatedInferenceSpec":
        """The spec in a mapping of the documented shape; `{"spec": {...}}` is taken too.

        Raises:
            InvalidInputError: naming each path that is missing, unknown or of a wrong type.
        """
        reader = _Reader()
        fields = reader.spec(raw)
        for name in ("name", "region"):
            if name not in fields:
                reader.problems.append(f"spec.{name}: required")
        reader.finish()
        return cls(**fields)

    @classmethod
    def from_text(cls, text: str | bytes, *, source: str = "spec") -> "DedicatedInferenceSpec":
        """The spec in a JSON or YAML text; `source` is how errors call it."""
        return cls.from_dict(parse_text(text, source=source))

    @classmethod
    def from_file(cls, path: str | Path) -> "DedicatedInferenceSpec":
        """The spec in a JSON or YAML file (YAML needs `pip install 'di-async[cli]'`)."""
        try:
            text = Path(path).read_bytes()
        except OSError as error:
            raise InvalidInputError(
                f"cannot read the spec file {path}: {error.strerror}"
            ) from error
        return cls.from_text(text, source=str(path))

    def to_dict(self) -> dict[str, Any]:
        """The documented request shape: nothing read-only, nothing that was left out."""
        body: dict[str, Any] = {
            "version": self.version,
            "name": self.name,
            "region": self.region,
            "vpc": {"uuid": self.vpc.uuid} if self.vpc else None,
            "enable_public_endpoint": self.enable_public_endpoint,
            "model_deployments": [_deployment_dict(d) for d in self.model_deployments],
        }
        return {key: value for key, value in body.items() if value is not None}

    def check(self) -> None:
        """Make sure that it follows the documented rules.

        Raises:
            InvalidInputError: all faults at once, each as `path: rule`.
        """
        problems = [*_check_top(self), *_check_deployments(self.model_deployments)]
        _raise_if(problems)


def _deployment_dict(deployment: ModelDeployment) -> dict[str, Any]:
    body = {
        "model_id": deployment.model_id or None,
        "model_slug": deployment.model_slug or None,
        "model_provider": deployment.model_provider,
        "provider_model_id": deployment.provider_model_id or None,
        "workload_config": deployment.workload_config,
        "accelerators": [
            {"accelerator_slug": a.accelerator_slug, "scale": a.scale, "type": a.type}
            for a in deployment.accelerators
        ],
    }
    return {key: value for key, value in body.items() if value is not None}


# --- rules -----------------------------------------------------------------------------------


def check_name(name: Any, path: str) -> list[str]:
    """The faults of an instance's or a token's name."""
    fits = isinstance(name, str) and len(name) <= 255 and _NAME.fullmatch(name)
    return [] if fits else [f"{path}: {_NAME_RULE}, not {_short(name)}"]


def _check_top(spec: DedicatedInferenceSpec) -> Iterable[str]:
    yield from check_name(spec.name, "spec.name")
    if not isinstance(spec.region, str) or not spec.region.strip():
        yield "spec.region: a region slug such as 'atl1', 'nyc2' or 'tor1'"
    if not _is_int(spec.version) or spec.version < 0:
        yield f"spec.version: a whole number of 0 or more, not {_short(spec.version)}"
    if not isinstance(spec.enable_public_endpoint, bool):
        yield "spec.enable_public_endpoint: true or false"
    if spec.vpc is not None:
        uuid = spec.vpc.uuid if isinstance(spec.vpc, VPC) else spec.vpc
        if not _is_uuid(uuid):
            yield f"spec.vpc.uuid: a UUID, not {_short(uuid)}"
    if not spec.model_deployments:
        yield "spec.model_deployments: at least one"


def _check_deployments(deployments: tuple[ModelDeployment, ...]) -> Iterable[str]:
    for i, deployment in enumerate(deployments):
        path = f"spec.model_deployments[{i}]"
        for name in ("model_id", "model_slug", "model_provider", "provider_model_id"):
            if not isinstance(value := getattr(deployment, name), str | None):
                yield f"{path}.{name}: text, not {_short(value)}"
        if not isinstance(deployment.workload_config, Mapping):
            yield f"{path}.workload_config: a mapping"
        if not deployment.model_slug and not deployment.model_id:
            yield f"{path}.model_slug: required for a new deployment"
        if not deployment.accelerators:
            yield f"{path}.accelerators: at least one"
        for j, accelerator in enumerate(deployment.accelerators):
            yield from _check_accelerator(accelerator, f"{path}.accelerators[{j}]")


def _check_accelerator(accelerator: AcceleratorConfig, path: str) -> Iterable[str]:
    if not accelerator.accelerator_slug or not isinstance(accelerator.accelerator_slug, str):
        yield f"{path}.accelerator_slug: a GPU slug such as 'gpu-mi300x1-192gb'"
    if not _is_int(accelerator.scale) or accelerator.scale < 1:
        yield f"{path}.scale: a whole number of 1 or more, not {_short(accelerator.scale)}"
    if not accelerator.type or not isinstance(accelerator.type, str):
        yield f"{path}.type: text such as 'prefill_decode'"


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_uuid(value: Any) -> bool:
    try:
        return bool(UUID(value))
    except (AttributeError, TypeError, ValueError):
        return False


def _short(value: Any) -> str:
    told = repr(value)
    return told if len(told) <= 60 else f"{told[:57]}..."


def _raise_if(problems: list[str]) -> None:
    if problems:
        raise InvalidInputError("invalid spec: " + "; ".join(problems), problems=tuple(problems))


# --- reading what a caller wrote -------------------------------------------------------------


def parse_text(text: str | bytes, *, source: str) -> Mapping[str, Any]:
    """The mapping in a JSON or YAML text."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as not_json:
        value = _parse_yaml(text, source, not_json)
    if not isinstance(value, Mapping):
        raise InvalidInputError(f"{source} holds {type(value).__name__}, not a mapping of fields")
    return value


def _parse_yaml(text: str | bytes, source: str, not_json: Exception) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise InvalidInputError(
            f"{source} is not JSON ({not_json}); reading YAML needs `pip install 'di-async[cli]'`"
        ) from error
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        where = getattr(error, "problem_mark", None)
        place = f" at line {where.line + 1}, column {where.column + 1}" if where else ""
        told = getattr(error, "problem", None) or "not valid YAML or JSON"
        # Not chained: the parser's own error quotes the line, which may hold a token.
        raise InvalidInputError(f"{source}{place}: {told}") from None


class _Reader:
    """Turns the documented shape into values and collects every fault on the way."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def finish(self) -> None:
        _raise_if(self.problems)

    def spec(self, raw: Any) -> dict[str, Any]:
        if isinstance(raw, Mapping) and isinstance(raw.get("spec"), Mapping):
            if set(raw) != {"spec"}:
                self.problems.append("access_tokens: give them beside the spec, not in it")
            raw = raw["spec"]
        fields = self._object(raw, "spec", "spec")
        if "vpc" in fields:
            fields["vpc"] = self._vpc(fields["vpc"])
        deployments = fields.get("model_deployments")
        if deployments is not None:
            fields["model_deployments"] = tuple(
                self._deployment(d, f"spec.model_deployments[{i}]")
                for i, d in enumerate(self._list(deployments, "spec.model_deployments"))
            )
        return fields

    def _vpc(self, raw: Any) -> VPC | None:
        if isinstance(raw, Mapping):
            raw = raw.get("uuid")
        if isinstance(raw, VPC):
            return raw
        if isinstance(raw, str):
            return VPC(raw)
        self.problems.append(f"spec.vpc.uuid: a UUID, not {_short(raw)}")
        return None

    def _deployment(self, raw: Any, path: str) -> ModelDeployment:
        if isinstance(raw, ModelDeployment):
            return raw
        fields = self._object(_unfold_shorthand(raw), path, "deployment")
        accelerators = self._list(fields.pop("accelerators", ()), f"{path}.accelerators")
        return ModelDeployment(
            accelerators=tuple(
                self._accelerator(a, f"{path}.accelerators[{j}]")
                for j, a in enumerate(accelerators)
            ),
            **fields,
        )

    def _accelerator(self, raw: Any, path: str) -> AcceleratorConfig:
        if isinstance(raw, AcceleratorConfig):
            return raw
        return AcceleratorConfig(
            **{"accelerator_slug": "", **self._object(raw, path, "accelerator")}
        )

    def _object(self, raw: Any, path: str, kind: str) -> dict[str, Any]:
        if not isinstance(raw, Mapping):
            self.problems.append(f"{path}: a mapping of fields, not {_short(raw)}")
            return {}
        known = _FIELDS[kind]
        for name in raw:
            if name not in known and name not in _READ_ONLY:
                self.problems.append(
                    f"{path}.{name}: no such field; known are {', '.join(sorted(known))}"
                )
        return {name: v for name, v in raw.items() if name in known and v is not None}

    def _list(self, raw: Any, path: str) -> Iterable[Any]:
        if isinstance(raw, Iterable) and not isinstance(raw, str | bytes | Mapping):
            return raw
        self.problems.append(f"{path}: a list, not {_short(raw)}")
        return ()


def _unfold_shorthand(raw: Any) -> Any:
    """The vendor's own PATCH example names GPU and node count on the deployment itself."""
    if not isinstance(raw, Mapping) or "accelerator_slug" not in raw:
        return raw
    rest = dict(raw)
    accelerator = {"accelerator_slug": rest.pop("accelerator_slug")}
    scale = rest.pop("node_count", rest.pop("scale", None))
    return {**rest, "accelerators": [{**accelerator, "scale": scale or 1}]}


# --- the same spec, whoever shows it ---------------------------------------------------------

SpecLike = DedicatedInferenceSpec | DeploymentSpec | Mapping[str, Any]


def spec_fields(spec: SpecLike) -> dict[str, Any]:
    """The fields that a caller set, of whatever a caller gave as a spec."""
    if isinstance(spec, Mapping):
        reader = _Reader()
        fields = reader.spec(spec)
        reader.finish()
        return fields
    if isinstance(spec, DedicatedInferenceSpec | DeploymentSpec):
        names = sorted(_FIELDS["spec"])
        return {n: v for n in names if (v := getattr(spec, n)) is not None}
    raise InvalidInputError(
        f"a spec is a DedicatedInferenceSpec or a mapping, not {type(spec).__name__}"
    )


def whole_spec(spec: SpecLike) -> DedicatedInferenceSpec:
    """`spec` as a complete and checked one."""
    if isinstance(spec, DedicatedInferenceSpec):
        whole = spec
    elif isinstance(spec, Mapping):
        whole = DedicatedInferenceSpec.from_dict(spec)
    else:
        whole = DedicatedInferenceSpec.from_dict(spec_fields(spec))
    whole.check()
    return whole


def spec_digest(spec: DedicatedInferenceSpec | DeploymentSpec) -> str:
    """The same for two specs that run the same models on the same GPUs.

    Ids, states and names are left out: the API adds the first two, and shows the last elsewhere.
    """
    content = sorted(
        (d.model_slug, sorted((a.accelerator_slug, a.type, a.scale) for a in d.accelerators))
        for d in spec.model_deployments
    )
    return hashlib.sha256(orjson.dumps(content)).hexdigest()[:32]


def shown_spec(instance: DedicatedInference) -> DeploymentSpec | None:
    """The spec that a new instance is about: the pending one, else the current one."""
    return instance.pending_deployment_spec or instance.spec
