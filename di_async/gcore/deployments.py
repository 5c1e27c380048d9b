"""v3: inference deployments, keyed by name within a project. Writes answer with tasks."""

import builtins
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

from attrs import evolve

from di_async.core.errors import DecodeError, InvalidInputError, NotFoundError
from di_async.core.http import Priority, Request, query
from di_async.core.pagination import Page, rows_under
from di_async.core.validation import checked
from di_async.core.waiting.observation import Action, Expectation, Observation
from di_async.core.waiting.page_index import RowKey
from di_async.core.waiting.poll_schedule import PAGE_SIZE
from di_async.core.waiting.resource_adapter import CallRecord, Capabilities, ResourceAdapter
from di_async.core.waiting.resume_token import ResourceRef
from di_async.engine.client import Engine
from di_async.engine.listing import Listing
from di_async.engine.lost_writes import AcceptedWrite, create_by_name
from di_async.engine.resource_api import ResourceApi
from di_async.engine.waiting.change import Change
from di_async.gcore.create_recovery import candidate
from di_async.gcore.desired_state import DesiredState, desired_state
from di_async.gcore.endpoints import DEPLOYMENTS, TASK
from di_async.gcore.lifecycle import deployment_row_key, duration_key, observe, observe_task
from di_async.gcore.models import CODEC, Accepted, InferenceDeployment, LogLine, Task
from di_async.gcore.pages import in_region, read_page, read_rows, size_of_page
from di_async.gcore.spec import InferenceDeploymentSpec, SpecLike, given_fields
from di_async.gcore.writes import PlannedWrite, Writes

__all__ = ["InferenceDeployments"]

logger = logging.getLogger("di_async")

CAPABILITIES = Capabilities(
    unique_names=True, shows_sent=True, busy_status=409, operations=("task",)
)
DEFAULT_TIMEOUT_S = 7200.0


def _row(row: Any) -> InferenceDeployment:
    return CODEC.structure(row, InferenceDeployment)


def _task_row(row: Any) -> Task:
    return CODEC.structure(row, Task)


class DeploymentAdapter(ResourceAdapter[InferenceDeployment]):
    """How waiting reads v3 deployments and the tasks that change them."""

    provider, noun, kind = "gcore", "inference deployment", "inference-deployment"
    resource_type = InferenceDeployment
    default_timeout = DEFAULT_TIMEOUT_S
    capabilities = CAPABILITIES

    def __init__(
        self,
        engine: Engine,
        base_url: str,
        project: str | None,
        request: Callable[..., Request],
    ) -> None:
        self._engine = engine
        self.base_url = base_url
        self.scope = project
        self._request = request

    async def get(self, ref: ResourceRef, priority: Priority, call: CallRecord) -> Any:
        """GET a deployment or a task once."""
        if ref.kind == "task":
            request = TASK.request(ref.id)
            return _task_row(await self._engine.json_once(request, priority, call))
        return _row(await self._engine.json_once(self._request("get", ref.id), priority, call))

    async def list_page(self, number: int, call: CallRecord, region: str | None = None) -> Page:
        """GET a list page."""
        request = self._request("list")

        async def ask(params: Mapping[str, Any]) -> Any:
            return await self._engine.json_once(_asking(request, params), Priority.SWEEP, call)

        return in_region(await read_page(ask, number, PAGE_SIZE, key="name"), region)

    def row_key(self, row: Any) -> RowKey:
        """Return a row's name and fingerprint."""
        return deployment_row_key(row)

    def decode_row(self, row: Any) -> InferenceDeployment:
        """Return a list row as a resource."""
        return _row(row)

    def observe(self, resource: Any, expectation: Expectation) -> Observation:
        """Return what a read of a deployment or a task shows."""
        if isinstance(resource, Task):
            return observe_task(resource, expectation)
        return observe(resource, expectation)

    def duration_key(self, resource: InferenceDeployment) -> tuple[str, str]:
        """Return regions and flavour."""
        return duration_key(resource)


