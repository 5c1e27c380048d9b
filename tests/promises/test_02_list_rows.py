"""Promise 2: a row of a list is a candidate; the GET of that one instance is the proof.

Today every wait asks by GET in each `confirm` mode (batching over the list comes next), so what
holds is: the three modes are accepted, others are refused, and no list row ever ends a wait.
"""

import asyncio
from typing import Any

import pytest

from di_async import PollPolicy
from tests.promises.support import BASE, DELETE, DIALECTS, POST, VIRTUAL, lasting, now, world
from tests.support import a_spec, virtual_client

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
