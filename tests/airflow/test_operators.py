"""Tests of the operators, the hook and the triggers, as Airflow's workers and triggerers call them.

They run against an emulator on a loopback port, in real time; Airflow's own parts do not run.
"""

import asyncio
import json
import os
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest

pytest.importorskip("airflow.sdk", reason="needs the extra `airflow`")

from airflow.sdk import DAG, Variable
from airflow.sdk.exceptions import AirflowException, AirflowTaskTimeout, TaskDeferred
from airflow.triggers.base import TaskSuccessEvent, TriggerEvent

from di_async.airflow import (
    AllSettledTrigger,
    BatchCreateOperator,
    CreateDeploymentOperator,
    DedicatedInferenceHook,
    DeleteDeploymentOperator,
    DeploymentSensor,
    EnsureDeploymentOperator,
    ScaleDeploymentOperator,
    SettledTrigger,
    UpdateDeploymentOperator,
    WaitUntilAnsweringOperator,
    temporary,
)
from di_async.airflow.attempts import Attempts
from di_async.airflow.deployments import phase_of
from di_async.airflow.record import RECORD_KEY, Record
from di_async.core.errors import NotFoundError
from di_async.core.waiting.observation import Phase
from di_async.emulator import Emulator, Lifecycle, threaded

pytestmark = pytest.mark.filterwarnings("default")  # Airflow's own dependencies warn
SPEC = {
    "region": "atl1",
    "enable_public_endpoint": True,
    "model_deployments": [
        {
            "model_slug": "mistral/mistral-7b-instruct-v3",
            "model_provider": "hugging_face",
            "accelerators": [
                {"accelerator_slug": "gpu-mi300x1-192gb", "scale": 1, "type": "prefill_decode"}
            ],
        }
    ],
}
EXOSCALE_SPEC = {"model": {"name": "openai/gpt-oss-20b"}, "gpu-type": "gpua5000"}
GCORE_SPEC = {
    "image": "nginx:latest",
    "listening_port": 8080,
    "containers": [{"region_id": 7, "scale": {"min": 1, "max": 1}}],
    "flavor_name": "inference-16vcpu-232gib-1xh100-80gb",
}


class Store(dict[str, Any]):
    """A task state store."""

    def set(self, key: str, value: Any) -> None:
        """Keep a value as JSON does."""
        self[key] = json.loads(json.dumps(value))

    def delete(self, key: str) -> None:
        """Forget a value."""
        self.pop(key, None)


class UnansweredStore(Store):
    """A task state store of a worker to which the answer to its create has not come."""

    def set(self, key: str, value: Any) -> None:
        """Keep what is stored before the answer."""
        if value["state"] == "sending":
            super().set(key, value)


class TaskInstance:
    """The part of a task instance that operators use."""

    def __init__(self, task_id: str) -> None:
        self.dag_id, self.run_id, self.task_id, self.map_index = "dag", "run", task_id, -1
        self.xcoms: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        """Keep an XCom as JSON does."""
        self.xcoms[key] = json.loads(json.dumps(value))

    def xcom_pull(self, *, key: str, **_: Any) -> Any:
        """Return an XCom."""
        return self.xcoms.get(key)


def context_of(operator: Any, store: Store | None = None) -> dict[str, Any]:
    """Return the context of a try; the store is that of all tries."""
    state = Store() if store is None else store
    return {"ti": TaskInstance(operator.task_id), "task_state_store": state}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """Run an emulator, and connections to it."""
    lifecycle = Lifecycle(create=0.6, update=0.3, delete=0.3)
    with threaded(seed=1, time_scale=1, lifecycle=lifecycle) as running:
        world = running.world
        world.add_exoscale_model(name="openai/gpt-oss-20b")
        extra = {"polling": {"target_lag": 0.1}}
        made: dict[str, dict[str, Any]] = {
            "do": {"conn_type": "digitalocean_inference", "password": world.token},
            "gcore": {
                "conn_type": "gcore_inference",
                "password": world.gcore.api_key,
                "extra": {**extra, "project_id": world.gcore.project_id},
            },
            "exo": {
                "conn_type": "exoscale_inference",
                "login": world.exoscale.api_key,
                "password": world.exoscale.api_secret,
            },
            "wrong": {"conn_type": "digitalocean_inference", "password": "not-the-token"},
            "other": {"conn_type": "http", "password": "x"},
        }
        for name, fields in made.items():
            fields = {"host": running.url, "extra": extra, **fields}
            os.environ[f"AIRFLOW_CONN_{name.upper()}"] = json.dumps(fields)
        yield running
        for name in made:
            del os.environ[f"AIRFLOW_CONN_{name.upper()}"]


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the Variables that operators set."""
    kept: dict[str, str] = {}
    monkeypatch.setattr(Variable, "set", lambda key, value, **_: kept.update({key: value}))
    monkeypatch.setattr(Variable, "get", lambda key, *_: kept[key])
    return kept


def spec(**fields: Any) -> dict[str, Any]:
    """Return a spec with a name of its own."""
    return {**SPEC, "name": f"web-{uuid4().hex[:12]}", **fields}


def run(operator: Any, context: Any) -> Any:
    """Run an operator as Airflow does: execute, the trigger if it defers, and the rest."""
    operator.render_template_fields({**context, "params": {"region": "atl1"}})
    try:
        return operator.execute(context)
    except TaskDeferred as deferred:
        event = fire(deferred.trigger)
        return getattr(operator, deferred.method_name)(
            context, **(deferred.kwargs or {}), event=event
        )


def fire(trigger: Any) -> Any:
    """Run a trigger that was stored and restored, and return its event's payload."""
    trigger.end_task = False
    return fire_event(trigger).payload


