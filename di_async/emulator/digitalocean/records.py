"""What the world remembers of an instance, as values: a change makes a new value.

Rules of this file: no wire shapes (see documented.py, observed.py) and no decisions.
Times named `*_at` are world time; `created` and `updated` are whole-second stamps as told.
"""

import uuid
from typing import Literal

from attrs import field, frozen

from di_async.emulator.cloud.store import Written

Action = Literal["create", "update", "delete"]
Ending = Literal["active", "error", "deleted"]
Outcome = Literal["pending", "active", "error", "deleted", "superseded"]


@frozen
class Accelerator:
    """One accelerator entry of a model deployment."""

    slug: str
    type: str
    scale: int


@frozen
class Model:
    """One model deployment; `model_id` is empty until it has been deployed once."""

    slug: str
    provider: str
    accelerators: tuple[Accelerator, ...]
    model_id: str = ""
    provider_model_id: str = ""


@frozen
class Deployment:
    """One version of what an instance runs, or is to run."""

    id: str
    version: int
    name: str
    models: tuple[Model, ...]
    created: int
    updated: int


@frozen
class Write:
    """An accepted write: when and how it ends, and what has become of it so far."""

    action: Action
    accepted_at: float
    settles_at: float
    ends: Ending
    outcome: Outcome = "pending"
    provisions_at: float = 0.0
    regress_after: float | None = None


@frozen
class Instance(Written[Write]):
    """A Dedicated Inference: what it runs, what it is to run, and the writes it has taken."""

    id: str
    name: str
    region: str
    vpc_uuid: str
    public: bool
    created: int
    updated: int
    writes: tuple[Write, ...]
    current: Deployment | None = None
    pending: Deployment | None = None
    failed: bool = False
    has_secret: bool = field(default=False, repr=False)


@frozen
class Token:
    """An access token of an instance's data plane."""

    id: str
    name: str
    created: int
    managed: bool
    value: str = field(repr=False)


def accelerator_id(model: Model, entry: Accelerator, number: int) -> str:
    """The id of one GPU; the same through changes of scale, since its model stays."""
    return str(uuid.uuid5(uuid.UUID(model.model_id), f"{entry.slug}/{entry.type}/{number}"))
