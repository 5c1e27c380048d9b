"""Promise 1: a wait ends on proof, never on a status word alone.

Only a read that began after the write was accepted counts. A create is done when the instance is
active (or running), nothing is pending and the endpoint that it is to have is there. An update
needs, on top, a sign that it is about this update: a transition, a later `updated_at` than the
write's own answer (1970 is no time), an advanced spec version or id; where the API shows none of
these, three equal reads over 30 s, whatever `target_lag` is, and the history says so. No middle
state is required. A delete is done when GET answers 404. Failures need the same signs. Being
deleted, or a newer foreign spec, is `SupersededError`.
"""

import asyncio
import random
from typing import Any

import pytest

from di_async import DeploymentFailedError, PollPolicy, SupersededError, WaitTimeoutError
from tests.builders.digitalocean import (
    DIALECTS,
    EARLY,
    GONE,
    ID,
    LATE,
    LATER,
    a_spec,
    acceptance,
    an_instance,
    creation,
    instance_answer,
    shown_spec,
)
from tests.fake_network import Delayed, answer, virtual_client
from tests.promises.support import (
    NEVER,
    PATCH,
    POST,
    VIRTUAL,
    client_on,
    created,
    fake_api,
    lasting,
    now,
    scaled,
    world,
)

pytestmark = VIRTUAL

both_dialects = pytest.mark.parametrize("dialect", DIALECTS)


# --- reads that count ------------------------------------------------------------------------


@both_dialects
async def test_read_in_flight_when_the_update_is_accepted(dialect: str) -> None:
    """A read that began before the write was accepted proves nothing, whatever it shows."""
    before, done = an_instance(dialect), an_instance(dialect, version=2, scale=2, updated=LATE)
    updating = an_instance(dialect, "updating", pending_deployment_spec=shown_spec(dialect, 2, 2))
    reads = Delayed(10, instance_answer(done)), before, updating, done
    network = fake_api(*reads, patch=[acceptance(dialect)])
    async with client_on(network) as client:
        other = asyncio.create_task(client.dedicated_inferences.wait_until(ID, lambda _: False))
        await asyncio.sleep(1)
        change = await scaled(client)
        await change.wait()
        other.cancel()
    assert [event.status for event in change.history] == ["updating", "active", "active"]


# --- creates ---------------------------------------------------------------------------------


@both_dialects
async def test_create_of_ten_minutes(dialect: str) -> None:
    """A create's wait ends after the instance is really active, and soon after."""
    async with virtual_client(world(dialect)) as (client, net):
        change = await client.dedicated_inferences.create(a_spec())
        found = await change.wait()
        truth = net.world.truth(change.id, net.now())
        assert (found.status, truth.settled) == ("active", True)
        assert 0 <= net.now() - truth.settled_at < 6


@both_dialects
async def test_running_counts_as_active(dialect: str) -> None:
    """`running`, which the vendor's own tools know, is `active` by another name."""
    async with client_on(
        fake_api(an_instance(dialect, "running"), post=[creation(dialect)])
    ) as client:
        assert (await (await created(client)).wait()).status == "running"


@both_dialects
async def test_active_while_a_spec_is_pending(dialect: str) -> None:
    """An instance that calls itself active with a spec pending is not done."""
    early = an_instance(dialect, pending_deployment_spec=shown_spec(dialect, 1))
    network = fake_api(early, early, an_instance(dialect), post=[creation(dialect)])
    async with client_on(network) as client:
        found = await (await created(client)).wait()
    assert found.pending_deployment_spec is None
    assert network.count("GET") == 3


@pytest.mark.parametrize(
    ("public", "shown"),
    [(True, ()), (False, ()), (True, ["private"]), (False, ["public"])],
)
@both_dialects
async def test_active_without_its_endpoint(dialect: str, public: bool, shown: list[str]) -> None:
    """Without the endpoint it is to have (public if enabled, else private) it is not done."""
    lacking = an_instance(dialect, public=public, endpoints=shown)
    network = fake_api(lacking, an_instance(dialect, public=public), post=[creation(dialect)])
    async with client_on(network) as client:
        found = await (await created(client)).wait()
    assert found.endpoints is not None
    assert network.count("GET") == 2


