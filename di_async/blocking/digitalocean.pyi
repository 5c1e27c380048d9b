"""Types of `di_async.blocking.digitalocean`; written by `.ci/stubs.py`."""

import aiohttp
import builtins
import ssl as ssl_module
from collections.abc import Sequence
from datetime import datetime
from di_async.blocking.engine import Change, Client, DeployableApi, Ensured, Listing, ResourceApi
from di_async.core.pricing import HourlyPrice, MaxHourly, Placement
from di_async.core.protocols import Transport
from di_async.core.rate_limit import RequestBudget
from di_async.core.retry import RetryPolicy
from di_async.core.secret import Secret
from di_async.core.waiting.poll_policy import PollPolicy
from di_async.digitalocean.custom_models import CustomModel, ModelSource
from di_async.digitalocean.dedicated_inferences import AccessTokens
from di_async.digitalocean.model_catalog import CatalogModel
from di_async.digitalocean.models import (
    Accelerator,
    AcceleratorConfig,
    AccessToken,
    CACertificate,
    DedicatedInference,
    DeploymentSpec,
    Disk,
    Endpoints,
    GPU,
    GPUModelConfig,
    ModelDeployment,
    Size,
    SizeCategory,
    Sizes,
    VPC,
)
from di_async.digitalocean.spec import DedicatedInferenceSpec, SpecLike
from di_async.engine.hooks import EventCallback
from di_async.engine.observer import Observer
from di_async.engine.waiting.change import Default
from typing import Literal

__all__ = [
    "Accelerator",
    "AcceleratorConfig",
    "AccessToken",
    "CACertificate",
    "CatalogModel",
    "CustomModel",
    "CustomModels",
    "DedicatedInference",
    "DedicatedInferenceSpec",
    "DedicatedInferences",
    "DeploymentSpec",
    "DigitalOcean",
    "Disk",
    "Endpoints",
    "GPU",
    "GPUModelConfig",
    "ModelDeployment",
    "ModelSource",
    "Size",
    "SizeCategory",
    "Sizes",
    "VPC",
]


class CustomModels(ResourceApi[CustomModel]):
    """`client.custom_models`: models that the team has imported."""
    def list(self, *, status: str | None = None, page_size: int = 200) -> Listing[CustomModel]:
        """Return an iterator over the team's models.

        Args:
            status: `importing`, `ready` or `failed`; None for all.
            page_size: rows for each request, 1 to 200.
        """
    def get(self, id: str) -> CustomModel:
        """Return one model. Raises `NotFoundError` if it does not exist, or is deleted."""
    def import_model(
        self,
        name: str,
        *,
        source: ModelSource,
        description: str | None = None,
        tags: Sequence[str] = (),
        hf_token: str | Secret | None = None,
        preferred_gpu_region: str | None = None,
        accept_terms_and_conditions: bool = True,
    ) -> Change[CustomModel]:
        """Import a model and return a change that settles when it is `ready`.

        Args:
            name: for people.
            source: a Hugging Face repository (`repo_id`), or a Spaces bucket.
            description: free text.
            tags: free texts.
            hf_token: for a private or gated repository.
            preferred_gpu_region: where it will be deployed.
            accept_terms_and_conditions: the vendor's, for importing models.

        Raises:
            InvalidInputError: the source names neither a repository nor a bucket, or `tags` is
                not a list.
            OutcomeUnknownError: the response was lost; `.candidates` are the models of that name.
        """
    def update_metadata(
        self,
        id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        tags: Sequence[str] | None = None,
        license: str | None = None,
        parameters: str | None = None,
    ) -> CustomModel:
        """Change a model's metadata and return the model. Fields that are None stay unchanged.

        Raises:
            InvalidInputError: nothing is given, or `tags` is not a list.
        """
    def delete(self, id: str) -> Change[None]:
        """Delete a model; return a change that settles when GET answers 404 or shows `deleted`."""

