"""Tests of the poll rate, through the public API and in virtual time."""

import asyncio
import base64
import itertools
import json
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from di_async import Change, DigitalOcean, PollPolicy, RequestBudget
from di_async.core.http import Request, Response
from di_async.engine.waiting.duration_model import DurationModel
from di_async.exoscale import Exoscale
from tests.builders.digitalocean import BASE, EARLY, LATE, Body, an_instance
from tests.fake_network import Delayed, FakeNetwork, answer
from tests.promises.support import VIRTUAL

pytestmark = VIRTUAL

State = Callable[[str, float], Body]
"""The fields that an instance shows at a loop time."""
BUSY, ACTIVE, LIGHT = {"status": "provisioning"}, {"status": "active"}, {"spec": None}
OPERATION, DEPLOYMENT = "/v2/operation", "/v2/ai/deployment"


def busy(_id: str, _at: float) -> Body:
    """Return the fields of an instance that is being created."""
    return BUSY


def now() -> float:
    """Return the loop time."""
    return asyncio.get_running_loop().time()


class Account:
    """DigitalOcean's responses for instances whose list rows and GETs show scripted fields."""

    def __init__(
        self,
        ids: Iterable[str],
        row: State,
        get: State | None = None,
        headers: Callable[[], dict[str, str]] = dict,
    ) -> None:
        self.ids, self._row, self._get, self._headers = list(ids), row, get or row, headers

    def __call__(self, request: Request) -> Response:
        headers = self._headers()
        if request.path != BASE:
            id = request.path.rpartition("/")[2]
            return answer(200, {"dedicated_inference": self._shown(id, self._get)}, **headers)
        params = dict(request.params)
        size, page = int(params["per_page"]), int(params["page"])
        rows = [self._shown(id, self._row) for id in self.ids[(page - 1) * size : page * size]]
        body = {"dedicated_inferences": rows, "links": {}, "meta": {"total": len(self.ids)}}
        return answer(200, body, **headers)

    def _shown(self, id: str, state: State) -> Body:
        return an_instance(id=id, name=id, **state(id, now()))


def gaps(times: Sequence[float]) -> list[float]:
    """Return the seconds between one time and the next."""
    return [after - before for before, after in itertools.pairwise(times)]


def client_on(network: FakeNetwork, **options: Any) -> DigitalOcean:
    """Return a client of this network."""
    return DigitalOcean("dop_v1_secret", transport=network, **options)


async def watch(changes: Iterable[Change[Any]], seconds: float) -> None:
    """Wait this long for these changes, then cancel the waits that are not settled."""
    waits = [asyncio.create_task(change.wait(timeout=None)) for change in changes]
    await asyncio.sleep(seconds)
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)


def active(client: DigitalOcean, ids: Iterable[str]) -> list[Change[Any]]:
    """Return a wait for each of these ids to be active."""
    return [client.dedicated_inferences.begin_wait(id) for id in ids]


def token(**fields: Any) -> str:
    """Return the resume token of a create that was accepted just now."""
    content = {
        "v": 1,
        "provider": "digitalocean",
        "base_url": "https://api.digitalocean.com",
        "action": "create",
        "baseline": {},
        "started_at": time.time(),
        **fields,
    }
    return base64.urlsafe_b64encode(orjson.dumps(content)).decode().rstrip("=")


# --- rows that a GET does not confirm --------------------------------------------------------


async def test_confirm_backoff() -> None:
    """The interval doubles each time a GET does not confirm the same row, up to `max_interval`."""
    account = Account(
        ["a", "b"],
        row=lambda name, _: ACTIVE if name == "a" else BUSY,
        get=busy,
    )
    network = FakeNetwork(account)
    policy = PollPolicy(target_lag=20, max_interval=300)
    async with client_on(network, polling=policy) as client:
        await watch(active(client, account.ids), 1400)
    pauses = gaps(network.times("GET", f"{BASE}/a"))
    assert pauses == pytest.approx([20, 40, 80, 160, 300, 300, 300], abs=1)


async def test_confirm_of_a_changed_row() -> None:
    """A changed row is confirmed immediately, even while the old one is backing off."""

    def row(id: str, at: float) -> Body:
        changed = {"updated_at": LATE if at > 400 else EARLY}
        return {**ACTIVE, **changed} if id == "a" else BUSY

    account = Account(
        ["a", "b"],
        row=row,
        get=busy,
    )
    network = FakeNetwork(account)
    policy = PollPolicy(target_lag=20, max_interval=300)
    async with client_on(network, polling=policy) as client:
        await watch(active(client, account.ids), 450)
    times = network.times("GET", f"{BASE}/a")
    assert times[-2:] == pytest.approx([300, 401], abs=20)


# --- jitter between processes ----------------------------------------------------------------


