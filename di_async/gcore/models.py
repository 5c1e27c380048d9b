"""What Gcore's inference API speaks of, under its documented field names.

v2 (instances, keyed by id) and v3 (deployments, keyed by name) show nearly the same thing; what
they share stands in `Inference`. The API drifts: `command` is a list or a text, a retention policy
a number or an object, times come with and without a zone (naive ones are UTC). All of it is taken.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import attrs
from attrs import field, frozen
from attrs.validators import and_
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn

from di_async.core.codec import Codec
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
    "Accepted",
    "Container",
    "CreatedResources",
    "DeployStatus",
    "ExecProbe",
    "HTTPGetProbe",
    "HTTPTrigger",
    "Inference",
    "InferenceDeployment",
    "InferenceInstance",
    "IngressOpts",
    "LogLine",
    "Logging",
    "ObjectReference",
    "Probe",
    "ProbeConfig",
    "Probes",
    "RetentionPolicy",
    "SQSTrigger",
    "Scale",
    "TCPSocketProbe",
    "Task",
    "Threshold",
    "Triggers",
    "masked",
]

Command = tuple[str, ...] | str | None
Texts = dict[str, str]


def masked(values: Any) -> str:
    """Return the names of a mapping with masked values, which may be keys and passwords."""
    shown = dict.fromkeys(values, "**********") if isinstance(values, Mapping) else values
    return repr(shown)


PORT = whole_number(1, 65535)


def _open(cls: type) -> dict[str, RequestField]:
    """Return the metadata of a nested value that may have unknown fields."""
    return in_request(nested(cls, is_open=True), nullable=True)


def _not_below_min(scale: Mapping[str, Any], _: Any, value: int) -> None:
    least = scale.get("min")
    if isinstance(least, int) and value < least:
        raise ValueError(f"expected {least} (min) or more, not {value}")


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
    """Scale with the length of a queue."""

    queue_url: str
    queue_length: int = 0
    activation_queue_length: int = 0
    aws_region: str = ""
    secret_name: str = ""
    """The name of a secret kept at Gcore, not the secret."""
    aws_endpoint: str | None = None
    scale_on_delayed: bool | None = None
    scale_on_flight: bool | None = None


@frozen
class Triggers:
    """What makes a container scale; v2 documents `cpu` and `memory`, v3 all."""

    cpu: Threshold | None = field(default=None, metadata=_open(Threshold))
    memory: Threshold | None = field(default=None, metadata=_open(Threshold))
    gpu_memory: Threshold | None = field(default=None, metadata=_open(Threshold))
    gpu_utilization: Threshold | None = field(default=None, metadata=_open(Threshold))
    http: HTTPTrigger | None = field(default=None, metadata=_open(HTTPTrigger))
    sqs: SQSTrigger | None = field(default=None, metadata=_open(SQSTrigger))


@frozen
class Scale:
    """Between how many replicas; `min` 0 lets it sleep while nobody asks."""

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
    """How many replicas of a container are ready."""

    ready: int = 0
    total: int = 0


@frozen
class Container:
    """What runs in one region. `error_message` is where a failure tells its story (v3)."""

    region_id: int = field(metadata=in_request(whole_number(0)))
    scale: Scale = field(default=Scale(), metadata=in_request(nested(Scale), required=True))
    deploy_status: DeployStatus | None = field(default=None, metadata=READ_ONLY)
    address: str | None = field(default=None, metadata=READ_ONLY)
    error_message: str | None = field(default=None, metadata=READ_ONLY)


# --- probes ----------------------------------------------------------------------------------


@frozen
class ExecProbe:
    """A command run inside the container."""

    command: tuple[str, ...] = field(
        default=(), metadata=in_request(each(text(secret=True)), required=True)
    )


@frozen
class HTTPGetProbe:
    """A request to the container; its headers may hold tokens, so they are masked in the repr."""

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
    """How a probe asks, and how often (seconds)."""

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
    """A probe and whether it is used."""

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
    """How answers travel."""

    disable_response_buffering: bool | None = None


@frozen
class RetentionPolicy:
    """How many days logs are kept."""

    period: int | None = None


@frozen
class Logging:
    """Where logs go."""

    enabled: bool = False
    destination_region_id: int | None = None
    topic_name: str | None = None
    retention_policy: RetentionPolicy | None = None


@frozen
class ObjectReference:
    """What a deployment belongs to."""

    kind: str = ""
    name: str = ""


# --- the two kinds of resource ---------------------------------------------------------------


@frozen(kw_only=True)
class Inference:
    """What instances and deployments share.

    `status` is the documented upper-case word; one that is not documented is kept.
    """

    name: str
    status: str = ""
    image: str = ""
    listening_port: int = 0
    containers: tuple[Container, ...] = ()
    address: str | None = None
    auth_enabled: bool | None = None
    command: Command = None
    created_at: datetime | None = None
    description: str | None = None
    envs: Texts | None = field(default=None, repr=masked)
    probes: Probes | None = None
    timeout: int | None = None
    """Seconds without a request after which it shrinks to `scale.min`."""


@frozen(kw_only=True)
class InferenceInstance(Inference):
    """An inference instance, as v2 shows it."""

    id: str
    flavor_id: str = ""
    image_registry_id: str | None = None
    api_key_ids: tuple[str, ...] = ()


@frozen(kw_only=True)
class InferenceDeployment(Inference):
    """An inference deployment, as v3 shows it. Its key is its name."""

    flavor_name: str = ""
    credentials_name: str | None = None
    project_id: int | None = None
    api_keys: tuple[str, ...] | None = None
    """Names of keys; None where the API does not show them."""
    ingress_opts: IngressOpts | None = None
    logging: Logging | None = None
    object_references: tuple[ObjectReference, ...] = ()


# --- what writes answer with, and logs -------------------------------------------------------


@frozen
class Accepted:
    """A v3 write's own answer: the tasks that carry it out (`start` and `stop` name none)."""

    tasks: tuple[str, ...] = ()


