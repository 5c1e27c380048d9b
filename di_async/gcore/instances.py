"""v2: inference instances, keyed by id, as documented. Writes answer with the instance itself."""

import builtins
import logging
from collections.abc import Mapping
from typing import Any

from di_async.core.errors import InvalidInputError
from di_async.core.http import Priority
from di_async.core.pagination import Page
from di_async.core.validation import checked
from di_async.core.waiting.observation import Action, Expectation, Observation
from di_async.core.waiting.page_index import RowKey
from di_async.core.waiting.poll_schedule import PAGE_SIZE
from di_async.core.waiting.resource_adapter import CallRecord, Capabilities, ResourceAdapter
from di_async.core.waiting.resume_token import ResourceRef
from di_async.engine.client import Engine
from di_async.engine.listing import Listing
from di_async.engine.lost_writes import AcceptedWrite
from di_async.engine.resource_api import ResourceApi
from di_async.engine.waiting.change import Change
from di_async.gcore.create_recovery import create_once
from di_async.gcore.desired_state import desired_state
from di_async.gcore.endpoints import INSTANCES
from di_async.gcore.lifecycle import duration_key, instance_row_key, observe
from di_async.gcore.merge import merged_body, unknown_fields
from di_async.gcore.models import CODEC, InferenceInstance
from di_async.gcore.pages import in_region, read_page, size_of_page
from di_async.gcore.spec import InferenceInstanceSpec, SpecLike, given_fields
from di_async.gcore.writes import PlannedWrite, Writes

__all__ = ["InferenceInstances"]

logger = logging.getLogger("di_async")

CAPABILITIES = Capabilities(unique_names=False, shows_sent=True, busy_status=409)
DEFAULT_TIMEOUT_S = 7200.0


def _row(row: Any) -> InferenceInstance:
    return CODEC.structure(row, InferenceInstance)


def _reply(body: Any) -> AcceptedWrite:
    return _row(body), ()


class InstanceAdapter(ResourceAdapter[InferenceInstance]):
    """How waiting reads v2 instances."""

    provider, noun, kind = "gcore", "inference instance", "inference-instance"
    resource_type = InferenceInstance
    default_timeout = DEFAULT_TIMEOUT_S
    capabilities = CAPABILITIES

    def __init__(self, engine: Engine, base_url: str) -> None:
        self._engine = engine
        self.base_url = base_url

    async def get(
        self, ref: ResourceRef, priority: Priority, call: CallRecord
    ) -> InferenceInstance:
        """GET an instance once."""
        request = INSTANCES["get"].request(ref.id)
        return _row(await self._engine.json_once(request, priority, call))

    async def list_page(self, number: int, call: CallRecord, region: str | None = None) -> Page:
        """GET a list page."""

        async def ask(params: Mapping[str, Any]) -> Any:
            request = INSTANCES["list"].request(params=params)
            return await self._engine.json_once(request, Priority.SWEEP, call)

        return in_region(await read_page(ask, number, PAGE_SIZE), region)

    def row_key(self, row: Any) -> RowKey:
        """Return a row's id and fingerprint."""
        return instance_row_key(row)

    def decode_row(self, row: Any) -> InferenceInstance:
        """Return a list row as a resource."""
        return _row(row)

    def observe(self, resource: InferenceInstance, expectation: Expectation) -> Observation:
        """Return what a read shows."""
        return observe(resource, expectation)

    def duration_key(self, resource: InferenceInstance) -> tuple[str, str]:
        """Return regions and flavour."""
        return duration_key(resource)


