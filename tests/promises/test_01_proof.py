"""Promise 1: a wait ends on proof, never on a status word alone.

Only a read that started after the write was accepted counts. A create is done when the instance is
active (or running), no spec is pending and the expected endpoint exists. An update also needs
proof that the read shows this update: a transition, an `updated_at` later than in the response to
the write (1970 is ignored), a newer spec version or a new spec id. Where the API shows none of
these, three equal reads over 30 s count, at any `target_lag`, and the history says so. No
intermediate state is required. A delete is done when GET answers 404. Failures need the same proof.
A deletion or a newer foreign spec raises `SupersededError`.
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
    rotated,
    scaled,
    world,
)

pytestmark = VIRTUAL

both_dialects = pytest.mark.parametrize("dialect", DIALECTS)


# --- reads that count ------------------------------------------------------------------------


@both_dialects
async def test_read_in_flight_when_the_update_is_accepted(dialect: str) -> None:
    """A read that started before the write was accepted proves nothing."""
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
    """A create's wait ends within 6 s after the instance is active."""
    async with virtual_client(world(dialect)) as (client, net):
        change = await client.dedicated_inferences.create(a_spec())
        found = await change.wait()
        truth = net.world.truth(change.id, net.now())
        assert (found.status, truth.settled) == ("active", True)
        assert 0 <= net.now() - truth.settled_at < 6


@both_dialects
async def test_running_counts_as_active(dialect: str) -> None:
    """`running`, which the vendor's own tools use, counts as `active`."""
    async with client_on(
        fake_api(an_instance(dialect, "running"), post=[creation(dialect)])
    ) as client:
        assert (await (await created(client)).wait()).status == "running"


@both_dialects
async def test_active_while_a_spec_is_pending(dialect: str) -> None:
    """An active instance with a pending spec does not settle a create."""
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
    """A create waits for the expected endpoint: public if enabled, otherwise private."""
    lacking = an_instance(dialect, public=public, endpoints=shown)
    network = fake_api(lacking, an_instance(dialect, public=public), post=[creation(dialect)])
    async with client_on(network) as client:
        found = await (await created(client)).wait()
    assert found.endpoints is not None
    assert network.count("GET") == 2


@both_dialects
async def test_private_instance_with_its_private_endpoint(dialect: str) -> None:
    """A create without a public endpoint needs only the private one."""
    private = an_instance(dialect, public=False, endpoints=["private"])
    network = fake_api(private, post=[creation(dialect)])
    async with client_on(network) as client:
        await (await created(client)).wait(timeout=6)
    assert network.count("GET") == 1


# --- updates ---------------------------------------------------------------------------------


@both_dialects
async def test_stale_active_for_20_s_after_the_patch(dialect: str) -> None:
    """A stale replica that still shows the old active state does not settle an update."""
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
async def test_stale_active_repeated_for_a_minute(dialect: str) -> None:
    """Repeated reads of the old version prove nothing where the API shows versions."""
    stale = [an_instance(dialect)] * 14
    network = fake_api(
        *stale, an_instance(dialect, version=2, scale=2), patch=[acceptance(dialect)]
    )
    async with client_on(network) as client:
        found = await (await scaled(client)).wait()
    assert (found.spec.version, now() > 60) == (2, True)


@both_dialects
async def test_update_without_an_intermediate_state(dialect: str) -> None:
    """An update without an intermediate state settles on the first read of the new version."""
    land = world(dialect, lifecycle=lasting(update=0))
    async with virtual_client(land) as (client, net):
        id = land.add_instance(now=net.now(), name="web").id
        change = await client.dedicated_inferences.scale(id, 2)
        await change.wait(timeout=2)
    assert {event.status for event in change.history} == {"active"}


async def test_update_proven_by_its_spec_id() -> None:
    """The id of the pending spec proves an update where no versions are shown."""
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
    """Only an `updated_at` later than in the response to the write proves an update."""
    reads = [an_instance(dialect, version=None, updated=at) for at in (EARLY, LATE, LATE, LATER)]
    accepted = acceptance(dialect, version=None, updated_at=LATE)
    network = fake_api(*reads, patch=[accepted])
    async with client_on(network) as client:
        change = await rotated(client)
        await change.wait()
    assert (network.count("GET"), change.history[-1].note) == (4, "settled: updated_at moved on")


