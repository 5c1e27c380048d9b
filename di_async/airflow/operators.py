"""Operators: create, ensure, and wait until answering."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow.sdk import Variable
from airflow.sdk.log import mask_secret

from di_async.airflow.attempts import Attempts
from di_async.airflow.base import CREATE_FAILED, DedicatedInferenceOperator, attempts_of
from di_async.airflow.deployments import describe
from di_async.airflow.names import deployment_name
from di_async.airflow.record import Record
from di_async.airflow.trigger import until_answering
from di_async.airflow.wall_clock import utc_now
from di_async.core.errors import DIError, InvalidInputError
from di_async.engine.client import Client
from di_async.engine.deployments.deployable_api import DeployableApi
from di_async.engine.waiting.change import Change

__all__ = [
    "CreateDeploymentOperator",
    "EnsureDeploymentOperator",
    "WaitUntilAnsweringOperator",
    "named_spec",
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
            self._will_create(attempts, str(spec["name"]), own_name=not self.spec.get("name"))
            change = await self._await_answer(
                attempts.create(
                    client,
                    api,
                    spec,
                    adopt_only_candidate=self.adopt_only_candidate,
                    name_timeout=self.name_timeout,
                    **self.create_options,
                )
            )
            accepted = self._push_accepted(context, client, change, str(spec["name"]))
            await self._write_key_at_once(attempts, api, change)
            if not self.wait or self.deferrable:
                return accepted
            change = await self._wait_here(client, change)
            await self._mint_token(attempts, api, change.id)
            return self._push(context, describe(client, change))

        found = self._run_async(begin, attempts if self.wait else None)
        if self.wait and self.deferrable:
            self._defer_for(found["resume_token"])
        return found

    def _push(self, context: Any, deployment: Mapping[str, Any]) -> dict[str, Any]:
        """Push to XCom; after a deferred wait, write the key that is not written yet."""
        found = super()._push(context, deployment)
        if self.token_variable and self._running is None:
            attempts = attempts_of(context, self.log)

            async def mint(_: Client, api: DeployableApi[Any]) -> None:
                self._made[found["id"]] = None
                await self._mint_token(attempts, api, found["id"])

            self._run_async(mint)
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
            self.log.error("the key of %s was not written to a Variable: %s", change.id, error)  # noqa: TRY400

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
    """Create the deployment of the spec's name, update what differs, or do nothing.

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
            self._will_create(tries, name, own_name=False)
            done = await self._await_answer(any_api.ensure(dict(self.spec), **self.ensure_options))
            self._was_created(name)
            self.log.info("%s: %s %s", done.action, done.id, "; ".join(done.diff))
            for id in done.duplicates:
                self.log.warning("another of that name exists, and bills: %s", id)
            accepted = self._push_accepted(context, client, done.change, name)
            if self.deferrable:
                return accepted
            change = await self._wait_here(client, done.change)
            return self._push(context, describe(client, change))

        found = self._run_async(begin)
        if self.deferrable:
            self._defer_for(found["resume_token"])
        return found


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
            change = await self._wait_here(client, change)
            await until_answering(change, self._wait_seconds(), self.token_variable, self.log)
            return self._push(context, describe(client, change))

        found = self._run_async(begin)
        if self.deferrable:
            self._defer_for(
                found["resume_token"], answering=True, token_variable=self.token_variable
            )
        return found
