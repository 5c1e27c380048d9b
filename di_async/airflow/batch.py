"""One task that makes hundreds of deployments, with one client, one poller and one budget."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from di_async.airflow.attempts import Attempts
from di_async.airflow.base import CREATE_FAILED, DedicatedInferenceOperator, attempts_of
from di_async.airflow.deployments import failure
from di_async.airflow.names import digest
from di_async.airflow.operators import NAME_TIMEOUT_S, named_spec
from di_async.airflow.record import RECORD_KEY
from di_async.airflow.trigger import AllSettledTrigger
from di_async.airflow.waiting import follow_all
from di_async.core.errors import DIError, InvalidInputError
from di_async.engine.client import Client
from di_async.engine.deployments.deployable_api import DeployableApi
from di_async.engine.waiting.change import Change

__all__ = ["BatchCreateOperator"]


class BatchCreateOperator(DedicatedInferenceOperator):
    """Create many deployments, and wait for all of them.

    Each is kept in the task state store under its name, so that a retry continues with each, and
    a task that is cleared with other specs creates what is new. The return value is a list of
    what XCom carries of each, in the order of `specs`; a deployment that failed is missing with
    `on_failure="skip"`.

    Args:
        specs: of the deployments, templated. Those without a name get one from DAG, run, task and
            place in the list.
        concurrency: the maximum number of creates in flight.
        on_failure: "fail" fails the task if any has failed, after all waits have ended. "skip"
            fails it only if none has succeeded; each failure is logged.
        name_timeout: seconds to wait for a name that a deletion still holds.
        create_options: further arguments of each `create`.
        options: see `DedicatedInferenceOperator`.
    """

    template_fields: Sequence[str] = (
        *DedicatedInferenceOperator.template_fields,
        "specs",
        "create_options",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"specs": "json"}

    def __init__(
        self,
        *,
        specs: Sequence[Mapping[str, Any]],
        concurrency: int = 10,
        on_failure: Literal["fail", "skip"] = "fail",
        name_timeout: float = NAME_TIMEOUT_S,
        create_options: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.specs = specs
        self.concurrency = concurrency
        self.on_failure = on_failure
        self.name_timeout = name_timeout
        self.create_options = create_options or {}

    def execute(self, context: Any) -> Any:
        """Create, and wait or defer."""
        specs = self._named_specs(context)

        async def begin(client: Client, api: DeployableApi[Any]) -> dict[str, Any]:
            changes, failed = await self._create_all(client, api, specs, context)
            tokens = [change.resume_token for change in changes]
            context["ti"].xcom_push(key="ids", value=[change.id for change in changes])
            if self.deferrable or not changes:
                return {"tokens": tokens, "failures": failed, "deployments": []}
            settled, ended = await follow_all(client, changes, self._wait_seconds(), self.log)
            self._mark_failed(context, ended)
            return {"tokens": [], "failures": [*failed, *ended], "deployments": settled}

        found = self._run_async(begin)
        if found["tokens"]:
            deadline = self._deadline()
            trigger = AllSettledTrigger(self.conn_id, found["tokens"], deadline, on_kill=self.kill)
            for one in found["failures"]:
                self._log_failure(one)
            context["ti"].xcom_push(key="refused", value=len(found["failures"]))
            self._defer_until(trigger, deadline)
        return self._result(context, found["deployments"], found["failures"])

    def execute_complete(self, context: Any, event: Mapping[str, Any]) -> Any:
        """Return the deployments, or raise the failures."""
        self._mark_failed(context, event["failures"])
        refused = _pushed(context, "refused") or 0
        return self._result(context, event["deployments"], event["failures"], refused)

    async def _create_all(
        self,
        client: Client,
        api: DeployableApi[Any],
        specs: Sequence[dict[str, Any]],
        context: Any,
    ) -> tuple[list[Change[Any]], list[dict[str, Any]]]:
        slots = asyncio.Semaphore(self.concurrency)

        async def one(spec: dict[str, Any]) -> Change[Any]:
            async with slots:
                create = self._attempts(context, spec).create
                return await self._await_answer(
                    create(client, api, spec, name_timeout=self.name_timeout, **self.create_options)
                )

        for given, spec in zip(self.specs, specs, strict=True):
            attempts = self._attempts(context, spec)
            self._will_create(attempts, str(spec["name"]), own_name=not given.get("name"))
        results = await asyncio.gather(*map(one, specs), return_exceptions=True)
        changes: list[Change[Any]] = []
        failed: list[dict[str, Any]] = []
        for spec, result in zip(specs, results, strict=True):
            if isinstance(result, Change):
                changes.append(result)
            elif isinstance(result, DIError | ValueError):
                failed.append(failure(result, id=spec["name"]))
            else:
                raise result
        return changes, failed

    def _named_specs(self, context: Any) -> list[dict[str, Any]]:
        """Return the specs with their names.

        Raises:
            InvalidInputError: two have the same name, by which a retry finds its record.
        """
        specs = [named_spec(spec, context, item=item) for item, spec in enumerate(self.specs)]
        twice = [
            name for name, count in Counter(str(s["name"]) for s in specs).items() if count > 1
        ]
        if twice:
            raise InvalidInputError(f"specs: more than one has the name {', '.join(twice)}")
        return specs

    def _attempts(self, context: Any, spec: Mapping[str, Any]) -> Attempts:
        """Return the tries of one deployment: of its name, wherever it is in the list."""
        key = f"{RECORD_KEY}_{digest('batch', {'name': spec['name']})}"
        return attempts_of(context, self.log, key)

    def _mark_failed(self, context: Any, failures: Sequence[Mapping[str, Any]]) -> None:
        """Let the next try start over with what is proven to have failed."""
        proven = {one.__name__ for one in CREATE_FAILED}
        ids = {one["id"] for one in failures if one["error"] in proven}
        for spec in self._named_specs(context) if ids else ():
            attempts = self._attempts(context, spec)
            record = attempts.load()
            if record is not None and record.id in ids:
                attempts.mark_failed()

    def _result(
        self,
        context: Any,
        deployments: Sequence[Mapping[str, Any]],
        failures: Sequence[Mapping[str, Any]],
        refused: int = 0,
    ) -> list[dict[str, Any]]:
        for one in failures:
            self._log_failure(one)
        count = len(failures) + refused
        if count and (self.on_failure == "fail" or not deployments):
            message = f"{count} of {count + len(deployments)} failed; each is in the log"
            self._fail({"error": "BatchFailed", "message": message, "story": ()})
        by_id = {one["id"]: dict(one) for one in deployments}
        ids = _pushed(context, "ids")
        return [by_id[id] for id in ids or by_id if id in by_id]

    def _log_failure(self, one: Mapping[str, Any]) -> None:
        self.log.error("%s: %s", one.get("id"), "\n".join(one["story"]))


def _pushed(context: Any, key: str) -> Any:
    """Return what this task has pushed to XCom under a key."""
    ti = context["ti"]
    return ti.xcom_pull(task_ids=ti.task_id, key=key, map_indexes=ti.map_index)
