"""Promise 7: one poller for each client decides what is read, and when.

Two waits for one id share their reads, and cancelling one does not affect the other. No requests
are sent while nothing is waiting. The request rate follows the budget: writes and the caller's own
reads go before polls, which never use the reserve. Every request on the wire counts, aiohttp's own
silent retries included. Two or more waits on one page are read by list pages.
"""

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import orjson
import pytest

from di_async import (
    Change,
    DigitalOcean,
    PollPolicy,
    RateLimitError,
    RequestBudget,
    RetryPolicy,
    WaitTimeoutError,
    wait_all,
)
from tests.builders.digitalocean import BASE, DIALECTS, ID, a_spec, an_instance, creation, refusal
from tests.fake_network import Delayed, EmulatorNetwork, answer, virtual_client
from tests.promises.support import (
    REAL,
    VIRTUAL,
    client_on,
    created,
    delay,
    fake_api,
    lasting,
    now,
    serving,
    world,
)

pytestmark = VIRTUAL

BUSY = an_instance(status="provisioning")
FOR_EVER = lasting(create=1e9)


def busiest(net: EmulatorNetwork, span: float, method: str = "GET") -> int:
    """Return the most requests of a method within any `span` seconds."""
    stamps = [at for at, verb, _, _ in net.world.requests if verb == method]
    return max(sum(start <= at < start + span for at in stamps) for start in stamps)


async def until_next_request(net: EmulatorNetwork) -> None:
    """Wait for the next request."""
    seen = len(net.requests)
    while len(net.requests) == seen:  # noqa: ASYNC110 - the world has no event for this
        await asyncio.sleep(0.01)


async def being_read(
    client: DigitalOcean, net: EmulatorNetwork, count: int = 3
) -> tuple[list[Change[Any]], list[asyncio.Task[Any]]]:
    """Start this many waits for creates; yield while a read of them is in flight."""
    ours = client.dedicated_inferences
    changes = [await ours.create(a_spec(f"web-{n}")) for n in range(count)]
    waits = [asyncio.create_task(change.wait()) for change in changes]
    await asyncio.sleep(50)
    await until_next_request(net)
    return changes, waits


async def settle(*tasks: asyncio.Task[Any]) -> None:
    """Cancel these tasks and wait until they end."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


# --- shared reads ----------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_many_waits_for_one_id(dialect: str) -> None:
    """Ten waits of four kinds for one id send the requests of one."""
    async with virtual_client(world(dialect)) as (client, net):
        ours = client.dedicated_inferences
        change = await ours.create(a_spec())
        resumed = ours.resume(change.resume_token)
        waits = [change.wait(), resumed.wait(), ours.wait_until(change.id, lambda di: di.endpoints)]
        waits += [ours.wait_until_active(change.id) for _ in range(7)]
        await asyncio.gather(*waits)
        assert len(net.requests) - 1 == pytest.approx(600 / 5.1, abs=4)


async def test_waits_restarted_after_a_cancelled_list_read() -> None:
    """Waits restarted after their list read was cancelled poll again and settle."""
    async with virtual_client(world("documented")) as (client, net):
        changes, waits = await being_read(client, net)
        await settle(*waits)
        report = await wait_all(changes, timeout=1200)
        assert len(report.succeeded) == 3
        assert now() == pytest.approx(600, abs=12)


@pytest.mark.parametrize("seed", range(30))
async def test_waits_that_replace_others_during_a_list_read(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waits that replace others while a page is in flight settle, also with slow responses."""
    dice = random.Random(seed)
    async with virtual_client(world(lifecycle=lasting(60, 30, 20))) as (client, net):
        delay(net, partial(dice.uniform, 0, 20), monkeypatch)
        ours = client.dedicated_inferences
        made = await asyncio.gather(*(ours.create(a_spec(f"web-{n}")) for n in range(5)))
        first = await wait_all(made, timeout=1500)
        gone = await asyncio.gather(*(ours.delete(change.id) for change in made))
        then = await wait_all(gone, timeout=1500)
        assert (len(first.succeeded), len(then.succeeded)) == (5, 5)


