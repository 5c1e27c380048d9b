"""What surrounds deployments: API keys, stored secrets, tasks, flavors and capacity.

None of these writes takes time, so none of them returns a change.
https://gcore.com/docs/api-reference/cloud/everywhere-inference
"""

import builtins
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from di_async.core.errors import InvalidInputError
from di_async.core.http import Request
from di_async.core.pagination import check_page_size, rows_under, with_rows
from di_async.core.responses import no_content, own_id, resource_body
from di_async.core.secret import Secret, reveal
from di_async.core.waiting.poll_schedule import PAGE_SIZE
from di_async.core.waiting.resource_adapter import CallRecord
from di_async.engine.engine import Engine
from di_async.engine.frames import ClearsFrames
from di_async.engine.listing import Listing
from di_async.engine.writes.create_once import create_once
from di_async.engine.writes.cut_off import report_if_cut_off
from di_async.engine.writes.deletion import delete_at_once
from di_async.gcore.api import ACCOUNT, MAX_PAGE, TASK, find_named, read_page
from di_async.gcore.models import CODEC, APIKey, Flavor, InferenceSecret, RegionCapacity, Task

__all__ = ["APIKeys", "Catalog", "InferenceSecrets", "Tasks", "project_of"]

T = TypeVar("T")


def project_of(project: str | None) -> str:
    """Return the client's project.

    Raises:
        InvalidInputError: The client has none.
    """
    if project is None:
        raise InvalidInputError(
            "inference deployments, API keys and secrets need a project: pass "
            "Gcore(project_id=...), or set GCORE_CLOUD_PROJECT_ID"
        )
    return project


class AccountApi(ClearsFrames):
    """Requests to the endpoints of `ACCOUNT`."""

    def __init__(self, engine: Engine, project: str | None) -> None:
        self._engine = engine
        self._project = project

    def _in_project(self, name: str, *ids: str, json: Any = None) -> Request:
        return ACCOUNT[name].request(project_of(self._project), *ids, json=json)

    def _rows(
        self,
        name: str,
        into: type[T],
        *ids: str,
        page_size: int,
        key: str = "id",
        params: Mapping[str, Any] = {},
    ) -> Listing[T]:
        check_page_size(page_size, MAX_PAGE)
        ACCOUNT[name].request(*ids)  # raises here for a bad id, not at the first row

        async def fetch(window: Mapping[str, Any]) -> Any:
            request = ACCOUNT[name].request(*ids, params={**window, **params})
            return await self._engine.json(request, partial(with_rows, key="results"))

        read = partial(read_page, fetch, size=page_size, key=key)
        return Listing(read, lambda row: CODEC.structure(row, into), page_size)

    async def _one(self, request: Request, into: type[T], id: str, key: str = "name") -> T:
        """Return the object whose `key` is `id`; report a write that is cut off."""

        def read(body: Any) -> T:
            found = CODEC.structure(resource_body(body, key), into)
            own_id(getattr(found, key), id)
            return found

        call = CallRecord()
        if request.method == "GET":
            return await self._engine.json(request, read, call)
        with report_if_cut_off(call, _story(request, id)):
            return await self._engine.json(request, read, call)

    async def _delete(
        self, request: Request, name: str, get: Callable[[str], Awaitable[object]]
    ) -> None:
        """Send a DELETE; a 404 after a repeated one is its success, if a GET is 404 as well.

        Raises:
            OutcomeUnknownError: the DELETE answers 404, but a GET finds it.
        """

        async def find() -> object:
            return next(iter(await find_named(get, name)), None)

        await delete_at_once(self._engine, request, find, _story(request, name))


