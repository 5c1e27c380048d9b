"""Types of `di_async.blocking.gcore`; written by `.ci/stubs.py`."""

import builtins
from datetime import datetime
from di_async.blocking.engine import Change, Client, DeployableApi, Ensured, Listing, ResourceApi
from di_async.core.pricing import HourlyPrice, MaxHourly, Placement
from di_async.core.secret import Secret
from di_async.engine.client_options import ClientOptions
from di_async.gcore.models import (
    APIKey,
    AWSCredentials,
    Accepted,
    Container,
    CreatedResources,
    DeployStatus,
    ExecProbe,
    Flavor,
    FlavorCapacity,
    HTTPGetProbe,
    HTTPTrigger,
    Inference,
    InferenceDeployment,
    InferenceInstance,
    InferenceSecret,
    IngressOpts,
    LogLine,
    Logging,
    ObjectReference,
    Probe,
    ProbeConfig,
    Probes,
    QuotaUse,
    RegionCapacity,
    RetentionPolicy,
    SQSTrigger,
    Scale,
    TCPSocketProbe,
    Task,
    Threshold,
    Triggers,
)
from di_async.gcore.spec import InferenceDeploymentSpec, InferenceInstanceSpec, SpecLike
from typing import Any, Literal, TypeVar, Unpack

__all__ = [
    "APIKey",
    "APIKeys",
    "AWSCredentials",
    "Accepted",
    "Container",
    "CreatedResources",
    "DeployStatus",
    "ExecProbe",
    "Flavor",
    "FlavorCapacity",
    "Gcore",
    "HTTPGetProbe",
    "HTTPTrigger",
    "InferenceDeployment",
    "InferenceDeploymentSpec",
    "InferenceDeployments",
    "InferenceInstance",
    "InferenceInstanceSpec",
    "InferenceInstances",
    "InferenceSecret",
    "InferenceSecrets",
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
    "Tasks",
    "Threshold",
    "Triggers",
]

R = TypeVar("R", bound=Inference)

class APIKeys:
    """`client.api_keys`: keys for the endpoints of the project's deployments."""
    def list(self, *, page_size: int = ...) -> Listing[APIKey]:
        """Return an iterator over the project's keys, without their secrets."""
    def get(self, name: str) -> APIKey:
        """Return one key, without its secret. Raises `NotFoundError` if it does not exist."""
    def create(
        self,
        name: str,
        *,
        description: str | None = None,
        expires_at: datetime | str | None = None,
    ) -> APIKey:
        """Create a key and return it with `.secret`, which the API shows only once.

        Args:
            name: unique within the project.
            description: free text.
            expires_at: when it stops working; a naive time is UTC. None: never.

        Raises:
            ConflictError: the name is taken.
            OutcomeUnknownError: the response was lost, and with it the secret; delete the key if it
                exists (`.candidates`), and create it again.
        """
    def update(self, name: str, *, description: str | None) -> APIKey:
        """Change a key's description and return the key. Nothing else of it can change."""
    def delete(self, name: str) -> None:
        """Delete a key, immediately and permanently.

        Raises:
            NotFoundError: it does not exist.
            ConflictError: a deployment uses it.
        """

