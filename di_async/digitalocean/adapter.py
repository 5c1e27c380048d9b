"""How waiting reads dedicated inference instances."""

from functools import partial
from typing import Any

from di_async.core.errors import InvalidInputError
from di_async.core.http import Priority
from di_async.core.pagination import Page
from di_async.core.responses import own_id
from di_async.core.serving import ConnectOptions, ServingTarget
from di_async.core.waiting.observation import Expectation, Observation
from di_async.core.waiting.page_index import RowKey
from di_async.core.waiting.poll_schedule import PAGE_SIZE
from di_async.core.waiting.resource_adapter import CallRecord, Capabilities, ResourceAdapter
from di_async.core.waiting.resume_token import ResourceRef
from di_async.digitalocean.api import ENDPOINTS, RESERVED, any_page, unwrap
from di_async.digitalocean.lifecycle import duration_key, observe, observe_row, row_key
from di_async.digitalocean.models import CODEC, DedicatedInference
from di_async.digitalocean.row_summaries import read_summaries
from di_async.digitalocean.serving import ca_certificate, create_token
from di_async.digitalocean.spec import check_name
from di_async.engine.engine import Engine

__all__ = ["DedicatedInferenceAdapter", "read_instance"]


class DedicatedInferenceAdapter(ResourceAdapter[DedicatedInference]):
    """How waiting reads dedicated inference instances."""

    provider, noun, kind = "digitalocean", "dedicated inference", "dedicated-inference"
    resource_type = DedicatedInference
    by_region = True
    reasons_may_quote = False  # they are written by `lifecycle`
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
        request, read = ENDPOINTS["get"].request(ref.id), partial(read_instance, id=ref.id)
        return await self._engine.json_once(request, read, priority, call)

    async def list_page(self, number: int, call: CallRecord, region: str | None = None) -> Page:
        """GET a list page once; its rows are summaries."""
        params = {"region": region, "page": number, "per_page": PAGE_SIZE}
        request = ENDPOINTS["list"].request(params=params)
        return await self._engine.json_once(
            request, any_page, Priority.SCHEDULED, call, read_summaries
        )

    def row_key(self, row: Any) -> RowKey:
        """Return a row's id and fingerprint."""
        return row_key(row)

    def decode_row(self, row: Any) -> DedicatedInference:
        """Return a full list row as an instance."""
        return CODEC.structure(row, DedicatedInference)

    def observe(self, resource: DedicatedInference, expectation: Expectation) -> Observation:
        """Return what a read shows."""
        return observe(resource, expectation)

    def observe_row(
        self, resource: DedicatedInference, row: Any, expectation: Expectation
    ) -> Observation:
        """Return what a list row shows."""
        return observe_row(resource, row, expectation)

    def check_connect(self, options: ConnectOptions) -> None:
        """Check that a key is known, or can be created.

        Raises:
            InvalidInputError: neither.
        """
        if options.mint_token is not None:
            check_name(options.mint_token)
        elif options.access_token is None:
            raise InvalidInputError(
                "the endpoint's token is not known, as only the create's answer shows it; pass "
                "access_token=, or mint_token=NAME to create another"
            )

    async def serving_target(
        self, resource: DedicatedInference, options: ConnectOptions
    ) -> ServingTarget:
        """Return an active instance's endpoint; create the token of `mint_token`, read the CA.

        Raises:
            InvalidInputError: it has no such endpoint.
        """
        at, id = resource.endpoints, resource.id
        host = at and (at.private_endpoint_fqdn if options.private else at.public_endpoint_fqdn)
        if not host:
            kind, other = ("private", "out") if options.private else ("public", "")
            raise InvalidInputError(
                f"{resource.name or id} has no {kind} endpoint; connect with{other} private=True"
            )
        ca = (await ca_certificate(self._engine, id)).pem if options.private else None
        key = options.access_token
        if options.mint_token is not None:
            key = (await create_token(self._engine, id, options.mint_token)).value
        return ServingTarget(url=host, access_token=key, ca_pem=ca)

    def duration_key(self, resource: DedicatedInference) -> tuple[str, str]:
        """Return region and first GPU."""
        return duration_key(resource)


def read_instance(body: Any, id: str | None = None) -> DedicatedInference:
    """Return the instance in an answer: the one of this id, or any for None."""
    found = CODEC.structure(unwrap(body, "dedicated_inference"), DedicatedInference)
    own_id(found.id, id, RESERVED)
    return found
