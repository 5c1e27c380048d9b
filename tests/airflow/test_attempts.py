"""Tests of tries that go on with what an earlier try has sent, on every cloud, in virtual time."""

import asyncio
import logging
import traceback
from datetime import datetime
from typing import Any

import pytest
from attrs import evolve

from di_async import ConflictError, DeploymentFailedError, InvalidInputError, OutcomeUnknownError
from di_async.airflow.attempts import Attempts
from di_async.airflow.deployments import delete_accepted
from di_async.airflow.record import Record
from di_async.airflow.waiting import follow, follow_all
from di_async.core.waiting.observation import Phase
from di_async.emulator import Lifecycle, World
from di_async.engine.clock import Clock
from tests.clouds.support import CLOUDS, VIRTUAL, Cloud, OnGcoreInstances, a_world, requests_of

pytestmark = VIRTUAL
# v2 has no deployable view; operators use v3.
DEPLOYABLE = [cloud for cloud in CLOUDS if not isinstance(cloud, OnGcoreInstances)]
everywhere = pytest.mark.parametrize("cloud", DEPLOYABLE, ids=lambda cloud: cloud.name)
NAME = "deploy-1a2b3c"


class Store:
    """A task state store that survives the worker, and can fail as if the worker died."""

    def __init__(self) -> None:
        self.kept: Any = None
        self.dies_at = 0
        self.writes = 0
        self._clock = Clock(asyncio.get_running_loop())

    def save(self, record: Record) -> None:
        """Keep a record, unless the worker dies before this write."""
        self.writes += 1
        if self.writes == self.dies_at:
            raise KilledError
        self.kept = record.to_json()

    def clear(self) -> None:
        """Forget it."""
        self.kept = None

    def now(self) -> datetime:
        """Return the time of this machine's wall clock."""
        return self._clock.datetime()

    def attempts(self) -> Attempts:
        """Return the tries of a new worker."""
        return Attempts(
            load=lambda: Record.from_json(self.kept),
            save=self.save,
            clear=self.clear,
            now=self.now,
        )


class KilledError(BaseException):
    """The worker is killed here."""


def spec_of(cloud: Cloud) -> dict[str, Any]:
    """Return the spec that `cloud.create` sends."""
    sent: dict[str, Any] = {}

    class Recorder:
        async def create(self, spec: Any, **_: Any) -> None:
            sent.update(spec if isinstance(spec, dict) else spec.to_dict())

    recorder = Recorder()
    clients = type("Clients", (), dict.fromkeys(
        ("dedicated_inferences", "inference_deployments", "deployments"), recorder
    ))()  # fmt: skip
    coroutine = cloud.create(clients, NAME)
    with pytest.raises(StopIteration):
        coroutine.send(None)
    return sent


async def try_once(cloud: Cloud, client: Any, store: Store, **options: Any) -> Any:
    """Run one try, in a new worker."""
    attempts = store.attempts()
    return await attempts.create(client, cloud.api(client), spec_of(cloud), **options)


@everywhere
async def test_failed_create_keeps_no_spec_in_its_frames(cloud: Cloud) -> None:
    """A spec or an option may hold secrets, which a worker's traceback must not show."""
    world = a_world()
    async with cloud.client(world) as client:
        planted = {**spec_of(cloud), "planted": "PLANTED"}
        with pytest.raises(InvalidInputError) as caught:
            await Store().attempts().create(client, cloud.api(client), planted)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [frame for frame in shown.stack if "/tests/" not in frame.filename]
    assert any(frame.filename.endswith("attempts.py") for frame in ours)
    assert not [frame for frame in ours if "PLANTED" in str(frame.locals)]


def creates(world: World) -> int:
    """Return how many creates were sent."""
    return len(requests_of(world, "POST"))


@everywhere
async def test_first_try_stores_before_it_sends(cloud: Cloud) -> None:
    """Name, digest and time are stored before the create is sent, id and token after it."""
    world = a_world()
    async with cloud.client(world) as client:
        store = Store()
        store.dies_at = 1
        with pytest.raises(KilledError):
            await try_once(cloud, client, store)
        assert creates(world) == 0
        store.dies_at = 0
        change = await try_once(cloud, client, store)
        record = Record.from_json(store.kept)
        assert record is not None
        assert (record.state, record.name, record.id) == ("accepted", NAME, change.id)
        assert record.digest
        assert record.first_attempt is not None
    assert creates(world) == 1


@everywhere
async def test_worker_dies_before_the_id_is_kept(cloud: Cloud) -> None:
    """The retry adopts the deployment or, where names are not unique, names it; one exists."""
    world = a_world()
    async with cloud.client(world) as client, cloud.make(world) as later:
        store = Store()
        store.dies_at = 2
        with pytest.raises(KilledError):
            await try_once(cloud, client, store)
        assert creates(world) == 1
        await client.aclose()
        await asyncio.sleep(300)
        if cloud.can(later).unique_names:
            change = await try_once(cloud, later, store)
            assert change.adopted
        else:
            for _ in range(2):
                with pytest.raises(OutcomeUnknownError) as caught:
                    await try_once(cloud, later, store)
                assert len(caught.value.candidates) == 1
            change = await try_once(cloud, later, store, adopt_only_candidate=True)
            assert change.id == caught.value.candidates[0].id
        await change.wait()
    assert creates(world) == 1
    record = Record.from_json(store.kept)
    assert record is not None
    assert record.adopted


