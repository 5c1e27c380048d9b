"""What Exoscale's inference API speaks of, under its documented field names (`-` as `_`).

One class each for a list row and the full object: what a row does not show is None. Third-party
pages and older answers say `status` where the API says `state` now; both are read.
https://openapi-v2.exoscale.com/group/endpoint-ai
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from attrs import field, frozen
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn

from di_async.core.codec import Codec
from di_async.core.secret import Secret

__all__ = [
    "CODEC",
    "TOKENS",
    "Deployment",
    "EngineParameter",
    "InstanceType",
    "LogEntry",
    "Model",
    "ModelRef",
    "Operation",
    "Reference",
    "RevealedKey",
    "Zone",
]

TOKENS = re.compile(r"\b(?:hf|api_org)_[A-Za-z0-9]{6,}|(?<=signature=)[A-Za-z0-9+/=]+")
"""What looks like a token of Hugging Face, or is a signature of ours."""


def _without_tokens(text: str | None) -> str | None:
    return text and TOKENS.sub("**********", text)


@frozen
class ModelRef:
    """The model that a deployment serves."""

    id: str | None = None
    name: str | None = None


@frozen
class Deployment:
    """One deployment, private to the organisation or (`visibility`) run by Exoscale for all.

    `state` is the documented lower-case word (`creating`, `preparing`, `deploying`, `ready`,
    `scaling`, `updating`, `error`); one that is not documented is kept, in lower case.
    """

    id: str = ""
    """Empty where a row does not tell it (the schema does not require it)."""
    name: str = ""
    state: str = ""
    state_details: str | None = field(default=None, converter=_without_tokens)
    """The failure story, if there is one; tokens in it are masked. Not in list rows."""
    gpu_type: str | None = None
    gpu_count: int | None = None
    """GPUs of one replica."""
    replicas: int | None = None
    service_level: str | None = None
    deployment_url: str | None = None
    """Where to send inference requests."""
    model: ModelRef | None = None
    inference_engine_version: str | None = None
    """Not in list rows."""
    inference_engine_parameters: tuple[str, ...] | None = None
    """Not in list rows."""
    visibility: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def status(self) -> str:
        """The same as `state`: what other providers call it."""
        return self.state


@frozen
class Model:
    """A model that was fetched from Hugging Face into one zone.

    `state` is `created`, `creating`, `downloading`, `ready` or `error`.
    """

    id: str
    name: str = ""
    state: str = ""
    model_size: int | None = None
    """Bytes."""
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def status(self) -> str:
        """The same as `state`: what other providers call it."""
        return self.state


@frozen
class Reference:
    """What an operation is about."""

    id: str | None = None
    link: str | None = None
    command: str | None = None


@frozen
class Operation:
    """What every write answers with. The API requires none of its fields.

    `state` is `pending`, `success`, `failure` or `timeout`: the last is the provider's own failure.
    """

    id: str = ""
    state: str = "pending"
    reason: str | None = field(default=None, converter=_without_tokens)
    """`busy`, `conflict`, `fault`, ..., where it failed."""
    message: str | None = field(default=None, converter=_without_tokens)
    """The failure story, if there is one; tokens in it are masked."""
    reference: Reference | None = None


@frozen
class InstanceType:
    """A GPU family, and whether this organisation may use it in the zone."""

    family: str
    authorized: bool = False


@frozen
class EngineParameter:
    """One argument of the inference engine."""

    name: str = ""
    flags: tuple[str, ...] = ()
    type: str | None = None
    section: str | None = None
    description: str | None = None
    default: str | None = None
    allowed_values: tuple[str, ...] = ()


@frozen
class LogEntry:
    """A line that a deployment logged."""

    time: datetime | None = None
    node: str = ""
    message: str = ""


@frozen
class Zone:
    """A zone and where its API is."""

    name: str
    api_endpoint: str | None = None
    sos_endpoint: str | None = None


@frozen
class RevealedKey:
    """The key of a deployment's inference endpoint."""

    api_key: Secret | None = field(default=None, repr=False)


# From the inside out: a class comes after those that it holds.
_CLASSES = (
    ModelRef,
    Deployment,
    Model,
    Reference,
    Operation,
    InstanceType,
    EngineParameter,
    LogEntry,
    Zone,
    RevealedKey,
)


def _setup(converter: Converter) -> None:
    for cls in _CLASSES:
        converter.register_structure_hook(cls, _reader(converter, cls))


def _reader(converter: Converter, cls: type) -> Callable[[Any, Any], Any]:
    build: Callable[[Any, Any], Any] = make_dict_structure_fn(cls, converter)
    return lambda raw, _: build(_tidied(raw), cls)


def _tidied(raw: Any) -> dict[str, Any]:
    """Without nulls, keys as names; `state` in lower case, whatever it was called."""
    if not isinstance(raw, Mapping):
        raise TypeError(f"expected an object, got {type(raw).__name__}")
    told = {str(k).replace("-", "_"): value for k, value in raw.items() if value is not None}
    state = told.get("state", told.get("status"))
    if state is not None:
        told["state"] = str(state).strip().lower()
    return told


CODEC = Codec(_setup)
