"""What DigitalOcean's dedicated-inference API speaks of, under its documented field names.

The API is read in two shapes: as its reference documents it, and as its own Go client decodes it.
This file is where the two become one; nobody else knows that there are two. Requests carry the
documented shape only.
https://docs.digitalocean.com/reference/api/reference/dedicated-inference/
"""

import base64
import re
import ssl
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from attrs import field, frozen
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn

from di_async.core.codec import Codec
from di_async.core.errors import DecodeError
from di_async.core.secret import Secret

__all__ = [
    "CODEC",
    "GPU",
    "VPC",
    "Accelerator",
    "AcceleratorConfig",
    "AccessToken",
    "CACertificate",
    "DedicatedInference",
    "DeploymentSpec",
    "Disk",
    "Endpoints",
    "GPUModelConfig",
    "ModelDeployment",
    "Size",
    "SizeCategory",
    "Sizes",
]

Json = dict[str, Any]


@frozen
class VPC:
    """The private network an instance sits in."""

    uuid: str


@frozen
class AcceleratorConfig:
    """GPUs of one kind within a model deployment."""

    accelerator_slug: str
    scale: int = 1
    type: str = "prefill_decode"
    status: str | None = None
    """As sent; `invalid` without an id is a placeholder while provisioning, no failure."""
    accelerator_id: str | None = None


@frozen
class ModelDeployment:
    """One model and the accelerators that serve it."""

    model_slug: str = ""
    accelerators: tuple[AcceleratorConfig, ...] = ()
    model_provider: str = "hugging_face"
    model_id: str | None = None
    """Names an existing deployment in an update; none makes a new one."""
    provider_model_id: str | None = None
    workload_config: Json = field(factory=dict)


@frozen
class DeploymentSpec:
    """A spec as the API shows it, current or pending."""

    name: str | None = None
    version: int | None = None
    region: str | None = None
    vpc: VPC | None = None
    enable_public_endpoint: bool | None = None
    model_deployments: tuple[ModelDeployment, ...] = ()
    id: str | None = None
    status: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


@frozen
class Endpoints:
    """Where to send inference requests; None while there is none."""

    public_endpoint_fqdn: str | None = None
    private_endpoint_fqdn: str | None = None


