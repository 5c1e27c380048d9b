"""What DigitalOcean's dedicated-inference API speaks of, under its documented field names.

The API is read in two shapes: as its reference documents it, and as its own Go client decodes it.
This file is where the two become one; nobody else knows that there are two. Requests carry the
documented shape only.
https://docs.digitalocean.com/reference/api/reference/dedicated-inference/
"""

import base64
import re
import ssl
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from attrs import field, frozen

from di_async.core.codec import Codec
from di_async.core.errors import DecodeError
from di_async.core.reading import Few, Json, Word
from di_async.core.secret import Secret
from di_async.core.validation import (
    READ_ONLY,
    each,
    filled_text,
    in_request,
    mapping,
    nested,
    text,
    uuid,
    whole_number,
)

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


# Beside the fields marked `READ_ONLY`, under names that only one of the two shapes uses.
READ_ONLY_KEYS = frozenset(
    {"id", "status", "state", "created_at", "updated_at", "dedicated_inference_id", "vpc_config"}
)


@frozen
class VPC:
    """The private network an instance sits in."""

    uuid: str = field(metadata=in_request(uuid, required=True))


@frozen
class AcceleratorConfig:
    """GPUs of one kind within a model deployment."""

    read_only: ClassVar[frozenset[str]] = READ_ONLY_KEYS

    accelerator_slug: Word = field(
        metadata=in_request(filled_text("a GPU slug such as 'gpu-mi300x1-192gb'"))
    )
    scale: int = field(default=1, metadata=in_request(whole_number(1)))
    type: Word = field(
        default="prefill_decode", metadata=in_request(filled_text("text such as 'prefill_decode'"))
    )
    status: Word | None = field(default=None, metadata=READ_ONLY)
    """As sent; `invalid` without an id is a placeholder while provisioning, no failure."""
    accelerator_id: str | None = field(default=None, metadata=READ_ONLY)


@frozen
class ModelDeployment:
    """One model and the accelerators that serve it."""

    read_only: ClassVar[frozenset[str]] = READ_ONLY_KEYS

    model_slug: Word = field(
        default="", metadata=in_request(text(), required_unless="model_id", omit_empty=True)
    )
    accelerators: Few[tuple[AcceleratorConfig, ...]] = field(
        default=(),
        metadata=in_request(each(nested(AcceleratorConfig), non_empty=True), required=True),
    )
    model_provider: Word = field(default="hugging_face", metadata=in_request(text()))
    model_id: str | None = field(
        default=None, metadata=in_request(text(), nullable=True, omit_empty=True)
    )
    """Names an existing deployment in an update; none makes a new one."""
    provider_model_id: str | None = field(
        default=None, metadata=in_request(text(), nullable=True, omit_empty=True)
    )
    workload_config: Json = field(factory=dict, metadata=in_request(mapping))


@frozen
class DeploymentSpec:
    """A spec as the API shows it, current or pending."""

    name: str | None = None
    version: int | None = None
    region: Word | None = None
    vpc: Few[VPC] | None = None
    enable_public_endpoint: bool | None = None
    model_deployments: tuple[ModelDeployment, ...] = ()
    id: str | None = field(default=None, metadata=READ_ONLY)
    status: Word | None = field(default=None, metadata=READ_ONLY)
    created_at: datetime | None = field(default=None, metadata=READ_ONLY)
    updated_at: datetime | None = field(default=None, metadata=READ_ONLY)


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
    status: Word = ""
    name: str | None = None
    region: Word | None = None
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


# --- from the wire: two shapes into one; what is as documented is given back as it came -------


def _instance(raw: Json) -> Json:
    """Name, region and VPC stand on the instance, in its spec, or both: fill either side."""
    get, told = raw.get, {**raw, "status": str(raw.get("status") or "").strip().lower()}
    spec, pending = get("spec"), get("pending_deployment_spec")
    if not spec:
        spec = told["spec"] = get("deployment_spec") or get("current_deployment_spec") or None
    name, region, vpc_uuid = get("name"), get("region"), get("vpc_uuid")
    for shown in (spec, pending):
        if shown and not (name and region and vpc_uuid):
            name = told["name"] = name or shown.get("name")
            region = told["region"] = region or shown.get("region")
            vpc_uuid = told["vpc_uuid"] = vpc_uuid or _vpc_of(shown)
    if spec and not _is_whole(spec):
        told["spec"] = _filled(spec, name, region, vpc_uuid)
    if not pending:
        told["pending_deployment_spec"] = None
    elif not _is_whole(pending):  # it may bring another name: that of the instance says nothing
        told["pending_deployment_spec"] = _filled(pending, None, region, vpc_uuid)
    at, models = get("endpoints"), get("provider_model_id")
    if not (at and (at.get("public_endpoint_fqdn") or at.get("private_endpoint_fqdn"))):
        told["endpoints"] = None
    if isinstance(models, str):
        told["provider_model_id"] = [models] if models else None
    return told


def _is_whole(spec: Json) -> bool:
    """A spec as documented, which says all itself."""
    vpc = spec.get("vpc")
    return bool(vpc and vpc.get("uuid") and spec.get("name") and spec.get("region"))


def _filled(spec: Json, name: Any, region: Any, vpc_uuid: Any) -> Json:
    """A spec, and what its instance says where it is silent itself."""
    get = spec.get
    uuid = _vpc_of(spec) or vpc_uuid
    return {
        **spec,
        "name": name if get("name") is None else get("name"),
        "region": region if get("region") is None else get("region"),
        "vpc": {"uuid": uuid} if uuid else None,
    }


def _vpc_of(spec: Json) -> Any:
    """`vpc.uuid` or `vpc_config.vpc_uuid`."""
    vpc = spec.get("vpc")
    return (vpc and vpc.get("uuid")) or (spec.get("vpc_config") or {}).get("vpc_uuid")


def _size(raw: Json) -> Json:
    region, regions = raw.get("region"), raw.get("regions")
    if not regions:
        return {**raw, "regions": [region] if region else None}
    return raw if region or len(regions) > 1 else {**raw, "region": regions[0]}


_ALSO = {"status": ("status", "state"), "is_gated_model": ("is_gated_model", "is_model_gated")}

CODEC = Codec(
    shapes={DedicatedInference: _instance, Size: _size},
    names=lambda field: _ALSO.get(field, (field,)),
)


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
