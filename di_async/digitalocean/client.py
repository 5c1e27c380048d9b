"""The DigitalOcean client: thirteen endpoints, and writes that can be awaited.

https://docs.digitalocean.com/reference/api/reference/dedicated-inference/
"""

import builtins
import ssl as ssl_module
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import aiohttp

from di_async.core.errors import InvalidInputError, NotFoundError
from di_async.core.http import Priority
from di_async.core.pagination import Page, read_page, rows_under
from di_async.core.protocols import Transport
from di_async.core.rate_limit import RequestBudget
from di_async.core.retry import RetryPolicy
from di_async.core.secret import Secret
from di_async.core.waiting.observation import Expectation, Observation
from di_async.core.waiting.page_index import RowKey
from di_async.core.waiting.poll_policy import PollPolicy
from di_async.core.waiting.poll_schedule import PAGE_SIZE
from di_async.core.waiting.resource_adapter import CallRecord, Capabilities, ResourceAdapter
from di_async.core.waiting.resume_token import ResourceRef
from di_async.digitalocean.dialect import DigitalOceanDialect
from di_async.digitalocean.endpoints import ENDPOINTS
from di_async.digitalocean.lifecycle import duration_key, observe, row_key
from di_async.digitalocean.list_rows import read_summaries
from di_async.digitalocean.merge import merged_spec, scaled_spec
from di_async.digitalocean.models import (
    CODEC,
    Accelerator,
    AccessToken,
    CACertificate,
    DedicatedInference,
    GPUModelConfig,
    Sizes,
    read_ca,
)
from di_async.digitalocean.spec import SpecLike, complete_spec, spec_fields
from di_async.digitalocean.writes import Writes, unwrap
from di_async.engine.client import Client, Engine, credential
from di_async.engine.listing import Listing
from di_async.engine.resource_api import ResourceApi
from di_async.engine.transport import checked_base_url
from di_async.engine.waiting.change import DEFAULT, Change, Default

if TYPE_CHECKING:
    from di_async.core.inventory import Prices
    from di_async.digitalocean.scanning import DigitalOceanScanner

__all__ = ["DedicatedInferences", "DigitalOcean"]

T = TypeVar("T")
BASE_URL = "https://api.digitalocean.com"


class DigitalOcean(Client):
    """A client of one DigitalOcean token.

    Args:
        token: the API token; else DIGITALOCEAN_TOKEN, then DIGITALOCEAN_ACCESS_TOKEN.
        base_url: https, or http on this machine's loopback.
        retry: how often one call is sent.
        polling: how closely waits are followed.
        budget: the token's request quota. Give several clients of one token the same object;
            without one each makes its own; None paces by nothing but `polling`.
        request_timeout: seconds for one request.
        max_connections: at most this many at a time.
        proxy: its URL; not given, the environment's (looked up once, on entering).
        ssl: a TLS context.
        secrets_key: under which key provider tokens are sent: "access_tokens" as documented, or
            "secrets" as the vendor's own Go client does.
        user_agent: comes before ours.
        session: an aiohttp session of yours; it stays open, and brings its own TLS and tracing.
        trace_configs: aiohttp trace configs for the client's own session.
        transport: a stand-in for the network, for tests.

    Raises:
        InvalidInputError: (a `ValueError`) no token, a base URL that would send it in the clear,
            or settings that exclude each other.
    """

    provider = "digitalocean"
    dedicated_inferences: "DedicatedInferences"

    def __init__(
        self,
        token: str | Secret | None = None,
        *,
        base_url: str = BASE_URL,
        retry: RetryPolicy | None = None,
        polling: PollPolicy | None = None,
        budget: RequestBudget | Default | None = DEFAULT,
        request_timeout: float = 30.0,
        max_connections: int = 100,
        proxy: str | None = None,
        ssl: ssl_module.SSLContext | bool | None = None,
        secrets_key: Literal["access_tokens", "secrets"] = "access_tokens",
        user_agent: str | None = None,
        session: aiohttp.ClientSession | None = None,
        trace_configs: Sequence[aiohttp.TraceConfig] = (),
        transport: Transport | None = None,
    ) -> None:
        secret = credential(
            token, "DigitalOcean token", "DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN"
        )
        base_url = checked_base_url(base_url)
        if secrets_key not in {"access_tokens", "secrets"}:
            raise InvalidInputError("secrets_key is 'access_tokens' or 'secrets'")
        engine = Engine.make(
            base_url,
            DigitalOceanDialect(secret),
            retry=retry,
            polling=polling,
            budget=RequestBudget() if budget is DEFAULT else budget,
            request_timeout=request_timeout,
            max_connections=max_connections,
            proxy=proxy,
            ssl=ssl,
            user_agent=user_agent,
            session=session,
            trace_configs=trace_configs,
            transport=transport,
        )
        super().__init__(base_url, engine)
        self.dedicated_inferences = DedicatedInferences(engine, base_url, secrets_key)

    def scanner(self, label: str, prices: "Prices") -> "DigitalOceanScanner":
        """How `scan` reads this account. No I/O."""
        from di_async.digitalocean.scanning import DigitalOceanScanner  # for those who scan

        api = self.dedicated_inferences
        return DigitalOceanScanner(partial(_listing, self._engine, "list"), api, label, prices)


