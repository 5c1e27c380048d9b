"""Tests of many waits of one client, read by list pages and proven by GETs, on the emulator."""

import asyncio
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from di_async import DigitalOcean, PollPolicy, RequestBudget, WaitRefusedError, WaitTimeoutError
from di_async.emulator import Lifecycle, LogNormal, World
from di_async.engine.waiting.duration_model import DurationModel
from tests.builders.digitalocean import a_spec
from tests.fake_network import EmulatorNetwork, virtual_client
from tests.support import VIRTUAL

pytestmark = VIRTUAL

BASE = "/v2/dedicated-inferences"
SPREAD = Lifecycle(create=LogNormal(759, 0.2785), update=300, delete=120)


def a_world(dialect: Any = "documented", **options: Any) -> World:
    """Return a world whose creates take 8 to 20 minutes."""
    return World(dialect, **{"seed": 0, "lifecycle": SPREAD, **options})


def placed(net: EmulatorNetwork, count: int, **settings: Any) -> list[str]:
    """Add this many new instances; return their ids."""
    options = {"status": "new", **settings}
    return [net.world.add_instance(now=net.now(), **options).id for _ in range(count)]


def kinds(net: EmulatorNetwork) -> Counter[str]:
    """Return the number of lists, GETs and other requests."""
    names = {("GET", True): "list", ("GET", False): "get"}
    return Counter(names.get((r.method, r.path == BASE), "other") for r in net.requests)


async def all_active(client: DigitalOcean, ids: list[str], **options: Any) -> list[Any]:
    """Wait for all of these ids concurrently."""
    waits = (client.dedicated_inferences.wait_until_active(id, **options) for id in ids)
    return await asyncio.gather(*waits)


def begin(client: DigitalOcean, ids: list[str]) -> list["asyncio.Task[Any]"]:
    """Start a wait in a task for each of these ids."""
    ours = client.dedicated_inferences
    return [asyncio.create_task(ours.wait_until_active(id, timeout=None)) for id in ids]


