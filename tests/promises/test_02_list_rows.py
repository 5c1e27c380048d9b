"""Promise 2: a row of a list is a candidate; the GET of that one instance is the proof.

`always` insists on it; `never` takes full rows, and those seen unsettled before, at their word;
`auto` does so only where the proofs do not fit the budget. A single wait asks by GET anyway.
"""

import asyncio
from functools import partial
from typing import Any

import orjson
import pytest
from attrs import evolve

from di_async import DigitalOcean, PollPolicy, RequestBudget
from di_async.emulator import Lifecycle, LogNormal, World
from di_async.emulator import Response as Answer
from tests.builders.digitalocean import BASE, DIALECTS, a_spec
from tests.fake_network import EmulatorNetwork, virtual_client
from tests.promises.support import DELETE, POST, VIRTUAL, lasting, now, world

pytestmark = VIRTUAL

MODES: tuple[Any, ...] = ("auto", "always", "never")
each_mode = pytest.mark.parametrize("confirm", MODES)


@each_mode
async def test_mode_that_is_known(confirm: Any) -> None:
    """`auto`, `always` and `never` are accepted and kept."""
    assert PollPolicy(confirm=confirm).confirm == confirm


@pytest.mark.parametrize("confirm", ["", "Always", None, True])
async def test_mode_that_is_unknown(confirm: Any) -> None:
    """Any other mode is a `ValueError` at once, not at the first poll."""
    with pytest.raises(ValueError, match="confirm"):
        PollPolicy(confirm=confirm)


async def test_mode_that_is_not_given() -> None:
    """`auto` is the default."""
    assert PollPolicy().confirm == "auto"


@each_mode
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_proof_of_a_create(confirm: Any, dialect: str) -> None:
    """In each mode the request that ends a create's wait is a GET of that one instance."""
    options = {"polling": PollPolicy(confirm=confirm)}
    async with virtual_client(world(dialect), **options) as (client, net):
        change = await client.dedicated_inferences.create(a_spec())
        await change.wait()
        assert net.world.truth(change.id, net.now()).settled
        assert net.requests[-1].path == f"{BASE}/{change.id}"
    assert change.history[-1].source == "get"


@each_mode
async def test_row_gone_from_the_list_while_deleting(confirm: Any) -> None:
    """In each mode a delete ends on GET 404, not on what lists show or do not show."""
    land = world(lifecycle=lasting(delete=120))
    async with virtual_client(land, polling=PollPolicy(confirm=confirm)) as (client, net):
        land.fault("list_lag", on=DELETE, seconds=600)
        change = await client.dedicated_inferences.delete(land.add_instance(now=net.now()).id)
        began = now()
        await change.wait()
        assert 120 <= now() - began < 126
        assert [row.id async for row in client.dedicated_inferences.list()] == [change.id]


@each_mode
async def test_row_that_lags_behind_a_create(confirm: Any) -> None:
    """A list that does not show the new instance yet harms no wait, one or many."""
    async with virtual_client(polling=PollPolicy(confirm=confirm)) as (client, net):
        net.world.fault("list_lag", on=POST, seconds=3000, times=None)
        ours = client.dedicated_inferences
        changes = [await ours.create(a_spec(f"web-{i}")) for i in range(30)]
        found = await asyncio.gather(*(change.wait() for change in changes))
        assert {di.status for di in found} == {"active"}
        assert all(di.spec is not None for di in found)
        assert [row async for row in ours.list()] == []


@each_mode
async def test_list_read_by_the_caller_during_a_wait(confirm: Any) -> None:
    """What a caller's own listing shows ends no wait, full rows of active instances included."""
    land = world(lifecycle=lasting(create=30))
    polling = PollPolicy(confirm=confirm, target_lag=60)
    async with virtual_client(land, polling=polling) as (client, _):
        change = await client.dedicated_inferences.create(a_spec())
        waiting = asyncio.create_task(change.wait())
        await asyncio.sleep(40)
        rows = [row.status async for row in client.dedicated_inferences.list()]
        await asyncio.sleep(1)
        assert (rows, waiting.done()) == (["active"], False)
        await waiting


# --- rows, in each mode ----------------------------------------------------------------------