class DedicatedInferences(DeployableApi[DedicatedInference]):
    """Dedicated inference instances: `client.dedicated_inferences`."""
    def list(
        self,
        *,
        region: str | None = None,
        name: str | None = None,
        page_size: int = 200,
    ) -> Listing[DedicatedInference]:
        """Return an iterator over all instances of the team, in order.

        Pages are read concurrently. Rows may lack the spec. `name` is exact. See
        `Listing.drifted`.
        """
    def get(self, id: str) -> DedicatedInference:
        """Return one instance. Raises `NotFoundError` if it does not exist."""
    def find(self, name: str) -> DedicatedInference | None:
        """Return the instance of that name, with its spec; None if there is none.

        If it was created less than two minutes ago, the spec may be missing: GET may lag.
        """
    def create(
        self,
        spec: SpecLike,
        *,
        access_tokens: AccessTokens = None,
        max_hourly: MaxHourly | None = None,
        allow_unknown_price: bool = False,
        name_timeout: float = 0,
        first_attempt_at: datetime | None = None,
    ) -> Change[DedicatedInference]:
        """Create an instance and return a change that settles when it is proven active.

        `.access_token.value.reveal()` is the endpoint's token, which the API shows only once.
        If the response is lost, the unique name is looked up; see `.adopted`.

        Args:
            spec: a `DedicatedInferenceSpec` or a mapping of the documented shape.
            access_tokens: provider tokens, such as `{"hugging_face_token": "hf_..."}`.
            max_hourly: the most that it may cost an hour: an amount, or one for each currency.
            allow_unknown_price: create it even if its price is not known.
            name_timeout: seconds to keep trying while the name is taken by an instance that is
                being deleted, or was until a moment ago. 0 tries once.
            first_attempt_at: when an earlier call, such as an earlier try of a task, may have sent
                this create: an aware datetime. An instance created since then is adopted.

        Raises:
            InvalidInputError: the spec breaks a rule; no request was sent.
            PriceLimitError: it costs more than `max_hourly`; nothing was created.
            ConflictError: the name is taken.
            OutcomeUnknownError: an instance may exist, and bill, that could not be found.

        A call that is cut off in flight (by Ctrl-C, or because its client is closed) may leave an instance that
        bills; the error and the log name it.
        """
    def ensure(
        self,
        spec: SpecLike,
        *,
        dry_run: bool = False,
        access_tokens: AccessTokens = None,
        max_hourly: MaxHourly | None = None,
        allow_unknown_price: bool = False,
        name_timeout: float = 0,
    ) -> Ensured[DedicatedInference]:
        """Create the instance of the spec's name, update what differs, or do nothing.

        Two concurrent processes create one instance; after lost responses both may say "created".
        A change in progress that leads to another spec is waited for before the update. `.change`
        of the result settles when the instance is active. Ctrl-C has the effects that `create`
        describes.

        Args:
            spec: see `create`; what a mapping leaves out is not compared.
            dry_run: send no write; `.action` and `.diff` show what would be done.
            access_tokens: sent with a create; they cannot be compared.
            max_hourly: see `create`; it is checked before an update, too.
            allow_unknown_price: see `create`.
            name_timeout: see `create`.

        Raises:
            InvalidInputError: a field differs that cannot change after creation (`.problems`), or
                the spec breaks a rule; nothing was sent.
            PriceLimitError, ConflictError, OutcomeUnknownError: see `create`.
            WaitTimeoutError: the change in progress did not end in time.
        """
    def update(
        self,
        id: str,
        *,
        spec: SpecLike | None = None,
        access_tokens: AccessTokens = None,
        ready_timeout: float = 0,
    ) -> Change[DedicatedInference]:
        """Update an instance and return a change that settles when this update is proven active.

        Version, immutable fields and `model_id` are taken from the live instance; a mapping
        may hold only what changes.

        Args:
            id: the instance.
            spec: the fields to change.
            access_tokens: `hugging_face_token` replaces the stored one; omitted, it is kept.
            ready_timeout: seconds to retry while the API answers 403, which it does (among other
                reasons) while an earlier change is in progress.

        Raises:
            InvalidInputError: nothing is given, a rule is broken or an immutable field would
                change; nothing was updated.
            ConflictError: another update came first.
            OutcomeUnknownError: the update may have been accepted.
        """
    def scale(
        self,
        id: str,
        replicas: int,
        *,
        model: str | None = None,
        accelerator_slug: str | None = None,
        type: str | None = None,
        ready_timeout: float = 0,
    ) -> Change[DedicatedInference]:
        """Scale one accelerator entry and return a change that settles when it is proven active.

        Args:
            id: the instance.
            replicas: 1 or more.
            model: its slug or id; with `accelerator_slug` and `type` it selects the entry.
            accelerator_slug: the entry's GPU.
            type: the entry's type.
            ready_timeout: see `update`.

        Raises:
            InvalidInputError: no entry, or more than one, matches; the message lists them.
            ConflictError, OutcomeUnknownError: see `update`.
        """
    def delete(self, id: str) -> Change[None]:
        """Delete an instance and return a change that settles when GET answers 404.

        It bills until then. If it was not found, the change is settled and `.already_gone` is
        true. A token of another team cannot see the instance either, and it continues to bill.
        """
    def list_accelerators(
        self,
        id: str,
        *,
        slug: str | None = None,
        page_size: int = 200,
    ) -> Listing[Accelerator]:
        """Return an iterator over an instance's accelerators, all or of one GPU slug."""
    def get_accelerator(self, id: str, accelerator_id: str) -> Accelerator:
        """Return one accelerator of an instance."""
    def list_tokens(self, id: str, *, page_size: int = 200) -> Listing[AccessToken]:
        """Return an iterator over an instance's endpoint tokens, without their values."""
    def create_token(self, id: str, name: str) -> AccessToken:
        """Create an endpoint token and return it with its value, which the API shows only once.

        Raises:
            OutcomeUnknownError: the response was lost; `.candidates` are the tokens of that name.
        """
    def revoke_token(self, id: str, token_id: str) -> None:
        """Revoke an endpoint token, immediately and permanently.

        A 404 counts as the success of an earlier attempt whose response was lost only if the list
        does not show the token either.

        Raises:
            NotFoundError: it does not exist.
            OutcomeUnknownError: a repeated DELETE answers 404, but the list shows it.
        """
    def ca_certificate(self, id: str) -> CACertificate:
        """Return the CA behind the private endpoint: `.pem` and `.ssl_context()`."""
    def sizes(self) -> Sizes:
        """Return GPU sizes with their prices (Decimal, per hour), and the enabled regions."""
    def gpu_model_configs(self) -> builtins.list[GPUModelConfig]:
        """Return which models run on which GPUs, and which of them are gated."""
    def hourly_price(self, spec: SpecLike) -> HourlyPrice | None:
        """Return what an instance would cost an hour, by `sizes`; None if a GPU has no price.

        Raises:
            InvalidInputError: the spec breaks a rule.
        """
    def find_capacity(
        self,
        spec: SpecLike,
        *,
        include_full: bool = False,
    ) -> builtins.list[Placement[DedicatedInferenceSpec]]:
        """Return where an instance could run, the cheapest first: `sizes` x `gpu_model_configs`.

        The API shows what is on offer, not what is free, so a create may still fail.

        Args:
            spec: the instance; its region is replaced, and its GPU if it uses one kind.
            include_full: also places where it cannot run, each with its `.reason`.
        """

