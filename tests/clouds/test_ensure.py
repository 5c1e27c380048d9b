"""Tests of `ensure(spec)`: it creates, updates what differs, or finds nothing to do."""

import asyncio
import logging
from typing import Any

import pytest

from di_async import (
    APIError,
    ConflictError,
    DIError,
    InvalidInputError,
    OutcomeUnknownError,
    PriceLimitError,
    WaitTimeoutError,
)
from di_async.core.http import Request, Response
from di_async.emulator import Lifecycle
from di_async.engine.writes import ensure as module
from tests.clouds.ensuring import ENSURABLE, a_body, ensure, named
from tests.clouds.support import CREATE_S, DELETE_S, VIRTUAL, Cloud, a_world, now
from tests.clouds.test_clocks import network_of
from tests.fake_network import Answer
from tests.faults.faults import error_body

pytestmark = VIRTUAL
ensurable = pytest.mark.parametrize("cloud", ENSURABLE, ids=lambda cloud: cloud.name)
unique = pytest.mark.parametrize("cloud", ENSURABLE[:2], ids=lambda cloud: cloud.name)
WRITES = ("POST", "PATCH", "PUT", "DELETE")
SCALE = {
    "digitalocean": "model_deployments[0].accelerators[0].scale: 1 -> 2",
    "gcore-v3": "containers[0].scale.max: 1 -> 2",
    "exoscale": "replicas: 1 -> 2",
}


def writes(world: Any) -> int:
    """Return how many writes a world has received, without those refused because it was busy."""
    return sum(verb in WRITES and status != 409 for _, verb, _, status in world.requests)


@ensurable
async def test_created_updated_unchanged(cloud: Cloud) -> None:
    """The first call creates, an equal one does nothing, and another scale is an update."""
    world = a_world()
    async with cloud.client(world) as client:
        first = await ensure(cloud, client, a_body(cloud))
        assert (first.action, len(first.diff), first.duplicates) == ("created", 1, ())
        assert first.change is not None
        assert cloud.size(await first.change) == 1
        sent = writes(world)

        again = await ensure(cloud, client, a_body(cloud))
        assert (again.action, again.diff, again.id) == ("unchanged", (), first.id)
        assert again.change is not None
        assert (await again.change).name == "web-1"
        assert again.change.outcome == "settled"
        assert writes(world) == sent

        grown = await ensure(cloud, client, a_body(cloud, replicas=2))
        assert (grown.action, grown.id) == ("updated", first.id)
        assert SCALE[cloud.name] in grown.diff
        assert grown.change is not None
        assert cloud.size(await grown.change) == 2
        assert writes(world) == sent + 1
        assert (await ensure(cloud, client, a_body(cloud, replicas=2))).action == "unchanged"


@ensurable
async def test_dry_run(cloud: Cloud) -> None:
    """`dry_run` shows what would be done, and sends no write."""
    world = a_world()
    async with cloud.client(world) as client:
        planned = await ensure(cloud, client, a_body(cloud), dry_run=True)
        assert (planned.action, planned.change, planned.id) == ("created", None, None)
        assert "web-1" in planned.diff[0]
        await (await cloud.api(client).create(a_body(cloud)))
        sent = writes(world)
        planned = await ensure(cloud, client, a_body(cloud), dry_run=True)
        assert (planned.action, planned.diff, planned.change) == ("unchanged", (), None)
        planned = await ensure(cloud, client, a_body(cloud, replicas=2), dry_run=True)
        assert (planned.action, planned.change) == ("updated", None)
        assert SCALE[cloud.name] in planned.diff
        assert writes(world) == sent


@ensurable
async def test_equal_while_it_is_created(cloud: Cloud) -> None:
    """While it is being created, an equal spec is unchanged, and its change waits for the end."""
    async with cloud.client(a_world()) as client:
        await cloud.api(client).create(a_body(cloud))
        done = await ensure(cloud, client, a_body(cloud))
        assert (done.action, done.diff) == ("unchanged", ())
        assert done.change is not None
        assert done.change.outcome is None
        assert cloud.size(await done.change) == 1
        assert now() >= 0.9 * CREATE_S