@both_dialects
async def test_private_instance_with_its_private_endpoint(dialect: str) -> None:
    """Where no public endpoint was asked for, the private one is all that it needs."""
    private = an_instance(dialect, public=False, endpoints=["private"])
    network = fake_api(private, post=[creation(dialect)])
    async with client_on(network) as client:
        await (await created(client)).wait(timeout=6)
    assert network.count("GET") == 1


# --- updates ---------------------------------------------------------------------------------


@both_dialects
async def test_stale_active_for_20_s_after_the_patch(dialect: str) -> None:
    """A replica that still shows the old active state does not end an update's wait."""
    land = world(dialect, lifecycle=lasting(update=5))
    async with virtual_client(land, polling=PollPolicy(target_lag=1)) as (client, net):
        id = land.add_instance(now=net.now(), name="web").id
        land.fault("stale", on=PATCH, seconds=20)
        began = now()
        found = await (await client.dedicated_inferences.scale(id, 2)).wait()
        assert found.spec is not None
        assert found.spec.version == 2
        assert 20 <= now() - began < 22


@both_dialects
async def test_stale_active_that_agrees_with_itself_for_a_minute(dialect: str) -> None:
    """Where the API shows versions, no repetition of the old one is proof."""
    stale = [an_instance(dialect)] * 14
    network = fake_api(
        *stale, an_instance(dialect, version=2, scale=2), patch=[acceptance(dialect)]
    )
    async with client_on(network) as client:
        found = await (await scaled(client)).wait()
    assert (found.spec.version, now() > 60) == (2, True)


@both_dialects
async def test_update_that_completes_at_once(dialect: str) -> None:
    """The middle state is never required: the advanced version is proof on the first read."""
    land = world(dialect, lifecycle=lasting(update=0))
    async with virtual_client(land) as (client, net):
        id = land.add_instance(now=net.now(), name="web").id
        change = await client.dedicated_inferences.scale(id, 2)
        await change.wait(timeout=2)
    assert {event.status for event in change.history} == {"active"}


async def test_update_shown_by_its_spec_id_alone() -> None:
    """A spec id that is this update's pending one is proof where no versions are shown."""
    old, new = shown_spec("observed", None, id="old"), shown_spec("observed", None, 2, id="new")
    reads = [an_instance("observed", spec=spec) for spec in (old, old, new)]
    accepted = instance_answer(
        an_instance("observed", "updating", spec=old, pending_deployment_spec=new), 202
    )
    network = fake_api(*reads, patch=[accepted])
    async with client_on(network) as client:
        change = await scaled(client)
        assert (await change.wait(timeout=20)).spec.id == "new"
    assert change.history[-1].note == "settled: spec id of this update"


@both_dialects
async def test_updated_at_past_the_baseline(dialect: str) -> None:
    """`updated_at` beyond that of the write's own answer is proof; equal to it is none."""
    reads = [an_instance(dialect, version=None, updated=at) for at in (EARLY, LATE, LATE, LATER)]
    accepted = acceptance(dialect, version=None, updated_at=LATE)
    network = fake_api(*reads, patch=[accepted])
    async with client_on(network) as client:
        change = await scaled(client)
        await change.wait()
    assert (network.count("GET"), change.history[-1].note) == (4, "settled: updated_at moved on")


@both_dialects
async def test_baseline_of_1970(dialect: str) -> None:
    """A 1970 in the write's answer is no baseline: an unmoved `updated_at` stays no proof."""
    reads = [an_instance(dialect, version=None, updated=EARLY)]
    accepted = acceptance(dialect, version=None, updated_at=NEVER)
    async with client_on(fake_api(*reads, patch=[accepted])) as client:
        change = await scaled(client)
        with pytest.raises(WaitTimeoutError):
            await change.wait(timeout=29)


@both_dialects
async def test_transition_seen_since(dialect: str) -> None:
    """A middle state seen since the write makes the active state after it this update's."""
    kept: Any = {"version": None, "updated": EARLY}
    middle = an_instance(dialect, "updating", **kept)
    reads = an_instance(dialect, **kept), middle, an_instance(dialect, **kept)
    network = fake_api(*reads, patch=[acceptance(dialect, version=None, updated_at=NEVER)])
    async with client_on(network) as client:
        change = await scaled(client)
        await change.wait(timeout=20)
    assert change.history[-1].note == "settled: a transition was seen"