@pytest.mark.parametrize(("latency", "timeout"), [(0.05, 7), (2, 7), (3, 5.5), (6, 10)])
async def test_short_waits_in_a_loop(
    latency: float, timeout: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short waits that each cancel a page read settle as soon as one wait does."""
    async with virtual_client(world()) as (client, net):
        ours = client.dedicated_inferences
        changes = [await ours.create(a_spec(f"web-{n}")) for n in range(3)]
        delay(net, lambda: latency, monkeypatch)
        while len((await wait_all(changes, timeout=timeout)).succeeded) < 3:
            assert now() < 700


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(("latency", "patience"), [(1, 0.3), (3, 2), (0.05, 1)])
async def test_waits_cancelled_repeatedly(
    count: int, latency: float, patience: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waits cancelled repeatedly never read more often than `target_lag` allows."""
    async with virtual_client(world()) as (client, net):
        ours = client.dedicated_inferences
        changes = [await ours.create(a_spec(f"web-{n}")) for n in range(count)]
        delay(net, lambda: latency, monkeypatch)
        await asyncio.sleep(30)
        before, until = len(net.requests), now() + 120
        while now() < until:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await asyncio.gather(*(change.wait() for change in changes))
        assert len(net.requests) - before <= 120 / 5 + 2


@pytest.mark.parametrize("count", [1, 3])
async def test_read_cancelled_by_other_code(count: int) -> None:
    """A wait whose tasks were all cancelled by other code does not hang."""
    async with virtual_client(world("documented")) as (client, net):
        _, waits = await being_read(client, net, count)
        for task in asyncio.all_tasks() - {asyncio.current_task(), *waits}:
            task.cancel()
        await asyncio.gather(*waits)
        assert now() == pytest.approx(600, abs=12)


@pytest.mark.parametrize("others", [0, 30])
async def test_page_counts_as_a_read_of_each_row(others: int) -> None:
    """A page counts as one read and one request of each wait on it, unchanged rows included."""
    async with virtual_client(world(lifecycle=FOR_EVER)) as (client, net):
        ours = client.dedicated_inferences
        changes = [await ours.create(a_spec(f"web-{n}")) for n in range(3)]
        for n in range(others):  # one row on the page changes at every read
            net.world.add_instance(now=net.now(), status="provisioning", settles_in=10 * n)
        await wait_all(changes, timeout=300)
        lists = [request for request in net.requests if request.method == "GET"]
        assert len(lists) == pytest.approx(300 / 5.1, abs=3)
        assert {change.requests for change in changes} == {len(lists)}


@pytest.mark.parametrize("others", [0, 30])
async def test_unchanged_row_counts_as_a_read_for_a_wait_that_joins(others: int) -> None:
    """An unchanged row counts as a read for a wait that joins, whatever else the page shows."""
    async with virtual_client(world(lifecycle=FOR_EVER)) as (client, net):
        ours = client.dedicated_inferences
        changes = [await ours.create(a_spec(f"web-{n}")) for n in range(3)]
        for n in range(others):
            net.world.add_instance(now=net.now(), status="provisioning", settles_in=10 * n)
        waits = asyncio.create_task(wait_all(changes, timeout=300))
        await asyncio.sleep(60)
        again = ours.resume(changes[0].resume_token)
        await wait_all([again], timeout=12)
        assert [change.status for change in again.history] == ["new"]
        await waits


async def test_last_wait_on_a_page_is_not_read_sooner() -> None:
    """An unchanged page counts as a read of each row: the next read is `target_lag` later."""
    async with virtual_client(world("documented")) as (client, net):
        _, waits = await being_read(client, net)
        listed = now()
        await asyncio.sleep(1)
        await settle(*waits[1:])
        await until_next_request(net)
        assert now() - listed >= 5
        await settle(waits[0])


@pytest.mark.parametrize(("timeout", "closed_after"), [(None, 130), (121, 121.5)])
async def test_close_cancels_timers(
    timeout: float | None, closed_after: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`close` cancels the poll timer, and the timer of a read in flight at the deadline."""
    loop, timers = asyncio.get_running_loop(), list[asyncio.TimerHandle]()
    call_later = loop.call_later

    def noted(delay: float, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        timers.append(call_later(delay, callback, *args))
        return timers[-1]

    monkeypatch.setattr(loop, "call_later", noted)
    polling = PollPolicy(target_lag=120, max_interval=120)
    async with virtual_client(world("documented"), polling=polling) as (client, net):
        change = await client.dedicated_inferences.create(a_spec())
        delay(net, lambda: 3, monkeypatch)
        wait = asyncio.create_task(change.wait(timeout=timeout))
        await asyncio.sleep(closed_after)
        assert not wait.done()
    await asyncio.gather(wait, return_exceptions=True)
    assert timers
    assert [timer for timer in timers if timer.when() > now() and not timer.cancelled()] == []


async def test_wait_that_joins_later() -> None:
    """A wait that joins another sends no reads of its own."""
    network = fake_api(BUSY)
    async with client_on(network) as client:
        first = asyncio.create_task(client.dedicated_inferences.wait_until_active(ID))
        await asyncio.sleep(12)
        second = asyncio.create_task(client.dedicated_inferences.wait_until_active(ID))
        await asyncio.sleep(12)
        assert network.count("GET") == 5
        await settle(first, second)


@pytest.mark.parametrize("ticks", range(8))
async def test_cancelling_the_first_of_two(ticks: int) -> None:
    """Cancelling the wait that started the polling does not affect the other one."""
    network = fake_api(BUSY, BUSY, an_instance())
    async with client_on(network) as client:
        ours = client.dedicated_inferences
        first = asyncio.create_task(ours.wait_until_active(ID))
        other = asyncio.create_task(ours.wait_until_active(ID))
        for _ in range(ticks):
            await asyncio.sleep(0)
        await settle(first)
        assert (await other).status == "active"
    assert network.count("GET") == 3


async def test_cancelling_one_of_two_waits_for_the_same_change() -> None:
    """Cancelling one of two waits for the same change does not affect the other one."""
    network = fake_api(BUSY, BUSY, an_instance(), post=[creation()])
    async with client_on(network) as client:
        change = await created(client)
        first, other = (asyncio.create_task(change.wait()) for _ in range(2))
        await asyncio.sleep(1)
        await settle(first)
        assert (await asyncio.wait_for(other, 100)).status == "active"
    assert network.count("GET") == 3


@pytest.mark.parametrize("after_s", [0, 5, 5.01])
@pytest.mark.parametrize("ticks", range(8))
async def test_cancelling_beside_another_id(after_s: float, ticks: int) -> None:
    """Cancelling a wait does not affect a wait for another id, even as a read starts."""
    async with virtual_client() as (client, net):
        ours = client.dedicated_inferences
        here = net.world.add_instance(now=net.now(), status="provisioning", settles_in=20)
        there = net.world.add_instance(now=net.now(), status="provisioning")
        doomed = asyncio.create_task(ours.wait_until_active(there.id))
        other = asyncio.create_task(ours.wait_until_active(here.id))
        await asyncio.sleep(after_s)
        for _ in range(ticks):
            await asyncio.sleep(0)
        await settle(doomed)
        assert (await other).status == "active"


async def test_two_waits_with_different_timeouts() -> None:
    """A wait that times out does not affect the other one."""
    async with client_on(fake_api(BUSY, BUSY, BUSY, an_instance())) as client:
        ours = client.dedicated_inferences
        patient = asyncio.create_task(ours.wait_until_active(ID))
        with pytest.raises(WaitTimeoutError):
            await ours.wait_until_active(ID, timeout=7)
        assert (await patient).status == "active"


# --- no requests while nothing waits ---------------------------------------------------------


async def test_change_that_is_not_awaited() -> None:
    """A change that is not awaited sends no reads."""
    network = fake_api(BUSY, post=[creation()])
    async with client_on(network) as client:
        await created(client)
        await asyncio.sleep(3600)
    assert network.count("GET") == 0


async def test_wait_that_was_cancelled() -> None:
    """An instance is not read after its last wait was cancelled."""
    network = fake_api(BUSY)
    async with client_on(network) as client:
        waiting = asyncio.create_task(client.dedicated_inferences.wait_until_active(ID))
        await asyncio.sleep(12)
        await settle(waiting)
        seen = network.count("GET")
        await asyncio.sleep(3600)
    assert (seen, network.count("GET")) == (3, 3)


async def test_one_of_two_ids_no_longer_awaited() -> None:
    """An instance is not read after its last wait, even while another one is polled."""
    async with virtual_client(world(lifecycle=FOR_EVER)) as (client, net):
        ours = client.dedicated_inferences
        ids = [net.world.add_instance(now=net.now(), status="new").id for _ in range(2)]
        waits = [asyncio.create_task(ours.wait_until_active(id, timeout=None)) for id in ids]
        await asyncio.sleep(61)
        await settle(waits[0])
        net.sent.clear()
        await asyncio.sleep(600)
        assert {request.path.rpartition("/")[2] for request in net.requests} == {ids[1]}
        await settle(waits[1])


async def test_no_reads_between_events() -> None:
    """A stream of events sends no reads between two steps."""
    network = fake_api(an_instance(status="new"), BUSY, an_instance(), post=[creation()])
    async with client_on(network) as client:
        events = (await created(client)).events()
        assert (await anext(events)).status == "new"
        await asyncio.sleep(1000)
        assert network.count("GET") == 1
        assert [event.status async for event in events] == ["provisioning", "active", "active"]


# --- the rate --------------------------------------------------------------------------------


@pytest.mark.parametrize("target_lag", [0.5, 5, 50])
async def test_pace_when_the_budget_allows(target_lag: float) -> None:
    """One resource is read every `target_lag` seconds, never more often."""
    network = fake_api(BUSY)
    async with client_on(network, polling=PollPolicy(target_lag=target_lag), budget=None) as client:
        with pytest.raises(WaitTimeoutError):
            await client.dedicated_inferences.wait_until_active(ID, timeout=target_lag * 20.5)
    reads = [sent.at for sent in network.sent]
    assert len(reads) == 21
    assert min(b - a for a, b in itertools.pairwise(reads)) >= target_lag - 1e-6


async def test_polls_never_touch_the_reserve() -> None:
    """Polling uses the budget well, without its reserve, however many waits there are."""
    budget = RequestBudget(per_minute=20, per_hour=100_000, reserve=0.5)
    async with virtual_client(world(lifecycle=FOR_EVER), budget=budget) as (client, net):
        ids = [net.world.add_instance(now=net.now(), status="new").id for _ in range(40)]
        ours = client.dedicated_inferences
        waits = [asyncio.create_task(ours.wait_until_active(id, timeout=None)) for id in ids]
        await asyncio.sleep(1800)
        assert 8 <= busiest(net, 60) <= 10
        await settle(*waits)


async def test_writes_and_own_reads_go_before_polls() -> None:
    """A delete and a get are sent immediately while a hundred polls queue for the budget."""
    budget = RequestBudget(per_minute=20, per_hour=100_000, reserve=0.5)
    async with virtual_client(world(lifecycle=FOR_EVER), budget=budget) as (client, net):
        ids = [net.world.add_instance(now=net.now(), status="new").id for _ in range(100)]
        ours = client.dedicated_inferences
        waits = [asyncio.create_task(ours.wait_until_active(id, timeout=None)) for id in ids]
        await asyncio.sleep(600)
        began = now()
        await ours.get(ids[0])
        await ours.delete(ids[0])
        assert now() - began < 1
        await settle(*waits)


async def test_write_before_reads_on_a_spent_budget() -> None:
    """A write is sent before queued reads when the budget is spent."""
    network = fake_api(BUSY, delete=[answer(202)])
    budget, retry = RequestBudget(per_minute=3), RetryPolicy(max_delay=1000)
    async with client_on(network, budget=budget, retry=retry) as client:
        ours = client.dedicated_inferences
        for _ in range(3):
            await ours.get(ID)
        tasks: list[asyncio.Task[object]] = [asyncio.create_task(ours.get(ID)) for _ in range(5)]
        await asyncio.sleep(1)
        await ours.delete(ID)
        assert [sent.request.method for sent in network.sent[:4]] == ["GET"] * 3 + ["DELETE"]
        await settle(*tasks)


async def test_call_delayed_beyond_max_delay() -> None:
    """A call outside waits that would be held beyond `max_delay` raises `RateLimitError`."""
    network = fake_api(BUSY)
    async with client_on(network, budget=RequestBudget(per_minute=1)) as client:
        await client.dedicated_inferences.get(ID)
        with pytest.raises(RateLimitError) as caught:
            await client.dedicated_inferences.get(ID)
    assert caught.value.retry_after == pytest.approx(60, abs=2)
    assert network.count("GET") == 1


async def test_wait_is_delayed_and_not_refused() -> None:
    """A wait on a spent budget is delayed, never refused."""
    network = fake_api(BUSY, BUSY, an_instance())
    async with client_on(network, budget=RequestBudget(per_minute=1)) as client:
        assert (await client.dedicated_inferences.wait_until_active(ID)).status == "active"
    assert now() == pytest.approx(125, abs=5)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_fleet_is_never_refused(dialect: str) -> None:
    """Two hundred waits for an hour on the default budget meet no 429."""
    async with virtual_client(world(dialect)) as (client, net):
        place = partial(net.world.add_instance, now=net.now(), status="new")
        ids = [place(settles_in=3000 + i).id for i in range(200)]
        waits = (client.dedicated_inferences.wait_until_active(id, timeout=7200) for id in ids)
        await asyncio.gather(*waits)
        assert net.world.stats.refused == 0
        assert net.world.stats.max_3600s <= 4500


async def test_clients_that_share_a_budget() -> None:
    """Two clients with one budget object stay within it together."""
    budget = RequestBudget(per_minute=20, per_hour=100_000, reserve=0.5)
    land = world(lifecycle=FOR_EVER)
    async with (
        virtual_client(land, budget=budget) as (one, net),
        virtual_client(land, budget=budget) as (two, _),
    ):
        waits = [
            asyncio.create_task(client.dedicated_inferences.wait_until_active(id, timeout=None))
            for client in (one, two)
            for id in [land.add_instance(now=net.now(), status="new").id for _ in range(20)]
        ]
        await asyncio.sleep(1800)
        assert busiest(net, 60) <= 10
        await settle(*waits)


# --- list pages ------------------------------------------------------------------------------


def count_reads(net: EmulatorNetwork) -> tuple[int, list[str]]:
    """Return the number of list requests, and the ids of all GETs."""
    paths = [request.path for request in net.requests if request.method == "GET"]
    return paths.count(BASE), [path.rpartition("/")[2] for path in paths if path != BASE]


async def test_hundred_waits_on_one_page() -> None:
    """A hundred instances need one list read each interval, and one GET each to settle."""
    async with virtual_client() as (client, net):
        place = partial(net.world.add_instance, now=net.now(), status="new")
        ids = [place(settles_in=300 + i).id for i in range(100)]
        await asyncio.gather(*map(client.dedicated_inferences.wait_until_active, ids))
        lists, got = count_reads(net)
    assert 60 <= lists <= 85
    assert sorted(got) == sorted(ids)


async def test_one_wait_in_a_large_account() -> None:
    """One instance among five hundred is read by GET; no list is read once it is found."""
    async with virtual_client() as (client, net):
        place = partial(net.world.add_instance, now=net.now())
        ids = [place(status="new", settles_in=300).id for _ in range(1)]
        for _ in range(500):
            place(status="active")
        await client.dedicated_inferences.wait_until_active(ids[0])
        lists, got = count_reads(net)
    assert lists == 0
    assert len(got) == pytest.approx(60, abs=3)


async def test_two_waits_become_one() -> None:
    """The last wait on a page is read by GET once the other has settled."""
    async with virtual_client() as (client, net):
        place = partial(net.world.add_instance, now=net.now(), status="new")
        ids = [place(settles_in=seconds).id for seconds in (60, 60, 600)]
        waits = [client.dedicated_inferences.wait_until_active(id) for id in ids]
        last = asyncio.gather(*waits)
        await asyncio.sleep(90)
        net.sent.clear()
        await last
        assert count_reads(net)[0] == 0


async def test_token_used_up_by_others() -> None:
    """Requests of other token users reduce the rate: the fleet never meets a 429."""
    async with virtual_client(world(per_hour=300)) as (client, net):
        place = partial(net.world.add_instance, now=net.now(), status="new")
        ids = [place(settles_in=900 + i).id for i in range(30)]
        headers = {"authorization": f"Bearer {net.world.token}", "host": "test"}
        for _ in range(240):
            net.world.handle(net.now(), "GET", f"{BASE}/sizes", headers)
        waits = (client.dedicated_inferences.wait_until_active(id, timeout=7200) for id in ids)
        await asyncio.gather(*waits)
        assert net.world.stats.refused == 0


async def test_429s_received_out_of_order() -> None:
    """The longer of two 429 delays holds, in any order; no request is sent before its end."""
    limited = refusal(429, retry_after="100"), Delayed(2, refusal(429, retry_after="1"))
    network = fake_api(*limited, BUSY)
    async with client_on(network) as client:
        ours = client.dedicated_inferences
        waits = [asyncio.create_task(ours.wait_until(id, bool)) for id in (ID, "other")]
        await asyncio.wait(waits)
    assert network.sent[2].at >= 100


# --- requests on the wire --------------------------------------------------------------------


@asynccontextmanager
async def dying_connections(*answers: bytes) -> AsyncIterator[tuple[str, list[str]]]:
    """Run a server whose connections answer one request and drop the second."""
    received: list[str] = []
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append((await reader.readuntil(b"\r\n\r\n")).split(b" ")[0].decode())
        writer.write(b"HTTP/1.1 %s" % (left.pop(0) if len(left) > 1 else left[0]))
        await writer.drain()
        if await reader.read(1):
            received.append("sent in vain")

    async with serving(serve) as url:
        yield url, received


def raw(status: str, body: bytes = b"{}") -> bytes:
    """Return a raw HTTP response without its version."""
    return b"%s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


SHOWN = {"dedicated_inference": {"id": ID, "status": "deleting"}}
SEEN = raw("200 OK", orjson.dumps(SHOWN))


@REAL
async def test_silent_retries_of_aiohttp() -> None:
    """A GET that aiohttp resends on a fresh connection counts twice in the budget."""
    budget = RequestBudget()
    async with (
        dying_connections(SEEN) as (url, received),
        DigitalOcean("dop_v1_secret", base_url=url, budget=budget) as client,
    ):
        for _ in range(3):
            await client.dedicated_inferences.get(ID)
        assert received.count("sent in vain") == 2
        assert budget.used(asyncio.get_running_loop().time()) == (5, 5)


@REAL
async def test_silent_retries_during_a_wait() -> None:
    """Silent retries count in the requests of a wait."""
    polling = PollPolicy(target_lag=0.01)
    gone = raw("404 Not Found", b'{"id": "not_found", "message": "gone"}')
    answers = raw("202 Accepted"), SEEN, SEEN, gone
    async with (
        dying_connections(*answers) as (url, received),
        DigitalOcean("dop_v1_secret", base_url=url, polling=polling) as client,
    ):
        change = await client.dedicated_inferences.delete("x")
        await change.wait()
        assert received.count("sent in vain") == 3
        assert change.history[-1].requests == len(received) - 1
