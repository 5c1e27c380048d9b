"""`client.inference_deployments`: API v3, keyed by name within a project. Writes return tasks."""

import builtins
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Literal

from di_async.core.differences import Difference
from di_async.core.errors import DecodeError, InvalidInputError
from di_async.core.http import Priority, Request
from di_async.core.pagination import rows_under
from di_async.core.pricing import HourlyPrice, MaxHourly, Placement, ranked
from di_async.core.responses import resource_body
from di_async.core.seconds import checked_seconds
from di_async.core.validation import check_value, checked, whole_number
from di_async.core.waiting.poll_schedule import PAGE_SIZE
from di_async.core.waiting.resource_adapter import CallRecord, Capabilities
from di_async.core.waiting.resume_token import ResourceRef
from di_async.engine.deployments.deployable_api import DeployableApi
from di_async.engine.engine import Engine
from di_async.engine.listing import Listing
from di_async.engine.log import Log
from di_async.engine.waiting.change import Change
from di_async.engine.writes.ensure import Ensured, EnsureTarget, ensure
from di_async.engine.writes.lost_writes import AcceptedWrite, create_by_name
from di_async.engine.writes.retried_create import first_attempt
from di_async.engine.writes.taken_names import create_when_free
from di_async.gcore.account import project_of
from di_async.gcore.adapter import InferenceAdapter
from di_async.gcore.api import DEPLOYMENTS, find_named, read_rows
from di_async.gcore.deployable import GcoreDeployable
from di_async.gcore.desired_state import DesiredState, desired_state, differences
from di_async.gcore.inference import InferenceApi, PlannedWrite, candidate
from di_async.gcore.lifecycle import is_deleting, is_stopped, place_of
from di_async.gcore.models import CODEC, Accepted, InferenceDeployment, LogLine, QuotaUse
from di_async.gcore.placement import check_limits, find_places, read_price
from di_async.gcore.spec import InferenceDeploymentSpec, SpecLike, given_fields

__all__ = ["InferenceDeployments"]

logger = Log("di_async")


class DeploymentAdapter(InferenceAdapter[InferenceDeployment]):
    """How waiting reads the deployments of a project, and the tasks that change them."""

    noun, kind = "inference deployment", "inference-deployment"
    resource_type = InferenceDeployment
    endpoints = DEPLOYMENTS
    id_field, id_is_name = "name", True
    capabilities = Capabilities(
        unique_names=True, shows_sent=True, busy_status=409, operations=("task",)
    )

    def request(
        self, endpoint: str, *ids: str, params: Mapping[str, Any] | None = None, json: Any = None
    ) -> Request:
        """Return a request to one of the endpoints in the project.

        Raises:
            InvalidInputError: the client has no project.
        """
        return super().request(endpoint, project_of(self.scope), *ids, params=params, json=json)

    async def recent_logs(self, id: str, lines: int, call: CallRecord) -> Sequence[str]:
        """Return the last log lines of all regions, the oldest first."""
        params = {"limit": lines, "offset": 0, "order_by": "time.desc"}
        request = self.request("logs", id, params=params)

        def read(body: Any) -> list[str]:
            rows = rows_under(body, "results")
            return [CODEC.structure(row, LogLine).text for row in rows[::-1]]

        return await self.engine.json_once(request, read, Priority.READ, call)