class Gcore(Client):
    """A client of one Gcore API key.

    Args:
        api_key: the permanent token, `<id>$<hash>`; else GCORE_API_KEY. Put it in single quotes in
            a shell, which would otherwise expand the `$`.
        project_id: the project of v3 deployments, and of v2 instances whose spec names none; else
            GCORE_CLOUD_PROJECT_ID, then GCORE_CLOUD_PROJECT. v2 works without one.
        base_url: https, or http on this machine's loopback; else DI_ASYNC_BASE_URL, then the
            vendor's.
        options: see `ClientOptions`. The default `budget` is 120 requests a minute and 3600 an
            hour, as Gcore documents no limit.

    Raises:
        InvalidInputError: (a `ValueError`) no key, an invalid project, a base URL that would send
            the key unencrypted, or settings that exclude each other.
    """
    provider: str
    inference_instances: InferenceInstances
    inference_deployments: InferenceDeployments
    api_keys: APIKeys
    secrets: InferenceSecrets
    tasks: Tasks
    project_id: int | None
    def __init__(
        self,
        api_key: str | Secret | None = None,
        project_id: int | str | None = None,
        *,
        base_url: str | None = ...,
        **options: Unpack[ClientOptions],
    ) -> None: ...
    def flavors(self) -> list[Flavor]:
        """Return all flavors. `inference_deployments.hourly_price` returns what one costs."""
    def flavor(self, name: str) -> Flavor:
        """Return one flavor. Raises `NotFoundError` if it does not exist."""
    def capacity(self) -> list[RegionCapacity]:
        """Return how many replicas of each flavor each region has room for."""

class InferenceApi(ResourceApi[R]):
    """Reads and writes that both kinds of resource have."""
    def get(self, id: str) -> R:
        """Return one resource. Raises `NotFoundError` if it does not exist."""

