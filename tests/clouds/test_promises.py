"""Tests of the promises of docs/waiting.md on every cloud, each against its emulated world.

Where a cloud cannot keep a promise its `capabilities` say so, and the test checks what holds then.
"""

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from di_async import (
    ClientClosedError,
    ConflictError,
    DeploymentFailedError,
    NotFoundError,
    OutcomeUnknownError,
    PollPolicy,
    ResourceVanishedError,
    SupersededError,
    WaitError,
    WaitRefusedError,
    WaitTimeoutError,
    wait_all,
)
from di_async.core.waiting.evidence import AGREEING_SPAN_S
from di_async.emulator import Lifecycle
from tests.clouds.support import (
    CREATE_S,
    DELETE_S,
    UPDATE_S,
    VIRTUAL,
    Cloud,
    a_world,
    everywhere,
    now,
    requests_of,
)

pytestmark = [everywhere, VIRTUAL]
# Operations, the pace and one read may add up to this at a `target_lag` of 5 s.
LAG_S = 25.0


# -- 1: proof ---------------------------------------------------------------------------------


async def test_create_is_awaited_until_it_settles(cloud: Cloud) -> None:
    """A create's wait ends soon after the resource has settled, and not before."""
    world = a_world()
    async with cloud.client(world) as client:
        begun = now()
        change = await cloud.create(client, "web-llm")
        resource = await change.wait()
        assert CREATE_S <= now() - begun <= CREATE_S + LAG_S
        assert world.truth(change.id).settled
        assert cloud.size(resource) == 1
        assert change.outcome == "settled"


async def test_update_is_awaited_until_it_shows(cloud: Cloud) -> None:
    """An update's wait returns the new state after the world has settled."""
    world = a_world()
    async with cloud.client(world) as client:
        id = await cloud.settled(client, "web-llm")
        begun = now()
        change = await cloud.grow(client, id)
        assert cloud.size(await change.wait()) == 2
        assert UPDATE_S <= now() - begun <= UPDATE_S + LAG_S
        assert world.truth(id).settled


async def test_stale_reads_after_an_update_do_not_end_it(cloud: Cloud) -> None:
    """Stale reads that show the old value as ready do not end an update."""
    world = a_world()
    async with cloud.client(world) as client:
        id = await cloud.settled(client, "web-llm")
        world.fault("stale", on=cloud.CHANGE, seconds=20)
        change = await cloud.grow(client, id)
        assert cloud.size(await change.wait()) == 2
        assert world.truth(id).settled


async def test_delete_ends_on_404_and_nothing_else(cloud: Cloud) -> None:
    """A delete's wait returns None once the resource is gone."""
    world = a_world()
    async with cloud.client(world) as client:
        id = await cloud.settled(client, "web-llm")
        begun = now()
        change = await cloud.delete(client, id)
        assert await change.wait() is None
        assert DELETE_S <= now() - begun <= DELETE_S + LAG_S
        assert not world.truth(id).exists
        assert any("404" in (event.note or "") for event in change.history)


async def test_delete_of_a_new_resource_is_not_held_up(cloud: Cloud) -> None:
    """An accepted delete proves that the provider knew the resource: soon, a 404 is proof again."""
    world = a_world(lifecycle=Lifecycle(create=1.0, delete=1.0))
    async with cloud.client(world) as client:
        created = await cloud.create(client, "web-llm")
        await asyncio.sleep(5.0)  # some clouds refuse to delete what is being created
        begun = now()
        await (await cloud.delete(client, created.id)).wait()
        assert now() - begun <= AGREEING_SPAN_S + LAG_S
        assert not world.truth(created.id).exists


async def test_delete_of_a_missing_resource(cloud: Cloud) -> None:
    """A delete of a missing resource is settled without a wait, with `.already_gone`."""
    async with cloud.client(a_world()) as client:
        change = await cloud.delete(client, cloud.never)
        assert change.already_gone
        assert await change.wait(timeout=0) is None


async def test_the_404_that_ends_a_delete_is_one_step(cloud: Cloud) -> None:
    """The history names it once: as the proof."""
    async with cloud.client(a_world()) as client:
        change = await cloud.delete(client, await cloud.settled(client, "web-llm"))
        await change.wait()
        notes = [event.note or "" for event in change.history]
        assert notes[-1] == "settled: GET answered 404"
        assert sum("404" in note for note in notes) == 1, notes