@pytest.mark.parametrize(("target_lag", "ends_s"), [(0.5, 30), (5, 30), (15, 30), (40, 80)])
async def test_repetition_where_nothing_else_is_shown(target_lag: float, ends_s: float) -> None:
    """Then three equal reads over 30 s are proof, at any `target_lag`; the history says so."""
    silent = an_instance(version=None)
    network = fake_api(silent, patch=[acceptance(version=None)])
    async with client_on(network, polling=PollPolicy(target_lag=target_lag)) as client:
        change = await scaled(client)
        began = now()
        await change.wait()
    assert ends_s <= now() - began < ends_s + target_lag + 1
    assert network.count("GET") >= 1 + 3
    assert (change.history[-1].note or "").startswith("settled: repeated:")


async def test_repetition_that_is_interrupted() -> None:
    """Reads agree only in a row: one that differs starts the 30 s anew."""
    silent = an_instance(version=None)
    reads = [silent] * 6, GONE, silent
    network = fake_api(*reads[0], *reads[1:], patch=[acceptance(version=None)])
    async with client_on(network) as client:
        change = await scaled(client)
        await change.wait()
    interrupted_at = next(e.elapsed for e in change.history if e.note == "GET answered 404")
    assert change.history[-1].elapsed - interrupted_at > 30


@pytest.mark.parametrize("seed", range(12))
@both_dialects
async def test_replicas_that_lag_by_chance(dialect: str, seed: int) -> None:
    """Whatever the order in which old and new states are read, only the new one settles."""
    chance = random.Random(seed)
    old, done = an_instance(dialect), an_instance(dialect, version=2, scale=2, updated=LATER)
    middle = an_instance(
        dialect, "updating", updated=LATE, pending_deployment_spec=shown_spec(dialect, 2, 2)
    )
    reads = [chance.choice((old, middle)) for _ in range(20)]
    network = fake_api(old, *reads, done, patch=[acceptance(dialect, updated_at=LATE)])
    async with client_on(network) as client:
        found = await (await scaled(client)).wait()
    assert (found.spec.version, network.count("GET")) == (2, 22)


# --- deletes ---------------------------------------------------------------------------------


@both_dialects
async def test_delete_ends_on_404(dialect: str) -> None:
    """A delete's wait ends when GET answers 404, not when the API accepted it."""
    async with virtual_client(world(dialect)) as (client, net):
        id = net.world.add_instance(now=net.now()).id
        began = now()
        await (await client.dedicated_inferences.delete(id)).wait()
        assert 120 <= now() - began < 126


async def test_absence_from_a_list_proves_no_deletion() -> None:
    """A list without the row is no proof: the wait goes on until GET itself answers 404."""
    land = world(lifecycle=lasting(delete=120))
    async with virtual_client(land) as (client, net):
        id = land.add_instance(now=net.now(), name="web", region="atl1").id
        waiting = asyncio.create_task(client.dedicated_inferences.wait_until_deleted(id))
        elsewhere = client.dedicated_inferences.list(region="nyc2")
        assert [di async for di in elsewhere] == []
        await asyncio.sleep(60)
        assert not waiting.done()
        await client.dedicated_inferences.delete(id)
        await waiting
        assert not net.world.truth(id, net.now()).exists


@both_dialects
async def test_error_during_a_delete(dialect: str) -> None:
    """While deleting, `error` is pending, and so is `active`: only 404 ends it."""
    reads = [an_instance(dialect, word) for word in ("error", "active", "deleting", "error")]
    network = fake_api(*reads, GONE, delete=[answer(202)])
    async with client_on(network) as client:
        await (await client.dedicated_inferences.delete(ID)).wait()
    assert network.count("GET") == 5


# --- failures --------------------------------------------------------------------------------


@both_dialects
async def test_create_without_capacity(dialect: str) -> None:
    """A create that ends in `error` is a failure, told when it is known."""
    async with virtual_client(world(dialect)) as (client, net):
        net.world.fault("no_capacity", region="atl1")
        change = await client.dedicated_inferences.create(a_spec())
        with pytest.raises(DeploymentFailedError):
            await change.wait()
        assert 0 <= now() - 600 < 7