class InferenceDeployments(InferenceApi[InferenceDeployment], DeployableApi[InferenceDeployment]):
    """Inference deployments (v3): `client.inference_deployments`.

    A deployment's id is its name, unique within the project. Both `ACTIVE` (serving) and `PENDING`
    (scaled to zero) are settled states; the history shows which one it is.
    """
    def list(self, *, page_size: int = ...) -> Listing[InferenceDeployment]:
        """Return an iterator over the project's deployments, in order."""
    def create(
        self,
        spec: SpecLike,
        *,
        open_to_world: bool = False,
        max_hourly: MaxHourly | None = None,
        allow_unknown_price: bool = False,
        name_timeout: float = 0,
        first_attempt_at: datetime | None = None,
    ) -> Change[InferenceDeployment]:
        """Create a deployment; return a change that settles when it serves or is scaled to zero.

        Its task has to finish first. If the response is lost, the unique name is looked up; see
        `.adopted`.

        Args:
            spec: an `InferenceDeploymentSpec`, or a mapping of the documented shape.
            open_to_world: required with `api_keys: []`, which lets anyone call the endpoint.
            max_hourly: the most that it may cost an hour at its maximum scale: an amount, or one
                for each currency.
            allow_unknown_price: create it even if its price is not known.
            name_timeout: seconds to keep trying while the name is taken by a deployment that is
                being deleted, or was until a moment ago. 0 tries once.
            first_attempt_at: when an earlier call, such as an earlier try of a task, may have sent
                this create: an aware datetime. A deployment created since then is adopted.

        Raises:
            InvalidInputError: a documented rule is broken (`.problems`); nothing was sent.
            PriceLimitError: it costs more than `max_hourly`; nothing was created.
            ConflictError: the name is taken.
            APIError: `.code` is Gcore's `exception_class`. `ForbiddenError` means that a region has
                no capacity left, `QuotaLimitExceed` that the account's quota is used up.
            OutcomeUnknownError: a deployment may exist, and bill, that could not be found.

        A call that is cut off in flight (by Ctrl-C, or because its client is closed) may leave a deployment that
        bills; the error and the log name it.
        """
    def ensure(
        self,
        spec: SpecLike,
        *,
        dry_run: bool = False,
        open_to_world: bool = False,
        max_hourly: MaxHourly | None = None,
        allow_unknown_price: bool = False,
        name_timeout: float = 0,
    ) -> Ensured[InferenceDeployment]:
        """Create the deployment of the spec's name, update what differs, or do nothing.

        Two concurrent processes create one deployment. A change in progress that leads to another
        spec is waited for before the update. A stopped deployment is started. `.change` of the
        result settles when the deployment serves or is scaled to zero. Ctrl-C has the effects
        that `create` describes.

        Args:
            spec: see `create`; what it leaves out is not compared.
            dry_run: send no write; `.action` and `.diff` show what would be done.
            open_to_world: see `create`.
            max_hourly: see `create`; it is checked before an update, too.
            allow_unknown_price: see `create`.
            name_timeout: see `create`.

        Raises:
            InvalidInputError: the spec breaks a rule; nothing was sent.
            PriceLimitError, ConflictError, APIError, OutcomeUnknownError: see `create`.
            WaitTimeoutError: the change in progress did not end in time.
        """
    def hourly_price(self, spec: SpecLike) -> HourlyPrice | None:
        """Return what a deployment would cost an hour at its maximum scale; None if not known.

        Raises:
            InvalidInputError: the spec breaks a rule.
        """
    def check_limits(self, spec: SpecLike) -> dict[str, QuotaUse]:
        """Return the account's quotas by name, with what a deployment would add to each."""
    def find_capacity(
        self,
        spec: SpecLike,
        *,
        include_full: bool = False,
    ) -> builtins.list[Placement[dict[str, Any]]]:
        """Return the regions that have room for a deployment now, the cheapest first.

        A price that cannot be read is None, with a warning.

        Args:
            spec: the deployment; its regions are replaced.
            include_full: also the regions that have none, each with its `.reason`.
        """
    def update(
        self,
        id: str,
        spec: SpecLike | None = None,
        *,
        open_to_world: bool = False,
        ready_timeout: float = 0,
        **fields: Any,
    ) -> Change[InferenceDeployment]:
        """Update a deployment; return a change that settles when it shows the fields sent.

        This is a PATCH: fields that are not given keep their values. A field that is given
        replaces the whole old value.

        Args:
            id: the deployment's name, which cannot change.
            spec: fields as a mapping or a spec.
            open_to_world: required with empty `api_keys` and with `auth_enabled=False`, which let
                anyone call the endpoint, unless anyone can call it already.
            ready_timeout: seconds to keep trying while another task holds it (409).
            fields: the same by name, such as `containers=[...]`; they override `spec`.

        Raises:
            InvalidInputError: nothing is given, or a rule is broken; nothing was sent.
            ConflictError: another task holds it.
            OutcomeUnknownError: the update may have been accepted.
        """
    def start(self, id: str, *, ready_timeout: float = 0) -> Change[InferenceDeployment]:
        """Start a deployment; return a change that settles when it serves or is scaled to zero."""
    def stop(self, id: str, *, ready_timeout: float = 0) -> Change[InferenceDeployment]:
        """Stop a deployment; return a change that settles when it is `DISABLED`.

        A stopped deployment costs nothing until it is started again.
        """
    def delete(self, id: str, *, ready_timeout: float = 0) -> Change[None]:
        """Delete a deployment; return a change that settles when GET answers 404.

        Its task has to finish first. If nothing is found, the change is settled and
        `.already_gone` is true. That also happens in the wrong project, where the deployment
        still bills.
        """
    def logs(
        self,
        id: str,
        *,
        limit: int = 100,
        offset: int = 0,
        order_by: Literal["time.asc", "time.desc"] = "time.desc",
        region_id: int | None = None,
    ) -> builtins.list[LogLine]:
        """Return up to `limit` log lines, the latest first, of one region or of all."""