class InferenceInstances(ResourceApi[InferenceInstance]):
    """Inference instances (v2): `client.inference_instances`.

    The vendor calls v2 deprecated, in favour of v3. It has no tasks: the status tells all.
    """

    def __init__(self, engine: Engine, base_url: str, project: str | None) -> None:
        self._project = project
        adapter = InstanceAdapter(engine, base_url)
        super().__init__(engine, adapter, INSTANCES["get"].request)
        self._writes = Writes(engine, adapter, self.get, _reply)

    def list(
        self, *, name: str | None = None, page_size: int = PAGE_SIZE
    ) -> Listing[InferenceInstance]:
        """An async iterator over all instances, in order; `name` is exact. Names may repeat."""
        size_of_page(page_size)

        async def fetch(page: int) -> Page:
            async def ask(params: Mapping[str, Any]) -> Any:
                return await self._engine.json(INSTANCES["list"].request(params=params))

            return await read_page(ask, page, page_size)

        predicate = None if name is None else lambda instance: instance.name == name
        return Listing(fetch, _row, page_size, predicate)

    async def get(self, id: str) -> InferenceInstance:
        """One instance. Raises `NotFoundError` where there is none."""
        return _row(await self._raw(id))

    async def create(self, spec: SpecLike) -> Change[InferenceInstance]:
        """A change that settles when the new instance serves, or sleeps (scaled to zero).

        Args:
            spec: an `InferenceInstanceSpec`, or a mapping of the documented shape. Without a
                `project_id` it is made in the client's project, else in the key's default one.

        Raises:
            InvalidInputError: a documented rule is broken (`.problems`); nothing was sent.
            OutcomeUnknownError: the answer was lost. Names are not said to be unique, so nothing
                is adopted or sent again: `.candidates` lists what it may have made.

        Cancelling while the request is in flight may leave an instance that bills; the
        `CancelledError` carries a note with its name.
        """
        body = checked(InferenceInstanceSpec, {**self._default_project(), **given_fields(spec)})
        request = INSTANCES["create"].request(json=body)
        answer = await create_once(self._engine, request, body, _row, self._named)
        expectation = Expectation(action=Action.CREATE, accepted_at=self._engine.clock.now())
        return self._engine.change(self._adapter, answer.id, expectation, initial=answer)

    async def update(
        self,
        id: str,
        spec: SpecLike | None = None,
        *,
        replace: bool = False,
        ready_timeout: float = 0,
        **fields: Any,
    ) -> Change[InferenceInstance]:
        """A change that settles when the instance shows what was sent, and serves or sleeps.

        The API's PUT replaces all of an instance. So by default the live one is read and the
        fields given are laid over it: mappings key by key at every depth (None takes a key away),
        containers region by region, other lists as a whole. Only `project_id` is never shown by
        GET: the client's is sent, else none, which the API takes as the key's default project.

        Args:
            id: the instance.
            spec: fields as a mapping or a spec.
            replace: send just what was given: what is left out falls back to its default, and a
                region that is not named is given up.
            ready_timeout: seconds to go on asking while another change holds it (409).
            fields: the same by name, such as `envs={...}`; they win over `spec`.

        Raises:
            InvalidInputError: nothing is given, or a rule is broken; nothing was sent.
            ConflictError: another change holds it.
            OutcomeUnknownError: the update may have been accepted.
        """
        given = {**(given_fields(spec) if spec is not None else {}), **given_fields(fields)}
        if not given:
            raise InvalidInputError("nothing to update: give a field")
        whole = checked(InferenceInstanceSpec, given) if replace else None

        async def plan() -> PlannedWrite[InferenceInstance]:
            live = await self._raw(id)
            before, body = _row(live), whole or self._merged(id, live, given)
            if before.auth_enabled and not body.get("auth_enabled"):
                logger.warning("this update of %s lets everybody call it: no auth_enabled", id)
            return PlannedWrite(
                INSTANCES["update"].request(id, json=body), before, desired_state(body, before)
            )

        return await self._writes.change(id, plan, ready_timeout)

    def _merged(self, id: str, live: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        body = {**self._default_project(), **merged_body(live, given)}
        lost = unknown_fields(live)
        if lost:
            logger.warning("an update of %s cannot keep what is not documented: %s", id, lost)
        return checked(InferenceInstanceSpec, body)

    async def delete(self, id: str, *, ready_timeout: float = 0) -> Change[None]:
        """A change that settles when GET answers 404. It bills until then.

        What is not there gives a settled change with `.already_gone`: for the key of another
        account it would be so too, and it would go on billing.
        """
        request = INSTANCES["delete"].request(id)
        return await self._writes.delete(request, id, "this account", ready_timeout)

    # -- how ----------------------------------------------------------------------------------

    def _default_project(self) -> dict[str, Any]:
        return {} if self._project is None else {"project_id": int(self._project)}

    async def _raw(self, id: str) -> Any:
        return await self._engine.json(INSTANCES["get"].request(id))

    async def _named(self, name: str) -> builtins.list[InferenceInstance]:
        return [instance async for instance in self.list(name=name)]
