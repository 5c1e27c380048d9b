"""Tests of what takes an hour at the provider, without real waiting."""

import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from di_async import DigitalOcean, PollPolicy, WaitTimeoutError
from di_async.digitalocean import DedicatedInferenceSpec
from di_async.emulator import Emulator, Lifecycle, Options

SPEC = DedicatedInferenceSpec.of(
    "one",
    region="atl1",
    model_slug="openai/gpt-oss-20b",
    accelerator_slug="gpu-mi300x1-192gb",
)


class Clock:
    """The emulator's time, which moves only when a test moves it."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        """Return the time, in epoch seconds."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let seconds pass."""
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    """Return the clock of the emulator."""
    return Clock()


@pytest.fixture
def di_emulator_options(clock: Clock) -> Options:
    """Return options: creates take an hour of the test's clock."""
    lifecycle = Lifecycle(create=3600, delete=60)
    return {"lifecycle": lifecycle, "clock": clock, "time_scale": 1}


@pytest_asyncio.fixture
async def do(di_emulator: Emulator) -> AsyncIterator[DigitalOcean]:
    """Return a client of the emulator."""
    async with DigitalOcean(
        di_emulator.token,
        base_url=di_emulator.url,
        polling=PollPolicy(target_lag=0.05),
        budget=None,
    ) as client:
        yield client


@pytest.mark.asyncio
async def test_slow_deployment(do: DigitalOcean, clock: Clock) -> None:
    """It is not ready after 59 minutes, and ready after 61."""
    change = await do.dedicated_inferences.create(SPEC)
    clock.advance(59 * 60)
    with pytest.raises(WaitTimeoutError):
        await change.wait(timeout=0)  # one read
    clock.advance(2 * 60)
    di = await change.wait(timeout=10)
    assert di.status == "active"


@pytest.mark.asyncio
async def test_timeout(do: DigitalOcean, di_emulator: Emulator) -> None:
    """A deployment that never gets ready: `timeout` is in real seconds."""
    di_emulator.fault("stuck", on="POST /v2/dedicated-inferences")
    change = await do.dedicated_inferences.create(SPEC)
    with pytest.raises(WaitTimeoutError) as caught:
        await change.wait(timeout=0.2)
    assert caught.value.resume_token