async def listed_at(seed: int, foreign_per_s: float) -> list[float]:
    """Return when a client with a scarce budget reads the list while others use its token."""

    def headers() -> dict[str, str]:
        used = len(network.sent) + int(foreign_per_s * (now() - began))
        return {"ratelimit_limit": "5000", "ratelimit_remaining": str(5000 - used)}

    account = Account(["a", "b"], busy, headers=headers)
    network, began = FakeNetwork(account), now()
    random.seed(seed)
    async with client_on(network, budget=RequestBudget(per_hour=300)) as client:
        await watch(active(client, account.ids), 600)
    return [at - began for at in network.times("GET", BASE)]


async def test_jitter_between_processes() -> None:
    """Processes that share a token each plan with up to 5 % less, so that they do not align."""
    one, other = await listed_at(1, 0.1), await listed_at(2, 0.1)
    together = [at for at in one[5:] if any(abs(at - theirs) < 0.1 for theirs in other)]
    assert len(together) < len(one) / 2
    ratios = [mine / theirs for mine, theirs in zip(gaps(one), gaps(other), strict=False)]
    assert 0.8 < min(ratios) < 0.97
    assert 1.03 < max(ratios) < 1.25


async def test_no_jitter_alone() -> None:
    """A process that has the token for itself plans with all of its budget."""
    assert await listed_at(1, 0) == pytest.approx(await listed_at(2, 0), abs=0.001)


# --- operations of many deployments ----------------------------------------------------------


class Deployments:
    """Exoscale's responses while all deployments are being created and all operations pend."""

    def __init__(self, count: int) -> None:
        self.ids = [f"00000000-0000-4000-8000-{i:012}" for i in range(count)]

    def __call__(self, request: Request) -> Response:
        if request.path == DEPLOYMENT:
            rows = [{"id": id, "name": id, "state": "creating"} for id in self.ids]
            return answer(200, {"deployments": rows})
        id = request.path.rpartition("/")[2]
        if request.path.startswith(OPERATION):
            return answer(200, {"id": id, "state": "pending", "reference": {"id": id}})
        return answer(200, {"id": id, "name": id, "state": "creating"})

    def changes(self, client: Exoscale) -> list[Change[Any]]:
        """Return the creates of all deployments; each operation has its deployment's id."""
        return [
            client.deployments.resume(
                token(
                    provider="exoscale",
                    base_url=client.base_url,
                    scope="ch-gva-2",
                    stage={"kind": "deployment", "id": id},
                    steps=[{"kind": "operation", "id": id}],
                )
            )
            for id in self.ids
        ]


async def operations_read(count: int, budget: RequestBudget | None) -> list[tuple[float, str]]:
    """Return the reads of operations within an hour, except those of the first deployments."""
    deployments = Deployments(count)
    network = FakeNetwork(deployments)
    async with Exoscale("EXO" + "x" * 24, "s3cr3t", transport=network, budget=budget) as client:
        await watch(deployments.changes(client), 3600)
    few = set(deployments.ids[:8])
    reads = [(sent.at, sent.request.path.rpartition("/")[2]) for sent in network.sent]
    paths = [sent.request.path for sent in network.sent]
    return [
        read
        for read, path in zip(reads, paths, strict=True)
        if path.startswith(OPERATION) and read[1] not in few
    ]


async def test_operations_are_read_every_300_s() -> None:
    """Each operation is read about every 300 s without a hint: it may have failed."""
    reads = await operations_read(40, None)
    for id in {id for _, id in reads}:
        times = [at for at, read in reads if read == id]
        assert 300 <= times[0] <= 330
        assert all(300 <= gap <= 330 for gap in gaps(times))
    assert len({id for _, id in reads}) == 32


