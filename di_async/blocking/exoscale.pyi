"""Types of `di_async.blocking.exoscale`; written by `.ci/stubs.py`."""

import builtins
from collections.abc import Sequence
from datetime import datetime
from di_async.blocking.engine import (
    Change,
    Client,
    DeployableApi,
    Ensured,
    Listing,
    ResourceApi,
    StatusStream,
)
from di_async.core.pricing import HourlyPrice, MaxHourly, Placement
from di_async.core.secret import Secret
from di_async.engine.client_options import ClientOptions
from di_async.exoscale import CAPABILITIES
from di_async.exoscale.models import (
    AIAPIKey,
    Deployment,
    EngineParameter,
    InstanceType,
    LogEntry,
    Model,
    ModelRef,
    Operation,
    Quota,
    Reference,
    Zone,
)
from di_async.exoscale.spec import DeploymentSpec, SpecLike
from typing import TypeVar, Unpack

__all__ = [
    "AIAPIKey",
    "AIAPIKeys",
    "CAPABILITIES",
    "Deployment",
    "DeploymentSpec",
    "Deployments",
    "EngineParameter",
    "Exoscale",
    "ExoscaleZone",
    "InstanceType",
    "LogEntry",
    "Model",
    "ModelRef",
    "Models",
    "Operation",
    "Operations",
    "Quota",
    "Reference",
    "Zone",
]

R = TypeVar("R", bound=Deployment | Model | AIAPIKey)

class ZoneResources(ResourceApi[R]):
    """One type of resource in one zone. Other zones are not searched."""
    def get(self, id: str) -> R:
        """Return one resource. Raises `NotFoundError` if this zone has none of that id."""
    def find_all(self, name: str) -> builtins.list[R]:
        """Return all of the organisation's resources of that name, as list rows."""
    def delete(self, id: str, *, ready_timeout: float = 0) -> Change[None]:
        """Delete a resource; return a change that settles when GET answers 404.

        A deployment bills until then. If this zone has no such resource, the change is settled and
        `.already_gone` is true. It may exist, and bill, in another zone.

        Args:
            id: the resource.
            ready_timeout: seconds to keep trying while another operation runs (409).

        Raises:
            ConflictError: Another operation was still under way.
            APIError: With status 412, deployments use the model; the message names them.
        """
    def watch(self, id: str | None = None, *, region: str | int | None = None) -> StatusStream:
        """Return an iterator over status changes in the zone, or of one resource.

        Raises:
            InvalidInputError: `region` is another zone; use `in_zone`.
        """

class AIAPIKeys(ZoneResources[AIAPIKey]):
    """`client.api_keys`: keys for the endpoints of one deployment, or of all.

    A key exists as soon as `create` returns; a deletion takes an operation.
    """
    def list(self) -> Listing[AIAPIKey]:
        """Return an iterator over the keys, without their values."""
    def create(self, name: str, *, scope: str = "public") -> AIAPIKey:
        """Create a key and return it with `.value`, which the API shows only once.

        Args:
            name: 1 to 50 characters; not unique.
            scope: the id of a deployment, or `public`, which Exoscale documents as "all
                deployments". Whether that includes the organisation's own is not documented.

        Raises:
            InvalidInputError: the name has other characters than Exoscale allows.
            OutcomeUnknownError: the response was lost, and with it the value; `.candidates` are the
                keys of that name.
        """
    def quota(self) -> Quota:
        """Return the organisation's quota."""