class InferenceDeployments(InferenceApi[InferenceDeployment], DeployableApi[InferenceDeployment]):
    """Inference deployments (v3): `client.inference_deployments`.

    A deployment's id is its name, unique within the project. Both `ACTIVE` (serving) and `PENDING`
    (scaled to zero) are settled states; the history shows which one it is.
    """

    def __init__(self, engine: Engine, base_url: str, project: str | None) -> None:
        super().__init__(DeploymentAdapter(engine, base_url, project))
        self._project = project

    def list(self, *, page_size: int = PAGE_SIZE) -> Listing[InferenceDeployment]:
        """Return an async iterator over the project's deployments, in order."""
        return self._listing(page_size)

    async def create(
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

        A call that is cut off in flight (cancelled, its client closed) may leave a deployment that
        bills; the error and the log name it.
        """
        body = self._complete(spec)
        _check_access(body, open_to_world)
        checked_seconds(name_timeout, "name_timeout")
        first = first_attempt(self._engine, first_attempt_at)
        check_price = self._price_check(body, max_hourly, allow_unknown_price)
        await check_price()
        name: str = body["name"]
        find, request = partial(find_named, self.get, name), self._request("create", json=body)
        create = partial(
            create_by_name,
            self._engine,
            request,
            name,
            accept=partial(self._accept_create, name, place_of(body), request),
            find=find,
            candidate=partial(candidate, name, body),
            adopt=partial(self._adopted, name, request),
            lookup_hint=f"Check `get({name!r})`",
            first=first,
        )
        return await create_when_free(
            self._engine, name, name_timeout, create=create, find=find, is_leaving=is_deleting
        )

    async def ensure(
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
        result settles when the deployment serves or is scaled to zero. Cancelling has the effects
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
        body = self._complete(spec)
        _check_access(body, open_to_world)
        name: str = body["name"]

        async def create(left: float) -> Change[InferenceDeployment]:
            return await self.create(body, open_to_world=open_to_world, name_timeout=left)

        async def update(
            live: InferenceDeployment, found: Sequence[Difference]
        ) -> Change[InferenceDeployment]:
            names = desired_state(body, live).fields
            changed = {name: body[name] for name in body if name in names}
            if changed:
                change = await self.update(name, changed, open_to_world=open_to_world)
                if not is_stopped(live):
                    return change
                await change.wait()
            return await self.start(name)

        def compare(live: InferenceDeployment) -> builtins.list[Difference]:
            stopped = [Difference("status", live.status, "ACTIVE")] if is_stopped(live) else []
            return differences(body, live) + stopped

        target = EnsureTarget(
            name=name,
            find=partial(find_named, self.get, name),
            compare=compare,
            create=create,
            update=update,
            check_price=self._price_check(body, max_hourly, allow_unknown_price),
            get=self.get,
            id_of=lambda live: live.name,
        )
        return await ensure(
            self._engine, self, self._adapter, target, dry_run=dry_run, name_timeout=name_timeout
        )

    async def hourly_price(self, spec: SpecLike) -> HourlyPrice | None:
        """Return what a deployment would cost an hour at its maximum scale; None if not known.

        Raises:
            InvalidInputError: the spec breaks a rule.
        """
        body = self._complete(spec)
        return await read_price(self._engine, body)

    async def check_limits(self, spec: SpecLike) -> dict[str, QuotaUse]:
        """Return the account's quotas by name, with what a deployment would add to each."""
        body = self._complete(spec)
        return await check_limits(self._engine, self._project, body)

    async def find_capacity(
        self, spec: SpecLike, *, include_full: bool = False
    ) -> builtins.list[Placement[dict[str, Any]]]:
        """Return the regions that have room for a deployment now, the cheapest first.

        A price that cannot be read is None, with a warning.

        Args:
            spec: the deployment; its regions are replaced.
            include_full: also the regions that have none, each with its `.reason`.
        """
        body = self._complete(spec)
        places = await find_places(self._engine, self._project, body)
        return ranked(places, include_full=include_full)

    def _accept_create(
        self, name: str, place: tuple[str, str], request: Request, body: Any
    ) -> Change[InferenceDeployment]:
        answer = self._accepted(resource_body(body), name)
        return self._created(name, answer, place=place, write=request)

    def _adopted(
        self, name: str, request: Request, found: InferenceDeployment
    ) -> Change[InferenceDeployment]:
        logger.warning(
            "%s was created by a request whose response was lost; waiting without its task", name
        )
        return self._created(name, (found, ()), adopted=True, write=request)

    async def update(
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
        body = {**(self._fields(spec) if spec is not None else {}), **given_fields(fields)}
        if "name" in body and body["name"] == id:
            del body["name"]  # a PATCH has no such field
        if not body:
            raise InvalidInputError("nothing to update: pass at least one field")
        if "name" in body:
            raise InvalidInputError("name: cannot change", problems=("name: cannot change",))
        checked(InferenceDeploymentSpec, body, update=True)
        request = self._request("update", id, json=body)

        async def plan() -> PlannedWrite[InferenceDeployment]:
            before = await self.get(id)
            if before.auth_enabled is not False:  # an open one is not opened by this
                _check_access(body, open_to_world, updating=True)
            return PlannedWrite(request, before, desired_state(body, before))

        return await self._modify(id, plan, ready_timeout)

    async def start(self, id: str, *, ready_timeout: float = 0) -> Change[InferenceDeployment]:
        """Start a deployment; return a change that settles when it serves or is scaled to zero."""
        return await self._switch(id, DesiredState("start"), ready_timeout)

    async def stop(self, id: str, *, ready_timeout: float = 0) -> Change[InferenceDeployment]:
        """Stop a deployment; return a change that settles when it is `DISABLED`.

        A stopped deployment costs nothing until it is started again.
        """
        return await self._switch(id, DesiredState("stop"), ready_timeout)

    async def _switch(
        self, id: str, desired: DesiredState, ready_timeout: float
    ) -> Change[InferenceDeployment]:
        request = self._request(desired.kind, id)

        async def plan() -> PlannedWrite[InferenceDeployment]:
            return PlannedWrite(request, await self.get(id), desired)

        return await self._modify(id, plan, ready_timeout)

    async def delete(self, id: str, *, ready_timeout: float = 0) -> Change[None]:
        """Delete a deployment; return a change that settles when GET answers 404.

        Its task has to finish first. If nothing is found, the change is settled and
        `.already_gone` is true. That also happens in the wrong project, where the deployment
        still bills.
        """
        return await self._delete(id, f"project {self._project}", ready_timeout)

    async def logs(
        self,
        id: str,
        *,
        limit: int = 100,
        offset: int = 0,
        order_by: Literal["time.asc", "time.desc"] = "time.desc",
        region_id: int | None = None,
    ) -> builtins.list[LogLine]:
        """Return up to `limit` log lines, the latest first, of one region or of all."""
        check_value(whole_number(1), limit, "limit")
        check_value(whole_number(0), offset, "offset")
        params = {"order_by": order_by, "region_id": region_id}

        async def fetch(window: Mapping[str, Any]) -> Any:
            request = self._request("logs", id, params={**window, **params})
            return await self._engine.json(request, read)

        def read(body: Any) -> dict[str, Any]:
            lines = [CODEC.structure(row, LogLine) for row in rows_under(body, "results")]
            return {**body, "results": lines}

        rows, _ = await read_rows(fetch, offset, limit)
        return rows

    def deployable(self) -> GcoreDeployable:
        """Return the deployments as generic code sees them. No I/O."""
        return GcoreDeployable(self._engine, self._request("list"), self, self._complete)

    def _complete(self, spec: SpecLike) -> dict[str, Any]:
        """Return the checked request fields of a create."""
        return checked(InferenceDeploymentSpec, self._fields(spec))

    def _fields(self, spec: SpecLike) -> dict[str, Any]:
        """Return the request fields in a spec, whose project must be the client's."""
        fields = given_fields(spec)
        project = fields.pop("project_id", None)
        if project is not None and str(project) != self._project:
            raise InvalidInputError(f"project_id: {project}, but the client's is {self._project}")
        return fields

    def _accepted(self, body: Any, id: str) -> AcceptedWrite:
        if body is None:  # `start` and `stop` return no body
            return Accepted(), ()
        tasks = tuple(rows_under(body, "tasks"))
        if not all(isinstance(task, str) and task for task in tasks):
            raise DecodeError("the answer's tasks are not ids @ $.tasks")
        return Accepted(tasks), tuple(ResourceRef("task", task) for task in tasks)


def _check_access(body: Mapping[str, Any], open_to_world: bool, *, updating: bool = False) -> None:
    """Check that an endpoint without authentication is intended.

    Raises:
        InvalidInputError: anyone could call the endpoint, and `open_to_world` is false.
    """
    opens = "api_keys" in body and not body["api_keys"]
    opens = opens or (updating and body.get("auth_enabled") is False)
    if opens and not open_to_world:
        problem = "api_keys: without any, anyone can call the endpoint; pass open_to_world=True"
        raise InvalidInputError(problem, problems=(problem,))