def fire_event(trigger: Any) -> Any:
    """Run a trigger that was stored and restored, and return its event."""
    _, arguments = trigger.serialize()
    restored = type(trigger)(**json.loads(json.dumps(arguments)))

    async def first() -> Any:
        async for event in restored.run():
            return event
        raise AssertionError("no event")

    return asyncio.run(first())


def create(**options: Any) -> CreateDeploymentOperator:
    """Return a create operator."""
    return CreateDeploymentOperator(
        **{"task_id": "deploy", "conn_id": "do", "spec": spec(), **options}
    )


def is_gone(id: str) -> bool:
    """Return whether a deployment is gone, or being deleted."""
    hook = DedicatedInferenceHook("do")

    async def read(client: Any) -> bool:
        try:
            found = (await hook.api(client).deployable().read(id)).resource
        except NotFoundError:
            return True
        return phase_of(client, found) is Phase.DELETING

    return hook.run(read)


def replicas_of(id: str) -> int:
    """Return how many replicas a deployment has."""

    async def read(client: Any) -> int:
        resource = await client.dedicated_inferences.get(id)
        scale: int = resource.spec.model_deployments[0].accelerators[0].scale
        return scale

    return DedicatedInferenceHook("do").run(read)


def is_leaving(emulator: Emulator, id: str) -> bool:
    """Return whether a deployment is being deleted, or is gone."""
    truth = emulator.world.truth(id)
    return not truth.exists or truth.status not in ("new", "provisioning", "active")


# -- hook ---------------------------------------------------------------------------------------


def test_connection_test(emulator: Emulator) -> None:
    """The connection test of each type accepts good credentials, and says why others fail."""
    for conn_id in ("do", "gcore", "exo"):
        assert DedicatedInferenceHook(conn_id).test_connection() == (
            True,
            f"{emulator.url} accepts the credentials",
        )
    works, message = DedicatedInferenceHook("wrong").test_connection()
    assert not works
    assert "401" in message
    assert "not-the-token" not in message
    works, message = DedicatedInferenceHook("other").test_connection()
    assert not works
    assert "expected one of digitalocean_inference" in message


def test_hook_in_a_task(emulator: Emulator) -> None:
    """`hook.run` gives a plain function an entered client."""
    hook = DedicatedInferenceHook("do")

    async def count(client: Any) -> int:
        return len(await hook.api(client).list())  # type: ignore[attr-defined]

    assert hook.run(count) >= 0


def test_hook_in_two_threads(emulator: Emulator) -> None:
    """Threads may use one hook at the same time; each has a budget for its own event loop."""
    hook = DedicatedInferenceHook("do")

    async def other(_: Any) -> Any:
        return await asyncio.to_thread(hook.run, count)

    async def count(client: Any) -> int:
        return len(await hook.api(client).list())  # type: ignore[attr-defined]

    assert hook.run(other) >= 0


# -- create -------------------------------------------------------------------------------------


