"""Models of Gcore's inference API, under its documented field names.

v2 (instances, keyed by id) and v3 (deployments, keyed by name) share most fields; these are in
`Inference`. The API varies: `command` is a list or a string, a retention policy is a number or an
object, times have a zone or none (then UTC). All of these are accepted.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from attrs import field, frozen
from attrs.validators import and_

from di_async.core.codec import Codec, Json, json_field, status_word, texts
from di_async.core.errors import InvalidInputError
from di_async.core.log_text import log_text
from di_async.core.redaction import mask_optional, masked
from di_async.core.secret import Secret
from di_async.core.validation import (
    READ_ONLY,
    RequestField,
    each,
    flag,
    in_request,
    nested,
    text,
    text_map,
    whole_number,
)

__all__ = [
    "CODEC",
    "APIKey",
    "AWSCredentials",
    "Accepted",
    "Container",
    "CreatedResources",
    "DeployStatus",
    "DeploymentPrice",
    "ExecProbe",
    "Flavor",
    "FlavorCapacity",
    "HTTPGetProbe",
    "HTTPTrigger",
    "Inference",
    "InferenceDeployment",
    "InferenceInstance",
    "InferenceSecret",
    "IngressOpts",
    "LogLine",
    "Logging",
    "ObjectReference",
    "Probe",
    "ProbeConfig",
    "Probes",
    "QuotaUse",
    "RegionCapacity",
    "RetentionPolicy",
    "SQSTrigger",
    "Scale",
    "TCPSocketProbe",
    "Task",
    "Threshold",
    "Triggers",
]

_INFORMS = json_field(informs=True)

Command = tuple[str, ...] | str | None
Texts = dict[str, str]


PORT = whole_number(1, 65535)


def _open(cls: type) -> dict[str, RequestField]:
    """Return the metadata of a nested value that may have unknown fields."""
    return in_request(nested(cls, is_open=True), nullable=True)


def _not_below_min(scale: Mapping[str, Any], _: Any, value: int) -> None:
    least = scale.get("min")
    if isinstance(least, int) and value < least:
        raise ValueError(f"expected {least} (min) or more, not {value}")


def _upper(word: Any, _: object) -> str:
    return status_word(word).upper()


def _command(raw: Any, _: object) -> Command:
    return raw or None if isinstance(raw, str) else texts(raw)


# --- where and how large ---------------------------------------------------------------------


@frozen
class Threshold:
    """Scale when usage passes this percentage."""

    threshold: int = field(metadata=in_request(whole_number(0)))


@frozen
class HTTPTrigger:
    """Scale at `rate` requests in `window` seconds."""

    rate: int
    window: int


@frozen
class SQSTrigger:
    """Scale with the length of an SQS queue."""

    queue_url: str
    queue_length: int = 0
    activation_queue_length: int = 0
    aws_region: str = ""
    secret_name: str = ""
    """The name of a secret stored at Gcore, not its value."""
    aws_endpoint: str | None = None
    scale_on_delayed: bool | None = None
    scale_on_flight: bool | None = None


@frozen
class Triggers:
    """Scaling triggers of a container; v2 documents only `cpu` and `memory`."""

    cpu: Threshold | None = field(default=None, metadata=_open(Threshold))
    memory: Threshold | None = field(default=None, metadata=_open(Threshold))
    gpu_memory: Threshold | None = field(default=None, metadata=_open(Threshold))
    gpu_utilization: Threshold | None = field(default=None, metadata=_open(Threshold))
    http: HTTPTrigger | None = field(default=None, metadata=_open(HTTPTrigger))
    sqs: SQSTrigger | None = field(default=None, metadata=_open(SQSTrigger))


@frozen
class Scale:
    """Replica limits; with `min` 0 it scales to zero while idle."""

    min: int = field(default=0, metadata=in_request(whole_number(0), required=True))
    max: int = field(
        default=0, metadata=in_request(and_(whole_number(0), _not_below_min), required=True)
    )
    cooldown_period: int | None = field(
        default=None, metadata=in_request(whole_number(0), nullable=True)
    )
    polling_interval: int | None = field(
        default=None, metadata=in_request(whole_number(0), nullable=True)
    )
    triggers: Triggers | None = field(default=None, metadata=_open(Triggers))


@frozen
class DeployStatus:
    """Replica counts of a container."""

    ready: int = 0
    total: int = 0


@frozen
class Container:
    """The workload in one region. `error_message` explains a failure (v3)."""

    region_id: int = field(metadata=in_request(whole_number(0)))
    scale: Scale = field(default=Scale(), metadata=in_request(nested(Scale), required=True))
    deploy_status: DeployStatus | None = field(default=None, metadata={**READ_ONLY, **_INFORMS})
    address: str | None = field(default=None, metadata=READ_ONLY)
    error_message: str | None = field(default=None, converter=mask_optional, metadata=READ_ONLY)


# --- probes ----------------------------------------------------------------------------------


@frozen
class ExecProbe:
    """A command run inside the container."""

    command: tuple[str, ...] = field(
        default=(), repr=masked, metadata=in_request(each(text(secret=True)), required=True)
    )


@frozen
class HTTPGetProbe:
    """An HTTP request to the container. Headers may hold tokens, so the repr masks them."""

    port: int = field(default=0, metadata=in_request(PORT, required=True))
    path: str | None = None
    host: str | None = None
    schema: str | None = None
    headers: Texts | None = field(
        default=None, repr=masked, metadata=in_request(text_map, nullable=True)
    )


@frozen
class TCPSocketProbe:
    """A port that must accept connections."""

    port: int = field(default=0, metadata=in_request(PORT, required=True))


@frozen
class Probe:
    """A probe and its timing in seconds."""

    exec: ExecProbe | None = field(default=None, metadata=_open(ExecProbe))
    http_get: HTTPGetProbe | None = field(default=None, metadata=_open(HTTPGetProbe))
    tcp_socket: TCPSocketProbe | None = field(default=None, metadata=_open(TCPSocketProbe))
    initial_delay_seconds: int | None = None
    period_seconds: int | None = None
    timeout_seconds: int | None = None
    failure_threshold: int | None = None
    success_threshold: int | None = None


@frozen
class ProbeConfig:
    """A probe and whether it is enabled."""

    enabled: bool = field(default=False, metadata=in_request(flag, required=True))
    probe: Probe | None = field(default=None, metadata=_open(Probe))


@frozen
class Probes:
    """The probes of all containers."""

    liveness_probe: ProbeConfig | None = field(default=None, metadata=_open(ProbeConfig))
    readiness_probe: ProbeConfig | None = field(default=None, metadata=_open(ProbeConfig))
    startup_probe: ProbeConfig | None = field(default=None, metadata=_open(ProbeConfig))


# --- v3 only ---------------------------------------------------------------------------------


@frozen
class IngressOpts:
    """Options of the ingress."""

    disable_response_buffering: bool | None = None


@frozen
class RetentionPolicy:
    """Log retention in days."""

    period: int | None = None


@frozen
class Logging:
    """Where logs are sent."""

    enabled: bool = False
    destination_region_id: int | None = None
    topic_name: str | None = None
    retention_policy: RetentionPolicy | None = None


@frozen
class ObjectReference:
    """A resource that the deployment belongs to."""

    kind: str = ""
    name: str = ""


# --- the two kinds of resource ---------------------------------------------------------------


@frozen(kw_only=True)
class Inference:
    """Fields that instances and deployments share.

    `status` is the documented upper-case word; one that is not documented is kept.
    """

    name: str
    status: str = field(default="", metadata=json_field(decode=_upper))
    image: str = ""
    listening_port: int = 0
    containers: tuple[Container, ...] = ()
    address: str | None = None
    auth_enabled: bool | None = None
    command: Command = field(default=None, repr=masked, metadata=json_field(decode=_command))
    created_at: datetime | None = None
    description: str | None = None
    envs: Texts | None = field(default=None, repr=masked)
    probes: Probes | None = None
    timeout: int | None = None
    """Idle seconds until it scales down to `scale.min`."""

    @property
    def url(self) -> str:
        """The URL of its endpoint. Raises `InvalidInputError` if it has none yet."""
        if not self.address:
            raise InvalidInputError(f"{self.name} has no address yet (status {self.status})")
        return self.address.rstrip("/")


@frozen(kw_only=True)
class InferenceInstance(Inference):
    """An inference instance of API v2."""

    id: str
    flavor_id: str = ""
    image_registry_id: str | None = None
    api_key_ids: tuple[str, ...] = ()


@frozen(kw_only=True)
class InferenceDeployment(Inference):
    """An inference deployment of API v3, identified by its name."""

    flavor_name: str = ""
    credentials_name: str | None = None
    project_id: int | None = field(default=None, metadata=_INFORMS)
    api_keys: tuple[str, ...] | None = None
    """Names of API keys; None if the response has none."""
    ingress_opts: IngressOpts | None = None
    logging: Logging | None = None
    object_references: tuple[ObjectReference, ...] = field(default=(), metadata=_INFORMS)


# --- what writes answer with, and logs -------------------------------------------------------


@frozen
class Accepted:
    """The response to a v3 write: ids of its tasks (none for `start` and `stop`)."""

    tasks: tuple[str, ...] = ()


@frozen
class CreatedResources:
    """Names of the deployments that a task created."""

    inference_instances: tuple[str, ...] = ()


@frozen
class Task:
    """A task. `state` is NEW, RUNNING, FINISHED or ERROR; the last two are final."""

    id: str
    state: str = field(default="", metadata=json_field(decode=_upper))
    task_type: str = ""
    error: str | None = field(default=None, converter=mask_optional)
    created_resources: CreatedResources | None = field(default=None, metadata=_INFORMS)
    detailed_state: str | None = None
    request_id: str | None = None
    project_id: int | None = field(default=None, metadata=_INFORMS)
    region_id: int | None = field(default=None, metadata=_INFORMS)
    created_on: datetime | None = None
    updated_on: datetime | None = None
    finished_on: datetime | None = None
    acknowledged_at: datetime | None = None


@frozen
class LogLine:
    """One log line of a deployment."""

    message: str = ""
    pod: str | None = None
    region_id: int | None = field(default=None, metadata=_INFORMS)
    time: datetime | None = None

    @property
    def text(self) -> str:
        """Time, pod and message, on one line unless the message has several."""
        return log_text(self.time, self.pod, self.message)


# --- the account: keys, secrets, flavors -------------------------------------------------------


@frozen
class APIKey:
    """A key for the endpoints of deployments. `secret` is shown once, by `create`."""

    name: str
    description: str | None = None
    deployment_names: tuple[str, ...] = field(default=(), metadata=_INFORMS)
    created_at: datetime | None = None
    expires_at: datetime | None = None
    secret: Secret | None = None


@frozen
class AWSCredentials:
    """What an `aws-iam` secret holds."""

    aws_access_key_id: str = ""
    aws_secret_access_key: Secret | None = None


@frozen
class InferenceSecret:
    """Credentials stored at Gcore, for the SQS trigger of a deployment."""

    name: str
    type: str = "aws-iam"
    data: AWSCredentials | None = None


@frozen
class Flavor:
    """A size of replica."""

    name: str
    description: str = ""
    cpu: float | None = field(default=None, metadata=_INFORMS)
    memory: float | None = field(default=None, metadata=_INFORMS)
    gpu: int = 0
    gpu_model: str = ""
    gpu_memory: float | None = field(default=None, metadata=_INFORMS)
    gpu_compute_capability: str = ""


@frozen
class FlavorCapacity:
    """How many replicas of a flavor a region has room for."""

    flavor_name: str
    capacity: int = 0


@frozen
class RegionCapacity:
    """The capacity of one region, by flavor."""

    region_id: int
    capacity: tuple[FlavorCapacity, ...] = ()


@frozen
class QuotaUse:
    """One quota of the account: its limit, its use, and what a deployment would add."""

    limit: int
    usage: int
    requested: int

    @property
    def exceeded(self) -> bool:
        """Whether the deployment does not fit."""
        return self.usage + self.requested > self.limit


@frozen
class DeploymentPrice:
    """The price of a deployment at its maximum scale."""

    price_per_hour: Decimal | None = None
    price_per_month: Decimal | None = None
    currency_code: str | None = None
    price_status: str | None = None
    """`show` if the price applies."""


# --- decoding --------------------------------------------------------------------------------


def _logging(raw: Json) -> Json:
    days = raw.get("retention_policy")
    return {**raw, "retention_policy": {"period": days}} if isinstance(days, int) else raw


CODEC = Codec(normalize={Logging: _logging})
