"""What the operators have in common: running in a worker, deferring, and what they pass on."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, ClassVar, Literal, NoReturn, TypeVar

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException

from di_async.airflow.attempts import Attempts
from di_async.airflow.cleanup import Cleanup, Create, delete_all
from di_async.airflow.deployments import DEFAULT_TIMEOUTS, PASSED_ON, api_of, describe, failure
from di_async.airflow.hook import DedicatedInferenceHook
from di_async.airflow.links import EndpointLink
from di_async.airflow.record import RECORD_KEY, Record
from di_async.airflow.settings import ConnectionSettings
from di_async.airflow.trigger import SettledTrigger
from di_async.airflow.waiting import follow
from di_async.airflow.wall_clock import epoch_now
from di_async.core.errors import DeploymentFailedError, DIError, ResourceVanishedError
from di_async.engine.client import Client
from di_async.engine.deployments.cleanup import finish
from di_async.engine.deployments.deployable_api import DeployableApi
from di_async.engine.waiting.change import DEFAULT, Change, Timeout
from di_async.engine.writes.ensure import Ensured

__all__ = [
    "BACKSTOP_S",
    "CREATE_FAILED",
    "DedicatedInferenceOperator",
    "OnKill",
    "WaitSeconds",
    "attempts_of",
]

T = TypeVar("T")
A = TypeVar("A", bound="Change[Any] | Ensured[Any]")
OnKill = Literal["leave", "delete"]
WaitSeconds = float | timedelta | None
BACKSTOP_S = 900.0
"""Seconds after its deadline when Airflow itself ends a trigger that no triggerer runs."""
ANSWER_S = 2.0
"""Seconds for the answer to a create when the task is ended: Airflow kills a worker after 5."""
_ENDED = "the task was ended by a user or by a timeout"
CREATE_FAILED = (DeploymentFailedError, ResourceVanishedError)
"""These show that what was created does not become active; a later change of it does not."""


def attempts_of(context: Mapping[str, Any], log: Any, key: str = RECORD_KEY) -> Attempts:
    """Return the tries of a task, kept in its task state store under a key."""
    store: Any = context.get("task_state_store")
    if store is None:
        log.warning("there is no task state store: a retry cannot find what this try creates")
        kept: dict[str, Record] = {}
        return Attempts(
            load=lambda: kept.get(key),
            save=lambda record: kept.update({key: record}),
            clear=kept.clear,
            log=log,
        )
    return Attempts(
        load=lambda: Record.from_json(store.get(key)),
        save=lambda record: store.set(key, record.to_json()),
        clear=lambda: store.delete(key),
        log=log,
    )


class DedicatedInferenceOperator(BaseOperator):
    """Base class: one write or wait, deferred or durable in the worker.

    Args:
        conn_id: the connection: its type says which provider.
        zone: of Exoscale; None for the connection's.
        deferrable: wait in a triggerer. Otherwise in the worker, whose retry continues the wait.
        wait_timeout: seconds or timedelta for the wait; None for the provider's default.
        on_kill: "delete" deletes what the task has made or waits for, if a user ends it or, in the
            worker, `execution_timeout` does; "leave" leaves it.
        end_from_trigger: the triggerer ends the task when it has settled, so that no worker is
            needed for it. A failure comes to a worker in any case.
    """

    template_fields: Sequence[str] = ("conn_id", "zone")
    operator_extra_links = (EndpointLink(),)
    ui_color = "#e3ecf7"
    starts_over_after: ClassVar[tuple[type[DIError], ...]] = ()
    """Errors of a wait after which a retry does not continue this wait, but starts over."""

    def __init__(
        self,
        *,
        conn_id: str,
        zone: str | None = None,
        deferrable: bool = True,
        wait_timeout: WaitSeconds = None,
        on_kill: OnKill = "leave",
        end_from_trigger: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if on_kill not in ("leave", "delete"):
            raise ValueError(f"on_kill: expected 'leave' or 'delete', not {on_kill!r}")
        self.conn_id = conn_id
        self.zone = zone
        self.deferrable = deferrable
        self.wait_timeout = wait_timeout
        self.kill = on_kill
        self.end_from_trigger = end_from_trigger
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None
        self._killed = self._cleaned = False
        self._settings: ConnectionSettings | None = None
        self._made: dict[str, None] = {}
        self._creates: dict[str, Create] = {}
        self._sending: set[asyncio.Task[Any]] = set()

    # -- running ------------------------------------------------------------------------------

    def _run_async(
        self,
        work: Callable[[Client, DeployableApi[Any]], Awaitable[T]],
        attempts: Attempts | None = None,
    ) -> T:
        """Run a coroutine function with an entered client; errors become Airflow's.

        If a wait in it shows that what `attempts` made has failed, the next try starts over.

        Raises:
            AirflowException: the call failed; its steps are in the log.
        """
        if self._killed:
            raise AirflowException(_ENDED)
        self._made, self._creates, self._sending = {}, {}, set()

        async def main() -> T:
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 - this is a coroutine of asyncio.run
            self._running = asyncio.get_running_loop(), task
            settings = self._settings = DedicatedInferenceHook(self.conn_id).settings()
            async with settings.client(settings.budget()) as client:
                try:
                    return await work(client, api_of(client, self.zone))
                except asyncio.CancelledError:
                    await finish(self._finish_creates)
                    raise

        failed: Exception | None = None
        try:
            result = asyncio.run(main())
            if not self._killed:
                return result
        except asyncio.CancelledError:
            pass
        except (DIError, ValueError) as error:
            failed = error
        finally:
            self._running = None
        if self._killed:
            raise AirflowException(f"{_ENDED}; {self._clean_up()}")
        if failed is not None:
            if attempts is not None and isinstance(failed, self.starts_over_after):
                attempts.mark_failed()
            self._fail(failure(failed))
        raise AirflowException(_ENDED)

    async def _await_answer(self, call: Coroutine[Any, Any, A]) -> A:
        """Return the answer to a create, in a task of its own.

        A kill does not cut it off at once: the answer holds the id.
        """
        sending = asyncio.ensure_future(call)
        self._sending.add(sending)
        await asyncio.wait([sending])
        self._sending.discard(sending)
        answer = sending.result()
        self._made[str(answer.id)] = None
        return answer

    def _will_create(self, attempts: Attempts, name: str, *, own_name: bool) -> None:
        """Remember a create, so that `on_kill="delete"` deletes what it makes.

        Args:
            attempts: its record says since when it may have been sent.
            name: of the deployment.
            own_name: the name was made of DAG, run and task, so that nothing else has it.
        """
        self._creates[name] = Create(attempts, own_name)

    def _was_created(self, name: str) -> None:
        """Forget the name of a create, whose answer shows the id."""
        self._creates.pop(name, None)

    def on_kill(self) -> None:
        """End the call or the wait in this worker; `on_kill="delete"` then deletes.

        Airflow calls it for a user who ends the task, and after `execution_timeout` has ended it.
        """
        self._killed = True
        if self._running is None:
            self.log.warning("%s; %s", _ENDED, self._clean_up())
            return
        loop, task = self._running
        with suppress(RuntimeError):  # the loop is closed already; `_run_async` cleans up
            loop.call_soon_threadsafe(task.cancel)

    async def _finish_creates(self) -> None:
        """Wait a moment for the answers to creates in flight, and end what has none."""
        sending = self._sending
        if sending and self._killed and self.kill == "delete":
            await asyncio.wait(sending, timeout=ANSWER_S)
        for task in sending:
            task.cancel()
        if sending:
            await asyncio.wait(sending)

    def _clean_up(self) -> str:
        """Delete what this task has made, if that is wanted; return what happened. Once."""
        if self._cleaned or self._settings is None:
            return "nothing is left to do"
        settings, self._cleaned = self._settings, True
        if self.kill != "delete":
            left = ", ".join(self._made)
            return f"{left} is left alone, and bills" if left else "nothing was deleted"

        async def main() -> Cleanup:
            async with settings.client(settings.budget()) as client:
                return await delete_all(api_of(client, self.zone), self._made, self._creates)

        try:
            done = asyncio.run(main())
        except Exception as error:  # whatever it is, the names must be reported
            names = ", ".join([*self._made, *self._creates])
            return f"{names} may exist and bill, as the clean-up failed: {error}"
        for line in done.left:
            self.log.error("%s", line)
        return str(done)

    def _fail(self, event: Mapping[str, Any]) -> NoReturn:
        """Log the steps that led to a failure, and raise it."""
        for line in event.get("story", ())[1:]:
            self.log.error("%s", line)
        raise AirflowException(f"{event['error']}: {event['message']}")

    # -- waiting ------------------------------------------------------------------------------

    def _wait_seconds(self) -> Timeout:
        """Return the seconds that a wait may take."""
        timeout = self.wait_timeout
        if timeout is None:
            return DEFAULT
        return timeout.total_seconds() if isinstance(timeout, timedelta) else float(timeout)

    def _defer_until(self, trigger: Any, deadline: float, **kept: Any) -> NoReturn:
        """Defer; Airflow's own timeout comes after the trigger's, so that its report is kept.

        `kept` is passed to `execute_complete`.
        """
        backstop = timedelta(seconds=max(0.0, deadline - epoch_now()) + BACKSTOP_S)
        self.defer(trigger=trigger, method_name="execute_complete", kwargs=kept, timeout=backstop)
        raise AssertionError("defer raises")

    def _deadline(self) -> float:
        """Return the epoch second at which a wait that begins now ends.

        It is absolute in any case: a trigger that is started again must not start over.
        """
        left = self._wait_seconds()
        if not isinstance(left, float):
            left = DEFAULT_TIMEOUTS[DedicatedInferenceHook(self.conn_id).settings().provider]
        return epoch_now() + left

    def _defer_for(self, resume_token: str, **more: Any) -> NoReturn:
        """Wait in a triggerer for the change of a resume token."""
        deadline = self._deadline()
        trigger = SettledTrigger(
            self.conn_id,
            resume_token,
            deadline,
            on_kill=self.kill,
            end_task=self.end_from_trigger,
            push=self.do_xcom_push,
            **more,
        )
        self._defer_until(trigger, deadline)

    async def _wait_here(self, client: Client, change: Change[Any]) -> Change[Any]:
        """Wait in this worker, log what the wait says, and return the change that settled."""
        self._made[change.id] = None
        return await follow(client, change, self._wait_seconds(), self.log)

    def execute_complete(self, context: Any, event: Mapping[str, Any]) -> Any:
        """Return what XCom carries, or raise the failure that the trigger reports.

        Raises:
            AirflowException: the wait failed; its steps are in the log.
        """
        if event["status"] != "success":
            if event["error"] in {one.__name__ for one in self.starts_over_after}:
                attempts_of(context, self.log).mark_failed()
            self._fail(event)
        return self._push(context, event["deployment"])

    def _push(self, context: Any, deployment: Mapping[str, Any]) -> dict[str, Any]:
        """Push each part of what is known about a deployment to XCom, and return it."""
        ti = context["ti"]
        for key in PASSED_ON:
            ti.xcom_push(key=key, value=deployment.get(key))
        return dict(deployment)

    def _push_accepted(
        self, context: Any, client: Client, change: Change[Any], name: str | None = None
    ) -> dict[str, Any]:
        """Push what is known as soon as a write is accepted: a failure must not lose the id."""
        self._made[change.id] = None
        return self._push(context, describe(client, change, name))