async def test_operations_take_a_fifth_of_the_quota() -> None:
    """Reads of operations take at most 20 % of the hour's requests, in turn."""
    reads = await operations_read(158, RequestBudget(per_hour=5000))
    per_slot = Counter(int(at // 300) for at, _ in reads)
    assert max(per_slot.values()) <= 0.2 * 5000 / 12
    assert len(reads) > 200
    times_read = Counter(id for _, id in reads)
    assert len(times_read) == 150
    assert max(times_read.values()) - min(times_read.values()) <= 1


# --- recorded durations ----------------------------------------------------------------------


async def recorded_duration(
    tmp_path: Path, settles_at: float, updated: float | str, lag: float
) -> tuple[float, list[float]]:
    """Return the recorded duration of one create, and the times of its reads.

    `updated` is the loop time, or the text, of `updated_at` once it is active.
    """
    model, epoch = DurationModel(), time.time() - now()

    def state(id: str, at: float) -> Body:
        if at < settles_at:
            return {**BUSY, "updated": EARLY}
        if isinstance(updated, str):
            return {**ACTIVE, "updated": updated}
        return {**ACTIVE, "updated": datetime.fromtimestamp(epoch + updated, UTC).isoformat()}

    network = FakeNetwork(Account(["a"], state))
    policy = PollPolicy(target_lag=lag, max_interval=lag, durations=model)
    stage = {"kind": "dedicated-inference", "id": "a"}
    async with client_on(network, polling=policy) as client:
        await client.dedicated_inferences.resume(token(stage=stage)).wait()
    model.save(tmp_path / "durations.json")
    (kind,) = json.loads((tmp_path / "durations.json").read_bytes())["kinds"]
    assert kind["count"] == 1
    return math.exp(kind["mean"]), network.times("GET")


@pytest.mark.parametrize("updated", [601.4, 602.9, 600.5])
async def test_updated_at_sets_the_recorded_duration(tmp_path: Path, updated: float) -> None:
    """A settle is timed by its `updated_at` if that lies between the last two reads."""
    seconds, _ = await recorded_duration(tmp_path, 603, updated, lag=5)
    assert seconds == pytest.approx(updated, abs=0.1)


@pytest.mark.parametrize("updated", [EARLY, 599.5, 900.0, "1970-01-01T00:00:00Z"])
async def test_implausible_updated_at_is_ignored(tmp_path: Path, updated: float | str) -> None:
    """An `updated_at` before the last unsettled read, or in the future, is ignored."""
    seconds, reads = await recorded_duration(tmp_path, 603, updated, lag=5)
    assert seconds == pytest.approx(sum(reads[-2:]) / 2, abs=0.1)


async def test_settle_between_distant_reads(tmp_path: Path) -> None:
    """A settle between distant reads is timed within the last fifth of its age."""
    seconds, _ = await recorded_duration(tmp_path, 500, EARLY, lag=400)
    assert seconds == pytest.approx((0.8 * 800 + 800) / 2, abs=0.5)


# --- requests in flight ----------------------------------------------------------------------


async def test_pages_in_flight() -> None:
    """At most 16 list pages are read concurrently: each takes the memory of many resources."""
    account = Account((f"id-{i}" for i in range(8000)), busy)
    network = FakeNetwork(lambda r: Delayed(20 if len(network.sent) > 1 else 0, account(r)))
    async with client_on(network, budget=None) as client:
        await watch(active(client, account.ids[::40]), 90)
    assert network.most_in_flight == 16
    assert len(network.times("GET", BASE)) > 40


async def test_gets_in_flight() -> None:
    """At most 32 resources are read concurrently."""
    account = Account((f"id-{i}" for i in range(100)), busy)
    network = FakeNetwork(lambda r: Delayed(20, account(r)))
    async with client_on(network, budget=None) as client:
        api = client.dedicated_inferences
        waits = [asyncio.ensure_future(api.wait_until(id, bool)) for id in account.ids]
        await asyncio.wait(waits)
    assert network.most_in_flight == 32
    assert len(network.times("GET")) == 100


# --- trusted rows ----------------------------------------------------------------------------


async def settled_by_rows(
    early: int, *, light: bool = True, refuted: bool = False
) -> tuple[set[str], int]:
    """Return the sources and GETs of later waits, after `early` rows were confirmed.

    The hourly budget is too small to confirm every row.
    """
    first, later = [f"early-{i}" for i in range(early)], [f"later-{i}" for i in range(30)]

    def row(id: str, at: float) -> Body:
        settled = at > (600 if id in later else 60)
        return {**(ACTIVE if settled or id == "refuted" else BUSY), **(LIGHT if light else {})}

    def get(id: str, at: float) -> Body:
        return BUSY if id == "refuted" and at < 500 else ACTIVE

    account = Account([*first, *later, *(["refuted"] if refuted else [])], row, get)
    network = FakeNetwork(account)
    async with client_on(network, budget=RequestBudget(per_hour=400)) as client:
        changes = dict(zip(account.ids, active(client, account.ids), strict=True))
        await watch(changes.values(), 3600)
    assert all(changes[id].outcome == "settled" for id in [*first, *later])
    sources = {changes[id].history[-1].source for id in later}
    gets = [request for request in network.requests_of("GET") if "later" in request.path]
    return sources, len(gets)


async def test_rows_are_trusted_after_twenty_were_confirmed() -> None:
    """Rows without a spec settle waits once GETs have confirmed 20 rows of their kind."""
    assert await settled_by_rows(20) == ({"list"}, 0)


async def test_rows_are_not_trusted_before_twenty_were_confirmed() -> None:
    """Every row is confirmed by a GET while only 19 were confirmed."""
    assert await settled_by_rows(19) == ({"get"}, 30)


async def test_rows_are_not_trusted_after_one_was_refuted() -> None:
    """One row that a GET refuted makes all others need a GET."""
    assert await settled_by_rows(25, refuted=True) == ({"get"}, 30)


async def test_rows_with_a_spec_are_trusted_immediately() -> None:
    """A row that shows its spec is trusted without earlier confirmations."""
    assert await settled_by_rows(0, light=False) == ({"list"}, 0)