@everywhere
async def test_worker_dies_while_it_waits(cloud: Cloud) -> None:
    """The retry continues the wait, and sends no create."""
    world = a_world()
    async with cloud.client(world) as client, cloud.make(world) as later:
        store = Store()
        first = await try_once(cloud, client, store)
        await asyncio.sleep(300)
        change = await try_once(cloud, later, store)
        assert change.id == first.id
        await change.wait()
    assert creates(world) == 1


@everywhere
async def test_deployment_that_failed_is_made_again(cloud: Cloud) -> None:
    """After a proven failure the retry deletes what failed, waits for its name, and creates."""
    world = a_world(lifecycle=Lifecycle(create=60, delete=60, name_lag=30))
    async with cloud.client(world) as client:
        store = Store()
        world.fault("error", on=cloud.POST)
        change = await try_once(cloud, client, store)
        with pytest.raises(DeploymentFailedError):
            await change.wait()
        store.attempts().mark_failed()
        again = await try_once(cloud, client, store, name_timeout=600)
        await again.wait()
        assert not again.adopted
        target = cloud.api(client).deployable()
        assert [one.id for one in await target.list_named()] == [again.id]


@everywhere
async def test_deployment_that_was_deleted_since_is_made_again(cloud: Cloud) -> None:
    """A cleared task, whose deployment a tear-down has deleted, makes another one."""
    world = a_world()
    async with cloud.client(world) as client:
        store = Store()
        change = await try_once(cloud, client, store)
        await change.wait()
        await (await cloud.delete(client, change.id)).wait()
        await asyncio.sleep(300)
        again = await try_once(cloud, client, store, name_timeout=600)
        await again.wait()
    assert creates(world) == 2


@everywhere
async def test_refused_create_leaves_no_record(cloud: Cloud) -> None:
    """A create that was refused has made nothing, so the next try is a first one."""
    world = a_world()
    async with cloud.client(world) as client:
        store = Store()
        world.fault("status", on=cloud.POST, status=400)
        with pytest.raises(Exception, match="400"):
            await try_once(cloud, client, store)
        assert store.kept is None
        with pytest.raises(InvalidInputError):
            await store.attempts().create(client, cloud.api(client), {"name": NAME})
        assert store.kept is None


async def test_name_of_a_stranger_is_not_taken() -> None:
    """A deployment of the name from before the first try is a conflict, in every try."""
    cloud, world = DEPLOYABLE[0], a_world()
    async with cloud.client(world) as client:
        store = Store()
        await cloud.settled(client, NAME)
        await asyncio.sleep(600)
        for _ in range(2):
            with pytest.raises(ConflictError):
                await try_once(cloud, client, store)
    assert creates(world) == 3


async def test_other_writes_are_continued() -> None:
    """A retry of an update continues its wait; one with other arguments is sent."""
    cloud, world = DEPLOYABLE[0], a_world()
    async with cloud.client(world) as client:
        id = await cloud.settled(client, NAME)
        store = Store()
        for _ in range(2):
            change = await store.attempts().write(
                client, lambda: cloud.grow(client, id), written="scale to 2"
            )
        await change.wait()
        assert len(requests_of(world, "PATCH")) == 1
        again = await store.attempts().write(
            client, lambda: cloud.grow(client, id), written="scale to 3"
        )
        await again.wait()
    assert len(requests_of(world, "PATCH")) == 2


@everywhere
async def test_create_with_other_arguments_is_not_continued(cloud: Cloud) -> None:
    """A retry whose spec has changed fails and names what exists; another name is created."""
    world = a_world()
    async with cloud.client(world) as client:
        store = Store()
        first = await try_once(cloud, client, store)
        await first.wait()
        fields = {"replicas": 5, "containers": [], "vpc_uuid": "x", "planted": 1}
        changed = {**spec_of(cloud), **fields}
        for seconds in (0, 300):
            await asyncio.sleep(seconds)
            with pytest.raises(InvalidInputError, match="arguments of this task") as caught:
                await store.attempts().create(client, cloud.api(client), changed)
            assert first.id in str(caught.value)
        assert creates(world) == 1
        other = {**spec_of(cloud), "name": "other-1a2b3c"}
        second = await store.attempts().create(client, cloud.api(client), other)
        assert second.id != first.id
        assert creates(world) == 2