@ensurable
async def test_a_replica_does_not_know_yet_what_a_rival_created(cloud: Cloud) -> None:
    """A 404 within 30 s after it was found may come from a replica that lags: the wait goes on."""
    world = a_world()
    async with cloud.client(world) as rival, cloud.client(world) as client:
        change = await cloud.create(rival, "web-1")
        done = await ensure(cloud, client, a_body(cloud))
        assert (done.action, done.id) == ("unchanged", change.id)
        assert done.change is not None
        lags_until, network = now() + 20, network_of(client)

        def lagging(request: Request, real: Answer) -> Answer:
            shown = request.method == "GET" and request.path.endswith(f"/{change.id}")
            missing = Response(404, {}, error_body(cloud.name, 404))
            return missing if shown and now() < lags_until else real

        network.intercept = lagging
        assert await done.change.wait(timeout=CREATE_S + 60)


@ensurable
async def test_different_while_it_is_created(cloud: Cloud) -> None:
    """A change in progress that leads to another spec is waited for; then it is updated."""
    async with cloud.client(a_world()) as client:
        await cloud.api(client).create(a_body(cloud))
        done = await ensure(cloud, client, a_body(cloud, replicas=2))
        assert done.action == "updated"
        assert now() >= 0.9 * CREATE_S
        assert done.change is not None
        assert cloud.size(await done.change) == 2
        assert len(await named(cloud, client)) == 1


async def test_change_in_progress_that_never_ends() -> None:
    """It is waited for once, as long as by default, and the timeout is raised."""
    cloud, world = ENSURABLE[0], a_world()
    async with cloud.client(world) as client:
        world.fault("stuck", on=cloud.POST)
        await ensure(cloud, client, a_body(cloud))
        with pytest.raises(WaitTimeoutError):
            await ensure(cloud, client, a_body(cloud, replicas=2))
        assert now() == pytest.approx(3600, abs=60)


@ensurable
async def test_equal_to_the_update_in_progress(cloud: Cloud) -> None:
    """An update in progress to the same spec is not sent again."""
    world = a_world()
    async with cloud.client(world) as client:
        await (await cloud.api(client).create(a_body(cloud)))
        await ensure(cloud, client, a_body(cloud, replicas=2))
        sent = writes(world)
        done = await ensure(cloud, client, a_body(cloud, replicas=2))
        assert done.change is not None
        assert cloud.size(await done.change) == 2
        # Exoscale shows the old values for a while; setting the new ones again does no harm.
        assert writes(world) - sent <= (1 if cloud.name == "exoscale" else 0)


IMMUTABLE = {
    "digitalocean": ("region", "tor1"),
    "exoscale": ("gpu-type", "gpurtx6000pro"),
}


@pytest.mark.parametrize("cloud", [ENSURABLE[0], ENSURABLE[2]], ids=lambda cloud: cloud.name)
async def test_field_that_cannot_change(cloud: Cloud) -> None:
    """A difference in a field that cannot change is an error that names it; nothing is sent."""
    name, value = IMMUTABLE[cloud.name]
    world = a_world()
    async with cloud.client(world) as client:
        await (await cloud.api(client).create(a_body(cloud)))
        sent = writes(world)
        for dry_run in (True, False):
            with pytest.raises(InvalidInputError, match=f"{name}: cannot change") as caught:
                await ensure(cloud, client, {**a_body(cloud), name: value}, dry_run=dry_run)
            assert value in caught.value.problems[0]
        assert writes(world) == sent


@ensurable
async def test_invalid_arguments(cloud: Cloud) -> None:
    """Faults of the spec, the limit and the timeout are found before a request is sent."""
    world = a_world()
    async with cloud.client(world) as client:
        for fields, options in (
            ({"name": ""}, {}),
            ({}, {"name_timeout": -1}),
            ({}, {"max_hourly": "cheap"}),
        ):
            with pytest.raises(InvalidInputError):
                await ensure(cloud, client, {**a_body(cloud), **fields}, **options)
    assert world.requests == [] or writes(world) == 0


