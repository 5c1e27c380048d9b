"""The triggers that operators wait with. They hold no secrets, and no state but their arguments.

Airflow starts a trigger again from its arguments, in another triggerer, when its own is gone. So
they are a resume token and an absolute deadline, which a restart does not move.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from airflow.sdk import BaseHook, Variable
from airflow.sdk.execution_time.xcom import XCom
from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent

from di_async.airflow.cleanup import delete_all
from di_async.airflow.deployments import api_of, describe, failure, resume, zone_of
from di_async.airflow.hook import settings_of
from di_async.airflow.links import EndpointLink
from di_async.airflow.settings import ConnectionSettings
from di_async.airflow.shared_clients import SharedClients
from di_async.airflow.waiting import follow, follow_all
from di_async.airflow.wall_clock import epoch_now
from di_async.core.errors import DIError, InvalidInputError
from di_async.engine.client import Client
from di_async.engine.waiting.change import DEFAULT, Change, Timeout

__all__ = ["AllSettledTrigger", "SettledTrigger", "until_answering"]

_shared: "WeakKeyDictionary[asyncio.AbstractEventLoop, SharedClients]" = WeakKeyDictionary()


async def _fetch(conn_id: str) -> ConnectionSettings:
    connection = await BaseHook.aget_connection(conn_id)
    return settings_of(connection, await connection.aextra_dejson())


def shared_clients() -> SharedClients:
    """Return the clients that all triggers on the running loop share."""
    loop = asyncio.get_running_loop()
    if loop not in _shared:
        _shared[loop] = SharedClients(_fetch)
    return _shared[loop]


def _endpoint(found: Mapping[str, Any]) -> dict[str, str]:
    url = found["endpoint"]
    return {"endpoint": url, EndpointLink.xcom_key: url} if url else {}


async def _push(ti: Any, values: Mapping[str, Any]) -> None:
    """Push XComs of the task that a trigger ends.

    Not by `TaskSuccessEvent(xcoms=)`: what Airflow 3.3.2 pushes from there arrives as JSON text.
    """
    if ti is None:  # outside of a triggerer
        return
    for key, value in values.items():
        await asyncio.to_thread(
            XCom.set,
            key,
            value,
            dag_id=ti.dag_id,
            task_id=ti.task_id,
            run_id=ti.run_id,
            map_index=ti.map_index,
        )


def _log_end(log: Any, error: Exception) -> None:
    """Log why a wait ended; with its traceback, if it should not have happened.

    It becomes an event in any case: Airflow keeps no report of a trigger that raises.
    """
    if isinstance(error, DIError | ValueError):
        log.info("the wait ended: %s", error)
    else:
        log.error("the wait ended: %s", error, exc_info=error)


async def until_answering(
    change: Change[Any], timeout: Timeout, token_variable: str | None, log: Any
) -> None:
    """Wait until a deployment's models answer; the Variable, if there is one, holds its key.

    Raises:
        InvalidInputError: the Variable does not exist, or cannot be read.
        DIError: what `Change.connect` raises.
    """
    key: str | None = None
    if token_variable is not None:
        try:
            key = str(await asyncio.to_thread(Variable.get, token_variable))
        except Exception as error:
            raise InvalidInputError(
                f"token_variable: the Variable {token_variable!r} cannot be read: {error}"
            ) from error
    endpoint = await change.connect(timeout=timeout, access_token=key)
    log.info("%s answers: %s", endpoint.base_url, ", ".join(endpoint.models))


def _left(deadline: float | None) -> Timeout:
    return DEFAULT if deadline is None else max(0.0, deadline - epoch_now())


class SettledTrigger(BaseTrigger):
    """Fires when a change has settled, or when its wait has failed.

    Args:
        conn_id: the connection. All triggers of a triggerer with the same one share a client.
        resume_token: of the change. Without one, `id` is waited for.
        deadline: epoch seconds; None for the provider's default, or what the token has left.
        id: a deployment to wait for, instead of a resume token.
        zone: of `id`, at Exoscale.
        deleted: wait until `id` is gone, and not until it is active.
        answering: wait until its models answer, too.
        token_variable: the Variable that holds the endpoint's key, for `answering`.
        on_kill: "delete" deletes the deployment if a user ends the task while it waits, "leave"
            does not.
        end_task: end the task from here when it has settled, so that no worker is needed.
        push: push what is known to XCom from here, with `end_task`. That is slow: a triggerer
            passes on few XComs a second.
    """

    def __init__(
        self,
        conn_id: str,
        resume_token: str | None = None,
        deadline: float | None = None,
        id: str | None = None,
        zone: str | None = None,
        deleted: bool = False,
        answering: bool = False,
        token_variable: str | None = None,
        on_kill: str = "leave",
        end_task: bool = False,
        push: bool = True,
    ) -> None:
        super().__init__()
        self.push = push
        self.conn_id = conn_id
        self.resume_token = resume_token
        self.deadline = deadline
        self.id = id
        self.zone = zone
        self.deleted = deleted
        self.answering = answering
        self.token_variable = token_variable
        self.kill = on_kill
        self.end_task = end_task

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and the arguments."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "conn_id": self.conn_id,
                "resume_token": self.resume_token,
                "deadline": self.deadline,
                "id": self.id,
                "zone": self.zone,
                "deleted": self.deleted,
                "answering": self.answering,
                "token_variable": self.token_variable,
                "on_kill": self.kill,
                "end_task": self.end_task,
                "push": self.push,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event: of success with the deployment, or `deployments.failure`."""
        event = await self._event()
        if self.end_task and event["status"] == "success":
            found = event["deployment"]
            if self.push:
                await _push(self.task_instance, {"return_value": found, **_endpoint(found)})
            yield TaskSuccessEvent()
        else:
            yield TriggerEvent(event)

    async def _event(self) -> dict[str, Any]:
        change: Change[Any] | None = None
        try:
            async with shared_clients().client(self.conn_id) as client:
                change = self._change(client)
                change = await self._wait(client, change)
                return {"status": "success", "deployment": describe(client, change)}
        except Exception as error:
            _log_end(self.log, error)
            return failure(error, id=change.id if change is not None else self.id)

    async def _wait(self, client: Client, change: Change[Any]) -> Change[Any]:
        change = await follow(client, change, _left(self.deadline), self.log)
        if self.answering:
            left = _left(self.deadline)
            await until_answering(change, left, self.token_variable, self.log)
        return change

    def _change(self, client: Client) -> Change[Any]:
        if self.resume_token:
            return resume(client, self.resume_token)
        if not self.id:
            raise ValueError("SettledTrigger: pass resume_token or id")
        return api_of(client, self.zone).begin_wait(self.id, deleted=self.deleted)

    async def on_kill(self) -> None:
        """With `on_kill="delete"`, delete the deployment when a user ends the waiting task."""
        if self.kill != "delete" or self.deleted:
            return
        if not (self.resume_token or self.id):
            return
        zone = zone_of(self.resume_token) if self.resume_token else self.zone
        async with shared_clients().client(self.conn_id) as client:
            # A change of a new deployment: a 404 of a replica that lags proves nothing then.
            change = self._change(client)
            done = await delete_all(api_of(client, zone), [change.id], {})
        self.log.info("the task was ended by a user; %s", done)


