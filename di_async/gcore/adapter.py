"""How waiting reads v2 instances and v3 deployments, and the tasks that change them."""

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeVar

from di_async.core.errors import InvalidInputError
from di_async.core.http import Endpoint, Priority, Request
from di_async.core.pagination import Page, with_rows
from di_async.core.responses import own_id, resource_body
from di_async.core.serving import ConnectOptions, NotServingYetError, ServingTarget
from di_async.core.waiting.observation import Expectation, Observation
from di_async.core.waiting.page_index import RowKey
from di_async.core.waiting.poll_schedule import PAGE_SIZE
from di_async.core.waiting.resource_adapter import CallRecord, ResourceAdapter
from di_async.core.waiting.resume_token import ResourceRef
from di_async.engine.engine import Engine
from di_async.gcore.api import TASK, in_region, read_page
from di_async.gcore.desired_state import stored_state
from di_async.gcore.lifecycle import duration_key, observe, observe_row, observe_task, row_key
from di_async.gcore.models import CODEC, Inference, Task

__all__ = ["InferenceAdapter", "check_connect"]

R = TypeVar("R", bound=Inference)


class InferenceAdapter(ResourceAdapter[R]):
    """How waiting reads instances or deployments, and the tasks that change them."""

    provider = "gcore"
    default_timeout = 7200.0
    endpoints: Mapping[str, Endpoint]
    id_field: str
    """The field whose value is the id; list pages copy it to `id`."""

    def __init__(self, engine: Engine, base_url: str, project: str | None = None) -> None:
        self.engine = engine
        self.base_url = base_url
        self.scope = project

    def request(
        self, endpoint: str, *ids: str, params: Mapping[str, Any] | None = None, json: Any = None
    ) -> Request:
        """Return a request to one of the endpoints."""
        return self.endpoints[endpoint].request(*ids, params=params, json=json)

    async def get(self, ref: ResourceRef, priority: Priority, call: CallRecord) -> Any:
        """GET a resource or a task once."""
        if ref.kind == "task":
            read_task = partial(_task, id=ref.id)
            return await self.engine.json_once(TASK.request(ref.id), read_task, priority, call)
        read = partial(self.decode, id=ref.id)
        return await self.engine.json_once(self.request("get", ref.id), read, priority, call)

    async def list_page(self, number: int, call: CallRecord, region: str | None = None) -> Page:
        """GET a list page, with only the rows of a region."""

        async def fetch(params: Mapping[str, Any]) -> Any:
            request = self.request("list", params=params)
            rows = partial(with_rows, key="results")
            return await self.engine.json_once(request, rows, Priority.SCHEDULED, call)

        return in_region(await read_page(fetch, number, PAGE_SIZE, key=self.id_field), region)

    def row_key(self, row: Any) -> RowKey:
        """Return a list row's id and fingerprint."""
        return row_key(row)

    def decode_row(self, row: Any) -> R:
        """Return the resource in a JSON object."""
        found: R = CODEC.structure(row, self.resource_type)
        return found

    def decode(self, body: Any, id: str | None = None) -> R:
        """Return the resource in an answer: the one of this id, or any for None."""
        found = self.decode_row(resource_body(body, self.id_field))
        own_id(getattr(found, self.id_field), id)
        return found

    def observe(self, resource: Any, expectation: Expectation) -> Observation:
        """Return what a read of a resource or a task shows."""
        if isinstance(resource, Task):
            return observe_task(resource)
        return observe(resource, expectation)

    def reads_sent(self, sent: str) -> bool:
        """Return whether this is the desired state of a write."""
        return stored_state(sent) is not None

    def observe_row(self, resource: R, row: Any, expectation: Expectation) -> Observation:
        """Return what a list row shows."""
        return observe_row(resource, row, expectation)

    def check_connect(self, options: ConnectOptions) -> None:
        """Check what is passed to `connect`."""
        check_connect(options)

    def check_serving(self, resource: R) -> None:
        """Check that a resource is not stopped."""
        if resource.status == "DISABLED":
            raise InvalidInputError(f"{resource.name} is stopped; start it before you connect")

    async def serving_target(self, resource: R, options: ConnectOptions) -> ServingTarget:
        """Return the address of a resource, with the caller's key. No request is sent.

        Raises:
            InvalidInputError: its key was not passed.
            NotServingYetError: it has no address yet.
        """
        if not resource.address:
            raise NotServingYetError(
                f"{resource.name} has no address yet (status {resource.status})"
            )
        if options.access_token is None and resource.auth_enabled is not False:
            raise InvalidInputError(
                f"the API shows no key of {resource.name}; pass access_token=, the secret of one "
                "of its `api_keys`"
            )
        asleep = resource.status == "PENDING"
        return ServingTarget(
            url=resource.address,
            access_token=options.access_token,
            note="it is scaled to zero; the first probe wakes it" if asleep else None,
        )

    def duration_key(self, resource: R) -> tuple[str, str]:
        """Return regions and flavor."""
        return duration_key(resource)


def _task(body: Any, id: str) -> Task:
    """Return the task in an answer, which must have this id."""
    task = CODEC.structure(resource_body(body, "id"), Task)
    own_id(task.id, id)
    return task


def check_connect(options: ConnectOptions) -> None:
    """Check what is passed to `connect`. Raises `InvalidInputError`."""
    if options.private:
        raise InvalidInputError("private: Gcore has no private endpoints")
    if options.mint_token is not None:
        raise InvalidInputError(
            "mint_token: a key opens a Gcore deployment only if its spec names it; create one with "
            "`client.api_keys`, name it in `api_keys`, and pass it as access_token="
        )
