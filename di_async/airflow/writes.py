"""Operators: update, scale and delete what exists."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from di_async.airflow.base import CREATE_FAILED, DedicatedInferenceOperator, attempts_of
from di_async.airflow.deployments import describe, failure
from di_async.airflow.names import digest
from di_async.airflow.operators import named_spec
from di_async.airflow.trigger import AllSettledTrigger
from di_async.airflow.waiting import follow_all
from di_async.core.errors import DIError, InvalidInputError, NotFoundError, SupersededError
from di_async.core.request_body import respelled
from di_async.engine.client import Client
from di_async.engine.deployments.deployable_api import DeployableApi
from di_async.engine.waiting.change import Change

__all__ = ["DeleteDeploymentOperator", "ScaleDeploymentOperator", "UpdateDeploymentOperator"]


class _WriteOperator(DedicatedInferenceOperator):
    """A write to an existing deployment; sending it twice does no more than sending it once."""

    template_fields: Sequence[str] = (*DedicatedInferenceOperator.template_fields, "id")
    starts_over_after: ClassVar[tuple[type[DIError], ...]] = (*CREATE_FAILED, SupersededError)

    def __init__(self, *, id: str, ready_timeout: float = 600.0, **options: Any) -> None:
        super().__init__(**options)
        self.id = id
        self.ready_timeout = ready_timeout

    async def _send(self, api: DeployableApi[Any]) -> Change[Any]:
        """Send the write."""
        raise NotImplementedError

    def _arguments(self) -> dict[str, Any]:
        """Return what the write sends."""
        raise NotImplementedError

    def execute(self, context: Any) -> Any:
        """Write, and wait or defer."""
        attempts = attempts_of(context, self.log)

        async def begin(client: Client, api: DeployableApi[Any]) -> dict[str, Any]:
            written = digest(type(self).__name__, {"id": self.id, **self._arguments()}, self.zone)
            change = await attempts.write(client, lambda: self._send(api), written=written)
            accepted = self._push_accepted(context, client, change)
            if self.deferrable:
                return accepted
            change = await self._wait_here(client, change)
            attempts.clear()  # so that a clearing of the task sends it again
            return self._push(context, describe(client, change))

        found = self._run_async(begin, attempts)
        if self.deferrable:
            self._defer_for(found["resume_token"])
        return found

    def execute_complete(self, context: Any, event: Mapping[str, Any]) -> Any:
        """Return what XCom carries, or raise the failure that the trigger reports."""
        found = super().execute_complete(context, event)
        attempts_of(context, self.log).clear()
        return found


class UpdateDeploymentOperator(_WriteOperator):
    """Update a deployment, and wait until the update is proven.

    Args:
        id: the deployment.
        fields: what changes, as `update` takes it.
        ready_timeout: seconds to keep trying while another change is under way.
        options: see `DedicatedInferenceOperator`.
    """

    template_fields: Sequence[str] = (*_WriteOperator.template_fields, "fields")

    def __init__(
        self, *, id: str, fields: Mapping[str, Any], ready_timeout: float = 600.0, **options: Any
    ) -> None:
        super().__init__(id=id, ready_timeout=ready_timeout, **options)
        self.fields = fields

    def _arguments(self) -> dict[str, Any]:
        """Return the fields."""
        return {"fields": self.fields}

    async def _send(self, api: DeployableApi[Any]) -> Change[Any]:
        """Send the update."""
        any_api: Any = api
        by_name = hasattr(api, "reveal_api_key")  # Exoscale takes its fields by name
        given = respelled(self.fields, "-", "_") if by_name else {"spec": dict(self.fields)}
        change: Change[Any] = await any_api.update(
            self.id, ready_timeout=self.ready_timeout, **given
        )
        return change


class ScaleDeploymentOperator(_WriteOperator):
    """Change the number of replicas, and wait until it is proven.

    Gcore scales by the `containers` of a region; use `UpdateDeploymentOperator` there.

    Args:
        id: the deployment.
        replicas: a whole number, or a template of one.
        ready_timeout: seconds to keep trying while another change is under way.
        options: see `DedicatedInferenceOperator`.
    """

    template_fields: Sequence[str] = (*_WriteOperator.template_fields, "replicas")

    def __init__(
        self, *, id: str, replicas: int | str, ready_timeout: float = 600.0, **options: Any
    ) -> None:
        super().__init__(id=id, ready_timeout=ready_timeout, **options)
        self.replicas = replicas

    def _arguments(self) -> dict[str, Any]:
        """Return the number of replicas."""
        return {"replicas": int(self.replicas)}

    async def _send(self, api: DeployableApi[Any]) -> Change[Any]:
        """Send it."""
        any_api: Any = api
        if not hasattr(api, "scale"):
            raise InvalidInputError(
                "this provider scales by region: use UpdateDeploymentOperator with "
                'fields={"containers": [...]}'
            )
        change: Change[Any] = await any_api.scale(
            self.id, int(self.replicas), ready_timeout=self.ready_timeout
        )
        return change


class DeleteDeploymentOperator(DedicatedInferenceOperator):
    """Delete deployments, and wait until GET answers 404. One that is already gone succeeds.

    All deletes are sent, and what was accepted is waited for, before a failure of one of them fails
    the task. The return value is the list of ids.

    Args:
        id: the deployment, or a list of them; None stands for an XCom that was never pushed, and
            is left out.
        name: also delete what has this name.
        name_of_task: delete what the create of this task of the same run has made, even if its id
            did not get into XCom.
        options: see `DedicatedInferenceOperator`.
    """

    template_fields: Sequence[str] = (*DedicatedInferenceOperator.template_fields, "id", "name")

    def __init__(
        self,
        *,
        id: str | Sequence[str | None] | None = None,
        name: str | None = None,
        name_of_task: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.id = id
        self.name = name
        self.name_of_task = name_of_task

    def execute(self, context: Any) -> Any:
        """Delete, and wait or defer."""

        async def begin(client: Client, api: DeployableApi[Any]) -> dict[str, Any]:
            target = api.deployable()
            ids, names = self._targets(context)
            for name in names:
                ids.update(dict.fromkeys(found.id for found in await target.find_named(name)))
            changes, failures = [], []
            for id in ids:
                try:
                    changes.append(await target.delete(id))
                except NotFoundError:
                    self.log.info("%s is gone already", id)
                except DIError as error:
                    failures.append(failure(error, id=id))
            accepted = [change.id for change in changes]
            self.log.info("the delete of %s is accepted", ", ".join(accepted) or "nothing")
            waiting = [change for change in changes if change.outcome is None]
            if not self.deferrable:
                _, late = await follow_all(client, waiting, self._wait_seconds(), self.log)
                failures += late
            tokens = [change.resume_token for change in waiting]
            return {"ids": list(ids), "failures": failures, "tokens": tokens}

        found = self._run_async(begin)
        ids, failures = found["ids"], found["failures"]
        if self.deferrable and found["tokens"]:
            deadline = self._deadline()
            trigger = AllSettledTrigger(
                self.conn_id,
                found["tokens"],
                deadline,
                end_task=self.end_from_trigger and not failures,
                push=self.do_xcom_push,
                returned=ids,
            )
            self._defer_until(trigger, deadline, ids=ids, failures=failures)
        return self._result(ids, failures)

    def execute_complete(
        self,
        context: Any,
        event: Mapping[str, Any],
        ids: Sequence[str] = (),
        failures: Sequence[Mapping[str, Any]] = (),
    ) -> Any:
        """Return the ids that are gone, or raise what could not be proven.

        Args:
            context: of the task.
            event: of the trigger.
            ids: of all that were to be deleted.
            failures: of the deletes that were not accepted.
        """
        return self._result(ids, [*failures, *event["failures"]])

    def _targets(self, context: Any) -> tuple[dict[str, None], list[str]]:
        """Return ids and names.

        Raises:
            InvalidInputError: a template rendered nothing, or nothing is named.
        """
        given = [self.id] if self.id is None or isinstance(self.id, str) else list(self.id)
        names = [] if self.name is None else [self.name]
        for text in (*given, *names):
            if text is not None and (not isinstance(text, str) or text.strip() in ("", "None")):
                raise InvalidInputError(
                    f"id, name: {text!r} names nothing, so nothing was deleted; a template that "
                    "found no XCom renders the text None"
                )
        if self.name_of_task:
            names.append(str(named_spec({}, context, self.name_of_task)["name"]))
        if given == [None] and not names:
            raise InvalidInputError("pass id or name; nothing was deleted")
        return dict.fromkeys(one for one in given if one), names

    def _result(self, ids: Sequence[str], failures: Sequence[Mapping[str, Any]]) -> list[str]:
        if failures:
            lines = [f"{one['id']}: {one['error']}: {one['message']}" for one in failures]
            message = f"{len(failures)} of {len(ids)} are not proven deleted: {'; '.join(lines)}"
            story = [message, *(line for one in failures for line in one["story"])]
            self._fail({"error": "DeleteFailed", "message": message, "story": story})
        return list(ids)