class APIKeys(AccountApi):
    """`client.api_keys`: keys for the endpoints of the project's deployments."""

    def list(self, *, page_size: int = PAGE_SIZE) -> Listing[APIKey]:
        """Return an async iterator over the project's keys, without their secrets."""
        project = project_of(self._project)
        return self._rows("list_api_keys", APIKey, project, page_size=page_size, key="name")

    async def get(self, name: str) -> APIKey:
        """Return one key, without its secret. Raises `NotFoundError` if it does not exist."""
        return await self._one(self._in_project("get_api_key", name), APIKey, name)

    async def create(
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
        expiry = expires_at.isoformat() if isinstance(expires_at, datetime) else expires_at
        fields = {"name": name, "description": description, "expires_at": expiry}
        body = {key: value for key, value in fields.items() if value is not None}
        return await create_once(
            self._engine,
            self._in_project("create_api_key", json=body),
            f"API key {name!r}",
            accept=lambda answer: CODEC.structure(resource_body(answer, "name"), APIKey),
            find=partial(find_named, self.get, name),
            one_time_value=True,
        )

    async def update(self, name: str, *, description: str | None) -> APIKey:
        """Change a key's description and return the key. Nothing else of it can change."""
        request = self._in_project("update_api_key", name, json={"description": description})
        return await self._one(request, APIKey, name)

    async def delete(self, name: str) -> None:
        """Delete a key, immediately and permanently.

        Raises:
            NotFoundError: it does not exist.
            ConflictError: a deployment uses it.
        """
        await self._delete(self._in_project("delete_api_key", name), name, self.get)


class InferenceSecrets(AccountApi):
    """`client.secrets`: AWS credentials stored at Gcore, for SQS triggers."""

    def list(self, *, page_size: int = PAGE_SIZE) -> Listing[InferenceSecret]:
        """Return an async iterator over the project's secrets."""
        project = project_of(self._project)
        return self._rows("list_secrets", InferenceSecret, project, page_size=page_size, key="name")

    async def get(self, name: str) -> InferenceSecret:
        """Return one secret. Raises `NotFoundError` if it does not exist."""
        return await self._one(self._in_project("get_secret", name), InferenceSecret, name)

    async def create(
        self, name: str, *, aws_access_key_id: str, aws_secret_access_key: str | Secret
    ) -> InferenceSecret:
        """Store AWS credentials and return the secret. Raises `ConflictError` for a taken name."""
        body = {"name": name, **_credentials(aws_access_key_id, aws_secret_access_key)}
        request = self._in_project("create_secret", json=body)
        return await self._one(request, InferenceSecret, name)

    async def replace(
        self, name: str, *, aws_access_key_id: str, aws_secret_access_key: str | Secret
    ) -> InferenceSecret:
        """Replace the credentials of a secret and return it."""
        body = _credentials(aws_access_key_id, aws_secret_access_key)
        request = self._in_project("replace_secret", name, json=body)
        return await self._one(request, InferenceSecret, name)

    async def delete(self, name: str) -> None:
        """Delete a secret, immediately and permanently."""
        await self._delete(self._in_project("delete_secret", name), name, self.get)


class Tasks(AccountApi):
    """`client.tasks`: the tasks that writes return. Waits read them by themselves."""

    def list(
        self,
        *,
        state: str | None = None,
        task_type: str | None = None,
        is_acknowledged: bool | None = None,
        page_size: int = PAGE_SIZE,
    ) -> Listing[Task]:
        """Return an async iterator over the tasks, the newest first.

        Args:
            state: NEW, RUNNING, FINISHED or ERROR; None for all.
            task_type: such as `create_inference_instance`.
            is_acknowledged: None for both.
            page_size: rows for each request, 1 to 1000.
        """
        filters = {
            "project_id": self._project,
            "state": state,
            "task_type": task_type,
            "is_acknowledged": is_acknowledged,
        }
        return self._rows("list_tasks", Task, page_size=page_size, params=filters)

    async def get(self, id: str) -> Task:
        """Return one task. Raises `NotFoundError` if it does not exist."""
        return await self._one(TASK.request(id), Task, id, "id")

    async def acknowledge(self, id: str) -> Task:
        """Mark a task as read and return it."""
        request = ACCOUNT["acknowledge_task"].request(id)
        return await self._one(request, Task, id, "id")

    async def acknowledge_all(self) -> None:
        """Mark all finished tasks of the project as read."""
        request = ACCOUNT["acknowledge_all_tasks"].request(params={"project_id": self._project})
        await self._engine.json(request, no_content)


class Catalog(AccountApi):
    """Flavors, and how much of each is left."""

    async def flavors(self) -> builtins.list[Flavor]:
        """Return all flavors."""
        return await self._rows("list_flavors", Flavor, page_size=PAGE_SIZE, key="name").collect()

    async def flavor(self, name: str) -> Flavor:
        """Return one flavor. Raises `NotFoundError` if it does not exist."""
        request = ACCOUNT["get_flavor"].request(name)
        return await self._one(request, Flavor, name)

    async def capacity(self) -> builtins.list[RegionCapacity]:
        """Return how many replicas of each flavor each region has room for."""
        return await self._engine.json(ACCOUNT["capacity"].request(), read_capacity)


def read_capacity(body: Any) -> list[RegionCapacity]:
    """Return the regions in the answer of the capacity endpoint."""
    return [CODEC.structure(row, RegionCapacity) for row in rows_under(body, "results")]


def _credentials(key_id: str, key: str | Secret) -> dict[str, Any]:
    data = {"aws_access_key_id": key_id, "aws_secret_access_key": reveal(key)}
    return {"type": "aws-iam", "data": data}


def _story(request: Request, id: str) -> str:
    """Return what to say of a write that was cut off."""
    return (
        f"the {request.method} on {id} was cut off in flight: it may have been carried out. Read "
        "it before you repeat it"
    )