@frozen
class CreatedResources:
    """What a task made: deployments by their names."""

    inference_instances: tuple[str, ...] = ()


@frozen
class Task:
    """One task. `state` is NEW, RUNNING, FINISHED or ERROR; the last two are its ends."""

    id: str
    state: str = ""
    task_type: str = ""
    error: str | None = None
    created_resources: CreatedResources | None = None
    detailed_state: str | None = None
    request_id: str | None = None
    project_id: int | None = None
    region_id: int | None = None
    created_on: datetime | None = None
    updated_on: datetime | None = None
    finished_on: datetime | None = None


@frozen
class LogLine:
    """One line that a deployment wrote."""

    message: str = ""
    pod: str | None = None
    region_id: int | None = None
    time: datetime | None = None


# --- from the wire ---------------------------------------------------------------------------


def _command(raw: Any, _: Any) -> Command:
    if raw is None or isinstance(raw, str):
        return raw or None
    return tuple(str(word) for word in raw)


def _retention(raw: Any) -> Any:
    return {"period": raw} if isinstance(raw, int) else raw


# Fields that come in more than one shape, and how they are brought into one.
_REPAIRS: dict[type, dict[str, Callable[[Any], Any]]] = {
    InferenceInstance: {"status": lambda word: str(word).strip().upper()},
    InferenceDeployment: {"status": lambda word: str(word).strip().upper()},
    Task: {"state": lambda word: str(word).strip().upper()},
    Logging: {"retention_policy": _retention},
}


def _factory(converter: Converter, cls: type) -> Callable[[Any, Any], Any]:
    build: Callable[[Any, Any], Any] = make_dict_structure_fn(cls, converter)
    repairs = _REPAIRS.get(cls, {})

    def structure(raw: Any, _: Any) -> Any:
        if not isinstance(raw, Mapping):
            raise TypeError(f"expected an object, got {type(raw).__name__}")
        told = {key: value for key, value in raw.items() if value is not None}
        for key, repair in repairs.items():
            if key in told:
                told[key] = repair(told[key])
        return build(told, cls)

    return structure


def _setup(converter: Converter) -> None:
    converter.register_structure_hook(Command, _command)
    converter.register_structure_hook_factory(attrs.has, lambda cls: _factory(converter, cls))


CODEC = Codec(_setup)