@pytest.mark.parametrize("deferrable", [True, False])
def test_create_and_wait(emulator: Emulator, deferrable: bool) -> None:
    """A create defers, or waits in the worker; XCom carries the endpoint and no secret."""
    operator = create(deferrable=deferrable, spec={**SPEC, "region": "{{ params.region }}"})
    context = context_of(operator)
    found = run(operator, context)
    assert found["name"].startswith("deploy-")
    assert found["endpoint"].startswith("https://")
    xcoms = context["ti"].xcoms
    assert {key: xcoms[key] for key in ("id", "name", "endpoint")} == {
        key: found[key] for key in ("id", "name", "endpoint")
    }
    assert "access_token" not in json.dumps(xcoms)
    run(DeleteDeploymentOperator(task_id="d", conn_id="do", id=found["id"]), context_of(operator))


@pytest.mark.parametrize("conn_id", ["gcore", "exo"])
def test_create_on_the_other_clouds(emulator: Emulator, conn_id: str) -> None:
    """Create and delete work on Gcore and Exoscale."""
    operator = create(conn_id=conn_id, spec=GCORE_SPEC if conn_id == "gcore" else EXOSCALE_SPEC)
    found = run(operator, context_of(operator))
    assert found["provider"] == {"gcore": "gcore", "exo": "exoscale"}[conn_id]
    delete = DeleteDeploymentOperator(task_id="d", conn_id=conn_id, id=found["id"])
    assert run(delete, context_of(delete)) == [found["id"]]


def test_name_is_passed_on_at_acceptance(emulator: Emulator) -> None:
    """XCom has the name as soon as the create is accepted, before any read shows it."""
    for conn_id, given in (("do", SPEC), ("gcore", GCORE_SPEC), ("exo", EXOSCALE_SPEC)):
        operator = create(task_id="named", conn_id=conn_id, spec=given, wait=False)
        context = context_of(operator)
        name = run(operator, context)["name"]
        assert name.startswith("named-"), conn_id
        assert context["ti"].xcoms["name"] == name


def test_changed_create_succeeds(emulator: Emulator) -> None:
    """A create task that is cleared after a scale goes on with the deployment, and deletes none."""
    store = Store()
    made = spec()
    for deferrable in (False, True):
        operator = create(spec=made, deferrable=deferrable)
        found = run(operator, context_of(operator, store))
        scale = ScaleDeploymentOperator(
            task_id="s", conn_id="do", id=found["id"], replicas=2 + deferrable, deferrable=False
        )
        run(scale, context_of(scale))
    assert run(operator, context_of(operator, store))["id"] == found["id"]
    assert emulator.world.truth(found["id"]).exists


def test_write_with_other_arguments_is_sent(emulator: Emulator) -> None:
    """A scale that is cleared is sent again, with the arguments that it has now."""
    found = run(create(deferrable=False), context_of(create()))
    store = Store()
    for replicas, deferrable in ((3, False), (2, True), (2, False)):
        scale = ScaleDeploymentOperator(
            task_id="s", conn_id="do", id=found["id"], replicas=replicas, deferrable=deferrable
        )
        run(scale, context_of(scale, store))
        assert not store
        assert replicas_of(found["id"]) == replicas


def test_batch_with_other_specs(emulator: Emulator) -> None:
    """A batch that is cleared with another list makes what is new, and returns what it names."""
    store, specs = Store(), [spec(), spec(), spec()]
    made = []
    for listed in (specs[:2], specs[1:]):
        operator = BatchCreateOperator(
            task_id="batch", conn_id="do", specs=listed, deferrable=False
        )
        made.append(run(operator, context_of(operator, store)))
        assert [one["name"] for one in made[-1]] == [one["name"] for one in listed]
    assert made[0][1]["id"] == made[1][0]["id"]
    operator = BatchCreateOperator(task_id="b", conn_id="do", specs=[specs[0], specs[0]])
    with pytest.raises(ValueError, match="more than one has the name"):
        run(operator, context_of(operator))