@ensurable
async def test_price_limit(cloud: Cloud) -> None:
    """`max_hourly` stops creates and updates, with `dry_run` too; what is unchanged is not."""
    limit: dict[str, Any] = {"max_hourly": "0.01"}
    async with cloud.client(a_world()) as client:
        for dry_run in (True, False):
            with pytest.raises(PriceLimitError):
                await ensure(cloud, client, a_body(cloud), dry_run=dry_run, **limit)
        assert await named(cloud, client) == []
        await (await cloud.api(client).create(a_body(cloud)))
        assert (await ensure(cloud, client, a_body(cloud), **limit)).action == "unchanged"
        with pytest.raises(PriceLimitError):
            await ensure(cloud, client, a_body(cloud, replicas=2), **limit)


@unique
async def test_name_on_its_way_out(cloud: Cloud) -> None:
    """A resource of that name that is being deleted is a conflict, or waited for."""
    lifecycle = Lifecycle(create=CREATE_S, delete=DELETE_S, name_lag=60)
    async with cloud.client(a_world(lifecycle=lifecycle)) as client:
        first = await ensure(cloud, client, a_body(cloud))
        assert first.change is not None
        await first.change
        await cloud.delete(client, first.change.id)
        with pytest.raises(ConflictError, match="being deleted: pass name_timeout="):
            await ensure(cloud, client, a_body(cloud))
        done = await ensure(cloud, client, a_body(cloud), name_timeout=600)
        assert done.action == "created"
        assert done.change is not None
        assert (await done.change).name == "web-1"


@ensurable
@pytest.mark.parametrize("fault", ["reset", "status"])
@pytest.mark.parametrize("committed", [True, False])
async def test_lost_answer_to_a_create(cloud: Cloud, fault: str, committed: bool) -> None:
    """A create whose response is lost leaves one resource, or none and an error."""
    world = a_world()
    async with cloud.client(world) as client:
        world.fault(fault, on=cloud.POST, after_commit=committed)
        made = committed or cloud.can(client).unique_names
        if not made:
            with pytest.raises(OutcomeUnknownError):
                await ensure(cloud, client, a_body(cloud))
        done = await ensure(cloud, client, a_body(cloud))
        assert done.action == "created"
        assert done.change is not None
        await done.change
        assert [one.name for one in await named(cloud, client)] == ["web-1"]


@ensurable
@pytest.mark.parametrize("committed", [True, False])
async def test_lost_answer_to_an_update(cloud: Cloud, committed: bool) -> None:
    """An update whose response is lost is found or sent again."""
    world = a_world()
    async with cloud.client(world) as client:
        await (await cloud.api(client).create(a_body(cloud)))
        world.fault("status", on=cloud.CHANGE, status=500, after_commit=committed)
        done = await ensure(cloud, client, a_body(cloud, replicas=2))
        assert done.action == "updated"
        assert SCALE[cloud.name] in done.diff
        assert done.change is not None
        assert cloud.size(await done.change) == 2


@ensurable
async def test_updates_that_are_never_answered(cloud: Cloud) -> None:
    """Where every update is answered 502, `ensure` ends after a few minutes and not after many."""
    world = a_world()
    async with cloud.client(world) as client:
        await (await cloud.api(client).create(a_body(cloud)))
        world.fault("status", on=cloud.CHANGE, status=502, times=None)
        began = now()
        with pytest.raises(OutcomeUnknownError, match="not known whether"):
            await ensure(cloud, client, a_body(cloud, replicas=2))
        assert now() - began < 240


async def test_a_rename_just_after_the_create() -> None:
    """What has another name by now is left alone; its name is free for a new deployment."""
    cloud = ENSURABLE[-1]
    async with cloud.client(a_world(lifecycle=Lifecycle(create=5, update=5))) as client:
        first = await ensure(cloud, client, a_body(cloud))
        assert first.change is not None
        await first.change
        await (await cloud.api(client).update(first.id, name="web-old"))
        done = await ensure(cloud, client, a_body(cloud))
        assert (done.action, done.id == first.id) == ("created", False)
        (old,) = await cloud.api(client).find_all("web-old")
        assert old.id == first.id