@frozen
class DedicatedInference:
    """One dedicated inference instance.

    `status` is the documented lower-case word (`active`, `new`, `provisioning`, `updating`,
    `deleting`, `error`); a word that is not documented is kept as it came, in lower case.
    `spec` and `pending_deployment_spec` are None where the API leaves them out.
    """

    id: str
    status: str = ""
    name: str | None = None
    region: str | None = None
    vpc_uuid: str | None = None
    endpoints: Endpoints | None = None
    spec: DeploymentSpec | None = None
    pending_deployment_spec: DeploymentSpec | None = None
    provider_model_id: tuple[str, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None


@frozen
class AccessToken:
    """A token for an instance's inference endpoint. `value` is shown once, on creation."""

    id: str
    name: str = ""
    value: Secret | None = None
    created_at: datetime | None = None
    is_managed: bool = False
    """Made by DigitalOcean, not by a caller."""


@frozen
class Accelerator:
    """One GPU (or group of them) in use by an instance."""

    id: str
    name: str | None = None
    slug: str | None = None
    role: str | None = None
    status: str | None = None
    created_at: datetime | None = None


@frozen
class CACertificate:
    """The CA that signed an instance's private endpoint."""

    pem: str

    def ssl_context(self) -> ssl.SSLContext:
        """A TLS context that trusts this CA alone.

        Raises:
            DecodeError: what the API gave is no certificate.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            context.load_verify_locations(cadata=self.pem)
        except (ssl.SSLError, ValueError) as error:
            raise DecodeError(f"the CA certificate cannot be read: {error}") from error
        return context


@frozen
class GPU:
    """The GPUs of a size."""

    count: int | None = None
    vram_gb: int | None = None
    slug: str | None = None


@frozen
class SizeCategory:
    """The family a size is sold in."""

    name: str | None = None
    fleet_name: str | None = None


@frozen
class Disk:
    """One disk of a size."""

    type: str | None = None
    size_gb: int | None = None


@frozen
class Size:
    """A GPU size and its price. `regions` is filled whichever shape it came in."""

    gpu_slug: str
    price_per_hour: Decimal | None = None
    currency: str | None = None
    region: str | None = None
    regions: tuple[str, ...] = ()
    cpu: int | None = None
    memory: int | None = None
    gpu: GPU | None = None
    size_category: SizeCategory | None = None
    disks: tuple[Disk, ...] = ()


@frozen
class Sizes:
    """Where instances can be had, and at what price."""

    enabled_regions: tuple[str, ...] = ()
    sizes: tuple[Size, ...] = ()


@frozen
class GPUModelConfig:
    """Which GPUs serve a model, and whether it needs a Hugging Face token."""

    model_slug: str
    model_name: str | None = None
    gpu_slugs: tuple[str, ...] = ()
    is_gated_model: bool = False


# --- from the wire: two shapes into one ------------------------------------------------------


def _drop_nulls(raw: Any) -> Json:
    if not isinstance(raw, Mapping):
        raise TypeError(f"expected an object, got {type(raw).__name__}")
    return {key: value for key, value in raw.items() if value is not None}


def _spec(raw: Json) -> Json:
    """`vpc_config.vpc_uuid` as `vpc.uuid`, `state` as `status`."""
    config = raw.get("vpc_config")
    if "vpc" not in raw and isinstance(config, Mapping) and config.get("vpc_uuid"):
        raw["vpc"] = {"uuid": config["vpc_uuid"]}
    if not (raw.get("vpc") or {}).get("uuid"):
        raw.pop("vpc", None)
    raw.setdefault("status", raw.get("state"))
    return raw


def _accelerator_config(raw: Json) -> Json:
    raw.setdefault("status", raw.get("state"))
    return raw


def _instance(raw: Json) -> Json:
    """Name, region and VPC stand on the instance, in its spec, or both: fill either side."""
    aliases = ("spec", "deployment_spec", "current_deployment_spec")
    raw["spec"] = next((raw[alias] for alias in aliases if raw.get(alias)), None)
    specs = [dict(raw[key]) for key in ("spec", "pending_deployment_spec") if raw.get(key)]
    for key in ("name", "region"):
        raw.setdefault(key, next((s[key] for s in specs if s.get(key)), None))
    raw.setdefault("vpc_uuid", next(filter(None, map(_vpc_of, specs)), None))
    shared = {"region": raw["region"]} if raw.get("region") else {}
    if raw.get("vpc_uuid"):
        shared["vpc"] = {"uuid": raw["vpc_uuid"]}
    # A pending spec may bring another name, so that of the instance says nothing about it.
    known = {"spec": {**shared, "name": raw.get("name")}, "pending_deployment_spec": shared}
    for key, fields in known.items():
        raw[key] = _spec({**fields, **_drop_nulls(raw[key])}) if raw.get(key) else None
    raw["status"] = str(raw.get("status", "")).strip().lower()
    if not raw.get("endpoints") or not any(raw["endpoints"].values()):
        raw["endpoints"] = None
    models = raw.get("provider_model_id") or ()
    raw["provider_model_id"] = (models,) if isinstance(models, str) else models
    return raw


def _vpc_of(spec: Json) -> str | None:
    return (spec.get("vpc") or {}).get("uuid") or (spec.get("vpc_config") or {}).get("vpc_uuid")


def _size(raw: Json) -> Json:
    if not raw.get("regions"):
        raw["regions"] = [raw["region"]] if raw.get("region") else []
    raw.setdefault("region", raw["regions"][0] if len(raw["regions"]) == 1 else None)
    return raw


def _gated(raw: Json) -> Json:
    raw.setdefault("is_gated_model", raw.get("is_model_gated", False))
    return raw


def _as_is(raw: Json) -> Json:
    return raw


_SHAPES: dict[type, Callable[[Json], Json]] = {
    VPC: _as_is,
    AcceleratorConfig: _accelerator_config,
    ModelDeployment: _as_is,
    DeploymentSpec: _spec,
    Endpoints: _as_is,
    DedicatedInference: _instance,
    AccessToken: _as_is,
    Accelerator: _as_is,
    GPU: _as_is,
    SizeCategory: _as_is,
    Disk: _as_is,
    Size: _size,
    Sizes: _as_is,
    GPUModelConfig: _gated,
}


def _setup(converter: Converter) -> None:
    for cls, shape in _SHAPES.items():
        converter.register_structure_hook(cls, _structure_fn(converter, cls, shape))


def _structure_fn(
    converter: Converter, cls: type, shape: Callable[[Json], Json]
) -> Callable[[Any, Any], Any]:
    build: Callable[[Any, Any], Any] = make_dict_structure_fn(cls, converter)
    return lambda raw, _: build(shape(_drop_nulls(raw)), cls)


CODEC = Codec(_setup)


def read_ca(body: Any) -> CACertificate:
    """The certificate in a CA answer: base64 of PEM, as documented; plain PEM is taken too."""
    cert = body.get("cert") if isinstance(body, Mapping) else None
    if not isinstance(cert, str) or not cert:
        raise DecodeError("the answer is no CA certificate: 'cert' is missing @ $.cert")
    letters = re.sub(r"[^A-Za-z0-9+/]", "", cert)
    decoded = (
        base64.b64decode(letters + "=" * (-len(letters) % 4)) if len(letters) % 4 != 1 else b""
    )
    for pem in (cert.lstrip(), decoded.decode(errors="replace")):
        if pem.startswith("-----BEGIN"):
            return CACertificate(pem)
    raise DecodeError("the CA certificate is not base64 of PEM @ $.cert")