@everywhere
async def test_changed_spec_after_a_deletion_is_created(cloud: Cloud) -> None:
    """A task cleared with another spec creates it, if what it made before was deleted since."""
    world = a_world()
    async with cloud.client(world) as client:
        store = Store()
        first = await try_once(cloud, client, store)
        await first.wait()
        await (await cloud.delete(client, first.id)).wait()
        await asyncio.sleep(300)
        record = Record.from_json(store.kept)
        assert record is not None
        store.kept = evolve(record, digest="of another spec").to_json()
        await (await try_once(cloud, client, store, name_timeout=600)).wait()
    assert creates(world) == 2


@everywhere
async def test_healthy_deployment_is_not_deleted(cloud: Cloud) -> None:
    """What an earlier try took for failed is kept, if a read shows that it serves by now."""
    world = a_world()
    async with cloud.client(world) as client:
        store = Store()
        first = await try_once(cloud, client, store)
        await first.wait()
        store.attempts().mark_failed()
        again = await try_once(cloud, client, store)
        await again.wait()
        assert again.id == first.id
    assert creates(world) == 1
    assert not requests_of(world, "DELETE")


@everywhere
async def test_deployment_that_failed_and_is_gone_is_made_again(cloud: Cloud) -> None:
    """What failed and was deleted by hand, or is being deleted, is created again."""
    for seconds in (0, 300):
        world = a_world(lifecycle=Lifecycle(create=60, delete=60))
        async with cloud.client(world) as client:
            store = Store()
            world.fault("error", on=cloud.POST)
            first = await try_once(cloud, client, store)
            with pytest.raises(DeploymentFailedError):
                await first.wait()
            store.attempts().mark_failed()
            deletion = await cloud.delete(client, first.id)
            if seconds:
                await deletion.wait()
            again = await try_once(cloud, client, store, name_timeout=600)
            await again.wait()
            target = cloud.api(client).deployable()
            assert [one.id for one in await target.list_named()] == [again.id]


@everywhere
async def test_create_that_was_changed_meanwhile_settles(cloud: Cloud) -> None:
    """A create whose deployment is scaled during the wait, or later, ends when it is active."""
    world = a_world()
    async with cloud.client(world) as client:
        store, log = Store(), logging.getLogger("di_async.test")
        first = await try_once(cloud, client, store)
        await first.wait()
        await (await cloud.grow(client, first.id)).wait()
        change = await try_once(cloud, client, store)
        settled = await follow(client, change, 600, log)
        assert settled.id == first.id
        change = await try_once(cloud, client, store)
        found, failed = await follow_all(client, [change], 600, log)
        assert [one["id"] for one in found] == [first.id]
        assert not failed


# What Gcore shows as failed has to last for ten minutes, so that no single read decides.
@pytest.mark.parametrize("cloud", [one for one in DEPLOYABLE if one.name != "gcore-v3"])
async def test_failed_operation_that_the_status_does_not_show(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what is still under way by its status, the wait of its create says whether it failed."""
    for fails in (True, False):
        world = a_world()
        async with cloud.client(world) as client:
            store = Store()
            if fails:
                world.fault("error", on=cloud.POST)
            first = await try_once(cloud, client, store)
            if fails:
                with pytest.raises(DeploymentFailedError):
                    await first.wait()
            store.attempts().mark_failed()
            with monkeypatch.context() as patch:
                patch.setattr("di_async.airflow.attempts.phase_of", lambda *_: Phase.WORKING)
                again = await try_once(cloud, client, store, name_timeout=600)
            await again.wait()
            assert len(await cloud.api(client).deployable().list_named()) == 1
            assert creates(world) >= 1 + fails
            assert bool(requests_of(world, "DELETE")) is fails


async def test_candidate_of_another_spec_is_not_waited_for() -> None:
    """Where names are not unique, a retry with other arguments names the candidate, and fails."""
    cloud, world = next(one for one in DEPLOYABLE if one.name == "exoscale"), a_world()
    async with cloud.client(world) as client:
        store = Store()
        store.dies_at = 2
        with pytest.raises(KilledError):
            await try_once(cloud, client, store)
        changed = {**spec_of(cloud), "replicas": 3}
        with pytest.raises(InvalidInputError, match="arguments of this task have changed"):
            await store.attempts().create(
                client, cloud.api(client), changed, adopt_only_candidate=True
            )
    assert creates(world) == 1


async def test_delete_waits_while_another_operation_is_under_way() -> None:
    """A delete is sent again while the deployment is busy, and ends where nothing is left."""
    cloud, world = DEPLOYABLE[0], a_world()
    async with cloud.client(world) as client:
        id = await cloud.settled(client, NAME)
        target = cloud.api(client).deployable()
        world.fault("status", on="DELETE /v2/dedicated-inferences/{id}", status=409, times=3)
        await delete_accepted(target, id)
        assert len(requests_of(world, "DELETE")) >= 4
        await asyncio.sleep(300)
        await delete_accepted(target, id)
        other = await cloud.settled(client, "other-1a2b3c")
        world.fault("status", on="DELETE /v2/dedicated-inferences/{id}", status=409, times=None)
        with pytest.raises(ConflictError):
            await delete_accepted(target, other)