@ensurable
async def test_calls_of_one_process(cloud: Cloud) -> None:
    """Many calls at once, of one client and of two, make one resource."""
    world = a_world()
    async with cloud.client(world) as one, cloud.client(world) as two:
        calls = [ensure(cloud, client, a_body(cloud)) for client in (one, two) * 4]
        done = await asyncio.gather(*calls)
        assert sorted(each.action for each in done) == ["created"] + ["unchanged"] * 7
        assert len({each.id for each in done}) == 1
        assert len(await named(cloud, one)) == 1


@ensurable
async def test_calls_of_one_process_while_the_list_lags(cloud: Cloud) -> None:
    """A second call makes no second resource, though the list does not show the first yet."""
    world = a_world()
    async with cloud.client(world) as client:
        world.fault("list_lag", on=cloud.POST, seconds=30)
        first = await ensure(cloud, client, a_body(cloud))
        second = await ensure(cloud, client, a_body(cloud))
        assert (second.action, second.id) == ("unchanged", first.id)
        await asyncio.sleep(60)
        assert len(await named(cloud, client)) == 1


@ensurable
@pytest.mark.parametrize("how", ["lost", "cancelled", "closed"])
async def test_call_after_a_lost_answer_while_the_list_lags(cloud: Cloud, how: str) -> None:
    """What a create may have made is waited for, so that the next call makes no second resource."""
    world = a_world()
    async with cloud.client(world) as one, cloud.client(world) as two:
        lag = 30 if cloud.can(one).unique_names else 100
        world.fault("list_lag", on=cloud.POST, seconds=lag)
        if how == "lost":
            world.fault("reset", on=cloud.POST, after_commit=True)
        else:
            world.fault("slow", on=cloud.POST, delay_s=10)
        call = asyncio.ensure_future(ensure(cloud, one, a_body(cloud)))
        while not world.created["web-1"]:  # noqa: ASYNC110 - a world has no event for it
            await asyncio.sleep(0.1)
        if how == "cancelled":
            call.cancel()
        elif how == "closed":
            await one.aclose()
        await asyncio.wait([call])
        _ = call.cancelled() or call.exception()
        again = await ensure(cloud, two, a_body(cloud))
        assert again.id is not None
        await asyncio.sleep(120)
        assert len(await named(cloud, two)) == 1
    assert world.created["web-1"] == 1


@ensurable
@pytest.mark.parametrize("after_s", [10, 20, 30, 40, 47, 50])
async def test_cancelled_while_a_lost_create_is_looked_up(cloud: Cloud, after_s: float) -> None:
    """The error names what may exist, at whatever moment it comes."""
    world = a_world()
    async with cloud.client(world) as client:
        world.fault("list_lag", on=cloud.POST, seconds=45)
        world.fault("not_found", on=cloud.POST, seconds=45)
        world.fault("reset", on=cloud.POST, after_commit=True)
        call = asyncio.ensure_future(ensure(cloud, client, a_body(cloud)))
        await asyncio.sleep(after_s)
        call.cancel()
        await asyncio.wait([call])
        if call.cancelled():
            with pytest.raises(asyncio.CancelledError) as caught:
                call.result()
            assert "web-1" in " ".join(caught.value.__notes__)
        else:
            assert call.exception() is None or "web-1" in str(call.exception())


@ensurable
async def test_call_after_one_that_sent_nothing_is_not_delayed(cloud: Cloud) -> None:
    """A create that was refused, or cancelled before it was sent, made nothing to wait for."""
    world = a_world()
    async with cloud.client(world) as client:
        world.fault("status", on=cloud.POST, status=400)
        with pytest.raises(APIError):
            await ensure(cloud, client, a_body(cloud))
        lookup = cloud.GET if cloud.name == "gcore-v3" else cloud.LIST
        slow = world.fault("slow", on=lookup, delay_s=10)
        call = asyncio.ensure_future(ensure(cloud, client, a_body(cloud)))
        while not slow.hits:  # noqa: ASYNC110 - a world has no event for it
            await asyncio.sleep(0.1)
        call.cancel()
        await asyncio.wait([call])
        assert not world.created["web-1"]
        began = now()
        assert (await ensure(cloud, client, a_body(cloud))).action == "created"
        assert now() - began < 5


