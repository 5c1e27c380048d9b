"""`client.inference_instances`: API v2, keyed by id. Writes return the instance itself."""

import builtins
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from attrs import evolve

from di_async.core.errors import InvalidInputError
from di_async.core.lost_create import Adopt, Uncertain, decide_lost_create
from di_async.core.responses import own_name
from di_async.core.validation import checked
from di_async.core.waiting.poll_schedule import PAGE_SIZE
from di_async.core.waiting.resource_adapter import CallRecord, Capabilities
from di_async.engine.engine import Engine
from di_async.engine.listing import Listing
from di_async.engine.log import Log
from di_async.engine.waiting.change import Change
from di_async.engine.writes.lost_writes import (
    AcceptedWrite,
    recover_write,
    unknown_create,
)
from di_async.engine.writes.retried_create import FirstAttempt, find_earlier_attempt, first_attempt
from di_async.engine.writes.taken_names import create_when_free
from di_async.gcore.adapter import InferenceAdapter
from di_async.gcore.api import INSTANCES
from di_async.gcore.desired_state import desired_state
from di_async.gcore.inference import InferenceApi, PlannedWrite, candidate
from di_async.gcore.lifecycle import is_deleting
from di_async.gcore.models import InferenceInstance
from di_async.gcore.spec import (
    InferenceInstanceSpec,
    InferenceSpec,
    SpecLike,
    given_fields,
    live_fields,
    merged_body,
)

__all__ = ["InferenceInstances"]

logger = Log("di_async")


class InstanceAdapter(InferenceAdapter[InferenceInstance]):
    """How waiting reads instances."""

    noun, kind = "inference instance", "inference-instance"
    resource_type = InferenceInstance
    endpoints = INSTANCES
    id_field = "id"
    capabilities = Capabilities(unique_names=False, shows_sent=True, busy_status=409)


class InferenceInstances(InferenceApi[InferenceInstance]):
    """Inference instances (v2): `client.inference_instances`.

    The vendor calls v2 deprecated, in favour of v3. It has no tasks; the status shows everything.
    """

    def __init__(self, engine: Engine, base_url: str, project: str | None) -> None:
        super().__init__(InstanceAdapter(engine, base_url))
        self._project = project

    def list(
        self, *, name: str | None = None, page_size: int = PAGE_SIZE
    ) -> Listing[InferenceInstance]:
        """Return an async iterator over all instances, in order.

        Args:
            name: only instances with exactly this name; names may repeat.
            page_size: rows for each request.
        """
        predicate = None if name is None else lambda instance: instance.name == name
        return self._listing(page_size, predicate)

    async def create(
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

        A call that is cut off in flight (cancelled, its client closed) may leave an instance that
        bills; the error and the log name it.
        """
        body = checked(InferenceInstanceSpec, {**self._default_project(), **given_fields(spec)})
        first = first_attempt(self._engine, first_attempt_at)
        return await create_when_free(
            self._engine,
            body["name"],
            name_timeout,
            create=partial(self._create_once, body, first),
            find=partial(self._find_all, body["name"]),
            is_leaving=is_deleting,
        )

    async def _find_all(self, name: str) -> builtins.list[InferenceInstance]:
        return [row async for row in self.list(name=name)]

    async def _create_once(
        self, body: dict[str, Any], first: FirstAttempt | None
    ) -> Change[InferenceInstance]:
        request = self._request("create", json=body)
        name, began = body["name"], self._engine.clock.moment()
        lookup_hint = f"Check `list(name={name!r})`"
        candidates: dict[str, InferenceInstance] = {}
        call = CallRecord()
        await find_earlier_attempt(
            self._engine,
            request,
            name,
            first,
            unique_names=False,
            find=partial(self._find_all, name),
            candidate=lambda row: candidate(row.id, body, row),
        )

        async def send() -> Change[InferenceInstance]:
            created = await self._engine.json(request, self._adapter.decode, call)
            own_name(created.name, name)
            return self._created(created.id, (created, ()), write=request)

        async def collect() -> None:
            async for row in self.list(name=name):
                window = self._engine.call_window(request, began)
                decision = decide_lost_create([candidate(row.id, body, row)], window)
                if isinstance(decision, Adopt | Uncertain):
                    candidates[row.id] = row

        return await recover_write(
            self._engine,
            f"create of {name!r}",
            call,
            send=send,
            read=collect,
            accepted=lambda _: None,
            unknown=lambda lost, _: unknown_create(
                request, name, lost, lookup_hint, tuple(candidates.values())
            ),
            attempts=1,
            lookup_hint=f"It may exist and bill. {lookup_hint}",
        )

    async def update(
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
        given = {**(given_fields(spec) if spec is not None else {}), **given_fields(fields)}
        if not given:
            raise InvalidInputError("nothing to update: pass at least one field")
        whole = checked(InferenceInstanceSpec, given) if replace else None

        async def plan() -> PlannedWrite[InferenceInstance]:
            def read(body: Any) -> tuple[Any, InferenceInstance]:
                return body, self._adapter.decode(body, id)

            live, before = await self._engine.json(self._request("get", id), read)
            body = whole or self._merged(before, live, given)
            if before.auth_enabled and not body.get("auth_enabled"):
                logger.warning("the update of %s turns auth_enabled off: anyone can call it", id)
            request = self._request("update", id, json=body)
            return PlannedWrite(request, before, desired_state(body, before))

        return await self._modify(id, plan, ready_timeout)

    async def delete(self, id: str, *, ready_timeout: float = 0) -> Change[None]:
        """Delete an instance; return a change that settles when GET answers 404.

        It bills until then. If nothing is found, the change is settled and `.already_gone` is
        true. That also happens with the key of another account, where the instance still bills.
        """
        return await self._delete(id, "this account", ready_timeout)

    def _merged(
        self, before: InferenceInstance, live: Mapping[str, Any], given: Mapping[str, Any]
    ) -> dict[str, Any]:
        fields, lost = live_fields(live, before)
        if lost:
            logger.warning("an update of %s drops undocumented fields: %s", before.id, lost)
        body = {**self._default_project(), **merged_body(fields, given)}
        return checked(InferenceInstanceSpec, body)

    def _previous_spec(self, plan: PlannedWrite[InferenceInstance]) -> InferenceSpec:
        return evolve(super()._previous_spec(plan), **self._default_project())

    def _default_project(self) -> dict[str, Any]:
        return {} if self._project is None else {"project_id": int(self._project)}

    def _accepted(self, body: Any, id: str) -> AcceptedWrite:
        return self._adapter.decode(body, id), ()
