"""Models of Exoscale's inference API, under its documented field names (`-` as `_`).

A list row and the full object share one class; a field that a row lacks is None. Older responses
say `status` where the API now says `state`; both are accepted.
https://openapi-v2.exoscale.com/group/endpoint-ai
"""

from datetime import datetime
from typing import Any

from attrs import field, frozen

from di_async.core.codec import Codec, json_field, status_word
from di_async.core.errors import InvalidInputError
from di_async.core.log_text import log_text
from di_async.core.redaction import mask_optional, masked
from di_async.core.secret import Secret

__all__ = [
    "CODEC",
    "AIAPIKey",
    "Deployment",
    "EngineParameter",
    "InstanceType",
    "LogEntry",
    "Model",
    "ModelRef",
    "Operation",
    "Quota",
    "Reference",
    "RevealedKey",
    "Zone",
]


def _lower(word: Any, _: object) -> str:
    return status_word(word).lower()


_INFORMS = json_field(informs=True)
_STATE = json_field(aliases=("status",), decode=_lower)


@frozen
class ModelRef:
    """The model that a deployment serves."""

    id: str | None = None
    name: str | None = None


@frozen
class Deployment:
    """One deployment, private to the organisation or (`visibility`) run by Exoscale for all.

    `state` is the documented lower-case word (`creating`, `preparing`, `deploying`, `ready`,
    `scaling`, `updating`, `error`). An undocumented word is kept, in lower case.
    """

    id: str = ""
    """Empty if the row has none (the schema does not require it)."""
    name: str = ""
    state: str = field(default="", metadata=_STATE)
    state_details: str | None = field(default=None, converter=mask_optional)
    """Why it failed, if known; tokens are masked. Not in list rows."""
    gpu_type: str | None = None
    gpu_count: int | None = None
    """GPUs per replica."""
    replicas: int | None = None
    service_level: str | None = None
    deployment_url: str | None = None
    """Base URL of the inference endpoint."""
    model: ModelRef | None = None
    inference_engine_version: str | None = None
    """Not in list rows."""
    inference_engine_parameters: tuple[str, ...] | None = field(default=None, repr=masked)
    """Not in list rows."""
    visibility: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def status(self) -> str:
        """Same as `state`, under the name that other providers use."""
        return self.state

    @property
    def url(self) -> str:
        """The URL of its endpoint. Raises `InvalidInputError` if it has none yet."""
        if not self.deployment_url:
            raise InvalidInputError(f"{self.name or self.id} has no URL yet (state {self.state})")
        return self.deployment_url.rstrip("/")


@frozen
class Model:
    """A model downloaded from Hugging Face into one zone.

    `state` is `created`, `creating`, `downloading`, `ready` or `error`.
    """

    id: str
    name: str = ""
    state: str = field(default="", metadata=_STATE)
    model_size: int | None = field(default=None, metadata=_INFORMS)
    """Bytes."""
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def status(self) -> str:
        """Same as `state`, under the name that other providers use."""
        return self.state


@frozen
class Reference:
    """The resource that an operation acts on."""

    id: str | None = None
    link: str | None = None
    command: str | None = None


@frozen
class Operation:
    """The response to every write. The API requires none of its fields.

    `state` is `pending`, `success`, `failure` or `timeout`; a `timeout` is a failure at Exoscale.
    """

    id: str = ""
    state: str = field(default="pending", metadata=_STATE)
    reason: str | None = field(default=None, converter=mask_optional)
    """`busy`, `conflict`, `fault` and so on, if it failed."""
    message: str | None = field(default=None, converter=mask_optional)
    """Why it failed, if known; tokens are masked."""
    reference: Reference | None = None


@frozen
class AIAPIKey:
    """A key for inference endpoints. `value` is shown once, by `create`."""

    id: str = ""
    name: str = ""
    scope: str = ""
    """The id of a deployment, or `public`."""
    org_uuid: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    value: Secret | None = None

    @property
    def state(self) -> str:
        """`ready`: a key has no states of its own."""
        return "ready"


@frozen
class Quota:
    """The organisation's quota of public inference."""

    quota_uom_per_minute: int | None = None
    """None: unlimited."""


@frozen
class InstanceType:
    """A GPU family, and whether the organisation may use it in the zone.

    The API documents that `authorized` depends on the servers that are available.
    """

    family: str
    authorized: bool = False


@frozen
class EngineParameter:
    """One command-line argument of the inference engine."""

    name: str = ""
    flags: tuple[str, ...] = field(default=(), metadata=_INFORMS)
    type: str | None = None
    section: str | None = None
    description: str | None = None
    default: str | None = None
    allowed_values: tuple[str, ...] = field(default=(), metadata=_INFORMS)


@frozen
class LogEntry:
    """One log line of a deployment."""

    time: datetime | None = None
    node: str = ""
    message: str = ""

    @property
    def text(self) -> str:
        """Time, node and message, on one line unless the message has several."""
        return log_text(self.time, self.node, self.message)


@frozen
class Zone:
    """A zone and its API endpoints."""

    name: str
    api_endpoint: str | None = None
    sos_endpoint: str | None = None


@frozen
class RevealedKey:
    """The API key of a deployment's inference endpoint."""

    api_key: Secret | None = field(default=None, repr=False)


CODEC = Codec(rename=lambda name: name.replace("_", "-"))
