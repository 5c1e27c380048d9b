"""Operators: create, ensure, update, scale, delete, wait until answering; and `temporary`."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from airflow.sdk import Variable
from airflow.sdk.log import mask_secret

from di_async.airflow.attempts import Attempts
from di_async.airflow.base import CREATE_FAILED, DedicatedInferenceOperator, attempts_of
from di_async.airflow.deployments import describe, failure
from di_async.airflow.names import deployment_name, digest
from di_async.airflow.record import Record
from di_async.airflow.trigger import AllSettledTrigger
from di_async.airflow.waiting import follow_all
from di_async.airflow.wall_clock import utc_now
from di_async.core.errors import DIError, InvalidInputError, NotFoundError, SupersededError
from di_async.core.validation import respelled
from di_async.engine.client import Client
from di_async.engine.deployable_api import DeployableApi
from di_async.engine.waiting.change import Change

__all__ = [
    "CreateDeploymentOperator",
    "DeleteDeploymentOperator",
    "EnsureDeploymentOperator",
    "ScaleDeploymentOperator",
    "UpdateDeploymentOperator",
    "WaitUntilAnsweringOperator",
    "named_spec",
    "temporary",
]

NAME_TIMEOUT_S = 900.0
"""Seconds for which a create waits for a name that a deletion still holds."""
_KEY_METHODS = ("reveal_api_key", "create_token")
"""What returns the key of an endpoint: at Exoscale, and at DigitalOcean."""


def named_spec(
    spec: Any, context: Any, task_id: str | None = None, item: int | None = None
) -> dict[str, Any]:
    """Return a spec with a name: its own, or the one of the task instance.

    Raises:
        InvalidInputError: the spec is not a mapping.
    """
    if not isinstance(spec, Mapping):
        raise InvalidInputError(f"spec: expected a mapping, not {type(spec).__name__}")
    if spec.get("name"):
        return dict(spec)
    ti = context["ti"]
    name = deployment_name(ti.dag_id, ti.run_id, task_id or ti.task_id, ti.map_index, item)
    return {**spec, "name": name}


class CreateDeploymentOperator(DedicatedInferenceOperator):
    """Create a deployment, and wait until it is proven active.

    A worker may die at any moment: where names are unique (`capabilities.unique_names`), its retry
    adopts what it made. Elsewhere the retry fails and names the candidates.

    XCom carries `id`, `name`, `endpoint`, `resume_token`, each under its own key as soon as it is
    known, and all of them in the return value. It never carries a secret.

    Args:
        spec: as for `create`, templated. Without a name, it gets one from DAG, run and task.
        wait: False ends the task when the create is accepted.
        token_variable: the Variable to write the endpoint's key to. Name it so that Airflow hides
            it, such as `web_token`. Without one, DigitalOcean's one-time token is lost. Gcore's
            endpoints have no key of their own, so that it is refused there.
        name_timeout: seconds to wait for a name that a deletion still holds.
        adopt_only_candidate: where names are not unique, let a retry wait for the only deployment
            of the name that an earlier try may have made.
        create_options: further arguments of `create`, such as `{"max_hourly": 5}`.
        options: see `DedicatedInferenceOperator`.
    """

    template_fields: Sequence[str] = (
        *DedicatedInferenceOperator.template_fields,
        "spec",
        "token_variable",
        "create_options",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"spec": "json"}
    starts_over_after: ClassVar[tuple[type[DIError], ...]] = CREATE_FAILED

    def __init__(
        self,
        *,
        spec: Mapping[str, Any],
        wait: bool = True,
        token_variable: str | None = None,
        name_timeout: float = NAME_TIMEOUT_S,
        adopt_only_candidate: bool = False,
        create_options: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.spec = spec
        self.wait = wait
        self.token_variable = token_variable
        self.name_timeout = name_timeout
        self.adopt_only_candidate = adopt_only_candidate
        self.create_options = create_options or {}
        # The key is written by a worker.
        self.end_from_trigger = self.end_from_trigger and token_variable is None

    def execute(self, context: Any) -> Any:
        """Create, and wait or defer."""
        attempts = attempts_of(context, self.log)

        async def begin(client: Client, api: DeployableApi[Any]) -> dict[str, Any]:
            spec = named_spec(self.spec, context)
            self._check_token_variable(api)
            self.will_create(attempts, str(spec["name"]), own_name=not self.spec.get("name"))
            change = await self.answered(
                attempts.create(
                    client,
                    api,
                    spec,
                    adopt_only_candidate=self.adopt_only_candidate,
                    name_timeout=self.name_timeout,
                    **self.create_options,
                )
            )
            accepted = self.push_accepted(context, client, change, str(spec["name"]))
            await self._write_key_at_once(attempts, api, change)
            if not self.wait:
                return accepted
            if self.deferrable:
                return accepted
            change = await self.wait_here(client, change)
            await self._mint_token(attempts, api, change.id)
            return self.passed_on(context, describe(client, change))

        found = self.run_async(begin, attempts if self.wait else None)
        if self.wait and self.deferrable:
            self.defer_for(found["resume_token"])
        return found

    def passed_on(self, context: Any, deployment: Mapping[str, Any]) -> dict[str, Any]:
        """Push to XCom; after a deferred wait, write the key that is not written yet."""
        found = super().passed_on(context, deployment)
        if self.token_variable and self._running is None:
            attempts = attempts_of(context, self.log)

            async def mint(_: Client, api: DeployableApi[Any]) -> None:
                self._made[found["id"]] = None
                await self._mint_token(attempts, api, found["id"])

            self.run_async(mint)
        return found

    async def _mint_token(self, attempts: Attempts, api: DeployableApi[Any], id: str) -> None:
        """Write a new key to the Variable, if the first one was lost with an answer or a worker."""
        record = attempts.load()
        if not self.token_variable or (record is not None and record.token_written):
            return
        any_api: Any = api
        if hasattr(api, "reveal_api_key"):
            key = await any_api.reveal_api_key(id)
        else:
            key = (await any_api.create_token(id, f"airflow-{id[:8]}")).value
        self._write_token(attempts, key)

    async def _write_key_at_once(
        self, attempts: Attempts, api: DeployableApi[Any], change: Change[Any]
    ) -> None:
        """Write the key before the deployment is active, if it is known or the task ends here.

        A set-up succeeds even if that fails: the tear-down of one that failed would not run.
        """
        try:
            if change.access_token is not None and self.token_variable:
                self._write_token(attempts, change.access_token.value)
            elif not self.wait:
                await self._mint_token(attempts, api, change.id)
        except Exception as error:
            if not self.is_setup:
                raise
            self.log.error("the key of %s is in no Variable: %s", change.id, error)  # noqa: TRY400

    def _check_token_variable(self, api: DeployableApi[Any]) -> None:
        """Raise if the provider has no key to write, before anything is created."""
        if self.token_variable and not any(hasattr(api, name) for name in _KEY_METHODS):
            raise InvalidInputError(
                "token_variable: this provider's endpoints have no key of their own; name one of "
                "the account's API keys in the spec, and leave token_variable out"
            )

    def _write_token(self, attempts: Attempts, key: Any) -> None:
        assert self.token_variable is not None  # noqa: S101 - the callers check it
        value = key.reveal()
        mask_secret(value)
        Variable.set(self.token_variable, value, description="written by di-async")
        attempts.mark_token_written()
        self.log.info("the endpoint's key is in the Variable %s", self.token_variable)


class EnsureDeploymentOperator(DedicatedInferenceOperator):
    """Create the deployment of the spec's name, update what differs, or find nothing to do.

    Args:
        spec: as for `ensure`, templated; it needs a name.
        ensure_options: further arguments of `ensure`, such as `{"max_hourly": 5}`.
        options: see `DedicatedInferenceOperator`.
    """

    template_fields: Sequence[str] = (
        *DedicatedInferenceOperator.template_fields,
        "spec",
        "ensure_options",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"spec": "json"}

    def __init__(
        self,
        *,
        spec: Mapping[str, Any],
        ensure_options: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.spec = spec
        self.ensure_options = ensure_options or {}

    def execute(self, context: Any) -> Any:
        """Ensure, and wait or defer."""

        async def begin(client: Client, api: DeployableApi[Any]) -> dict[str, Any]:
            if not (isinstance(self.spec, Mapping) and self.spec.get("name")):
                raise InvalidInputError("spec: ensure needs a name")
            any_api: Any = api
            # Not continued by a retry: `ensure` finds by itself what exists.
            # After a kill, only what was created since now is deleted by its name.
            name = str(self.spec["name"])
            record = Record(state="sending", name=name, first_attempt_at=utc_now().isoformat())
            tries = Attempts(load=lambda: record, save=lambda _: None, clear=lambda: None)
            self.will_create(tries, name, own_name=False)
            done = await self.answered(any_api.ensure(dict(self.spec), **self.ensure_options))
            self.was_created(name)
            self.log.info("%s: %s %s", done.action, done.id, "; ".join(done.diff))
            for id in done.duplicates:
                self.log.warning("another of that name exists, and bills: %s", id)
            accepted = self.push_accepted(context, client, done.change, name)
            if self.deferrable:
                return accepted
            change = await self.wait_here(client, done.change)
            return self.passed_on(context, describe(client, change))

        found = self.run_async(begin)
        if self.deferrable:
            self.defer_for(found["resume_token"])
        return found


class _WriteOperator(DedicatedInferenceOperator):
    """A write to an existing deployment; sending it twice does no more than sending it once."""

    template_fields: Sequence[str] = (*DedicatedInferenceOperator.template_fields, "id")
    starts_over_after: ClassVar[tuple[type[DIError], ...]] = (*CREATE_FAILED, SupersededError)

    def __init__(self, *, id: str, ready_timeout: float = 600.0, **options: Any) -> None:
        super().__init__(**options)
        self.id = id
        self.ready_timeout = ready_timeout

    async def send(self, api: DeployableApi[Any]) -> Change[Any]:
        """Send the write."""
        raise NotImplementedError

    def arguments(self) -> dict[str, Any]:
        """Return what the write sends."""
        raise NotImplementedError

    def execute(self, context: Any) -> Any:
        """Write, and wait or defer."""
        attempts = attempts_of(context, self.log)

        async def begin(client: Client, api: DeployableApi[Any]) -> dict[str, Any]:
            written = digest(type(self).__name__, {"id": self.id, **self.arguments()}, self.zone)
            change = await attempts.write(client, lambda: self.send(api), written=written)
            accepted = self.push_accepted(context, client, change)
            if self.deferrable:
                return accepted
            change = await self.wait_here(client, change)
            attempts.clear()  # so that a clearing of the task sends it again
            return self.passed_on(context, describe(client, change))

        found = self.run_async(begin, attempts)
        if self.deferrable:
            self.defer_for(found["resume_token"])
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
        ready_timeout: seconds to go on trying while another change is under way.
        options: see `DedicatedInferenceOperator`.
    """

    template_fields: Sequence[str] = (*_WriteOperator.template_fields, "fields")

    def __init__(
        self, *, id: str, fields: Mapping[str, Any], ready_timeout: float = 600.0, **options: Any
    ) -> None:
        super().__init__(id=id, ready_timeout=ready_timeout, **options)
        self.fields = fields

    def arguments(self) -> dict[str, Any]:
        """Return the fields."""
        return {"fields": self.fields}

    async def send(self, api: DeployableApi[Any]) -> Change[Any]:
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
        ready_timeout: seconds to go on trying while another change is under way.
        options: see `DedicatedInferenceOperator`.
    """

    template_fields: Sequence[str] = (*_WriteOperator.template_fields, "replicas")

    def __init__(
        self, *, id: str, replicas: int | str, ready_timeout: float = 600.0, **options: Any
    ) -> None:
        super().__init__(id=id, ready_timeout=ready_timeout, **options)
        self.replicas = replicas

    def arguments(self) -> dict[str, Any]:
        """Return the number of replicas."""
        return {"replicas": int(self.replicas)}

    async def send(self, api: DeployableApi[Any]) -> Change[Any]:
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
    """Delete deployments, and wait until GET answers 404. What is gone already is no error.

    All deletes are sent, and what was accepted is waited for, before a failure of one of them fails
    the task. The return value is the list of ids.

    Args:
        id: the deployment, or a list of them; None stands for an XCom that was never pushed, and
            is left out.
        name: delete what has this name, too.
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
                _, late = await follow_all(client, waiting, self.left(), self.log)
                failures += late
            tokens = [change.resume_token for change in waiting]
            return {"ids": list(ids), "failures": failures, "tokens": tokens}

        found = self.run_async(begin)
        ids, failures = found["ids"], found["failures"]
        if self.deferrable and found["tokens"]:
            deadline = self.deadline()
            trigger = AllSettledTrigger(
                self.conn_id,
                found["tokens"],
                deadline,
                end_task=self.end_from_trigger and not failures,
                push=self.do_xcom_push,
                returned=ids,
            )
            self.defer_until(trigger, deadline, ids=ids, failures=failures)
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
            self.fail({"error": "DeleteFailed", "message": message, "story": story})
        return list(ids)