class AllSettledTrigger(BaseTrigger):
    """Fires once when many changes have settled, or their waits have failed.

    The event has the deployments that settled, and a failure for each of the others.

    Args:
        conn_id: the connection of all.
        resume_tokens: of the changes.
        deadline: epoch seconds for all of them; None for the provider's default.
        on_kill: "delete" deletes all of them if a user ends the task while it waits, "leave" does
            not.
        end_task: end the task from here if all have settled.
        push: push the return value to XCom then.
        returned: the return value; None for the ids of the deployments.
    """

    def __init__(
        self,
        conn_id: str,
        resume_tokens: list[str],
        deadline: float | None = None,
        on_kill: str = "leave",
        end_task: bool = False,
        push: bool = True,
        returned: list[str] | None = None,
    ) -> None:
        super().__init__()
        self.returned = returned
        self.end_task = end_task
        self.push = push
        self.conn_id = conn_id
        self.resume_tokens = list(resume_tokens)
        self.deadline = deadline
        self.kill = on_kill

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and the arguments."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "conn_id": self.conn_id,
                "resume_tokens": self.resume_tokens,
                "deadline": self.deadline,
                "on_kill": self.kill,
                "end_task": self.end_task,
                "push": self.push,
                "returned": self.returned,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event."""
        event = await self._event()
        if self.end_task and event["status"] == "success":
            ids = self.returned
            if ids is None:
                ids = [one["id"] for one in event["deployments"]]
            if self.push:
                await _push(self.task_instance, {"return_value": ids})
            yield TaskSuccessEvent()
        else:
            yield TriggerEvent(event)

    async def _event(self) -> dict[str, Any]:
        try:
            async with shared_clients().client(self.conn_id) as client:
                changes = [resume(client, token) for token in self.resume_tokens]
                settled, failed = await follow_all(client, changes, _left(self.deadline), self.log)
        except Exception as error:
            _log_end(self.log, error)
            return {**failure(error), "deployments": [], "failures": [failure(error)]}
        if not failed:
            return {"status": "success", "deployments": settled, "failures": []}
        first = failed[0]
        message = f"{len(failed)} of {len(changes)} failed; the first: {first['message']}"
        lines = [line for one in failed for line in one["story"]]
        return {
            **first,
            "message": message,
            "story": [message, *lines],
            "deployments": settled,
            "failures": failed,
        }

    async def on_kill(self) -> None:
        """With `on_kill="delete"`, delete all deployments when a user ends the waiting task."""
        if self.kill != "delete":
            return
        async with shared_clients().client(self.conn_id) as client:
            by_zone: dict[str | None, list[Change[Any]]] = {}
            for token in self.resume_tokens:
                by_zone.setdefault(zone_of(token), []).append(resume(client, token))
            for zone, changes in by_zone.items():
                ids = [change.id for change in changes]
                done = await delete_all(api_of(client, zone), ids, {})
                self.log.info("the task was ended by a user; %s", done)