class InferenceDeployments(ResourceApi[InferenceDeployment]):
    """Inference deployments (v3): `client.inference_deployments`.

    A deployment's id is its name, unique within the project. Scaled to zero (`PENDING`) it is as
    settled as when it serves (`ACTIVE`); the history says which.
    """

    def __init__(self, engine: Engine, base_url: str, project: str | None) -> None:
        self._project = project
        adapter = DeploymentAdapter(engine, base_url, project, self._request)
        super().__init__(engine, adapter, partial(self._request, "get"))
        self._writes = Writes(engine, adapter, self.get, _reply)

    def list(self, *, page_size: int = PAGE_SIZE) -> Listing[InferenceDeployment]:
        """An async iterator over the project's deployments, in order. See `Listing.drifted`."""
        size_of_page(page_size)
        request = self._request("list")

        async def fetch(page: int) -> Page:
            async def ask(params: Mapping[str, Any]) -> Any:
                return await self._engine.json(_asking(request, params))

            return await read_page(ask, page, page_size, key="name")

        return Listing(fetch, _row, page_size)

    async def get(self, id: str) -> InferenceDeployment:
        """One deployment. Raises `NotFoundError` where the project has none of that name."""
        return _row(await self._engine.json(self._request("get", id)))

    async def create(
        self, spec: SpecLike, *, open_to_world: bool = False
    ) -> Change[InferenceDeployment]:
        """A change that settles when its task is finished and the deployment serves or sleeps.

        A lost answer is settled by looking the unique name up; see `.adopted`.

        Args:
            spec: an `InferenceDeploymentSpec`, or a mapping of the documented shape.
            open_to_world: must be said for `api_keys: []`, with which everybody may call it.

        Raises:
            InvalidInputError: a documented rule is broken (`.problems`); nothing was sent.
            ConflictError: the name is taken.
            APIError: `.code` is Gcore's word: `ForbiddenError` means no capacity left in a region,
                `QuotaLimitExceed` that the account may have no more (new accounts may have none).
            OutcomeUnknownError: a deployment may exist, and bill, that could not be found.

        Cancelling while the request is in flight may leave a deployment that bills; the
        `CancelledError` carries a note with its name.
        """
        body = checked(InferenceDeploymentSpec, self._fields(spec))
        _guard(body, open_to_world)
        name: str = body["name"]
        return await create_by_name(
            self._engine,
            self._request("create", json=body),
            name,
            accept=partial(self._created, name),
            find=partial(self._named, name),
            candidate=partial(candidate, name, body),
            adopt=partial(self._adopted, name),
            lookup_hint=f"Look with `get({name!r})`",
        )

    def _created(self, name: str, answer: Any) -> Change[InferenceDeployment]:
        initial, steps = _reply(answer)
        expectation = Expectation(action=Action.CREATE, accepted_at=self._engine.clock.now())
        return self._engine.change(
            self._adapter, name, expectation, operations=steps, initial=initial
        )

    async def _named(self, name: str) -> builtins.list[InferenceDeployment]:
        try:
            return [await self.get(name)]
        except NotFoundError as error:
            if error.transient:
                raise
            return []

    def _adopted(self, name: str, found: InferenceDeployment) -> Change[InferenceDeployment]:
        told = "%s was made by a create whose answer was lost: adopted, without its task"
        logger.warning(told, name)
        expectation = Expectation(action=Action.CREATE, accepted_at=self._engine.clock.now())
        return self._engine.change(self._adapter, name, expectation, initial=found, adopted=True)

    async def update(
        self,
        id: str,
        spec: SpecLike | None = None,
        *,
        open_to_world: bool = False,
        ready_timeout: float = 0,
        **fields: Any,
    ) -> Change[InferenceDeployment]:
        """A change that settles when the task is finished and the deployment shows what was sent.

        A PATCH: what is not given stays as it is. A field given replaces the old one, all of it.

        Args:
            id: the deployment's name, which cannot change.
            spec: fields as a mapping or a spec.
            open_to_world: must be said for `api_keys` of nothing and for `auth_enabled=False`:
                with them everybody may call it.
            ready_timeout: seconds to go on asking while another task holds it (409).
            fields: the same by name, such as `containers=[...]`; they win over `spec`.

        Raises:
            InvalidInputError: nothing is given, or a rule is broken; nothing was sent.
            ConflictError: another task holds it.
            OutcomeUnknownError: the update may have been accepted.
        """
        body = {**(self._fields(spec) if spec is not None else {}), **given_fields(fields)}
        if body.get("name") == id:
            del body["name"]  # no field of a PATCH
        if not body:
            raise InvalidInputError("nothing to update: give a field")
        if "name" in body:
            raise InvalidInputError("name: cannot change", problems=("name: cannot change",))
        checked(InferenceDeploymentSpec, body, update=True)
        _guard(body, open_to_world, updating=True)
        request = self._request("update", id, json=body)

        async def plan() -> PlannedWrite[InferenceDeployment]:
            before = await self.get(id)
            return PlannedWrite(request, before, desired_state(body, before))

        return await self._writes.change(id, plan, ready_timeout)

    async def start(self, id: str, *, ready_timeout: float = 0) -> Change[InferenceDeployment]:
        """A change that settles when it serves, or sleeps (scaled to zero), again."""
        return await self._switch(id, DesiredState("start"), ready_timeout)

    async def stop(self, id: str, *, ready_timeout: float = 0) -> Change[InferenceDeployment]:
        """A change that settles when it is `DISABLED`: it costs nothing, until it is started."""
        return await self._switch(id, DesiredState("stop"), ready_timeout)

    async def _switch(
        self, id: str, desired: DesiredState, ready_timeout: float
    ) -> Change[InferenceDeployment]:
        request = self._request(desired.kind, id)

        async def plan() -> PlannedWrite[InferenceDeployment]:
            return PlannedWrite(request, await self.get(id), desired)

        return await self._writes.change(id, plan, ready_timeout)

    async def delete(self, id: str, *, ready_timeout: float = 0) -> Change[None]:
        """A change that settles when the task is finished and GET answers 404.

        What is not there gives a settled change with `.already_gone`: in another project it would
        be so too, and it would go on billing.
        """
        where = f"project {self._project}"
        return await self._writes.delete(self._request("delete", id), id, where, ready_timeout)

    async def logs(
        self,
        id: str,
        *,
        limit: int = 100,
        offset: int = 0,
        order_by: Literal["time.asc", "time.desc"] = "time.desc",
        region_id: int | None = None,
    ) -> builtins.list[LogLine]:
        """Up to `limit` lines of its log, the latest first; of one region, or of all."""
        request = self._request("logs", id)
        params = {"order_by": order_by, "region_id": region_id}

        async def ask(window: Mapping[str, Any]) -> Any:
            return await self._engine.json(_asking(request, {**window, **params}))

        rows, _ = await read_rows(ask, offset, limit)
        return [CODEC.structure(row, LogLine) for row in rows]

    # -- how ----------------------------------------------------------------------------------

    def _fields(self, spec: SpecLike) -> dict[str, Any]:
        """The request fields in a spec; a project in it must be the client's."""
        fields = given_fields(spec)
        project = fields.pop("project_id", None)
        if project is not None and str(project) != self._project:
            raise InvalidInputError(f"project_id: {project}, but the client's is {self._project}")
        return fields

    def _request(self, endpoint: str, *names: str, json: Any = None) -> Request:
        if self._project is None:
            raise InvalidInputError(
                "inference deployments live in a project: give Gcore(project_id=...), or set "
                "GCORE_CLOUD_PROJECT_ID"
            )
        return DEPLOYMENTS[endpoint].request(self._project, *names, json=json)


def _asking(request: Request, params: Mapping[str, Any]) -> Request:
    """The request with these parameters; those without a value are left out."""
    return evolve(request, params=query(params))


def _reply(body: Any) -> AcceptedWrite:
    """The tasks in a write's answer; `start` and `stop` answer with no body.

    Raises:
        DecodeError: it is no answer to a write.
    """
    if body is None:
        return Accepted(), ()
    tasks = tuple(rows_under(body, "tasks"))
    if not all(isinstance(task, str) and task for task in tasks):
        raise DecodeError("the answer's tasks are no ids @ $.tasks")
    return Accepted(tasks), tuple(ResourceRef("task", task) for task in tasks)


def _guard(body: Mapping[str, Any], open_to_world: bool, *, updating: bool = False) -> None:
    """Nobody opens an endpoint to the world by accident.

    Raises:
        InvalidInputError: it would, and it was not said.
    """
    opens = "api_keys" in body and not body["api_keys"]
    opens = opens or (updating and body.get("auth_enabled") is False)
    if opens and not open_to_world:
        told = "api_keys: without any, everybody may call the endpoint; say open_to_world=True"
        raise InvalidInputError(told, problems=(told,))