class WaitUntilAnsweringOperator(DedicatedInferenceOperator):
    """Wait until a deployment is active and its models answer: each completes one token.

    Args:
        id: the deployment.
        token_variable: the Variable that holds the endpoint's key. Exoscale reveals its own.
        options: see `DedicatedInferenceOperator`.
    """

    template_fields: Sequence[str] = (
        *DedicatedInferenceOperator.template_fields,
        "id",
        "token_variable",
    )

    def __init__(self, *, id: str, token_variable: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.id = id
        self.token_variable = token_variable

    def execute(self, context: Any) -> Any:
        """Wait or defer."""

        async def begin(client: Client, api: DeployableApi[Any]) -> dict[str, Any]:
            change = api.begin_wait(self.id)
            if self.deferrable:
                return describe(client, change)
            change = await self.wait_here(client, change)
            await self.wait_until_answering(change, self.token_variable)
            return self.passed_on(context, describe(client, change))

        found = self.run_async(begin)
        if self.deferrable:
            self.defer_for(
                found["resume_token"], answering=True, token_variable=self.token_variable
            )
        return found


def temporary(
    task_id: str,
    *,
    conn_id: str,
    spec: Mapping[str, Any],
    zone: str | None = None,
    token_variable: str | None = None,
    **options: Any,
) -> tuple[CreateDeploymentOperator, DeleteDeploymentOperator]:
    """Return a set-up task that creates a deployment, and the tear-down task that deletes it.

    The set-up ends when the create is accepted: Airflow runs a tear-down only after a set-up that
    succeeded, and a deployment that fails must be deleted, too. So wait for it in the task between
    them, with `WaitUntilAnsweringOperator(id=create.output["id"], ...)` or `DeploymentSensor`.

    Args:
        task_id: of the set-up; the tear-down is `<task_id>_teardown`.
        conn_id: the connection.
        spec: as for `create`, templated. Without a name, it gets one from DAG, run and task.
        zone: of Exoscale.
        token_variable: see `CreateDeploymentOperator`.
        options: further arguments of both operators, such as `retries`.
    """
    create = CreateDeploymentOperator(
        task_id=task_id,
        conn_id=conn_id,
        spec=spec,
        zone=zone,
        token_variable=token_variable,
        wait=False,
        **options,
    )
    created: Any = create.output
    named = spec.get("name") if isinstance(spec, Mapping) else None
    delete = DeleteDeploymentOperator(
        task_id=f"{task_id}_teardown",
        conn_id=conn_id,
        zone=zone,
        id=created["id"],
        name_of_task=None if named else create.task_id,
        **{
            "retries": 3,
            "retry_delay": timedelta(seconds=30),
            "end_from_trigger": True,
            **options,
        },
    )
    delete.as_teardown(setups=create)
    return create, delete
