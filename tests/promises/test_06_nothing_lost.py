"""Promise 6: nothing that was learned is lost when a wait does not end well.

Each `WaitError` carries id, resource, initial, history, elapsed, requests, last_error and a resume
token. A timeout or a cancellation leaves the deployment alone and says that it keeps billing. A
read in flight at the deadline may still win, within a short grace. A create cancelled in flight
logs a warning and notes in the `CancelledError` its name and how to find it.
"""

import asyncio
import pickle
from typing import Any

import pytest

from di_async import (
    Change,
    DeploymentFailedError,
    PermissionDeniedError,
    ResourceVanishedError,
    ServerError,
    SupersededError,
    WaitError,
    WaitRefusedError,
    WaitTimeoutError,
    wait_all,
)
from tests.builders.digitalocean import (
    DIALECTS,
    GONE,
    ID,
    a_spec,
    an_instance,
    creation,
    instance_answer,
    refusal,
)
from tests.fake_network import Delayed, FakeNetwork, answer, virtual_client
from tests.promises.support import (
    HTML,
    VIRTUAL,
    Step,
    client_on,
    created,
    delay,
    fake_api,
    lasting,
    now,
    world,
)

pytestmark = VIRTUAL

BUSY = an_instance(status="provisioning")
ENDINGS: dict[str, tuple[type[WaitError], Step, str]] = {
    "timeout": (WaitTimeoutError, BUSY, "provisioning"),
    "failure": (DeploymentFailedError, an_instance(status="error"), "error"),
    "deleted": (SupersededError, an_instance(status="deleting"), "deleting"),
    "vanished": (ResourceVanishedError, GONE, "provisioning"),
    "refused": (WaitRefusedError, refusal(403), "provisioning"),
}
each_ending = pytest.mark.parametrize("ending", ENDINGS)


async def failing(
    ending: str, *, timeout: float = 300
) -> tuple[WaitError, Change[Any], FakeNetwork]:
    """A create's wait that does not end well: its error, its change, its network."""
    kind, last, _ = ENDINGS[ending]
    network = fake_api(BUSY, HTML, last, post=[creation()])
    async with client_on(network) as client:
        change = await created(client)
        with pytest.raises(kind) as caught:
            await change.wait(timeout=timeout)
    return caught.value, change, network


# --- the attributes --------------------------------------------------------------------------


@each_ending
async def test_id_and_answer_of_the_write(ending: str) -> None:
    """`.id` and `.initial` are those of the change, structured."""
    error, change, _ = await failing(ending)
    assert (error.id, error.id, error.initial) == (ID, change.id, change.initial)
    assert error.initial.status == "new"


@each_ending
async def test_resource_as_last_seen(ending: str) -> None:
    """`.resource` is the instance as the last read that found it showed it."""
    error, _, _ = await failing(ending)
    assert error.resource.status == ENDINGS[ending][2]


async def test_resource_that_no_read_found() -> None:
    """If no read ever found it, `.resource` is what the write answered."""
    async with client_on(fake_api(HTML, post=[creation()])) as client:
        change = await created(client)
        with pytest.raises(WaitTimeoutError) as caught:
            await change.wait(timeout=10)
    assert caught.value.resource == change.initial


@each_ending
async def test_history(ending: str) -> None:
    """`.history` tells the whole story, oldest first, troubles included."""
    error, _, _ = await failing(ending)
    assert isinstance(error.history, tuple)
    assert error.history[0].status == "provisioning"
    assert "502" in (error.history[1].note or "")
    assert len(error.history) >= 3
    assert [e.elapsed for e in error.history] == sorted(e.elapsed for e in error.history)


@each_ending
async def test_time_and_requests_spent(ending: str) -> None:
    """`.elapsed` is seconds since the write was accepted, `.requests` those of this wait."""
    error, _, network = await failing(ending)
    assert error.requests == network.count("GET")
    assert error.elapsed == pytest.approx(now() - 0.01, abs=0.02)


@each_ending
async def test_last_error(ending: str) -> None:
    """`.last_error` is the last trouble there was, the refusal included."""
    error, _, _ = await failing(ending)
    expected = {"refused": PermissionDeniedError}.get(ending, ServerError)
    assert ending == "vanished" or isinstance(error.last_error, expected)
    assert error.last_error is not None


@each_ending
async def test_resume_token(ending: str) -> None:
    """`.resume_token` is text from which a new client goes on with this very wait."""
    error, _, _ = await failing(ending)
    network = fake_api(an_instance())
    async with client_on(network) as fresh:
        resumed = fresh.dedicated_inferences.resume(error.resume_token or "")
        assert (resumed.id, resumed.action) == (ID, "create")
        assert (await resumed.wait()).status == "active"


@each_ending
async def test_pickle(ending: str) -> None:
    """All of it survives a pickle, as process pools and task queues need."""
    error, _, _ = await failing(ending)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (type(copy), str(copy)) == (type(error), str(error))
    for name in ("id", "resource", "initial", "history", "elapsed", "requests", "resume_token"):
        assert getattr(copy, name) == getattr(error, name)


async def test_wait_without_a_write() -> None:
    """`wait_until_active` has no `.initial`, and all the rest."""
    network = fake_api(BUSY)
    async with client_on(network) as client:
        with pytest.raises(WaitTimeoutError) as caught:
            await client.dedicated_inferences.wait_until_active(ID, timeout=30)
    error = caught.value
    assert (error.id, error.initial, error.resource.status) == (ID, None, "provisioning")
    assert (error.requests, bool(error.resume_token)) == (network.count("GET"), True)