def _row(row: Any) -> DedicatedInference:
    return CODEC.structure(row, DedicatedInference)


def _listing(
    engine: Engine,
    name: str,
    read: Callable[[Any], T],
    ids: tuple[str, ...] = (),
    params: Mapping[str, Any] = {},
    page_size: int = 200,
    fits: Callable[[T], bool] | None = None,
    body: Callable[[bytes], Page] | None = None,
) -> Listing[T]:
    """The rows of a list endpoint, each read by `read`, pages by `body` if they are not plain."""
    if not 1 <= page_size <= 200:
        raise InvalidInputError("page_size is 1 to 200")
    endpoint = ENDPOINTS[name]
    endpoint.request(*ids)  # a bad id is told here, not at the first row

    async def fetch(page: int) -> Page:
        asked = {**params, "page": page, "per_page": page_size}
        told = await engine.json(endpoint.request(*ids, params=asked), decode=body)
        return told if body is not None else read_page(told, str(endpoint.key))

    return Listing(fetch, read, page_size, fits)


class DedicatedInferenceAdapter(ResourceAdapter[DedicatedInference]):
    """How waiting reads dedicated inference instances."""

    provider, noun, kind = "digitalocean", "dedicated inference", "dedicated-inference"
    resource_type = DedicatedInference
    by_region = True
    capabilities = Capabilities(
        unique_names=True,
        spec_versions=True,
        updated_at=True,
        shows_sent=True,
        busy_status=403,
    )

    def __init__(self, engine: Engine, base_url: str) -> None:
        self._engine = engine
        self.base_url = base_url

    async def get(
        self, ref: ResourceRef, priority: Priority, call: CallRecord
    ) -> DedicatedInference:
        """GET an instance once."""
        body = await self._engine.json_once(ENDPOINTS["get"].request(ref.id), priority, call)
        return CODEC.structure(unwrap(body, "dedicated_inference"), DedicatedInference)

    async def list_page(self, number: int, call: CallRecord, region: str | None = None) -> Page:
        """GET a list page once; its rows are summaries."""
        params = {"region": region, "page": number, "per_page": PAGE_SIZE}
        request = ENDPOINTS["list"].request(params=params)
        page: Page = await self._engine.json_once(request, Priority.SWEEP, call, read_summaries)
        return page

    def row_key(self, row: Any) -> RowKey:
        """Return a row's id and fingerprint."""
        return row_key(row)

    def decode_row(self, row: Any) -> DedicatedInference:
        """Return a full list row as an instance."""
        return _row(row)

    def observe(self, resource: DedicatedInference, expectation: Expectation) -> Observation:
        """Return what a read shows."""
        return observe(resource, expectation)

    def duration_key(self, resource: DedicatedInference) -> tuple[str, str]:
        """Return region and first GPU."""
        return duration_key(resource)