async def fleet(
    net: EmulatorNetwork, client: DigitalOcean, count: int, **settings: Any
) -> tuple[list[str], int]:
    """Wait for so many instances; ids that were got, and how many there were."""
    place = partial(net.world.add_instance, now=net.now(), **{"status": "new", **settings})
    ids = [place(**({} if settings else {"settles_in": 300 + i})).id for i in range(count)]
    ours = client.dedicated_inferences
    await asyncio.gather(*(ours.wait_until_active(id, timeout=20_000) for id in ids))
    return [r.path.rpartition("/")[2] for r in net.requests if r.path != BASE], len(ids)


async def test_rows_under_always() -> None:
    """Each is got, and be it that the budget is far too small for that."""
    polling, budget = PollPolicy(confirm="always"), RequestBudget(per_hour=150)
    async with virtual_client(polling=polling, budget=budget) as (client, net):
        got, count = await fleet(net, client, 120)
    assert len(set(got)) == count


async def test_rows_under_never() -> None:
    """Hardly any is got where the budget and the rows would do without."""
    async with virtual_client(polling=PollPolicy(confirm="never")) as (client, net):
        got, _ = await fleet(net, client, 60)
    assert len(got) < 30


async def test_rows_under_auto_with_budget_enough() -> None:
    """Each is got."""
    async with virtual_client() as (client, net):
        got, count = await fleet(net, client, 100)
    assert len(set(got)) == count


async def test_rows_under_auto_with_too_small_a_budget() -> None:
    """Full rows that were seen unsettled must do."""
    async with virtual_client(budget=RequestBudget(per_hour=150)) as (client, net):
        got, count = await fleet(net, client, 400)
    assert len(set(got)) < count / 2


async def test_light_rows_never_seen_unsettled() -> None:
    """No budget is so small that such a row is taken at its word."""
    budget = RequestBudget(per_hour=150)
    async with virtual_client(world("observed"), budget=budget) as (client, net):
        got, count = await fleet(net, client, 250, status="active")
    assert len(set(got)) == count


async def test_history_of_a_row_that_was_taken() -> None:
    """It says that a list's word was taken."""
    polling = PollPolicy(confirm="never")
    async with virtual_client(polling=polling) as (client, _):
        ours = client.dedicated_inferences
        changes = [await ours.create(a_spec(f"web-{i}")) for i in range(20)]
        await asyncio.gather(*(change.wait() for change in changes))
    ends = [change.history[-1] for change in changes]
    assert sum("list evidence" in (end.note or "") for end in ends) > 10
    assert all(("list evidence" in (end.note or "")) == (end.source == "list") for end in ends)


@each_mode
async def test_rows_that_move_to_other_pages_are_no_deletes(confirm: Any) -> None:
    """Three pages that empty in no order: nobody's delete ends before GET says 404."""
    land = world(lifecycle=Lifecycle(delete=LogNormal(300, 0.5)))
    async with virtual_client(land, polling=PollPolicy(confirm=confirm)) as (client, net):
        ours = client.dedicated_inferences
        ids = [land.add_instance(now=net.now()).id for _ in range(420)]

        async def gone(id: str) -> bool:
            await (await ours.delete(id)).wait(timeout=20_000)
            return not land.truth(id, net.now()).exists

        ends = [asyncio.create_task(gone(id)) for id in ids[:200]]
        await asyncio.sleep(120)
        ends += [asyncio.create_task(gone(id)) for id in ids[200:]]
        assert all(await asyncio.gather(*ends))


@each_mode
async def test_rows_that_vanish_are_no_deletes(
    confirm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists that lose half the rows for ten minutes end no delete."""
    land, hidden, handle = world(lifecycle=lasting(delete=900)), set[str](), World.handle

    def without_hidden(self: World, at: float, method: str, path: str, *more: Any) -> Answer:
        honest = handle(self, at, method, path, *more)
        if not path.startswith(f"{BASE}?"):
            return honest
        body = orjson.loads(honest.body)
        rows = [row for row in body["dedicated_inferences"] if row["id"] not in hidden]
        return evolve(honest, body=orjson.dumps({**body, "dedicated_inferences": rows}))

    monkeypatch.setattr(World, "handle", without_hidden)
    async with virtual_client(land, polling=PollPolicy(confirm=confirm)) as (client, net):
        ours = client.dedicated_inferences
        changes = [await ours.delete(land.add_instance(now=net.now()).id) for _ in range(20)]
        waits = [asyncio.create_task(change.wait()) for change in changes]
        await asyncio.sleep(100)
        hidden |= {change.id for change in changes[::2]}
        await asyncio.sleep(600)
        assert not any(waiting.done() for waiting in waits)
        await asyncio.gather(*waits)
