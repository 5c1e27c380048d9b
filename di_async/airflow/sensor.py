"""A sensor: wait for a deployment that this or another task, or another program, made."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.triggers.base import StartTriggerArgs

from di_async.airflow.base import DedicatedInferenceOperator
from di_async.airflow.deployments import DEFAULT_TIMEOUTS, describe, resume
from di_async.airflow.trigger import SettledTrigger, until_answering
from di_async.core.errors import InvalidInputError
from di_async.engine.client import Client
from di_async.engine.deployments.deployable_api import DeployableApi
from di_async.engine.waiting.change import Change

__all__ = ["DeploymentSensor"]

_TRIGGER = f"{SettledTrigger.__module__}.{SettledTrigger.__qualname__}"


class DeploymentSensor(DedicatedInferenceOperator):
    """Wait until a deployment is active, gone, or a change has settled.

    Args:
        id: the deployment; or
        resume_token: of a change, such as `create.output["resume_token"]`.
        deleted: wait until `id` is gone.
        answering: wait until its models answer, too.
        token_variable: the Variable that holds the endpoint's key, for `answering`.
        start_from_trigger: begin in the triggerer, and end there: the wait needs no worker. The
            arguments are rendered there. `wait_timeout` is then Airflow's own, which fails the
            task without the steps of the wait; they are in the trigger's log.
        options: see `DedicatedInferenceOperator`.
    """

    template_fields: Sequence[str] = (
        *DedicatedInferenceOperator.template_fields,
        "id",
        "resume_token",
        "token_variable",
    )

    def __init__(
        self,
        *,
        id: str | None = None,
        resume_token: str | None = None,
        deleted: bool = False,
        answering: bool = False,
        token_variable: str | None = None,
        start_from_trigger: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.id = id
        self.resume_token = resume_token
        self.deleted = deleted
        self.answering = answering
        self.token_variable = token_variable
        self.start_from_trigger = start_from_trigger
        if start_from_trigger:
            left, longest = self._wait_seconds(), max(DEFAULT_TIMEOUTS.values())
            self.start_trigger_args = StartTriggerArgs(
                trigger_cls=_TRIGGER,
                trigger_kwargs=self._trigger_arguments(deadline=None, end_task=True),
                next_method="execute_complete",
                next_kwargs=None,
                timeout=timedelta(seconds=left if isinstance(left, float) else longest),
            )

    def execute(self, context: Any) -> Any:
        """Wait or defer."""
        if self.deferrable:
            deadline = self._deadline()
            arguments = self._trigger_arguments(deadline=deadline, end_task=self.end_from_trigger)
            self._defer_until(SettledTrigger(**arguments), deadline)

        async def wait(client: Client, api: DeployableApi[Any]) -> dict[str, Any]:
            change = await self._wait_here(client, self._change(client, api))
            if self.answering:
                await until_answering(change, self._wait_seconds(), self.token_variable, self.log)
            return self._push(context, describe(client, change))

        return self._run_async(wait)

    def _trigger_arguments(self, *, deadline: float | None, end_task: bool) -> dict[str, Any]:
        return {
            "conn_id": self.conn_id,
            "resume_token": self.resume_token,
            "deadline": deadline,
            "id": self.id,
            "zone": self.zone,
            "deleted": self.deleted,
            "answering": self.answering,
            "token_variable": self.token_variable,
            "on_kill": self.kill,
            "end_task": end_task,
            "push": self.do_xcom_push,
        }

    def _change(self, client: Client, api: DeployableApi[Any]) -> Change[Any]:
        if self.resume_token:
            return resume(client, self.resume_token)
        if not self.id:
            raise InvalidInputError("pass id or resume_token")
        return api.begin_wait(self.id, deleted=self.deleted)