class InferenceInstances(InferenceApi[InferenceInstance]):
    """Inference instances (v2): `client.inference_instances`.

    The vendor calls v2 deprecated, in favour of v3. It has no tasks; the status shows everything.
    """
    def list(self, *, name: str | None = None, page_size: int = ...) -> Listing[InferenceInstance]:
        """Return an iterator over all instances, in order.

        Args:
            name: only instances with exactly this name; names may repeat.
            page_size: rows for each request.
        """
    def create(
        self,
        spec: SpecLike,
        *,
        name_timeout: float = 0,
        first_attempt_at: datetime | None = None,
    ) -> Change[InferenceInstance]:
        """Create an instance; return a change that settles when it serves or is scaled to zero.

        Args:
            spec: an `InferenceInstanceSpec`, or a mapping of the documented shape. Without a
                `project_id`, the client's project is used, else the key's default project.
            name_timeout: seconds to keep trying while the name is taken by an instance that is
                being deleted, or was until a moment ago. 0 tries once.
            first_attempt_at: when an earlier call, such as an earlier try of a task, may have sent
                this create: an aware datetime. Names are not unique, so nothing is adopted. If one
                of this name was created since then, `OutcomeUnknownError` is raised; otherwise
                the create is sent two minutes after that time.

        Raises:
            InvalidInputError: a documented rule is broken (`.problems`); nothing was sent.
            OutcomeUnknownError: the response was lost. Names need not be unique, so nothing is
                adopted or sent again; `.candidates` lists what may have been created.

        A call that is cut off in flight (by Ctrl-C, or because its client is closed) may leave an instance that
        bills; the error and the log name it.
        """
    def update(
        self,
        id: str,
        spec: SpecLike | None = None,
        *,
        replace: bool = False,
        ready_timeout: float = 0,
        **fields: Any,
    ) -> Change[InferenceInstance]:
        """Update an instance; return a change that settles when it shows the fields sent.

        The API's PUT replaces the whole instance. By default the fields given are therefore merged
        into the live instance: mappings key by key at every depth (None removes a key), containers
        region by region, other lists as a whole. GET never shows `project_id`, so the client's is
        sent; without one the API uses the key's default project.

        Args:
            id: the instance.
            spec: fields as a mapping or a spec.
            replace: send only what was given. Omitted fields fall back to their defaults, and
                regions that are not named are removed.
            ready_timeout: seconds to keep trying while another change holds it (409).
            fields: the same by name, such as `envs={...}`; they override `spec`.

        Raises:
            InvalidInputError: nothing is given, or a rule is broken; nothing was sent.
            ConflictError: another change holds it.
            OutcomeUnknownError: the update may have been accepted.
        """
    def delete(self, id: str, *, ready_timeout: float = 0) -> Change[None]:
        """Delete an instance; return a change that settles when GET answers 404.

        It bills until then. If nothing is found, the change is settled and `.already_gone` is
        true. That also happens with the key of another account, where the instance still bills.
        """

class InferenceSecrets:
    """`client.secrets`: AWS credentials stored at Gcore, for SQS triggers."""
    def list(self, *, page_size: int = ...) -> Listing[InferenceSecret]:
        """Return an iterator over the project's secrets."""
    def get(self, name: str) -> InferenceSecret:
        """Return one secret. Raises `NotFoundError` if it does not exist."""
    def create(
        self,
        name: str,
        *,
        aws_access_key_id: str,
        aws_secret_access_key: str | Secret,
    ) -> InferenceSecret:
        """Store AWS credentials and return the secret. Raises `ConflictError` for a taken name."""
    def replace(
        self,
        name: str,
        *,
        aws_access_key_id: str,
        aws_secret_access_key: str | Secret,
    ) -> InferenceSecret:
        """Replace the credentials of a secret and return it."""
    def delete(self, name: str) -> None:
        """Delete a secret, immediately and permanently."""

class Tasks:
    """`client.tasks`: the tasks that writes return. Waits read them by themselves."""
    def list(
        self,
        *,
        state: str | None = None,
        task_type: str | None = None,
        is_acknowledged: bool | None = None,
        page_size: int = ...,
    ) -> Listing[Task]:
        """Return an iterator over the tasks, the newest first.

        Args:
            state: NEW, RUNNING, FINISHED or ERROR; None for all.
            task_type: such as `create_inference_instance`.
            is_acknowledged: None for both.
            page_size: rows for each request, 1 to 1000.
        """
    def get(self, id: str) -> Task:
        """Return one task. Raises `NotFoundError` if it does not exist."""
    def acknowledge(self, id: str) -> Task:
        """Mark a task as read and return it."""
    def acknowledge_all(self) -> None:
        """Mark all finished tasks of the project as read."""