class DedicatedInferences(ResourceApi[DedicatedInference]):
    """Dedicated inference instances: `client.dedicated_inferences`."""

    def __init__(self, engine: Engine, base_url: str, secrets_key: str) -> None:
        adapter = DedicatedInferenceAdapter(engine, base_url)
        super().__init__(engine, adapter, ENDPOINTS["get"].request)
        self._writes = Writes(engine, adapter, secrets_key, get=self.get, find=self._find_all)

    # -- instances ----------------------------------------------------------------------------

    def list(
        self, *, region: str | None = None, name: str | None = None, page_size: int = 200
    ) -> Listing[DedicatedInference]:
        """An async iterator over all instances of the team, page by page at once, in order.

        Rows may be light (no spec). `name` is exact. See `Listing.drifted`.
        """
        fits = None if name is None else lambda di: di.name in (None, name)
        params = {"region": region, "name": name}
        return _listing(self._engine, "list", _row, (), params, page_size, fits)

    async def get(self, id: str) -> DedicatedInference:
        """One instance. Raises `NotFoundError` where there is none."""
        body = await self._engine.json(ENDPOINTS["get"].request(id))
        return CODEC.structure(unwrap(body, "dedicated_inference"), DedicatedInference)

    async def find(self, name: str) -> DedicatedInference | None:
        """The instance of that name, in full; None where there is none."""
        found = await self._find_all(name)
        return found[0] if found else None

    async def create(
        self, spec: SpecLike, *, access_tokens: Mapping[str, str | Secret] | None = None
    ) -> Change[DedicatedInference]:
        """A change that settles when the new instance is proven active.

        `.access_token.value.reveal()` is the endpoint's token, shown by the API this once.
        A lost answer is settled by looking the unique name up; see `.adopted`.

        Args:
            spec: a `DedicatedInferenceSpec` or a mapping of the documented shape.
            access_tokens: provider tokens, such as `{"hugging_face_token": "hf_..."}`.

        Raises:
            InvalidInputError: the spec breaks a rule; nothing was sent.
            ConflictError: the name is taken.
            OutcomeUnknownError: an instance may exist, and bill, that could not be found.

        Cancelling while the request is in flight may leave an instance that bills; the
        `CancelledError` carries a note with its name.
        """
        return await self._writes.create(complete_spec(spec), access_tokens)

    async def update(
        self,
        id: str,
        *,
        spec: SpecLike | None = None,
        access_tokens: Mapping[str, str | Secret] | None = None,
        ready_timeout: float = 0,
    ) -> Change[DedicatedInference]:
        """A change that settles when this very update is proven active.

        Version, immutable fields and `model_id` are filled in from the live instance; a mapping
        may name only what changes.

        Args:
            id: the instance.
            spec: what it shall be.
            access_tokens: `hugging_face_token` replaces the stored one; left out keeps it.
            ready_timeout: seconds to go on asking while the API answers 403, which it does (also)
                while an earlier change is under way.

        Raises:
            InvalidInputError: a rule is broken or an immutable field would change; nothing sent.
            ConflictError: somebody else's update came first.
            OutcomeUnknownError: the update may have been accepted.
        """
        if spec is None and not access_tokens:
            raise InvalidInputError("nothing to update: give spec= or access_tokens=")
        fields = None if spec is None else spec_fields(spec)
        return await self._writes.update(
            id,
            lambda live: None if fields is None else merged_spec(live, fields),
            access_tokens,
            ready_timeout,
        )

    async def scale(
        self,
        id: str,
        replicas: int,
        *,
        model: str | None = None,
        accelerator_slug: str | None = None,
        type: str | None = None,
        ready_timeout: float = 0,
    ) -> Change[DedicatedInference]:
        """A change that settles when one accelerator entry runs at `replicas` (1 or more).

        Raises:
            InvalidInputError: nothing, or more than one entry, fits; the choices are listed.
        """
        return await self._writes.update(
            id,
            lambda live: scaled_spec(
                live, replicas, model=model, accelerator_slug=accelerator_slug, type=type
            ),
            None,
            ready_timeout,
        )

    async def delete(self, id: str) -> Change[None]:
        """A change that settles when GET answers 404. It bills until then.

        What is not there gives a settled change with `.already_gone`: with the token of another
        team that would be so too, and the instance would go on billing.
        """
        return await self._writes.delete(id)

    # -- accelerators, tokens, CA -------------------------------------------------------------

    def list_accelerators(
        self, id: str, *, slug: str | None = None, page_size: int = 200
    ) -> Listing[Accelerator]:
        """An async iterator over an instance's accelerators, all or of one GPU slug."""
        read = partial(CODEC.structure, into=Accelerator)
        params = {"slug": slug}
        return _listing(self._engine, "list_accelerators", read, (id,), params, page_size)

    async def get_accelerator(self, id: str, accelerator_id: str) -> Accelerator:
        """One accelerator of an instance."""
        body = await self._engine.json(ENDPOINTS["get_accelerator"].request(id, accelerator_id))
        wrapped = isinstance(body, Mapping) and isinstance(body.get("accelerator"), Mapping)
        return CODEC.structure(body["accelerator"] if wrapped else body, Accelerator)

    def list_tokens(self, id: str, *, page_size: int = 200) -> Listing[AccessToken]:
        """An async iterator over an instance's endpoint tokens; their values are not shown."""
        read = partial(CODEC.structure, into=AccessToken)
        return _listing(self._engine, "list_tokens", read, (id,), {}, page_size)

    async def create_token(self, id: str, name: str) -> AccessToken:
        """A new endpoint token with its value, which the API shows this once.

        Raises:
            OutcomeUnknownError: the answer was lost; `.candidates` are the tokens of that name.
        """
        return await self._writes.create_token(id, name, self.list_tokens)

    async def revoke_token(self, id: str, token_id: str) -> None:
        """Revoke an endpoint token, at once and for good."""
        call = CallRecord()
        try:
            await self._engine.json(ENDPOINTS["revoke_token"].request(id, token_id), call)
        except NotFoundError:
            if call.maybe_processed <= 1:
                raise  # otherwise an earlier send of ours did it and its answer was lost

    async def ca_certificate(self, id: str) -> CACertificate:
        """The CA behind the private endpoint: `.pem` and `.ssl_context()`."""
        return read_ca(await self._engine.json(ENDPOINTS["ca_certificate"].request(id)))

    # -- what there is to choose from ---------------------------------------------------------

    async def sizes(self) -> Sizes:
        """GPU sizes with their prices (Decimal, per hour), and the regions enabled."""
        return CODEC.structure(await self._engine.json(ENDPOINTS["sizes"].request()), Sizes)

    async def gpu_model_configs(self) -> builtins.list[GPUModelConfig]:
        """Which models run on which GPUs, and which of them are gated."""
        body = await self._engine.json(ENDPOINTS["gpu_model_configs"].request())
        rows = rows_under(body, "gpu_model_configs")
        return [CODEC.structure(row, GPUModelConfig) for row in rows]

    # -- how -----------------------------------------------------------------------------------

    async def _find_all(self, name: str) -> builtins.list[DedicatedInference]:
        """All instances of a name, in full. A row that does not show its name is looked into."""
        found = []
        async for row in self.list(name=name):
            try:
                instance = await self.get(row.id)
            except NotFoundError:
                continue  # it went between the list and this
            if name in (instance.name, row.name):
                found.append(instance)
        return found