async def test_delete_of_a_name_where_ids_are_not_names(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    """The warning says that this is not a UUID: a deployment of that name still bills."""
    async with cloud.client(a_world()) as client:
        id = await cloud.settled(client, "web-llm")
        await cloud.delete(client, "web-llx")
        assert ("not a UUID" in caplog.text) == (id != "web-llm")
        caplog.clear()
        await cloud.delete(client, cloud.never)
        assert "nothing was deleted" in caplog.text
        assert "not a UUID" not in caplog.text


async def test_failure_has_its_reason(cloud: Cloud) -> None:
    """A failure has the provider's reason and all attributes of `WaitError`."""
    world = a_world()
    async with cloud.client(world) as client:
        world.fault("error", on=cloud.POST)
        change = await cloud.create(client, "web-llm")
        with pytest.raises(DeploymentFailedError) as caught:
            await change.wait()
        error = caught.value
        assert (error.id, error.resource is not None) == (change.id, True)
        assert error.history == change.history
        assert error.elapsed > 0 < error.requests
        assert "bills" in str(error)


async def test_stuck_change_times_out(cloud: Cloud) -> None:
    """A stuck change times out exactly, and the resource is left alone."""
    world = a_world()
    async with cloud.client(world) as client:
        world.fault("stuck", on=cloud.POST)
        change = await cloud.create(client, "web-llm")
        with pytest.raises(WaitTimeoutError):
            await change.wait(timeout=1800)
        assert 1800 <= now() <= 1810
        assert world.truth(change.id).exists
        assert requests_of(world, "DELETE") == []


# -- 2, 7: rows, one poller ---------------------------------------------------------------------


async def test_many_waits_are_read_by_lists(cloud: Cloud) -> None:
    """Eighty creates are read by lists, and each is confirmed by a GET (and its operation)."""
    world = a_world()
    async with cloud.client(world) as client:
        changes = [await cloud.create(client, f"web-{n}") for n in range(80)]
        before = len(world.requests)
        report = await wait_all(changes, timeout=3600)
        assert len(report.succeeded) == 80
        assert all(world.truth(change.id).settled for change in changes)
        assert len(world.requests) - before <= 80 * 5 + CREATE_S / 5


async def test_two_waits_for_one_resource_share_reads(cloud: Cloud) -> None:
    """Two waits for one resource share reads, and cancelling one does not affect the other."""
    world = a_world()
    async with cloud.client(world) as client:
        change = await cloud.create(client, "web-llm")
        waits = [asyncio.ensure_future(change.wait()) for _ in range(10)]
        await asyncio.sleep(100)
        waits[0].cancel()
        await asyncio.gather(*waits[1:])
        assert len(requests_of(world)) <= CREATE_S / 4.5 + 10


async def test_cancelled_wait_stops_polling(cloud: Cloud) -> None:
    """A cancelled wait stops polling and notes that the resource was left alone."""
    world = a_world()
    async with cloud.client(world) as client:
        change = await cloud.create(client, "web-llm")
        wait = asyncio.ensure_future(change.wait())
        await asyncio.sleep(60)
        wait.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await wait
        assert "bills" in "".join(caught.value.__notes__)
        await asyncio.sleep(1)
        before = len(world.requests)
        await asyncio.sleep(3600)
        assert len(world.requests) == before
        assert world.truth(change.id).exists


# -- 3: not found -------------------------------------------------------------------------------


async def test_404_right_after_a_create_is_tolerated(cloud: Cloud) -> None:
    """A 404 within two minutes of a create is tolerated."""
    world = a_world()
    async with cloud.client(world) as client:
        world.fault("not_found", on=cloud.POST, seconds=60)
        change = await cloud.create(client, "web-llm")
        await change.wait()
        assert world.truth(change.id).settled


async def test_id_that_never_existed(cloud: Cloud) -> None:
    """An id that never existed raises the API's `NotFoundError` immediately."""
    async with cloud.client(a_world()) as client:
        with pytest.raises(NotFoundError):
            await cloud.api(client).wait_until_active(cloud.never)
        assert now() < LAG_S


async def test_delete_by_another_client(cloud: Cloud) -> None:
    """A delete by another client raises `SupersededError`, or else `ResourceVanishedError`."""
    world = a_world()
    async with cloud.client(world) as client, cloud.client(world) as other:
        id = await cloud.settled(client, "web-llm")
        change = await cloud.grow(client, id)
        wait = asyncio.ensure_future(change.wait())
        await asyncio.sleep(UPDATE_S / 2)
        await _delete_when_possible(cloud, other, id)
        with pytest.raises((ResourceVanishedError, SupersededError, DeploymentFailedError)):
            await wait


async def test_update_resumed_after_a_delete(cloud: Cloud) -> None:
    """The error says that the resource vanished: what was updated did appear once."""
    world = a_world()
    async with cloud.client(world) as client, cloud.client(world) as other:
        id = await cloud.settled(client, "web-llm")
        token = (await cloud.grow(client, id)).resume_token
        await _delete_when_possible(cloud, client, id)
        with pytest.raises(ResourceVanishedError, match="vanished: GET answered 404") as caught:
            await cloud.api(other).resume(token)
        assert caught.value.advice == "Nothing is left to delete."


async def _delete_when_possible(cloud: Cloud, client: Any, id: str) -> None:
    while True:
        try:
            await (await cloud.delete(client, id)).wait()
        except ConflictError:  # another operation is in progress, and this cloud allows one
            await asyncio.sleep(10)
        else:
            return


# -- 4, 5: refusals, errors, unknown statuses ---------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 422])
async def test_refused_read_ends_the_wait(cloud: Cloud, status: int) -> None:
    """A refused read ends the wait immediately, with the API's error as cause and a token."""
    world = a_world()
    async with cloud.client(world) as client:
        change = await cloud.create(client, "web-llm")
        for operation in _reads(cloud):
            world.fault("status", on=operation, status=status, times=1000)
        with pytest.raises(WaitRefusedError) as caught:
            await change.wait()
        assert caught.value.last_error is caught.value.__cause__
        assert getattr(caught.value.last_error, "status", None) == status
        assert now() < LAG_S
        world.faults.clear()
        await cloud.api(client).resume(caught.value.resume_token).wait()


def _reads(cloud: Cloud) -> list[str]:
    """Return the routes that a wait of this cloud may read."""
    return [cloud.GET, cloud.LIST, *cloud.STEPS]


@pytest.mark.parametrize("kind", ["reset", "html", "cut", "status", "rate_limit"])
async def test_transient_errors_are_recorded(cloud: Cloud, kind: str) -> None:
    """Resets, HTML pages, truncated bodies, 5xx and 429 are recorded, and the wait goes on."""
    world = a_world()
    async with cloud.client(world) as client:
        change = await cloud.create(client, "web-llm")
        for operation in _reads(cloud):
            world.fault(kind, on=operation, times=3)
        await change.wait()
        assert world.truth(change.id).settled
        if kind != "rate_limit":
            assert any("Error" in (event.note or "") for event in change.history)


async def test_unknown_status_is_pending(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    """An unknown status is pending, logged once and kept in the history."""
    world = a_world()
    async with cloud.client(world) as client:
        world.fault("unknown_status", on=cloud.GET, word="migrating", times=5)
        change = await cloud.create(client, "web-llm")
        await change.wait()
        assert world.truth(change.id).settled
        assert "migrating" in {(event.status or "").lower() for event in change.history}
        assert caplog.text.lower().count("unknown status 'migrating'") == 1


# -- 6, 10: nothing is lost ---------------------------------------------------------------------


async def test_wait_goes_on_in_another_process(cloud: Cloud) -> None:
    """A wait goes on in another process from the token of a timeout, which holds no secret."""
    world = a_world()
    async with cloud.client(world) as client:
        change = await cloud.create(client, "web-llm")
        with pytest.raises(WaitTimeoutError) as caught:
            await change.wait(timeout=30)
    token = caught.value.resume_token or ""
    async with cloud.client(world) as client:
        again = cloud.api(client).resume(token)
        assert (again.id, again.action) == (change.id, "create")
        await again.wait(timeout=3600)
        assert world.truth(change.id).settled


async def test_timeout_of_zero_reads_once(cloud: Cloud) -> None:
    """A timeout of 0 reads a new create once and raises with its history."""
    world = a_world()
    async with cloud.client(world) as client:
        change = await cloud.create(client, "web-llm")
        before = len(world.requests)
        with pytest.raises(WaitTimeoutError):
            await change.wait(timeout=0)
        assert len(world.requests) - before == 1


async def test_events_end_with_the_proof(cloud: Cloud) -> None:
    """Events drive the polling, and the last one names the proof."""
    world = a_world()
    async with cloud.client(world) as client:
        change = await cloud.create(client, "web-llm")
        events = [event async for event in change.events()]
        assert world.truth(change.id).settled
        assert "settled" in (events[-1].note or "")
        assert [e.status for e in events] == [e.status for e in change.history]


async def test_predicate_is_called_for_each_read(cloud: Cloud) -> None:
    """The predicate is called for each read; no status ends its wait."""
    world = a_world()
    async with cloud.client(world) as client:
        change = await cloud.create(client, "web-llm")
        found = await cloud.api(client).wait_until(change.id, lambda r: now() > 100)
        assert cloud.size(found) == 1
        assert 100 < now() < 100 + LAG_S


# -- 8: writes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["reset", "status"])
async def test_lost_create_is_never_doubled(cloud: Cloud, kind: str) -> None:
    """A lost create is adopted by its unique name, else reported with candidates; never doubled."""
    world = a_world()
    async with cloud.client(world) as client:
        world.fault(kind, on=cloud.POST, after_commit=True)
        if cloud.can(client).unique_names:
            change = await cloud.create(client, "web-llm")
            assert change.adopted
            await change.wait()
        else:
            with pytest.raises(OutcomeUnknownError) as caught:
                await cloud.create(client, "web-llm")
            assert [c.name for c in caught.value.candidates] == ["web-llm"]
        assert world.created["web-llm"] == 1


@pytest.mark.parametrize("kind", ["reset", "status"])
async def test_lost_delete_is_retried(cloud: Cloud, kind: str) -> None:
    """A delete with a lost response is retried."""
    world = a_world()
    async with cloud.client(world) as client:
        id = await cloud.settled(client, "web-llm")
        world.fault(kind, on=cloud.DELETE, after_commit=True)
        await (await cloud.delete(client, id)).wait()
        assert not world.truth(id).exists


@pytest.mark.parametrize("kind", ["reset", "status"])
async def test_lost_update_is_made_once(cloud: Cloud, kind: str) -> None:
    """An update with a lost response is made once, and settles."""
    world = a_world()
    async with cloud.client(world) as client:
        id = await cloud.settled(client, "web-llm")
        world.fault(kind, on=cloud.CHANGE, after_commit=True)
        change = await cloud.grow(client, id)
        assert cloud.size(await change.wait()) == 2
        assert world.truth(id).settled


async def test_busy_resource_is_retried_for_ready_timeout(cloud: Cloud) -> None:
    """`ready_timeout` retries a busy resource on clouds that allow one operation at a time."""
    world = a_world()
    async with cloud.client(world) as client:
        id = await cloud.settled(client, "web-llm")
        await cloud.grow(client, id)
        if cloud.can(client).busy_status is None:
            await (await cloud.delete(client, id)).wait()
        else:
            change = await cloud.grow(client, id, ready_timeout=UPDATE_S + 60)
            await change.wait()
            assert world.truth(id).settled


# -- 9: structured ------------------------------------------------------------------------------


async def test_leaving_the_client_ends_open_waits(cloud: Cloud) -> None:
    """Leaving the client ends open waits with `ClientClosedError`, and no task is left."""
    world = a_world()
    async with cloud.client(world) as client:
        change = await cloud.create(client, "web-llm")
        wait = asyncio.ensure_future(change.wait())
        await asyncio.sleep(10)
    with pytest.raises(ClientClosedError):
        await wait
    assert len(asyncio.all_tasks()) == 1


async def test_no_secret_is_shown(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    """No secret is in a repr, an error, the log or a token."""
    caplog.set_level("DEBUG")
    world = a_world()
    async with cloud.client(world) as client:
        change = await cloud.create(client, "web-llm")
        world.fault("status", on=cloud.GET, status=401, times=100)
        with pytest.raises(WaitError) as caught:
            await cloud.api(client).wait_until_active(change.id)
        shown = f"{client!r}{change!r}{caught.value!r}{caught.value}{caplog.text}"
        shown += repr(caught.value.__dict__) + repr(vars(change))
    for secret in (world.token, world.gcore.api_key, world.exoscale.api_secret):
        assert secret not in shown


async def test_policy_is_kept(cloud: Cloud) -> None:
    """Reads of one wait are never closer than `target_lag`."""
    world = a_world()
    async with cloud.client(world, polling=PollPolicy(target_lag=30)) as client:
        change = await cloud.create(client, "web-llm")
        await change.wait()
        reads: dict[str, list[float]] = {}
        for at, path in requests_of(world):
            reads.setdefault(path, []).append(at)
        assert max(map(len, reads.values())) > 5
        assert all(b - a >= 29 for times in reads.values() for a, b in pairwise(times[1:]))