@both_dialects
async def test_update_that_fails(dialect: str) -> None:
    """An `error` after an update of a healthy instance is this update's failure."""
    land = world(dialect)
    async with virtual_client(land) as (client, net):
        id = land.add_instance(now=net.now(), name="web").id
        land.fault("error", on=PATCH)
        change = await client.dedicated_inferences.scale(id, 2)
        with pytest.raises(DeploymentFailedError):
            await change.wait()
        assert net.world.truth(id, net.now()).settled


@both_dialects
async def test_error_left_over_from_before(dialect: str) -> None:
    """An `error` that was there before the write is not this write's failure."""
    left_over = an_instance(dialect, "error", version=None)
    middle = an_instance(dialect, "updating", version=None, updated=LATE)
    done = an_instance(dialect, version=None, updated=LATER)
    reads = [left_over, left_over, left_over, middle, done]
    network = fake_api(*reads, patch=[acceptance(dialect, version=None, updated_at=NEVER)])
    async with client_on(network) as client:
        assert (await (await scaled(client)).wait()).status == "active"


@both_dialects
async def test_error_anew_after_one_left_over(dialect: str) -> None:
    """An `error` that comes after a transition is this write's, whatever was there before."""
    left_over = an_instance(dialect, "error", version=None)
    middle = an_instance(dialect, "updating", version=None, updated=LATE)
    anew = an_instance(dialect, "error", version=None, updated=LATER)
    network = fake_api(
        left_over, left_over, middle, anew, patch=[acceptance(dialect, version=None)]
    )
    async with client_on(network) as client:
        change = await scaled(client)
        with pytest.raises(DeploymentFailedError):
            await change.wait()
    assert [e.status for e in change.history[:3]] == ["error", "updating", "error"]


async def test_error_left_over_that_stays() -> None:
    """Where nothing else is shown a failure too is proven by three equal reads over 30 s."""
    left_over = an_instance(status="error", version=None)
    network = fake_api(left_over, patch=[acceptance(version=None)])
    async with client_on(network) as client:
        change = await scaled(client)
        began = now()
        with pytest.raises(DeploymentFailedError):
            await change.wait()
        assert 30 <= now() - began < 36


@both_dialects
async def test_error_shown_by_a_replica_that_lags(dialect: str) -> None:
    """An `error` older than what was known before the write is no failure of this write."""
    before = an_instance(dialect, updated=LATE)
    older = an_instance(dialect, "error", updated=EARLY)
    done = an_instance(dialect, version=2, scale=2, updated=LATER)
    async with client_on(fake_api(before, older, done, patch=[acceptance(dialect)])) as client:
        assert (await (await scaled(client)).wait()).status == "active"


# --- overtaken -------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [POST, PATCH])
@both_dialects
async def test_deleted_by_somebody_else(dialect: str, write: str) -> None:
    """`deleting` seen by a create's or update's wait is `SupersededError`."""
    async with virtual_client(world(dialect)) as (client, net):
        ours = client.dedicated_inferences
        if write == POST:
            change = await ours.create(a_spec())
        else:
            change = await ours.scale(net.world.add_instance(now=net.now()).id, 2)
        waiting = asyncio.create_task(change.wait())
        await asyncio.sleep(60)
        async with virtual_client(net.world) as (somebody, _):
            await somebody.dedicated_inferences.delete(change.id)
        with pytest.raises(SupersededError):
            await waiting


@both_dialects
async def test_newer_spec_of_somebody_else(dialect: str) -> None:
    """A spec newer than ours that is not the one sent is `SupersededError`, not success."""
    theirs = an_instance(dialect, version=3, scale=7, updated=LATER)
    network = fake_api(an_instance(dialect), theirs, patch=[acceptance(dialect)])
    async with client_on(network) as client:
        change = await scaled(client)
        with pytest.raises(SupersededError):
            await change.wait()


@both_dialects
async def test_newer_spec_of_somebody_else_after_a_create(dialect: str) -> None:
    """A create whose spec was replaced before it was seen active is `SupersededError` too."""
    theirs = an_instance(dialect, version=2, scale=7, updated=LATER)
    async with client_on(fake_api(theirs, post=[creation(dialect)])) as client:
        change = await created(client)
        with pytest.raises(SupersededError):
            await change.wait()