# --- left alone, and billing -----------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_timeout_leaves_it_alone(dialect: str) -> None:
    """A timeout changes nothing at the provider, and says that it keeps billing."""
    async with virtual_client(world(dialect)) as (client, net):
        change = await client.dedicated_inferences.create(a_spec())
        with pytest.raises(WaitTimeoutError, match="bills as long as it exists"):
            await change.wait(timeout=60)
        assert net.world.truth(change.id, net.now()).exists
        assert [r.method for r in net.requests].count("DELETE") == 0


async def test_timeout_is_the_standard_one() -> None:
    """A wait's timeout is a `TimeoutError`, so that plain code catches it."""
    error, _, _ = await failing("timeout")
    assert isinstance(error, TimeoutError)


async def test_cancelled_wait_leaves_it_alone() -> None:
    """A cancelled wait notes that the deployment was left alone and keeps billing."""
    async with virtual_client() as (client, net):
        change = await client.dedicated_inferences.create(a_spec())
        waiting = asyncio.create_task(change.wait())
        await asyncio.sleep(60)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await waiting
        assert "bills as long as it exists" in "".join(caught.value.__notes__)
        assert net.world.truth(change.id, net.now()).exists
        assert [r.method for r in net.requests].count("DELETE") == 0


async def test_cancelled_stream_of_events() -> None:
    """So does a cancelled loop over the events."""
    async with client_on(fake_api(BUSY, post=[creation()])) as client:
        change = await created(client)

        async def follow() -> None:
            async for _ in change.events():
                pass

        following = asyncio.create_task(follow())
        await asyncio.sleep(60)
        following.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await following
    assert "bills" in "".join(getattr(caught.value, "__notes__", ()))


# --- the deadline ----------------------------------------------------------------------------


@pytest.mark.parametrize("takes_s", [2, 4])
async def test_read_in_flight_at_the_deadline(takes_s: float) -> None:
    """A read that is in flight when the time is up may still win, shortly after."""
    network = fake_api(BUSY, Delayed(takes_s, instance_answer(an_instance())), post=[creation()])
    async with client_on(network) as client:
        change = await created(client)
        began = now()
        assert (await change.wait(timeout=11)).status == "active"
        assert now() - began > 11


async def test_read_in_flight_that_settles_nothing() -> None:
    """If it does not settle, the wait ends with it."""
    network = fake_api(BUSY, Delayed(3, instance_answer(BUSY)), post=[creation()])
    async with client_on(network) as client:
        change = await created(client)
        began = now()
        with pytest.raises(WaitTimeoutError):
            await change.wait(timeout=11)
    assert now() - began == pytest.approx(13, abs=0.1)
    assert network.count("GET") == 2


@pytest.mark.parametrize(("timeout", "won"), [(98, 0), (105, 3)])
async def test_page_in_flight_at_the_deadline(
    timeout: float, won: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may show them settled, and the GETs that prove it may win; if not, it is over with it."""
    async with virtual_client(world(lifecycle=lasting(100))) as (client, net):
        ours = client.dedicated_inferences
        changes = [await ours.create(a_spec(f"web-{n}")) for n in range(3)]
        came = delay(net, lambda: 2, monkeypatch)
        began = now()
        report = await wait_all(changes, timeout=timeout)
        assert len(report.succeeded) == won
        assert timeout < now() - began <= timeout + 5
        assert now() == came[-1]


async def test_read_in_flight_that_takes_for_ever() -> None:
    """The grace is short: a read that hangs holds nobody for longer than seconds."""
    network = fake_api(BUSY, Delayed(10_000, instance_answer(an_instance())), post=[creation()])
    async with client_on(network) as client:
        change = await created(client)
        began = now()
        with pytest.raises(WaitTimeoutError):
            await change.wait(timeout=11)
        assert 11 < now() - began <= 11 + 10


async def test_no_read_in_flight_at_the_deadline() -> None:
    """Without one there is no grace: the wait ends on time."""
    async with client_on(fake_api(BUSY, post=[creation()])) as client:
        change = await created(client)
        began = now()
        with pytest.raises(WaitTimeoutError):
            await change.wait(timeout=7)
    assert now() - began == pytest.approx(7)


# --- creates that are cancelled --------------------------------------------------------------


async def cancelled_create() -> asyncio.CancelledError:
    """What a create raises that is cancelled while its request is in flight."""
    async with client_on(fake_api(BUSY, post=[Delayed(20, creation())])) as client:
        creating = asyncio.create_task(client.dedicated_inferences.create(a_spec("orphan")))
        await asyncio.sleep(10)
        creating.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await creating
    assert creating.cancelled()
    return caught.value


async def test_create_cancelled_in_flight() -> None:
    """The `CancelledError` notes the name that may exist, and how to find it."""
    notes = "".join((await cancelled_create()).__notes__)
    assert "may exist and bill" in notes
    assert "find('orphan')" in notes


async def test_create_cancelled_in_flight_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A WARNING tells the same to whoever reads the log."""
    await cancelled_create()
    assert [r.levelname for r in caplog.records if "orphan" in r.getMessage()] == ["WARNING"]


async def test_create_cancelled_while_it_is_looked_up() -> None:
    """Nor is the note missing when the cancellation comes after the answer was lost."""
    network = fake_api(answer(503), post=[HTML])
    async with client_on(network) as client:
        creating = asyncio.create_task(client.dedicated_inferences.create(a_spec("orphan")))
        await asyncio.sleep(1)
        creating.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await creating
    assert "find('orphan')" in "".join(caught.value.__notes__)
