"""Models of DigitalOcean's dedicated-inference API, under its documented field names.

Responses come in two forms: as the API reference documents them, and as the vendor's Go client
decodes them. The models accept both; this module alone knows the differences.
https://docs.digitalocean.com/reference/api/reference/dedicated-inference/
"""

import base64
import ssl
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from attrs import field, frozen

from di_async.core.codec import Codec, Json, json_field, status_word
from di_async.core.errors import DecodeError, InvalidInputError
from di_async.core.secret import Secret
from di_async.core.validation import (
    READ_ONLY,
    canonical_uuid,
    each,
    filled_text,
    in_request,
    mapping,
    nested,
    text,
    uuid,
    whole_number,
)
from di_async.engine.endpoints.serving import context_of_ca

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

_ALSO_STATE = json_field(aliases=("state",))
_INFORMS = json_field(informs=True)


def _status_word(value: Any, _: object) -> str:
    return status_word(value).lower()


# Beside the fields marked `READ_ONLY`, under names that only one of the two shapes uses.
READ_ONLY_KEYS = frozenset(
    {"id", "status", "state", "created_at", "updated_at", "dedicated_inference_id", "vpc_config"}
)


@frozen
class VPC:
    """The private network of an instance."""

    uuid: str = field(converter=canonical_uuid, metadata=in_request(uuid, required=True))


@frozen
class AcceleratorConfig:
    """GPUs of one kind within a model deployment."""

    read_only: ClassVar[frozenset[str]] = READ_ONLY_KEYS

    accelerator_slug: str = field(
        metadata=in_request(filled_text("a GPU slug such as 'gpu-mi300x1-192gb'"))
    )
    scale: int = field(default=1, metadata=in_request(whole_number(1)))
    type: str = field(
        default="prefill_decode", metadata=in_request(filled_text("text such as 'prefill_decode'"))
    )
    status: str | None = field(default=None, metadata={**READ_ONLY, **_ALSO_STATE})
    """As sent; `invalid` without an id is a placeholder while provisioning, not a failure."""
    accelerator_id: str | None = field(default=None, metadata=READ_ONLY)


@frozen
class ModelDeployment:
    """One model and the accelerators that serve it."""

    read_only: ClassVar[frozenset[str]] = READ_ONLY_KEYS

    model_slug: str = field(
        default="", metadata=in_request(text(), required_unless="model_id", omit_empty=True)
    )
    accelerators: tuple[AcceleratorConfig, ...] = field(
        default=(),
        metadata=in_request(each(nested(AcceleratorConfig), non_empty=True), required=True),
    )
    model_provider: str = field(default="hugging_face", metadata=in_request(text()))
    model_id: str | None = field(
        default=None, metadata=in_request(text(), nullable=True, omit_empty=True)
    )
    """In an update: the existing deployment; None adds a new one."""
    provider_model_id: str | None = field(
        default=None, metadata=in_request(text(), nullable=True, omit_empty=True)
    )
    workload_config: Json = field(factory=dict, metadata=in_request(mapping))


@frozen
class DeploymentSpec:
    """A current or pending spec, as the API returns it."""

    name: str | None = None
    version: int | None = None
    region: str | None = None
    vpc: VPC | None = None
    enable_public_endpoint: bool | None = None
    model_deployments: tuple[ModelDeployment, ...] = ()
    id: str | None = field(default=None, metadata=READ_ONLY)
    status: str | None = field(default=None, metadata={**READ_ONLY, **_ALSO_STATE})
    created_at: datetime | None = field(default=None, metadata=READ_ONLY)
    updated_at: datetime | None = field(default=None, metadata=READ_ONLY)


@frozen
class Endpoints:
    """Host names of the inference endpoints, once they exist."""

    public_endpoint_fqdn: str | None = None
    private_endpoint_fqdn: str | None = None


@frozen
class DedicatedInference:
    """One dedicated inference instance.

    `status` is the documented lower-case word (`active`, `new`, `provisioning`, `updating`,
    `deleting`, `error`). An undocumented word is kept, in lower case.
    `spec` and `pending_deployment_spec` are None if the response has none.
    """

    id: str
    status: str = field(default="", metadata=json_field(decode=_status_word))
    name: str | None = None
    region: str | None = None
    vpc_uuid: str | None = None
    endpoints: Endpoints | None = None
    spec: DeploymentSpec | None = None
    pending_deployment_spec: DeploymentSpec | None = None
    provider_model_id: tuple[str, ...] = field(default=(), metadata=_INFORMS)
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def url(self) -> str:
        """The https URL of its public endpoint or, if there is none, of its private one.

        An instance that a wait has proven active has one; append `/v1` for OpenAI clients.

        Raises:
            InvalidInputError: (a `ValueError`) it has no endpoint yet.
        """
        known = self.endpoints
        host = known and (known.public_endpoint_fqdn or known.private_endpoint_fqdn)
        if not host:
            raise InvalidInputError(
                f"{self.name or self.id} has no endpoint yet (status {self.status}); "
                "wait until it is active"
            )
        # Documented as a host name; shown as a URL.
        return host.rstrip("/") if "://" in host else f"https://{host}"


@frozen
class AccessToken:
    """A token for an instance's inference endpoint. `value` is shown once, on creation."""

    id: str = ""
    name: str = ""
    value: Secret | None = None
    created_at: datetime | None = None
    is_managed: bool = field(default=False, metadata=_INFORMS)
    """Created by DigitalOcean, not by a caller."""