@ensurable
async def test_nothing_is_remembered_for_long(cloud: Cloud) -> None:
    """A create of two minutes ago needs no memory: the list shows it."""
    async with cloud.client(a_world()) as client:
        for number in range(5):
            await ensure(cloud, client, a_body(cloud, f"web-{number}"))
            await asyncio.sleep(130)
        assert len(module._created) <= 1  # noqa: SLF001 - bounded by age


async def test_accounts_of_one_process_while_the_list_lags() -> None:
    """What one account has created is not looked for in another, nor forgotten because of it."""
    cloud = ENSURABLE[2]
    worlds = a_world(), a_world(seed=1)
    async with cloud.client(worlds[0]) as one, cloud.client(worlds[1]) as two:
        for world in worlds:
            world.fault("list_lag", on=cloud.POST, seconds=30)
        made = [await ensure(cloud, client, a_body(cloud)) for client in (one, two)]
        began = now()
        again = [await ensure(cloud, client, a_body(cloud)) for client in (one, two)]
        assert now() - began < 1
        assert [done.action for done in again] == ["unchanged", "unchanged"]
        assert [done.id for done in again] == [done.id for done in made]


@unique
async def test_rival_that_comes_first(cloud: Cloud) -> None:
    """If another process takes the name first, its resource is compared, and updated."""
    world = a_world()
    async with cloud.client(world) as client:
        api, create = cloud.api(client), cloud.api(client).create

        async def late(*args: Any, **options: Any) -> Any:
            api.create = create
            await create(a_body(cloud))
            return await create(*args, **options)

        api.create = late
        done = await ensure(cloud, client, a_body(cloud, replicas=2))
        assert done.action == "updated"
        assert done.change is not None
        assert cloud.size(await done.change) == 2
        assert len(await named(cloud, client)) == 1


async def test_duplicates(caplog: pytest.LogCaptureFixture) -> None:
    """Where names are not unique, others of that name are reported and logged, never deleted."""
    cloud = ENSURABLE[2]
    world = a_world()
    async with cloud.client(world) as client:
        made = [await cloud.api(client).create(a_body(cloud)) for _ in range(3)]
        with caplog.at_level(logging.WARNING):
            done = await ensure(cloud, client, a_body(cloud))
        assert done.action == "unchanged"
        assert {done.id, *done.duplicates} == {change.id for change in made}
        assert len(done.duplicates) == 2
        assert all(caplog.text.count(id) == 1 for id in done.duplicates)
        assert len(await named(cloud, client)) == 3


async def test_duplicates_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """A call that reads again, as a change has to end first, does not repeat the warning."""
    cloud = ENSURABLE[2]
    async with cloud.client(a_world()) as client:
        for _ in range(2):
            await cloud.api(client).create(a_body(cloud))
        done = await ensure(cloud, client, a_body(cloud, replicas=2))
        assert done.action == "updated"
        assert len([line for line in caplog.messages if done.duplicates[0] in line]) == 1


async def test_choice_between_duplicates() -> None:
    """What has the spec is used, else the oldest: every process makes the same choice."""
    cloud = ENSURABLE[2]
    async with cloud.client(a_world()) as client:
        made = []
        for replicas in (2, 1, 1, 2):
            change = await cloud.api(client).create(a_body(cloud, replicas=replicas))
            await change
            made.append(change.id)
        kept = await ensure(cloud, client, a_body(cloud))
        assert (kept.action, kept.id) == ("unchanged", made[1])
        changed = await ensure(cloud, client, a_body(cloud, replicas=3))
        assert (changed.action, changed.id) == ("updated", made[0])