class Deployments(ZoneResources[Deployment], DeployableApi[Deployment]):
    """Deployments of one zone. Other zones are not searched.

    Every write returns an operation (`change.initial`). The change settles when the operation has
    succeeded and a later read shows the deployment `ready` with the requested values.
    """
    def list(self, *, visibility: str | None = None) -> Listing[Deployment]:
        """Return an iterator over the zone's deployments. Rows lack the engine's fields.

        Args:
            visibility: `private` for the organisation's own, `public` for those that Exoscale
                runs for everyone; None for the API's default.
        """
    def create(
        self,
        spec: SpecLike,
        *,
        max_hourly: MaxHourly | None = None,
        allow_unknown_price: bool = False,
        name_timeout: float = 0,
        first_attempt_at: datetime | None = None,
    ) -> Change[Deployment]:
        """Create a deployment; return a change that settles when a read shows it ready.

        Args:
            spec: a `DeploymentSpec` or a mapping of the documented shape. Its model must be
                `ready` in this zone (see `client.models`).
            max_hourly: the most that it may cost an hour: an amount, or one for each currency.
                Exoscale's API shows no prices, so this needs `allow_unknown_price`.
            allow_unknown_price: create it even though its price is not known.
            name_timeout: has no effect here: names are not unique, so none is ever taken.
            first_attempt_at: when an earlier call, such as an earlier try of a task, may have sent
                this create: an aware datetime. Names are not unique, so nothing is adopted. If one
                of this name was created since then, `OutcomeUnknownError` is raised; otherwise
                the create is sent two minutes after that time.

        Raises:
            InvalidInputError: The spec is invalid; no request was sent.
            PriceLimitError: `max_hourly` was passed without `allow_unknown_price`; nothing was
                created.
            APIError: With status 412, there are not enough free GPUs.
            OutcomeUnknownError: The response was lost, or did not show the id. Names are not
                unique, so nothing is adopted in doubt. `.candidates` have that name and age; they
                may be the new deployment, and bill.

        A call that is cut off in flight (by Ctrl-C, or because its client is closed) may leave a deployment that
        bills; the error and the log name it.
        """
    def ensure(
        self,
        spec: SpecLike,
        *,
        dry_run: bool = False,
        max_hourly: MaxHourly | None = None,
        allow_unknown_price: bool = False,
        name_timeout: float = 0,
    ) -> Ensured[Deployment]:
        """Create the deployment of the spec's name, update what differs, or do nothing.

        Names are not unique. Two concurrent processes may create two deployments, and so may one
        that begins within two minutes of another's create, as lists lag. `.duplicates` and the log
        then have the ids of the others, which bill until they are deleted. The engine is updated
        before the deployment is scaled; a change in progress is waited for. `.change` of the result
        settles when the deployment is ready. Ctrl-C has the effects that `create` describes.

        Args:
            spec: see `create`; what it leaves out is not compared, nor is the product name.
            dry_run: send no write; `.action` and `.diff` show what would be done.
            max_hourly: see `create`; it is checked before an update, too.
            allow_unknown_price: see `create`.
            name_timeout: see `create`.

        Raises:
            InvalidInputError: a field differs that cannot change after creation (`.problems`), or
                the spec is invalid; nothing was sent.
            PriceLimitError, APIError, OutcomeUnknownError: see `create`.
            WaitError: a change that had to end first failed, or did not end in time.
        """
    def hourly_price(self, spec: SpecLike) -> HourlyPrice | None:
        """Return None: Exoscale's API shows no prices. No I/O.

        Raises:
            InvalidInputError: The spec is invalid.
        """
    def find_capacity(
        self,
        spec: SpecLike,
        *,
        include_full: bool = False,
    ) -> builtins.list[Placement[DeploymentSpec]]:
        """Return the zones whose GPUs of the spec's family the organisation may use.

        Whether GPUs are free is not shown; a create fails with status 412 if there are not enough.
        The model has to be ready in the zone where the deployment is created. `.region` is the
        zone: `client.in_zone(place.region).deployments.create(place.spec)`. A zone that cannot be
        read is left out, with a warning; if none can be read, the error names the reason of each.

        Args:
            spec: the deployment; it is the same in every zone.
            include_full: also zones where it cannot run or that could not be read, each with its
                `.reason`.
        """
    def update(
        self,
        id: str,
        *,
        name: str | None = None,
        inference_engine_version: str | None = None,
        inference_engine_parameters: Sequence[str] | None = None,
        keep_version: bool = True,
        ready_timeout: float = 0,
    ) -> Change[Deployment]:
        """Update a deployment; return a change that settles when it is ready with these values.

        Args:
            id: the deployment.
            name: a new name.
            inference_engine_version: a new version.
            inference_engine_parameters: command-line arguments; None leaves them as they are, `[]`
                clears them.
            keep_version: send the running version if none is passed. Whether the API keeps or
                resets an omitted version is not documented.
            ready_timeout: seconds to keep trying while another operation runs (409); a few quick
                repeats are made in any case.

        Raises:
            InvalidInputError: Nothing to update, or a value is invalid; no request was sent.
            ConflictError: Another operation was still under way.
            OutcomeUnknownError: The response was lost, and no read shows that it was accepted.
        """
    def scale(self, id: str, replicas: int, *, ready_timeout: float = 0) -> Change[Deployment]:
        """Scale a deployment; return a change that settles when it is ready with these replicas.

        0 frees the GPUs, and ends their cost.

        Raises:
            InvalidInputError: `replicas` is not a whole number of at least 0.
            ConflictError: Another operation was still under way (see `update`).
            APIError: With status 412, there are not enough free GPUs.
            OutcomeUnknownError: The response was lost, and no read shows that it was accepted.
        """
    def reveal_api_key(self, id: str) -> Secret:
        """Return the API key of a deployment's inference endpoint. May be called repeatedly."""
    def logs(self, id: str, *, tail: int | None = None) -> builtins.list[LogEntry]:
        """Return the inference engine's log, or its last `tail` lines."""

