"""How waiting reads the resources of a zone, and the operations that change them."""

from collections.abc import Sequence
from functools import partial
from typing import Any, TypeVar

from attrs import evolve
from msgspec.structs import replace

from di_async.core.errors import DecodeError, InvalidInputError
from di_async.core.http import Priority
from di_async.core.pagination import Page, rows_under
from di_async.core.secret import Secret
from di_async.core.serving import ConnectOptions, NotServingYetError, ServingTarget
from di_async.core.waiting.observation import Expectation, Observation, Phase
from di_async.core.waiting.page_index import RowKey
from di_async.core.waiting.resource_adapter import CallRecord, Capabilities, ResourceAdapter
from di_async.core.waiting.resume_token import ResourceRef
from di_async.exoscale.api import ENDPOINTS
from di_async.exoscale.lifecycle import (
    duration_key,
    is_public,
    observe,
    observe_model,
    observe_operation,
    observe_row,
    read_sent,
    row_key,
)
from di_async.exoscale.models import (
    CODEC,
    AIAPIKey,
    Deployment,
    LogEntry,
    Model,
    Operation,
    RevealedKey,
)
from di_async.exoscale.zone_requests import ZoneRequests, decode_with_id, read_list

__all__ = ["CAPABILITIES", "OPERATION", "ZoneAdapter", "check_connect", "reveal_api_key"]

R = TypeVar("R", bound=Deployment | Model | AIAPIKey)

OPERATION = "operation"
_KINDS: dict[type, str] = {Deployment: "deployment", Model: "model", AIAPIKey: "ai_api_key"}
CAPABILITIES = Capabilities(
    unique_names=False,
    spec_versions=False,
    updated_at=True,
    shows_sent=True,
    busy_status=409,
    operations=(OPERATION,),
)
"""What Exoscale's API promises."""


class ZoneAdapter(ResourceAdapter[R]):
    """How the poller reads one type of resource in one zone, and its operations."""

    provider = "exoscale"

    def __init__(
        self, requests: ZoneRequests, resource_type: type[R], capabilities: Capabilities
    ) -> None:
        self.resource_type = resource_type
        self.kind = _KINDS[resource_type]
        self.noun = self.kind.replace("_", " ")
        self.capabilities = capabilities
        self.base_url = requests.base_url
        self.scope = requests.zone
        self._requests = requests

    async def get(self, ref: ResourceRef, priority: Priority, call: CallRecord) -> Any:
        """GET a resource or an operation once."""
        into: Any = Operation if ref.kind == OPERATION else self.resource_type
        request = self._requests.request(f"get_{ref.kind}", ref.id)
        read = partial(decode_with_id, id=ref.id, into=into)
        return await self._requests.engine.json_once(request, read, priority, call)

    async def list_page(self, number: int, call: CallRecord, region: str | None = None) -> Page:
        """GET the list once; it has one page."""
        name = f"list_{self.kind}s"
        request = self._requests.request(name)
        read = partial(read_list, key=str(ENDPOINTS[name].key))
        page = await self._requests.engine.json_once(request, read, Priority.SCHEDULED, call)
        return replace(page, rows=tuple(row for row in page.rows if not is_public(row)))

    def row_key(self, row: Any) -> RowKey:
        """Return a row's id and fingerprint."""
        return row_key(row)

    def decode_row(self, row: Any) -> R:
        """Return a list row as a resource."""
        found: R = CODEC.structure(row, self.resource_type)
        return found

    def observe(self, resource: Any, expectation: Expectation) -> Observation:
        """Return what a read of a resource or an operation shows."""
        if isinstance(resource, Operation):
            return observe_operation(resource)
        if isinstance(resource, Model):
            return observe_model(resource)
        if isinstance(resource, AIAPIKey):
            return Observation(status=resource.state, phase=Phase.READY)
        return observe(resource, expectation)

    def reads_sent(self, sent: str) -> bool:
        """Return whether this is what `lifecycle` stores of a write."""
        return read_sent(sent) is not None

    def observe_row(self, resource: R, row: Any, expectation: Expectation) -> Observation:
        """Return what a list row shows."""
        if isinstance(resource, Deployment):
            return observe_row(resource, row, expectation)
        seen = self.observe(resource, expectation)
        return seen if resource.state else evolve(seen, phase=Phase.READY, partial=True)

    def check_connect(self, options: ConnectOptions) -> None:
        """Check what is passed to `connect`; only deployments have endpoints."""
        if self.kind != "deployment":
            super().check_connect(options)
        check_connect(options)

    def check_serving(self, resource: Any) -> None:
        """Check that a deployment has replicas."""
        if resource.replicas == 0:
            raise InvalidInputError(
                f"{resource.name} has 0 replicas, so nothing answers; scale {resource.id} to 1 "
                "first"
            )

    async def serving_target(self, resource: Any, options: ConnectOptions) -> ServingTarget:
        """Return the URL of a ready deployment, with its key.

        Raises:
            NotServingYetError: it has no URL yet.
        """
        if not resource.deployment_url:
            raise NotServingYetError(f"{resource.name} has no deployment-url yet")
        key = options.access_token or await reveal_api_key(self._requests, resource.id)
        return ServingTarget(url=resource.deployment_url, access_token=key)

    async def recent_logs(self, id: str, lines: int, call: CallRecord) -> Sequence[str]:
        """Return the last lines of a deployment's log, the oldest first; models have none."""
        if self.kind != "deployment":
            return ()
        request = self._requests.request("logs", id, params={"tail": lines})

        def read(body: Any) -> list[str]:
            rows = rows_under(body, key=str(ENDPOINTS["logs"].key))
            return [CODEC.structure(row, LogEntry).text for row in rows]

        return await self._requests.engine.json_once(request, read, Priority.READ, call)

    def duration_key(self, resource: R) -> tuple[str, str]:
        """Return zone and GPU family."""
        zone = self._requests.zone
        return duration_key(zone, resource) if isinstance(resource, Deployment) else (zone, "")


def check_connect(options: ConnectOptions) -> None:
    """Check what is passed to `connect`. Raises `InvalidInputError`."""
    if options.private:
        raise InvalidInputError("private: Exoscale has no private endpoints")
    if options.mint_token is not None:
        raise InvalidInputError(
            "mint_token: Exoscale reveals the key of a deployment; leave it out, or pass "
            "access_token="
        )


async def reveal_api_key(requests: ZoneRequests, id: str) -> Secret:
    """Return the API key of a deployment's inference endpoint."""

    def read(body: Any) -> Secret:
        key = CODEC.structure(body, RevealedKey).api_key
        if key is None:
            raise DecodeError("the answer has no 'api-key' @ $", transient=True)
        return key

    return await requests.json("reveal_api_key", read, id)