async def test_duplicate_of_a_rival() -> None:
    """A rival's deployment that appears during the create is reported by both."""
    cloud = ENSURABLE[2]
    async with cloud.client(a_world()) as client:
        api, create = cloud.api(client), cloud.api(client).create
        rivals: list[Any] = []

        async def late(*args: Any, **options: Any) -> Any:
            rivals.append(await create(a_body(cloud)))
            return await create(*args, **options)

        api.create = late
        done = await ensure(cloud, client, a_body(cloud))
        assert (done.action, done.duplicates) == ("created", (rivals[0].id,))


async def test_engine_and_scale() -> None:
    """At Exoscale the engine is updated before the deployment is scaled."""
    cloud = ENSURABLE[2]
    async with cloud.client(a_world()) as client:
        await (await cloud.api(client).create(a_body(cloud)))
        body = {**a_body(cloud, replicas=2), "inference-engine-parameters": ["--seed=1"]}
        done = await ensure(cloud, client, body)
        assert done.diff == (
            "replicas: 1 -> 2",
            "inference-engine-parameters: differs (its values may be secret)",
        )
        assert done.change is not None
        settled = await done.change
        assert (settled.replicas, settled.inference_engine_parameters) == (2, ("--seed=1",))


async def test_another_provider_of_the_model() -> None:
    """At DigitalOcean the provider of a model is updated; without one, it stays as it is."""
    cloud = ENSURABLE[0]
    async with cloud.client(a_world()) as client:
        await (await cloud.api(client).create(a_body(cloud)))
        body = a_body(cloud)
        body["model_deployments"][0]["model_provider"] = "modelcatalog"
        done = await ensure(cloud, client, body)
        assert done.diff == ("model_deployments[0].model_provider: hugging_face -> modelcatalog",)
        assert done.change is not None
        assert (await done.change).spec.model_deployments[0].model_provider == "modelcatalog"
        for again in (body, a_body(cloud)):
            assert (await ensure(cloud, client, again)).action == "unchanged"


@ensurable
async def test_api_that_fails(cloud: Cloud) -> None:
    """If the API cannot be read, nothing is created."""
    world = a_world()
    async with cloud.client(world) as client:
        world.fault("status", on=cloud.GET, status=500, times=None)
        world.fault("status", on=cloud.LIST, status=500, times=None)
        with pytest.raises(DIError):
            await ensure(cloud, client, a_body(cloud))
    assert writes(world) == 0


@pytest.mark.parametrize("replicas", [1, 2])
async def test_stopped_deployment(replicas: int) -> None:
    """At Gcore a deployment that is stopped is updated if it differs, and started."""
    cloud = ENSURABLE[1]
    async with cloud.client(a_world()) as client:
        api = cloud.api(client)
        await (await api.create(a_body(cloud)))
        await (await api.stop("web-1"))
        done = await ensure(cloud, client, a_body(cloud, replicas=replicas))
        assert (done.action, done.diff[-1]) == ("updated", "status: DISABLED -> ACTIVE")
        assert done.change is not None
        settled = await done.change
        assert (settled.status, cloud.size(settled)) == ("ACTIVE", replicas)
        again = await ensure(cloud, client, a_body(cloud, replicas=replicas))
        assert again.action == "unchanged"


async def test_a_cancellation_after_the_answer_keeps_what_was_created() -> None:
    """Where names are not unique, `ensure` looks for duplicates after its create."""
    cloud, world = ENSURABLE[2], a_world()
    async with cloud.client(world) as client:
        creating = world.fault("slow", now=now(), times=1, on=cloud.POST, delay_s=5)
        ensuring = asyncio.ensure_future(ensure(cloud, client, a_body(cloud)))
        while not creating.hits:  # noqa: ASYNC110 - a world has no event for it
            await asyncio.sleep(0.1)
        listing = world.fault("slow", now=now(), times=1, on=cloud.LIST, delay_s=20)
        while not listing.hits:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        ensuring.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await ensuring
        (row,) = await cloud.api(client).list()
        assert caught.value.write_result.id == row.id  # type: ignore[attr-defined]
        assert row.id in caught.value.__notes__[0]