async def end(tasks: list["asyncio.Task[Any]"]) -> None:
    """Cancel these tasks and wait until they end."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


# --- lists detect, GETs confirm ----------------------------------------------------------------


async def test_requests_of_two_hundred_waits() -> None:
    """Two hundred waits need one page each interval and one GET each."""
    async with virtual_client(a_world()) as (client, net):
        found = await all_active(client, placed(net, 200))
        counts = kinds(net)
        span = asyncio.get_running_loop().time()
    assert {(di.status, di.spec is not None) for di in found} == {("active", True)}
    assert counts["get"] <= 205
    assert counts["list"] <= span / 5 + 2


@pytest.mark.parametrize(
    "dialect", ["documented", pytest.param("observed", marks=pytest.mark.exhaustive)]
)
async def test_thousand_waits_are_confirmed(dialect: str) -> None:
    """A thousand waits are each confirmed by a GET soon after they settle, within the budget."""
    async with virtual_client(a_world(dialect)) as (client, net):
        ids = placed(net, 1000)
        lags = []

        async def one(id: str) -> None:
            await client.dedicated_inferences.wait_until_active(id)
            lags.append(net.now() - net.world.truth(id, net.now()).settled_at)

        await asyncio.gather(*(one(id) for id in ids))
        assert kinds(net)["get"] >= 1000
        assert net.world.stats.refused == 0
        assert len(net.requests) <= 2600
    assert 0 <= min(lags) <= sorted(lags)[989] <= 6


async def test_shorter_list_of_a_region_is_read() -> None:
    """A region's list of one page replaces the account's five pages."""
    async with virtual_client(a_world()) as (client, net):
        ids = []
        for _ in range(100):
            placed(net, 9, status="active", region="atl1")
            ids += placed(net, 1, region="tor1")
        found = await all_active(client, ids)
        counts, span = kinds(net), asyncio.get_running_loop().time()
        lags = [net.world.truth(id, net.now()).settled_at for id in ids]
    assert {(di.status, di.region) for di in found} == {("active", "tor1")}
    assert net.now() - max(lags) <= 6
    assert counts["list"] <= span / 5 + 12
    assert counts["get"] <= 140


async def test_confirm_always_proves_each_by_get() -> None:
    """`always` confirms each wait by a GET, even on a small budget."""
    options = {"polling": PollPolicy(confirm="always"), "budget": RequestBudget(per_hour=800)}
    async with virtual_client(a_world(), **options) as (client, net):
        ids = placed(net, 300)
        await all_active(client, ids, timeout=7200)
        got = {r.path.rpartition("/")[2] for r in net.requests if r.path != BASE}
        assert got == set(ids)


async def test_confirm_never_settles_by_rows() -> None:
    """`never` settles waits by full rows without a GET, and the history says so."""
    async with virtual_client(a_world(), polling=PollPolicy(confirm="never")) as (client, net):
        ours = client.dedicated_inferences
        ids = placed(net, 300)
        streams = [ours.watch(ids[0])]
        await all_active(client, ids)
        assert kinds(net)["get"] <= 40
        assert {net.world.truth(id, net.now()).settled for id in ids} == {True}
        assert (await anext(aiter(streams[0]))).status == "active"


@pytest.mark.exhaustive
async def test_confirm_auto_settles_by_rows_when_gets_do_not_fit() -> None:
    """`auto` accepts rows once the GETs do not fit the budget."""
    sent = {}
    for per_hour in (600, 5000):
        budget = RequestBudget(per_hour=per_hour)
        async with virtual_client(a_world(), budget=budget) as (client, net):
            ids = placed(net, 1200)
            await all_active(client, ids, timeout=7200)
            sent[per_hour] = kinds(net)["get"]
            assert all(net.world.truth(id, net.now()).settled for id in ids)
    assert sent[600] < 600 < 1200 <= sent[5000]


@pytest.mark.parametrize("per_hour", [500, pytest.param(5000, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("confirm", ["auto", pytest.param("always", marks=pytest.mark.exhaustive)])
async def test_row_that_a_get_refutes_settles_nothing(confirm: Any, per_hour: int) -> None:
    """Active rows of instances with a pending spec settle no wait."""
    cycle = Lifecycle(create=LogNormal(759, 0.2785), active_early=120)
    world, polling = a_world("observed", lifecycle=cycle), PollPolicy(confirm=confirm)
    budget = RequestBudget(per_hour=per_hour)
    async with virtual_client(world, polling=polling, budget=budget) as (client, net):
        ids = placed(net, 600)

        async def one(id: str) -> bool:
            await client.dedicated_inferences.wait_until_active(id, timeout=14_400)
            return net.world.truth(id, net.now()).settled

        assert all(await asyncio.gather(*(one(id) for id in ids)))


async def test_light_row_never_seen_in_progress() -> None:
    """A light row never seen in progress is confirmed by a GET, however small the budget."""
    budget = RequestBudget(per_hour=300)
    async with virtual_client(a_world("observed"), budget=budget) as (client, net):
        ids = placed(net, 450, status="active")
        await all_active(client, ids, timeout=14_400)
        got = {r.path.rpartition("/")[2] for r in net.requests if r.path != BASE}
    assert got == set(ids)


# --- deletes, moving rows, errors --------------------------------------------------------------


@pytest.mark.parametrize("confirm", ["auto", "always", "never"])
async def test_deletes_end_on_get_404(confirm: Any) -> None:
    """A delete ends on a GET with 404, whatever the rows show."""
    async with virtual_client(a_world(), polling=PollPolicy(confirm=confirm)) as (client, net):
        ids = placed(net, 60, status="active")
        ours = client.dedicated_inferences
        changes = [await ours.delete(id) for id in ids]
        await asyncio.gather(*(change.wait() for change in changes))
        gone = {
            path.rpartition("/")[2]
            for _, verb, path, status in net.world.requests
            if (verb, status) == ("GET", 404)
        }
    assert gone == set(ids)
    assert {change.history[-1].source for change in changes} == {"get"}


async def test_missing_rows_settle_no_delete() -> None:
    """Instances missing from all lists are not taken for deleted."""
    async with virtual_client(a_world(lifecycle=Lifecycle(create=1, delete=3000))) as (client, net):
        net.world.fault("list_lag", on=f"POST {BASE}", seconds=1e6, times=None)
        ours = client.dedicated_inferences
        made = [await ours.create(a_spec(f"web-{n}")) for n in range(30)]
        await asyncio.sleep(5)
        waits = [asyncio.create_task((await ours.delete(change.id)).wait()) for change in made]
        await asyncio.sleep(1500)
        assert not any(task.done() for task in waits)
        await end(waits)


@pytest.mark.exhaustive
async def test_thousand_deletes_on_moving_pages() -> None:
    """A thousand deletes on moving pages are noticed soon, and none early."""
    cycle = Lifecycle(delete=LogNormal(300, 0.3))
    async with virtual_client(a_world(lifecycle=cycle)) as (client, net):
        ids = placed(net, 1000, status="active")
        lags = []

        async def one(id: str) -> None:
            change = await client.dedicated_inferences.delete(id)
            await change.wait(timeout=7200)
            lags.append(net.now() - net.world.truth(id, net.now()).settled_at)

        for start in range(0, 1000, 100):
            await asyncio.gather(*(one(id) for id in ids[start : start + 100]))
        assert net.world.stats.refused == 0
    assert len(lags) == 1000
    assert min(lags) >= 0
    assert sorted(lags)[989] <= 60


async def test_failing_pages_end_no_wait() -> None:
    """Pages that fail every third time delay waits but end none."""
    async with virtual_client(a_world()) as (client, net):
        net.world.fault("status", status=503, probability=0.2, times=None)
        net.world.fault("reset", probability=0.1, times=None)
        found = await all_active(client, placed(net, 200))
    assert {di.status for di in found} == {"active"}


async def test_401_on_the_list_ends_all_waits_on_it() -> None:
    """A 401 on the list ends all waits on it."""
    async with virtual_client(a_world()) as (client, net):
        waits = begin(client, placed(net, 40))
        await asyncio.sleep(30)
        net.world.fault("status", status=401, times=None)
        await asyncio.sleep(60)
        ends = await asyncio.gather(*waits, return_exceptions=True)
    assert {type(error) for error in ends} == {WaitRefusedError}


async def test_no_requests_after_all_waits_were_cancelled() -> None:
    """No list is read after three hundred waits were cancelled."""
    async with virtual_client(a_world()) as (client, net):
        waits = begin(client, placed(net, 300))
        await asyncio.sleep(60)
        await end(waits)
        sent = len(net.requests)
        await asyncio.sleep(3600)
        assert len(net.requests) == sent > 5


async def test_predicate_beside_waits_read_by_lists() -> None:
    """A predicate wait reads by GET while its neighbours are read by list pages."""
    async with virtual_client(a_world()) as (client, net):
        ids = placed(net, 50)
        ours = client.dedicated_inferences
        watching = asyncio.create_task(ours.wait_until(ids[0], lambda di: di.endpoints is not None))
        await all_active(client, ids[1:])
        await watching
        counts = kinds(net)
        got = Counter(r.path.rpartition("/")[2] for r in net.requests if r.path != BASE)
    assert got[ids[0]] > 50
    assert sum(got.values()) - got[ids[0]] <= 60
    assert counts["list"] > 100


# --- one token, several users ------------------------------------------------------------------


async def test_other_users_of_the_token_keep_their_share() -> None:
    """A fleet leaves other users of the token their 30 % of the requests of an hour."""
    budget = RequestBudget(per_hour=600)
    async with virtual_client(a_world(per_hour=600), budget=budget) as (client, net):
        ids = placed(net, 200)
        headers = {"authorization": f"Bearer {net.world.token}", "host": "test"}
        refused = 0

        async def other_client() -> None:
            nonlocal refused
            while True:
                answer = net.world.handle(net.now(), "GET", f"{BASE}/sizes", headers)
                refused += answer.status == 429
                await asyncio.sleep(20)

        strange = asyncio.create_task(other_client())
        await all_active(client, ids, timeout=7200)
        await end([strange])
    assert (refused, net.world.stats.refused) == (0, 0)


# --- recorded durations ------------------------------------------------------------------------


async def test_recorded_durations_save_requests() -> None:
    """A second fleet with the recorded model sends fewer requests."""
    model, sent = DurationModel(), []
    for _ in range(2):
        async with virtual_client(a_world(), polling=PollPolicy(durations=model)) as (client, net):
            specs = placed(net, 150)
            ours = client.dedicated_inferences
            changes = [ours.resume(_create_token(client, net, id)) for id in specs]
            await asyncio.gather(*(change.wait() for change in changes))
            sent.append(kinds(net)["list"])
    distribution = model.law(("create", "atl1", "gpu-mi300x1-192gb"))
    assert distribution is not None
    assert distribution.mu == pytest.approx(math.log(759), abs=0.1)
    assert distribution.sigma == pytest.approx(0.2785, rel=0.25)
    assert sent[1] < 0.95 * sent[0]


def _create_token(client: DigitalOcean, net: EmulatorNetwork, id: str) -> str:
    from di_async.core.waiting.observation import Action, Expectation
    from di_async.core.waiting.resume_token import ResourceRef, ResumeToken, pack_expectation

    expectation = Expectation(action=Action.CREATE, accepted_at=0.0, target_spec_version=1)
    return ResumeToken(
        provider="digitalocean",
        base_url=client.base_url,
        resource=ResourceRef("dedicated-inference", id),
        action=expectation.action,
        baseline=pack_expectation(expectation),
        started_at=net.now(),
    ).encode()


def test_saved_durations_in_a_policy(tmp_path: Path) -> None:
    """`PollPolicy(durations=DurationModel.load(path))` uses the saved distributions."""
    model, kind = DurationModel(), ("create", "atl1", "gpu")
    for n in range(40):
        model.learn(kind, 600.0 + n)
    model.save(tmp_path / "d.json")
    policy = PollPolicy(durations=DurationModel.load(tmp_path / "d.json"))
    assert policy.durations is not None
    assert policy.durations.law(kind) == model.law(kind)


async def test_stuck_instance_affects_no_other_wait() -> None:
    """One of fifty instances that never settles times out without affecting others."""
    async with virtual_client(a_world()) as (client, net):
        ids = placed(net, 50)
        net.world.fault("stuck", id=ids[7], now=net.now())
        ours = client.dedicated_inferences
        waits = (ours.wait_until_active(id, timeout=3600) for id in ids)
        ends = await asyncio.gather(*waits, return_exceptions=True)
    assert isinstance(ends[7], WaitTimeoutError)
    assert sum(isinstance(end, BaseException) for end in ends) == 1