class DigitalOcean(Client):
    """A client for one DigitalOcean token.

    Args:
        token: the API token. Default: DIGITALOCEAN_TOKEN, then DIGITALOCEAN_ACCESS_TOKEN.
        base_url: https, or http on this machine's loopback. Default: DI_ASYNC_BASE_URL, then
            the vendor's.
        retry: how often one call is sent.
        polling: how closely waits are followed.
        budget: the token's request quota; pass the same object to all clients of one token.
            Default: one for each client. None: no pacing except by `polling`.
        request_timeout: seconds for one request.
        max_connections: the maximum number of concurrent connections.
        proxy: its URL. Default: the environment's, read once when the client is entered.
        ssl: a TLS context.
        secrets_key: the key under which provider tokens are sent: "access_tokens" as documented,
            or "secrets" as the vendor's own Go client does.
        user_agent: sent before the package's own.
        session: your aiohttp session; it is not closed, and uses its own TLS and tracing.
        trace_configs: aiohttp trace configs for the client's own session.
        allow_insecure: allow http to any machine, as DI_ASYNC_ALLOW_HTTP=1 does: for networks that
            you trust.
        transport: a test double for the network.
        on_event: a plain function, called with each `StatusChange` of each wait of this client.
        telemetry: a `di_async.telemetry.Telemetry`: spans and metrics; needs the extra `otel`.

    Raises:
        InvalidInputError: (a `ValueError`) no token, a base URL that would send it unencrypted,
            or settings that exclude each other.
    """
    provider: str
    dedicated_inferences: DedicatedInferences
    custom_models: CustomModels
    def __init__(
        self,
        token: str | Secret | None = None,
        *,
        base_url: str | None = ...,
        retry: RetryPolicy | None = None,
        polling: PollPolicy | None = None,
        budget: RequestBudget | Default | None = ...,
        request_timeout: float = 30.0,
        max_connections: int = 100,
        proxy: str | None = None,
        ssl: ssl_module.SSLContext | bool | None = None,
        secrets_key: Literal["access_tokens", "secrets"] = "access_tokens",
        user_agent: str | None = None,
        trace_configs: Sequence[aiohttp.TraceConfig] = (),
        allow_insecure: bool = False,
        transport: Transport | None = None,
        on_event: EventCallback | None = None,
        telemetry: Observer | None = None,
    ) -> None: ...
    def model_catalog(
        self,
        *,
        availability: str | None = "dedicated",
        search: str | None = None,
    ) -> Listing[CatalogModel]:
        """Return an iterator over DigitalOcean's models.

        Args:
            availability: `dedicated` for those that can be deployed, `serverless`, or None for all.
            search: part of a model's name.
        """