def test_batch_that_is_late(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch whose wait times out names a timeout, whose resume token continues the wait."""
    operator = BatchCreateOperator(
        task_id="late", conn_id="do", specs=[SPEC], deferrable=False, wait_timeout=0
    )
    logged: list[Any] = []
    monkeypatch.setattr(operator, "_log_failure", logged.append)
    with pytest.raises(AirflowException, match="1 of 1 failed"):
        run(operator, context_of(operator))
    assert [one["error"] for one in logged] == ["WaitTimeoutError"]
    assert logged[0]["resume_token"]


def test_failed_deployment_tells_its_story(
    emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """A deployment that fails fails the task with the story, and the next try makes another."""
    operator, store = create(), Store()
    emulator.world.fault("error", on="POST /v2/dedicated-inferences")
    with pytest.raises(AirflowException, match=r"DeploymentFailedError: .*failed"):
        run(operator, context_of(operator, store))
    assert "resume_token" in store[RECORD_KEY]
    assert store[RECORD_KEY]["state"] == "failed"
    first = store[RECORD_KEY]["id"]
    assert run(operator, context_of(operator, store))["id"] != first


def test_killed_worker(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that dies before the id is stored leaves one deployment, and the retry adopts it."""
    operator, store = create(), Store()
    keep = Store.set

    def die(self: Store, key: str, value: Any) -> None:
        if value["state"] == "accepted":
            raise KeyboardInterrupt  # nothing after it runs, as after kill -9
        keep(self, key, value)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "set", die)
        with pytest.raises(KeyboardInterrupt):
            run(operator, context_of(operator, store))
    before = len(emulator.world.created)
    found = run(operator, context_of(operator, store))
    assert len(emulator.world.created) == before
    assert found["name"] == operator.spec["name"]  # type: ignore[index]
    record = Record.from_json(store[RECORD_KEY])
    assert record is not None
    assert record.adopted


def test_one_time_token_goes_to_a_variable(emulator: Emulator, variables: dict[str, str]) -> None:
    """The key is written to the Variable of the operator, and nowhere else; adopted: a new one."""
    operator, store = create(token_variable="web_token"), Store()
    context = context_of(operator, store)
    found = run(operator, context)
    key = variables["web_token"]
    assert key
    assert key not in json.dumps([found, store, context["ti"].xcoms])
    for wait in (True, False):  # a worker that died before it wrote the key
        store[RECORD_KEY]["token_written"] = False
        del variables["web_token"]
        operator.wait = wait
        run(operator, context_of(operator, store))
        assert variables["web_token"] not in ("", key)


def test_token_where_there_is_none(emulator: Emulator, variables: dict[str, str]) -> None:
    """Where endpoints have no key of their own, a Variable for it is refused before the create."""
    before = len(emulator.world.created)
    for wait in (True, False):
        operator = create(conn_id="gcore", spec=GCORE_SPEC, token_variable="web_token", wait=wait)
        with pytest.raises(AirflowException, match="no key of their own"):
            run(operator, context_of(operator))
    assert len(emulator.world.created) == before
    assert not variables


def test_token_of_exoscale(emulator: Emulator, variables: dict[str, str]) -> None:
    """The key is in the Variable after the set-up of a pair; the wait answers with it."""
    with DAG("dag", schedule=None, start_date=None):
        begin, _ = temporary("x", conn_id="exo", spec=EXOSCALE_SPEC, token_variable="web_token")
    found = run(begin, context_of(begin))
    assert variables["web_token"]
    for deferrable in (True, False):
        wait = WaitUntilAnsweringOperator(
            task_id="answers",
            conn_id="exo",
            id=found["id"],
            token_variable="web_token",
            deferrable=deferrable,
            wait_timeout=30,
        )
        assert run(wait, context_of(wait))["endpoint"]