@both_dialects
async def test_baseline_of_1970(dialect: str) -> None:
    """A baseline of 1970 is ignored: an unchanged `updated_at` does not prove an update."""
    reads = [an_instance(dialect, version=None, updated=EARLY)]
    accepted = acceptance(dialect, version=None, updated_at=NEVER)
    async with client_on(fake_api(*reads, patch=[accepted])) as client:
        change = await rotated(client)
        with pytest.raises(WaitTimeoutError):
            await change.wait(timeout=29)


@both_dialects
async def test_update_proven_by_a_transition(dialect: str) -> None:
    """An active state after an intermediate one proves an update."""
    kept: Any = {"version": None, "updated": EARLY}
    middle = an_instance(dialect, "updating", **kept)
    reads = an_instance(dialect, **kept), middle, an_instance(dialect, **kept)
    network = fake_api(*reads, patch=[acceptance(dialect, version=None, updated_at=NEVER)])
    async with client_on(network) as client:
        change = await rotated(client)
        await change.wait(timeout=20)
    assert change.history[-1].note == "settled: a transition was seen"


@pytest.mark.parametrize(("target_lag", "ends_s"), [(0.5, 30), (5, 30), (15, 30), (40, 80)])
async def test_equal_reads_where_no_other_proof_is_shown(target_lag: float, ends_s: float) -> None:
    """Three equal reads over 30 s prove an update at any `target_lag`; the history says so."""
    silent = an_instance(version=None)
    network = fake_api(silent, patch=[acceptance(version=None)])
    async with client_on(network, polling=PollPolicy(target_lag=target_lag)) as client:
        change = await rotated(client)
        began = now()
        await change.wait()
    assert ends_s <= now() - began < ends_s + target_lag + 1
    assert network.count("GET") >= 1 + 3
    assert (change.history[-1].note or "").startswith("settled: repeated:")


async def test_equal_reads_interrupted() -> None:
    """A read that differs restarts the 30 s of equal reads."""
    silent = an_instance(version=None)
    reads = [silent] * 6, GONE, silent
    network = fake_api(*reads[0], *reads[1:], patch=[acceptance(version=None)])
    async with client_on(network) as client:
        change = await rotated(client)
        await change.wait()
    interrupted_at = next(e.elapsed for e in change.history if e.note == "GET answered 404")
    assert change.history[-1].elapsed - interrupted_at > 30


@pytest.mark.parametrize("seed", range(12))
@both_dialects
async def test_replicas_that_lag_at_random(dialect: str, seed: int) -> None:
    """Old and new states read in any order settle an update only with the new state."""
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
    """A delete's wait ends when GET answers 404, not when the API accepted the delete."""
    async with virtual_client(world(dialect)) as (client, net):
        id = net.world.add_instance(now=net.now()).id
        began = now()
        await (await client.dedicated_inferences.delete(id)).wait()
        assert 120 <= now() - began < 126


async def test_row_missing_from_a_list_does_not_settle_a_delete() -> None:
    """A list without the row does not settle a delete; a GET with 404 does."""
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
    """`error` and `active` are pending during a delete; only a 404 settles it."""
    reads = [an_instance(dialect, status) for status in ("error", "active", "deleting", "error")]
    network = fake_api(*reads, GONE, delete=[answer(202)])
    async with client_on(network) as client:
        await (await client.dedicated_inferences.delete(ID)).wait()
    assert network.count("GET") == 5


# --- failures --------------------------------------------------------------------------------


@both_dialects
async def test_create_without_capacity(dialect: str) -> None:
    """A create that ends in `error` raises `DeploymentFailedError` with the known reason."""
    async with virtual_client(world(dialect)) as (client, net):
        net.world.fault("no_capacity", region="atl1")
        change = await client.dedicated_inferences.create(a_spec())
        with pytest.raises(DeploymentFailedError):
            await change.wait()
        assert 0 <= now() - 600 < 7