class ExoscaleZone:
    """One zone of a client. Everything is zone-local: ids are unknown in other zones."""
    zone: str
    deployments: Deployments
    models: Models
    operations: Operations
    api_keys: AIAPIKeys
    def in_zone(self, zone: str) -> ExoscaleZone:
        """Return another zone with the same session, poller and budget. No I/O, nothing to close.

        Raises:
            InvalidInputError: (a `ValueError`) The zone's name is invalid, or `base_url` is the URL
                of one zone.
        """
    def instance_types(self) -> list[InstanceType]:
        """Return the GPU families of this zone, and whether the organisation may use them."""
    def quota(self) -> Quota:
        """Return the organisation's quota of public inference."""
    def inference_engine_help(self, version: str | None = None) -> list[EngineParameter]:
        """Return the inference engine's arguments, for a version or for the default version."""
    def zones(self) -> list[Zone]:
        """Return all zones. The request is not signed, as in the vendor's own clients."""

class Exoscale(ExoscaleZone, Client):
    """A client for one Exoscale API key and one zone (see `in_zone` for other zones).

    Args:
        api_key: default EXOSCALE_API_KEY.
        api_secret: default EXOSCALE_API_SECRET. It signs requests and is never sent.
        zone: the zone of its deployments, models and operations.
        base_url: https, or http on the loopback interface; `{zone}` stands for the zone.
            Default: DI_ASYNC_BASE_URL, then the vendor's. From the variable it needs `{zone}`,
            except for an emulator on the loopback interface.
        options: see `ClientOptions`. Exoscale documents no rate limit; the default budget is 120
            requests a minute and 3,600 an hour. `budget=None` paces by `polling` only.

    Raises:
        InvalidInputError: (a `ValueError`) A credential is missing, the base URL would send signed
            requests unencrypted, or settings exclude each other.
    """
    provider: str
    def __init__(
        self,
        api_key: str | Secret | None = None,
        api_secret: str | Secret | None = None,
        zone: str = "ch-gva-2",
        *,
        base_url: str | None = ...,
        **options: Unpack[ClientOptions],
    ) -> None: ...

class Models(ZoneResources[Model]):
    """Models of one zone. A deployment needs one that is `ready` in its own zone."""
    def list(self) -> Listing[Model]:
        """Return an iterator over the zone's models."""
    def create(self, name: str, huggingface_token: str | Secret | None = None) -> Change[Model]:
        """Download a model; return a change that settles when it is `ready`.

        Args:
            name: exactly as on Hugging Face, such as `openai/gpt-oss-120b`.
            huggingface_token: for a licensed model; its account must have accepted the license.

        Raises:
            OutcomeUnknownError: The response was lost. `.candidates` have that name and age.
        """

class Operations:
    """`client.operations`: the operations that writes return."""
    def get(self, id: str) -> Operation:
        """Return one operation of this zone. The API has no list of them."""