def test_set_up_whose_key_is_not_written(
    emulator: Emulator, variables: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """A set-up succeeds without its key, or the tear-down would not run; another task fails."""
    with DAG("dag", schedule=None, start_date=None):
        begin, _ = temporary("y", conn_id="exo", spec=EXOSCALE_SPEC, token_variable="web_token")
    path = "GET /v2/ai/deployment/{id}/api-key"
    emulator.world.fault("status", on=path, status=403, times=2)
    assert run(begin, context_of(begin))["id"]
    assert not variables
    operator = create(conn_id="exo", spec=EXOSCALE_SPEC, token_variable="web_token", wait=False)
    with pytest.raises(AirflowException, match="403"):
        run(operator, context_of(operator))


def test_variable_that_does_not_exist(emulator: Emulator, variables: dict[str, str]) -> None:
    """A wait with a Variable that does not exist fails with the reason, deferred or not."""
    operator = create(wait=False)
    id = run(operator, context_of(operator))["id"]
    for deferrable in (True, False):
        wait = WaitUntilAnsweringOperator(
            task_id="w", conn_id="do", id=id, token_variable="none", deferrable=deferrable
        )
        with pytest.raises(AirflowException, match=r"the Variable 'none' cannot be read"):
            run(wait, context_of(wait))


def test_connection_that_does_not_exist(emulator: Emulator) -> None:
    """A trigger whose connection does not exist reports that as its event."""
    for trigger in (SettledTrigger("missing", id=str(uuid4())), AllSettledTrigger("missing", [])):
        event = fire(trigger)
        assert event["status"] == "error"
        assert "missing" in event["message"]


def test_task_that_is_killed_deletes_by_choice(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`on_kill="delete"` deletes what the worker waits for, `leave` leaves it."""
    for choice, exists in (("delete", False), ("leave", True)):
        operator = create(deferrable=False, on_kill=choice)
        wait = operator._wait_here  # noqa: SLF001

        async def killed(
            client: Any, change: Any, operator: Any = operator, wait: Any = wait
        ) -> Any:
            operator.on_kill()
            return await wait(client, change)

        monkeypatch.setattr(operator, "_wait_here", killed)
        context = context_of(operator)
        with pytest.raises(AirflowException, match="ended by a user"):
            run(operator, context)
        assert is_leaving(emulator, context["ti"].xcoms["id"]) is not exists


KILLED: tuple[tuple[str, dict[str, Any], bool], ...] = (
    ("do", SPEC, False),
    ("do", {**SPEC, "name": "given"}, False),
    ("exo", EXOSCALE_SPEC, False),
    ("exo", {**EXOSCALE_SPEC, "name": "given"}, True),
)


@pytest.mark.parametrize(("conn_id", "given", "is_left"), KILLED)
def test_kill_before_the_answer(
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    conn_id: str,
    given: dict[str, Any],
    is_left: bool,
) -> None:
    """A create without an answer is looked up by its name, and deleted, if it is surely ours."""
    store, send = UnansweredStore(), Attempts.create
    operator = create(task_id="killed", conn_id=conn_id, spec=given, on_kill="delete")
    made: list[str] = []

    async def unanswered(*args: Any, **options: Any) -> Any:
        made.append((await send(*args, **options)).id)
        operator.on_kill()
        await asyncio.Event().wait()

    monkeypatch.setattr(Attempts, "create", unanswered)
    monkeypatch.setattr("di_async.airflow.base.ANSWER_S", 0.01)
    with pytest.raises(AirflowException, match="ended by a user") as caught:
        run(operator, context_of(operator, store))
    assert (f"the delete of {made[0]} is accepted" in str(caught.value)) is not is_left
    assert (f"({made[0]}) may be of this task" in str(caught.value)) is is_left
    assert bool(store) is is_left


def test_kill_while_the_answer_is_on_its_way(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill does not cut off a create whose answer comes soon; what it made is deleted."""
    operator, send, made = create(on_kill="delete"), Attempts.create, []

    async def killed(*args: Any, **options: Any) -> Any:
        operator.on_kill()
        await asyncio.sleep(0)
        made.append((await send(*args, **options)).id)
        return made[0]

    monkeypatch.setattr(Attempts, "create", killed)
    store = Store()
    with pytest.raises(AirflowException, match=r"the delete of .* is accepted"):
        run(operator, context_of(operator, store))
    assert is_gone(made[0])
    assert not store


def test_kill_of_a_batch(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that is killed in the worker deletes all that it made."""
    operator = BatchCreateOperator(
        task_id="b", conn_id="do", specs=[spec(), spec()], deferrable=False, on_kill="delete"
    )

    async def killed(*_: Any) -> Any:
        operator.on_kill()
        await asyncio.Event().wait()

    monkeypatch.setattr("di_async.airflow.batch.follow_all", killed)
    context = context_of(operator)
    with pytest.raises(AirflowException, match=r"the delete of .*, .* is accepted"):
        run(operator, context)
    assert all(map(is_gone, context["ti"].xcoms["ids"]))


def test_kill_of_an_ensure(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an ensure has just created is deleted; what existed before it is not."""
    monkeypatch.setattr("di_async.airflow.base.ANSWER_S", 0.01)
    made = emulator.world.add_instance(name="of-before", created=1_700_000_000)
    for wanted, gone in ((spec(), True), (spec(name="of-before"), False)):
        operator = EnsureDeploymentOperator(
            task_id="e", conn_id="do", spec=wanted, on_kill="delete"
        )
        send = operator._await_answer  # noqa: SLF001

        async def killed(call: Any, operator: Any = operator, send: Any = send) -> Any:
            async def unanswered() -> Any:
                await call
                operator.on_kill()
                await asyncio.Event().wait()

            return await send(unanswered())

        monkeypatch.setattr(operator, "_await_answer", killed)
        message = "the delete of .* is accepted" if gone else "it had made nothing"
        with pytest.raises(AirflowException, match=message):
            run(operator, context_of(operator))
    assert not is_gone(made.id)


def test_execution_timeout(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow calls `on_kill` after the timeout has ended `execute`: what was made is deleted."""
    operator = create(deferrable=False, on_kill="delete")

    async def late(*_: Any) -> Any:
        raise AirflowTaskTimeout

    monkeypatch.setattr(operator, "_wait_here", late)
    context = context_of(operator)
    with pytest.raises(AirflowTaskTimeout):
        run(operator, context)
    assert not is_gone(context["ti"].xcoms["id"])
    operator.on_kill()
    operator.on_kill()  # once more does no harm
    assert is_gone(context["ti"].xcoms["id"])
    assert not context["task_state_store"]


def test_clean_up_that_fails(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be deleted is named in the error, and its record is kept."""
    operator = create(deferrable=False, on_kill="delete")

    async def killed(*_: Any) -> Any:
        operator.on_kill()
        await asyncio.Event().wait()

    monkeypatch.setattr(operator, "_wait_here", killed)
    context = context_of(operator)
    path = "DELETE /v2/dedicated-inferences/{id}"
    emulator.world.fault("status", on=path, status=403, times=1)
    with pytest.raises(AirflowException, match=r"could not be deleted and bills: .*403"):
        run(operator, context)
    assert not is_gone(context["ti"].xcoms["id"])
    assert context["task_state_store"]


def test_kill_before_anything_runs(emulator: Emulator) -> None:
    """A task that is killed before it begins sends nothing."""
    operator, before = create(on_kill="delete"), len(emulator.world.created)
    operator.on_kill()
    with pytest.raises(AirflowException, match="ended by a user"):
        run(operator, context_of(operator))
    assert len(emulator.world.created) == before


# -- triggers -----------------------------------------------------------------------------------


def accepted(operator: Any) -> SettledTrigger:
    """Return the trigger that an operator defers with."""
    with pytest.raises(TaskDeferred) as caught:
        operator.execute(context_of(operator))
    trigger: SettledTrigger = caught.value.trigger
    return trigger


def test_trigger_is_made_of_its_arguments(emulator: Emulator) -> None:
    """A trigger is JSON without secrets, with an absolute deadline that a restart does not move."""
    for waits, least in ((60, 50), (None, 3000)):
        _, found = accepted(create(wait_timeout=waits)).serialize()
        assert found["deadline"] > datetime.now().timestamp() + least  # noqa: DTZ005
    trigger = accepted(create(wait_timeout=60))
    path, arguments = trigger.serialize()
    assert path == "di_async.airflow.trigger.SettledTrigger"
    again = SettledTrigger(**json.loads(json.dumps(arguments)))
    assert again.serialize() == trigger.serialize()
    assert emulator.world.token not in json.dumps(arguments)


def test_deadline_in_the_past(emulator: Emulator) -> None:
    """A trigger that is restarted after its deadline reads once, and reports the timeout."""
    trigger = accepted(create(spec=spec(), wait_timeout=0.01))
    event = fire(trigger)
    assert (event["status"], event["error"]) == ("error", "WaitTimeoutError")
    assert event["resume_token"]
    assert any("WaitTimeoutError" in line for line in event["story"])


def test_end_from_the_trigger(emulator: Emulator) -> None:
    """With `end_from_trigger` a success ends the task there; a failure goes to a worker."""
    event = fire_event(accepted(create(end_from_trigger=True)))
    assert isinstance(event, TaskSuccessEvent)
    assert event.xcoms is None
    failing = accepted(create(end_from_trigger=True, wait_timeout=0.01))
    assert isinstance(fire_event(failing), TriggerEvent)


def test_damaged_arguments_are_an_event(emulator: Emulator) -> None:
    """A damaged token or a wrong connection is reported as an event, not as a crash."""
    for trigger in (
        SettledTrigger("do", "not a token"),
        SettledTrigger("wrong", id=str(uuid4())),
        SettledTrigger("other", id=str(uuid4())),
        SettledTrigger("do"),
        AllSettledTrigger("do", ["not a token"]),
    ):
        event = fire(trigger)
        assert event["status"] == "error", trigger
        assert event["story"]


def test_user_who_ends_a_deferred_task(emulator: Emulator) -> None:
    """The trigger's `on_kill` deletes by choice."""
    for choice in ("leave", "delete"):
        operator = create(on_kill=choice)
        context = context_of(operator)
        with pytest.raises(TaskDeferred) as caught:
            operator.execute(context)
        asyncio.run(caught.value.trigger.on_kill())
        leaving = is_leaving(emulator, context["ti"].xcoms["id"])
        assert leaving is (choice == "delete")


def test_user_who_ends_a_deferred_batch(emulator: Emulator) -> None:
    """The trigger of a batch deletes all of it by choice."""
    for choice in ("leave", "delete"):
        operator = BatchCreateOperator(
            task_id="b", conn_id="do", specs=[spec(), spec()], on_kill=choice
        )
        context = context_of(operator)
        with pytest.raises(TaskDeferred) as caught:
            operator.execute(context)
        asyncio.run(caught.value.trigger.on_kill())
        gone = [is_gone(id) for id in context["ti"].xcoms["ids"]]
        assert gone == [choice == "delete"] * 2


# -- the other operators ------------------------------------------------------------------------


def test_ensure_update_scale_delete(emulator: Emulator) -> None:
    """The other writes wait until they are proven, deferred or not."""
    wanted = spec()
    for deferrable in (True, False):
        ensure = EnsureDeploymentOperator(
            task_id="ensure", conn_id="do", spec=wanted, deferrable=deferrable
        )
        found = run(ensure, context_of(ensure))
    scale = ScaleDeploymentOperator(task_id="scale", conn_id="do", id=found["id"], replicas="2")
    assert run(scale, context_of(scale))["id"] == found["id"]
    update = UpdateDeploymentOperator(
        task_id="update",
        conn_id="do",
        id=found["id"],
        fields={"model_deployments": SPEC["model_deployments"]},
        deferrable=False,
    )
    run(update, context_of(update))
    delete = DeleteDeploymentOperator(task_id="delete", conn_id="do", name=wanted["name"])
    assert run(delete, context_of(delete)) == [found["id"]]
    assert run(delete, context_of(delete)) == []


def test_wait_until_it_answers(emulator: Emulator, variables: dict[str, str]) -> None:
    """The wait ends when the models answer, with the key from the Variable."""
    operator = create(token_variable="web_token", wait=False)
    found = run(operator, context_of(operator))
    for deferrable in (True, False):
        wait = WaitUntilAnsweringOperator(
            task_id="answers",
            conn_id="do",
            id=found["id"],
            token_variable="web_token",
            deferrable=deferrable,
            wait_timeout=30,
        )
        assert run(wait, context_of(wait))["endpoint"]


def test_sensor(emulator: Emulator) -> None:
    """The sensor waits for an id, a resume token, or a deletion."""
    operator = create(wait=False)
    context = context_of(operator)
    found = run(operator, context)
    for more in ({"id": found["id"]}, {"resume_token": context["ti"].xcoms["resume_token"]}):
        for deferrable in (True, False):
            sensor = DeploymentSensor(task_id="s", conn_id="do", deferrable=deferrable, **more)
            assert run(sensor, context_of(sensor))["id"] == found["id"]
    delete = DeleteDeploymentOperator(task_id="d", conn_id="do", id=found["id"])
    run(delete, context_of(delete))
    gone = DeploymentSensor(task_id="g", conn_id="do", id=found["id"], deleted=True)
    assert run(gone, context_of(gone))["id"] == found["id"]


def test_sensor_that_starts_in_the_triggerer(emulator: Emulator) -> None:
    """`start_from_trigger` gives the scheduler the trigger's arguments."""
    sensor = DeploymentSensor(
        task_id="s", conn_id="do", id="{{ x }}", start_from_trigger=True, wait_timeout=60
    )
    arguments = sensor.start_trigger_args
    assert arguments is not None
    assert arguments.timeout is not None
    assert SettledTrigger(**(arguments.trigger_kwargs or {})).end_task


def test_batch(emulator: Emulator) -> None:
    """A batch makes many deployments in one task; failures fail it, or are left out."""
    specs = [dict(SPEC) for _ in range(12)]
    operator = BatchCreateOperator(task_id="batch", conn_id="do", specs=specs)
    store = Store()
    found = run(operator, context_of(operator, store))
    assert len({one["id"] for one in found}) == 12
    assert len(store) == 12
    before = len(emulator.world.created)
    assert {one["id"] for one in run(operator, context_of(operator, store))} == {
        one["id"] for one in found
    }
    assert len(emulator.world.created) == before
    delete = DeleteDeploymentOperator(task_id="d", conn_id="do", id=[one["id"] for one in found])
    assert len(run(delete, context_of(delete))) == 12


def test_batch_with_failures(emulator: Emulator) -> None:
    """One refused and one failed deployment fail the batch, or are skipped by choice."""
    for choice in ("fail", "skip"):
        specs = [spec(), spec(region="nowhere"), spec()]
        emulator.world.fault("error", on="POST /v2/dedicated-inferences")
        operator = BatchCreateOperator(
            task_id="batch", conn_id="do", specs=specs, on_failure=choice, concurrency=1
        )
        if choice == "fail":
            with pytest.raises(AirflowException, match="2 of 3 failed"):
                run(operator, context_of(operator))
        else:
            assert len(run(operator, context_of(operator))) == 1


def test_batch_is_repaired_by_a_retry(emulator: Emulator) -> None:
    """A retry of a batch creates only what has failed again."""
    operator = BatchCreateOperator(task_id="batch", conn_id="do", specs=[SPEC, SPEC, SPEC])
    store = Store()
    emulator.world.fault("error", on="POST /v2/dedicated-inferences")
    with pytest.raises(AirflowException, match="1 of 3 failed"):
        run(operator, context_of(operator, store))
    kept = {key: record["id"] for key, record in store.items() if record["state"] == "accepted"}
    assert len(kept) == 2
    assert len(run(operator, context_of(operator, store))) == 3
    assert {key: store[key]["id"] for key in kept} == kept


def test_delete_of_many_with_a_failure(emulator: Emulator) -> None:
    """All deletes are sent and proven, before the one that is refused fails the task."""
    for deferrable in (True, False):
        made = [run(create(wait=False), context_of(create()))["id"] for _ in range(3)]
        path = "DELETE /v2/dedicated-inferences/{id}"
        emulator.world.fault("status", on=path, id=made[0], status=403, times=1)
        delete = DeleteDeploymentOperator(
            task_id="d", conn_id="do", id=made, deferrable=deferrable, end_from_trigger=True
        )
        with pytest.raises(AirflowException, match=f"1 of 3 .*{made[0]}: PermissionDenied"):
            run(delete, context_of(delete))
        assert [emulator.world.truth(id).exists for id in made] == [True, False, False]


def test_delete_returns_the_ids(emulator: Emulator) -> None:
    """The ids are returned, deferred or not, by a worker or a trigger, with what was gone."""
    for deferrable in (True, False):
        ids = [str(uuid4()), run(create(wait=False), context_of(create()))["id"]]
        delete = DeleteDeploymentOperator(
            task_id="d", conn_id="do", id=[ids[0], None, ids[1]], deferrable=deferrable
        )
        assert run(delete, context_of(delete)) == ids
        assert run(delete, context_of(delete)) == ids
    delete = DeleteDeploymentOperator(
        task_id="d", conn_id="do", id=[run(create(wait=False), context_of(create()))["id"]]
    )
    with pytest.raises(TaskDeferred) as caught:
        delete.execute(context_of(delete))
    assert caught.value.trigger.serialize()[1]["returned"] == delete.id
    delete.id = []
    assert run(delete, context_of(delete)) == []


@pytest.mark.parametrize(
    "given",
    [{"id": "None"}, {"id": ""}, {"id": ["x", " "]}, {"id": [3]}, {"name": "None"}, {"id": None}],
)
def test_delete_of_nothing(emulator: Emulator, given: dict[str, Any]) -> None:
    """A template that rendered nothing deletes nothing, and fails the task."""
    delete = DeleteDeploymentOperator(task_id="d", conn_id="do", **given)
    with pytest.raises(AirflowException, match="nothing was deleted"):
        run(delete, context_of(delete))


def test_temporary_pair(emulator: Emulator) -> None:
    """The tear-down deletes what the set-up made, also if its id did not get into XCom."""
    with DAG("dag", schedule=None, start_date=None):
        begin, end = temporary("fleet", conn_id="do", spec=SPEC)
    assert begin.is_setup
    assert end.is_teardown
    context = context_of(begin)
    found = run(begin, context)
    end.id = None
    teardown = context_of(end)
    assert run(end, teardown) == [found["id"]]


def test_temporary_pair_with_options_of_the_create(emulator: Emulator) -> None:
    """The set-up takes what a create takes, such as a price limit; the tear-down does not."""
    given: dict[str, Any] = {
        "create_options": {"max_hourly": 0.01},
        "name_timeout": 5,
        "retries": 1,
    }
    with DAG("dag", schedule=None, start_date=None):
        begin, end = temporary("limited", conn_id="do", spec=SPEC, **given)
    assert (begin.name_timeout, begin.retries, end.retries) == (5, 1, 1)
    with pytest.raises(AirflowException, match="more than the limit"):
        run(begin, context_of(begin))