@both_dialects
async def test_update_that_fails(dialect: str) -> None:
    """An `error` after an update of a healthy instance fails the update."""
    land = world(dialect)
    async with virtual_client(land) as (client, net):
        id = land.add_instance(now=net.now(), name="web").id
        land.fault("error", on=PATCH)
        change = await client.dedicated_inferences.scale(id, 2)
        with pytest.raises(DeploymentFailedError):
            await change.wait()
        assert net.world.truth(id, net.now()).settled


@both_dialects
async def test_error_from_before_the_write(dialect: str) -> None:
    """An `error` from before the write does not fail the update."""
    old_error = an_instance(dialect, "error", version=None)
    middle = an_instance(dialect, "updating", version=None, updated=LATE)
    done = an_instance(dialect, version=None, updated=LATER)
    reads = [old_error, old_error, old_error, middle, done]
    network = fake_api(*reads, patch=[acceptance(dialect, version=None, updated_at=NEVER)])
    async with client_on(network) as client:
        assert (await (await rotated(client)).wait()).status == "active"


@both_dialects
async def test_new_error_after_an_old_one(dialect: str) -> None:
    """An `error` after a transition fails the update, even if an older one came before."""
    old_error = an_instance(dialect, "error", version=None)
    middle = an_instance(dialect, "updating", version=None, updated=LATE)
    new_error = an_instance(dialect, "error", version=None, updated=LATER)
    network = fake_api(
        old_error, old_error, middle, new_error, patch=[acceptance(dialect, version=None)]
    )
    async with client_on(network) as client:
        change = await scaled(client)
        with pytest.raises(DeploymentFailedError):
            await change.wait()
    assert [e.status for e in change.history[:3]] == ["error", "updating", "error"]


async def test_old_error_that_stays() -> None:
    """Three equal reads of `error` over 30 s prove a failure where nothing else is shown."""
    old_error = an_instance(status="error", version=None)
    network = fake_api(old_error, patch=[acceptance(version=None)])
    async with client_on(network) as client:
        change = await scaled(client)
        began = now()
        with pytest.raises(DeploymentFailedError):
            await change.wait()
        assert 30 <= now() - began < 36


@both_dialects
async def test_error_shown_by_a_stale_replica(dialect: str) -> None:
    """An `error` older than the state before the write does not fail the update."""
    before = an_instance(dialect, updated=LATE)
    older = an_instance(dialect, "error", updated=EARLY)
    done = an_instance(dialect, version=2, scale=2, updated=LATER)
    async with client_on(fake_api(before, older, done, patch=[acceptance(dialect)])) as client:
        assert (await (await scaled(client)).wait()).status == "active"


# --- superseded changes ----------------------------------------------------------------------


@pytest.mark.parametrize("write", [POST, PATCH])
@both_dialects
async def test_deleted_by_another_client(dialect: str, write: str) -> None:
    """`deleting` raises `SupersededError` in a create's or an update's wait."""
    async with virtual_client(world(dialect)) as (client, net):
        ours = client.dedicated_inferences
        if write == POST:
            change = await ours.create(a_spec())
        else:
            change = await ours.scale(net.world.add_instance(now=net.now()).id, 2)
        waiting = asyncio.create_task(change.wait())
        await asyncio.sleep(60)
        async with virtual_client(net.world) as (other_client, _):
            await other_client.dedicated_inferences.delete(change.id)
        with pytest.raises(SupersededError):
            await waiting


@both_dialects
async def test_newer_spec_of_another_client(dialect: str) -> None:
    """A newer spec that differs from the one sent raises `SupersededError`."""
    theirs = an_instance(dialect, version=3, scale=7, updated=LATER)
    network = fake_api(an_instance(dialect), theirs, patch=[acceptance(dialect)])
    async with client_on(network) as client:
        change = await scaled(client)
        with pytest.raises(SupersededError):
            await change.wait()


@both_dialects
async def test_newer_spec_of_another_client_after_a_create(dialect: str) -> None:
    """A spec that was replaced before the create settled raises `SupersededError`."""
    theirs = an_instance(dialect, version=2, scale=7, updated=LATER)
    async with client_on(fake_api(theirs, post=[creation(dialect)])) as client:
        change = await created(client)
        with pytest.raises(SupersededError):
            await change.wait()