@frozen
class Accelerator:
    """A GPU, or group of GPUs, in use by an instance."""

    id: str
    name: str | None = None
    slug: str | None = None
    role: str | None = None
    status: str | None = field(default=None, metadata=_ALSO_STATE)
    created_at: datetime | None = None


@frozen
class CACertificate:
    """The CA that signed an instance's private endpoint."""

    pem: str

    def ssl_context(self) -> ssl.SSLContext:
        """Return a TLS context that trusts only this CA.

        Raises:
            DecodeError: The API did not return a certificate.
        """
        return context_of_ca(self.pem)


@frozen
class GPU:
    """The GPUs of a size."""

    count: int | None = field(default=None, metadata=_INFORMS)
    vram_gb: int | None = field(default=None, metadata=_INFORMS)
    slug: str | None = None


@frozen
class SizeCategory:
    """The product family of a size."""

    name: str | None = None
    fleet_name: str | None = None


@frozen
class Disk:
    """One disk of a size."""

    type: str | None = None
    size_gb: int | None = field(default=None, metadata=_INFORMS)


@frozen
class Size:
    """A GPU size and its price."""

    gpu_slug: str
    price_per_hour: Decimal | None = None
    currency: str | None = None
    region: str | None = None
    regions: tuple[str, ...] = ()
    cpu: int | None = field(default=None, metadata=_INFORMS)
    memory: int | None = field(default=None, metadata=_INFORMS)
    gpu: GPU | None = field(default=None, metadata=_INFORMS)
    size_category: SizeCategory | None = field(default=None, metadata=_INFORMS)
    disks: tuple[Disk, ...] = field(default=(), metadata=_INFORMS)


@frozen
class Sizes:
    """Regions and GPU sizes on offer, with prices."""

    enabled_regions: tuple[str, ...] = ()
    sizes: tuple[Size, ...] = ()


@frozen
class GPUModelConfig:
    """The GPUs that can serve a model. A gated model needs a Hugging Face token."""

    model_slug: str
    model_name: str | None = None
    gpu_slugs: tuple[str, ...] = ()
    is_gated_model: bool = field(default=False, metadata=json_field(aliases=("is_model_gated",)))


# --- decoding --------------------------------------------------------------------------------


def _instance(raw: Json) -> Json:
    """Copy name, region and VPC between the instance and its specs, so that all have them."""
    get = raw.get
    spec = get("spec") or get("deployment_spec") or get("current_deployment_spec")
    pending = get("pending_deployment_spec")
    name, region, vpc_uuid = get("name"), get("region"), get("vpc_uuid")
    for source in (spec, pending):
        if isinstance(source, dict) and not (name and region and vpc_uuid):
            name = name or source.get("name")
            region = region or source.get("region")
            vpc_uuid = vpc_uuid or _vpc_uuid(source)
    filled = {**raw, "name": name, "region": region, "vpc_uuid": vpc_uuid}
    filled["spec"] = _filled_spec(spec, name, region, vpc_uuid)
    if pending is not None:  # it may rename the instance, so the current name does not apply
        filled["pending_deployment_spec"] = _filled_spec(pending, None, region, vpc_uuid)
    endpoints = get("endpoints")
    if not endpoints or (
        isinstance(endpoints, dict)
        and not (endpoints.get("public_endpoint_fqdn") or endpoints.get("private_endpoint_fqdn"))
    ):
        filled["endpoints"] = None
    return filled


def _filled_spec(spec: Any, name: Any, region: Any, vpc_uuid: Any) -> Any:
    """Return a spec with the instance's values in place of missing ones."""
    if not spec:
        return None
    if not isinstance(spec, dict):
        return spec  # the error names its path
    get = spec.get
    if _under(get("vpc"), "uuid") and get("name") and get("region"):
        return spec
    uuid = _vpc_uuid(spec) or vpc_uuid
    return {
        **spec,
        "name": name if get("name") is None else get("name"),
        "region": region if get("region") is None else get("region"),
        "vpc": {"uuid": uuid} if uuid else None,
    }


def _vpc_uuid(spec: Json) -> Any:
    """Return `vpc.uuid` or `vpc_config.vpc_uuid`."""
    return _under(spec.get("vpc"), "uuid") or _under(spec.get("vpc_config"), "vpc_uuid")


def _under(value: Any, name: str) -> Any:
    """Return a field of a JSON object; None if it is not one."""
    return value.get(name) if isinstance(value, dict) else None


def _size(raw: Json) -> Json:
    """Set both `region` and `regions`; each may be one slug or a list."""
    shown = raw.get("regions") or raw.get("region") or []
    regions = [shown] if isinstance(shown, str) else shown
    only = regions[0] if isinstance(regions, list) and len(regions) == 1 else None
    region = raw.get("region")
    known = isinstance(region, str) and region
    return {**raw, "regions": regions, "region": region if known else only}


CODEC = Codec(normalize={DedicatedInference: _instance, Size: _size})


def read_ca(body: Any) -> CACertificate:
    """Return the certificate in a CA response: PEM, in base64 (as documented) or plain."""
    cert = body.get("cert") if isinstance(body, Mapping) else None
    if not isinstance(cert, str) or not cert:
        raise DecodeError("The response has no CA certificate: required field missing @ $.cert")
    try:
        decoded = base64.b64decode(f"{cert}==").decode(errors="replace")
    except ValueError:
        decoded = ""
    for pem in (cert.lstrip(), decoded):
        if pem.startswith("-----BEGIN"):
            return CACertificate(pem)
    raise DecodeError("The CA certificate is neither PEM nor base64 of PEM @ $.cert")
