"""Tests of timeouts: seconds of the whole wait, never attempts.

`None` waits forever, `0` reads once, the default is 3600 s, and no other setting shortens an
explicit timeout.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from di_async import (
    DigitalOcean,
    PollPolicy,
    RequestBudget,
    RetryPolicy,
    TransportError,
    WaitTimeoutError,
)
from tests.builders.digitalocean import ID, an_instance, creation, instance_answer, refusal
from tests.fake_network import Delayed, FakeNetwork
from tests.promises.support import VIRTUAL, client_on, created, fake_api, now

pytestmark = VIRTUAL

BUSY = an_instance(status="provisioning")
DAY = 86_400.0
Wait = Callable[..., Awaitable[Any]]


async def change_wait(client: DigitalOcean, **options: Any) -> Any:
    """Await `Change.wait` of a create."""
    return await (await created(client)).wait(**options)


async def change_events(client: DigitalOcean, **options: Any) -> Any:
    """Read `Change.events` to its end."""
    change = await created(client)
    async for _ in change.events(**options):
        pass
    return change.latest


async def until_active(client: DigitalOcean, **options: Any) -> Any:
    """Await `wait_until_active`."""
    return await client.dedicated_inferences.wait_until_active(ID, **options)


async def until_deleted(client: DigitalOcean, **options: Any) -> Any:
    """Await `wait_until_deleted`."""
    return await client.dedicated_inferences.wait_until_deleted(ID, **options)


async def until(client: DigitalOcean, **options: Any) -> Any:
    """Await `wait_until`."""
    return await client.dedicated_inferences.wait_until(ID, lambda _: False, **options)


each_wait = pytest.mark.parametrize(
    "wait", [change_wait, change_events, until_active, until_deleted, until]
)


async def lasts(
    wait: Wait, network: FakeNetwork, *, options: dict[str, Any], **settings: Any
) -> float:
    """Return the seconds until the wait timed out."""
    async with client_on(network, **settings) as client:
        began = now()
        with pytest.raises(WaitTimeoutError):
            await wait(client, **options)
        return now() - began


@each_wait
@pytest.mark.parametrize("timeout", [1, 333.3, DAY])
async def test_explicit_timeout(wait: Wait, timeout: float) -> None:
    """Each kind of wait ends after its timeout."""
    network = fake_api(BUSY, post=[creation()])
    settings = {"polling": PollPolicy(target_lag=max(1.0, timeout / 100.5), max_interval=DAY)}
    seconds = await lasts(wait, network, options={"timeout": timeout}, **settings)
    assert seconds == pytest.approx(timeout, abs=0.1)


@each_wait
async def test_default_timeout(wait: Wait) -> None:
    """The default timeout is one hour."""
    network = fake_api(BUSY, post=[creation()])
    assert await lasts(wait, network, options={}) == pytest.approx(3600, abs=0.1)


@pytest.mark.parametrize("days", [1, pytest.param(3, marks=pytest.mark.exhaustive)])
@each_wait
async def test_timeout_of_none(wait: Wait, days: int) -> None:
    """`None` never times out: after days the wait still goes on."""
    network = fake_api(BUSY, post=[creation()])
    async with client_on(network, polling=PollPolicy(target_lag=DAY / 40)) as client:
        waiting = asyncio.ensure_future(wait(client, timeout=None))
        await asyncio.wait([waiting], timeout=days * DAY)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.wait([waiting])
    assert network.count("GET") == pytest.approx(40 * days, abs=1)


@each_wait
async def test_negative_timeout(wait: Wait) -> None:
    """A negative timeout raises `ValueError`, and no request is sent."""
    network = fake_api(BUSY, post=[creation()])
    async with client_on(network) as client:
        with pytest.raises(ValueError, match="timeout"):
            await wait(client, timeout=-1)
    assert network.count("GET") == 0


# --- one read --------------------------------------------------------------------------------


@each_wait
async def test_timeout_of_0(wait: Wait) -> None:
    """A timeout of `0` reads exactly once, immediately."""
    network = fake_api(BUSY, post=[creation()])
    assert await lasts(wait, network, options={"timeout": 0}) < 1
    assert network.count("GET") == 1


async def test_timeout_shorter_than_the_first_interval() -> None:
    """A wait shorter than the first interval reads once before it ends."""
    network = fake_api(BUSY, post=[creation()])
    await lasts(change_wait, network, options={"timeout": 1})
    assert network.count("GET") == 1


@pytest.mark.parametrize("wait", [change_wait, change_events, until_active])
@pytest.mark.parametrize("takes_s", [0.01, 20])
async def test_single_read_that_settles(wait: Wait, takes_s: float) -> None:
    """A single read that settles the wait settles it, however long the response takes."""
    network = fake_api(Delayed(takes_s, instance_answer(an_instance())), post=[creation()])
    async with client_on(network) as client:
        assert (await wait(client, timeout=0)).status == "active"
    assert network.count("GET") == 1


async def test_single_read_that_fails() -> None:
    """A single read that fails counts: the error carries its cause."""
    network = fake_api(refusal(503))
    async with client_on(network) as client:
        with pytest.raises(WaitTimeoutError) as caught:
            await until_active(client, timeout=0)
    assert (network.count("GET"), caught.value.requests) == (1, 1)
    assert caught.value.last_error is not None


async def test_single_reads_in_sequence() -> None:
    """Each wait with a timeout of `0` reads once."""
    network = fake_api(BUSY, BUSY, an_instance(), post=[creation()])
    async with client_on(network) as client:
        change = await created(client)
        for _ in range(2):
            with pytest.raises(WaitTimeoutError):
                await change.wait(timeout=0)
        assert (await change.wait(timeout=0)).status == "active"


async def test_single_read_beside_a_longer_wait() -> None:
    """A wait with a timeout of `0` reads immediately beside one whose next read is minutes away."""
    network = fake_api(BUSY)
    async with client_on(network, polling=PollPolicy(target_lag=300, max_interval=300)) as client:
        patient = asyncio.create_task(until_active(client))
        await asyncio.sleep(10)
        with pytest.raises(WaitTimeoutError) as caught:
            await until_active(client, timeout=0)
        assert caught.value.requests == 1
        patient.cancel()
        await asyncio.wait([patient])


# --- other settings --------------------------------------------------------------------------

SETTINGS: dict[str, Callable[[], dict[str, Any]]] = {
    "request_timeout": lambda: {"request_timeout": 0.5},
    "attempts": lambda: {"retry": RetryPolicy(attempts=1, initial_delay=0.01, max_delay=0.01)},
    "short intervals": lambda: {"polling": PollPolicy(target_lag=2, max_interval=2)},
    "long intervals": lambda: {"polling": PollPolicy(target_lag=900, max_interval=2)},
    "a small budget": lambda: {"budget": RequestBudget(per_minute=1, per_hour=20)},
    "no budget": lambda: {"budget": None},
}


@pytest.mark.parametrize("setting", SETTINGS)
async def test_other_setting(setting: str) -> None:
    """No other setting ends a wait sooner than its timeout."""
    network = fake_api(BUSY, post=[creation()])
    seconds = await lasts(change_wait, network, options={"timeout": 5000}, **SETTINGS[setting]())
    assert 5000 <= seconds < 5000 + 6


@pytest.mark.parametrize("setting", SETTINGS)
async def test_other_setting_while_reads_fail(setting: str) -> None:
    """No other setting ends a wait sooner while all reads fail."""
    network = fake_api(
        TransportError("reset"), refusal(503), TransportError("reset"), post=[creation()]
    )
    seconds = await lasts(change_wait, network, options={"timeout": 5000}, **SETTINGS[setting]())
    assert 5000 <= seconds < 5000 + 6


async def test_stream_of_many_events() -> None:
    """The timeout of a stream covers the whole stream, not each step."""
    states = [an_instance(status=status) for status in ("new", "provisioning")] * 50
    network = fake_api(*states, post=[creation()])
    assert await lasts(change_events, network, options={"timeout": 100}) == pytest.approx(
        100, abs=0.1
    )
